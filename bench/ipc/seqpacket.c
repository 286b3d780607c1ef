// SPDX-License-Identifier: MIT
/* The same as messages of at most 128 KiB, which fit any default buffer. */
#include "stream.h"

#include <sys/socket.h>

static int seqpacket_make(int ret_pair[2])
{
	return socketpair_make(SOCK_SEQPACKET, ret_pair);
}

static const struct mmlab_contender seqpacket = {
	.name = "seqpacket",
	.summary = "messages of 128 KiB through a local socket",
	.needs = { .cpus = 2, .memory_bytes = ipc_memory_bytes },
	.unfit = ipc_unfit,
	.full_only = true,
	.ops = &(const struct ipc_ops){
		IPC_STREAM_OPS,
		.plan = &(const struct ipc_stream){ .make = seqpacket_make, .chunk = 128 << 10 },
	},
};
