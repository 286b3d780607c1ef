// SPDX-License-Identifier: MIT
/*
 * What is found out on one page holds for many, in the two ways in which scenarios meet it: reading memory inherited by
 * fork, and writing a shared mapping that was populated. What this processor is known to do may be given as arguments:
 * "accessed" and "dirty", or "neither"; for x86-64 it is known.
 */
#include "mmu.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "map.h"
#include "test.h"

#define N_PAGES 64

static size_t page_bytes;

static uint64_t faults_now(void)
{
	struct rusage usage;

	(void)getrusage(RUSAGE_THREAD, &usage);
	return (uint64_t)(usage.ru_minflt + usage.ru_majflt);
}

/* Return: page faults that a read or a write of each page takes. */
static uint64_t faults_of(volatile char *at, bool write)
{
	uint64_t faults;

	for (int rehearsal = 1; rehearsal >= 0; rehearsal--) {
		size_t n = rehearsal ? 0 : N_PAGES;

		faults = faults_now();
		for (size_t i = 0; i < n; i++) {
			if (write)
				at[i * page_bytes] = 1;
			else
				(void)at[i * page_bytes];
		}
		faults = faults_now() - faults;
	}
	return faults;
}

static char *map_pages(int flags)
{
	return mmap(NULL, N_PAGES * page_bytes, PROT_READ | PROT_WRITE, MAP_ANONYMOUS | flags, -1, 0);
}

static void test_dirty(const struct mmlab_mmu *mmu)
{
	char *shared = map_pages(MAP_SHARED | MAP_POPULATE);
	uint64_t faults;

	if (!check(shared != MAP_FAILED, "populated shared memory"))
		return;
	faults = faults_of(shared, false);
	check(faults == 0, "reading %d pages that are populated takes %llu faults", N_PAGES,
	      (unsigned long long)faults);
	faults = faults_of(shared, true);
	check(faults == (mmu->sets_dirty ? 0 : N_PAGES), "writing them takes %llu faults", (unsigned long long)faults);
	faults = faults_of(shared, true);
	check(faults == 0, "writing them again takes %llu faults", (unsigned long long)faults);
	(void)munmap(shared, N_PAGES * page_bytes);
}

/* In a child of fork: reading and then writing, or writing alone. */
static void test_accessed(const struct mmlab_mmu *mmu, char *inherited, bool read_first)
{
	uint64_t *said = mmap(NULL, page_bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int status = 1;
	pid_t pid = said == MAP_FAILED ? -1 : fork();

	if (!pid) {
		said[0] = read_first ? faults_of(inherited, false) : 0;
		said[1] = faults_of(inherited, true);
		_exit(0);
	}
	if (!check(pid > 0 && waitpid(pid, &status, 0) == pid && !status, "a child of fork"))
		return;
	if (read_first)
		check(said[0] == (mmu->sets_accessed ? 0 : N_PAGES), "its reading %d pages takes %llu faults", N_PAGES,
		      (unsigned long long)said[0]);
	check(said[1] == N_PAGES, "its writing %s takes %llu faults", read_first ? "them then" : "alone",
	      (unsigned long long)said[1]);
	(void)munmap(said, page_bytes);
}

int main(int argc, char **argv)
{
	struct mmlab_mmu mmu = { 0 };
	char *private;

	page_bytes = mmlab_page_bytes();
	(void)prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0);
	if (!check(mmlab_mmu_read(&mmu) == 0, "mmlab_mmu_read()"))
		return test_status();
#ifdef __x86_64__
	check(mmu.sets_accessed && mmu.sets_dirty, "x86-64 sets accessed and dirty");
#endif
	if (argc > 1) {
		bool accessed = false, dirty = false;

		for (int i = 1; i < argc; i++) {
			accessed |= !strcmp(argv[i], "accessed");
			dirty |= !strcmp(argv[i], "dirty");
		}
		check(mmu.sets_accessed == accessed, "the processor %s accessed", accessed ? "sets" : "does not set");
		check(mmu.sets_dirty == dirty, "the processor %s dirty", dirty ? "sets" : "does not set");
	}
	test_dirty(&mmu);
	private = map_pages(MAP_PRIVATE);
	if (!check(private != MAP_FAILED, "private memory"))
		return test_status();
	memset(private, 1, N_PAGES * page_bytes);
	test_accessed(&mmu, private, true);
	test_accessed(&mmu, private, false);
	return test_status();
}
