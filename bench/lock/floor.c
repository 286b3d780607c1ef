// SPDX-License-Identifier: MIT
/*
 * The floor: the two system calls and the flush that LOCK and UNLOCK can't do without, and nothing else. The buffer
 * is owned all the time.
 */
#include "buffer.h"

static int lock_floor_revoke(struct lock *l)
{
	int r = buffer_nop(l);

	return r ? r : buffer_flush(l);
}

static const char *lock_floor_probe(void)
{
	return buffer_probe(MMLAB_LOCKBUF_FLUSH_RANGE);
}

static const struct mmlab_contender lock_floor = {
	.name = "floor",
	.summary = "two empty ioctls and one range flush: the least that LOCK and UNLOCK can cost",
	.needs = { .memory_bytes = lock_memory_bytes, .probe = lock_floor_probe },
	.ops =
		&(const struct lock_ops){
			.revokes = LOCK_REVOKES_NOTHING,
			.buffer =
				&(const struct lock_buffer){
					.mode = MMLAB_LOCKBUF_WRITER,
					.flush = MMLAB_LOCKBUF_FLUSH_RANGE,
					.n_flushes = 1,
				},
			.open = buffer_open_granted,
			.grant = buffer_nop,
			.revoke = lock_floor_revoke,
			.faults = lock_faults_none,
		},
};
