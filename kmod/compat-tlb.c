// SPDX-License-Identifier: GPL-2.0
/* See compat.h: flushes of TLBs and caches, which each architecture does in its own way. */
#include <linux/mm.h>
#include <linux/smp.h>

#include <asm/cacheflush.h>
#include <asm/tlbflush.h>

#include "compat.h"

#ifdef CONFIG_X86_64
#if LINUX_VERSION_CODE >= KERNEL_VERSION(7, 0, 0)
DECLARE_STATIC_CALL(flush_this_cpu, __flush_tlb_all);
DEFINE_STATIC_CALL_NULL(flush_this_cpu, __flush_tlb_all);
/* <asm/tlbflush.h> hides it from modules: this is its type. */
void flush_all_type(void);
DECLARE_STATIC_CALL(flush_all, flush_all_type);
DEFINE_STATIC_CALL_NULL(flush_all, flush_all_type);

bool __init mmlab_flush_find(void)
{
	void *local = mmlab_symbol_find("__flush_tlb_all");
	void *all = mmlab_symbol_find("flush_tlb_all");

	if (!local || !all || !mmlab_has_flush_tlb_mm_range)
		return false;
	static_call_update(flush_this_cpu, local);
	static_call_update(flush_all, all);
	return true;
}

static void flush_local(void *unused)
{
	static_call(flush_this_cpu)();
}

/*
 * CPUs that flush each other's TLBs by an instruction (some of AMD's, since 6.15)
 * do not keep the set of those that use an address space.
 */
static bool has_no_cpumasks(void)
{
	return cpu_feature_enabled(X86_FEATURE_INVLPGB);
}

static void flush_all_cpus(void)
{
	static_call(flush_all)();
}
#else
bool __init mmlab_flush_find(void)
{
	return true;
}

static void flush_local(void *unused)
{
	__flush_tlb_all();
}

static bool has_no_cpumasks(void)
{
	return false;
}

static void flush_all_cpus(void)
{
	on_each_cpu(flush_local, NULL, true);
}
#endif

void mmlab_flush_tlb_mm(struct mm_struct *mm)
{
	if (has_no_cpumasks()) {
		mmlab_flush_tlb_mm_range(mm, 0, TLB_FLUSH_ALL);
		return;
	}
	mmlab_tlb_outdate(mm);
	mmlab_flush_tlb_cpus(mm_cpumask(mm));
}

void mmlab_tlb_outdate(struct mm_struct *mm)
{
	/* inc_mm_tlb_gen() hides from modules. The increment is the barrier. */
	atomic64_inc_return(&mm->context.tlb_gen);
}

void mmlab_flush_tlb_cpus(const struct cpumask *cpus)
{
	if (has_no_cpumasks())
		flush_all_cpus();
	else
		on_each_cpu_mask(cpus, flush_local, NULL, true);
}

void mmlab_flush_tlb_mm_tables(struct mm_struct *mm)
{
	if (mmlab_has_flush_tlb_mm_range)
		static_call(mmlab_flush_tlb_mm_range)(mm, 0, TLB_FLUSH_ALL,
						      PAGE_SHIFT, true);
	else
		mmlab_flush_tlb_mm(mm);
}

void mmlab_flush_tlb_all(void)
{
	flush_all_cpus();
}

void mmlab_cache_flush_page(struct page *page)
{
	clflush_cache_range(page_address(page), PAGE_SIZE);
}
#else
/*
 * An instruction flushes the TLBs of all CPUs, whatever they run: there is no set
 * of CPUs to keep, nor one that will have to flush later.
 */

void mmlab_flush_tlb_mm(struct mm_struct *mm)
{
	flush_tlb_mm(mm);
}

void mmlab_tlb_outdate(struct mm_struct *mm)
{
}

void mmlab_flush_tlb_cpus(const struct cpumask *cpus)
{
	flush_tlb_all();
}

void mmlab_flush_tlb_mm_tables(struct mm_struct *mm)
{
	flush_tlb_mm(mm);
}

void mmlab_flush_tlb_all(void)
{
	flush_tlb_all();
}

/* Of a VMA, flush_tlb_range() asks for nothing but the address space. */
void mmlab_arm64_flush_range(struct mm_struct *mm, unsigned long start,
			     unsigned long end, unsigned int stride_shift,
			     bool freed_tables)
{
	struct vm_area_struct vma = { .vm_mm = mm };

	flush_tlb_range(&vma, start, end);
}

/* The size of a line is what this CPU says, in words of four bytes. */
void mmlab_cache_flush_page(struct page *page)
{
	unsigned long line = 4UL << (read_sysreg(ctr_el0) >> 16 & 0xf);
	unsigned long addr = (unsigned long)page_address(page);
	unsigned long end = addr + PAGE_SIZE;

	for (; addr < end; addr += line)
		asm volatile("dc civac, %0" : : "r"(addr) : "memory");
	dsb(sy);
}
#endif
