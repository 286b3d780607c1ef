// SPDX-License-Identifier: MIT
/*
 * Nothing is shared: the first access to a page, read or write, fills a page of the process's own.
 */
#include "module.h"

static int refpage_fill_open(struct refpage *r)
{
	return refpage_module_open(r, MMLAB_REFPAGE_FILL);
}

static const char *refpage_fill_probe(void)
{
	return refpage_module_probe(MMLAB_REFPAGE_FILL);
}

static const struct mmlab_contender refpage_fill = {
	.name = "refpage-fill",
	.summary = "no shared page: filled on the first access",
	.needs = { .memory_bytes = refpage_memory_bytes, .probe = refpage_fill_probe },
	.ops = &(const struct refpage_ops){
		.open = refpage_fill_open,
		.get = refpage_module_get,
		.put = refpage_unmap,
		.close = refpage_module_close,
		.get_faults = refpage_faults_none,
		.touch_faults = refpage_faults_once,
		.mark = refpage_module_mark,
		.prove = refpage_module_prove_fill,
	},
};
