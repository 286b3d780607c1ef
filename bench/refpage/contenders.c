// SPDX-License-Identifier: MIT
/*
 * The contenders of `refpage`: one file each, which is included here, and one line in the array. So all of them are one
 * translation unit: static names begin with what their file is about.
 */
#include "anon.c"
#include "fork-template.c"
#include "memfd-kept.c"
#include "memfd-page.c"
#include "memfd.c"
#include "memset-kept.c"
#include "memset-touched.c"
#include "memset.c"
#include "refpage-counted.c"
#include "refpage-fill.c"
#include "refpage-uncounted.c"
#include "uffd-sigbus.c"
#include "uffd-thread.c"

const struct mmlab_contender *const refpage_contenders[] = {
	&anon,
	&memset_all,
	&memset_touched,
	&memset_kept,
	&memfd,
	&memfd_kept,
	&memfd_page,
	&uffd_thread,
	&uffd_sigbus,
	&fork_template,
	&refpage_uncounted,
	&refpage_counted,
	&refpage_fill,
	NULL,
};
