// SPDX-License-Identifier: MIT
/*
 * What all processes pay while the module looks at their faults: this minus stock is the tax. Proof: the hook is in for
 * all of the operation, and no region serves a fault.
 */
#include "vma.h"

static const struct mmlab_contender faultmix_hooked = {
	.name = "stock-hooked",
	.summary = "as stock, while the module looks at all faults: what those pay who do not use it",
	.needs = { .memory_bytes = faultmix_memory_bytes, .probe = vma_probe_hook },
	.unfit = faultmix_unfit,
	.inexact_faults = FAULTMIX_INEXACT,
	.ops =
		&(const struct faultmix_ops){
			.kind = KIND_ANON,
			.hooked = true,
			.open = vma_open_anon,
			.map = vma_map,
			.unmap = vma_unmap,
			.change = vma_change,
			.populate = vma_populate,
			.hold = vma_hold,
			.no_hold = vma_no_hold,
		},
};
