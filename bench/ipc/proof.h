/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The untimed half of the scenario: what a transfer costs beside time, and the proof that it did what it says.
 */
#include "ipc.h"

/** ipc_transfer() - @n operations; @handed_over is called in each, before the consumer is told; may be NULL. */
int ipc_transfer(struct ipc *p, uint64_t n, int (*handed_over)(struct ipc *p));

/** ipc_fail() - end a callback: with what ipc_blame() was told, if anything, or @what. Return: as mmlab_fail(). */
int ipc_fail(struct ipc *p, int e, const char *what);

/** ipc_probe() - either side: has it lost the access that the contender says it has? Return: 0 or -EIO. */
int ipc_probe(struct ipc *p);

/** ipc_observe(), ipc_verify() - as in struct mmlab_scenario. */
int ipc_observe(struct mmlab_case *c);
int ipc_verify(struct mmlab_case *c);
