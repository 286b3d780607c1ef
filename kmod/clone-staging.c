// SPDX-License-Identifier: GPL-2.0
/*
 * Clones at another address than the source's.
 *
 * The kernel's code for fork knows one address only: entries go where they came
 * from. Here they go to a staging address space, at the source's address, and
 * from there into place as mremap() would move them. A moved entry is the same
 * entry: no page is looked at, no count changes, nothing that fork decided is
 * decided again.
 *
 * The reverse map has to find every entry at every moment, or migration would
 * leave its own behind for ever. All three VMAs are linked to the source's
 * anon_vmas. A walk visits the source before those that copy from it, because
 * they begin at the same page offset or a higher one and were linked later: that
 * is what fork relies on. And a walk cannot miss what moves from staging into
 * place, because its locks are held meanwhile, as mremap() does.
 */
#include <linux/file.h>
#include <linux/mman.h>
#include <linux/rmap.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/swap.h>

#include <asm/pgalloc.h>

#include "clone.h"
#include "compat.h"

#ifdef CONFIG_TRANSPARENT_HUGEPAGE
/*
 * A huge entry without anonymous memory behind it is the huge zero page, which
 * belongs to the address space, not to the entry: it cannot be moved.
 */
static bool huge_is_zero(pmd_t pmd)
{
	return pmd_present(pmd) && !PageAnon(pmd_page(pmd));
}

static bool huge_move(struct vm_area_struct *from, unsigned long old,
		      struct mm_struct *to, unsigned long new, pmd_t *old_pmd,
		      pmd_t *new_pmd)
{
	if (!static_call(mmlab_move_huge_pmd)(from, old, new, old_pmd, new_pmd))
		return false;
	/* A huge entry has a page table in reserve, which came along. */
	mm_dec_nr_ptes(from->vm_mm);
	mm_inc_nr_ptes(to);
	clone_count(MMLAB_CLONE_STAT_HUGE_MOVED, 1);
	return true;
}
#else
static bool huge_is_zero(pmd_t pmd)
{
	return false;
}

static bool huge_move(struct vm_area_struct *from, unsigned long old,
		      struct mm_struct *to, unsigned long new, pmd_t *old_pmd,
		      pmd_t *new_pmd)
{
	return false;
}
#endif

/* The PMD entry of an address, upper levels made where missing. */
static pmd_t *pmd_make(struct mm_struct *mm, unsigned long addr)
{
	pgd_t *pgd = pgd_offset(mm, addr);
	p4d_t *p4d;
	pud_t *pud;

	if (pgd_none(*pgd) && static_call(mmlab_p4d_alloc)(mm, pgd, addr))
		return NULL;
	p4d = p4d_offset(pgd, addr);
	if (p4d_none(*p4d) && static_call(mmlab_pud_alloc)(mm, p4d, addr))
		return NULL;
	pud = pud_offset(p4d, addr);
	if (pud_none(*pud) && static_call(mmlab_pmd_alloc)(mm, pud, addr))
		return NULL;
	return pmd_offset(pud, addr);
}

/* Bytes from here on that lie in one page table on both sides. */
static unsigned long extent(unsigned long old, unsigned long new,
			    unsigned long left)
{
	return min3(PMD_SIZE - (old & ~PMD_MASK), PMD_SIZE - (new & ~PMD_MASK),
		    left);
}

/*
 * All page tables that moving will need, so that it cannot fail half-way. A
 * whole table takes the place of none.
 */
static int tables_make(const struct clone *clone)
{
	unsigned long old, next, end = clone->src_addr + clone->bytes;

	for (old = clone->src_addr; old < end; old = next) {
		unsigned long new = clone->dst_addr + (old - clone->src_addr);
		pmd_t *pmd = clone_pmd_find(clone->src_mm, old, end, &next);
		unsigned long bytes;

		cond_resched();
		if (fatal_signal_pending(current))
			return -EINTR;
		if (!pmd)
			continue;

		bytes = extent(old, new, end - old);
		next = old + bytes;
		pmd = pmd_make(clone->dst_mm, new);
		if (!pmd)
			return -ENOMEM;
		if (bytes < PMD_SIZE && pmd_none(READ_ONCE(*pmd)) &&
		    static_call(mmlab_pte_alloc)(clone->dst_mm, pmd))
			return -ENOMEM;
	}
	return 0;
}

