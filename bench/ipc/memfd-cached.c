// SPDX-License-Identifier: MIT
/*
 * The producer keeps the file and its pages for the next transfer, as kdbus did, whose seals could be taken off again.
 * Today's can't, so there are none.
 */
#include "memfd.h"

static const struct mmlab_contender memfd_cached = {
	.name = "memfd-cached",
	.summary = "one memory file, mapped and unmapped by both sides each time",
	.needs = { .cpus = 2, .memory_bytes = ipc_memory_bytes },
	.unfit = ipc_unfit,
	.ops = &(const struct ipc_ops){ IPC_MEMFD_OPS, .plan = &(const struct ipc_memfd){ .kept = true } },
};
