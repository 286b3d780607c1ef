// SPDX-License-Identifier: MIT
/*
 * Pages of hugetlb, mapped where the kernel cannot share tables: askew, so that the mapping holds no whole GiB. Larger
 * ones than 1 GiB could; they are left to hugetlb-shared.
 */
#include "memory.h"

static const char *hugetlb_unfit(const struct mmlab_case *c)
{
	return mmlab_param(c, "size") > FANOUT_GIB
		       ? "beyond 1 GiB the kernel shares tables: that is the contender hugetlb-shared"
		       : NULL;
}

static const struct mmlab_contender hugetlb = {
	.name = "hugetlb",
	.summary = "each process maps the same memory file, which is in pages of hugetlb",
	.needs = { .memory_bytes = fanout_memory_bytes, .knobs = fanout_hugetlb_knobs },
	.unfit = hugetlb_unfit,
	.inexact_faults = FANOUT_INEXACT,
	.full_only = true,
	.ops =
		&(const struct fanout_ops){
			.askew = true,
			.huge = true,
			.hugetlb = true,
			.leaf = FANOUT_PMDS,
			.create = memory_create_hugetlb,
			.attach = memory_attach,
		},
};
