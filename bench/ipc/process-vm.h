/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * process_vm_readv(2): the consumer copies straight out of the producer's memory, all at once or, as far as it can deal
 * with a part at a time, through a small buffer that stays in its caches.
 */
#include "memory.h"

/** ipc_vm_open_producer(), ipc_vm_open_consumer() - the plan is a size_t: bytes of the consumer's buffer, 0 for all. */
int ipc_vm_open_producer(struct ipc *p);
int ipc_vm_open_consumer(struct ipc *p);

/** ipc_vm_unfit() - for mmlab_contender.unfit of those with a plan other than 0. */
const char *ipc_vm_unfit(const struct mmlab_case *c);

/** ipc_vm_take() - for take. */
int ipc_vm_take(struct ipc *p);

#define IPC_VM_OPS                                                                                                     \
	.many = true, .open_producer = ipc_vm_open_producer, .open_consumer = ipc_vm_open_consumer,                    \
	.take = ipc_vm_take, .copied = ipc_copied_once
