// SPDX-License-Identifier: MIT
/*
 * Faults before any lock. Proof: the module counts each page once, as resolved speculatively or by the kernel, and
 * where nothing disturbs a mapping, exactly the number of faults that lack a page table as left to the kernel.
 */
#include "vma.h"

static const struct mmlab_contender faultmix_speculative = {
	.name = "speculative",
	.summary = "a region of the module, its faults resolved before any lock is taken",
	.needs = { .memory_bytes = faultmix_memory_bytes, .probe = vma_probe_hook },
	.unfit = faultmix_unfit,
	.inexact_faults = FAULTMIX_INEXACT,
	.ops =
		&(const struct faultmix_ops){
			.kind = KIND_REGION,
			.mode = MMLAB_SPF_SPECULATIVE,
			.open = vma_open_region,
			.map = vma_map,
			.unmap = vma_unmap,
			.change = vma_change,
			.populate = vma_populate,
			.hold = vma_hold,
			.no_hold = vma_no_hold,
		},
};
