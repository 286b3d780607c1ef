// SPDX-License-Identifier: MIT
/*
 * As memfd-fresh, but mmap fills the page tables itself, as if by reading; a shared mapping of a memfd is then writable
 * without a further fault, if the processor sets dirty bits itself. The kernel accounts one fault for each window of
 * neighbours that it maps at once.
 */
#include "file.h"

#include <sys/mman.h>

static int memfd_populate_grant(struct lock *l)
{
	return file_map(l, MAP_POPULATE);
}

static uint64_t memfd_populate_faults(const struct lock *l)
{
	return file_faults_windows(l) + (l->touch && !mmlab_mmu(l->c)->sets_dirty ? l->n_pages : 0);
}

static const struct mmlab_contender memfd_populate = {
	.name = "memfd-populate",
	.summary = "mmap of a populated memfd with MAP_POPULATE, munmap",
	.needs = { .memory_bytes = lock_memory_bytes },
	.ops =
		&(const struct lock_ops){
			.revokes = LOCK_REVOKES_ALL,
			.open = file_open,
			.grant = memfd_populate_grant,
			.revoke = file_unmap,
			.faults = memfd_populate_faults,
		},
};
