// SPDX-License-Identifier: MIT
/*
 * Speculative page faults when everything happens at once: faults of several
 * threads against unmapping, mapping over, moving, protecting, discarding and
 * forking, the hook put in and out, and death at any point. Each walk without a
 * lock, and each rule of who lives how long, has a race of its own here; the
 * table is in docs/spf.md.
 *
 * An argument that is a number is how many rounds each check takes; any other
 * chooses the checks whose names contain it.
 */
#include "test-spf.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

enum { N_THREADS = 2, N_PAGES = 3 * TABLE_PAGES };

static const size_t region_bytes = (size_t)N_PAGES * PAGE_BYTES;

static unsigned int n_rounds;
static int fd;
static unsigned char *place;
static atomic_bool stop;
static atomic_uint n_accesses;

static unsigned int next_random(volatile unsigned int *state)
{
	*state = *state * 1664525 + 1013904223;
	return *state >> 8;
}

/*
 * Nobody else maps anything there: all addresses around it were reserved when
 * threads, which have stacks and heaps, did not exist yet.
 */
static void prepare(void)
{
	fd = create();
	place = mmap(NULL, 4 * region_bytes, PROT_NONE, MAP_PRIVATE |
		     MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	EXPECT(place != MAP_FAILED);
	place += TABLE_BYTES - (uintptr_t)place % TABLE_BYTES;
}

static void map_here(void)
{
	EXPECT(mmap(place, region_bytes, rw, MAP_PRIVATE | MAP_FIXED |
		    MAP_NORESERVE, fd, 0) == place);
}

/* What was reserved comes back: nobody else can get in between. */
static void unmap_pages(size_t first, size_t n)
{
	EXPECT(mmap(place + first * PAGE_BYTES, n * PAGE_BYTES, PROT_NONE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE,
		    -1, 0) != MAP_FAILED);
}

static void *fault_at_random(void *arg)
{
	volatile unsigned int seed = (unsigned int)(uintptr_t)arg;

	while (!atomic_load(&stop)) {
		size_t page = next_random(&seed) % N_PAGES;

		/* The first of each table are the main thread's. */
		if (page % TABLE_PAGES == 0)
			continue;
		if (!access_signal(place + page * PAGE_BYTES,
				   next_random(&seed) % 2))
			atomic_fetch_add(&n_accesses, 1);
	}
	return NULL;
}

static void threads_start(pthread_t threads[N_THREADS])
{
	for (unsigned int i = 0; i < N_THREADS; i++)
		EXPECT(pthread_create(&threads[i], NULL, fault_at_random,
				      (void *)(uintptr_t)(i + 1)) == 0);
}

static void threads_end(pthread_t threads[N_THREADS])
{
	atomic_store(&stop, true);
	for (unsigned int i = 0; i < N_THREADS; i++)
		EXPECT(pthread_join(threads[i], NULL) == 0);
	/* Both have happened, or this has not tested anything. */
	EXPECT(atomic_load(&n_accesses) > 0);
}

/* Until the threads have got somewhere. */
static void wait_for_faults(unsigned int n)
{
	unsigned int before = atomic_load(&n_accesses);

	while (atomic_load(&n_accesses) - before < n)
		(void)sched_yield();
}

/* A new mapping is zero; what is written to it stays. */
static void own_pages_check(unsigned char value)
{
	for (size_t i = 0; i < N_PAGES; i += TABLE_PAGES) {
		EXPECT_EQ(look(place + i * PAGE_BYTES), 0);
		set(place + i * PAGE_BYTES, value);
	}
}

static void expect_no_access(size_t first, size_t n)
{
	for (size_t i = first; i < first + n; i++)
		EXPECT_EQ(access_signal(place + i * PAGE_BYTES, i % 2),
			  SIGSEGV);
}

static void expect_speculation(const uint64_t before[CHECK_MAX_STATS])
{
	if (hook_works())
		EXPECT(since(before, MMLAB_SPF_STAT_FIRST_TOUCH) > 0);
}

/*
 * Checks.
 */

/* Page tables that a fault walks are freed; the region as well. */
static void faults_against_unmap(void)
{
	uint64_t before[CHECK_MAX_STATS];
	pthread_t threads[N_THREADS];

	check_stats(before);
	threads_start(threads);
	for (unsigned int i = 0; i < n_rounds; i++) {
		map_here();
		own_pages_check((unsigned char)(i + 1));
		wait_for_faults(i % 64);
		/* The page tables go as well, unlike when mapped over. */
		EXPECT(munmap(place, region_bytes) == 0);
		EXPECT(mmap(place, region_bytes, PROT_NONE, MAP_PRIVATE |
			    MAP_ANONYMOUS | MAP_FIXED_NOREPLACE |
			    MAP_NORESERVE, -1, 0) == place);
		expect_no_access(i % (N_PAGES - 8), 8);
	}
	map_here();
	own_pages_check(1);
	wait_for_faults(100);
	threads_end(threads);
	expect_speculation(before);
}

/* A hole is made: tables stay, what was unmapped must not come back. */
static void faults_against_holes(void)
{
	uint64_t before[CHECK_MAX_STATS];
	volatile unsigned int seed = 1;
	pthread_t threads[N_THREADS];

	check_stats(before);
	threads_start(threads);
	for (unsigned int i = 0; i < n_rounds; i++) {
		size_t first = 1 + next_random(&seed) % (N_PAGES - 40);

		map_here();
		own_pages_check((unsigned char)(i + 1));
		wait_for_faults(8);
		if (i % 2)
			EXPECT(munmap(place + first * PAGE_BYTES,
				      32 * PAGE_BYTES) == 0);
		else
			unmap_pages(first, 32);
		expect_no_access(first, 32);
		wait_for_faults(8);
		expect_no_access(first, 32);
	}
	threads_end(threads);
	expect_speculation(before);
}

/* Somebody else's memory is there at once, and is not ours. */
static void faults_against_overlays(void)
{
	uint64_t before[CHECK_MAX_STATS];
	volatile unsigned int seed = 2;
	pthread_t threads[N_THREADS];

	check_stats(before);
	threads_start(threads);
	for (unsigned int i = 0; i < n_rounds; i++) {
		size_t first = 1 + next_random(&seed) % (N_PAGES - 40);
		unsigned char *over = place + first * PAGE_BYTES;

		map_here();
		own_pages_check((unsigned char)(i + 1));
		wait_for_faults(8);
		EXPECT(mmap(over, 16 * PAGE_BYTES, PROT_READ, MAP_PRIVATE |
			    MAP_ANONYMOUS | MAP_FIXED, -1, 0) == over);
		wait_for_faults(4);
		for (int j = 0; j < 16; j++) {
			EXPECT_EQ(access_signal(over + j * PAGE_BYTES, false),
				  0);
			EXPECT_EQ(access_signal(over + j * PAGE_BYTES, true),
				  SIGSEGV);
		}
	}
	threads_end(threads);
	expect_speculation(before);
}

/* Page tables move to another place, or their entries do. */
static void faults_against_mremap(void)
{
	unsigned char *target = place + 2 * region_bytes;
	uint64_t before[CHECK_MAX_STATS];
	pthread_t threads[N_THREADS];

	check_stats(before);
	threads_start(threads);
	for (unsigned int i = 0; i < n_rounds; i++) {
		size_t n = i % 3 == 0 ? region_bytes : 40 * PAGE_BYTES;
		unsigned char *from = place + (i % 3 == 0 ? 0 : TABLE_BYTES);

		map_here();
		own_pages_check((unsigned char)(i + 1));
		wait_for_faults(8);
		EXPECT(mremap(from, n, n, MREMAP_MAYMOVE | MREMAP_FIXED,
			      target) == target);
		EXPECT_EQ(look(target), (unsigned char)(i + 1));
		EXPECT_EQ(access_signal(from, true), SIGSEGV);
		EXPECT_EQ(access_signal(from + 17 * PAGE_BYTES, false),
			  SIGSEGV);
		/* At the new place it works. */
		EXPECT_EQ(access_signal(target + 33 * PAGE_BYTES, true), 0);
		EXPECT_EQ(access_signal(target + 34 * PAGE_BYTES, true), 0);
		unmap_pages(2 * N_PAGES, n / PAGE_BYTES);
	}
	map_here();
	wait_for_faults(8);
	threads_end(threads);
	expect_speculation(before);
}

/* Where no entry exists, only the VMA says what is allowed. */
static void faults_against_mprotect(void)
{
	uint64_t before[CHECK_MAX_STATS];
	volatile unsigned int seed = 3;
	pthread_t threads[N_THREADS];

	check_stats(before);
	threads_start(threads);
	for (unsigned int i = 0; i < n_rounds; i++) {
		size_t first = 1 + next_random(&seed) % (N_PAGES - 40);
		unsigned char *part = place + first * PAGE_BYTES;
		int prot = i % 2 ? PROT_NONE : PROT_READ;

		map_here();
		own_pages_check((unsigned char)(i + 1));
		wait_for_faults(8);
		EXPECT(mprotect(part, 32 * PAGE_BYTES, prot) == 0);
		for (int j = 0; j < 32; j++) {
			EXPECT_EQ(access_signal(part + j * PAGE_BYTES, true),
				  SIGSEGV);
			if (prot == PROT_NONE)
				continue;
			EXPECT_EQ(access_signal(part + j * PAGE_BYTES, false),
				  0);
			EXPECT_EQ(access_signal(part + j * PAGE_BYTES, true),
				  SIGSEGV);
		}
		EXPECT(mprotect(part, 32 * PAGE_BYTES, rw) == 0);
		EXPECT_EQ(access_signal(part, true), 0);
		EXPECT_EQ(access_signal(part + 31 * PAGE_BYTES, true), 0);
	}
	threads_end(threads);
	expect_speculation(before);
}

/* Entries become none under a fault that is about to write one. */
static void faults_against_discard(void)
{
	uint64_t before[CHECK_MAX_STATS];
	pthread_t threads[N_THREADS];

	check_stats(before);
	map_here();
	threads_start(threads);
	for (unsigned int i = 0; i < n_rounds; i++) {
		own_pages_check((unsigned char)(i + 1));
		wait_for_faults(32);
		for (size_t j = 0; j < N_PAGES; j += TABLE_PAGES)
			EXPECT_EQ(look(place + j * PAGE_BYTES),
				  (unsigned char)(i + 1));
		EXPECT(madvise(place, region_bytes, MADV_DONTNEED) == 0);
	}
	threads_end(threads);
	expect_speculation(before);
}

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

/* Faults run while the hook comes and goes; nothing is lost in between. */
static void faults_against_hook(void)
{
	pthread_t threads[N_THREADS];

	if (!hook_works())
		SKIP("there is no hook");
	map_here();
	threads_start(threads);
	for (unsigned int i = 0; i < n_rounds; i++) {
		EXPECT(mmlab_spf_hook(MMLAB_SPF_HOOK_OUT, NULL) == 0);
		wait_for_faults(4);
		EXPECT(mmlab_spf_hook(MMLAB_SPF_HOOK_AUTO, NULL) == 0);
		wait_for_faults(4);
		EXPECT(madvise(place, region_bytes, MADV_DONTNEED) == 0);
	}
	threads_end(threads);
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

static const struct {
	const char *name;
	void (*run)(void);
} checks[] = {
	{ "faults-against-unmap", faults_against_unmap },
	{ "faults-against-holes", faults_against_holes },
	{ "faults-against-overlays", faults_against_overlays },
	{ "faults-against-mremap", faults_against_mremap },
	{ "faults-against-mprotect", faults_against_mprotect },
	{ "faults-against-discard", faults_against_discard },
	{ "faults-against-fork", faults_against_fork },
	{ "faults-against-faults", faults_against_faults },
	{ "faults-against-hook", faults_against_hook },
	{ "killed-at-random", killed_at_random },
};

static unsigned int present;

static void run_present(void)
{
	prepare();
	checks[present].run();
}

int main(int argc, char **argv)
{
	const char *wanted = "";

	n_rounds = check_times(200, 15);
	for (int i = 1; i < argc; i++) {
		if (strtoul(argv[i], NULL, 10))
			n_rounds = (unsigned int)strtoul(argv[i], NULL, 10);
		else
			wanted = argv[i];
	}

	check_begin();
	for (present = 0; present < sizeof(checks) / sizeof(checks[0]);
	     present++) {
		if (!strstr(checks[present].name, wanted))
			continue;
		check_run(checks[present].name, NULL, run_present);
	}
	if (!pages_balance())
		return 1;
	return check_finish();
}
