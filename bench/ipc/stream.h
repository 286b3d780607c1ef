/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Contenders that push the bytes through a descriptor: pipes and sockets. The consumer gathers the buffer in private
 * memory, as a message is of use only as a whole.
 */
#include "memory.h"

/**
 * struct ipc_stream - plan of such a contender
 * @make:  makes a pair of descriptors, [0] for the producer to write to, [1] for the consumer to read from
 * @chunk: bytes of one call; 0: all at once
 */
struct ipc_stream {
	int (*make)(int ret_pair[2]);
	size_t chunk;
};

/** ipc_stream_open() - for open_shared. */
int ipc_stream_open(struct ipc *p);

/** ipc_stream_write(), ipc_stream_read() - for release and take. */
int ipc_stream_write(struct ipc *p);
int ipc_stream_read(struct ipc *p);

/** ipc_pipe(), ipc_pipe_large() - a pipe of the default size, and of the largest that this user may have. */
int ipc_pipe(int ret_pair[2]);
int ipc_pipe_large(int ret_pair[2]);

#define IPC_STREAM_OPS                                                                                                 \
	.blocks = true, .open_shared = ipc_stream_open, .open_producer = ipc_private, .open_consumer = ipc_private,    \
	.release = ipc_stream_write, .take = ipc_stream_read, .copied = ipc_copied_twice
