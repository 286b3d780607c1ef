// SPDX-License-Identifier: MIT
/*
 * As arena-tree; the ranges are in a sorted list into which they are put without a lock. Proof: as arena-rwsem.
 */
#include "arena.h"

static const char *arena_probe_list(void)
{
	return arena_probe(MMLAB_ARENA_LIST);
}

static const struct mmlab_contender faultmix_arena_list = {
	.name = "arena-list",
	.summary = "an arena: a range lock in a list without a lock",
	.needs = { .memory_bytes = faultmix_memory_bytes, .probe = arena_probe_list },
	.unfit = faultmix_unfit,
	.inexact_faults = FAULTMIX_INEXACT,
	.ops =
		&(const struct faultmix_ops){
			.kind = KIND_ARENA,
			.scheme = MMLAB_ARENA_LIST,
			.open = arena_open,
			.map = arena_map,
			.unmap = arena_unmap,
			.change = arena_change,
			.populate = arena_populate,
			.hold = arena_hold,
		},
};
