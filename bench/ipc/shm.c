// SPDX-License-Identifier: MIT
/*
 * A memory file that stays mapped on both sides; who may touch it is agreed upon, and not enforced. Nothing but the
 * waking is done besides writing and reading.
 */
#include "memory.h"

static const struct mmlab_contender shm = {
	.name = "shm",
	.summary = "shared memory that stays mapped; ownership is agreed upon only",
	.needs = { .cpus = 2, .memory_bytes = ipc_memory_bytes },
	.unfit = ipc_unfit,
	.ops = &(const struct ipc_ops){ IPC_SHM_OPS },
};
