// SPDX-License-Identifier: GPL-2.0
/*
 * Faults that are resolved before the kernel takes a lock: a page where there
 * was none; access that a page of the process's own may have anyway; a copy of
 * a page that is shared with a child.
 *
 * Runs in the exception, with nothing but the address space known: not even
 * whether it was a read or a write. Whatever is not plainly one of these three
 * goes on to the kernel, with nothing changed. Never sleeps: between the store
 * to spf_busy and its end others wait, spinning, for it.
 */
#include <linux/delay.h>
#include <linux/highmem.h>
#include <linux/mm.h>
#include <linux/pagemap.h>
#include <linux/sched.h>
#include <linux/uaccess.h>
#include <linux/vmstat.h>

#include "compat.h"
#include "mmlab.h"
#include "spf.h"

/* Read by everybody who wants to see a region unused. */
DEFINE_PER_CPU(struct spf_region *, spf_busy);

/*
 * As for memory of a process's, but what cannot be had at once is had by the
 * kernel's own fault, which may wait. __GFP_NOMEMALLOC: who cannot wait would get
 * at reserves that are not for this.
 */
#define PAGE_GFP ((GFP_HIGHUSER_MOVABLE & ~__GFP_DIRECT_RECLAIM) | \
		  __GFP_NOMEMALLOC | __GFP_NOWARN)

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
	struct spf_space *space;

	hlist_for_each_entry_rcu(space, spf_bucket(mm), link)
		if (likely(space->mm == mm))
			goto found;
	return NULL;

found:
	hlist_for_each_entry_rcu(region, &space->regions, link) {
		if (addr - READ_ONCE(region->start) >= READ_ONCE(region->bytes))
			continue;
		if (likely(READ_ONCE(region->live)))
			return region;
		/* Of several the latest, which a split has made. */
		if (!former)
			former = region;
	}
	return former;
}

static __always_inline bool fallback(enum mmlab_spf_stat stat)
{
	spf_count(stat);
	return false;
}

/* A page for a fault, charged; counts the reason if there is none. */
static __always_inline struct page *page_get(struct mm_struct *mm, gfp_t gfp)
{
	struct page *page = alloc_page(PAGE_GFP | gfp);

	if (unlikely(!page)) {
		spf_count(MMLAB_SPF_STAT_FALLBACK_MEMORY);
		return NULL;
	}
	spf_count(MMLAB_SPF_STAT_PAGES_ALLOCATED);
	if (likely(!mmlab_page_charge(page, mm, PAGE_GFP)))
		return page;
	spf_count(MMLAB_SPF_STAT_FALLBACK_CHARGE);
	spf_count(MMLAB_SPF_STAT_PAGES_FREED);
	put_page(page);
	return NULL;
}

/* It was not used, for a reason that this counts; whether that resolves it. */
static bool page_unused(struct page *page, enum mmlab_spf_stat stat)
{
	spf_count(stat);
	spf_count(MMLAB_SPF_STAT_PAGES_FREED);
	put_page(page);
	return stat == MMLAB_SPF_STAT_RACED;
}

static __always_inline pte_t entry_make(struct page *page,
					const struct spf_region *region)
{
	pte_t entry = mk_pte(page, region->shadow.vm_page_prot);

	/* In this order: what is dirty but not writable has another meaning. */
	return region->writable ? pte_mkdirty(mmlab_pte_mkwrite(entry)) : entry;
}

/* The lock of the page table is held, and its entry is none. */
static __always_inline void page_install(struct spf_region *region,
					 struct mm_struct *mm, struct page *page,
					 unsigned long addr, pte_t *ptep,
					 pte_t entry)
{
	mmlab_add_new_anon_rmap(page, &region->shadow, addr);
	mmlab_lru_add_touched(page_folio(page), region->shadow.vm_flags);
	set_pte_at(mm, addr, ptep, entry);
}

/* Makes it likely that something changes under a fault. */
static __always_inline void dawdle(void)
{
	if (IS_ENABLED(MMLAB_PLANT_DAWDLE) || IS_ENABLED(MMLAB_PLANT_SKIP_WAIT))
		udelay(500);
}

