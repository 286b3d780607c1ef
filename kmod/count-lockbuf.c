// SPDX-License-Identifier: MIT
/*
 * What each command of a lockable buffer costs, in ticks of the time-stamp
 * counter: under scripts/vm --deterministic these are instructions executed,
 * exactly, from before the system call to after it, by user and kernel.
 *
 * Prints a table: one line for each way to flush and size, columns for the
 * commands, the median of a number of rounds. A round is NOP, FLUSH, LOCK, and
 * UNLOCK after one byte was written in each page.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <x86intrin.h>

#include "libmmlab.h"

enum { N_ROUNDS = 51, PAGE_BYTES = 4096 };
enum command { NOP, FLUSH, LOCK, UNLOCK, N_COMMANDS };

static const unsigned long numbers[N_COMMANDS] = {
	[NOP] = MMLAB_IOC_LOCKBUF_NOP,
	[FLUSH] = MMLAB_IOC_LOCKBUF_FLUSH,
	[LOCK] = MMLAB_IOC_LOCKBUF_LOCK,
	[UNLOCK] = MMLAB_IOC_LOCKBUF_UNLOCK,
};

static inline unsigned long long ticks(int fd, unsigned long number,
				       long *ret_result)
{
	unsigned long long start, end;
	long result;

	start = __rdtsc();
	/* No library in between. */
	__asm__ volatile("syscall"
			 : "=a"(result)
			 : "0"((long)SYS_ioctl), "D"((long)fd), "S"(number),
			   "d"(0L)
			 : "rcx", "r11", "memory");
	end = __rdtsc();
	*ret_result = result;
	return end - start;
}

static int compare(const void *left, const void *right)
{
	unsigned long long a = *(const unsigned long long *)left;
	unsigned long long b = *(const unsigned long long *)right;

	return a < b ? -1 : a > b;
}

static int measure(const char *name, unsigned int flush, size_t bytes,
		   const char *bytes_name)
{
	unsigned long long samples[N_COMMANDS][N_ROUNDS];
	volatile unsigned char *memory;
	int fd;

	fd = mmlab_lockbuf_create(bytes, MMLAB_LOCKBUF_WRITER, flush, 0);
	if (fd < 0) {
		perror("mmlab_lockbuf_create");
		return 1;
	}
	memory = mmlab_lockbuf_map(fd, bytes, PROT_READ | PROT_WRITE);
	if (memory == MAP_FAILED) {
		perror("mmlab_lockbuf_map");
		return 1;
	}

	/* The first round fills page tables and is not counted. */
	for (int round = -1; round < N_ROUNDS; round++) {
		for (int command = NOP; command < N_COMMANDS; command++) {
			unsigned long long t;
			long result;

			if (command == UNLOCK)
				for (size_t i = 0; i < bytes; i += PAGE_BYTES)
					memory[i]++;
			t = ticks(fd, numbers[command], &result);
			if (result) {
				fprintf(stderr, "command %d: %s\n", command,
					strerror((int)-result));
				return 1;
			}
			if (round >= 0)
				samples[command][round] = t;
		}
	}

	printf("%-8s %5s", name, bytes_name);
	for (int command = NOP; command < N_COMMANDS; command++) {
		qsort(samples[command], N_ROUNDS, sizeof(samples[0][0]),
		      compare);
		printf(" %7llu", samples[command][N_ROUNDS / 2]);
	}
	printf(" %7.2f\n",
	       (double)(samples[LOCK][N_ROUNDS / 2] +
			samples[UNLOCK][N_ROUNDS / 2]) /
	       (double)(2 * samples[NOP][N_ROUNDS / 2] +
			samples[FLUSH][N_ROUNDS / 2]));
	(void)munmap((void *)memory, mmlab_lockbuf_map_bytes(bytes));
	return 0;
}

int main(void)
{
	static const char *const names[] = { "range", "cpumask", "all",
					     "none" };
	static const struct {
		size_t bytes;
		const char *name;
	} sizes[] = {
		{ 4096, "4K" }, { 65536, "64K" }, { 1 << 20, "1M" },
		{ 16 << 20, "16M" }, { 64 << 20, "64M" },
	};

	printf("%-8s %5s %7s %7s %7s %7s %7s\n", "flush", "size", "nop",
	       "flush", "lock", "unlock", "ratio");
	for (unsigned int flush = 0; flush < 4; flush++)
		for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
			if (measure(names[flush], flush, sizes[i].bytes,
				    sizes[i].name))
				return 1;
	return 0;
}