static void ptes_move(struct mm_struct *from, unsigned long old, pmd_t *old_pmd,
		      struct mm_struct *to, unsigned long new, pmd_t *new_pmd,
		      unsigned long bytes)
{
	unsigned long end = old + bytes;
	spinlock_t *old_ptl, *new_ptl;
	pte_t *old_ptep, *new_ptep;
	unsigned long n = 0;

	old_ptep = mmlab_pte_lock(from, old_pmd, old, &old_ptl);
	if (!old_ptep)
		return;
	new_ptl = pte_lockptr(to, new_pmd);
	spin_lock_nested(new_ptl, SINGLE_DEPTH_NESTING);
	new_ptep = pte_offset_kernel(new_pmd, new);

	for (; old < end; old += PAGE_SIZE, new += PAGE_SIZE) {
		if (!pte_none(ptep_get(old_ptep))) {
			/* No CPU runs in staging: nothing to flush. */
			pte_t pte = ptep_get_and_clear(from, old, old_ptep);

			set_pte_at(to, new, new_ptep, pte);
			n++;
		}
		old_ptep++;
		new_ptep++;
	}

	spin_unlock(new_ptl);
	spin_unlock(old_ptl);
	clone_count(MMLAB_CLONE_STAT_PTES_MOVED, n);
}

static void table_move(struct mm_struct *from, pmd_t *old_pmd,
		       struct mm_struct *to, pmd_t *new_pmd)
{
	spinlock_t *old_ptl = pmd_lock(from, old_pmd);
	spinlock_t *new_ptl = pmd_lockptr(to, new_pmd);
	pmd_t pmd = *old_pmd;

	spin_lock_nested(new_ptl, SINGLE_DEPTH_NESTING);
	pmd_clear(old_pmd);
	pmd_populate(to, new_pmd, pmd_pgtable(pmd));
	mm_dec_nr_ptes(from);
	mm_inc_nr_ptes(to);
	spin_unlock(new_ptl);
	spin_unlock(old_ptl);
	clone_count(MMLAB_CLONE_STAT_TABLES_MOVED, 1);
}

/* What lies in one page table on both sides. Under the reverse map's locks. */
static void extent_move(struct vm_area_struct *from, unsigned long old,
			pmd_t *old_pmd, struct mm_struct *to, unsigned long new,
			pmd_t *new_pmd, unsigned long bytes)
{
	bool whole = bytes == PMD_SIZE && pmd_none(READ_ONCE(*new_pmd));

	if (clone_pmd_is_huge(READ_ONCE(*old_pmd))) {
		/* A hole reads the same. */
		if (huge_is_zero(READ_ONCE(*old_pmd)))
			return;
		if (whole && MMLAB_SPLIT_PMD_PTLOCKS &&
		    huge_move(from, old, to, new, old_pmd, new_pmd))
			return;
		clone_huge_split(from, old_pmd, old, MMLAB_CLONE_STAT_CLONE_SPLITS);
	}
	if (pmd_none(READ_ONCE(*old_pmd)))
		return;
	if (whole)
		table_move(from->vm_mm, old_pmd, to, new_pmd);
	else
		ptes_move(from->vm_mm, old, old_pmd, to, new, new_pmd, bytes);
}

static void staging_move(const struct clone *clone, struct vm_area_struct *from)
{
	struct address_space *mapping =
		from->vm_file ? from->vm_file->f_mapping : NULL;
	unsigned long old, next, end = clone->src_addr + clone->bytes;

	for (old = clone->src_addr; old < end; old = next) {
		unsigned long new = clone->dst_addr + (old - clone->src_addr);
		pmd_t *old_pmd = clone_pmd_find(from->vm_mm, old, end, &next);
		pmd_t *new_pmd;
		unsigned long bytes;
		bool moves;

		cond_resched();
		if (!old_pmd)
			continue;
		bytes = extent(old, new, end - old);
		next = old + bytes;
		/*
		 * Made by tables_make(), if the source had one then. A fault in
		 * a neighbour of the source, under the lock of that VMA alone,
		 * may have made one since, at the ends of the range: without
		 * entries of it.
		 */
		new_pmd = mmlab_pmd_walk(clone->dst_mm, new);
		if (!new_pmd)
			continue;
		if (bytes < PMD_SIZE && pmd_none(READ_ONCE(*new_pmd)))
			continue;

		if (mapping)
			i_mmap_lock_write(mapping);
		mmlab_anon_vma_lock(from->anon_vma);
		/*
		 * KSM may have merged a page since clone_ksm_break() looked: it
		 * needs the mmap_lock of one of those that map it, not ours.
		 * Where the page is on its way to another place, it comes back
		 * to the address of the merging only: wait for it there. That
		 * needs none of the locks that the caller holds.
		 */
		moves = clone_merged_moves(from->vm_mm, old_pmd, old, next);
		if (!moves)
			extent_move(from, old, old_pmd, clone->dst_mm, new,
				    new_pmd, bytes);
		mmlab_anon_vma_unlock(from->anon_vma);
		if (mapping)
			i_mmap_unlock_write(mapping);
		if (moves) {
			schedule_timeout_uninterruptible(1);
			next = old;
		}
	}
}

