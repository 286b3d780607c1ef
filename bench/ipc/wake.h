/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * How the sides tell each other: by a futex (only woken if somebody sleeps) or by spinning, both on words of the
 * control block; or, where the consumer waits in the kernel's call that brings the data, by one byte back through a
 * pipe.
 */
#include "ipc.h"

/** ipc_tell() - producer: operation p->seq is handed over. */
void ipc_tell(struct ipc *p);

/** ipc_await() - consumer: wait until it is. */
void ipc_await(struct ipc *p);

/** ipc_tell_back() - consumer: done with it. Return: 0 or -errno. */
int ipc_tell_back(struct ipc *p);

/** ipc_await_back() - producer: until all consumers are. Return: 0 or -errno; -EPIPE if one of them is dead. */
int ipc_await_back(struct ipc *p);

/** ipc_tell_ready() - consumer: set up. */
void ipc_tell_ready(struct ipc *p);

/** ipc_await_ready() - producer: until all consumers are set up. Return: as ipc_await_back(). */
int ipc_await_ready(struct ipc *p);
