// SPDX-License-Identifier: MIT
/*
 * Shared memory whose page-table entries the producer drops when it hands the buffer over; its next access brings them
 * back, fault by fault. That is the work which LOCK and UNLOCK spare, without being a barrier: nothing refuses the
 * access.
 */
#include "memory.h"

#include <errno.h>
#include <sys/mman.h>

static int dontneed_release(struct ipc *p)
{
	return madvise(p->map.base, p->map.bytes, MADV_DONTNEED) ? -errno : 0;
}

static const struct mmlab_contender dontneed = {
	.name = "dontneed",
	.summary = "shared memory; the producer drops its page-table entries by MADV_DONTNEED and faults them in again",
	.needs = { .cpus = 2, .memory_bytes = ipc_memory_bytes },
	.unfit = ipc_unfit,
	.full_only = true,
	.ops = &(const struct ipc_ops){
		IPC_SHM_OPS,
		.release = dontneed_release,
		.faults = ipc_faults_pages,
	},
};
