// SPDX-License-Identifier: MIT
/* As lock-both; UNLOCK flushes all translations on the CPUs that run the process. */
#include "lockbuf.h"

static const char *lock_cpumask_probe(void)
{
	return ipc_lock_probe(MMLAB_LOCKBUF_FLUSH_CPUMASK);
}

static const struct mmlab_contender lock_cpumask = {
	.name = "lock-cpumask",
	.summary = "lock-both, flushing everything on the CPUs of the process",
	.needs = { .cpus = 2, .memory_bytes = ipc_memory_bytes, .probe = lock_cpumask_probe },
	.unfit = ipc_unfit,
	.full_only = true,
	.ops = &(const struct ipc_ops){
		IPC_LOCK_OPS,
		.plan = &(const struct ipc_lock){ .mode = MMLAB_LOCKBUF_BOTH,
						  .flush = MMLAB_LOCKBUF_FLUSH_CPUMASK },
		.revokes = IPC_REVOKES_WRITE | IPC_REVOKES_READ | IPC_REVOKES_CONSUMER,
	},
};
