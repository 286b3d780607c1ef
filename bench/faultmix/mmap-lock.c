// SPDX-License-Identifier: MIT
/*
 * The same under mmap_lock on kernels that would take the lock of the mapping: the two eras on one kernel. Proof: as
 * normal.
 */
#include "vma.h"

static const struct mmlab_contender faultmix_mmap_lock = {
	.name = "mmap-lock",
	.summary = "as normal, always under mmap_lock, as before 6.4",
	.needs = { .memory_bytes = faultmix_memory_bytes, .probe = vma_probe },
	.unfit = faultmix_unfit,
	.inexact_faults = FAULTMIX_INEXACT,
	.ops =
		&(const struct faultmix_ops){
			.kind = KIND_REGION,
			.mode = MMLAB_SPF_MMAP_LOCK,
			.open = vma_open_region,
			.map = vma_map,
			.unmap = vma_unmap,
			.change = vma_change,
			.populate = vma_populate,
			.hold = vma_hold,
			.no_hold = vma_no_hold,
		},
};
