// SPDX-License-Identifier: GPL-2.0
/*
 * Faults that are resolved before the kernel takes a lock: a page where there
 * was none, or access that a page of the process's own may have anyway.
 *
 * Runs in the exception, with nothing but the address space known: not even
 * whether it was a read or a write. Whatever is not plainly one of these two
 * goes on to the kernel, with nothing changed. Never sleeps: between the store
 * to spf_busy and its end others wait, spinning, for it.
 */
#include <linux/mm.h>
#include <linux/pagemap.h>
#include <linux/sched.h>
#include <linux/uaccess.h>
#include <linux/vmstat.h>

#include "compat.h"
#include "spf.h"

/* Read by everybody who wants to see a region unused. */
DEFINE_PER_CPU(struct spf_region *, spf_busy);

/*
 * As for memory of a process's, but what cannot be had at once is had by the
 * kernel's own fault, which may wait.
 */
#define PAGE_GFP ((GFP_HIGHUSER_MOVABLE & ~__GFP_DIRECT_RECLAIM) | \
		  __GFP_ZERO | __GFP_NOWARN)

/* What the kernel's own handler requires before it even looks for a VMA. */
static __always_inline bool fault_may_be_handled(struct pt_regs *regs)
{
	if (unlikely(pagefault_disabled() || in_atomic()))
		return false;
	if (likely(user_mode(regs)))
		return true;
	if (cpu_feature_enabled(X86_FEATURE_SMAP) &&
	    !(regs->flags & X86_EFLAGS_AC))
		return false;
	return regs->flags & X86_EFLAGS_IF;
}

/*
 * Interrupts are off: nothing found can be freed. Bounds of a region that is not
 * live may be those of a VMA that has been split since.
 */
static __always_inline struct spf_region *
region_find(const struct mm_struct *mm, unsigned long addr)
{
	struct spf_region *region, *former = NULL;

	hlist_for_each_entry_rcu(region, spf_bucket(mm), link) {
		if (region->mm != mm ||
		    addr - READ_ONCE(region->start) >= READ_ONCE(region->bytes))
			continue;
		if (likely(READ_ONCE(region->live)))
			return region;
		former = region;
	}
	return former;
}

static __always_inline bool fallback(enum mmlab_spf_stat stat)
{
	spf_count(stat);
	return false;
}

/* The entry is none, as far as can be seen without its lock. */
static __always_inline bool first_touch(struct spf_region *region, pmd_t *pmd,
					unsigned long addr)
{
	struct mm_struct *mm = region->mm;
	struct page *page;
	spinlock_t *ptl;
	pte_t entry;
	pte_t *ptep;

	page = alloc_page(PAGE_GFP);
	if (unlikely(!page))
		return fallback(MMLAB_SPF_STAT_FALLBACK_MEMORY);
	spf_count(MMLAB_SPF_STAT_PAGES_ALLOCATED);
	if (unlikely(mmlab_page_charge(page, mm, PAGE_GFP))) {
		spf_count(MMLAB_SPF_STAT_FALLBACK_CHARGE);
		goto put_page;
	}
	/* The barrier in it: the zeros are visible before the entry is. */
	__SetPageUptodate(page);
	entry = mk_pte(page, region->shadow.vm_page_prot);
	if (region->writable)
		entry = mmlab_pte_mkwrite(pte_mkdirty(entry));

	ptep = mmlab_pte_lock(mm, pmd, addr, &ptl);
	if (unlikely(!ptep)) {
		spf_count(MMLAB_SPF_STAT_FALLBACK_TABLE);
		goto put_page;
	}
	if (unlikely(!pte_none(ptep_get(ptep)))) {
		/* Whatever it is, it is not what caused this fault. */
		spin_unlock(ptl);
		spf_count(MMLAB_SPF_STAT_RACED);
		spf_count(MMLAB_SPF_STAT_PAGES_FREED);
		put_page(page);
		return true;
	}
	if (unlikely(check_stable_address_space(mm))) {
		spin_unlock(ptl);
		spf_count(MMLAB_SPF_STAT_FALLBACK_UNSTABLE);
		goto put_page;
	}

	mmlab_rss_inc(mm, MM_ANONPAGES);
	mmlab_add_new_anon_rmap(page, &region->shadow, addr);
	folio_add_lru(page_folio(page));
	set_pte_at(mm, addr, ptep, entry);
	spin_unlock(ptl);
	spf_count(MMLAB_SPF_STAT_FIRST_TOUCH);
	return true;

put_page:
	spf_count(MMLAB_SPF_STAT_PAGES_FREED);
	put_page(page);
	return false;
}

/*
 * Whether a page is the process's alone: it was all the time, or is again since a
 * child of fork has gone. The lock of the page table is held. As the kernel does it,
 * but what it would have to wait or to clean up for is left to it.
 */