/* The entry is none, as far as can be seen without its lock. */
static __always_inline bool first_touch(struct spf_region *region,
					struct mm_struct *mm, pmd_t *pmd,
					unsigned long addr)
{
	struct page *page = page_get(mm, MMLAB_GFP_CLEAR);
	spinlock_t *ptl;
	pte_t *ptep;

	if (unlikely(!page))
		return false;
	/* The barrier in it: the zeros are visible before the entry is. */
	__SetPageUptodate(page);

	dawdle();
	ptep = mmlab_pte_lock(mm, pmd, addr, &ptl);
	if (unlikely(!ptep))
		return page_unused(page, MMLAB_SPF_STAT_FALLBACK_TABLE);
	if (unlikely(!pte_none(ptep_get(ptep)))) {
		/* Whatever it is, it is not what caused this fault. */
		spin_unlock(ptl);
		return page_unused(page, MMLAB_SPF_STAT_RACED);
	}
	if (unlikely(check_stable_address_space(mm))) {
		spin_unlock(ptl);
		return page_unused(page, MMLAB_SPF_STAT_FALLBACK_UNSTABLE);
	}

	mmlab_rss_inc(mm, MM_ANONPAGES);
	page_install(region, mm, page, addr, ptep, entry_make(page, region));
	spin_unlock(ptl);
	spf_count(MMLAB_SPF_STAT_FIRST_TOUCH);
	return true;
}

/*
 * Whether a page is the process's alone: it was all the time, or is again since a
 * child of fork has gone. The lock of the page table is held. As the kernel does it,
 * but what it would have to wait or to clean up for is left to it; and the page stays
 * with the anon_vma that it was made in, which costs those who look for its entries.
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
 * Whether a page that is not the process's alone can be copied here. What may be
 * in some CPU's list of pages on their way to the LRU, and is its own after all,
 * is not: the kernel empties that.
 */
static bool page_may_be_copied(struct page *page)
{
	struct folio *folio = page_folio(page);

	return folio_test_anon(folio) && !folio_test_large(folio) &&
	       !folio_test_ksm(folio) && !folio_test_swapcache(folio) &&
	       folio_test_lru(folio) && !PageAnonExclusive(page);
}

/*
 * The process gets a page of its own, with the content of @old, which the caller
 * holds a reference to. As wp_page_copy() does it, with notifiers that are told
 * not to sleep.
 */
static bool copy(struct spf_region *region, struct mm_struct *mm, pmd_t *pmd,
		 unsigned long addr, struct page *old, pte_t old_entry)
{
	struct page *page = page_get(mm, 0);
	struct mmu_notifier_range range;
	spinlock_t *ptl;
	pte_t *ptep;

	if (unlikely(!page))
		return false;
	/* An error of the memory is the kernel's to handle. */
	if (copy_mc_user_highpage(page, old, addr, &region->shadow))
		return page_unused(page, MMLAB_SPF_STAT_FALLBACK_PRESENT);
	__SetPageUptodate(page);
	if (mmlab_invalidate_begin(&range, mm, addr)) {
		/* The kernel says so in its log each time: once is enough. */
		WRITE_ONCE(region->no_copies, true);
		return page_unused(page, MMLAB_SPF_STAT_FALLBACK_PRESENT);
	}

	dawdle();
	ptep = mmlab_pte_lock(mm, pmd, addr, &ptl);
	if (likely(ptep)) {
		if (likely(pte_same(ptep_get(ptep), old_entry))) {
			/* Never is one page seen by one CPU, the other by others. */
			mmlab_pte_clear_flush(mm, addr, ptep);
			page_install(region, mm, page, addr, ptep,
				     entry_make(page, region));
			/* From here on the other may be its last user's own. */
			mmlab_remove_rmap(old, &region->shadow);
			spin_unlock(ptl);
			mmlab_invalidate_end(&range);
			put_page(old);
			spf_count(MMLAB_SPF_STAT_COPIED);
			return true;
		}
		spin_unlock(ptl);
	}
	mmlab_invalidate_end(&range);
	return page_unused(page, ptep ? MMLAB_SPF_STAT_RACED :
					MMLAB_SPF_STAT_FALLBACK_TABLE);
}

/*
 * Access that only the entry forbids, not the VMA: after fork, after its
 * protection was changed there and back, where somebody asked who writes.
 */
