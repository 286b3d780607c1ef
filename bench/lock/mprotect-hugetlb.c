// SPDX-License-Identifier: MIT
/*
 * As mprotect-thp, on reserved huge pages. They are reserved for the case and given back after it.
 */
#include "file.h"

#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

#define MPROTECT_HUGETLB_PAGES "128"
#define MPROTECT_HUGETLB_2MB   (21U << 26) /* MFD_HUGE_2MB, which not every C library names */

static const char *mprotect_hugetlb_unfit(const struct mmlab_case *c)
{
	if (mmlab_param(c, "size") % LOCK_HUGE_BYTES)
		return "not a multiple of a huge page, 2 MiB";
	return mmlab_param(c, "size") > 128 * LOCK_HUGE_BYTES ? "only " MPROTECT_HUGETLB_PAGES
								" huge pages are reserved"
							      : NULL;
}

static int mprotect_hugetlb_open(struct lock *l)
{
	int r;

	l->fd = memfd_create("mmlab-lock", MFD_CLOEXEC | MFD_HUGETLB | MPROTECT_HUGETLB_2MB);
	if (l->fd < 0 || ftruncate(l->fd, (off_t)l->bytes))
		return -errno;
	r = file_map(l, 0);
	if (r == -ENOMEM)
		return mmlab_skip(l->c, "the kernel could not reserve %zu huge pages", l->bytes / LOCK_HUGE_BYTES);
	if (r)
		return r;
	l->map = (struct mmlab_map){ .base = l->addr, .bytes = l->bytes, .addr = l->addr };
	lock_touch(l);
	return file_revoke_access(l);
}

static const struct mmlab_contender mprotect_hugetlb = {
	.name = "mprotect-hugetlb",
	.summary = "mprotect of a memfd in reserved huge pages",
	.needs = {
		.memory_bytes = lock_memory_bytes,
		.knobs = (const struct mmlab_knob[]){
			{ "/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages", MPROTECT_HUGETLB_PAGES }, { 0 } },
	},
	.unfit = mprotect_hugetlb_unfit,
	.ops = &(const struct lock_ops){
		.revokes = LOCK_REVOKES_ALL,
		.open = mprotect_hugetlb_open,
		.grant = file_grant_access,
		.revoke = file_revoke_access,
		.faults = lock_faults_none,
	},
};
