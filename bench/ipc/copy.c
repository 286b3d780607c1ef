// SPDX-License-Identifier: MIT
/*
 * Shared memory as in shm, but the consumer copies the buffer to private memory before it looks at it: what it must do
 * if it does not trust the producer to keep its hands off. The difference to shm is the price of one plain copy.
 */
#include "memory.h"

#include <string.h>
#include <sys/mman.h>

static int copy_open_consumer(struct ipc *p)
{
	int e = ipc_file_consumer(p);

	return e ? e
		 : mmlab_map_open(&p->buffer, p->bytes, PROT_READ | PROT_WRITE,
				  MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
}

static int copy_take(struct ipc *p)
{
	memcpy(p->buffer.addr, p->addr, p->bytes);
	ipc_consume(p, p->buffer.addr, 0, p->bytes);
	return 0;
}

static const struct mmlab_contender copy_out = {
	.name = "copy",
	.summary = "shared memory, copied by the consumer before it looks",
	.needs = { .cpus = 2, .memory_bytes = ipc_memory_bytes },
	.unfit = ipc_unfit,
	.ops = &(const struct ipc_ops){
		IPC_FILE_OPS,
		.open_consumer = copy_open_consumer,
		.take = copy_take,
		.copied = ipc_copied_once,
	},
};
