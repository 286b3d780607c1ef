// SPDX-License-Identifier: MIT
/*
 * What the call is for: the producer fills new memory, the consumer clones it, and the producer's is unmapped in the
 * same step. It loses its access when the consumer takes the buffer, not when it hands it over.
 */
#include "clone.h"

#include <sys/mman.h>

/* The consumer has unmapped it; not so before the first transfer, whose memory is there from the start. */
static int clone_move_acquire(struct ipc *p)
{
	int e = p->seq == 1 ? ipc_unmap(p) : 0;

	return e ? e : ipc_map(p, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS);
}

static const struct mmlab_contender clone_move = {
	.name = "clone-move",
	.summary = "new memory each time, which the consumer moves to itself by process_vm_mmap",
	.needs = { .cpus = 2, .memory_bytes = ipc_memory_bytes, .probe = ipc_clone_probe },
	.unfit = ipc_unfit,
	.full_only = true,
	.ops =
		&(const struct ipc_ops){
			IPC_CLONE_OPS,
			.fresh = true,
			.plan = &(const struct ipc_clone){ .flags = PVMMAP_MOVE },
			.acquire = clone_move_acquire,
		},
};
