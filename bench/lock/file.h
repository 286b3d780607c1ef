/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Memory files, for the contenders that do with what the kernel offers.
 */
#include "lock.h"

/** file_open() - for lock_ops.open: a populated memfd into l->fd, not mapped. */
int file_open(struct lock *l);

/** file_open_mapped() - for lock_ops.open: the same, mapped for writing into l->map, and every page touched. */
int file_open_mapped(struct lock *l);

/** file_map() - map l->fd, shared, for reading and writing, at l->addr, with further @flags. Return: 0 or -errno. */
int file_map(struct lock *l, int flags);

/** file_unmap() - for lock_ops.revoke: take that away. */
int file_unmap(struct lock *l);

/** file_protect() - mprotect l->map. Return: 0 or -errno. */
int file_protect(struct lock *l, int prot);

/** file_grant_access(), file_revoke_access() - for lock_ops: mprotect to reading and writing, and to nothing. */
int file_grant_access(struct lock *l);
int file_revoke_access(struct lock *l);

/** file_faults_windows() - for lock_ops.faults: the kernel maps resident neighbours at once, a window at a time. */
uint64_t file_faults_windows(const struct lock *l);
