// SPDX-License-Identifier: MIT
/*
 * As mprotect, on a memfd in transparent huge pages: one entry for each 2 MiB is rewritten, nearly what the mechanism
 * proposes. Proof: the kernel shows all of the buffer as mapped by huge entries, also after the operations.
 */
#include "file.h"

#include <errno.h>
#include <sys/mman.h>

#include "procfs.h"

static const char *mprotect_thp_unfit(const struct mmlab_case *c)
{
	return mmlab_param(c, "size") % LOCK_HUGE_BYTES ? "not a multiple of a huge page, 2 MiB" : NULL;
}

static int mprotect_thp_prove(struct lock *l)
{
	uint64_t bytes = 0;
	int r = mmlab_field_read(&bytes, "/proc/self/smaps_rollup", "ShmemPmdMapped");

	if (r)
		return mmlab_fail(l->c, r, "smaps_rollup");
	return bytes == l->bytes ? 0
				 : mmlab_fail(l->c, 0, "%llu of %zu bytes are mapped by huge entries",
					      (unsigned long long)bytes, l->bytes);
}

/* Not allocated beforehand: a fault in a mapping that asks for huge pages is what allocates one. */
static int mprotect_thp_open(struct lock *l)
{
	uint64_t bytes = 0;
	int r;

	l->fd = memfd_create("mmlab-lock", MFD_CLOEXEC);
	if (l->fd < 0 || ftruncate(l->fd, (off_t)l->bytes))
		return -errno;
	r = file_map(l, 0);
	if (r)
		return r;
	l->map = (struct mmlab_map){ .base = l->addr, .bytes = l->bytes, .addr = l->addr };
	if (madvise(l->addr, l->bytes, MADV_HUGEPAGE))
		return -errno;
	lock_touch(l);
	if (!mmlab_field_read(&bytes, "/proc/self/smaps_rollup", "ShmemPmdMapped") && bytes != l->bytes)
		return mmlab_skip(l->c, "the kernel gave %llu MiB of %zu in huge pages",
				  (unsigned long long)bytes >> 20, l->bytes >> 20);
	return file_revoke_access(l);
}

static const struct mmlab_contender mprotect_thp = {
	.name = "mprotect-thp",
	.summary = "mprotect of a memfd in transparent huge pages",
	.needs = {
		.memory_bytes = lock_memory_bytes,
		.knobs = (const struct mmlab_knob[]){
			{ "/sys/kernel/mm/transparent_hugepage/shmem_enabled", "advise" }, { 0 } },
	},
	.unfit = mprotect_thp_unfit,
	.ops = &(const struct lock_ops){
		.revokes = LOCK_REVOKES_ALL,
		.huge = true,
		.open = mprotect_thp_open,
		.grant = file_grant_access,
		.revoke = file_revoke_access,
		.faults = lock_faults_none,
		.prove = mprotect_thp_prove,
	},
};
