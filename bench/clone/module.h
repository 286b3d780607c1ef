/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Clones by the module: the plan of a contender, and its callbacks.
 */
#include "clone.h"

/* struct clone_module - the plan: flags of the call beside that for the address. */
struct clone_module {
	unsigned long flags;
};

/** clone_module_open(), clone_module_close() - memory for counters. */
int clone_module_open(struct clone *s);
void clone_module_close(struct clone *s);

/** clone_module_take(), clone_module_give() - clone the mapping to s->place; unmap it. */
int clone_module_take(struct clone *s);
int clone_module_give(struct clone *s);

/** clone_module_mark(), clone_module_prove() - before and after @n operations: have the counters moved as they must? */
int clone_module_mark(struct clone *s);
int clone_module_prove(struct clone *s, uint64_t n);

/** clone_module_flushes() - of the source, in one operation. */
double clone_module_flushes(const struct clone *s);

/** clone_module_faults() - what using shared pages takes the destination. */
uint64_t clone_module_faults(const struct clone *s);

/** clone_module_probe() - for needs.probe. */
const char *clone_module_probe(void);

#define CLONE_MODULE_OPS                                                                                               \
	.module = true, .places = true, .open = clone_module_open, .close = clone_module_close,                        \
	.take = clone_module_take, .give = clone_module_give
