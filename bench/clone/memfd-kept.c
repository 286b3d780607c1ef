// SPDX-License-Identifier: MIT
/* Nothing is obtained and nothing given up: the floor. */
#include "memfd.h"

static const struct mmlab_contender memfd_kept = {
	.name = "memfd-kept",
	.summary = "the source's memory is a memory file that both keep mapped: nothing but the use",
	.needs = { .cpus = 1, .memory_bytes = clone_memory_bytes },
	.unfit = clone_unfit,
	.ops =
		&(const struct clone_ops){
			CLONE_MEMFD_OPS,
			.no_swap = "pages that two processes have mapped are not swapped out by advice",
			.plan = &(const struct clone_memfd){ .populate = true, .kept = true },
		},
};
