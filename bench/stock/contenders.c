// SPDX-License-Identifier: MIT
/*
 * The contenders of `stock`: one file each, which is included here, and one line in the array. So all of them are one
 * translation unit: static names begin with what their file is about.
 */
#include "dontneed.c"
#include "fault-file.c"
#include "fault-read.c"
#include "fault-thp.c"
#include "fault-write.c"
#include "fork-exit.c"
#include "getppid.c"
#include "mmap-munmap.c"
#include "mprotect.c"
#include "null.c"
#include "pipe-roundtrip.c"
#include "tlb-flush.c"

const struct mmlab_contender *const stock_contenders[] = {
	&null,
	&getppid_raw,
	&fault_read,
	&fault_write,
	&fault_thp,
	&fault_file,
	&mmap_munmap,
	&mprotect_toggle,
	&dontneed,
	&fork_exit,
	&tlb_flush,
	&pipe_roundtrip,
	NULL,
};
