// SPDX-License-Identifier: MIT
/* As lock-both without the flush: access may go on after UNLOCK. The difference to lock-both is the price of flushing.
 */
#include "lockbuf.h"

static const char *lock_noflush_probe(void)
{
	return ipc_lock_probe(MMLAB_LOCKBUF_FLUSH_NONE);
}

static const struct mmlab_contender lock_noflush = {
	.name = "lock-noflush",
	.summary = "lock-both without the flush: not safe, for measuring only",
	.needs = { .cpus = 2, .memory_bytes = ipc_memory_bytes, .probe = lock_noflush_probe },
	.unfit = ipc_unfit,
	.ops = &(const struct ipc_ops){
		IPC_LOCK_OPS,
		.plan = &(const struct ipc_lock){ .mode = MMLAB_LOCKBUF_BOTH,
						  .flush = MMLAB_LOCKBUF_FLUSH_NONE },
	},
};
