// SPDX-License-Identifier: MIT
/*
 * A part of the operation: one system call that flushes the range of the mapping, on the CPUs that run the process.
 * Without ioctl-nop it is the price of that flush.
 */
#include "buffer.h"

static const char *lock_flush_range_probe(void)
{
	return buffer_probe(MMLAB_LOCKBUF_FLUSH_RANGE);
}

static const struct mmlab_contender lock_flush_range = {
	.name = "flush-range",
	.summary = "one ioctl that flushes the range of the mapping, on the CPUs that run the process",
	.needs = { .memory_bytes = lock_memory_bytes, .probe = lock_flush_range_probe },
	.ops =
		&(const struct lock_ops){
			.revokes = LOCK_REVOKES_NOTHING,
			.part = true,
			.buffer =
				&(const struct lock_buffer){
					.mode = MMLAB_LOCKBUF_WRITER,
					.flush = MMLAB_LOCKBUF_FLUSH_RANGE,
					.n_flushes = 1,
				},
			.open = buffer_open_granted,
			.revoke = buffer_flush,
			.faults = lock_faults_none,
		},
};
