// SPDX-License-Identifier: MIT
/*
 * What mmap_lock does, in an arena: all commands exclude each other and all faults. The baseline of the other arenas.
 * Proof: the module counts each fault, command and acquisition of this lock.
 */
#include "arena.h"

static const char *arena_probe_rwsem(void)
{
	return arena_probe(MMLAB_ARENA_RWSEM);
}

static const struct mmlab_contender faultmix_arena_rwsem = {
	.name = "arena-rwsem",
	.summary = "an arena: one rw_semaphore for all, as mmap_lock is",
	.needs = { .memory_bytes = faultmix_memory_bytes, .probe = arena_probe_rwsem },
	.unfit = faultmix_unfit,
	.inexact_faults = FAULTMIX_INEXACT,
	.ops =
		&(const struct faultmix_ops){
			.kind = KIND_ARENA,
			.scheme = MMLAB_ARENA_RWSEM,
			.open = arena_open,
			.map = arena_map,
			.unmap = arena_unmap,
			.change = arena_change,
			.populate = arena_populate,
			.hold = arena_hold,
		},
};
