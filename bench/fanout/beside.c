// SPDX-License-Identifier: MIT
/*
 * Its loop makes no system call and uses one cache line of its own, so that it loses time only where it is interrupted,
 * or has lost its translations.
 */
#include "beside.h"

#include <errno.h>
#include <linux/futex.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "cleanup.h"
#include "peer.h"

struct line {
	atomic_uint on;
	atomic_int cpu; /* -1 until it runs */
	_Alignas(64) _Atomic uint64_t progress;
};

struct beside {
	struct line *line;
	struct mmlab_peer peer;
};

static int busy(void *arg)
{
	struct line *line = arg;
	uint64_t progress = 0;

	for (;;) {
		while (!atomic_load(&line->on))
			(void)syscall(SYS_futex, &line->on, FUTEX_WAIT, 0, NULL, NULL, 0);
		atomic_store(&line->cpu, sched_getcpu());
		while (atomic_load_explicit(&line->on, memory_order_relaxed))
			atomic_store_explicit(&line->progress, ++progress, memory_order_relaxed);
		atomic_store(&line->cpu, -1);
	}
	return 0;
}

int beside_open(struct beside **ret, struct mmlab_case *c)
{
	struct beside *beside = calloc(1, sizeof(*beside));
	int r;

	if (!beside)
		return -ENOMEM;
	beside->line = mmap(NULL, sizeof(*beside->line), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (beside->line == MAP_FAILED) {
		free(beside);
		return -errno;
	}
	atomic_store(&beside->line->cpu, -1);
	r = mmlab_peer_open(&beside->peer, c, busy, beside->line);
	if (r) {
		beside = beside_close(beside);
	} else { /* once, so that all it needs is there */
		r = beside_run(beside, true);
		if (!r)
			r = beside_run(beside, false);
		if (r)
			beside = beside_close(beside);
	}
	*ret = beside;
	return r;
}

int beside_run(struct beside *beside, bool on)
{
	struct line *line = beside->line;
	const char *how;
	int code;

	atomic_store(&line->on, on);
	(void)syscall(SYS_futex, &line->on, FUTEX_WAKE, 1, NULL, NULL, 0);
	while ((atomic_load(&line->cpu) >= 0) != on) {
		(void)sched_yield();
		if (mmlab_child_ended(beside->peer.pid, &how, &code))
			return -ESRCH;
	}
	return 0;
}

const char *beside_missing(const struct beside *beside)
{
	return atomic_load(&beside->line->cpu) == sched_getcpu() ? "needs a CPU beside that of the guests" : NULL;
}

uint64_t beside_progress(const struct beside *beside)
{
	return atomic_load(&beside->line->progress);
}

/* The number in column @column, from 0, of the row. */
static int number_in(const char *row, int column, uint64_t *ret)
{
	char *end;

	for (int i = 0; i <= column; i++, row = end) {
		*ret = strtoull(row, &end, 10);
		if (end == row)
			return -ENOENT;
	}
	return 0;
}

int beside_interrupts(const struct beside *beside, uint64_t *ret)
{
	_cleanup_(mmlab_fclosep) FILE *file = fopen("/proc/interrupts", "re");
	_cleanup_(mmlab_freep) char *row = NULL;
	int cpu = atomic_load(&beside->line->cpu), column = -1;
	size_t size = 0;

	if (!file)
		return -errno;
	if (getline(&row, &size, file) < 0)
		return -ENOENT;
	/* "CPU0 CPU2": only those that are online have a column. */
	for (char *word = strstr(row, "CPU"), *end; word; word = strstr(end, "CPU")) {
		long number = strtol(word + 3, &end, 10);

		column++;
		if (number == cpu)
			break;
	}
	while (getline(&row, &size, file) >= 0) {
		char *name = row + strspn(row, " ");

		if (!strncmp(name, "CAL:", 4))
			return number_in(name + 4, column, ret);
	}
	return -ENOENT;
}

struct beside *beside_close(struct beside *beside)
{
	if (!beside)
		return NULL;
	(void)mmlab_peer_close(&beside->peer, true);
	(void)munmap(beside->line, sizeof(*beside->line));
	free(beside);
	return NULL;
}
