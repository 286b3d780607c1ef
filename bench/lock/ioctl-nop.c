// SPDX-License-Identifier: MIT
/*
 * A part of the floor: entering the module and leaving it.
 */
#include "buffer.h"

static const char *lock_ioctl_nop_probe(void)
{
	return buffer_probe(MMLAB_LOCKBUF_FLUSH_RANGE);
}

static const struct mmlab_contender lock_ioctl_nop = {
	.name = "ioctl-nop",
	.summary = "one ioctl that does nothing",
	.needs = { .memory_bytes = lock_memory_bytes, .probe = lock_ioctl_nop_probe },
	.ops =
		&(const struct lock_ops){
			.revokes = LOCK_REVOKES_NOTHING,
			.part = true,
			.unsized = true,
			.single = true,
			.buffer =
				&(const struct lock_buffer){
					.mode = MMLAB_LOCKBUF_WRITER,
					.flush = MMLAB_LOCKBUF_FLUSH_RANGE,
				},
			.open = buffer_open_granted,
			.revoke = buffer_nop,
			.faults = lock_faults_none,
		},
};
