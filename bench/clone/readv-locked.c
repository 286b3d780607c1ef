// SPDX-License-Identifier: MIT
/* As large as the source's memory, and there from the start: a copy and nothing else. */
#include "readv.h"

static const struct mmlab_contender readv_locked = {
	.name = "readv-locked",
	.summary = "process_vm_readv into memory that is kept and locked, all at once",
	.needs = { .cpus = 1, .memory_bytes = clone_memory_bytes },
	.unfit = clone_unfit,
	.ops =
		&(const struct clone_ops){
			CLONE_READV_OPS,
			.plan = &(const struct clone_readv){ .kept = true, .locked = true },
		},
};
