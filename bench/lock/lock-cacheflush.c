// SPDX-License-Identifier: MIT
/*
 * As lock-range, and UNLOCK writes the buffer's lines back from the caches, as the proposal asks. On machines with
 * coherent caches nobody needs that. Proof: the module counts a page written back for each page of the buffer.
 */
#include "buffer.h"

static const char *lock_cacheflush_probe(void)
{
	return buffer_probe(MMLAB_LOCKBUF_FLUSH_RANGE);
}

static const struct mmlab_contender lock_cacheflush = {
	.name = "lock-cacheflush",
	.summary = "LOCK and UNLOCK as proposed, with the caches written back at UNLOCK",
	.needs = { .memory_bytes = lock_memory_bytes, .probe = lock_cacheflush_probe },
	.ops =
		&(const struct lock_ops){
			.revokes = LOCK_REVOKES_ALL,
			.buffer =
				&(const struct lock_buffer){
					.mode = MMLAB_LOCKBUF_WRITER,
					.flush = MMLAB_LOCKBUF_FLUSH_RANGE,
					.flags = MMLAB_LOCKBUF_CACHE_FLUSH,
					.n_locks = 1,
					.n_flushes = 1,
				},
			.open = buffer_open,
			.grant = buffer_lock,
			.revoke = buffer_unlock,
			.faults = lock_faults_none,
		},
};
