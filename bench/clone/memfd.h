/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * What a design that knows beforehand would do: the source's memory is a memory file, which the destination maps
 * shared. Then it is not private: either side sees what the other writes.
 */
#include "memory.h"

struct clone_memfd {
	bool populate, kept;
};

/** clone_memfd_open_shared(), clone_memfd_open(), clone_memfd_take(), clone_memfd_give() - the callbacks. */
int clone_memfd_open_shared(struct clone *s);
int clone_memfd_open(struct clone *s);
int clone_memfd_take(struct clone *s);
int clone_memfd_give(struct clone *s);

/** clone_memfd_faults() - for ops->faults. */
uint64_t clone_memfd_faults(const struct clone *s);

#define CLONE_MEMFD_OPS                                                                                                \
	.shared = true, .open_shared = clone_memfd_open_shared, .open = clone_memfd_open, .take = clone_memfd_take,    \
	.give = clone_memfd_give, .faults = clone_memfd_faults
