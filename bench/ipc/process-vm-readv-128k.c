// SPDX-License-Identifier: MIT
/* For consumers that can deal with a part at a time: one that stays in the caches of its core. */
#include "process-vm.h"

static const struct mmlab_contender process_vm_readv_128k = {
	.name = "process-vm-readv-128k",
	.summary = "process_vm_readv, in parts of 128 KiB",
	.needs = { .cpus = 2, .memory_bytes = ipc_memory_bytes },
	.unfit = ipc_vm_unfit,
	.ops = &(const struct ipc_ops){ IPC_VM_OPS, .plan = &(const size_t){ 128 << 10 } },
};
