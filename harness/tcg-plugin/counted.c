// SPDX-License-Identifier: MIT
/*
 * What the plugin must count exactly, for scripts/test-vm.sh: each case is named by its number, and the loops are
 * spelled out, so that no compiler changes their instructions. Elsewhere than under the plugin this does nothing.
 */
#include <stdint.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "../mark.h"

#define N_LOOPS	   1000000
#define N_PAGES	   4096
#define PAGE_BYTES UINT64_C(4096)
#define N_CALLS	   100

/* Two instructions each time around, and two that set it up and leave nothing. */
static void loop(void)
{
	uint64_t n;

	mmlab_mark(MMLAB_MARK_BEGIN);
	__asm__ volatile("mov %1, %0\n1:\tdec %0\n\tjnz 1b" : "=r"(n) : "i"(N_LOOPS) : "cc");
	mmlab_mark(MMLAB_MARK_END);
}

/* One load of each page, the same number of stores to one place. */
static void touch(const char *at)
{
	const char *end = at + N_PAGES * PAGE_BYTES;
	uint64_t there;

	mmlab_mark(MMLAB_MARK_BEGIN);
	__asm__ volatile("1:\tmov (%0), %1\n\tadd %3, %0\n\tcmp %2, %0\n\tjb 1b"
			 : "+r"(at), "=&r"(there)
			 : "r"(end), "i"((int)PAGE_BYTES)
			 : "cc", "memory");
	mmlab_mark(MMLAB_MARK_END);
}

static void call(void)
{
	uint64_t n, result;

	mmlab_mark(MMLAB_MARK_BEGIN);
	__asm__ volatile("mov %2, %0\n1:\tmov %3, %k1\n\tsyscall\n\tdec %0\n\tjnz 1b"
			 : "=&r"(n), "=&a"(result)
			 : "i"(N_CALLS), "i"(SYS_getppid)
			 : "rcx", "r11", "cc", "memory");
	mmlab_mark(MMLAB_MARK_END);
}

static void wait_for_tick(void)
{
	struct timespec before, now;

	(void)clock_gettime(CLOCK_MONOTONIC_COARSE, &before);
	do
		(void)clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
	while (now.tv_nsec == before.tv_nsec);
}

int main(void)
{
	char *fresh = mmap(NULL, N_PAGES * PAGE_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (fresh == MAP_FAILED || madvise(fresh, N_PAGES * PAGE_BYTES, MADV_NOHUGEPAGE))
		return 1;
	for (uint64_t name = 1; name <= 6; name++) {
		mmlab_mark_open(name);
		wait_for_tick();
		switch (name) {
		case 1:
			loop();
			break;
		case 2: /* faults */
		case 3: /* no faults, yet every page is new to the TLB */
			touch(fresh);
			break;
		case 4: /* the first calls are cold */
		case 5:
		case 6:
			call();
			break;
		}
		mmlab_mark(MMLAB_MARK_REPORT);
	}
	/* A case that ends inside of what is counted. */
	mmlab_mark_open(7);
	mmlab_mark(MMLAB_MARK_BEGIN);
	mmlab_mark(MMLAB_MARK_REPORT);
	return 0;
}
