// SPDX-License-Identifier: GPL-2.0
/*
 * Filling the page tables of a clone.
 *
 * What may be shared, what is copied, and how the reverse map learns of it is
 * decided by the kernel's own code for fork, copy_page_range(). At the source's
 * address that is all; for another one see clone-staging.c.
 */
#include <linux/ksm.h>
#include <linux/mman.h>
#include <linux/rmap.h>
#include <linux/sched/coredump.h>
#include <linux/swap.h>

#include "clone.h"
#include "compat.h"

#ifdef CONFIG_TRANSPARENT_HUGEPAGE
void clone_huge_split(struct vm_area_struct *vma, pmd_t *pmd,
		      unsigned long addr, enum mmlab_clone_stat stat)
{
	mmlab_split_huge_pmd(vma, pmd, addr);
	clone_count(stat, 1);
}
#else
void clone_huge_split(struct vm_area_struct *vma, pmd_t *pmd,
		      unsigned long addr, enum mmlab_clone_stat stat)
{
}
#endif

pmd_t *clone_pmd_find(struct mm_struct *mm, unsigned long addr,
		      unsigned long end, unsigned long *ret_next)
{
	pgd_t *pgd = pgd_offset(mm, addr);
	p4d_t *p4d;
	pud_t *pud;
	pmd_t *pmd;

	*ret_next = pgd_addr_end(addr, end);
	if (pgd_none(*pgd) || pgd_bad(*pgd))
		return NULL;
	p4d = p4d_offset(pgd, addr);
	*ret_next = p4d_addr_end(addr, end);
	if (p4d_none(*p4d) || p4d_bad(*p4d))
		return NULL;
	pud = pud_offset(p4d, addr);
	*ret_next = pud_addr_end(addr, end);
	if (pud_none(*pud) || pud_bad(*pud))
		return NULL;
	pmd = pmd_offset(pud, addr);
	*ret_next = pmd_addr_end(addr, end);
	return pmd_none(READ_ONCE(*pmd)) ? NULL : pmd;
}

#ifdef CONFIG_KSM
/* Also while the page is being migrated, when it may be KSM's as well. */
static bool is_merged(pte_t pte)
{
	struct page *page;

	if (pte_none(pte))
		return false;
	if (pte_present(pte))
		page = pte_special(pte) ? NULL : pte_page(pte);
	else
		page = mmlab_migrating_page(pte);
	return page && folio_test_ksm(page_folio(page));
}

/* Looks at the entries of a part of one page table. */
static bool table_has(struct mm_struct *mm, pmd_t *pmd, unsigned long addr,
		      unsigned long end, bool (*is_it)(pte_t pte))
{
	bool found = false;
	spinlock_t *ptl;
	pte_t *ptep;

	ptep = mmlab_pte_lock(mm, pmd, addr, &ptl);
	if (!ptep)
		return false;
	for (; addr < end && !found; addr += PAGE_SIZE, ptep++)
		found = is_it(ptep_get(ptep));
	spin_unlock(ptl);
	return found;
}

static bool is_merged_and_moving(pte_t pte)
{
	return !pte_present(pte) && is_merged(pte);
}

bool clone_merged_moves(struct mm_struct *mm, pmd_t *pmd, unsigned long addr,
			unsigned long end)
{
	return table_has(mm, pmd, addr, end, is_merged_and_moving);
}

static void table_unmark(struct mm_struct *mm, pmd_t *pmd, unsigned long addr,
			 unsigned long end)
{
	spinlock_t *ptl;
	pte_t *ptep;

	ptep = mmlab_pte_lock(mm, pmd, addr, &ptl);
	if (!ptep)
		return;
	for (; addr < end; addr += PAGE_SIZE, ptep++) {
		pte_t pte = ptep_get(ptep);

		if (pte_present(pte) && mmlab_is_ksm_zero_pte(pte))
			set_pte_at(mm, addr, ptep, pte_mkclean(pte));
	}
	spin_unlock(ptl);
}

void clone_ksm_unmark(const struct clone *clone, struct vm_area_struct *vma)
{
	unsigned long addr, next;

	if (!(clone->src_vma->vm_flags & VM_MERGEABLE))
		return;
	for (addr = vma->vm_start; addr < vma->vm_end; addr = next) {
		pmd_t *pmd = clone_pmd_find(vma->vm_mm, addr, vma->vm_end,
					    &next);

		cond_resched();
		if (pmd)
			table_unmark(vma->vm_mm, pmd, addr, next);
	}
}

