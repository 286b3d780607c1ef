// SPDX-License-Identifier: MIT
/* The source loses it in the same step: what a hand-over wants. It makes and fills new memory for each operation. */
#include "module.h"

static const struct mmlab_contender clone_move = {
	.name = "clone-move",
	.summary = "the same, and the source is unmapped in the same call",
	.needs = { .cpus = 1, .memory_bytes = clone_memory_bytes, .probe = clone_module_probe },
	.unfit = clone_unfit,
	.ops =
		&(const struct clone_ops){
			CLONE_MODULE_OPS,
			.moves = true,
			.plan = &(const struct clone_module){ .flags = PVMMAP_MOVE },
			.faults = clone_module_faults,
		},
};
