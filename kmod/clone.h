/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Cloning a mapping: what clone.c, which finds and makes mappings, and
 * clone-copy.c, clone-staging.c and clone-twice.c, which fill page tables, have
 * in common.
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
#include <linux/swapops.h>

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
 * @has_copies: some pages were copied, not shared
 * @copied: entries were copied, so that the source's may have lost their right
 *	to write
 * @flushed: no TLB has that right any more
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
	bool has_copies;
	bool copied;
	bool flushed;
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
 * Return: 0; -ENOMEM; -EINTR; -EFAULT for a program that is traced by uprobes,
 * whose breakpoints are in the clone already.
 */
int clone_copy(struct clone *clone);

/**
 * clone_copy_staged() - the same at another address
 * @range: the part of the source's VMA that is cloned, as a VMA
 *
 * Return: as clone_copy().
 */
int clone_copy_staged(struct clone *clone, struct vm_area_struct *range);

/* Without the locks. */
void clone_staging_free(struct clone *clone);

/* Takes the right to write from the TLBs of the source's processors, once. */
void clone_flush(struct clone *clone);

/**
 * clone_ksm_break() - give a VMA pages of its own in place of merged ones
 * @clone: learns that there were some
 * @vma: the clone or staging
 *
 * KSM finds the entries of its pages by the address that it merged them at,
 * whatever the mapping is called there, and looks for them in processes that
 * asked for it. Whether pages are merged only they themselves tell: a mapping
 * has some without having asked for it when it finds them in the swap cache.
 *
 * Return: 0, -ENOMEM or -EINTR.
 */
int clone_ksm_break(struct clone *clone, struct vm_area_struct *vma);

/**
 * clone_twice_break() - give a VMA pages of its own in place of those that its
 *	process may map already
 * @clone: learns that there were some
 * @vma: the clone or staging
 *
 * Only on kernels whose large folios know who maps them.
 *
 * Return: 0, -ENOMEM, -EINTR, or -EFAULT for memory that failed.
 */
int clone_twice_break(struct clone *clone, struct vm_area_struct *vma);

/**
 * clone_ksm_unmark() - what KSM made the zero page becomes any zero page
 * @clone: the call
 * @vma: the clone or staging
 *
 * KSM marks it by its dirty bit and counts it; unmapping takes a marked one off
 * that count, which copying did not add to. Comes right after the copying,
 * whatever that returned. Such entries are in VMAs that asked for KSM only.
 */
void clone_ksm_unmark(const struct clone *clone, struct vm_area_struct *vma);

/**
 * clone_merged_moves() - is a merged page of a page table being migrated?
 * @mm: staging
 * @pmd: entry of the table
 * @addr: start of the part looked at
 * @end: its end, in the same table
 *
 * Under the lock of the reverse map, without which none begins to.
 */
bool clone_merged_moves(struct mm_struct *mm, pmd_t *pmd, unsigned long addr,
			unsigned long end);

/**
 * clone_pmd_find() - walk to the next page table
 * @end: end of the range that is walked
 * @ret_next: where to go on: the end of what the entry covers or, where a table
 *	is missing, of what that would cover; at most @end
 *
 * Return: an entry that is not empty, or NULL.
 */
pmd_t *clone_pmd_find(struct mm_struct *mm, unsigned long addr,
		      unsigned long end, unsigned long *ret_next);

static inline bool clone_pmd_is_huge(pmd_t pmd)
{
#ifdef CONFIG_TRANSPARENT_HUGEPAGE
	/* One on its way to another place is not present. */
	return (!pmd_none(pmd) && !pmd_present(pmd)) || pmd_trans_huge(pmd);
#else
	return false;
#endif
}

/* Into 4 KiB entries; the page stays whole. */
void clone_huge_split(struct vm_area_struct *vma, pmd_t *pmd,
		      unsigned long addr, enum mmlab_clone_stat stat);

#endif /* MMLAB_CLONE_H */
