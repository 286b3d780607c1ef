// SPDX-License-Identifier: MIT
/*
 * LOCK and UNLOCK without a flush: what is missing here to lock-range is the flush. Not usable for anything else:
 * accesses go on for as long as TLBs remember, and `stale` says how often one did.
 */
#include "buffer.h"

static const char *lock_noflush_probe(void)
{
	return buffer_probe(MMLAB_LOCKBUF_FLUSH_NONE);
}

static const struct mmlab_contender lock_noflush = {
	.name = "lock-noflush",
	.summary = "LOCK and UNLOCK without the flush, to tell what that costs; revokes nothing reliably",
	.needs = { .root = true, .memory_bytes = lock_memory_bytes, .probe = lock_noflush_probe },
	.ops =
		&(const struct lock_ops){
			.revokes = LOCK_REVOKES_LATER,
			.buffer =
				&(const struct lock_buffer){
					.mode = MMLAB_LOCKBUF_WRITER,
					.flush = MMLAB_LOCKBUF_FLUSH_NONE,
					.n_locks = 1,
					.n_flushes = 1,
				},
			.open = buffer_open,
			.grant = buffer_lock,
			.revoke = buffer_unlock,
			.faults = lock_faults_none,
		},
};
