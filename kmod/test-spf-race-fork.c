// SPDX-License-Identifier: MIT
/*
 * Speculative page faults when everything happens at once: faults of several
 * threads against fork, against each other, in pages that are copied, and death at
 * any point. See test-spf-race.c.
 */
#include "test-spf-race.h"

/*
 * Entries are copied by fork. A thread writes one page after another for the
 * first time, each after the one before: whatever the child sees, it sees all
 * that came before.
 */
static atomic_size_t next_page;

static void *write_in_order(void *arg)
{
	(void)arg;
	while (!atomic_load(&stop)) {
		size_t page = atomic_load(&next_page);

		if (page >= N_PAGES) {
			(void)sched_yield();
			continue;
		}
		set(place + page * PAGE_BYTES, 1);
		atomic_fetch_add(&n_accesses, 1);
		(void)atomic_compare_exchange_strong(&next_page, &page,
						     page + 1);
	}
	return NULL;
}

static void faults_against_fork(void)
{
	uint64_t before[CHECK_MAX_STATS];
	size_t before_pages;
	pthread_t thread;

	check_stats(before);
	map_here();
	EXPECT(pthread_create(&thread, NULL, write_in_order, NULL) == 0);
	for (unsigned int i = 0; i < n_rounds / 4 + 1; i++) {
		pid_t pid;

		before_pages = atomic_load(&next_page);
		while (atomic_load(&next_page) < N_PAGES &&
		       atomic_load(&next_page) < before_pages + 1 + i % 200)
			(void)sched_yield();
		pid = fork();
		EXPECT(pid >= 0);
		if (pid == 0) {
			size_t n_written = 0, n = 0;

			for (size_t j = 0; j < N_PAGES; j++) {
				n_written += look(place + j * PAGE_BYTES) == 1;
				if (n_written == j + 1)
					n = n_written;
			}
			/* None behind the first that is missing. */
			EXPECT_EQ(n_written, n);
			set(place + (N_PAGES - 1) * PAGE_BYTES, 2);
			_exit(0);
		}
		EXPECT_CHILD_OK(pid);
		if (atomic_load(&next_page) >= N_PAGES) {
			EXPECT(madvise(place, region_bytes, MADV_DONTNEED) ==
			       0);
			atomic_store(&next_page, 0);
		}
	}
	atomic_store(&stop, true);
	EXPECT(pthread_join(thread, NULL) == 0);
	expect_speculation(before);
}

/* Two threads, one page: one of them installs it, no page is lost. */
static atomic_uint round_started, round_ended;

static void *fault_the_same(void *arg)
{
	unsigned int seen = 0;

	(void)arg;
	while (!atomic_load(&stop)) {
		if (atomic_load(&round_started) == seen) {
			(void)sched_yield();
			continue;
		}
		seen++;
		for (size_t i = 1; i < 64; i++)
			(void)__atomic_fetch_add(place + i * PAGE_BYTES, 1,
						 __ATOMIC_SEQ_CST);
		atomic_fetch_add(&round_ended, 1);
	}
	return NULL;
}

static void faults_against_faults(void)
{
	uint64_t before[CHECK_MAX_STATS];
	pthread_t thread;

	check_stats(before);
	map_here();
	set(place, 1);
	EXPECT(pthread_create(&thread, NULL, fault_the_same, NULL) == 0);
	for (unsigned int i = 0; i < n_rounds * 4; i++) {
		atomic_fetch_add(&round_started, 1);
		for (size_t j = 1; j < 64; j++)
			(void)__atomic_fetch_add(place + j * PAGE_BYTES, 1,
						 __ATOMIC_SEQ_CST);
		while (atomic_load(&round_ended) != i + 1)
			(void)sched_yield();
		/* Each has added to the same page. */
		for (size_t j = 1; j < 64; j++)
			EXPECT_EQ(look(place + j * PAGE_BYTES), 2);
		EXPECT(madvise(place, 64 * PAGE_BYTES, MADV_DONTNEED) == 0);
		set(place, 1);
	}
	atomic_store(&stop, true);
	EXPECT(pthread_join(thread, NULL) == 0);
	/* Nobody has lost a page, nor installed one in vain. */
	if (hook_works())
		EXPECT_SINCE(before, FIRST_TOUCH, n_rounds * 4 * 64);
	EXPECT_EQ(since(before, MMLAB_SPF_STAT_PAGES_FREED),
		  since(before, MMLAB_SPF_STAT_RACED));
}

/*
 * Two threads write to the same pages, which a child has as well: one of them
 * makes the copy, and no write is lost in the other page.
 */
