// SPDX-License-Identifier: MIT
/* As memfd-fresh, of huge pages that were set aside. */
#include "memfd.h"

static const struct mmlab_contender memfd_hugetlb = {
	.name = "memfd-hugetlb",
	.summary = "memfd-fresh with pages from hugetlb",
	.needs = { .cpus = 2, .memory_bytes = ipc_memory_bytes, .knobs = ipc_hugetlb_knobs },
	.unfit = ipc_unfit_mostly_unused,
	.ops = &(const struct ipc_ops){ IPC_MEMFD_OPS, .fresh = true, .pages = IPC_HUGETLB,
					.plan = &(const struct ipc_memfd){ .sealed = true } },
};
