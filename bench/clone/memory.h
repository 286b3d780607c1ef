/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Memory of the destination, and page-fault arithmetic.
 */
#include "clone.h"

/** clone_map() - map @bytes of s->fd, or private memory if @fd is -1, at s->place, as s->map. Return: 0 or -errno. */
int clone_map(struct clone *s, size_t bytes, int flags, int fd);

/** clone_unmap() - unmap s->map. Return: 0 or -errno. */
int clone_unmap(struct clone *s);

/** clone_map_fresh() - for ops->take: private memory, all of it new. */
int clone_map_fresh(struct clone *s);

/* Page faults. */

/** clone_faults_shared() - using pages shared by copy-on-write: swapped ones when read, all when written. */
uint64_t clone_faults_shared(const struct clone *s);

/** clone_faults_forked() - the same in a child of fork, whose entries are old: all, if that takes a fault. */
uint64_t clone_faults_forked(const struct clone *s);

/** clone_faults_pages() - one for each page. */
uint64_t clone_faults_pages(const struct clone *s);

/** clone_faults_swapped() - one for each page that has to come from swap, as copies by the destination take. */
uint64_t clone_faults_swapped(const struct clone *s);

/** clone_faults_fresh() - copying all into new memory. */
uint64_t clone_faults_fresh(const struct clone *s);
