// SPDX-License-Identifier: MIT
/*
 * Commands and faults exclude each other where their ranges meet; whoever overlaps waits for all who came before.
 * Proof: as arena-rwsem.
 */
#include "arena.h"

static const char *arena_probe_tree(void)
{
	return arena_probe(MMLAB_ARENA_TREE);
}

static const struct mmlab_contender faultmix_arena_tree = {
	.name = "arena-tree",
	.summary = "an arena: a range lock in an interval tree, in order of arrival",
	.needs = { .memory_bytes = faultmix_memory_bytes, .probe = arena_probe_tree },
	.unfit = faultmix_unfit,
	.inexact_faults = FAULTMIX_INEXACT,
	.ops =
		&(const struct faultmix_ops){
			.kind = KIND_ARENA,
			.scheme = MMLAB_ARENA_TREE,
			.open = arena_open,
			.map = arena_map,
			.unmap = arena_unmap,
			.change = arena_change,
			.populate = arena_populate,
			.hold = arena_hold,
		},
};
