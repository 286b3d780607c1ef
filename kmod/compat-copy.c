// SPDX-License-Identifier: GPL-2.0
/*
 * See compat.h: what a copy on write is made of, where nothing may sleep.
 *
 * The inline forms of <linux/mmu_notifier.h> cannot be used: they tell the lock
 * checker by a map that is not exported.
 */
#include <asm/tlbflush.h>

#include "compat.h"

/* In 6.8 ("mm/rmap: introduce folio_remove_rmap_[pte|ptes|pmd]()"). */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 8, 0)
#define REMOVE_RMAP folio_remove_rmap_ptes
#else
#define REMOVE_RMAP page_remove_rmap
#endif

DECLARE_STATIC_CALL(remove_rmap, REMOVE_RMAP);
DEFINE_STATIC_CALL_NULL(remove_rmap, REMOVE_RMAP);
DECLARE_STATIC_CALL(invalidate_start, __mmu_notifier_invalidate_range_start);
DEFINE_STATIC_CALL_NULL(invalidate_start,
			__mmu_notifier_invalidate_range_start);
DECLARE_STATIC_CALL(invalidate_end, __mmu_notifier_invalidate_range_end);
DEFINE_STATIC_CALL_NULL(invalidate_end, __mmu_notifier_invalidate_range_end);

/*
 * Until 6.6 ("mmu_notifiers: call invalidate_range() when invalidating TLBs")
 * devices that share the page tables are told apart from the CPUs.
 */
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 6, 0)
DECLARE_STATIC_CALL(invalidate_tlbs, __mmu_notifier_invalidate_range);
DEFINE_STATIC_CALL_NULL(invalidate_tlbs, __mmu_notifier_invalidate_range);
#endif

bool mmlab_has_copy __ro_after_init;

#define NAME(symbol) __stringify(symbol)

void __init mmlab_copy_init(void)
{
	void *remove = mmlab_symbol_find(NAME(REMOVE_RMAP));
	void *start, *end;

	start = mmlab_symbol_find("__mmu_notifier_invalidate_range_start");
	end = mmlab_symbol_find("__mmu_notifier_invalidate_range_end");
	if (!remove || !start || !end || !mmlab_has_flush_tlb_mm_range)
		return;
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 6, 0)
	{
		void *tlbs = mmlab_symbol_find("__mmu_notifier_invalidate_range");

		if (!tlbs)
			return;
		static_call_update(invalidate_tlbs, tlbs);
	}
#endif
	static_call_update(remove_rmap, remove);
	static_call_update(invalidate_start, start);
	static_call_update(invalidate_end, end);
	mmlab_has_copy = true;
}

int mmlab_invalidate_begin(struct mmu_notifier_range *range,
			   struct mm_struct *mm, unsigned long addr)
{
	/* Without MMU_NOTIFIER_RANGE_BLOCKABLE. The VMA went in 6.3. */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 3, 0)
	mmu_notifier_range_init(range, MMU_NOTIFY_CLEAR, 0, mm, addr,
				addr + PAGE_SIZE);
#else
	mmu_notifier_range_init(range, MMU_NOTIFY_CLEAR, 0, NULL, mm, addr,
				addr + PAGE_SIZE);
#endif
	return static_call(invalidate_start)(range);
}

void mmlab_invalidate_end(struct mmu_notifier_range *range)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 6, 0)
	static_call(invalidate_end)(range);
#else
	/* The devices have been told. */
	static_call(invalidate_end)(range, true);
#endif
}

void mmlab_pte_clear_flush(struct mm_struct *mm, unsigned long addr,
			   pte_t *ptep)
{
	(void)ptep_get_and_clear(mm, addr, ptep);
	mmlab_flush_tlb_mm_range(mm, addr, addr + PAGE_SIZE);
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 6, 0)
	static_call(invalidate_tlbs)(mm, addr, addr + PAGE_SIZE);
#endif
}

void mmlab_remove_rmap(struct page *page, struct vm_area_struct *vma)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 8, 0)
	static_call(remove_rmap)(page_folio(page), page, 1, vma);
#else
	static_call(remove_rmap)(page, vma, false);
#endif
}
