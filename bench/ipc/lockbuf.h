/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Contenders that hand over a lockable buffer of the module: LOCK, write, UNLOCK, and the same on the consumer's side.
 */
#include "libmmlab.h"
#include "memory.h"

/**
 * struct ipc_lock - plan of such a contender
 * @mode, @flush: as of mmlab_lockbuf_create()
 * @flags: beside MMLAB_LOCKBUF_POPULATE
 */
struct ipc_lock {
	enum mmlab_lockbuf_mode mode;
	enum mmlab_lockbuf_flush flush;
	unsigned int flags;
};

/* For struct ipc_ops. */
int ipc_lock_open(struct ipc *p);
int ipc_lock_open_producer(struct ipc *p);
int ipc_lock_open_consumer(struct ipc *p);
int ipc_lock_acquire(struct ipc *p);
int ipc_lock_release(struct ipc *p);
int ipc_lock_take(struct ipc *p);
void ipc_lock_close(struct ipc *p);
void ipc_lock_mark(struct ipc *p);
int ipc_lock_prove(struct ipc *p, uint64_t n);

/** ipc_lock_probe() - for needs.probe: NULL, or why the module's buffers can't be had; by flush strategy. */
const char *ipc_lock_probe(enum mmlab_lockbuf_flush flush);

#define IPC_LOCK_OPS                                                                                                   \
	.open_shared = ipc_lock_open, .open_producer = ipc_lock_open_producer,                                         \
	.open_consumer = ipc_lock_open_consumer, .acquire = ipc_lock_acquire, .release = ipc_lock_release,             \
	.take = ipc_lock_take, .give = ipc_lock_release, .close = ipc_lock_close, .mark = ipc_lock_mark,               \
	.prove = ipc_lock_prove
