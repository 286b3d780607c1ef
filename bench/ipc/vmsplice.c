// SPDX-License-Identifier: MIT
/*
 * The producer puts its pages themselves into a pipe; read(2) copies them out, once. The producer may not touch them
 * before the consumer has read all, which is when it has the buffer back.
 */
#include "stream.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/uio.h>

static int vmsplice_release(struct ipc *p)
{
	for (size_t done = 0; done < p->bytes;) {
		struct iovec iov = { .iov_base = p->addr + done, .iov_len = p->bytes - done };
		ssize_t n = vmsplice(ipc_there(p, 0), &iov, 1, 0);

		if (n < 0)
			return -errno;
		done += (size_t)n;
	}
	return 0;
}

#define VMSPLICE_OPS                                                                                                   \
	.blocks = true, .open_shared = ipc_stream_open, .open_producer = ipc_private, .release = vmsplice_release,     \
	.copied = ipc_copied_once, .plan = &(const struct ipc_stream){ .make = ipc_pipe_large }

static const struct mmlab_contender vmsplice_read = {
	.name = "vmsplice",
	.summary = "pages put into a large pipe by vmsplice, read out of it",
	.needs = { .cpus = 2, .memory_bytes = ipc_memory_bytes },
	.unfit = ipc_unfit,
	.ops = &(const struct ipc_ops){
		VMSPLICE_OPS,
		.open_consumer = ipc_private,
		.take = ipc_stream_read,
	},
};
