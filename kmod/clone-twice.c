// SPDX-License-Identifier: GPL-2.0
/*
 * Pages that the clone's process maps already: the same source cloned twice, or a
 * child's memory mapped back into its parent.
 *
 * A small page may well be mapped twice in one process. Of a large folio the
 * kernel takes for granted that it is not, since folios know who maps them: one
 * whose mappings are all of one process is written to without being copied, and
 * the write would show at both addresses. So the clone gets copies.
 */
#include <linux/sched/signal.h>
#include <linux/swap.h>

#include "clone.h"
#include "compat.h"

/* Or may be one later: pages in swap come back as they went. */
static bool pte_is_large(pte_t pte, bool *ret_exclusive)
{
	struct page *page;

	if (pte_none(pte))
		return false;
	if (!pte_present(pte))
		return mmlab_pte_is_swap(pte) || mmlab_migrating_page(pte);
	if (pte_special(pte))
		return false;
	page = pte_page(pte);
	if (!PageAnon(page) || !folio_test_large(page_folio(page)))
		return false;
	*ret_exclusive = PageAnonExclusive(page);
	return true;
}

static bool pmd_is_large(pmd_t pmd, bool *ret_exclusive)
{
	if (!pmd_present(pmd))
		return true;
	if (!PageAnon(pmd_page(pmd)))
		return false;
	*ret_exclusive = PageAnonExclusive(pmd_page(pmd));
	return true;
}

/* @ret_exclusive: set if it is marked as the process's own. */
static bool is_large(struct mm_struct *mm, pmd_t *pmd, unsigned long addr,
		     bool *ret_exclusive)
{
	spinlock_t *ptl;
	pte_t *ptep;
	bool is;

	ptl = pmd_lock(mm, pmd);
	if (clone_pmd_is_huge(*pmd)) {
		is = pmd_is_large(*pmd, ret_exclusive);
		spin_unlock(ptl);
		return is;
	}
	spin_unlock(ptl);
	ptep = mmlab_pte_lock(mm, pmd, addr, &ptl);
	if (!ptep)
		return false;
	is = pte_is_large(ptep_get(ptep), ret_exclusive);
	spin_unlock(ptl);
	return is;
}

/*
 * One fault may do no more than split a huge entry, read a page, or wait for one
 * that is on its way to another place.
 */
static int page_unshare(struct vm_area_struct *vma, pmd_t *pmd,
			unsigned long addr)
{
	bool exclusive = false;

	while (is_large(vma->vm_mm, pmd, addr, &exclusive)) {
		vm_fault_t ret;

		/*
		 * Pages that MADV_FREE gave up may be gone from all other
		 * mappings: the fault takes what is left for the process's own,
		 * and would do so for ever.
		 */
		if (exclusive)
			return -EFAULT;
		ret = handle_mm_fault(vma, addr,
				      FAULT_FLAG_UNSHARE | FAULT_FLAG_REMOTE,
				      NULL);
		if (ret & VM_FAULT_OOM)
			return -ENOMEM;
		if (ret & VM_FAULT_ERROR)
			return -EFAULT;
		if (fatal_signal_pending(current))
			return -EINTR;
		cond_resched();
	}
	return 0;
}

static int range_unshare(struct vm_area_struct *vma, unsigned long addr,
			 unsigned long end)
{
	unsigned long next;
	int err;

	for (; addr < end; addr = next) {
		pmd_t *pmd = clone_pmd_find(vma->vm_mm, addr, end, &next);

		cond_resched();
		if (!pmd)
			continue;
		for (; addr < next; addr += PAGE_SIZE) {
			err = page_unshare(vma, pmd, addr);
			if (err)
				return err;
		}
	}
	return 0;
}

int clone_twice_break(struct clone *clone, struct vm_area_struct *vma)
{
	struct vm_area_struct *dst = clone->dst_vma;
	unsigned long start = mmlab_anon_pgoff(dst);
	unsigned long end = start + vma_pages(dst);
	VMA_ITERATOR(vmi, clone->dst_mm, 0);
	struct vm_area_struct *other;
	int err;

	if (!MMLAB_HAS_MM_ID)
		return 0;
	/* A page has the same offset wherever it is mapped. */
	for_each_vma(vmi, other) {
		unsigned long first = mmlab_anon_pgoff(other);
		unsigned long last = first + vma_pages(other);

		cond_resched();
		if (other == dst || !other->anon_vma ||
		    other->anon_vma->root != dst->anon_vma->root)
			continue;
		first = max(first, start);
		last = min(last, end);
		if (first >= last)
			continue;
		clone->has_copies = true;
		err = range_unshare(vma,
				    vma->vm_start + PFN_PHYS(first - start),
				    vma->vm_start + PFN_PHYS(last - start));
		if (err)
			return err;
	}
	return 0;
}