static bool page_is_own(struct page *page)
{
	struct folio *folio = page_folio(page);
	bool own;

	if (!folio_test_anon(folio) || folio_test_large(folio))
		return false;
	if (PageAnonExclusive(page))
		return true;
	/* One reference, that of the entry: no swap, no pin, no other entry. */
	if (folio_test_ksm(folio) || folio_ref_count(folio) != 1 ||
	    !folio_trylock(folio))
		return false;
	own = folio_ref_count(folio) == 1 && !folio_test_swapcache(folio) &&
	      !folio_test_ksm(folio);
	if (own)
		SetPageAnonExclusive(page);
	folio_unlock(folio);
	return own;
}

/*
 * Access that only the entry forbids, not the VMA: after fork, after its
 * protection was changed there and back, where somebody asked who writes.
 */
static noinline bool reuse(struct spf_region *region, pmd_t *pmd,
			   unsigned long addr)
{
	struct mm_struct *mm = region->mm;
	bool done = false;
	spinlock_t *ptl;
	pte_t *ptep;
	pte_t entry;

	if (!region->writable)
		return fallback(MMLAB_SPF_STAT_FALLBACK_PRESENT);
	ptep = mmlab_pte_lock(mm, pmd, addr, &ptl);
	if (unlikely(!ptep))
		return fallback(MMLAB_SPF_STAT_FALLBACK_TABLE);

	entry = ptep_get(ptep);
	if (pte_present(entry) && !pte_protnone(entry) && !pte_write(entry) &&
	    !pte_special(entry) && !pte_uffd_wp(entry) &&
	    page_is_own(pte_page(entry))) {
		/* Other CPUs may fault once more. */
		set_pte_at(mm, addr, ptep,
			   mmlab_pte_mkwrite(pte_mkdirty(pte_mkyoung(entry))));
		done = true;
	}
	spin_unlock(ptl);
	spf_count(done ? MMLAB_SPF_STAT_REUSED :
			 MMLAB_SPF_STAT_FALLBACK_PRESENT);
	return done;
}

/* spf_busy is set: a live region stays as it is, and so do its page tables. */
static __always_inline bool resolve(struct spf_region *region,
				    unsigned long addr)
{
	pmd_t *pmd;
	pte_t pte;

	if (unlikely(!smp_load_acquire(&region->live)))
		return fallback(MMLAB_SPF_STAT_FALLBACK_DISARMED);
	/* It was looked at before. */
	if (unlikely(addr - region->start >= region->bytes))
		return fallback(MMLAB_SPF_STAT_FALLBACK_DISARMED);

	pmd = mmlab_pmd_walk(region->mm, addr);
	if (unlikely(!pmd || pmd_none(*pmd) || pmd_bad(*pmd)))
		return fallback(MMLAB_SPF_STAT_FALLBACK_TABLE);

	pte = READ_ONCE(*pte_offset_kernel(pmd, addr));
	if (likely(pte_none(pte)))
		return first_touch(region, pmd, addr);
	if (pte_present(pte))
		return reuse(region, pmd, addr);
	return fallback(MMLAB_SPF_STAT_FALLBACK_SWAPPED);
}

static noinline notrace int fault_handle(struct pt_regs *regs,
					 struct mm_struct *mm,
					 unsigned long addr)
{
	struct spf_region *region = region_find(mm, addr);
	bool done;

	if (!region)
		return 0;
	if (unlikely(!fault_may_be_handled(regs))) {
		spf_count(MMLAB_SPF_STAT_FALLBACK_CONTEXT);
		return 0;
	}

	preempt_disable();
	this_cpu_write(spf_busy, region);
	/* Others see it before this CPU reads whether the region is live. */
	smp_mb();
	/*
	 * Who holds the lock of a page table may wait for this CPU to flush its
	 * TLB.
	 */
	local_irq_enable();
	done = resolve(region, addr & PAGE_MASK);
	if (likely(done)) {
		count_vm_event(PGFAULT);
		current->min_flt++;
	}
	local_irq_disable();
	smp_store_release(this_cpu_ptr(&spf_busy), NULL);
	preempt_enable();
	return done;
}

/**
 * spf_handler() - called in place of kmmio_handler(), for every fault
 * @regs: registers of what was interrupted
 * @addr: what it accessed
 *
 * Whoever has no region leaves at the first test: that is what the hook costs all
 * others.
 *
 * Context: interrupts off, like the fault itself.
 * Return: 1 if the fault is resolved, 0 if the kernel shall.
 */
notrace int spf_handler(struct pt_regs *regs, unsigned long addr)
{
	struct mm_struct *mm = current->mm;

	if (likely(!mm || !mm_has_notifiers(mm)))
		return 0;
	return fault_handle(regs, mm, addr);
}
