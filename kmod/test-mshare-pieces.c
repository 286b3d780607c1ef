// SPDX-License-Identifier: MIT
/*
 * Regions of msharefs whose pieces change while guests use them: one race for
 * each thing that relies on what a host maps, or on its tables staying.
 *
 * The word at the start of each page is its number plus one, or 0 in memory
 * that nobody has written: anything else is another page.
 */
#include "test-mshare.h"

#include <pthread.h>
#include <sched.h>

#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25
#endif

enum { RW = PROT_READ | PROT_WRITE, REGION_BYTES = 8 << 20 };

static unsigned int n_rounds = 30;
static int region_fd, piece_fd = -1;

struct words {
	atomic_bool stop;
	atomic_uint n_done;
};

static unsigned int next_random(unsigned int *state)
{
	*state = *state * 1664525 + 1013904223;
	return *state >> 8;
}

static unsigned char *region_map(int prot)
{
	unsigned char *memory = mmap(NULL, REGION_BYTES, prot, MAP_SHARED, region_fd, 0);

	EXPECT(memory != MAP_FAILED);
	return memory;
}

static void region_open(void)
{
	region_fd = open(SHARE_PATH, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	EXPECT(region_fd >= 0);
	EXPECT(ftruncate(region_fd, REGION_BYTES) == 0);
	/* Filling it takes long: once for a check. */
	if (piece_fd >= 0)
		return;
	piece_fd = memfd_create("piece", MFD_CLOEXEC);
	EXPECT(piece_fd >= 0);
	EXPECT(ftruncate(piece_fd, REGION_BYTES) == 0);
	for (size_t i = 0; i < REGION_BYTES / page_bytes; i++) {
		unsigned long word = i + 1;

		EXPECT(pwrite(piece_fd, &word, sizeof(word), (off_t)(i * page_bytes)) == sizeof(word));
	}
}

static void region_close(void)
{
	EXPECT(close(region_fd) == 0);
	EXPECT(unlink(SHARE_PATH) == 0);
}

/* Another piece, or none, over a random range. */
static void region_change(unsigned int *seed)
{
	size_t n_pages = REGION_BYTES / page_bytes;
	size_t page = next_random(seed) % n_pages;
	size_t start = page * page_bytes;
	size_t bytes = (1 + next_random(seed) % (n_pages - page)) * page_bytes;

	switch (next_random(seed) % 4) {
	case 0:
		EXPECT(region_unmap(region_fd, start, bytes) == 0);
		break;
	case 1:
		EXPECT(region_create_memory(region_fd, start, bytes) == 0);
		break;
	default:
		EXPECT(region_create_file(region_fd, start, bytes, piece_fd, start) == 0);
	}
}

/* There may be nothing at the moment. */
static void page_check(unsigned char *memory, size_t page, bool write)
{
	volatile unsigned long *word = (volatile unsigned long *)(memory + page * page_bytes);
	unsigned long seen;

	if (sigsetjmp(access_jump, 1))
		return;
	seen = *word;
	if (seen != 0 && seen != page + 1)
		check_end(1, "page %zu holds %lu", page, seen);
	if (write)
		*word = page + 1;
}

static void segv_catch(void)
{
	access_prepare();
	access_expected = true;
}

/* Looks at pages until told to stop, or killed. */
static pid_t guest_start(struct words *words, int prot, unsigned int seed)
{
	size_t n_pages = REGION_BYTES / page_bytes;
	pid_t pid = fork_child();
	unsigned char *memory;

	if (pid != 0)
		return pid;
	segv_catch();
	memory = region_map(prot);
	while (!atomic_load(&words->stop)) {
		for (int i = 0; i < 64; i++)
			page_check(memory, next_random(&seed) % n_pages, prot & PROT_WRITE);
		atomic_fetch_add(&words->n_done, 1);
	}
	_exit(0);
}

enum { N_GUESTS = 3 };

/* Races go on until the others, who count in n_done, ran: a busy machine lets them wait. */

static void guests_start(struct words *words, pid_t pids[N_GUESTS])
{
	for (int g = 0; g < N_GUESTS; g++)
		pids[g] = guest_start(words, g % 2 ? PROT_READ : RW, (unsigned int)g);
	while (atomic_load(&words->n_done) < N_GUESTS)
		(void)usleep(1000);
}

static void guests_end(struct words *words, pid_t pids[N_GUESTS])
{
	atomic_store(&words->stop, true);
	for (int g = 0; g < N_GUESTS; g++)
		EXPECT_CHILD_OK(pids[g]);
}

/* Pieces come and go, and so do guests. */
static void changes_race_faults(void)
{
	struct words *words = words_new();
	unsigned int seed = 1;
	pid_t pids[N_GUESTS];

	region_open();
	guests_start(words, pids);
	for (unsigned int round = 0; round < n_rounds; round++) {
		int g = (int)(round / 4 % N_GUESTS);

		region_change(&seed);
		if (round % 4)
			continue;
		EXPECT(kill(pids[g], SIGKILL) == 0);
		EXPECT(waitpid(pids[g], NULL, 0) == pids[g]);
		pids[g] = guest_start(words, g % 2 ? PROT_READ : RW, round);
	}
	guests_end(words, pids);
	region_close();
}

/* Two who change, and one who changes protection. */
static void changes_race_changes(void)
{
	struct words *words = words_new();
	unsigned int seed = 1;
	unsigned char *memory;
	pid_t pids[N_GUESTS], other;

	region_open();
	guests_start(words, pids);
	other = fork_child();
	if (other == 0) {
		seed = 2;
		for (unsigned int round = 0; round < n_rounds; round++)
			region_change(&seed);
		_exit(0);
	}
	memory = region_map(RW);
	for (unsigned int round = 0; round < n_rounds; round++) {
		size_t start = next_random(&seed) % 2048 * page_bytes;
		static const int prots[] = { PROT_NONE, PROT_READ, RW };

		if (round % 2)
			region_change(&seed);
		/* ENOMEM where there is nothing. */
		(void)mmlab_mshare_protect(memory + start, REGION_BYTES - start, prots[round % 3]);
	}
	EXPECT_CHILD_OK(other);
	guests_end(words, pids);
	region_close();
}

/*
 * The kernel makes huge pages of the file, and takes away tables of mappings
 * that cover one: never the host's, however its mapping came about.
 */
static void changes_race_collapse(void)
{
	struct words *words = words_new();
	unsigned char *plain;
	pid_t pids[N_GUESTS], other;
	bool collapsed = false;

	region_open();
	guests_start(words, pids);
	plain = mmap((void *)TB(3), REGION_BYTES, RW, MAP_SHARED, piece_fd, 0);
	EXPECT(plain != MAP_FAILED);
	other = fork_child();
	if (other == 0) {
		while (!atomic_load(&words->stop)) {
			EXPECT(region_create_file(region_fd, 0, REGION_BYTES, piece_fd, 0) == 0);
			(void)usleep(300);
			EXPECT(region_unmap(region_fd, 0, REGION_BYTES) == 0);
			(void)usleep(300);
		}
		_exit(0);
	}
	for (unsigned int round = 0; round < n_rounds; round++) {
		size_t chunk = round % 4 * (size_t)CHUNK_BYTES;

		for (size_t i = 0; i < CHUNK_BYTES; i += page_bytes)
			(void)*(volatile unsigned char *)(plain + chunk + i);
		if (madvise(plain + chunk, CHUNK_BYTES, MADV_COLLAPSE) == 0)
			collapsed = true;
		/* Split again. */
		EXPECT(fallocate(piece_fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)(chunk + 7 * page_bytes),
				 (off_t)page_bytes) == 0);
	}
	guests_end(words, pids);
	EXPECT_CHILD_OK(other);
	region_close();
	if (!collapsed)
		SKIP("MADV_COLLAPSE did nothing: fine otherwise");
}

