// SPDX-License-Identifier: MIT
/* As proposed: page-table entries are shared as by fork, and whoever writes first copies. */
#include "module.h"

static const struct mmlab_contender clone_lazy = {
	.name = "clone",
	.summary = "process_vm_mmap: the mapping is cloned, copy-on-write on both sides",
	.needs = { .cpus = 1, .memory_bytes = clone_memory_bytes, .probe = clone_module_probe },
	.unfit = clone_unfit,
	.ops =
		&(const struct clone_ops){
			CLONE_MODULE_OPS,
			.plan = &(const struct clone_module){ 0 },
			.faults = clone_module_faults,
			.source_faults = clone_faults_pages,
		},
};
