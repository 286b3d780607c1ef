// SPDX-License-Identifier: MIT
/* The mechanism as proposed in 2023: a flag of mmap(), for a file. */
#include "region.h"

static const struct mmlab_contender shared_pt = {
	.name = "shared-pt",
	.summary = "each process maps the memory file with MAP_SHARED_PT; changes flush all CPUs",
	.needs = { REGION_NEEDS },
	.inexact_faults = FANOUT_INEXACT,
	.ops =
		&(const struct fanout_ops){
			REGION_OPS,
			.flush = MMLAB_MSHARE_FLUSH_ALL,
			.create = region_share,
			.attach = region_attach,
		},
};
