// SPDX-License-Identifier: MIT
/*
 * Speculative page faults and memory management: pages installed without a lock
 * are charged, reclaimed, swapped, written to behind a device and given back as
 * any anonymous memory is.
 */
#include "test-spf.h"
#include "test-zram.h"

#include <sys/stat.h>

#define GROUP "/sys/fs/cgroup/mmlab-spf"
#define MB(n) ((size_t)(n) << 20)

static void group_make(void)
{
	int fd = open("/sys/fs/cgroup/cgroup.subtree_control",
		      O_WRONLY | O_CLOEXEC);

	if (fd < 0 || write(fd, "+memory", 7) != 7)
		SKIP("no memory control group");
	EXPECT(close(fd) == 0);
	EXPECT(mkdir(GROUP, 0700) == 0);
}

static void group_enter(void)
{
	char pid[16];

	(void)snprintf(pid, sizeof(pid), "%d", (int)getpid());
	file_write_text(GROUP "/cgroup.procs", pid);
}

static unsigned long long group_bytes(void)
{
	return (unsigned long long)file_read_number(GROUP "/memory.current");
}

/* A process of its own in the group; the group goes after it. */
static int in_group(void (*run)(void))
{
	int status;
	pid_t pid;

	group_make();
	pid = fork();
	EXPECT(pid >= 0);
	if (pid == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		group_enter();
		run();
		_exit(0);
	}
	EXPECT(waitpid(pid, &status, 0) == pid);
	/* Each CPU may keep up to 64 pages charged in advance. */
	EXPECT(group_bytes() < MB(2));
	EXPECT(rmdir(GROUP) == 0);
	return status;
}

static void fill(unsigned char *memory, size_t bytes, unsigned int seed)
{
	for (size_t i = 0; i < bytes; i += PAGE_BYTES)
		*(volatile unsigned int *)(void *)(memory + i) =
			(unsigned int)(i / PAGE_BYTES) * 7 + seed;
}

static void fill_check(unsigned char *memory, size_t bytes, unsigned int seed)
{
	for (size_t i = 0; i < bytes; i += PAGE_BYTES)
		EXPECT_EQ(*(volatile unsigned int *)(void *)(memory + i),
			  (unsigned int)(i / PAGE_BYTES) * 7 + seed);
}

/*
 * Checks.
 */

static void charged_run(void)
{
	const size_t bytes = MB(32);
	unsigned char *memory = region(bytes);
	unsigned long long before = group_bytes();

	fill(memory, bytes, 1);
	EXPECT(group_bytes() >= before + bytes - MB(2));
	EXPECT(madvise(memory, bytes / 2, MADV_DONTNEED) == 0);
	EXPECT(group_bytes() <= before + bytes / 2 + MB(2));
	EXPECT(munmap(memory, bytes) == 0);
	EXPECT(group_bytes() <= before + MB(2));
	/* The rest goes with the process. */
	fill(region(bytes), bytes, 1);
}

