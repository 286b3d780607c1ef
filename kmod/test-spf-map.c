// SPDX-License-Identifier: MIT
/*
 * Speculative page faults: memory of a region is what MAP_ANONYMOUS would have
 * given, whatever is done to its mapping, and counts say when faults in it are
 * resolved without a lock. Each check runs in each mode.
 */
#include "test-spf.h"

#include <pthread.h>
#include <stdatomic.h>
#include <sys/syscall.h>

static void unmapped_parts(void)
{
	const size_t bytes = 64 * PAGE_BYTES;
	unsigned char *memory = region(bytes);
	uint64_t before[CHECK_MAX_STATS];

	touch_all(memory, bytes / 2, true);
	check_stats(before);
	EXPECT(munmap(memory + 40 * PAGE_BYTES, 8 * PAGE_BYTES) == 0);
	EXPECT(munmap(memory + 8 * PAGE_BYTES, 8 * PAGE_BYTES) == 0);
	for (int i = 0; i < 8; i++) {
		EXPECT_EQ(access_signal(memory + (8 + i) * PAGE_BYTES, i % 2),
			  SIGSEGV);
		EXPECT_EQ(access_signal(memory + (40 + i) * PAGE_BYTES, i % 2),
			  SIGSEGV);
	}
	content_check(memory, 8 * PAGE_BYTES);
	EXPECT_EQ(look(memory + 16 * PAGE_BYTES), 17);
	EXPECT_SPECULATED(before, LIVE_REGIONS, 2);
	check_stats(before);
	/* Each part is armed by a fault of its own. */
	for (int i = 32; i < 40; i++)
		set(memory + i * PAGE_BYTES, 1);
	EXPECT_SPECULATED(before, FIRST_TOUCH, 7);
	for (int i = 48; i < 64; i++)
		set(memory + i * PAGE_BYTES, 1);
	EXPECT_SPECULATED(before, FIRST_TOUCH, 7 + 15);
	EXPECT_SPECULATED(before, FALLBACK_DISARMED, 2);
	EXPECT_SPECULATED(before, ARMED, 2);
}