/* Who reads what is mapped, without the lock under which that changes. */
static void changes_race_msync(void)
{
	struct words *words = words_new();
	unsigned int seed = 1;
	unsigned char *memory;
	pid_t other;

	region_open();
	memory = region_map(RW);
	other = fork_child();
	if (other == 0) {
		while (!atomic_load(&words->stop)) {
			EXPECT(msync(memory, REGION_BYTES, MS_SYNC) == 0);
			atomic_fetch_add(&words->n_done, 1);
		}
		_exit(0);
	}
	for (unsigned int round = 0; round < n_rounds || !atomic_load(&words->n_done); round++)
		region_change(&seed);
	atomic_store(&words->stop, true);
	EXPECT_CHILD_OK(other);
	region_close();
}

/* The first who only reads gets what is mapped then, or a change after that. */
static void changes_race_first_reader(void)
{
	unsigned int seed = 1;

	for (unsigned int round = 0; round < n_rounds; round++) {
		unsigned char *memory, *reader;
		pid_t other;

		region_open();
		memory = region_map(RW);
		other = fork_child();
		if (other == 0) {
			seed += round;
			for (int i = 0; i < 3; i++)
				region_change(&seed);
			_exit(0);
		}
		reader = region_map(PROT_READ);
		EXPECT_CHILD_OK(other);
		for (size_t i = 0; i < REGION_BYTES; i += 32 * page_bytes)
			EXPECT_EQ(access_signal(memory + i, false), access_signal(reader + i, false));
		EXPECT(munmap(memory, REGION_BYTES) == 0);
		EXPECT(munmap(reader, REGION_BYTES) == 0);
		region_close();
	}
}

