// SPDX-License-Identifier: MIT
/* Threads of one process: one set of page tables, without any mechanism. What processes cannot beat. */
#include "memory.h"

static int threads_protect(struct fanout *f, char *at, size_t bytes, int prot)
{
	(void)f;
	return mprotect(at, bytes, prot) ? -errno : 0;
}

static const struct mmlab_contender threads = {
	.name = "threads",
	.summary = "threads of one process, which share everything: the floor",
	.needs = { .memory_bytes = fanout_memory_bytes },
	.inexact_faults = FANOUT_INEXACT,
	.ops =
		&(const struct fanout_ops){
			.threads = true,
			.leaf = FANOUT_PTES,
			.create = memory_create,
			.protect = threads_protect,
		},
};
