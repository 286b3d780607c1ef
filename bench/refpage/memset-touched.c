// SPDX-License-Identifier: MIT
/*
 * Anonymous memory of which only those pages are filled that the program is going to touch. No allocator can know
 * that; it is the least that filling by the program could cost. The other pages read as zeroes.
 */
#include "refpage.h"

#include <sys/mman.h>

static int memset_touched_get(struct refpage *r)
{
	int e = refpage_map(r, MAP_ANONYMOUS, -1);
	struct refpage_walk walk = { 0 };

	if (e)
		return e;
	refpage_for_each_touched(r, &walk)
		refpage_write_pattern(r, r->addr + walk.page * r->page_bytes, r->page_bytes);
	return 0;
}

/* As writing once, whatever the order of touching will be. */
static uint64_t memset_touched_faults(const struct refpage *r)
{
	struct refpage writing = *r;

	writing.order = REFPAGE_WRITE;
	return refpage_faults_anon(&writing);
}

static const struct mmlab_contender memset_touched = {
	.name = "memset-touched",
	.summary = "anonymous memory, filled only where it will be touched",
	.needs = { .memory_bytes = refpage_memory_bytes },
	.ops = &(const struct refpage_ops){
		.sparse = true,
		.get = memset_touched_get,
		.put = refpage_unmap,
		.get_faults = memset_touched_faults,
		.touch_faults = refpage_faults_none,
	},
};
