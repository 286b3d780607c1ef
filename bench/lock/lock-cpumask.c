// SPDX-License-Identifier: MIT
/*
 * As lock-range, but UNLOCK empties the TLBs of the CPUs that run the process: all translations, not those of the
 * range.
 */
#include "buffer.h"

static const char *lock_cpumask_probe(void)
{
	return buffer_probe(MMLAB_LOCKBUF_FLUSH_CPUMASK);
}

static const struct mmlab_contender lock_cpumask = {
	.name = "lock-cpumask",
	.summary = "LOCK and UNLOCK, flushing everything on the CPUs that run the process",
	.needs = { .memory_bytes = lock_memory_bytes, .probe = lock_cpumask_probe },
	.ops =
		&(const struct lock_ops){
			.revokes = LOCK_REVOKES_ALL,
			.buffer =
				&(const struct lock_buffer){
					.mode = MMLAB_LOCKBUF_WRITER,
					.flush = MMLAB_LOCKBUF_FLUSH_CPUMASK,
					.n_locks = 1,
					.n_flushes = 1,
				},
			.open = buffer_open,
			.grant = buffer_lock,
			.revoke = buffer_unlock,
			.faults = lock_faults_none,
		},
};
