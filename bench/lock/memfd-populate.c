// SPDX-License-Identifier: MIT
/*
 * As memfd-fresh, but mmap fills the page tables itself, for reading; a shared mapping of a memfd is then writable
 * without a further fault. The kernel accounts one fault for each window of neighbours that it maps at once.
 */
#include "file.h"

#include <sys/mman.h>

static int memfd_populate_grant(struct lock *l)
{
	return file_map(l, MAP_POPULATE);
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
			.faults = file_faults_windows,
		},
};