static void copies_against_copies(void)
{
	uint64_t before[CHECK_MAX_STATS];
	pthread_t thread;

	check_stats(before);
	map_here();
	EXPECT(pthread_create(&thread, NULL, fault_the_same, NULL) == 0);
	for (unsigned int i = 0; i < n_rounds; i++) {
		int to_child[2];
		pid_t pid;

		for (size_t j = 0; j < 128; j++)
			set(place + j * PAGE_BYTES, 7);
		EXPECT(pipe(to_child) == 0);
		pid = fork();
		EXPECT(pid >= 0);
		if (pid == 0) {
			unsigned char byte;

			(void)close(to_child[1]);
			EXPECT_EQ(read(to_child[0], &byte, 1), 0);
			for (size_t j = 0; j < 128; j++)
				EXPECT_EQ(look(place + j * PAGE_BYTES), 7);
			_exit(0);
		}
		atomic_fetch_add(&round_started, 1);
		for (size_t j = 1; j < 64; j++)
			(void)__atomic_fetch_add(place + j * PAGE_BYTES, 1,
						 __ATOMIC_SEQ_CST);
		while (atomic_load(&round_ended) != i + 1)
			(void)sched_yield();
		for (size_t j = 1; j < 64; j++)
			EXPECT_EQ(look(place + j * PAGE_BYTES), 9);
		EXPECT(close(to_child[0]) == 0 && close(to_child[1]) == 0);
		EXPECT_CHILD_OK(pid);
	}
	atomic_store(&stop, true);
	EXPECT(pthread_join(thread, NULL) == 0);
	if (capabilities() & MMLAB_SPF_CAP_COPY)
		EXPECT(since(before, MMLAB_SPF_STAT_COPIED) > 0);
}

/* What is copied is discarded by another thread, or unmapped. */
static void copies_against_discard(void)
{
	uint64_t before[CHECK_MAX_STATS];
	pthread_t threads[N_THREADS];

	check_stats(before);
	n_fault_pages = 256;
	map_here();
	threads_start(threads);
	for (unsigned int i = 0; i < n_rounds; i++) {
		pid_t pid;

		own_pages_check((unsigned char)(i + 1));
		wait_for_faults(64);
		pid = fork();
		EXPECT(pid >= 0);
		if (pid == 0) {
			EXPECT_EQ(look(place), (unsigned char)(i + 1));
			(void)usleep(2000);
			EXPECT_EQ(look(place), (unsigned char)(i + 1));
			_exit(0);
		}
		wait_for_faults(i % 32);
		if (i % 2)
			EXPECT(madvise(place, region_bytes, MADV_DONTNEED) == 0);
		else
			map_here();
		EXPECT_EQ(look(place), 0);
		EXPECT_CHILD_OK(pid);
		EXPECT(madvise(place, region_bytes, MADV_DONTNEED) == 0);
	}
	threads_end(threads);
	if (capabilities() & MMLAB_SPF_CAP_COPY && n_rounds >= 50)
		EXPECT(since(before, MMLAB_SPF_STAT_COPIED) > 0);
}

/*
 * What a process of the check below does until it is killed: it faults in two
 * threads, and a third does everything else.
 */
__attribute__((noreturn))
static void live(unsigned int start)
{
	volatile unsigned int seed = start;
	pthread_t thread;

	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	(void)setpriority(PRIO_PROCESS, 0, 19);
	map_here();
	for (unsigned int i = 0; i < N_THREADS; i++)
		(void)pthread_create(&thread, NULL, fault_at_random,
				     (void *)(uintptr_t)(start + i));
	for (;;) {
		size_t first = next_random(&seed) % (N_PAGES - 40);
		unsigned char *part = place + first * PAGE_BYTES;

		switch (next_random(&seed) % 8) {
		case 0:
			map_here();
			break;
		case 1:
			unmap_pages(first, 32);
			break;
		case 2:
			(void)mprotect(part, 32 * PAGE_BYTES, PROT_READ);
			break;
		case 3:
			(void)mprotect(place, region_bytes, rw);
			break;
		case 4:
			(void)madvise(part, 32 * PAGE_BYTES, MADV_DONTNEED);
			break;
		case 5:
			(void)mremap(part, 8 * PAGE_BYTES, 8 * PAGE_BYTES,
				     MREMAP_MAYMOVE | MREMAP_FIXED,
				     place + 2 * region_bytes);
			break;
		case 6:
			if (fork() == 0) {
				(void)access_signal(part, true);
				(void)access_signal(part + PAGE_BYTES, true);
				_exit(0);
			}
			while (waitpid(-1, NULL, WNOHANG) > 0)
				continue;
			break;
		default:
			(void)access_signal(part, true);
		}
	}
}

static void killed_at_random(void)
{
	volatile unsigned int seed = 7;
	uint64_t before[CHECK_MAX_STATS];

	check_stats(before);
	for (unsigned int i = 0; i < n_rounds; i++) {
		struct timespec pause = {
			.tv_nsec = 1000 + next_random(&seed) % 30000000,
		};
		pid_t pid = fork();

		EXPECT(pid >= 0);
		if (pid == 0)
			live(next_random(&seed));
		(void)nanosleep(&pause, NULL);
		EXPECT(kill(pid, SIGKILL) == 0);
		EXPECT(waitpid(pid, NULL, 0) == pid);
	}
	if (n_rounds >= 50)
		expect_speculation(before);
}

static const struct race races[] = {
	{ "faults-against-fork", faults_against_fork },
	{ "faults-against-faults", faults_against_faults },
	{ "copies-against-copies", copies_against_copies },
	{ "copies-against-discard", copies_against_discard },
	{ "killed-at-random", killed_at_random },
};

int main(int argc, char **argv)
{
	return races_run(races, sizeof(races) / sizeof(races[0]), argc, argv);
}