static void overlaid(void)
{
	const size_t bytes = 64 * PAGE_BYTES;
	unsigned char *memory = region(bytes), *over;
	uint64_t before[CHECK_MAX_STATS];

	touch_all(memory, 8 * PAGE_BYTES, true);
	over = mmap(memory + 16 * PAGE_BYTES, 8 * PAGE_BYTES, PROT_READ,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	EXPECT(over != MAP_FAILED);
	check_stats(before);
	for (int i = 0; i < 8; i++) {
		EXPECT_EQ(access_signal(over + i * PAGE_BYTES, false), 0);
		EXPECT_EQ(access_signal(over + i * PAGE_BYTES, true), SIGSEGV);
	}
	EXPECT_SINCE(before, FIRST_TOUCH, 0);
	EXPECT_SINCE(before, NORMAL, 0);
	for (int i = 24; i < 64; i++)
		set(memory + i * PAGE_BYTES, 1);
	EXPECT_SPECULATED(before, FIRST_TOUCH, 39);
	content_check(memory, 8 * PAGE_BYTES);
}

static void moved(void)
{
	const size_t bytes = 64 * PAGE_BYTES;
	unsigned char *memory = region(bytes), *place = place_find(bytes);
	uint64_t before[CHECK_MAX_STATS];

	touch_all(memory, 32 * PAGE_BYTES, true);
	EXPECT(mremap(memory, bytes, bytes, MREMAP_MAYMOVE | MREMAP_FIXED,
		      place) == place);
	content_check(place, 32 * PAGE_BYTES);
	for (int i = 0; i < 64; i++)
		EXPECT_EQ(access_signal(memory + i * PAGE_BYTES, i % 2),
			  SIGSEGV);
	check_stats(before);
	for (int i = 32; i < 64; i++)
		set(place + i * PAGE_BYTES, 1);
	EXPECT_SPECULATED(before, FIRST_TOUCH, 31);
	EXPECT_SPECULATED(before, FALLBACK_DISARMED, 1);

	/* A part moves; the rest is two. */
	memory = place_find(bytes);
	EXPECT(mremap(place + 16 * PAGE_BYTES, 8 * PAGE_BYTES, 8 * PAGE_BYTES,
		      MREMAP_MAYMOVE | MREMAP_FIXED, memory) == memory);
	EXPECT_EQ(look(memory), 17);
	EXPECT_EQ(access_signal(place + 16 * PAGE_BYTES, true), SIGSEGV);
	EXPECT_EQ(look(place + 24 * PAGE_BYTES), 25);
	/* Smaller, but not larger. */
	EXPECT(mremap(memory, 8 * PAGE_BYTES, 4 * PAGE_BYTES, 0) == memory);
	EXPECT_EQ(access_signal(memory + 4 * PAGE_BYTES, true), SIGSEGV);
	EXPECT_ERRNO((intptr_t)mremap(memory, 4 * PAGE_BYTES, 8 * PAGE_BYTES,
				      MREMAP_MAYMOVE), EFAULT);
	EXPECT_EQ(look(memory), 17);
}

static void protections(void)
{
	const size_t bytes = 64 * PAGE_BYTES;
	unsigned char *memory = region(bytes);
	uint64_t before[CHECK_MAX_STATS];

	touch_all(memory, 8 * PAGE_BYTES, true);
	EXPECT(mprotect(memory, bytes, PROT_READ) == 0);
	/* Touched, not touched, and touched for reading after that. */
	EXPECT_EQ(access_signal(memory, true), SIGSEGV);
	EXPECT_EQ(access_signal(memory + 9 * PAGE_BYTES, true), SIGSEGV);
	EXPECT_EQ(access_signal(memory + 10 * PAGE_BYTES, false), 0);
	EXPECT_EQ(access_signal(memory + 10 * PAGE_BYTES, true), SIGSEGV);
	EXPECT_EQ(access_signal(memory + 11 * PAGE_BYTES, false), 0);
	EXPECT_EQ(access_signal(memory + 11 * PAGE_BYTES, true), SIGSEGV);
	EXPECT(mprotect(memory, bytes, PROT_NONE) == 0);
	for (int i = 0; i < 16; i++)
		EXPECT_EQ(access_signal(memory + i * PAGE_BYTES, i % 2),
			  SIGSEGV);

	EXPECT(mprotect(memory, bytes, PROT_READ) == 0);
	EXPECT_EQ(access_signal(memory + 20 * PAGE_BYTES, false), 0);
	EXPECT(mprotect(memory, bytes, rw) == 0);
	set(memory + 21 * PAGE_BYTES, 1);
	check_stats(before);
	/* Its own pages, read-only until now. */
	set(memory + 20 * PAGE_BYTES, 1);
	set(memory, 1);
	EXPECT(since(before, MMLAB_SPF_STAT_REUSED) <= 2);
	content_check(memory, 8 * PAGE_BYTES);
	for (int i = 32; i < 64; i++)
		set(memory + i * PAGE_BYTES, 1);
	EXPECT_SPECULATED(before, FIRST_TOUCH, 32);

	/* Of a part: two regions, three after another. */
	EXPECT(mprotect(memory + 24 * PAGE_BYTES, 4 * PAGE_BYTES, PROT_READ) ==
	       0);
	EXPECT_EQ(access_signal(memory + 24 * PAGE_BYTES, true), SIGSEGV);
	EXPECT_EQ(access_signal(memory + 23 * PAGE_BYTES, true), 0);
	EXPECT_EQ(access_signal(memory + 28 * PAGE_BYTES, true), 0);
	EXPECT_ERRNO(mprotect(memory, bytes, rw | PROT_EXEC), EACCES);
}

static void discarded(void)
{
	const size_t bytes = 64 * PAGE_BYTES;
	unsigned char *memory = region(bytes);
	uint64_t before[CHECK_MAX_STATS];

	touch_all(memory, bytes, true);
	EXPECT(madvise(memory, bytes, MADV_DONTNEED) == 0);
	EXPECT_EQ(smaps_kb(memory, "Rss"), 0);
	check_stats(before);
	touch_all(memory, bytes, true);
	/* Tables stay, and nothing was disarmed. */
	EXPECT_SPECULATED(before, FIRST_TOUCH, 64);
	EXPECT_EQ(fallbacks_since(before), 0);
	EXPECT_ERRNO(madvise(memory, bytes, MADV_FREE), EINVAL);
	EXPECT(madvise(memory, bytes, MADV_DONTDUMP) == 0);
	EXPECT_ERRNO(madvise(memory, bytes, MADV_DODUMP), EINVAL);
	content_check(memory, bytes);
}

/* Pages of a policy are the kernel's to choose, until it is taken back. */
static void own_policy(void)
{
	enum { DEFAULT = 0, BIND = 2 };
	const size_t bytes = 64 * PAGE_BYTES;
	unsigned char *memory = region(bytes);
	uint64_t before[CHECK_MAX_STATS];
	unsigned long nodes = 1;

	touch_all(memory, 8 * PAGE_BYTES, true);
	if (syscall(SYS_mbind, memory, bytes, BIND, &nodes, 64, 0))
		SKIP("mbind: %s", strerror(errno));
	check_stats(before);
	for (int i = 8; i < 16; i++)
		set(memory + i * PAGE_BYTES, (unsigned char)(i + 1));
	EXPECT_SINCE(before, NORMAL, 8);
	EXPECT_SINCE(before, FIRST_TOUCH, 0);
	EXPECT_SINCE(before, ARMED, 0);
	EXPECT(syscall(SYS_mbind, memory, bytes, DEFAULT, NULL, 0, 0) == 0);
	for (int i = 16; i < 24; i++)
		set(memory + i * PAGE_BYTES, (unsigned char)(i + 1));
	EXPECT_SPECULATED(before, FIRST_TOUCH, 7);
	content_check(memory, 24 * PAGE_BYTES);
}

static void populated(void)
{
	const size_t bytes = 64 * PAGE_BYTES;
	uint64_t before[CHECK_MAX_STATS];
	int fd = create();
	unsigned char *memory;

	check_stats(before);
	memory = mmap(place_find(bytes), bytes, rw, MAP_PRIVATE | MAP_POPULATE,
		      fd, 3 * PAGE_BYTES);
	EXPECT(memory != MAP_FAILED);
	EXPECT_SINCE(before, NORMAL, 64);
	touch_all(memory, bytes, true);
	EXPECT_SINCE(before, FIRST_TOUCH, 0);
	EXPECT_SINCE(before, NORMAL, 64);
	/* A descriptor is mapped as often as wanted, and each is its own. */
	memory = mmap(NULL, bytes, PROT_READ, MAP_PRIVATE, fd, 0);
	EXPECT(memory != MAP_FAILED);
	touch_all(memory, bytes, false);
	EXPECT_EQ(access_signal(memory, true), SIGSEGV);
	EXPECT(close(fd) == 0);
}

/* Faults search the regions of a process: there is a limit, and it may be met. */
static void many_mappings(void)
{
	enum { N = MMLAB_SPF_MAX_REGIONS + 16 };
	const size_t bytes = 2 * PAGE_BYTES, step = 4 * PAGE_BYTES;
	unsigned char *place = place_find(N * step);
	uint64_t before[CHECK_MAX_STATS];
	int fd = create();
	pid_t pid;

	check_stats(before);
	for (size_t i = 0; i < N; i++)
		(void)map_at(place + i * step, fd, bytes, rw);
	EXPECT_SPECULATED(before, LIVE_REGIONS, MMLAB_SPF_MAX_REGIONS);
	EXPECT_SPECULATED(before, UNSERVED, 16);
	/* The first page is for the table, the second arms. */
	set(place, 1);
	check_stats(before);
	for (size_t i = 1; i < N; i++)
		touch_all(place + i * step, bytes, true);
	EXPECT_SPECULATED(before, FIRST_TOUCH, MMLAB_SPF_MAX_REGIONS - 1);
	EXPECT_SINCE(before, JOINED, 0);

	/* A child's are others; the one that is cut is one more in vain. */
	pid = fork();
	EXPECT(pid >= 0);
	if (pid == 0) {
		check_stats(before);
		for (size_t i = 1; i < N; i++) {
			content_check(place + i * step, bytes);
			set(place + i * step, 77);
			EXPECT_EQ(look(place + i * step + PAGE_BYTES), 2);
		}
		/* Pages that are there do not ask the module. */
		EXPECT_SINCE(before, JOINED, 0);
		EXPECT(madvise(place, N * step, MADV_DONTNEED) == 0 ||
		       errno == ENOMEM);
		for (size_t i = 0; i < N; i++)
			touch_all(place + i * step, bytes, true);
		EXPECT_SPECULATED(before, JOINED, MMLAB_SPF_MAX_REGIONS);
		EXPECT_SPECULATED(before, UNSERVED, 16);
		EXPECT(munmap(place + step, PAGE_BYTES) == 0);
		EXPECT_EQ(look(place + step + PAGE_BYTES), 2);
		EXPECT(check_stat(MMLAB_SPF_STAT_LIVE_REGIONS) <=
		       2 * MMLAB_SPF_MAX_REGIONS);
		_exit(0);
	}
	EXPECT_CHILD_OK(pid);
	for (size_t i = 1; i < N; i++)
		content_check(place + i * step, bytes);

	/* There is room again, for who comes now. */
	check_stats(before);
	EXPECT(munmap(place + step, bytes) == 0);
	(void)map_at(place + step, fd, bytes, rw);
	EXPECT_SINCE(before, LIVE_REGIONS, 0);
	EXPECT_SINCE(before, UNSERVED, 0);
	touch_all(place + step, bytes, true);
	EXPECT_SPECULATED(before, FIRST_TOUCH, 1);
}

/*
 * A process's first region meets a signal: what was mapped before is not gone
 * when it is handled.
 */
static unsigned char *kept;
static atomic_bool stop;
static pthread_t main_thread;

static void look_again(int signal)
{
	(void)signal;
	(void)look(kept);
}

static void *interrupt(void *arg)
{
	(void)arg;
	while (!atomic_load(&stop))
		(void)pthread_kill(main_thread, SIGUSR1);
	return NULL;
}

static void interrupted(void)
{
	const size_t bytes = 16 * PAGE_BYTES;

	(void)sigaction(SIGUSR1, &(struct sigaction){
		.sa_handler = look_again, .sa_flags = SA_RESTART }, NULL);
	for (unsigned int i = check_times(60, 10); i; i--) {
		pthread_t thread;
		pid_t pid = fork();
		int fd;

		EXPECT(pid >= 0);
		if (pid) {
			EXPECT_CHILD_OK(pid);
			continue;
		}
		fd = create();
		kept = mmap(NULL, bytes, rw, MAP_PRIVATE | MAP_ANONYMOUS, -1,
			    0);
		EXPECT(kept != MAP_FAILED);
		main_thread = pthread_self();
		EXPECT(pthread_create(&thread, NULL, interrupt, NULL) == 0);
		EXPECT(mmap(kept, bytes, rw, MAP_PRIVATE | MAP_FIXED, fd, 0) ==
		       kept);
		touch_all(kept, bytes, true);
		atomic_store(&stop, true);
		EXPECT(pthread_join(thread, NULL) == 0);
		content_check(kept, bytes);
		/* Whenever it joined, it did. */
		EXPECT_SPECULATED((uint64_t[CHECK_MAX_STATS]){ 0 },
				  LIVE_REGIONS, 1);
		_exit(0);
	}
}

static const struct check checks[] = {
	{ "unmapped-parts", unmapped_parts },
	{ "overlaid", overlaid },
	{ "moved", moved },
	{ "protections", protections },
	{ "discarded", discarded },
	{ "own-policy", own_policy },
	{ "populated", populated },
	{ "many-mappings", many_mappings },
	{ "interrupted", interrupted },
};

int main(int argc, char **argv)
{
	return modes_run(checks, sizeof(checks) / sizeof(checks[0]),
			 argc == 2 ? argv[1] : "");
}
