// SPDX-License-Identifier: MIT
/*
 * As lock-range, but UNLOCK empties the TLBs of all CPUs, whatever they run.
 */
#include "buffer.h"

static const char *lock_all_probe(void)
{
	return buffer_probe(MMLAB_LOCKBUF_FLUSH_ALL);
}

static const struct mmlab_contender lock_all = {
	.name = "lock-all",
	.summary = "LOCK and UNLOCK, flushing everything on all CPUs",
	.needs = { .memory_bytes = lock_memory_bytes, .probe = lock_all_probe },
	.ops =
		&(const struct lock_ops){
			.revokes = LOCK_REVOKES_ALL,
			.buffer =
				&(const struct lock_buffer){
					.mode = MMLAB_LOCKBUF_WRITER,
					.flush = MMLAB_LOCKBUF_FLUSH_ALL,
					.n_locks = 1,
					.n_flushes = 1,
				},
			.open = buffer_open,
			.grant = buffer_lock,
			.revoke = buffer_unlock,
			.faults = lock_faults_none,
		},
};
