// SPDX-License-Identifier: MIT
#include "proof.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cleanup.h"
#include "module.h"
#include "procfs.h"
#include "source.h"
#include "threads.h"

#define WATCHED_OPS 2

/* What is counted around taking and using, of all watched operations; and memory of the last one. */
struct watched {
	uint64_t interrupts, swap_ins, memory;
	bool no_interrupts; /* the kernel has no such row: where an instruction flushes the TLBs of all CPUs */
};

/* Sum over CPUs of a row of /proc/interrupts, or the number in a row of /proc/vmstat. */
static int read_row(const char *path, const char *name, uint64_t *ret)
{
	_cleanup_(mmlab_fclosep) FILE *file = fopen(path, "re");
	_cleanup_(mmlab_freep) char *row = NULL;
	size_t size = 0, length = strlen(name);

	if (!file)
		return -errno;
	while (getline(&row, &size, file) >= 0) {
		char *at = row + strspn(row, " "), *end;

		if (strncmp(at, name, length))
			continue;
		*ret = 0;
		for (at += length;; at = end) {
			uint64_t n = strtoull(at, &end, 10);

			if (end == at)
				return 0;
			*ret += n;
		}
	}
	return -ENOENT;
}

static int read_counts(struct watched *watched, uint64_t *ret_interrupts, uint64_t *ret_swap_ins)
{
	int e = read_row("/proc/interrupts", "TLB:", ret_interrupts);

	watched->no_interrupts = e == -ENOENT;
	return e && e != -ENOENT ? e : read_row("/proc/vmstat", "pswpin ", ret_swap_ins);
}

static int before(struct clone *s, void *arg)
{
	struct watched *watched = arg;
	uint64_t interrupts = 0, swap_ins = 0;
	int e = read_counts(watched, &interrupts, &swap_ins);

	(void)s;
	watched->interrupts -= interrupts;
	watched->swap_ins -= swap_ins;
	return e;
}

static int read_memory(pid_t pid, const void *addr, size_t bytes, uint64_t *ret)
{
	struct mmlab_smaps smaps;
	char path[40];
	int e;

	(void)snprintf(path, sizeof(path), "/proc/%d/smaps", (int)pid);
	e = mmlab_smaps_read_file(&smaps, path, (uintptr_t)addr, bytes);
	if (!e)
		*ret += smaps.pss;
	return e;
}

static int held(struct clone *s, void *arg)
{
	struct watched *watched = arg;
	uint64_t interrupts = 0, swap_ins = 0;
	int e = read_counts(watched, &interrupts, &swap_ins);

	watched->interrupts += interrupts;
	watched->swap_ins += swap_ins;
	watched->memory = 0;
	if (!e)
		e = read_memory(s->source_pid, s->from, s->bytes, &watched->memory);
	return e ? e : read_memory(s->child_pid ? s->child_pid : getpid(), s->place, s->bytes, &watched->memory);
}

static int check_faults(struct clone *s, const char *whose, uint64_t n, uint64_t (*faults)(const struct clone *s))
{
	uint64_t expected = faults ? faults(s) : 0;

	if (expected == CLONE_UNKNOWN || n == expected * s->n_ops)
		return 0;
	return mmlab_fail(s->c, 0, "%llu page faults of the %s in %llu operations, expected %llu",
			  (unsigned long long)n, whose, (unsigned long long)s->n_ops,
			  (unsigned long long)(expected * s->n_ops));
}

static int check_run(struct clone *s)
{
	const struct clone_ops *ops = clone_ops(s);
	int e;

	if (s->sum != s->expected)
		return mmlab_fail(s->c, 0, "the sum of what was read in %llu operations is not as predicted",
				  (unsigned long long)s->n_ops);
	e = check_faults(s, "destination", s->faults, ops->faults);
	if (!e && s->source_writes)
		e = check_faults(s, "source", s->source_faults, ops->source_faults);
	return e;
}

