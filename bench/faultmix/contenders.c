// SPDX-License-Identifier: MIT
/*
 * The contenders of `faultmix`: one file each, which is included here, and one line in the array. So all of them are
 * one translation unit: static names begin with what their file is about.
 */
#include "faultmix.h"

#include <string.h>

#define FAULTMIX_INEXACT                                                                                               \
	"faults of starting threads and of whoever disturbs them are among them; touch-faults has those of the memory"

static const char *faultmix_unfit(const struct mmlab_case *c)
{
	const struct faultmix_ops *ops = mmlab_ops(c);
	uint64_t holder = mmlab_param(c, "holder");

	if (holder == HOLDER_SAME && ops->kind == KIND_ARENA)
		return "who has the range of a fault keeps it waiting under every scheme";
	return holder >= HOLDER_HOLD && ops->no_hold ? ops->no_hold() : NULL;
}

#include "arena-list.c"
#include "arena-rwsem.c"
#include "arena-split.c"
#include "arena-tree.c"
#include "mmap-lock.c"
#include "normal.c"
#include "speculative.c"
#include "stock-hooked.c"
#include "stock.c"

const struct mmlab_contender *const faultmix_contenders[] = {
	&faultmix_stock,       &faultmix_hooked,     &faultmix_normal,	   &faultmix_mmap_lock,	  &faultmix_speculative,
	&faultmix_arena_rwsem, &faultmix_arena_tree, &faultmix_arena_list, &faultmix_arena_split, NULL,
};
