// SPDX-License-Identifier: MIT
/*
 * The proposal that was made for mmap_lock: faults take the short lock alone, unless a command has their range. Proof:
 * as arena-rwsem, by the range lock for commands and the short one for faults.
 */
#include "arena.h"

static const char *arena_probe_split(void)
{
	return arena_probe(MMLAB_ARENA_SPLIT);
}

static const struct mmlab_contender faultmix_arena_split = {
	.name = "arena-split",
	.summary = "an arena: a short lock for what all share, and a range lock held long: the proposal for mmap_lock",
	.needs = { .memory_bytes = faultmix_memory_bytes, .probe = arena_probe_split },
	.unfit = faultmix_unfit,
	.inexact_faults = FAULTMIX_INEXACT,
	.ops =
		&(const struct faultmix_ops){
			.kind = KIND_ARENA,
			.scheme = MMLAB_ARENA_SPLIT,
			.open = arena_open,
			.map = arena_map,
			.unmap = arena_unmap,
			.change = arena_change,
			.populate = arena_populate,
			.hold = arena_hold,
		},
};
