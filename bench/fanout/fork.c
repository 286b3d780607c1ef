// SPDX-License-Identifier: MIT
/*
 * Processes forked by one that has mapped and touched the memory. fork() does not copy entries of shared files: what is
 * spared is the call of mmap, and no fault.
 */
#include "memory.h"

static const struct mmlab_contender inherited = {
	.name = "fork",
	.summary = "processes inherit the mapping of a memory file from one that has touched it",
	.needs = { .memory_bytes = fanout_memory_bytes },
	.inexact_faults = FANOUT_INEXACT,
	.full_only = true,
	.ops = &(const struct fanout_ops){ .leaf = FANOUT_PTES, .create = memory_create },
};
