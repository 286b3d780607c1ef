// SPDX-License-Identifier: MIT
/* As memfd-fresh, of transparent huge pages. */
#include "memfd.h"

static const struct mmlab_contender memfd_thp = {
	.name = "memfd-thp",
	.summary = "memfd-fresh with transparent huge pages",
	.needs = { .cpus = 2, .memory_bytes = ipc_memory_bytes, .knobs = ipc_thp_knobs },
	.unfit = ipc_unfit_mostly_unused,
	.ops = &(const struct ipc_ops){ IPC_MEMFD_OPS, .fresh = true, .pages = IPC_THP,
					.plan = &(const struct ipc_memfd){ .sealed = true } },
};
