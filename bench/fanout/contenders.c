// SPDX-License-Identifier: MIT
/*
 * The contenders of `fanout`: one file each, which is included here, and one line in the array. So all of them are one
 * translation unit: static names begin with what their file is about.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "cleanup.h"
#include "fanout.h"

#define FANOUT_INEXACT "faults of starting and ending processes are among them; touch-faults has those of the memory"

#include "fork.c"
#include "hugetlb-shared.c"
#include "hugetlb.c"
#include "memfd.c"
#include "mshare.c"
#include "msharefs.c"
#include "shared-pt-apart.c"
#include "shared-pt-each.c"
#include "shared-pt-union.c"
#include "shared-pt.c"
#include "thp.c"
#include "threads.c"

const struct mmlab_contender *const fanout_contenders[] = {
	&threads,
	&memfd,
	&inherited,
	&thp,
	&hugetlb,
	&hugetlb_shared,
	&shared_pt,
	&shared_pt_union,
	&shared_pt_each,
	&shared_pt_apart,
	&msharefs,
	&mshare_call,
	NULL,
};
