// SPDX-License-Identifier: MIT
/*
 * As lock-range, in the mode in which readers lose access as well. With one process there is no reader: what is
 * measured is that the mode by itself costs nothing.
 */
#include "buffer.h"

static const char *lock_both_probe(void)
{
	return buffer_probe(MMLAB_LOCKBUF_FLUSH_RANGE);
}

static const struct mmlab_contender lock_both = {
	.name = "lock-both",
	.summary = "LOCK and UNLOCK in the mode that excludes readers too",
	.needs = { .memory_bytes = lock_memory_bytes, .probe = lock_both_probe },
	.ops =
		&(const struct lock_ops){
			.revokes = LOCK_REVOKES_ALL,
			.buffer =
				&(const struct lock_buffer){
					.mode = MMLAB_LOCKBUF_BOTH,
					.flush = MMLAB_LOCKBUF_FLUSH_RANGE,
					.n_locks = 1,
					.n_flushes = 1,
				},
			.open = buffer_open,
			.grant = buffer_lock,
			.revoke = buffer_unlock,
			.faults = lock_faults_none,
		},
};
