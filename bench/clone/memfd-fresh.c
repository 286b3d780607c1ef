// SPDX-License-Identifier: MIT
/* Faults one by one, or by windows where it is read. */
#include "memfd.h"

static const struct mmlab_contender memfd_fresh = {
	.name = "memfd",
	.summary = "the source's memory is a memory file; map it, use it, unmap it",
	.needs = { .cpus = 1, .memory_bytes = clone_memory_bytes },
	.unfit = clone_unfit,
	.ops =
		&(const struct clone_ops){
			CLONE_MEMFD_OPS,
			.plan = &(const struct clone_memfd){ 0 },
		},
};
