// SPDX-License-Identifier: MIT
/* As lock-both; UNLOCK flushes all translations on all CPUs. */
#include "lockbuf.h"

static const char *lock_all_probe(void)
{
	return ipc_lock_probe(MMLAB_LOCKBUF_FLUSH_ALL);
}

static const struct mmlab_contender lock_all = {
	.name = "lock-all",
	.summary = "lock-both, flushing everything on all CPUs",
	.needs = { .cpus = 2, .memory_bytes = ipc_memory_bytes, .probe = lock_all_probe },
	.unfit = ipc_unfit,
	.full_only = true,
	.ops = &(const struct ipc_ops){
		IPC_LOCK_OPS,
		.plan = &(const struct ipc_lock){ .mode = MMLAB_LOCKBUF_BOTH,
						  .flush = MMLAB_LOCKBUF_FLUSH_ALL },
		.revokes = IPC_REVOKES_WRITE | IPC_REVOKES_READ | IPC_REVOKES_CONSUMER,
	},
};
