// SPDX-License-Identifier: MIT
/*
 * What a page fault costs, in ticks of the time-stamp counter: under
 * scripts/vm --deterministic these are instructions executed, exactly, from before
 * the access to after it.
 *
 * First what everybody pays for the hook: anonymous memory, with the hook out and
 * in. Then first touches in a region: left to the kernel, and without a lock.
 * Each figure is the median of the faults in one page table that exists.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
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

/* The median of one fault in each page but the first, which makes the table. */
static ticks measure(int fd, bool write)
{
	int flags = MAP_PRIVATE | (fd < 0 ? MAP_ANONYMOUS : 0);
	volatile unsigned char *memory;
	static ticks samples[N_PAGES];
	unsigned char *place;

	place = mmap(NULL, 2 * TABLE_BYTES, PROT_NONE, MAP_PRIVATE |
		     MAP_ANONYMOUS, -1, 0);
	if (place == MAP_FAILED)
		return 0;
	(void)munmap(place, 2 * TABLE_BYTES);
	place += TABLE_BYTES - (uintptr_t)place % TABLE_BYTES;
	memory = mmap(place, TABLE_BYTES, PROT_READ | PROT_WRITE,
		      flags | MAP_FIXED, fd, 0);
	if (memory == MAP_FAILED)
		return 0;
	(void)madvise(place, TABLE_BYTES, MADV_NOHUGEPAGE);

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
	qsort(samples + 1, N_PAGES - 1, sizeof(samples[0]), compare);
	return samples[N_PAGES / 2];
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

int main(void)
{
	uint64_t caps;

	if (mmlab_query(MMLAB_MECH_SPF, &caps) < 0 ||
	    !(caps & MMLAB_SPF_CAP_HOOK)) {
		fprintf(stderr, "there is no hook here\n");
		return 77;
	}
	printf("%-24s %7s %7s %9s\n", "anonymous memory", "out", "in", "tax");
	print_tax("read (zero page)", false);
	print_tax("write", true);
	printf("%-24s %7s %7s %7s %7s %7s\n", "region", "mmap", "normal",
	       "specul.", "/normal", "/mmap");
	print_region("write", true);
	print_region("read", false);
	return 0;
}
