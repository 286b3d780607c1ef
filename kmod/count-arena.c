// SPDX-License-Identifier: MIT
/*
 * What locks of an arena cost, in ticks of the time-stamp counter: under
 * scripts/vm --deterministic these are instructions executed, exactly, from
 * before the system call (or the access) to after it, by user and kernel.
 *
 * Prints two tables. The first has a line for each scheme and way to register,
 * and columns for the number of other ranges that are held meanwhile, each by a
 * thread that sleeps: an exclusive lock and unlock of one page, and a shared
 * one, both as HOLD with a duration of 0 and less a NOP. The second is of
 * faults and commands: a first fault, which makes a page; another fault on a
 * page that is there; MAP, PROTECT, POPULATE and UNMAP of one page that is
 * there. Medians of a number of rounds; the first round is not counted.
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
#include <x86intrin.h>

#include "libmmlab.h"

enum { N_ROUNDS = 31, PAGE_BYTES = 4096, N_PAGES = 1024, N_OTHERS = 100 };
enum { N_SCHEMES = 4, N_PENDINGS = 4 };

static const char *const scheme_names[N_SCHEMES] = { "rwsem", "tree", "list",
						     "split" };
static const char *const pending_names[N_PENDINGS] = { "none", "one-list",
						       "hash", "cpu" };

static int arena;
static unsigned char *memory;

__attribute__((noreturn)) static void fail(const char *what)
{
	perror(what);
	exit(1);
}

static inline long arena_syscall(unsigned long number,
				 struct mmlab_arena_range *arg)
{
	long result;

	/* No library in between. */
	__asm__ volatile("syscall"
			 : "=a"(result)
			 : "0"((long)SYS_ioctl), "D"((long)arena), "S"(number),
			   "d"(arg)
			 : "rcx", "r11", "memory");
	return result;
}

static unsigned long long command_ticks(unsigned long number, size_t page,
					unsigned int flags, int prot)
{
	struct mmlab_arena_range arg = {
		.size = sizeof(arg), .flags = flags,
		.offset = page * PAGE_BYTES, .bytes = PAGE_BYTES,
		.prot = (__u32)prot,
	};
	unsigned long long start = __rdtsc(), end;
	long result = arena_syscall(number, &arg);

	end = __rdtsc();
	if (result) {
		errno = (int)-result;
		fail("a command");
	}
	return end - start;
}

static unsigned long long access_ticks(size_t page)
{
	volatile unsigned char *byte = memory + page * PAGE_BYTES;
	unsigned long long start = __rdtsc();

	*byte = 1;
	return __rdtsc() - start;
}

static int compare(const void *left, const void *right)
{
	unsigned long long a = *(const unsigned long long *)left;
	unsigned long long b = *(const unsigned long long *)right;

	return a < b ? -1 : a > b;
}

static long long median(unsigned long long samples[N_ROUNDS])
{
	qsort(samples, N_ROUNDS, sizeof(samples[0]), compare);
	return (long long)samples[N_ROUNDS / 2];
}

static uint64_t stat_of(unsigned int stat)
{
	uint64_t values[MMLAB_ARENA_N_STATS];

	if (mmlab_stats(MMLAB_MECH_ARENA, values, MMLAB_ARENA_N_STATS) < 0)
		fail("mmlab_stats");
	return values[stat];
}

static void arena_open(unsigned int scheme, unsigned int pending)
{
	arena = mmlab_arena_create(N_PAGES * PAGE_BYTES, scheme, pending, 0);
	if (arena < 0)
		fail("mmlab_arena_create");
	memory = mmlab_arena_mmap(arena, N_PAGES * PAGE_BYTES);
	if (memory == MAP_FAILED)
		fail("mmlab_arena_mmap");
}

static void arena_close(void)
{
	(void)munmap(memory, N_PAGES * PAGE_BYTES);
	(void)close(arena);
}

/*
 * Other ranges: every eighth page, with those that are measured in the middle.
 */

static void *hold_main(void *arg)
{
	size_t i = (size_t)(uintptr_t)arg;

	if (mmlab_arena_hold(arena, (i < N_OTHERS / 2 ? i : i + 8) * 8 *
			     PAGE_BYTES, PAGE_BYTES, MMLAB_ARENA_MAX_HOLD_NS,
			     0) == 0 || errno != EINTR)
		fail("mmlab_arena_hold");
	return NULL;
}

static void ignore_signal(int signal)
{
	(void)signal;
}

static pthread_t others[N_OTHERS];

static void others_start(size_t n_before, size_t n)
{
	const struct timespec pause = { .tv_nsec = 1000 * 1000 };

	for (size_t i = n_before; i < n; i++)
		if (pthread_create(&others[i], NULL, hold_main,
				   /* From both ends of the numbers. */
				   (void *)(uintptr_t)(i % 2 ? N_OTHERS - 1 -
						       i / 2 : i / 2)))
			fail("pthread_create");
	while (stat_of(MMLAB_ARENA_STAT_LIVE_HOLDS) != n)
		(void)nanosleep(&pause, NULL);
}