static void charged(void)
{
	uint64_t before[CHECK_MAX_STATS];
	int status;

	check_stats(before);
	status = in_group(charged_run);
	EXPECT(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	if (hook_works())
		EXPECT_SINCE(before, FIRST_TOUCH,
			     2 * MB(32) / PAGE_BYTES - 2 * 16);
}

static void limited_run(void)
{
	file_write_text(GROUP "/memory.max", "16M");
	file_write_text("/proc/self/oom_score_adj", "1000");
	fill(region(MB(64)), MB(64), 1);
}

/* At the limit the kernel's fault decides, and kills. */
static void limited(void)
{
	uint64_t before[CHECK_MAX_STATS];
	int status;

	check_stats(before);
	status = in_group(limited_run);
	EXPECT(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	if (hook_works())
		EXPECT(since(before, MMLAB_SPF_STAT_FALLBACK_CHARGE) > 0);
}

static void swapped_run(void)
{
	const size_t bytes = MB(check_times(48, 8));
	unsigned char *memory = region(bytes);
	pid_t pid;

	file_write_text(GROUP "/memory.max", check_times(16, 4) == 16 ? "16M" :
			"4M");
	fill(memory, bytes, 3);
	EXPECT(file_read_number(GROUP "/memory.swap.current") >=
	       (long)bytes / 4);
	fill_check(memory, bytes, 3);
	/* Swapped pages are shared with a child, and discarded. */
	pid = fork();
	EXPECT(pid >= 0);
	if (pid == 0) {
		fill_check(memory, bytes, 3);
		fill(memory, bytes / 2, 4);
		fill_check(memory, bytes / 2, 4);
		_exit(0);
	}
	EXPECT_CHILD_OK(pid);
	fill_check(memory, bytes, 3);
	EXPECT(madvise(memory, bytes, MADV_DONTNEED) == 0);
	for (size_t i = 0; i < bytes; i += PAGE_BYTES)
		EXPECT_EQ(look(memory + i), 0);
}

/* Reclaim finds each page by its reverse mapping, and swaps it. */
static void swapped(void)
{
	int number = zram_add(MB(256)), status;
	uint64_t before[CHECK_MAX_STATS];

	if (number < 0)
		SKIP("no zram");
	EXPECT(zram_swap_on(number, MB(256)) == 0);
	check_stats(before);
	status = in_group(swapped_run);
	zram_remove(number);
	EXPECT(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	if (hook_works()) {
		EXPECT(since(before, MMLAB_SPF_STAT_FALLBACK_CHARGE) > 0);
		EXPECT(since(before, MMLAB_SPF_STAT_FALLBACK_SWAPPED) > 0);
	}
}

/*
 * Anonymous pages of the group's in its generations, by number: of the multi-gen
 * LRU, which tells them for each group by its path, as lines of number, age,
 * anonymous pages, pages of files.
 */
enum { N_GENERATIONS = 64 };

static void generations_read(unsigned long ret_pages[N_GENERATIONS])
{
	FILE *file = fopen("/sys/kernel/debug/lru_gen", "re");
	unsigned long anonymous, number;
	bool inside = false;
	char line[256];

	if (!file)
		SKIP("the kernel does not tell generations");
	memset(ret_pages, 0, N_GENERATIONS * sizeof(*ret_pages));
	while (fgets(line, sizeof(line), file)) {
		if (!strncmp(line, "memcg", 5))
			inside = strstr(line, "/mmlab-spf\n") != NULL;
		else if (inside && sscanf(line, "%lu %*u %lu", &number,
					  &anonymous) == 2)
			ret_pages[number % N_GENERATIONS] += anonymous;
	}
	EXPECT(fclose(file) == 0);
}

/*
 * The generation that what was just filled is in. Some pages are still in lists of
 * CPUs; others belong to something else.
 */
static int generation_of(unsigned char *memory)
{
	const size_t n_pages = MB(4) / PAGE_BYTES;
	unsigned long before[N_GENERATIONS], after[N_GENERATIONS];
	int found = -1;

	generations_read(before);
	fill(memory, MB(4), 1);
	generations_read(after);
	for (int i = 0; i < N_GENERATIONS; i++)
		if (after[i] >= before[i] + n_pages - 256)
			found = i;
	EXPECT(found >= 0);
	return found;
}

static void generations_run(void)
{
	unsigned char *memory = mmap(NULL, MB(4), PROT_READ | PROT_WRITE,
				     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int own;

	EXPECT(memory != MAP_FAILED);
	EXPECT(madvise(memory, MB(4), MADV_NOHUGEPAGE) == 0);
	own = generation_of(memory);
	EXPECT_EQ(generation_of(region(MB(4))), own);
}

/* A page that was just touched is as young as one of the kernel's own faults. */
static void generations(void)
{
	static const char enabled[] = "/sys/kernel/mm/lru_gen/enabled";
	FILE *file = fopen(enabled, "re");
	int bits, status;

	if (!file)
		SKIP("no multi-gen LRU");
	EXPECT(fscanf(file, "%i", &bits) == 1);
	EXPECT(fclose(file) == 0);
	if (bits == 0) {
		if (!code_may_be_patched())
			SKIP("the multi-gen LRU is off, and there are several CPUs");
		file_write_text(enabled, "y");
	}
	status = in_group(generations_run);
	EXPECT(WIFEXITED(status));
	if (WEXITSTATUS(status))
		_exit(WEXITSTATUS(status));
}

/* Pages that somebody refers to for long stay where they are. */
static void referred_to(void)
{
	const size_t bytes = 16 * PAGE_BYTES;
	unsigned char *memory = region(bytes), buffer[PAGE_BYTES];
	struct iovec vec = { memory + PAGE_BYTES, PAGE_BYTES };
	int pipes[2];

	EXPECT(pipe(pipes) == 0);
	set(memory, 1);
	set(memory + PAGE_BYTES, 5);
	EXPECT_EQ(vmsplice(pipes[1], &vec, 1, 0), PAGE_BYTES);
	EXPECT(munmap(memory, bytes) == 0);
	EXPECT_EQ(read(pipes[0], buffer, PAGE_BYTES), PAGE_BYTES);
	EXPECT_EQ(buffer[0], 5);
}

static const struct check checks[] = {
	{ "charged", charged },
	{ "limited", limited },
	{ "swapped", swapped },
	{ "generations", generations },
	{ "referred-to", referred_to },
};

int main(int argc, char **argv)
{
	check_begin();
	checks_run(checks, sizeof(checks) / sizeof(checks[0]), NULL,
		   argc == 2 ? argv[1] : NULL);
	if (!pages_balance())
		return 1;
	return check_finish();
}
