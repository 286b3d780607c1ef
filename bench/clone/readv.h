/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Copies: the destination reads the source's memory into new memory of its own, or through a buffer that it keeps.
 */
#include "memory.h"

/**
 * struct clone_readv - the plan
 * @part:   bytes of the kept buffer, which are read and used at a time; 0: all at once
 * @kept:   the buffer stays; otherwise it is new memory each time
 * @locked: it is locked into memory
 */
struct clone_readv {
	size_t part;
	bool kept, locked;
};

/** clone_readv_open(), clone_readv_take(), clone_readv_give() - by process_vm_readv(2). */
int clone_readv_open(struct clone *s);
int clone_readv_take(struct clone *s);
int clone_readv_give(struct clone *s);

/** clone_readv_faults() - for ops->faults. */
uint64_t clone_readv_faults(const struct clone *s);

/** clone_readv_unfit() - for mmlab_contender.unfit of those that read in parts. */
const char *clone_readv_unfit(const struct mmlab_case *c);

#define CLONE_READV_OPS                                                                                                \
	.open = clone_readv_open, .take = clone_readv_take, .give = clone_readv_give, .faults = clone_readv_faults