/* A size is given once, by whomever. */
static void sizes_race(void)
{
	for (unsigned int round = 0; round < n_rounds; round++) {
		int fd = open(SHARE_PATH, O_RDWR | O_CREAT | O_EXCL, 0600);
		unsigned int n_given = 0;
		int ends[2];
		char byte;

		EXPECT(fd >= 0 && pipe(ends) == 0);
		for (int how = 0; how < 3; how++) {
			pid_t pid = fork_child();
			int r;

			if (pid != 0)
				continue;
			if (how == 0)
				r = ftruncate(fd, MB(2));
			else if (how == 1)
				r = fallocate(fd, 0, 0, MB(4));
			else
				r = mmap(NULL, MB(6), RW, MAP_SHARED, fd, 0) == MAP_FAILED ? -1 : 0;
			byte = (char)(r == 0 ? 1 + how : errno == EINVAL ? 0 : 99);
			EXPECT(write(ends[1], &byte, 1) == 1);
			_exit(0);
		}
		for (int how = 0; how < 3; how++) {
			EXPECT(read(ends[0], &byte, 1) == 1);
			EXPECT(byte >= 0 && byte <= 3);
			if (byte) {
				struct stat st;

				n_given++;
				EXPECT(fstat(fd, &st) == 0);
				EXPECT_EQ(st.st_size, MB(2) * byte);
			}
			EXPECT(wait(NULL) > 0);
		}
		EXPECT_EQ(n_given, 1);
		EXPECT(unlink(SHARE_PATH) == 0 && close(fd) == 0);
		EXPECT(close(ends[0]) == 0 && close(ends[1]) == 0);
	}
}

/* A name goes while others open it: they have the object, or ENOENT. */
static void unlink_races_open(void)
{
	struct words *words = words_new();
	pid_t others[2];

	for (int o = 0; o < 2; o++) {
		others[o] = fork_child();
		if (others[o] != 0)
			continue;
		while (!atomic_load(&words->stop)) {
			int fd = open(SHARE_PATH, O_RDWR | O_CLOEXEC);
			unsigned char *memory;

			if (fd < 0) {
				EXPECT_EQ(errno, ENOENT);
				continue;
			}
			memory = mmap(NULL, MB(2), RW, MAP_SHARED, fd, 0);
			EXPECT(memory != MAP_FAILED);
			EXPECT(close(fd) == 0);
			memory[0]++;
			EXPECT(munmap(memory, MB(2)) == 0);
			atomic_fetch_add(&words->n_done, 1);
		}
		_exit(0);
	}
	for (unsigned int round = 0; round < n_rounds || !atomic_load(&words->n_done); round++) {
		unsigned char *memory = share_new(MB(2));

		memory[0]++;
		(void)usleep(round % 4 * 300);
		EXPECT(unlink(SHARE_PATH) == 0);
		EXPECT(munmap(memory, MB(2)) == 0);
	}
	atomic_store(&words->stop, true);
	for (int o = 0; o < 2; o++)
		EXPECT_CHILD_OK(others[o]);
}

