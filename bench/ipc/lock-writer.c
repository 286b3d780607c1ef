// SPDX-License-Identifier: MIT
/* The proposal: UNLOCK detaches the producer's upper-level entry and flushes; readers are not kept out. */
#include "lockbuf.h"

static const char *lock_writer_probe(void)
{
	return ipc_lock_probe(MMLAB_LOCKBUF_FLUSH_RANGE);
}

static const struct mmlab_contender lock_writer = {
	.name = "lock-writer",
	.summary = "LOCK and UNLOCK as proposed: the writer's entry is detached",
	.needs = { .cpus = 2, .memory_bytes = ipc_memory_bytes, .probe = lock_writer_probe },
	.unfit = ipc_unfit,
	.ops = &(const struct ipc_ops){
		IPC_LOCK_OPS,
		.plan = &(const struct ipc_lock){ .mode = MMLAB_LOCKBUF_WRITER,
						  .flush = MMLAB_LOCKBUF_FLUSH_RANGE },
		.revokes = IPC_REVOKES_WRITE | IPC_REVOKES_READ,
	},
};
