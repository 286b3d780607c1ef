// SPDX-License-Identifier: MIT
/*
 * Speculative page faults when everything happens at once: faults of several
 * threads against unmapping, mapping over, moving, protecting and discarding, and
 * the hook put in and out. Each walk without a lock, and each rule of who lives
 * how long, has a race of its own here or in test-spf-race-fork.c; the table is
 * in docs/spf.md.
 */
#include "test-spf-race.h"

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
 * A fault that is under way when its page is unmapped has ended before that
 * goes on, or finds nothing: no page comes into being afterwards.
 */
static void faults_under_way(void)
{
	enum { N = 64 };
	uint64_t before[CHECK_MAX_STATS];
	pthread_t threads[N_THREADS];

	check_stats(before);
	n_fault_pages = N;
	threads_start(threads);
	for (unsigned int i = 0; i < n_rounds; i++) {
		map_here();
		own_pages_check((unsigned char)(i + 1));
		wait_for_faults(1 + i % (N / 4));
		unmap_pages(0, N);
		wait_for_attempts(2 * N_THREADS);
		expect_no_access(0, N);
	}
	map_here();
	own_pages_check(1);
	wait_for_faults(N / 2);
	threads_end(threads);
	expect_speculation(before);
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

static const struct race races[] = {
	{ "faults-against-unmap", faults_against_unmap },
	{ "faults-against-holes", faults_against_holes },
	{ "faults-against-overlays", faults_against_overlays },
	{ "faults-against-mremap", faults_against_mremap },
	{ "faults-against-mprotect", faults_against_mprotect },
	{ "faults-against-discard", faults_against_discard },
	{ "faults-under-way", faults_under_way },
	{ "faults-against-hook", faults_against_hook },
};

int main(int argc, char **argv)
{
	return races_run(races, sizeof(races) / sizeof(races[0]), argc, argv);
}
