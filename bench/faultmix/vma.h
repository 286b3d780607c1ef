/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Address spaces of the kernel's: anonymous memory, and regions of the module. Mapping and unmapping are mmap(2) and
 * munmap(2), at fixed places.
 */
#include "faultmix.h"

/** vma_open_anon() - for ops.open: nothing but a place. */
int vma_open_anon(struct faultmix *f);

/** vma_open_region() - for ops.open: a descriptor of the contender's mode. */
int vma_open_region(struct faultmix *f);

/** vma_map() and so on: for the ops of the same names. */
int vma_map(struct faultmix *f, size_t offset, size_t bytes);
int vma_unmap(struct faultmix *f, size_t offset, size_t bytes);
int vma_change(struct faultmix *f, size_t offset);
int vma_populate(struct faultmix *f, size_t offset, size_t bytes);
int vma_hold(struct faultmix *f, unsigned int ms);
const char *vma_no_hold(void);

/** vma_probe() - for needs.probe: NULL, or why the module's regions are not there. */
const char *vma_probe(void);

/** vma_probe_hook() - the same for those that need the hook in the fault path. */
const char *vma_probe_hook(void);