static unsigned char *commands_memory;

/* Each command either finds the mapping or does not. */
static void *commands_run(void *arg)
{
	struct words *words = arg;

	while (!atomic_load(&words->stop)) {
		struct mmlab_mshare_info info;

		if (mmlab_mshare_protect(commands_memory, MB(4), RW) < 0)
			EXPECT_EQ(errno, ENOMEM);
		if (mmlab_mshare_flush(commands_memory, 1) < 0)
			EXPECT_EQ(errno, ENOMEM);
		if (mmlab_mshare_info(commands_memory, &info) < 0)
			EXPECT_EQ(errno, ENOMEM);
		/* EFAULT where it goes between the lock and the access. */
		if (mmlab_mshare_populate(commands_memory, MB(4)) < 0 && errno != EFAULT)
			EXPECT_EQ(errno, ENOMEM);
		atomic_fetch_add(&words->n_done, 1);
	}
	return NULL;
}

/*
 * Commands find the caller's mapping under a lock, and use the object without:
 * another thread unmaps it meanwhile.
 */
static void commands_race_munmap(void)
{
	struct words *words = words_new();
	unsigned char *memory;
	pthread_t other;

	region_open();
	EXPECT(region_create_file(region_fd, 0, REGION_BYTES, piece_fd, 0) == 0);
	memory = region_map(RW);
	commands_memory = memory;
	EXPECT(pthread_create(&other, NULL, commands_run, words) == 0);
	for (unsigned int round = 0; round < n_rounds || !atomic_load(&words->n_done); round++) {
		EXPECT(munmap(memory, REGION_BYTES) == 0);
		(void)sched_yield();
		EXPECT(mmap(memory, REGION_BYTES, RW, MAP_SHARED | MAP_FIXED_NOREPLACE, region_fd, 0) == memory);
		(void)*(volatile unsigned char *)memory;
	}
	atomic_store(&words->stop, true);
	EXPECT(pthread_join(other, NULL) == 0);
	region_close();
}

/* A debugger reads what the process unmaps, and is killed on. */
static void debugger_races_munmap(void)
{
	struct words *words = words_new();
	unsigned int seed = 1;
	pid_t pid, other;
	int fd;

	region_open();
	EXPECT(region_create_file(region_fd, 0, REGION_BYTES, piece_fd, 0) == 0);
	for (unsigned int round = 0; round < n_rounds / 4 || !atomic_load(&words->n_done); round++) {
		char path[64];

		atomic_store(&words->stop, false);
		pid = fork_child();
		if (pid == 0) {
			for (;;) {
				unsigned char *memory =
					mmap((void *)TB(2), REGION_BYTES, RW, MAP_SHARED | MAP_FIXED, region_fd, 0);

				EXPECT(memory == (void *)TB(2));
				(void)*(volatile unsigned char *)memory;
				EXPECT(munmap(memory, REGION_BYTES) == 0);
			}
		}
		(void)snprintf(path, sizeof(path), "/proc/%d/mem", (int)pid);
		fd = open(path, O_RDWR | O_CLOEXEC);
		EXPECT(fd >= 0);
		other = fork_child();
		if (other == 0) {
			unsigned long word;
			ssize_t n;

			while (!atomic_load(&words->stop)) {
				n = pread(fd, &word, sizeof(word), (off_t)TB(2));
				EXPECT(n <= 0 || word == 1);
				word = 1;
				n = pwrite(fd, &word, sizeof(word), (off_t)TB(2));
				if (n > 0)
					atomic_fetch_add(&words->n_done, 1);
			}
			_exit(0);
		}
		(void)usleep(2000 + next_random(&seed) % 20000);
		EXPECT(kill(pid, SIGKILL) == 0);
		EXPECT(waitpid(pid, NULL, 0) == pid);
		atomic_store(&words->stop, true);
		EXPECT_CHILD_OK(other);
		EXPECT(close(fd) == 0);
	}
	region_close();
}

