// SPDX-License-Identifier: MIT
/* As mprotect, on both sides: the consumer has access only from taking the buffer until giving it back. */
#include "memory.h"

static int mprotect_both_take(struct ipc *p)
{
	int e = mprotect_set(p, PROT_READ);

	return e ? e : ipc_take(p);
}

static int mprotect_both_open_consumer(struct ipc *p)
{
	int e = ipc_file_consumer(p);

	return e ? e : mprotect_release(p);
}

static const struct mmlab_contender mprotect_both = {
	.name = "mprotect-both",
	.summary = "shared memory; each side takes its own access away by mprotect",
	.needs = { .cpus = 2, .memory_bytes = ipc_memory_bytes },
	.unfit = ipc_unfit,
	.ops = &(const struct ipc_ops){
		IPC_FILE_OPS,
		.acquire = mprotect_acquire,
		.release = mprotect_release,
		.open_consumer = mprotect_both_open_consumer,
		.take = mprotect_both_take,
		.give = mprotect_release,
		.revokes = IPC_REVOKES_WRITE | IPC_REVOKES_READ | IPC_REVOKES_CONSUMER,
	},
};
