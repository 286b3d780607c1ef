/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The module's lockable buffers as the contenders use them, and the module's counters as proof.
 */
#include "lock.h"

struct buffer_counts {
	uint64_t n[MMLAB_LOCKBUF_N_STATS];
};

/** buffer_open() - for lock_ops.open: create, populate and map the contender's buffer. */
int buffer_open(struct lock *l);

/** buffer_open_granted() - the same, and the caller owns it from then on: for contenders that never LOCK. */
int buffer_open_granted(struct lock *l);

/** buffer_lock(), buffer_unlock(), buffer_nop(), buffer_flush() - for lock_ops.grant and .revoke. */
int buffer_lock(struct lock *l);
int buffer_unlock(struct lock *l);
int buffer_nop(struct lock *l);
int buffer_flush(struct lock *l);

/** buffer_probe() - for needs.probe: NULL, or why buffers with this strategy can't be had. */
const char *buffer_probe(enum mmlab_lockbuf_flush flush);

/** buffer_counts_read() - the module's counters now. Return: 0 or -errno. */
int buffer_counts_read(struct buffer_counts *ret);

/** buffer_counts_since() - how much they moved from what @counts holds. Return: 0 or -errno. */
int buffer_counts_since(struct buffer_counts *counts);

/** buffer_flushes() - flushes of all kinds that were carried out. */
uint64_t buffer_flushes(const struct buffer_counts *counts);

/** buffer_check() - are these the counts of @n_ops operations, to the last one? Return: 0, or what mmlab_fail() says.
 */
int buffer_check(struct lock *l, const struct lock_buffer *buffer, const struct buffer_counts *counts, uint64_t n_ops);