static double now_s(void)
{
	struct timespec now;

	EXPECT(clock_gettime(CLOCK_MONOTONIC, &now) == 0);
	return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

static void cpu_set_to(int cpu)
{
	cpu_set_t cpus;

	CPU_ZERO(&cpus);
	CPU_SET(cpu, &cpus);
	/* On one processor the race is just less likely. */
	(void)sched_setaffinity(0, sizeof(cpus), &cpus);
}

struct first_touch {
	pthread_barrier_t barrier;
	volatile unsigned char *memory;
	double at_s;
};

static void *first_touch_thread(void *argument)
{
	struct first_touch *touch = argument;

	cpu_set_to(1);
	for (;;) {
		(void)pthread_barrier_wait(&touch->barrier);
		if (!touch->memory)
			return NULL;
		while (now_s() < touch->at_s)
			;
		(void)touch->memory[0];
		(void)pthread_barrier_wait(&touch->barrier);
	}
}

/*
 * A region's first touch makes its first table, at any moment of the second
 * change: that must not free it. What exists is compared with what is attached.
 */
static void first_touch_races_change(void)
{
	struct first_touch touch = { 0 };
	double took_s = 1e-3;
	unsigned int seed = 9;
	pthread_t thread;

	cpu_set_to(0);
	EXPECT(pthread_barrier_init(&touch.barrier, NULL, 2) == 0);
	EXPECT(pthread_create(&thread, NULL, first_touch_thread, &touch) == 0);
	for (unsigned int round = 0; round < n_rounds * 5; round++) {
		struct mmlab_mshare_info info;
		double start_s;

		region_open();
		EXPECT(region_create_file(region_fd, 0, REGION_BYTES, piece_fd, 0) == 0);
		touch.memory = region_map(RW);
		/* Somewhere in what the last changes took. */
		start_s = now_s() + 50e-6;
		touch.at_s = start_s + took_s * (next_random(&seed) % 1000) / 1000;
		(void)pthread_barrier_wait(&touch.barrier);
		while (now_s() < start_s)
			;
		start_s = now_s();
		EXPECT(region_create_file(region_fd, 0, REGION_BYTES, piece_fd, 0) == 0);
		took_s = took_s * 0.9 + (now_s() - start_s) * 0.1;
		if (took_s > 3e-3)
			took_s = 3e-3;

		/* The thread may fault for ever if its table is gone. */
		do
			info = share_info((void *)touch.memory);
		while (info.n_attached == 0);
		EXPECT_EQ(info.pte_bytes, page_bytes);
		/* And one of each level above. */
		EXPECT_EQ(info.table_bytes, 3 * page_bytes);
		(void)pthread_barrier_wait(&touch.barrier);
		EXPECT(munmap((void *)touch.memory, REGION_BYTES) == 0);
		region_close();
	}
	touch.memory = NULL;
	(void)pthread_barrier_wait(&touch.barrier);
	EXPECT(pthread_join(thread, NULL) == 0);
}

static const struct check checks[] = {
	{ "changes-race-faults", changes_race_faults },
	{ "first-touch-races-change", first_touch_races_change },
	{ "changes-race-changes", changes_race_changes },
	{ "changes-race-collapse", changes_race_collapse },
	{ "changes-race-msync", changes_race_msync },
	{ "changes-race-first-reader", changes_race_first_reader },
	{ "sizes-race", sizes_race },
	{ "unlink-races-open", unlink_races_open },
	{ "commands-race-munmap", commands_race_munmap },
	{ "debugger-races-munmap", debugger_races_munmap },
};

int main(int argc, char **argv)
{
	/* Debug kernels are slow. */
	if (access("/proc/lockdep_stats", F_OK) == 0)
		n_rounds = 8;
	if (argc > 3) {
		fprintf(stderr, "usage: %s [PART-OF-A-NAME [ROUNDS]]\n", argv[0]);
		return 2;
	}
	if (argc > 2)
		n_rounds = (unsigned int)strtoul(argv[2], NULL, 10);
	return mshare_checks_run(checks, sizeof(checks) / sizeof(checks[0]), argc > 1 ? argv[1] : NULL);
}
