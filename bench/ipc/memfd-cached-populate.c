// SPDX-License-Identifier: MIT
/* As memfd-cached; both sides fill their page tables when they map. */
#include "memfd.h"

static const struct mmlab_contender memfd_cached_populate = {
	.name = "memfd-cached-populate",
	.summary = "the same, page tables filled by MAP_POPULATE",
	.needs = { .cpus = 2, .memory_bytes = ipc_memory_bytes },
	.unfit = ipc_unfit,
	.full_only = true,
	.ops = &(const struct ipc_ops){ IPC_MEMFD_OPS,
					.plan = &(const struct ipc_memfd){ .kept = true, .populate = true } },
};
