// SPDX-License-Identifier: MIT
/* write(2) into a pipe of the default size, read(2) out of it. */
#include "stream.h"

static const struct mmlab_contender pipe_default = {
	.name = "pipe",
	.summary = "write and read through a pipe",
	.needs = { .cpus = 2, .memory_bytes = ipc_memory_bytes },
	.unfit = ipc_unfit,
	.ops = &(const struct ipc_ops){ IPC_STREAM_OPS, .plan = &(const struct ipc_stream){ .make = ipc_pipe } },
};
