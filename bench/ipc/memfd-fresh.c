// SPDX-License-Identifier: MIT
/* A new memory file for each transfer, sealed before it is sent: what memfd was made for. */
#include "memfd.h"

static const struct mmlab_contender memfd_fresh = {
	.name = "memfd-fresh",
	.summary = "a new sealed memory file each time: create, map, write, unmap, seal, send, map, read, unmap",
	.needs = { .cpus = 2, .memory_bytes = ipc_memory_bytes },
	.unfit = ipc_unfit,
	.ops = &(const struct ipc_ops){ IPC_MEMFD_OPS, .fresh = true,
					.plan = &(const struct ipc_memfd){ .sealed = true } },
};
