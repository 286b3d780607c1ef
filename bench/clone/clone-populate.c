// SPDX-License-Identifier: MIT
/* All pages are copied before the call returns, as if written: the price of a fault that is none. */
#include "module.h"

/* Pages in swap are read first and copied afterwards, in one fault or two. */
static uint64_t clone_populate_faults(const struct clone *s)
{
	return s->n_swapped ? CLONE_UNKNOWN : s->n_pages;
}

static const struct mmlab_contender clone_populate = {
	.name = "clone-populate",
	.summary = "the same, with all pages copied by the call",
	.needs = { .cpus = 1, .memory_bytes = clone_memory_bytes, .probe = clone_module_probe },
	.unfit = clone_unfit,
	.ops =
		&(const struct clone_ops){
			CLONE_MODULE_OPS,
			.plan = &(const struct clone_module){ .flags = PVMMAP_POPULATE },
			.faults = clone_populate_faults,
			.source_faults = clone_faults_pages,
		},
};
