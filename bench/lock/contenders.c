// SPDX-License-Identifier: MIT
/*
 * The contenders of `lock`: one file each, which is included here, and one line in the array. So all of them are one
 * translation unit: static names begin with what their file is about.
 */
#include "dontneed.c"
#include "floor.c"
#include "flush-all.c"
#include "flush-cpumask.c"
#include "flush-range.c"
#include "ioctl-nop.c"
#include "lock-all.c"
#include "lock-both.c"
#include "lock-cacheflush.c"
#include "lock-cpumask.c"
#include "lock-noflush.c"
#include "lock-range.c"
#include "memfd-create.c"
#include "memfd-fresh.c"
#include "memfd-populate.c"
#include "mprotect-hugetlb.c"
#include "mprotect-thp.c"
#include "mprotect.c"
#include "pkeys.c"
#include "uffd-wp.c"

const struct mmlab_contender *const lock_contenders[] = {
	&lock_floor,
	&lock_ioctl_nop,
	&lock_flush_range,
	&lock_flush_cpumask,
	&lock_flush_all,
	&lock_range,
	&lock_cpumask,
	&lock_all,
	&lock_noflush,
	&lock_cacheflush,
	&lock_both,
	&memfd_fresh,
	&memfd_populate,
	&memfd_create_each,
	&mprotect_toggle,
	&mprotect_thp,
	&mprotect_hugetlb,
	&dontneed,
	&pkeys,
	&uffd_wp,
	NULL,
};
