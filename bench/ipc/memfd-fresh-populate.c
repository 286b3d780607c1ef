// SPDX-License-Identifier: MIT
/* As memfd-fresh; both sides fill their page tables when they map, instead of by one fault after the other. */
#include "memfd.h"

static const struct mmlab_contender memfd_fresh_populate = {
	.name = "memfd-fresh-populate",
	.summary = "the same, page tables filled by MAP_POPULATE",
	.needs = { .cpus = 2, .memory_bytes = ipc_memory_bytes },
	.unfit = ipc_unfit,
	.ops = &(const struct ipc_ops){ IPC_MEMFD_OPS, .fresh = true,
					.plan = &(const struct ipc_memfd){ .sealed = true, .populate = true } },
};
