/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Address spaces of the module's: an arena, whose ranges are mapped and unmapped by its commands under the lock that
 * the contender is about, and in which faults register as the axis `pending` says.
 */
#include "faultmix.h"

/** arena_open() and so on: for the ops of the same names. */
int arena_open(struct faultmix *f);
int arena_map(struct faultmix *f, size_t offset, size_t bytes);
int arena_unmap(struct faultmix *f, size_t offset, size_t bytes);
int arena_change(struct faultmix *f, size_t offset);
int arena_populate(struct faultmix *f, size_t offset, size_t bytes);
int arena_hold(struct faultmix *f, unsigned int ms);

/** arena_probe() - NULL, or why the module's arenas, or this scheme, are not there. */
const char *arena_probe(enum mmlab_arena_scheme scheme);
