// SPDX-License-Identifier: MIT
/*
 * The contenders of `refpage-app`: one file each, which is included here, and one line in the array. So all of them are
 * one translation unit: static names begin with what their file is about.
 */
#include "anon.c"
#include "memset.c"
#include "refpage.c"

const struct mmlab_contender *const refpage_app_contenders[] = {
	&app_anon,
	&app_memset,
	&app_refpage,
	NULL,
};
