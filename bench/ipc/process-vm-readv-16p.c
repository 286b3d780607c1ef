// SPDX-License-Identifier: MIT
/* Parts of 16 pages, which is how many the kernel pins at a time without allocating memory for it. */
#include "process-vm.h"

static const struct mmlab_contender process_vm_readv_16p = {
	.name = "process-vm-readv-16p",
	.summary = "process_vm_readv, in parts of 16 pages",
	.needs = { .cpus = 2, .memory_bytes = ipc_memory_bytes },
	.unfit = ipc_vm_unfit,
	.full_only = true,
	.ops = &(const struct ipc_ops){ IPC_VM_OPS, .plan = &(const size_t){ 16 * 4096 } },
};
