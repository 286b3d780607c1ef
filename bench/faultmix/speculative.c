// SPDX-License-Identifier: MIT
/*
 * Faults before any lock. Proof: the module counts each page once, as resolved speculatively or by the kernel, and
 * where nothing disturbs a mapping, exactly one for each change of it as left to the kernel.
 */
#include "vma.h"

/* Of one process; the others are left to the kernel, and what was computed would not come true. */
#define SPECULATIVE_MAX_REGIONS 64

static const char *speculative_unfit(const struct mmlab_case *c)
{
	uint64_t n_threads = mmlab_param(c, "threads"), n_slots = n_threads + mmlab_param(c, "mappers");
	uint64_t n_areas = strcmp(mmlab_param_word(c, "layout"), "shared") ? n_threads : 1;

	if (n_areas + n_slots + 1 > SPECULATIVE_MAX_REGIONS)
		return "more mappings than the module serves for one process";
	return faultmix_unfit(c);
}

static const struct mmlab_contender faultmix_speculative = {
	.name = "speculative",
	.summary = "a region of the module, its faults resolved before any lock is taken",
	.needs = { .memory_bytes = faultmix_memory_bytes, .probe = vma_probe_hook },
	.unfit = speculative_unfit,
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
