// SPDX-License-Identifier: MIT
/* For consumers that can deal with a part at a time: one that stays in the caches of its core. */
#include "readv.h"

static const struct mmlab_contender readv_128k = {
	.name = "readv-128k",
	.summary = "process_vm_readv in parts of 128 KiB, through one small buffer",
	.needs = { .cpus = 1, .memory_bytes = clone_memory_bytes },
	.unfit = clone_readv_unfit,
	.ops =
		&(const struct clone_ops){
			CLONE_READV_OPS,
			.partly = true,
			.plan = &(const struct clone_readv){ .part = 128 << 10, .kept = true },
		},
};
