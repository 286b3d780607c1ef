// SPDX-License-Identifier: MIT
/*
 * A page that was only read maps the one reference page like a page of a file: counted in RSS, with a reference and a
 * map count taken for each mapping of it.
 */
#include "module.h"

static int refpage_counted_open(struct refpage *r)
{
	return refpage_module_open(r, MMLAB_REFPAGE_COUNTED);
}

static const char *refpage_counted_probe(void)
{
	return refpage_module_probe(MMLAB_REFPAGE_COUNTED);
}

static const struct mmlab_contender refpage_counted = {
	.name = "refpage-counted",
	.summary = "reference page, mapped for reading like a file's page",
	.needs = { .memory_bytes = refpage_memory_bytes, .probe = refpage_counted_probe },
	.ops = &(const struct refpage_ops){
		.open = refpage_counted_open,
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
