// SPDX-License-Identifier: MIT
/* As lock-both, with the cache maintenance that the proposal asks for, and that coherent machines do not need. */
#include "lockbuf.h"

static const char *lock_cacheflush_probe(void)
{
	return ipc_lock_probe(MMLAB_LOCKBUF_FLUSH_RANGE);
}

static const struct mmlab_contender lock_cacheflush = {
	.name = "lock-cacheflush",
	.summary = "lock-both, writing the buffer's cache lines back",
	.needs = { .cpus = 2, .memory_bytes = ipc_memory_bytes, .probe = lock_cacheflush_probe },
	.unfit = ipc_unfit,
	.full_only = true,
	.ops = &(const struct ipc_ops){
		IPC_LOCK_OPS,
		.plan = &(const struct ipc_lock){ .mode = MMLAB_LOCKBUF_BOTH,
						  .flush = MMLAB_LOCKBUF_FLUSH_RANGE,
						  .flags = MMLAB_LOCKBUF_CACHE_FLUSH },
		.revokes = IPC_REVOKES_WRITE | IPC_REVOKES_READ | IPC_REVOKES_CONSUMER,
	},
};
