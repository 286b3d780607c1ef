// SPDX-License-Identifier: MIT
/* As shm, of huge pages that were set aside. */
#include "memory.h"

static const struct mmlab_contender shm_hugetlb = {
	.name = "shm-hugetlb",
	.summary = "shm with pages from hugetlb",
	.needs = { .cpus = 2, .memory_bytes = ipc_memory_bytes, .knobs = ipc_hugetlb_knobs },
	.unfit = ipc_unfit_mostly_unused,
	.ops = &(const struct ipc_ops){ IPC_SHM_OPS, .pages = IPC_HUGETLB, .prove = ipc_prove_pages },
};
