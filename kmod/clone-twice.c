// SPDX-License-Identifier: GPL-2.0
/*
 * Pages that the clone's process maps already: the same source cloned twice, or
 * a child's memory mapped back into its parent.
 *
 * Of a large folio the kernel takes for granted that no process maps a page of
 * it twice, since folios know who maps them: one whose mappings are all of one
 * process is written to without being copied, and the write would show at both
 * addresses. A small page may be in a large folio later: swapped out to
 * neighbouring slots, pages are read back as one. So the clone gets copies of
 * all.
 */
#include <linux/sched/signal.h>
#include <linux/swap.h>

#include "clone.h"
#include "compat.h"

enum page_state {
	PAGE_IS_OWN,	/* or not anonymous, or none */
	PAGE_IS_SHARED, /* others may map it, or will, as it is in swap */
	PAGE_IS_LEFT,	/* was shared, with others that are gone */
};

static enum page_state page_state(struct page *page)
{
	if (!PageAnon(page))
		return PAGE_IS_OWN;
	if (!PageAnonExclusive(page))
		return PAGE_IS_SHARED;
	return folio_test_large(page_folio(page)) ? PAGE_IS_LEFT : PAGE_IS_OWN;
}

static enum page_state pte_state(pte_t pte)
{
	if (pte_none(pte))
		return PAGE_IS_OWN;
	if (!pte_present(pte))
		return mmlab_pte_is_elsewhere(pte) ? PAGE_IS_SHARED :
						     PAGE_IS_OWN;
	return pte_special(pte) ? PAGE_IS_OWN : page_state(pte_page(pte));
}

/* @ret_next: not changed, or the end of a huge page, all of which is so */
static enum page_state state_at(struct mm_struct *mm, pmd_t *pmd,
				unsigned long addr, unsigned long *ret_next)
{
	enum page_state state;
	spinlock_t *ptl;
	pte_t *ptep;

	ptl = pmd_lock(mm, pmd);
	if (clone_pmd_is_huge(*pmd)) {
		state = pmd_present(*pmd) ? page_state(pmd_page(*pmd)) :
					    PAGE_IS_SHARED;
		spin_unlock(ptl);
		*ret_next = ALIGN_DOWN(addr, PMD_SIZE) + PMD_SIZE;
		return state;
	}
	spin_unlock(ptl);
	ptep = mmlab_pte_lock(mm, pmd, addr, &ptl);
	if (!ptep)
		return PAGE_IS_OWN;
	state = pte_state(ptep_get(ptep));
	spin_unlock(ptl);
	return state;
}

/*
 * One fault may do no more than split a huge entry, read a page, or wait for
 * one that is on its way to another place.
 */
static int page_unshare(struct vm_area_struct *vma, pmd_t *pmd,
			unsigned long addr, unsigned long *ret_next)
{
	for (;;) {
		enum page_state state;
		vm_fault_t ret;

		*ret_next = addr + PAGE_SIZE;
		state = state_at(vma->vm_mm, pmd, addr, ret_next);
		if (state == PAGE_IS_OWN)
			return 0;
		/*
		 * Pages that MADV_FREE gave up may be gone from all other
		 * mappings: the fault takes what is left for the process's own,
		 * and would do so for ever.
		 */
		if (state == PAGE_IS_LEFT)
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
}

static int range_unshare(struct vm_area_struct *vma, unsigned long addr,
			 unsigned long end)
{
	unsigned long next;
	int err;

	for (; addr < end; addr = next) {
		pmd_t *pmd = clone_pmd_find(vma->vm_mm, addr, end, &next);

		cond_resched();
		if (fatal_signal_pending(current))
			return -EINTR;
		while (pmd && addr < next) {
			err = page_unshare(vma, pmd, addr, &addr);
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
	unsigned long first = end, last = start;
	VMA_ITERATOR(vmi, clone->dst_mm, 0);
	struct vm_area_struct *other;

	if (!MMLAB_HAS_MM_ID)
		return 0;
	/*
	 * A page has the same offset wherever it is mapped. What lies between is
	 * taken as well: going over it once for each of many would take long.
	 */
	for_each_vma(vmi, other) {
		unsigned long pgoff = mmlab_anon_pgoff(other);

		cond_resched();
		if (other == dst || !other->anon_vma ||
		    other->anon_vma->root != dst->anon_vma->root ||
		    pgoff >= end || pgoff + vma_pages(other) <= start)
			continue;
		first = min(first, max(pgoff, start));
		last = max(last, min(pgoff + vma_pages(other), end));
	}
	if (first >= last)
		return 0;
	clone->has_copies = true;
	/* Who may still write would do so to pages that are copied already. */
	clone_flush(clone);
	return range_unshare(vma, vma->vm_start + PFN_PHYS(first - start),
			     vma->vm_start + PFN_PHYS(last - start));
}
