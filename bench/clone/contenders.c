// SPDX-License-Identifier: MIT
/*
 * The contenders of `clone`: one file each, which is included here, and one line in the array. So all of them are one
 * translation unit: static names begin with what their file is about.
 */
#include "memory.h"

#include "clone-lazy.c"
#include "clone-move.c"
#include "clone-populate.c"
#include "fork.c"
#include "memfd-fresh.c"
#include "memfd-kept.c"
#include "memfd-populate.c"
#include "proc-mem.c"
#include "readv-128k-locked.c"
#include "readv-128k.c"
#include "readv-16p.c"
#include "readv-fresh.c"
#include "readv-locked.c"
#include "uffd-copy.c"

const struct mmlab_contender *const clone_contenders[] = {
	&memfd_kept, &readv_fresh, &readv_locked, &readv_128k,	   &readv_128k_locked,
	&readv_16p,  &proc_mem,	   &uffd_copy,	  &clone_lazy,	   &clone_populate,
	&clone_move, &forked,	   &memfd_fresh,  &memfd_populate, NULL,
};
