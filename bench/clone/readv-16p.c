// SPDX-License-Identifier: MIT
/* Parts of 16 pages, which is how many the kernel pins at a time without allocating memory for it. */
#include "readv.h"

static const struct mmlab_contender readv_16p = {
	.name = "readv-16p",
	.summary = "the same in parts of 16 pages",
	.needs = { .cpus = 1, .memory_bytes = clone_memory_bytes },
	.unfit = clone_readv_unfit,
	.full_only = true,
	.ops =
		&(const struct clone_ops){
			CLONE_READV_OPS,
			.partly = true,
			.plan = &(const struct clone_readv){ .part = 16 * 4096, .kept = true },
		},
};