int clone_ksm_break(struct clone *clone, struct vm_area_struct *vma)
{
	unsigned long addr, next;
	int err;

	for (addr = vma->vm_start; addr < vma->vm_end; addr = next) {
		pmd_t *pmd = clone_pmd_find(vma->vm_mm, addr, vma->vm_end,
					    &next);
		unsigned long flags = VM_MERGEABLE;

		cond_resched();
		if (!pmd || clone_pmd_is_huge(READ_ONCE(*pmd)) ||
		    !table_has(vma->vm_mm, pmd, addr, next, is_merged))
			continue;
		clone->has_copies = true;
		err = static_call(mmlab_ksm_madvise)(vma, addr, next,
						     MADV_UNMERGEABLE, &flags);
		/*
		 * Not restarted: for each signal of a timer it would begin
		 * anew, and with FIXED replace what another thread has mapped
		 * meanwhile where the old mapping was.
		 */
		if (err)
			return err == -ERESTARTSYS ? -EINTR : err;
	}
	return 0;
}
#else
int clone_ksm_break(struct clone *clone, struct vm_area_struct *vma)
{
	return 0;
}

void clone_ksm_unmark(const struct clone *clone, struct vm_area_struct *vma)
{
}

bool clone_merged_moves(struct mm_struct *mm, pmd_t *pmd, unsigned long addr,
			unsigned long end)
{
	return false;
}
#endif

/*
 * Unmapping frees tables that nothing else uses, and copying a huge entry counts
 * on it. This looks all the same: to be wrong would leak a table.
 */
static bool can_copy_direct(const struct clone *clone)
{
	unsigned long end = clone->dst_addr + clone->bytes;
	unsigned long addr, next;

	if (clone->src_addr != clone->dst_addr)
		return false;
	/* Only where a whole table would be, one may be in the way. */
	for (addr = ALIGN(clone->dst_addr, PMD_SIZE);
	     addr < ALIGN_DOWN(end, PMD_SIZE); addr = next) {
		if (clone_pmd_find(clone->dst_mm, addr, end, &next))
			return false;
		cond_resched();
	}
	return true;
}

static int copy_direct(struct clone *clone, struct vm_area_struct *range)
{
	int err;

	clone->copied = true;
	err = static_call(mmlab_copy_page_range)(clone->dst_vma, range);
	clone_ksm_unmark(clone, clone->dst_vma);
	if (err)
		return err;
	/* First: it may read merged pages that are in swap. */
	err = clone_twice_break(clone, clone->dst_vma);
	if (err)
		return err;
	/* Here KSM finds its pages, too: this is about being charged for them. */
	if (clone->src_vma->vm_flags & VM_MERGEABLE) {
		err = clone_ksm_break(clone, clone->dst_vma);
		if (err)
			return err;
	}
	clone_count(MMLAB_CLONE_STAT_DIRECT, 1);
	return 0;
}

/* Huge pages that reach beyond the range cannot be copied as one. */
static void edge_split(struct vm_area_struct *vma, unsigned long addr)
{
	pmd_t *pmd;

	if (!(addr & ~PMD_MASK))
		return;
	pmd = mmlab_pmd_walk(vma->vm_mm, addr);
	if (pmd && clone_pmd_is_huge(READ_ONCE(*pmd)))
		clone_huge_split(vma, pmd, addr, MMLAB_CLONE_STAT_SOURCE_SPLITS);
}

/*
 * What the clone has come to hold.
 */

struct tally {
	unsigned long n_shared, n_copied, n_huge, n_swap, n_other;
};

/* Only a page that nobody else maps is marked as exclusive. */
static bool is_copied(pte_t pte)
{
	struct page *page;

	if (pte_special(pte))
		return false;
	page = pte_page(pte);
	return PageAnon(page) && PageAnonExclusive(page);
}

/* Its loop is a good part of what sharing a page costs. */
static void table_tally(struct tally *tally, struct mm_struct *mm, pmd_t *pmd,
			unsigned long addr, unsigned long end,
			bool may_be_copied)
{
	unsigned long n_present = 0, n_copied = 0;
	spinlock_t *ptl;
	pte_t *ptep;

	ptep = mmlab_pte_lock(mm, pmd, addr, &ptl);
	if (!ptep)
		return;
	for (; addr < end; addr += PAGE_SIZE, ptep++) {
		pte_t pte = ptep_get(ptep);

		if (pte_present(pte)) {
			n_present++;
			if (may_be_copied)
				n_copied += is_copied(pte);
		} else if (!pte_none(pte)) {
			if (mmlab_pte_is_swap(pte))
				tally->n_swap++;
			else
				tally->n_other++;
		}
	}
	spin_unlock(ptl);
	tally->n_shared += n_present - n_copied;
	tally->n_copied += n_copied;
}

