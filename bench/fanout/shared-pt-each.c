// SPDX-License-Identifier: MIT
/* As shared-pt; one guest after another is flushed, as was the plan of 2026. */
#include "region.h"

static const struct mmlab_contender shared_pt_each = {
	.name = "shared-pt-each",
	.summary = "the same; changes flush the CPUs of each process, one process after another",
	.needs = { REGION_NEEDS },
	.inexact_faults = FANOUT_INEXACT,
	.full_only = true,
	.ops =
		&(const struct fanout_ops){
			REGION_OPS,
			.flush = MMLAB_MSHARE_FLUSH_EACH,
			.create = region_share,
			.attach = region_attach,
		},
};
