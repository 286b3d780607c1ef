/* SPDX-License-Identifier: MIT */
/*
 * What the races of speculative page faults share: one mapping, at a place where
 * nobody else maps anything, and threads that fault in it.
 */
#ifndef MMLAB_TEST_SPF_RACE_H
#define MMLAB_TEST_SPF_RACE_H

/* Many rounds of each, where somebody asks for them. */
#define CHECK_TIMEOUT_S 3600

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

#include "test-spf.h"

enum { N_THREADS = 2, N_PAGES = 3 * TABLE_PAGES };

static const size_t region_bytes = (size_t)N_PAGES * PAGE_BYTES;

static unsigned int n_rounds;
static int fd;
static unsigned char *place;
static atomic_bool stop;
/* Accesses that succeeded, and that were tried. */
static atomic_uint n_accesses, n_attempts;
/* Threads fault in as many pages. */
static size_t n_fault_pages = N_PAGES;

static inline unsigned int next_random(volatile unsigned int *state)
{
	*state = *state * 1664525 + 1013904223;
	return *state >> 8;
}

/*
 * Nobody else maps anything there: all addresses around it were reserved when
 * threads, which have stacks and heaps, did not exist yet.
 */
static inline void prepare(void)
{
	fd = create();
	place = mmap(NULL, 4 * region_bytes, PROT_NONE, MAP_PRIVATE |
		     MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	EXPECT(place != MAP_FAILED);
	place += TABLE_BYTES - (uintptr_t)place % TABLE_BYTES;
}

static inline void map_here(void)
{
	EXPECT(mmap(place, region_bytes, rw, MAP_PRIVATE | MAP_FIXED |
		    MAP_NORESERVE, fd, 0) == place);
}

/* What was reserved comes back: nobody else can get in between. */
static inline void unmap_pages(size_t first, size_t n)
{
	EXPECT(mmap(place + first * PAGE_BYTES, n * PAGE_BYTES, PROT_NONE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE,
		    -1, 0) != MAP_FAILED);
}

static inline void *fault_at_random(void *arg)
{
	volatile unsigned int seed = (unsigned int)(uintptr_t)arg;

	while (!atomic_load(&stop)) {
		size_t page = next_random(&seed) % n_fault_pages;

		/* The first of each table are the main thread's. */
		if (page % TABLE_PAGES == 0)
			continue;
		if (!access_signal(place + page * PAGE_BYTES,
				   next_random(&seed) % 2))
			atomic_fetch_add(&n_accesses, 1);
		atomic_fetch_add(&n_attempts, 1);
	}
	return NULL;
}

static inline void threads_start(pthread_t threads[N_THREADS])
{
	for (unsigned int i = 0; i < N_THREADS; i++)
		EXPECT(pthread_create(&threads[i], NULL, fault_at_random,
				      (void *)(uintptr_t)(i + 1)) == 0);
}

static inline void threads_end(pthread_t threads[N_THREADS])
{
	atomic_store(&stop, true);
	for (unsigned int i = 0; i < N_THREADS; i++)
		EXPECT(pthread_join(threads[i], NULL) == 0);
	/* Both have happened, or this has not tested anything. */
	EXPECT(atomic_load(&n_accesses) > 0);
}

/* Until the threads have got somewhere. */
static inline void wait_for_faults(unsigned int n)
{
	unsigned int before = atomic_load(&n_accesses);

	while (atomic_load(&n_accesses) - before < n)
		(void)sched_yield();
}

/* Until the threads have tried something once more, whatever came of it. */
static inline void wait_for_attempts(unsigned int n)
{
	unsigned int before = atomic_load(&n_attempts);

	while (atomic_load(&n_attempts) - before < n)
		(void)sched_yield();
}

/* A new mapping is zero; what is written to it stays. */
static inline void own_pages_check(unsigned char value)
{
	for (size_t i = 0; i < N_PAGES; i += TABLE_PAGES) {
		EXPECT_EQ(look(place + i * PAGE_BYTES), 0);
		set(place + i * PAGE_BYTES, value);
	}
}

static inline void expect_no_access(size_t first, size_t n)
{
	for (size_t i = first; i < first + n; i++)
		EXPECT_EQ(access_signal(place + i * PAGE_BYTES, i % 2),
			  SIGSEGV);
}

static inline void expect_speculation(const uint64_t before[CHECK_MAX_STATS])
{
	if (hook_works())
		EXPECT(since(before, MMLAB_SPF_STAT_FIRST_TOUCH) > 0);
}

struct race {
	const char *name;
	void (*run)(void);
};

static const struct race *race_present;

static inline void race_run(void)
{
	prepare();
	race_present->run();
}

/*
 * An argument that is a number is how many rounds each takes; any other chooses
 * those whose names contain it. Return: the status to exit with.
 */
static inline int races_run(const struct race *races, size_t n, int argc,
			    char **argv)
{
	const char *wanted = NULL;

	n_rounds = check_times(100, 15);
	for (int i = 1; i < argc; i++) {
		if (strtoul(argv[i], NULL, 10))
			n_rounds = (unsigned int)strtoul(argv[i], NULL, 10);
		else
			wanted = argv[i];
	}

	check_begin();
	for (size_t i = 0; i < n; i++) {
		race_present = &races[i];
		if (check_is_wanted(races[i].name, wanted))
			check_run(races[i].name, NULL, race_run);
	}
	if (!pages_balance())
		return 1;
	return check_finish();
}

#endif /* MMLAB_TEST_SPF_RACE_H */