/* The one VMA of staging: the clone's, but where the source has it. */
static struct vm_area_struct *staging_vma(const struct clone *clone,
					  struct mm_struct *mm)
{
	struct vm_area_struct *vma;

	vma = static_call(mmlab_vm_area_dup)(clone->dst_vma);
	if (!vma)
		return NULL;
	vma->vm_mm = mm;
	vma->vm_start = clone->src_addr;
	vma->vm_end = clone->src_addr + clone->bytes;
	vma->anon_vma = NULL;
	/* Address space was charged once, with the clone. */
	mmlab_vm_flags_clear(vma, VM_ACCOUNT);
	if (vma->vm_file)
		get_file(vma->vm_file);
	if (vma->vm_ops && vma->vm_ops->open)
		vma->vm_ops->open(vma);

	if (mmlab_vma_insert(mm, vma)) {
		if (vma->vm_ops && vma->vm_ops->close)
			vma->vm_ops->close(vma);
		if (vma->vm_file)
			fput(vma->vm_file);
		static_call(mmlab_vm_area_free)(vma);
		return NULL;
	}

	/* From here on it goes with the address space. */
	vma->vm_pgoff = clone->dst_vma->vm_pgoff;
	mmlab_anon_pgoff_set(vma, mmlab_anon_pgoff(clone->dst_vma));
	vma->anon_vma = clone->dst_vma->anon_vma;
	if (mmlab_anon_vma_clone(vma, clone->dst_vma))
		return NULL;
	return vma;
}

int clone_copy_staged(struct clone *clone, struct vm_area_struct *range)
{
	struct mm_struct *mm = static_call(mmlab_mm_alloc)();
	struct vm_area_struct *vma;
	unsigned int own_id;
	int err = -ENOMEM;

	if (!mm)
		return -ENOMEM;
	clone->staging = mm;
	mmap_write_lock_nested(mm, SINGLE_DEPTH_NESTING + 1);
	/* Folios that know who maps them know the destination from the start. */
	own_id = mmlab_mm_id_set(mm, mmlab_mm_id(clone->dst_mm));

	vma = staging_vma(clone, mm);
	if (!vma)
		goto unlock_staging;
	err = tables_make(clone);
	if (err)
		goto unlock_staging;
	clone->copied = true;
	err = static_call(mmlab_copy_page_range)(vma, range);
	clone_ksm_unmark(clone, vma);
	/* First: it may read merged pages that are in swap. */
	if (!err)
		err = clone_twice_break(clone, vma);
	if (!err)
		err = clone_ksm_break(clone, vma);

	/* What is there even so: the caller unmaps the clone. */
	staging_move(clone, vma);
	mmlab_rss_move(clone->dst_mm, mm);
	/* swapoff goes through the address spaces of this list. */
	spin_lock(mmlab_mmlist_lock);
	if (!list_empty(&mm->mmlist) && list_empty(&clone->dst_mm->mmlist))
		list_add(&clone->dst_mm->mmlist, &mm->mmlist);
	spin_unlock(mmlab_mmlist_lock);
	if (!err)
		clone_count(MMLAB_CLONE_STAT_STAGED, 1);

unlock_staging:
	/* Nothing is mapped there any more. */
	mmlab_mm_id_set(mm, own_id);
	mmap_write_unlock(mm);
	return err;
}

void clone_staging_free(struct clone *clone)
{
	if (!clone->staging)
		return;
#ifdef CONFIG_MEMCG
	/* swapoff may hold it for longer than the caller lives. */
	rcu_assign_pointer(clone->staging->owner, NULL);
#endif
	mmput(clone->staging);
}
