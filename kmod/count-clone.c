// SPDX-License-Identifier: MIT
/*
 * What a clone costs, in ticks of the time-stamp counter: under scripts/vm
 * --deterministic these are instructions executed, exactly, from before the call
 * to after it, by user and kernel.
 *
 * Prints a table: one line for each size of memory in 4 KiB pages, all of them
 * written to before; columns for a clone at the same address, at another one as
 * far from 2 MiB, and at one that is not; for fork() of a process that has
 * nothing else, less one of a process that has not even that; and for
 * process_vm_readv() into memory that nobody has touched. The median of a number
 * of rounds, of which each begins with every page of the source writable.
 */
#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>
#include <x86intrin.h>

#include "libmmlab.h"

enum { N_ROUNDS = 9, PAGE_BYTES = 4096, RW = PROT_READ | PROT_WRITE };
enum { SAME, EVEN, ODD, FORK, FORK_NOTHING, READV, SPARSE, N_COLUMNS };

/* Both at the start of a page table. */
#define SOURCE ((char *)0x100000000000UL)
#define OTHER ((char *)0x200000000000UL)
#define RESERVED_BYTES (16UL << 40)

typedef unsigned long long ticks;

static size_t bytes;

static int compare(const void *left, const void *right)
{
	ticks a = *(const ticks *)left, b = *(const ticks *)right;

	return a < b ? -1 : a > b;
}

static void fail(const char *what)
{
	perror(what);
	exit(1);
}

static void map_at(char *at, size_t n_bytes, int extra)
{
	if (mmap(at, n_bytes, RW, MAP_PRIVATE | MAP_ANONYMOUS |
		 MAP_FIXED_NOREPLACE | extra, -1, 0) != at)
		fail("mmap");
	if (madvise(at, n_bytes, MADV_NOHUGEPAGE) < 0)
		fail("madvise");
}

static void write_all(void)
{
	for (size_t i = 0; i < bytes; i += PAGE_BYTES)
		SOURCE[i]++;
}

/* A process with the memory, which writes to it whenever it is asked. */
struct source {
	pid_t pid;
	int ask, answer;
};

static struct source source_start(size_t reserved)
{
	struct source source;
	int ask[2], answer[2];
	char byte;

	if (pipe(ask) < 0 || pipe(answer) < 0)
		fail("pipe");
	source.pid = fork();
	if (source.pid < 0)
		fail("fork");
	if (source.pid == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		map_at(SOURCE, reserved, MAP_NORESERVE);
		for (;;) {
			if (read(ask[0], &byte, 1) != 1)
				_exit(1);
			write_all();
			if (write(answer[1], &byte, 1) != 1)
				_exit(1);
		}
	}
	(void)close(ask[0]);
	(void)close(answer[1]);
	source.ask = ask[1];
	source.answer = answer[0];
	return source;
}

static void source_write(const struct source *source)
{
	char byte = 0;

	if (write(source->ask, &byte, 1) != 1 ||
	    read(source->answer, &byte, 1) != 1)
		fail("the source");
}

static void source_end(const struct source *source)
{
	(void)kill(source->pid, SIGKILL);
	(void)waitpid(source->pid, NULL, 0);
	(void)close(source->ask);
	(void)close(source->answer);
}

static ticks clone_ticks(const struct source *source, char *at, size_t n_bytes)
{
	ticks start, end;
	void *memory;

	source_write(source);
	start = __rdtsc();
	memory = mmlab_process_vm_mmap(source->pid, SOURCE, n_bytes, at,
				       PVMMAP_FIXED_NOREPLACE);
	end = __rdtsc();
	if (memory != at)
		fail("mmlab_process_vm_mmap");
	if (munmap(at, n_bytes) < 0)
		fail("munmap");
	return end - start;
}

static ticks readv_ticks(const struct source *source)
{
	struct iovec local = { OTHER, bytes }, remote = { SOURCE, bytes };
	ticks start, end;

	map_at(OTHER, bytes, 0);
	source_write(source);
	start = __rdtsc();
	if (process_vm_readv(source->pid, &local, 1, &remote, 1, 0) !=
	    (ssize_t)bytes)
		fail("process_vm_readv");
	end = __rdtsc();
	if (munmap(OTHER, bytes) < 0)
		fail("munmap");
	return end - start;
}

/* The child does not run before the parent has looked at the clock. */
static ticks fork_ticks(void)
{
	ticks start, end;
	pid_t pid;

	start = __rdtsc();
	pid = fork();
	if (pid == 0)
		_exit(0);
	end = __rdtsc();
	if (pid < 0)
		fail("fork");
	(void)waitpid(pid, NULL, 0);
	return end - start;
}

static ticks sample(int column, const struct source *source)
{
	switch (column) {
	case SAME:
		return clone_ticks(source, SOURCE, bytes);
	case EVEN:
		return clone_ticks(source, OTHER, bytes);
	case ODD:
		return clone_ticks(source, OTHER + 3 * PAGE_BYTES, bytes);
	case SPARSE:
		return clone_ticks(source, OTHER, RESERVED_BYTES);
	case READV:
		return readv_ticks(source);
	case FORK:
		write_all();
		return fork_ticks();
	default:
		return fork_ticks();
	}
}

static ticks measure(int column)
{
	ticks samples[N_ROUNDS];
	struct source source = { 0 };

	if (column == FORK)
		map_at(SOURCE, bytes, 0);
	else if (column != FORK_NOTHING)
		source = source_start(column == SPARSE ? RESERVED_BYTES : bytes);
	/* The first round fills caches and is not counted. */
	for (int round = -1; round < N_ROUNDS; round++) {
		ticks t = sample(column, &source);

		if (round >= 0)
			samples[round] = t;
	}
	if (column == FORK && munmap(SOURCE, bytes) < 0)
		fail("munmap");
	if (source.pid)
		source_end(&source);
	qsort(samples, N_ROUNDS, sizeof(samples[0]), compare);
	return samples[N_ROUNDS / 2];
}

int main(void)
{
	static const size_t all_pages[] = { 1, 16, 256, 1024, 4096, 16384 };

	printf("%7s %10s %10s %10s %10s %12s\n", "pages", "same", "even", "odd",
	       "fork", "readv");
	for (size_t i = 0; i < sizeof(all_pages) / sizeof(all_pages[0]); i++) {
		bytes = all_pages[i] * PAGE_BYTES;
		printf("%7zu %10llu", all_pages[i], measure(SAME));
		printf(" %10llu %10llu", measure(EVEN), measure(ODD));
		printf(" %10llu", measure(FORK) - measure(FORK_NOTHING));
		printf(" %12llu\n", measure(READV));
		(void)fflush(stdout);
	}
	bytes = PAGE_BYTES;
	printf("one page in 16 TiB, elsewhere: %llu\n", measure(SPARSE));
	return 0;
}
