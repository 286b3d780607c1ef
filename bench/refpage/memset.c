// SPDX-License-Identifier: MIT
/*
 * Anonymous memory, filled with the pattern at once: what pattern-initialising allocators do today.
 */
#include "refpage.h"

#include <sys/mman.h>

static int memset_get(struct refpage *r)
{
	int e = refpage_map(r, MAP_ANONYMOUS, -1);

	if (!e)
		refpage_write_pattern(r, r->addr, r->bytes);
	return e;
}

static const struct mmlab_contender memset_all = {
	.name = "memset",
	.summary = "anonymous memory, all of it filled: the baseline",
	.needs = { .memory_bytes = refpage_memory_bytes },
	.ops = &(const struct refpage_ops){
		.get = memset_get,
		.put = refpage_unmap,
		.get_faults = refpage_faults_fill,
		.touch_faults = refpage_faults_none,
	},
};
