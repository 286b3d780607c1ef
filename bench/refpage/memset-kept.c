// SPDX-License-Identifier: MIT
/*
 * A region that stays mapped and resident, and is filled again for each allocation: what an allocator's cache of freed
 * blocks amounts to. No page faults at all.
 */
#include "refpage.h"

#include <sys/mman.h>

static int memset_kept_open(struct refpage *r)
{
	int e = refpage_map(r, MAP_ANONYMOUS, -1);

	if (!e)
		refpage_write_pattern(r, r->addr, r->bytes);
	return e;
}

static int memset_kept_get(struct refpage *r)
{
	refpage_write_pattern(r, r->addr, r->bytes);
	return 0;
}

static int memset_kept_put(struct refpage *r)
{
	(void)r;
	return 0;
}

static void memset_kept_close(struct refpage *r)
{
	(void)refpage_unmap(r);
}

static const struct mmlab_contender memset_kept = {
	.name = "memset-kept",
	.summary = "a resident region that is filled again each time",
	.needs = { .memory_bytes = refpage_memory_bytes },
	.ops = &(const struct refpage_ops){
		.kept = true,
		.open = memset_kept_open,
		.get = memset_kept_get,
		.put = memset_kept_put,
		.close = memset_kept_close,
		.get_faults = refpage_faults_none,
		.touch_faults = refpage_faults_none,
	},
};
