// SPDX-License-Identifier: MIT
/* As shared-pt; only CPUs are flushed that run a guest, all of them at once. */
#include "region.h"

static const struct mmlab_contender shared_pt_union = {
	.name = "shared-pt-union",
	.summary = "the same; changes flush the CPUs that run any of the processes, once",
	.needs = { REGION_NEEDS },
	.inexact_faults = FANOUT_INEXACT,
	.full_only = true,
	.ops =
		&(const struct fanout_ops){
			REGION_OPS,
			.flush = MMLAB_MSHARE_FLUSH_UNION,
			.create = region_share,
			.attach = region_attach,
		},
};
