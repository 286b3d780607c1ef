// SPDX-License-Identifier: MIT
/*
 * The module's memory on the kernel's path: what a region costs that gains nothing. Proof: the module counts each page
 * as a first touch that the kernel resolved.
 */
#include "vma.h"

static const struct mmlab_contender faultmix_normal = {
	.name = "normal",
	.summary = "a region of the module, its faults resolved by the kernel as it does best",
	.needs = { .memory_bytes = faultmix_memory_bytes, .probe = vma_probe },
	.unfit = faultmix_unfit,
	.inexact_faults = FAULTMIX_INEXACT,
	.ops =
		&(const struct faultmix_ops){
			.kind = KIND_REGION,
			.mode = MMLAB_SPF_NORMAL,
			.open = vma_open_region,
			.map = vma_map,
			.unmap = vma_unmap,
			.change = vma_change,
			.populate = vma_populate,
			.hold = vma_hold,
			.no_hold = vma_no_hold,
		},
};
