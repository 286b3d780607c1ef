// SPDX-License-Identifier: MIT
/*
 * The same in whole GiBs at multiples of 1 GiB: the kernel lets processes share the tables of the second level, until
 * one of them changes a protection. What is mapped beyond the size is never touched and takes no memory.
 */
#include "memory.h"

static const struct mmlab_contender hugetlb_shared = {
	.name = "hugetlb-shared",
	.summary = "hugetlb, mapped in whole GiBs, for which the kernel shares page tables",
	.needs = { .memory_bytes = fanout_memory_bytes, .knobs = fanout_hugetlb_knobs },
	.inexact_faults = FANOUT_INEXACT,
	.full_only = true,
	.ops =
		&(const struct fanout_ops){
			.huge = true,
			.hugetlb = true,
			.shares_pmds = true,
			.leaf = FANOUT_PMDS,
			.create = memory_create_hugetlb,
			.attach = memory_attach,
		},
};
