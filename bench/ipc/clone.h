/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * What process_vm_mmap() was proposed for: the producer fills private memory, and the consumer clones its mapping.
 */
#include "libmmlab.h"
#include "memory.h"

/* struct ipc_clone - the plan: flags of the call beside that for the address. */
struct ipc_clone {
	unsigned long flags;
};

/* For struct ipc_ops. */
int ipc_clone_open_producer(struct ipc *p);
int ipc_clone_take(struct ipc *p);
void ipc_clone_close(struct ipc *p);
void ipc_clone_mark(struct ipc *p);
int ipc_clone_prove(struct ipc *p, uint64_t n_ops);

/** ipc_clone_probe() - for needs.probe: NULL, or why the module cannot clone. */
const char *ipc_clone_probe(void);

#define IPC_CLONE_OPS                                                                                                  \
	.revokes = IPC_REVOKES_CONSUMER, .open_producer = ipc_clone_open_producer, .take = ipc_clone_take,             \
	.give = ipc_unmap, .close = ipc_clone_close, .mark = ipc_clone_mark, .prove = ipc_clone_prove,                 \
	.faults = ipc_faults_pages
