// SPDX-License-Identifier: MIT
/* A pipe with F_SETPIPE_SZ at what /proc/sys/fs/pipe-max-size allows: fewer wake-ups. */
#include "stream.h"

static const struct mmlab_contender pipe_large = {
	.name = "pipe-large",
	.summary = "write and read through a pipe as large as the system allows",
	.needs = { .cpus = 2, .memory_bytes = ipc_memory_bytes },
	.unfit = ipc_unfit,
	.ops = &(const struct ipc_ops){ IPC_STREAM_OPS, .plan = &(const struct ipc_stream){ .make = ipc_pipe_large } },
};
