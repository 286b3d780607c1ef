// SPDX-License-Identifier: MIT
/* A stream of bytes through a local socket, whose buffer is as large as any user may have it. */
#include "stream.h"

#include <errno.h>
#include <sys/socket.h>

static int socketpair_make(int type, int ret_pair[2])
{
	int bytes = 4 << 20; /* cut down to net.core.wmem_max */

	if (socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, ret_pair))
		return -errno;
	return setsockopt(ret_pair[0], SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes)) ? -errno : 0;
}

static int socketpair_make_stream(int ret_pair[2])
{
	return socketpair_make(SOCK_STREAM, ret_pair);
}

static const struct mmlab_contender socketpair_stream = {
	.name = "socketpair",
	.summary = "write and read through a local stream socket",
	.needs = { .cpus = 2, .memory_bytes = ipc_memory_bytes },
	.unfit = ipc_unfit,
	.ops = &(const struct ipc_ops){
		IPC_STREAM_OPS,
		.plan = &(const struct ipc_stream){ .make = socketpair_make_stream },
	},
};
