/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Contenders that hand over a memory file: the producer maps it, writes, unmaps and sends the descriptor; the consumer
 * maps it, reads, unmaps and closes it. The consumer is told before it looks for the descriptor, in the same way as where
 * nothing is sent, so that mapping is compared and not waking.
 */
#include "memory.h"

/**
 * struct ipc_memfd - plan of such a contender
 * @kept:     the file stays with the producer for the next transfer, with its pages; otherwise it is a new one
 * @sealed:   against writing, resizing and further seals, before it is sent; the consumer looks whether it is
 * @populate: either side fills its page tables when it maps
 */
struct ipc_memfd {
	bool kept, sealed, populate;
};

/* For open_shared, open_consumer, acquire, release, take and give. */
int ipc_memfd_open(struct ipc *p);
int ipc_memfd_open_consumer(struct ipc *p);
int ipc_memfd_acquire(struct ipc *p);
int ipc_memfd_release(struct ipc *p);
int ipc_memfd_take(struct ipc *p);
int ipc_memfd_give(struct ipc *p);

/* For faults and consumer_faults. */
uint64_t ipc_memfd_faults(const struct ipc *p);
uint64_t ipc_memfd_consumer_faults(const struct ipc *p);

#define IPC_MEMFD_OPS                                                                                                  \
	.many = true, .open_shared = ipc_memfd_open, .open_consumer = ipc_memfd_open_consumer,                         \
	.acquire = ipc_memfd_acquire, .release = ipc_memfd_release, .take = ipc_memfd_take, .give = ipc_memfd_give,    \
	.faults = ipc_memfd_faults, .consumer_faults = ipc_memfd_consumer_faults,                                      \
	.revokes = IPC_REVOKES_WRITE | IPC_REVOKES_READ | IPC_REVOKES_CONSUMER