static void report_source(struct clone *s)
{
	static const char none[] = "the source does not write";

	if (!s->source_writes) {
		mmlab_report_missing(s->c, "source-write", none);
		mmlab_report_missing(s->c, "source-faults", none);
		return;
	}
	mmlab_report(s->c, "source-write", (double)s->ns[CLONE_SOURCE_WRITE] / (double)s->n_ops);
	mmlab_report(s->c, "source-faults", (double)s->source_faults / (double)s->n_ops);
}

static void report(struct clone *s, const struct watched *watched)
{
	const struct clone_ops *ops = clone_ops(s);

	report_source(s);
	if (ops->faults && ops->faults(s) == CLONE_UNKNOWN)
		mmlab_report_missing(s->c, "destination-faults", "depends on which pages happen to be read together");
	else
		mmlab_report(s->c, "destination-faults", (double)s->faults / (double)s->n_ops);
	if (ops->module)
		mmlab_report(s->c, "flushes", clone_module_flushes(s));
	else
		mmlab_report_missing(s->c, "flushes", "only the module counts its flushes");
	if (s->n_swapped)
		mmlab_report_missing(s->c, "memory", "pages that are in memory and in swap are in no process's share");
	else
		mmlab_report(s->c, "memory", (double)watched->memory);
	mmlab_report(s->c, "swap-ins", (double)watched->swap_ins / WATCHED_OPS);
	if (watched->no_interrupts)
		mmlab_report_missing(s->c, "interrupts", "the kernel counts no interrupts for TLB flushes here");
	else if (s->n_threads && !clone_threads_cpus(s))
		mmlab_report_missing(s->c, "interrupts", "needs a CPU beside that of the destination");
	else
		mmlab_report(s->c, "interrupts", (double)watched->interrupts / WATCHED_OPS);
}

int clone_observe(struct mmlab_case *c)
{
	struct clone *s = mmlab_state(c);
	const struct clone_ops *ops = mmlab_ops(c);
	struct watched watched = { 0 };
	const struct clone_watch watch = { .before = before, .held = held, .arg = &watched };
	int e = check_run(s);

	if (!e && ops->module)
		e = clone_module_mark(s);
	for (int i = 0; !e && i < WATCHED_OPS; i++) {
		e = clone_operation(s, &watch);
		if (e)
			return clone_fail(s, e, "watched operation");
	}
	if (!e && ops->module)
		e = clone_module_prove(s, WATCHED_OPS);
	if (!e)
		report(s, &watched);
	return e;
}

/* What the destination was shown, or the last part of it: compare again, or write to it. */
static int again(struct clone *s, enum clone_deed deed, enum clone_writer writer)
{
	s->deed = deed;
	s->writer = writer;
	return clone_use(s, s->held.addr, s->held.offset, s->held.bytes);
}

/* Who writes to memory that is not shared writes for itself alone. */
static int write_on_both_sides(struct clone *s, void *arg)
{
	bool shared = clone_ops(s)->shared;
	int e;

	(void)arg;
	if (clone_ops(s)->moves) {
		e = clone_source_do(s, CLONE_DO_LACK);
		return e ? e : again(s, CLONE_DO_MARK, CLONE_BY_MARK);
	}
	e = clone_source_do(s, CLONE_DO_WRITE);
	if (!e)
		e = again(s, CLONE_DO_COMPARE, shared ? CLONE_BY_WRITE : CLONE_BY_PREPARE);
	if (!e)
		e = again(s, CLONE_DO_MARK, CLONE_BY_MARK);
	if (!e) {
		s->writer = shared ? CLONE_BY_MARK : CLONE_BY_WRITE;
		e = clone_source_do(s, CLONE_DO_COMPARE);
	}
	return e ? e : again(s, CLONE_DO_COMPARE, CLONE_BY_MARK);
}

int clone_verify(struct mmlab_case *c)
{
	static const struct clone_watch watch = { .held = write_on_both_sides };
	struct clone *s = mmlab_state(c);
	int e;

	s->deed = CLONE_DO_COMPARE;
	s->writer = CLONE_BY_PREPARE;
	e = clone_operation(s, &watch);
	return e || s->control->failed ? clone_fail(s, e, "comparing") : 0;
}