static void others_end(size_t n)
{
	for (size_t i = 0; i < n; i++)
		(void)pthread_kill(others[i], SIGUSR1);
	for (size_t i = 0; i < n; i++)
		(void)pthread_join(others[i], NULL);
}

static long long hold_median(unsigned int flags)
{
	unsigned long long nops[N_ROUNDS], holds[N_ROUNDS];
	const size_t page = 8 * (N_OTHERS / 2 + 4);

	for (int round = -1; round < N_ROUNDS; round++) {
		unsigned long long nop =
			command_ticks(MMLAB_IOC_ARENA_NOP, page, 0, 0);
		unsigned long long hold =
			command_ticks(MMLAB_IOC_ARENA_HOLD, page, flags, 0);

		if (round >= 0) {
			nops[round] = nop;
			holds[round] = hold;
		}
	}
	return median(holds) - median(nops);
}

static void locks_print(unsigned int scheme, unsigned int pending)
{
	static const size_t n_others[] = { 0, 10, N_OTHERS };
	long long exclusive[3] = { 0 }, shared[3] = { 0 };
	/* One rwsem cannot be held twice. */
	const int n = scheme == MMLAB_ARENA_RWSEM ? 1 : 3;

	arena_open(scheme, pending);
	for (int i = 0; i < n; i++) {
		others_start(i ? n_others[i - 1] : 0, n_others[i]);
		exclusive[i] = hold_median(0);
		shared[i] = hold_median(MMLAB_ARENA_HOLD_SHARED);
	}
	others_end(n_others[n - 1]);
	arena_close();

	printf("%-6s %-9s", scheme_names[scheme], pending_names[pending]);
	for (int i = 0; i < n; i++)
		printf(" %9lld", exclusive[i]);
	for (int i = n; i < 3; i++)
		printf(" %9s", "-");
	for (int i = 0; i < n; i++)
		printf(" %9lld", shared[i]);
	for (int i = n; i < 3; i++)
		printf(" %9s", "-");
	printf("\n");
}

/*
 * Faults and commands.
 */

enum column { FIRST_FAULT, FAULT, MAP, PROTECT, POPULATE, UNMAP, N_COLUMNS };

static void faults_print(unsigned int scheme, unsigned int pending)
{
	const int prot = PROT_READ | PROT_WRITE;
	unsigned long long samples[N_COLUMNS][N_ROUNDS];

	arena_open(scheme, pending);
	/* Tables are there, and some other ranges. */
	for (size_t i = 0; i < N_PAGES; i += 8)
		if (mmlab_arena_map(arena, i * PAGE_BYTES, PAGE_BYTES, prot))
			fail("mmlab_arena_map");
	for (size_t i = 0; i < N_PAGES; i += 8)
		(void)access_ticks(i);

	for (int round = -1; round < N_ROUNDS; round++) {
		const size_t page = 16 * (size_t)(round + 2) + 3;
		unsigned long long t[N_COLUMNS];

		t[MAP] = command_ticks(MMLAB_IOC_ARENA_MAP, page, 0, prot);
		t[FIRST_FAULT] = access_ticks(page);
		/* Takes the entry out, and leaves the page. */
		t[PROTECT] = command_ticks(MMLAB_IOC_ARENA_PROTECT, page, 0,
					   prot);
		t[FAULT] = access_ticks(page);
		(void)command_ticks(MMLAB_IOC_ARENA_PROTECT, page, 0, prot);
		t[POPULATE] = command_ticks(MMLAB_IOC_ARENA_POPULATE, page, 0,
					    0);
		t[UNMAP] = command_ticks(MMLAB_IOC_ARENA_UNMAP, page, 0, 0);
		for (int i = 0; round >= 0 && i < N_COLUMNS; i++)
			samples[i][round] = t[i];
	}
	arena_close();

	printf("%-6s %-9s", scheme_names[scheme], pending_names[pending]);
	for (int i = 0; i < N_COLUMNS; i++)
		printf(" %11lld", median(samples[i]));
	printf("\n");
}

int main(void)
{
	const struct sigaction action = { .sa_handler = ignore_signal };

	(void)sigaction(SIGUSR1, &action, NULL);
	printf("%-6s %-9s %29s %29s\n%-6s %-9s", "", "",
	       "exclusive, others held:", "shared, others held:", "scheme",
	       "pending");
	for (int i = 0; i < 2; i++)
		printf(" %9d %9d %9d", 0, 10, N_OTHERS);
	printf("\n");
	for (unsigned int i = 0; i < N_SCHEMES * N_PENDINGS; i++)
		locks_print(i / N_PENDINGS, i % N_PENDINGS);

	printf("\n%-6s %-9s %11s %11s %11s %11s %11s %11s\n", "scheme",
	       "pending", "first-fault", "fault", "map", "protect", "populate",
	       "unmap");
	for (unsigned int i = 0; i < N_SCHEMES * N_PENDINGS; i++)
		faults_print(i / N_PENDINGS, i % N_PENDINGS);
	return 0;
}
