// SPDX-License-Identifier: MIT
/* What a process does that has nowhere to put it yet: the baseline. */
#include "readv.h"

static const struct mmlab_contender readv_fresh = {
	.name = "readv",
	.summary = "process_vm_readv into new memory, all at once",
	.needs = { .cpus = 1, .memory_bytes = clone_memory_bytes },
	.unfit = clone_unfit,
	.ops =
		&(const struct clone_ops){
			CLONE_READV_OPS,
			.plan = &(const struct clone_readv){ 0 },
		},
};
