// SPDX-License-Identifier: MIT
/*
 * What a change of protection for all processes costs, in ticks of the
 * time-stamp counter: under scripts/vm --deterministic these are instructions
 * executed, exactly, from before the command to after it.
 *
 * Prints a table: one line for each number of processes, columns for the ways to
 * flush, each for one page and for the whole of 16 MiB: the median of a number
 * of rounds, of which each takes the permission to write and gives it back.
 * Only how often the processor that counts has to wait for the others is
 * missing: there is one.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>
#include <x86intrin.h>

#include "libmmlab.h"

enum {
	N_ROUNDS = 21,
	PAGE_BYTES = 4096,
	REGION_BYTES = 16 << 20,
	MAX_GUESTS = 1000,
	RW = PROT_READ | PROT_WRITE,
};

static const char path[] = MMLAB_MSHARE_DIR "/count";

static int compare(const void *left, const void *right)
{
	unsigned long long a = *(const unsigned long long *)left;
	unsigned long long b = *(const unsigned long long *)right;

	return a < b ? -1 : a > b;
}

static unsigned long long measure(unsigned char *memory, size_t bytes)
{
	unsigned long long samples[N_ROUNDS], start;

	for (int round = -1; round < N_ROUNDS; round++) {
		for (size_t i = 0; i < REGION_BYTES; i += PAGE_BYTES)
			memory[i]++;
		start = __rdtsc();
		if (mmlab_mshare_protect(memory, bytes, PROT_READ) < 0) {
			perror("mmlab_mshare_protect");
			exit(1);
		}
		if (round >= 0)
			samples[round] = __rdtsc() - start;
		if (mmlab_mshare_protect(memory, bytes, RW) < 0) {
			perror("mmlab_mshare_protect");
			exit(1);
		}
	}
	qsort(samples, N_ROUNDS, sizeof(samples[0]), compare);
	return samples[N_ROUNDS / 2];
}

/* A process that has the tables and waits. */
static pid_t guest_start(const unsigned char *memory, int ready)
{
	pid_t pid = fork();

	if (pid != 0)
		return pid;
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (size_t i = 0; i < REGION_BYTES; i += MMLAB_MSHARE_ALIGN)
		(void)*(const volatile unsigned char *)(memory + i);
	if (write(ready, "x", 1) != 1)
		_exit(1);
	for (;;)
		(void)pause();
}

int main(void)
{
	static const unsigned int counts[] = { 1, 10, 100, MAX_GUESTS };
	unsigned int n_guests = 1;
	unsigned char *memory;
	int fd, ready[2];
	char byte;

	if (mount("msharefs", MMLAB_MSHARE_DIR, "msharefs", 0, NULL) < 0) {
		perror("mount msharefs");
		return 1;
	}
	fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0 || unlink(path) < 0 || pipe(ready) < 0 || umount2(MMLAB_MSHARE_DIR, MNT_DETACH) < 0) {
		perror(path);
		return 1;
	}
	memory = mmap(NULL, REGION_BYTES, RW, MAP_SHARED, fd, 0);
	if (memory == MAP_FAILED) {
		perror("mmap");
		return 1;
	}
	memset(memory, 1, REGION_BYTES);

	printf("%9s %9s %9s %9s %9s %9s %9s\n", "processes", "all/page", "all/16M", "union/pg", "union/16M",
	       "each/page", "each/16M");
	for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
		for (; n_guests < counts[i]; n_guests++)
			if (guest_start(memory, ready[1]) < 0 || read(ready[0], &byte, 1) != 1) {
				perror("fork");
				return 1;
			}
		printf("%9u", n_guests);
		for (unsigned int flush = 0; flush < 3; flush++) {
			if (mmlab_mshare_flush(memory, flush) < 0) {
				perror("mmlab_mshare_flush");
				return 1;
			}
			printf(" %9llu", measure(memory, PAGE_BYTES));
			printf(" %9llu", measure(memory, REGION_BYTES));
			(void)fflush(stdout);
		}
		printf("\n");
	}
	return 0;
}
