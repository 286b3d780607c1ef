// SPDX-License-Identifier: MIT
/*
 * The proposal's form: a page that was only read maps the one reference page by a special entry, outside RSS and
 * without touching its reference count.
 */
#include "module.h"

static int refpage_uncounted_open(struct refpage *r)
{
	return refpage_module_open(r, MMLAB_REFPAGE_UNCOUNTED);
}

static const char *refpage_uncounted_probe(void)
{
	return refpage_module_probe(MMLAB_REFPAGE_UNCOUNTED);
}

static const struct mmlab_contender refpage_uncounted = {
	.name = "refpage-uncounted",
	.summary = "reference page, mapped for reading outside RSS, as proposed",
	.needs = { .memory_bytes = refpage_memory_bytes, .probe = refpage_uncounted_probe },
	.ops = &(const struct refpage_ops){
		.open = refpage_uncounted_open,
		.get = refpage_module_get,
		.put = refpage_unmap,
		.close = refpage_module_close,
		.get_faults = refpage_faults_none,
		.touch_faults = refpage_faults_twice,
		.hidden_bytes = refpage_module_hidden,
		.mark = refpage_module_mark,
		.prove = refpage_module_prove,
	},
};
