// SPDX-License-Identifier: MIT
/* As lock-both; any number of readers may own the buffer together. */
#include "lockbuf.h"

static const char *lock_shared_probe(void)
{
	return ipc_lock_probe(MMLAB_LOCKBUF_FLUSH_RANGE);
}

static const struct mmlab_contender lock_shared = {
	.name = "lock-shared",
	.summary = "the same, for several consumers at once",
	.needs = { .cpus = 2, .memory_bytes = ipc_memory_bytes, .probe = lock_shared_probe },
	.unfit = ipc_unfit,
	.ops = &(const struct ipc_ops){
		IPC_LOCK_OPS,
		.many = true,
		.plan = &(const struct ipc_lock){ .mode = MMLAB_LOCKBUF_SHARED,
						  .flush = MMLAB_LOCKBUF_FLUSH_RANGE },
		.revokes = IPC_REVOKES_WRITE | IPC_REVOKES_READ | IPC_REVOKES_CONSUMER,
	},
};
