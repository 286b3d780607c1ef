// SPDX-License-Identifier: MIT
/* The consumer's buffer is as large as the producer's. */
#include "process-vm.h"

static const struct mmlab_contender process_vm_readv_all = {
	.name = "process-vm-readv",
	.summary = "process_vm_readv, all at once",
	.needs = { .cpus = 2, .memory_bytes = ipc_memory_bytes },
	.unfit = ipc_unfit,
	.ops = &(const struct ipc_ops){ IPC_VM_OPS, .plan = &(const size_t){ 0 } },
};
