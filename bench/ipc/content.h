/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * What is in a buffer. Each 64-bit word depends on its place and on the number of the operation, so that the sum of
 * the words tells a stale or torn buffer, and can be predicted without looking at any.
 */
#include "ipc.h"

/** ipc_fill() - timed: the producer writes p->addr. */
void ipc_fill(const struct ipc *p);

/** ipc_predict() - what the consumer's sum must be: @ret_by_seq times the number of the operation, plus @ret_base. */
void ipc_predict(const struct ipc *p, uint64_t *ret_by_seq, uint64_t *ret_base);

/** ipc_digest() - of all sums so far, after a further one. */
uint64_t ipc_digest(uint64_t digest, uint64_t sum);
