// SPDX-License-Identifier: MIT
/*
 * MADV_DONTNEED empties the page tables of a mapping that stays, and touching fills them again. It revokes nothing:
 * whoever touches gets the page back. Here to show what the faults alone cost. Proof: one fault for each page.
 */
#include "file.h"

#include <errno.h>
#include <sys/mman.h>

static int dontneed_revoke(struct lock *l)
{
	return madvise(l->map.base, l->map.bytes, MADV_DONTNEED) ? -errno : 0;
}

static int dontneed_open(struct lock *l)
{
	int r = file_open_mapped(l);

	return r ? r : dontneed_revoke(l);
}

static const struct mmlab_contender dontneed = {
	.name = "dontneed",
	.summary = "touching every page and MADV_DONTNEED; revokes nothing",
	.needs = { .memory_bytes = lock_memory_bytes },
	.ops =
		&(const struct lock_ops){
			.revokes = LOCK_REVOKES_NOTHING,
			.lazy = true,
			.open = dontneed_open,
			.revoke = dontneed_revoke,
			.faults = lock_faults_per_page,
		},
};
