// SPDX-License-Identifier: MIT
/*
 * The baseline: the kernel's own anonymous memory under mmap_lock, from 6.4 on with a lock for each mapping. Proof: one
 * page fault for each page, none of them told to the module.
 */
#include "vma.h"

static const struct mmlab_contender faultmix_stock = {
	.name = "stock",
	.summary = "anonymous memory of the kernel's: mmap_lock, from 6.4 on the lock of a mapping for faults",
	.needs = { .memory_bytes = faultmix_memory_bytes },
	.unfit = faultmix_unfit,
	.inexact_faults = FAULTMIX_INEXACT,
	.ops =
		&(const struct faultmix_ops){
			.kind = KIND_ANON,
			.open = vma_open_anon,
			.map = vma_map,
			.unmap = vma_unmap,
			.change = vma_change,
			.populate = vma_populate,
			.hold = vma_hold,
			.no_hold = vma_no_hold,
		},
};
