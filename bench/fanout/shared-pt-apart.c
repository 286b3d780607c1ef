// SPDX-License-Identifier: MIT
/* As shared-pt, at another address in each process: what the forms of 2025 allow and those of 2022 and 2023 do not. */
#include "region.h"

static const struct mmlab_contender shared_pt_apart = {
	.name = "shared-pt-apart",
	.summary = "shared-pt, each process at an address of its own",
	.needs = { REGION_NEEDS },
	.inexact_faults = FANOUT_INEXACT,
	.full_only = true,
	.ops =
		&(const struct fanout_ops){
			REGION_OPS,
			.apart = true,
			.create = region_share,
			.attach = region_attach,
		},
};
