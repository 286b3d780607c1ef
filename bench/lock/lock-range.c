// SPDX-License-Identifier: MIT
/*
 * The mechanism as proposed, with the cheapest flush: the range of the mapping, on the CPUs that run the process.
 */
#include "buffer.h"

static const char *lock_range_probe(void)
{
	return buffer_probe(MMLAB_LOCKBUF_FLUSH_RANGE);
}

static const struct mmlab_contender lock_range = {
	.name = "lock-range",
	.summary = "LOCK and UNLOCK, flushing the range on the CPUs that run the process",
	.needs = { .memory_bytes = lock_memory_bytes, .probe = lock_range_probe },
	.ops =
		&(const struct lock_ops){
			.revokes = LOCK_REVOKES_ALL,
			.buffer =
				&(const struct lock_buffer){
					.mode = MMLAB_LOCKBUF_WRITER,
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
