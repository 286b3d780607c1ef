// SPDX-License-Identifier: MIT
/*
 * What a page fault costs, in ticks of the time-stamp counter: under
 * scripts/vm --deterministic these are instructions executed, exactly, from before
 * the access to after it.
 *
 * First what everybody pays for the hook: anonymous memory, with the hook out and
 * in. Then first touches in a region: left to the kernel, and without a lock.
 * Each figure is the median of the faults in one page table that exists.
 *
 * With the argument "held", what a fault takes, in microseconds, while another
 * thread holds mmap_lock for writing for a second: for a machine of its own pace.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>
#include <x86intrin.h>

#include "libmmlab.h"

enum { PAGE_BYTES = 4096, N_PAGES = 512, TABLE_BYTES = 2 << 20 };

typedef unsigned long long ticks;

static int compare(const void *left, const void *right)
{
	ticks a = *(const ticks *)left, b = *(const ticks *)right;

	return a < b ? -1 : a > b;
}

static ticks samples[N_PAGES];

/* The median of the samples but the first. */
static ticks median(int n)
{
	qsort(samples + 1, (size_t)n - 1, sizeof(samples[0]), compare);
	return samples[n / 2];
}

/* Memory of one page table's, not huge; -1 is anonymous memory. NULL if none. */
static unsigned char *map(int fd)
{
	int flags = MAP_PRIVATE | (fd < 0 ? MAP_ANONYMOUS : 0);
	unsigned char *place;

	place = mmap(NULL, 2 * TABLE_BYTES, PROT_NONE, MAP_PRIVATE |
		     MAP_ANONYMOUS, -1, 0);
	if (place == MAP_FAILED)
		return NULL;
	(void)munmap(place, 2 * TABLE_BYTES);
	place += TABLE_BYTES - (uintptr_t)place % TABLE_BYTES;
	if (mmap(place, TABLE_BYTES, PROT_READ | PROT_WRITE, flags | MAP_FIXED,
		 fd, 0) != place)
		return NULL;
	(void)madvise(place, TABLE_BYTES, MADV_NOHUGEPAGE);
	return place;
}

/* The median of one fault in each page but the first, which makes the table. */
static ticks measure(int fd, bool write)
{
	unsigned char *place = map(fd);
	volatile unsigned char *memory = place;

	if (!place)
		return 0;

	/* Twice, so that the second round's memory is warm in all caches. */
	for (int round = 0; round < 2; round++) {
		(void)madvise(place, TABLE_BYTES, MADV_DONTNEED);
		memory[0] = 1;
		for (int i = 1; i < N_PAGES; i++) {
			ticks start = __rdtsc();

			if (write)
				memory[i * PAGE_BYTES] = 1;
			else
				(void)memory[i * PAGE_BYTES];
			samples[i] = __rdtsc() - start;
		}
	}
	(void)munmap(place, TABLE_BYTES);
	return median(N_PAGES);
}

static ticks measure_region(enum mmlab_spf_mode mode, bool write)
{
	int fd = mmlab_spf_create(mode);
	ticks result = fd < 0 ? 0 : measure(fd, write);

	(void)close(fd);
	return result;
}

static void print_tax(const char *name, bool write)
{
	ticks out, in;

	(void)mmlab_spf_hook(MMLAB_SPF_HOOK_OUT, NULL);
	out = measure(-1, write);
	if (mmlab_spf_hook(MMLAB_SPF_HOOK_IN, NULL) < 0) {
		perror("mmlab_spf_hook");
		exit(1);
	}
	in = measure(-1, write);
	(void)mmlab_spf_hook(MMLAB_SPF_HOOK_AUTO, NULL);
	printf("%-24s %7llu %7llu %7.2f %%\n", name, out, in,
	       100.0 * ((double)in / (double)out - 1));
}

static void print_region(const char *name, bool write)
{
	ticks locked = measure_region(MMLAB_SPF_MMAP_LOCK, write);
	ticks normal = measure_region(MMLAB_SPF_NORMAL, write);
	ticks speculative = measure_region(MMLAB_SPF_SPECULATIVE, write);

	printf("%-24s %7llu %7llu %7llu %7.3f %7.3f\n", name, locked, normal,
	       speculative, (double)speculative / (double)normal,
	       (double)speculative / (double)locked);
}

static void *hold(void *unused)
{
	if (mmlab_spf_hold(1000, NULL) < 0)
		perror("mmlab_spf_hold");
	return unused;
}

static bool is_held(void)
{
	uint64_t values[MMLAB_SPF_N_STATS];

	return mmlab_stats(MMLAB_MECH_SPF, values, MMLAB_SPF_N_STATS) >= 0 &&
	       values[MMLAB_SPF_STAT_HOLDING];
}

static ticks now_ns(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (ticks)now.tv_sec * 1000000000 + (ticks)now.tv_nsec;
}

/*
 * First touches while the lock is held, by the user or by read(2): the median of
 * as many as there were before it was released, and the number of these.
 */
static void print_held(const char *name, int fd, bool by_kernel)
{
	int zero = open("/dev/zero", O_RDONLY | O_CLOEXEC), n = 1;
	unsigned char *memory = map(fd);
	pthread_t holder;

	if (!memory || zero < 0)
		return;
	(void)read(zero, memory, 1);
	(void)now_ns();
	if (pthread_create(&holder, NULL, hold, NULL))
		return;
	while (!is_held())
		(void)sched_yield();
	/* What has waited is the last. */
	for (; n < N_PAGES && (n == 1 || is_held()); n++) {
		unsigned char *page = memory + (size_t)n * PAGE_BYTES;
		ticks start = now_ns();

		if (by_kernel)
			(void)read(zero, page, 1);
		else
			*(volatile unsigned char *)page = 1;
		samples[n] = now_ns() - start;
	}
	(void)pthread_join(holder, NULL);
	(void)close(zero);
	(void)munmap(memory, TABLE_BYTES);
	printf("%-24s %8s %12.1f %7d\n", name, by_kernel ? "kernel" : "user",
	       (double)median(n) / 1000, n - 1);
}

static int print_all_held(void)
{
	int normal = mmlab_spf_create(MMLAB_SPF_NORMAL);
	int speculative = mmlab_spf_create(MMLAB_SPF_SPECULATIVE);

	if (normal < 0 || speculative < 0)
		return 1;
	printf("%-24s %8s %12s %7s\n", "mmap_lock is held", "touched by",
	       "microseconds", "faults");
	for (int by_kernel = 0; by_kernel < 2; by_kernel++) {
		print_held("anonymous memory", -1, by_kernel);
		print_held("region, normal", normal, by_kernel);
		print_held("region, speculative", speculative, by_kernel);
	}
	return 0;
}

int main(int argc, char **argv)
{
	uint64_t caps;

	if (mmlab_query(MMLAB_MECH_SPF, &caps) < 0 ||
	    !(caps & MMLAB_SPF_CAP_HOOK)) {
		fprintf(stderr, "there is no hook here\n");
		return 77;
	}
	if (argc == 2 && !strcmp(argv[1], "held"))
		return print_all_held();
	printf("%-24s %7s %7s %9s\n", "anonymous memory", "out", "in", "tax");
	print_tax("read (zero page)", false);
	print_tax("write", true);
	printf("%-24s %7s %7s %7s %7s %7s\n", "region", "mmap", "normal",
	       "specul.", "/normal", "/mmap");
	print_region("write", true);
	print_region("read", false);
	return 0;
}
