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

/* The marks stand in the same piece of assembly, so that the compiler puts nothing in between. */
#define MARK(name) ".byte 0x0f, 0x1f, 0x84, 0x00\n\t.long %c[" #name "]\n\t"
#define MARKS	   [begin] "i"(MMLAB_MARK_MAGIC + MMLAB_MARK_BEGIN), [end] "i"(MMLAB_MARK_MAGIC + MMLAB_MARK_END)

/* clang-format off */

/* One instruction, and two each time around. */
static void loop(void)
{
	uint64_t n;

	__asm__ volatile(MARK(begin)
			 "mov %[loops], %[n]\n"
			 "1:	dec %[n]\n\t"
			 "jnz 1b\n\t"
			 MARK(end)
			 : [n] "=r"(n)
			 : [loops] "i"(N_LOOPS), MARKS
			 : "cc");
}

/* Four instructions for each page, one of them a load. */
static void touch(const char *at)
{
	const char *limit = at + N_PAGES * PAGE_BYTES;
	uint64_t there;

	__asm__ volatile(MARK(begin)
			 "1:	mov (%[at]), %[there]\n\t"
			 "add %[step], %[at]\n\t"
			 "cmp %[limit], %[at]\n\t"
			 "jb 1b\n\t"
			 MARK(end)
			 : [at] "+r"(at), [there] "=&r"(there)
			 : [limit] "r"(limit), [step] "i"((int)PAGE_BYTES), MARKS
			 : "cc", "memory");
}

/* One instruction, and four for each call. */
static void call(void)
{
	uint64_t n, result;

	__asm__ volatile(MARK(begin)
			 "mov %[calls], %[n]\n"
			 "1:	mov %[number], %k[result]\n\t"
			 "syscall\n\t"
			 "dec %[n]\n\t"
			 "jnz 1b\n\t"
			 MARK(end)
			 : [n] "=&r"(n), [result] "=&a"(result)
			 : [calls] "i"(N_CALLS), [number] "i"(SYS_getppid), MARKS
			 : "rcx", "r11", "cc", "memory");
}

/* clang-format on */

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
