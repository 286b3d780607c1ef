/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * What is in the memory. Each 64-bit word depends on its place, and one word of each page, its stamp, also on the
 * operation and on who wrote last: a stale page, or one that must not have been seen, tells itself.
 */
#include "clone.h"

/** clone_fill() - every word of the source's memory, with the stamps of operation s->seq. */
void clone_fill(const struct clone *s);

/** clone_stamp() - the stamp of each page of @bytes at @offset of the memory, which lie at @addr. */
void clone_stamp(const struct clone *s, enum clone_writer writer, void *addr, size_t offset, size_t bytes);

/** clone_sum() - as s->use says: none, stamps or all words; CLONE_USE_WRITE writes stamps. */
uint64_t clone_sum(const struct clone *s, const void *addr, size_t offset, size_t bytes);

/** clone_sum_expected() - of all of the memory, in operation s->seq. */
uint64_t clone_sum_expected(const struct clone *s);

/** clone_compare() - every word, against what @writer left. Return: 0 or what clone_blame() returns. */
int clone_compare(struct clone *s, enum clone_writer writer, const void *addr, size_t offset, size_t bytes);
