// SPDX-License-Identifier: MIT
/* As memfd-fresh without the seals: what they cost. Nothing keeps the producer from mapping the file again. */
#include "memfd.h"

static const struct mmlab_contender memfd_unsealed = {
	.name = "memfd-unsealed",
	.summary = "a new memory file each time, not sealed",
	.needs = { .cpus = 2, .memory_bytes = ipc_memory_bytes },
	.unfit = ipc_unfit,
	.full_only = true,
	.ops = &(const struct ipc_ops){ IPC_MEMFD_OPS, .fresh = true, .plan = &(const struct ipc_memfd){ 0 } },
};
