// SPDX-License-Identifier: MIT
/* The variant that keeps out readers as well: both sides detach when they UNLOCK. */
#include "lockbuf.h"

static const char *lock_both_probe(void)
{
	return ipc_lock_probe(MMLAB_LOCKBUF_FLUSH_RANGE);
}

static const struct mmlab_contender lock_both = {
	.name = "lock-both",
	.summary = "the same, and the consumer's entry is detached too",
	.needs = { .cpus = 2, .memory_bytes = ipc_memory_bytes, .probe = lock_both_probe },
	.unfit = ipc_unfit,
	.ops = &(const struct ipc_ops){
		IPC_LOCK_OPS,
		.plan = &(const struct ipc_lock){ .mode = MMLAB_LOCKBUF_BOTH,
						  .flush = MMLAB_LOCKBUF_FLUSH_RANGE },
		.revokes = IPC_REVOKES_WRITE | IPC_REVOKES_READ | IPC_REVOKES_CONSUMER,
	},
};
