// SPDX-License-Identifier: MIT
/*
 * The contenders of `ipc`: one file each, which is included here, and one line in the array. So all of them are one
 * translation unit: static names begin with what their file is about.
 */
#include "clone-lazy.c"
#include "clone-move.c"
#include "copy.c"
#include "dontneed.c"
#include "lock-all.c"
#include "lock-both.c"
#include "lock-cacheflush.c"
#include "lock-cpumask.c"
#include "lock-noflush.c"
#include "lock-shared.c"
#include "lock-writer.c"
#include "memfd-cached-populate.c"
#include "memfd-cached.c"
#include "memfd-fresh-populate.c"
#include "memfd-fresh.c"
#include "memfd-hugetlb.c"
#include "memfd-thp.c"
#include "memfd-unsealed.c"
#include "mprotect.c"
#include "mprotect-both.c"    /* builds upon mprotect.c */
#include "mprotect-hugetlb.c" /* builds upon mprotect.c */
#include "pipe-large.c"
#include "pipe.c"
#include "pkeys.c"
#include "process-vm-readv-128k.c"
#include "process-vm-readv-16p.c"
#include "process-vm-readv.c"
#include "process-vm-writev.c"
#include "shm-hugetlb.c"
#include "shm-thp.c"
#include "shm.c"
#include "socketpair.c"
#include "seqpacket.c" /* builds upon socketpair.c */
#include "uffd-wp.c"
#include "vmsplice.c"
#include "vmsplice-splice.c" /* builds upon vmsplice.c */
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
	&vmsplice_read,
	&vmsplice_splice,
	&process_vm_readv_all,
	&process_vm_readv_128k,
	&process_vm_readv_16p,
	&process_vm_writev_all,
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
	&pkeys,
	&dontneed,
	&uffd_wp,
	&clone_lazy,
	&clone_move,
	&lock_writer,
	&lock_both,
	&lock_shared,
	&lock_cpumask,
	&lock_all,
	&lock_noflush,
	&lock_cacheflush,
	NULL,
};
