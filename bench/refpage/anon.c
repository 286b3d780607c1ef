// SPDX-License-Identifier: MIT
/*
 * Anonymous memory as it comes: zeroes, no pattern. The least that any of this could cost.
 */
#include "refpage.h"

#include <sys/mman.h>

static int anon_get(struct refpage *r)
{
	return refpage_map(r, MAP_ANONYMOUS, -1);
}

static const struct mmlab_contender anon = {
	.name = "anon",
	.summary = "anonymous memory without a pattern: the floor",
	.needs = { .memory_bytes = refpage_memory_bytes },
	.ops = &(const struct refpage_ops){
		.zeroes = true,
		.get = anon_get,
		.put = refpage_unmap,
		.get_faults = refpage_faults_none,
		.touch_faults = refpage_faults_anon,
	},
};
