// SPDX-License-Identifier: MIT
/* Page tables are filled by the call. */
#include "memfd.h"

static const struct mmlab_contender memfd_populate = {
	.name = "memfd-populate",
	.summary = "the same, mapped with MAP_POPULATE",
	.needs = { .cpus = 1, .memory_bytes = clone_memory_bytes },
	.unfit = clone_unfit,
	.ops =
		&(const struct clone_ops){
			CLONE_MEMFD_OPS,
			.plan = &(const struct clone_memfd){ .populate = true },
		},
};
