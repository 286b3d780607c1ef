// SPDX-License-Identifier: MIT
/* A memory file in transparent huge pages: an entry of the second level each. A change of one small page splits it. */
#include "memory.h"

static const struct mmlab_contender thp = {
	.name = "thp",
	.summary = "each process maps the same memory file, which is in transparent huge pages",
	.needs = { .memory_bytes = fanout_memory_bytes, .knobs = fanout_thp_knobs },
	.inexact_faults = FANOUT_INEXACT,
	.ops =
		&(const struct fanout_ops){
			.huge = true,
			.leaf = FANOUT_PMDS,
			.create = memory_create_thp,
			.attach = memory_attach,
		},
};
