// SPDX-License-Identifier: MIT
/*
 * Shared memory to which the producer has access only while the buffer is its own: mprotect(2) between all and nothing,
 * which changes each page-table entry and flushes; the entries stay filled, so there are no faults.
 */
#include "memory.h"

#include <errno.h>
#include <sys/mman.h>

static int mprotect_set(struct ipc *p, int prot)
{
	return mprotect(p->map.base, p->map.bytes, prot) ? -errno : 0;
}

static int mprotect_acquire(struct ipc *p)
{
	return mprotect_set(p, PROT_READ | PROT_WRITE);
}

static int mprotect_release(struct ipc *p)
{
	return mprotect_set(p, PROT_NONE);
}

static const struct mmlab_contender mprotect_producer = {
	.name = "mprotect",
	.summary = "shared memory; the producer takes its own access away by mprotect",
	.needs = { .cpus = 2, .memory_bytes = ipc_memory_bytes },
	.unfit = ipc_unfit,
	.ops = &(const struct ipc_ops){
		IPC_SHM_OPS,
		.acquire = mprotect_acquire,
		.release = mprotect_release,
		.revokes = IPC_REVOKES_WRITE | IPC_REVOKES_READ,
	},
};
