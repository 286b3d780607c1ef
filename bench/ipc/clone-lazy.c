// SPDX-License-Identifier: MIT
/*
 * The producer keeps its memory: every page that it writes next is one that is mapped read-only, a page fault each, and
 * a copy as long as the consumer has the clone.
 */
#include "clone.h"

static const struct mmlab_contender clone_lazy = {
	.name = "clone",
	.summary = "the consumer clones the producer's private memory by process_vm_mmap, reads, unmaps",
	.needs = { .cpus = 2, .memory_bytes = ipc_memory_bytes, .probe = ipc_clone_probe },
	.unfit = ipc_unfit,
	.full_only = true,
	.ops =
		&(const struct ipc_ops){
			IPC_CLONE_OPS,
			.many = true,
			.plan = &(const struct ipc_clone){ 0 },
		},
};
