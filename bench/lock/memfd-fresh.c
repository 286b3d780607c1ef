// SPDX-License-Identifier: MIT
/*
 * The baseline: a populated memfd is mapped anew each time, every page is written, and it is unmapped. A fresh mapping
 * has no pages, so they are touched at touch=none as well: that is what brings the buffer into the state in which the
 * others hand it over. Proof: one fault for each page.
 */
#include "file.h"

static int memfd_fresh_grant(struct lock *l)
{
	return file_map(l, 0);
}

static const struct mmlab_contender memfd_fresh = {
	.name = "memfd-fresh",
	.summary = "mmap of a populated memfd, touching every page, munmap",
	.needs = { .memory_bytes = lock_memory_bytes },
	.ops =
		&(const struct lock_ops){
			.revokes = LOCK_REVOKES_ALL,
			.lazy = true,
			.open = file_open,
			.grant = memfd_fresh_grant,
			.revoke = file_unmap,
			.faults = lock_faults_per_page,
		},
};
