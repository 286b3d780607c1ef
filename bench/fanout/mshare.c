// SPDX-License-Identifier: MIT
/* The mechanism as first proposed: a call that shares the page tables of what is mapped, by name. */
#include "memory.h"
#include "region.h"

static int mshare_create(struct fanout *f)
{
	int r = region_mount(f);

	if (!r)
		r = memory_map(f, mmap(fanout_creator_place(f), f->map_bytes, PROT_READ | PROT_WRITE,
				       MAP_SHARED | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0));
	if (!r && mshare(REGION_FILE, f->map.base, f->map_bytes, O_CREAT | O_EXCL | O_RDWR, 0600) < 0)
		r = -errno;
	return r;
}

static int mshare_join(struct fanout *f, char *at)
{
	return mshare(REGION_FILE, at, f->map_bytes, O_RDWR, 0) < 0 ? -errno : 0;
}

static const struct mmlab_contender mshare_call = {
	.name = "mshare",
	.summary = "each process calls mshare() with the name of the region",
	.needs = { REGION_NEEDS, .root = true },
	.inexact_faults = FANOUT_INEXACT,
	.full_only = true,
	.ops =
		&(const struct fanout_ops){
			REGION_OPS,
			.create = mshare_create,
			.attach = mshare_join,
			.close = region_unmount,
		},
};