static noinline bool unprotect(struct spf_region *region, struct mm_struct *mm,
			       pmd_t *pmd, unsigned long addr)
{
	bool done = false;
	struct page *page;
	spinlock_t *ptl;
	pte_t *ptep;
	pte_t entry;

	if (!region->writable)
		return fallback(MMLAB_SPF_STAT_FALLBACK_PRESENT);
	ptep = mmlab_pte_lock(mm, pmd, addr, &ptl);
	if (unlikely(!ptep))
		return fallback(MMLAB_SPF_STAT_FALLBACK_TABLE);

	entry = ptep_get(ptep);
	if (!pte_present(entry) || pte_protnone(entry) || pte_write(entry) ||
	    pte_special(entry) || mmlab_pte_is_protected(entry))
		goto unlock;
	page = pte_page(entry);
	if (page_is_own(page)) {
		/* Other CPUs may fault once more. */
		entry = mmlab_pte_mkwrite(pte_mkyoung(entry));
		set_pte_at(mm, addr, ptep, pte_mkdirty(entry));
		spin_unlock(ptl);
		spf_count(MMLAB_SPF_STAT_REUSED);
		return true;
	}
	if (!READ_ONCE(region->no_copies) && page_may_be_copied(page)) {
		get_page(page);
		spin_unlock(ptl);
		done = copy(region, mm, pmd, addr, page, entry);
		put_page(page);
		return done;
	}
unlock:
	spin_unlock(ptl);
	return fallback(MMLAB_SPF_STAT_FALLBACK_PRESENT);
}

/*
 * spf_busy is set: a live region stays as it is. A table of entries that is empty
 * may be taken out all the same since 6.14; it is freed by RCU, for which this
 * counts as a reader, since it cannot be preempted.
 */
static __always_inline bool resolve(struct spf_region *region,
				    struct mm_struct *mm, unsigned long addr)
{
	pmd_t *pmd, table;
	pte_t pte;

	if (unlikely(!smp_load_acquire(&region->live)))
		return fallback(MMLAB_SPF_STAT_FALLBACK_DISARMED);
	/* It was looked at before. */
	if (unlikely(addr - region->start >= region->bytes))
		return fallback(MMLAB_SPF_STAT_FALLBACK_DISARMED);

	pmd = mmlab_pmd_walk(mm, addr);
	if (unlikely(!pmd))
		return fallback(MMLAB_SPF_STAT_FALLBACK_TABLE);
	table = READ_ONCE(*pmd);
	if (unlikely(pmd_none(table) || pmd_bad(table)))
		return fallback(MMLAB_SPF_STAT_FALLBACK_TABLE);

	pte = READ_ONCE(*pte_offset_kernel(&table, addr));
	if (likely(pte_none(pte)))
		return first_touch(region, mm, pmd, addr);
	if (pte_present(pte))
		return unprotect(region, mm, pmd, addr);
	return fallback(MMLAB_SPF_STAT_FALLBACK_SWAPPED);
}

/*
 * Whether there is a page, of a region that is not live. Interrupts are off: as
 * for get_user_pages_fast(), no table is freed, and each entry is read once.
 */
static noinline bool page_is_there(struct mm_struct *mm, unsigned long addr)
{
	pgd_t *pgdp = pgd_offset(mm, addr), pgd = READ_ONCE(*pgdp);
	p4d_t *p4dp, p4d;
	pud_t *pudp, pud;
	pmd_t pmd;

	if (pgd_none(pgd) || pgd_bad(pgd))
		return false;
	p4dp = p4d_offset_lockless(pgdp, pgd, addr);
	p4d = READ_ONCE(*p4dp);
	if (p4d_none(p4d) || p4d_bad(p4d))
		return false;
	pudp = pud_offset_lockless(p4dp, p4d, addr);
	pud = READ_ONCE(*pudp);
	if (pud_none(pud) || pud_bad(pud))
		return false;
	pmd = READ_ONCE(*pmd_offset_lockless(pudp, pud, addr));
	if (pmd_none(pmd) || pmd_bad(pmd))
		return false;
	return pte_present(READ_ONCE(*pte_offset_kernel(&pmd, addr)));
}

static noinline notrace int fault_handle(struct pt_regs *regs,
					 struct mm_struct *mm,
					 unsigned long addr)
{
	struct spf_region *region = region_find(mm, addr);
	bool arm, done;

	if (!region)
		return 0;
	if (unlikely(!fault_may_be_handled(regs))) {
		spf_count(MMLAB_SPF_STAT_FALLBACK_CONTEXT);
		return 0;
	}

	arm = unlikely(!READ_ONCE(region->live)) && page_is_there(mm, addr);
	/* From here on this keeps the region. */
	preempt_disable();
	/*
	 * Who holds the lock of a page table may wait for this CPU to flush its
	 * TLB.
	 */
	local_irq_enable();
	if (arm)
		spf_region_arm(region, mm, addr);
	this_cpu_write(spf_busy, region);
	/* Others see it before this CPU reads whether the region is live. */
	smp_mb();
	done = resolve(region, mm, addr & PAGE_MASK);
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
