// SPDX-License-Identifier: MIT
/* As mprotect, of huge pages that were set aside: one entry for 2 MiB, nearly what the proposal detaches. */
#include "memory.h"

static const struct mmlab_contender mprotect_hugetlb = {
	.name = "mprotect-hugetlb",
	.summary = "mprotect with pages from hugetlb",
	.needs = { .cpus = 2, .memory_bytes = ipc_memory_bytes, .knobs = ipc_hugetlb_knobs },
	.unfit = ipc_unfit_huge,
	.ops = &(const struct ipc_ops){
		IPC_SHM_OPS,
		.acquire = mprotect_acquire,
		.release = mprotect_release,
		.pages = IPC_HUGETLB,
		.revokes = IPC_REVOKES_WRITE | IPC_REVOKES_READ,
	},
};
