// SPDX-License-Identifier: MIT
/*
 * As vmsplice; the consumer moves the pages on into a memory file of its own, which it keeps mapped. The kernel may
 * take over pages that were given away (SPLICE_F_GIFT), but memory files have not done so for long: it is a copy as
 * well.
 */
#include "stream.h"

static int vmsplice_splice_open_consumer(struct ipc *p)
{
	int e = ipc_file(p);

	return e ? e : ipc_file_consumer(p);
}

static int vmsplice_splice_take(struct ipc *p)
{
	off_t to = 0;

	while (to < (off_t)p->bytes) {
		ssize_t n = splice(ipc_there(p, 0), NULL, p->fd, &to, p->bytes - (size_t)to, SPLICE_F_MOVE);

		if (n <= 0)
			return n ? -errno : -EPIPE;
	}
	return ipc_take(p);
}

static const struct mmlab_contender vmsplice_splice = {
	.name = "vmsplice-splice",
	.summary = "pages put into a large pipe by vmsplice, spliced into a mapped memory file",
	.needs = { .cpus = 2, .memory_bytes = ipc_memory_bytes },
	.unfit = ipc_unfit,
	.full_only = true,
	.ops = &(const struct ipc_ops){
		VMSPLICE_OPS,
		.open_consumer = vmsplice_splice_open_consumer,
		.take = vmsplice_splice_take,
	},
};
