// SPDX-License-Identifier: MIT
/*
 * The contenders of `ipc`: one file each, which is included here, and one line in the array. So all of them are one
 * translation unit: static names begin with what their file is about.
 */
#include "copy.c"
#include "memfd-cached-populate.c"
#include "memfd-cached.c"
#include "memfd-fresh-populate.c"
#include "memfd-fresh.c"
#include "memfd-hugetlb.c"
#include "memfd-thp.c"
#include "memfd-unsealed.c"
#include "mprotect.c"
#include "mprotect-both.c" /* builds upon mprotect.c */
#include "mprotect-hugetlb.c"
#include "pipe-large.c"
#include "pipe.c"
#include "process-vm-readv-128k.c"
#include "process-vm-readv-16p.c"
#include "process-vm-readv.c"
#include "shm-hugetlb.c"
#include "shm-thp.c"
#include "shm.c"
#include "socketpair.c"
#include "seqpacket.c" /* builds upon socketpair.c */
#include "wakeup.c"

const struct mmlab_contender *const ipc_contenders[] = {
	&wakeup,
	&shm,
	&shm_thp,
	&shm_hugetlb,
	&copy_out,
	&pipe_default,
	&pipe_large,
	&socketpair_stream,
	&seqpacket,
	&process_vm_readv_all,
	&process_vm_readv_128k,
	&process_vm_readv_16p,
	&memfd_fresh,
	&memfd_fresh_populate,
	&memfd_unsealed,
	&memfd_cached,
	&memfd_cached_populate,
	&memfd_thp,
	&memfd_hugetlb,
	&mprotect_producer,
	&mprotect_both,
	&mprotect_hugetlb,
	NULL,
};
