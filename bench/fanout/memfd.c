// SPDX-License-Identifier: MIT
/* What programs do today: each process maps the same memory file, with page tables of its own. */
#include "memory.h"

static const struct mmlab_contender memfd = {
	.name = "memfd",
	.summary = "each process maps the same memory file",
	.needs = { .memory_bytes = fanout_memory_bytes },
	.inexact_faults = FANOUT_INEXACT,
	.ops = &(const struct fanout_ops){ .leaf = FANOUT_PTES, .create = memory_create, .attach = memory_attach },
};
