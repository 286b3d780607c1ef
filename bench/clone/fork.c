// SPDX-License-Identifier: MIT
/*
 * The source forks, and the child is the destination. What is timed are fork(2) in the source, the child's use, and its
 * end until the source has reaped it; the way of an order to the child is part of its use, its start of nothing.
 */
#include "memory.h"
#include "source.h"

static int fork_take(struct clone *s)
{
	int e = clone_child_open(s);

	return e ? e : clone_use(s, s->from, 0, s->bytes);
}

static const struct mmlab_contender forked = {
	.name = "fork",
	.summary = "fork of the populated process: the child has a clone of everything",
	.needs = { .cpus = 1, .memory_bytes = clone_memory_bytes },
	.unfit = clone_unfit,
	.inexact_faults =
		"those of starting and ending a process are among them; destination-faults has those of the memory",
	.ops =
		&(const struct clone_ops){
			.forks = true,
			.take = fork_take,
			.give = clone_child_close,
			.faults = clone_faults_forked,
			.source_faults = clone_faults_pages,
		},
};