static struct tally clone_tally(const struct clone *clone, bool may_be_copied)
{
	unsigned long end = clone->dst_addr + clone->bytes;
	struct mm_struct *mm = clone->dst_mm;
	struct tally tally = {};
	unsigned long addr, next;

	for (addr = clone->dst_addr; addr < end; addr = next) {
		pmd_t *pmd = clone_pmd_find(mm, addr, end, &next);

		cond_resched();
		if (!pmd)
			continue;
		if (clone_pmd_is_huge(READ_ONCE(*pmd)))
			tally.n_huge++;
		else
			table_tally(&tally, mm, pmd, addr, next, may_be_copied);
	}
	return tally;
}

/*
 * Entries must not be copied over others. Nobody could fault any in, but mapping
 * a part of a program puts breakpoints there if the file has uprobes.
 */
static bool clone_is_empty(const struct clone *clone)
{
	struct tally tally;

	if (!clone->dst_vma->vm_file)
		return true;
	tally = clone_tally(clone, false);
	return !clone->dst_vma->anon_vma && !tally.n_shared && !tally.n_huge &&
	       !tally.n_swap && !tally.n_other;
}

static void clone_count_all(const struct clone *clone)
{
	/* Looking at every page costs as much as sharing it. */
	bool may_be_copied = mmlab_mm_flag_test(MMF_HAS_PINNED, clone->src_mm) ||
			     clone->has_copies;
	struct tally tally = clone_tally(clone, may_be_copied);

	clone_count(MMLAB_CLONE_STAT_PAGES_SHARED, tally.n_shared);
	clone_count(MMLAB_CLONE_STAT_PAGES_COPIED, tally.n_copied);
	clone_count(MMLAB_CLONE_STAT_HUGE_SHARED, tally.n_huge);
	clone_count(MMLAB_CLONE_STAT_SWAP_SHARED, tally.n_swap);
	clone_count(MMLAB_CLONE_STAT_OTHER_SHARED, tally.n_other);
}

static void page_make_writable(struct mm_struct *mm, pmd_t *pmd,
			       unsigned long addr)
{
	spinlock_t *ptl;
	pte_t *ptep;
	pte_t pte;

	ptep = mmlab_pte_lock(mm, pmd, addr, &ptl);
	if (!ptep)
		return;
	pte = ptep_get(ptep);
	if (pte_present(pte) && !pte_special(pte))
		set_pte_at(mm, addr, ptep, __pte(pte_val(pte) | _PAGE_RW));
	spin_unlock(ptl);
}

/* Planted: what the naive way does, the source writing to what is the clone's. */
static void source_make_writable(const struct clone *clone)
{
	unsigned long end = clone->src_addr + clone->bytes;
	unsigned long addr;

	for (addr = clone->src_addr; addr < end; addr += PAGE_SIZE) {
		pmd_t *pmd = mmlab_pmd_walk(clone->src_mm, addr);

		if (pmd && !pmd_none(*pmd) && !clone_pmd_is_huge(*pmd))
			page_make_writable(clone->src_mm, pmd, addr);
	}
}

int clone_copy(struct clone *clone)
{
	/*
	 * Stands for the part of the source that is cloned: the copying takes
	 * its range from the VMA, and nothing keeps a pointer to it.
	 */
	struct vm_area_struct range;
	int err;

	if (!clone->src_vma->anon_vma) {
		clone_count(MMLAB_CLONE_STAT_EMPTY, 1);
		return 0;
	}

	if (!clone_is_empty(clone))
		return -EFAULT;
	mmlab_vma_start_write(clone->src_vma);
	err = static_call(mmlab_anon_vma_fork)(clone->dst_vma, clone->src_vma);
	if (err)
		return err;

	edge_split(clone->src_vma, clone->src_addr);
	edge_split(clone->src_vma, clone->src_addr + clone->bytes);

	memcpy(&range, clone->src_vma, sizeof(range));
	range.vm_start = clone->src_addr;
	range.vm_end = clone->src_addr + clone->bytes;
	range.vm_pgoff = clone->dst_vma->vm_pgoff;
	mmlab_anon_pgoff_set(&range, mmlab_anon_pgoff(clone->dst_vma));

	if (can_copy_direct(clone))
		err = copy_direct(clone, &range);
	else
		err = clone_copy_staged(clone, &range);
	if (err)
		return err;

	if (IS_ENABLED(MMLAB_PLANT_SHARE_WRITES))
		source_make_writable(clone);
	clone_count_all(clone);
	return 0;
}
