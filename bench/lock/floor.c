// SPDX-License-Identifier: MIT
/*
 * The floor: the two system calls and the one flush that LOCK and UNLOCK can't do without, and nothing else. The flush
 * happens inside the second call, as it does in UNLOCK: a third call for it would make the floor higher than what
 * stands upon it. The buffer is owned all the time.
 */
#include "buffer.h"

static const char *lock_floor_probe(void)
{
	return buffer_probe(MMLAB_LOCKBUF_FLUSH_RANGE);
}

static const struct mmlab_contender lock_floor = {
	.name = "floor",
	.summary = "two ioctls that do nothing but one range flush: the least that LOCK and UNLOCK can cost",
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
			.revoke = buffer_flush,
			.faults = lock_faults_none,
		},
};
