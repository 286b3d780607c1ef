/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Cloning a mapping: what clone.c, which finds and makes mappings, and
 * clone-copy.c, which fills page tables, have in common.
 *
 * Lock order: the mmap_locks of source and destination, both for writing, the
 * lower address first; the mmap_lock of staging, which nobody else takes first;
 * then as in the kernel: i_mmap_rwsem, the anon_vma's lock, the page-table
 * locks, staging's before the destination's.
 */
#ifndef MMLAB_CLONE_H
#define MMLAB_CLONE_H

#include <linux/mm.h>
#include <linux/percpu.h>

#include "mmlab.h"

/**
 * struct clone - one call, with both mmap_locks held
 * @src_mm: the address space cloned from; a user of it
 * @dst_mm: current->mm
 * @src_vma: the mapping that holds the range
 * @dst_vma: the clone; ends where the range ends
 * @src_addr: start of the range
 * @dst_addr: start of the clone
 * @bytes: length of both
 * @staging: address space that page tables came through, or NULL; to be freed
 *	by clone_staging_free() once the locks were released
 * @copied: entries were copied, so that the source's may have lost their right
 *	to write
 */
struct clone {
	struct mm_struct *src_mm;
	struct mm_struct *dst_mm;
	struct vm_area_struct *src_vma;
	struct vm_area_struct *dst_vma;
	unsigned long src_addr;
	unsigned long dst_addr;
	unsigned long bytes;
	struct mm_struct *staging;
	bool copied;
};

DECLARE_PER_CPU(u64[MMLAB_CLONE_N_STATS], clone_counts);

static __always_inline void clone_count(enum mmlab_clone_stat stat, long n)
{
	this_cpu_add(clone_counts[stat], n);
}

/**
 * clone_copy() - share the private pages of the range with the clone
 * @clone: @dst_vma is new, and its pgoff is that of the range
 *
 * On failure the clone may hold a part; unmapping it is enough.
 *
 * Return: 0; -ENOMEM; -ERESTARTSYS; -EFAULT for a program that is traced by
 * uprobes, whose breakpoints are in the clone already.
 */
int clone_copy(struct clone *clone);

/* Without the locks. */
void clone_staging_free(struct clone *clone);

#endif /* MMLAB_CLONE_H */
