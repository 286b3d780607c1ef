// SPDX-License-Identifier: MIT
/* Does mlock(2) help a buffer that is in use all the time? */
#include "readv.h"

static const struct mmlab_contender readv_128k_locked = {
	.name = "readv-128k-locked",
	.summary = "the same with the buffer locked",
	.needs = { .cpus = 1, .memory_bytes = clone_memory_bytes },
	.unfit = clone_readv_unfit,
	.full_only = true,
	.ops =
		&(const struct clone_ops){
			CLONE_READV_OPS,
			.partly = true,
			.plan = &(const struct clone_readv){ .part = 128 << 10, .kept = true, .locked = true },
		},
};
