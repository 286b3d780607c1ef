/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Everything that depends on the kernel version, and every symbol that is not
 * exported. An entry says why it exists and which release changed what; probe
 * for the feature where that is possible.
 *
 * Symbols are looked up once, at load, through a kprobe that is removed again,
 * and called through static calls: an indirect call would fault on machines
 * with CET, where the address that a kprobe reports is past the landing pad
 * and some functions have none.
 */
#ifndef MMLAB_COMPAT_H
#define MMLAB_COMPAT_H

#include <linux/fs.h>
#include <linux/khugepaged.h>
#include <linux/ksm.h>
#include <linux/memcontrol.h>
#include <linux/mm.h>
#include <linux/mmu_notifier.h>
#include <linux/mmap_lock.h>
#include <linux/oom.h>
#include <linux/pid.h>
#include <linux/rmap.h>
#include <linux/sched/mm.h>
#include <linux/smp.h>
#include <linux/static_call.h>
#include <linux/swap.h>
#include <linux/swapops.h>
#include <linux/userfaultfd_k.h>
#include <linux/version.h>

#include "uapi/mmlab.h"

#if !defined(CONFIG_X86_64) && !defined(CONFIG_ARM64_4K_PAGES)
#error "mmlab has been thought through for x86-64, and arm64 with pages of 4 KiB"
#endif

/*
 * All but reference pages and lockable buffers have been thought through for
 * x86-64 only: on other machines their commands do not exist.
 */
#define MMLAB_HAS_X86_MECHS IS_ENABLED(CONFIG_X86_64)

/*
 * The mechanisms whose tests have been run on this kernel, one bit each. What the
 * kernel does with page tables may change without a word: others are refused,
 * and where all are no symbol is looked up. See docs/kernels.md.
 */
#define MMLAB_MECHS_ALL (BIT_ULL(MMLAB_MECH_REFPAGE) |			    \
			 BIT_ULL(MMLAB_MECH_LOCKBUF) |			    \
			 BIT_ULL(MMLAB_MECH_MSHARE) |			    \
			 BIT_ULL(MMLAB_MECH_CLONE) |			    \
			 BIT_ULL(MMLAB_MECH_SPF) | BIT_ULL(MMLAB_MECH_ARENA))
#if defined(MMLAB_UNTRIED) || LINUX_VERSION_CODE < KERNEL_VERSION(6, 13, 0)
#define MMLAB_MECHS_TRIED MMLAB_MECHS_ALL
#elif defined(CONFIG_X86_64) && \
	LINUX_VERSION_CODE >= KERNEL_VERSION(7, 3, 0) && \
	LINUX_VERSION_CODE < KERNEL_VERSION(7, 4, 0)
#define MMLAB_MECHS_TRIED (MMLAB_MECHS_ALL & ~BIT_ULL(MMLAB_MECH_ARENA))
#else
#define MMLAB_MECHS_TRIED 0ULL
#endif

static inline bool mmlab_is_tried(u32 mech)
{
	return MMLAB_MECHS_TRIED & BIT_ULL(mech);
}

/* Looks the symbols up. What could not be found shows in the predicates. */
void mmlab_compat_init(void);

/*
 * What <linux/mm.h> and <linux/rmap.h> told of until the headers that only mm/
 * itself may include took it over, between 6.12 and 7.3. The signatures are
 * those of there.
 */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(7, 0, 0)
int __anon_vma_prepare(struct vm_area_struct *vma);
int anon_vma_fork(struct vm_area_struct *vma, struct vm_area_struct *source);
int insert_vm_struct(struct mm_struct *mm, struct vm_area_struct *vma);
unsigned long mmap_region(struct file *file, unsigned long addr,
			  unsigned long bytes, vma_flags_t vma_flags,
			  unsigned long pgoff, struct list_head *uf);
#endif

/* For compat*.c alone, while the module is loaded: a function; also data. */
void *mmlab_symbol_find(const char *name);
void *mmlab_data_find(const char *name);

/*
 * finish_fault(): never exported, its one user outside mm/ being built in.
 * Installs vmf->cow_page, or vmf->page for a read, with the accounting that
 * belongs to it.
 */
DECLARE_STATIC_CALL(mmlab_finish_fault, finish_fault);
extern bool mmlab_has_finish_fault;

static inline vm_fault_t mmlab_finish_fault(struct vm_fault *vmf)
{
	return static_call(mmlab_finish_fault)(vmf);
}

/*
 * __anon_vma_prepare() and __mem_cgroup_charge(): never exported. Together
 * they turn a page allocated here into one that may be made anonymous memory.
 */
DECLARE_STATIC_CALL(mmlab_anon_vma_prepare, __anon_vma_prepare);
#ifdef CONFIG_MEMCG
DECLARE_STATIC_CALL(mmlab_mem_cgroup_charge, __mem_cgroup_charge);
#endif
extern bool mmlab_has_anon_alloc;

/**
 * mmlab_anon_alloc() - a page for anonymous memory at the faulting address
 * @vmf: the fault
 * @ret_page: the page, charged, contents undefined; put_page() frees it
 *
 * Return: 0, VM_FAULT_OOM, or VM_FAULT_RETRY with the VMA lock dropped.
 */
vm_fault_t mmlab_anon_alloc(struct vm_fault *vmf, struct page **ret_page);

/*
 * vm_flags_set(): since 6.3 ("mm: replace vma->vm_flags direct modifications
 * with modifier calls"), when the field became read-only.
 */
static inline void mmlab_vm_flags_set(struct vm_area_struct *vma,
				      unsigned long flags)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 3, 0)
	vm_flags_set(vma, flags);
#else
	vma->vm_flags |= flags;
#endif
}

static inline void mmlab_vm_flags_clear(struct vm_area_struct *vma,
					unsigned long flags)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 3, 0)
	vm_flags_clear(vma, flags);
#else
	vma->vm_flags &= ~flags;
#endif
}

/*
 * Flags of a mapping as an argument: a type of their own in 7.3, where 6.12 has
 * the word that vma->vm_flags is.
 */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(7, 0, 0)
#define mmlab_vma_flags(vm_flags) legacy_to_vma_flags(vm_flags)
#else
#define mmlab_vma_flags(vm_flags) (vm_flags)
#endif

/* mm_flags_test(): since 6.18 ("mm: add bitmap mm->flags field"). */
static inline bool mmlab_mm_flag_test(int flag, const struct mm_struct *mm)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 18, 0)
	return mm_flags_test(flag, mm);
#else
	return test_bit(flag, &mm->flags);
#endif
}

/*
 * Since 6.4 ("x86/mm: try VMA lock-based page fault handling first") a fault may
 * run under the lock of its VMA alone; since 6.7 ("mm: handle read faults under
 * the VMA lock" and its siblings) a driver's .fault may too, but only if
 * .map_pages is set, which is taken for a promise not to rely on mmap_lock.
 */
#ifdef CONFIG_PER_VMA_LOCK
#define MMLAB_HAS_VMA_LOCK 1
#else
#define MMLAB_HAS_VMA_LOCK 0
#endif

/*
 * pte_offset_map_lock(): a macro until 6.5 ("mm/pgtable: allow
 * pte_offset_map[_lock]() to fail"), then a function that is not exported. This
 * is what the function does, and right before 6.5 too. NULL means that there is no page table, or no longer. The macro below tells
 * sparse that the lock is held otherwise.
 */
static __always_inline pte_t *
__mmlab_pte_lock(struct mm_struct *mm, pmd_t *pmd, unsigned long addr,
		 spinlock_t **ret_ptl)
{
	spinlock_t *ptl;
	pmd_t pmdval;

	rcu_read_lock();
	pmdval = READ_ONCE(*pmd);
	if (unlikely(pmd_none(pmdval) || pmd_bad(pmdval))) {
		rcu_read_unlock();
		return NULL;
	}
	ptl = pte_lockptr(mm, &pmdval);
	spin_lock(ptl);
	/* The lock keeps the table; RCU kept it until here. */
	rcu_read_unlock();
	if (unlikely(!pmd_same(pmdval, READ_ONCE(*pmd)))) {
		spin_unlock(ptl);
		return NULL;
	}
	__release(ptl);
	*ret_ptl = ptl;
	return pte_offset_kernel(&pmdval, addr);
}

/* Went with sparse's notion of a context, between 6.12 and 7.3. */
#ifdef __cond_lock
#define mmlab_pte_lock(mm, pmd, addr, ret_ptl)				      \
({									      \
	pte_t *__ptep;							      \
	(void)__cond_lock(*(ret_ptl),					      \
		(__ptep = __mmlab_pte_lock(mm, pmd, addr, ret_ptl)) != NULL); \
	__ptep;								      \
})
#else
#define mmlab_pte_lock(mm, pmd, addr, ret_ptl) \
	__mmlab_pte_lock(mm, pmd, addr, ret_ptl)
#endif

/*
 * pmd_install(): never exported. Uses up the page table that the fault brought
 * along, unless another fault was first.
 */
void mmlab_pmd_install(struct vm_fault *vmf);

/*
 * What makes a page a page table: its lock, its flag, and its place in
 * "PageTables". Inline, and since 6.6 ("pgtable: create struct ptdesc") on a
 * type of its own. Kernels whose spinlocks do not fit into struct page (lock
 * debugging) allocate the lock by functions that are not exported.
 */
bool mmlab_pte_ctor(struct page *page);
void mmlab_pte_dtor(struct page *page);
bool mmlab_pmd_ctor(struct page *page);
void mmlab_pmd_dtor(struct page *page);

/* The PMD entry that covers @addr, or NULL if upper levels are missing. */
static inline pmd_t *mmlab_pmd_walk(struct mm_struct *mm, unsigned long addr)
{
	pgd_t *pgd = pgd_offset(mm, addr);
	p4d_t *p4d;
	pud_t *pud;

	if (pgd_none(*pgd) || pgd_bad(*pgd))
		return NULL;
	p4d = p4d_offset(pgd, addr);
	if (p4d_none(*p4d) || p4d_bad(*p4d))
		return NULL;
	pud = pud_offset(p4d, addr);
	if (pud_none(*pud) || pud_bad(*pud))
		return NULL;
	return pmd_offset(pud, addr);
}

/*
 * That flushes work, and reach devices that share the address space: see
 * compat.c.
 */
extern bool mmlab_has_flush;

/*
 * Page tables of our own. Table entries are written one by one with
 * WRITE_ONCE(), or by set_pmd() and set_pud(); after WRITE_ONCE() of entries
 * that were none, or of PTEs, mmlab_tables_written() must follow: on arm64 the
 * walker of the same CPU need not see them before.
 */
#ifdef CONFIG_X86_64
/* Not __pmd(): for kernels with support for Xen that is a call. */
#define MMLAB_PMD_NONE native_make_pmd(0)
/*
 * Whether an entry may be changed from one table to another. On arm64 there must
 * be none in between, and a flush.
 */
#define MMLAB_TABLE_REPLACES_TABLE 1

/* The entry above a page of entries. */
static inline pmd_t mmlab_pmd_of_table(struct page *page)
{
	return __pmd(PFN_PHYS(page_to_pfn(page)) | _PAGE_TABLE);
}

static inline pud_t mmlab_pud_of_table(pmd_t *pmds)
{
	return __pud(__pa(pmds) | _PAGE_TABLE);
}

static inline void mmlab_tables_written(void)
{
}

/*
 * Whether this kernel lets us write page tables. Xen must be told of every one
 * of a paravirtual guest: nobody tried.
 */
static inline bool mmlab_tables_are_native(void)
{
	return !cpu_feature_enabled(X86_FEATURE_XENPV) && mmlab_has_flush;
}

static inline void mmlab_set_special_pte_at(struct mm_struct *mm,
					    unsigned long addr, pte_t *ptep,
					    pte_t pte)
{
	set_pte_at(mm, addr, ptep, pte);
}
#else
#define MMLAB_PMD_NONE __pmd(0)
#define MMLAB_TABLE_REPLACES_TABLE 0

static inline pmd_t mmlab_pmd_of_table(struct page *page)
{
	return __pmd(__phys_to_pmd_val(PFN_PHYS(page_to_pfn(page))) |
		     PMD_TYPE_TABLE | PMD_TABLE_PXN);
}

static inline pud_t mmlab_pud_of_table(pmd_t *pmds)
{
	return __pud(__phys_to_pud_val(__pa(pmds)) |
		     PUD_TYPE_TABLE | PUD_TABLE_PXN);
}

static inline void mmlab_tables_written(void)
{
	dsb(ishst);
	isb();
}

static inline bool mmlab_tables_are_native(void)
{
	return mmlab_has_flush;
}

/*
 * set_pte_at() keeps instruction caches and memory tags in step, by functions
 * that are not exported. For special entries it does neither.
 */
static inline void mmlab_set_special_pte_at(struct mm_struct *mm,
					    unsigned long addr, pte_t *ptep,
					    pte_t pte)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 7, 0)
	page_table_check_ptes_set(mm, ptep, pte, 1);
#else
	page_table_check_pte_set(mm, addr, ptep, pte);
#endif
	set_pte(ptep, pte);
	mmlab_tables_written();
}
#endif

/*
 * flush_tlb_page() of another mm: x86 exports only the flush of the local CPU.
 * CPUs that are about to switch to the mm see the new generation. Needs
 * interrupts enabled; spinlocks may be held.
 */
void mmlab_flush_tlb_mm(struct mm_struct *mm);

/*
 * flush_tlb_mm_range(): never exported, and hidden from modules by
 * <asm/tlbflush.h>: this is its type. The last argument says whether tables are
 * freed: they are not, only their entries went. arm64 has no such function, but
 * what it is made of is inline: there it is one of ours.
 */
void mmlab_flush_tlb_mm_range_type(struct mm_struct *mm, unsigned long start,
				   unsigned long end, unsigned int stride_shift,
				   bool freed_tables);
#ifdef CONFIG_ARM64
void mmlab_arm64_flush_range(struct mm_struct *mm, unsigned long start,
			     unsigned long end, unsigned int stride_shift,
			     bool freed_tables);
#endif
DECLARE_STATIC_CALL(mmlab_flush_tlb_mm_range, mmlab_flush_tlb_mm_range_type);
extern bool mmlab_has_flush_tlb_mm_range;

static inline void mmlab_flush_tlb_mm_range(struct mm_struct *mm,
					    unsigned long start,
					    unsigned long end)
{
	static_call(mmlab_flush_tlb_mm_range)(mm, start, end, PAGE_SHIFT,
					      false);
}

/*
 * The flush before page tables of the process are freed: also on CPUs that keep
 * the address space lazily and, where flush_tlb_mm_range() was found, of
 * devices that share it (on 6.12 that function tells them, on 6.1 it is the
 * end of the notifiers).
 */
void mmlab_flush_tlb_mm_tables(struct mm_struct *mm);

/*
 * The two halves of mmlab_flush_tlb_mm(): CPUs that switch to the mm from now
 * on flush; then those that use it. For a flush of many at once.
 */
void mmlab_tlb_outdate(struct mm_struct *mm);
void mmlab_flush_tlb_cpus(const struct cpumask *cpus);

/* flush_tlb_all(): never exported. All CPUs, all address spaces. */
void mmlab_flush_tlb_all(void);

#ifdef CONFIG_X86_64
/*
 * What flushes the TLB of this CPU, and that of all: until some release after
 * 6.12 the first was exported to all modules, since then to KVM only. Return:
 * whether they are there.
 */
bool mmlab_flush_find(void);
#endif

/* Writes a page back from all caches that know its physical address. */
void mmlab_cache_flush_page(struct page *page);

/*
 * mm_alloc(): never exported. __x64_sys_mprotect() and __x64_sys_madvise(), or
 * __arm64_sys_...: what is behind them is static, or has another signature in each release;
 * these have one that cannot change, and act on current->mm.
 */
long mmlab_sys_mprotect_type(const struct pt_regs *regs);
long mmlab_sys_madvise_type(const struct pt_regs *regs);
struct mm_struct *mmlab_mm_alloc_type(void);
DECLARE_STATIC_CALL(mmlab_mm_alloc, mmlab_mm_alloc_type);
DECLARE_STATIC_CALL(mmlab_sys_mprotect, mmlab_sys_mprotect_type);
DECLARE_STATIC_CALL(mmlab_sys_madvise, mmlab_sys_madvise_type);
/* All three, and __anon_vma_prepare(), were found. */
extern bool mmlab_has_host_mm;

/**
 * mmlab_host_mm_alloc() - an address space without a process
 *
 * Ready for vm_mmap() with MAP_FIXED by a kernel thread that uses it. Huge
 * pages are off. mmput() frees it.
 *
 * Return: the address space, or NULL.
 */
struct mm_struct *mmlab_host_mm_alloc(void);

/* mprotect(2) in current->mm. */
int mmlab_mprotect(unsigned long addr, unsigned long bytes, int prot);
/* madvise(2) with MADV_DONTNEED in current->mm, page tables staying. */
int mmlab_dontneed(unsigned long addr, unsigned long bytes);

/*
 * What fork, mmap, munmap and mremap are made of, none of it ever exported: to
 * clone a mapping of another process is to do a part of each. All are found, or
 * mmlab_has_clone is false; what a kernel without huge pages, KSM or
 * userfaultfd lacks is never called there.
 */
DECLARE_STATIC_CALL(mmlab_mm_access, mm_access);
DECLARE_STATIC_CALL(mmlab_pidfd_get_pid, pidfd_get_pid);
DECLARE_STATIC_CALL(mmlab_mmap_region, mmap_region);
DECLARE_STATIC_CALL(mmlab_do_munmap, do_munmap);
DECLARE_STATIC_CALL(mmlab_insert_vm_struct, insert_vm_struct);
DECLARE_STATIC_CALL(mmlab_vm_area_dup, vm_area_dup);
DECLARE_STATIC_CALL(mmlab_vm_area_free, vm_area_free);
DECLARE_STATIC_CALL(mmlab_anon_vma_fork, anon_vma_fork);
/* In 7.3 it asks what for: an enum that mm/ has for itself. */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(7, 0, 0)
int mmlab_anon_vma_clone_type(struct vm_area_struct *vma,
			      struct vm_area_struct *source,
			      unsigned int operation);
DECLARE_STATIC_CALL(mmlab_anon_vma_clone, mmlab_anon_vma_clone_type);
#else
DECLARE_STATIC_CALL(mmlab_anon_vma_clone, anon_vma_clone);
#endif
DECLARE_STATIC_CALL(mmlab_copy_page_range, copy_page_range);
DECLARE_STATIC_CALL(mmlab_p4d_alloc, __p4d_alloc);
DECLARE_STATIC_CALL(mmlab_pud_alloc, __pud_alloc);
DECLARE_STATIC_CALL(mmlab_pmd_alloc, __pmd_alloc);
DECLARE_STATIC_CALL(mmlab_pte_alloc, __pte_alloc);
#ifdef CONFIG_TRANSPARENT_HUGEPAGE
DECLARE_STATIC_CALL(mmlab_split_huge_pmd, __split_huge_pmd);
DECLARE_STATIC_CALL(mmlab_move_huge_pmd, move_huge_pmd);
DECLARE_STATIC_CALL(mmlab_khugepaged_enter_vma, khugepaged_enter_vma);
#endif
#ifdef CONFIG_KSM
DECLARE_STATIC_CALL(mmlab_ksm_madvise, ksm_madvise);
#endif
#ifdef CONFIG_USERFAULTFD
DECLARE_STATIC_CALL(mmlab_userfaultfd_unmap_complete,
		    userfaultfd_unmap_complete);
#endif
/* get_unmapped_area(): until 6.9 exported, since then an inline of this. */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 10, 0)
DECLARE_STATIC_CALL(mmlab_get_unmapped_area_vmflags, __get_unmapped_area);
#endif
DECLARE_STATIC_CALL(mmlab_enough_memory, __vm_enough_memory);
/* Data: what swapoff goes by, vm.max_map_count, vm.mmap_min_addr. */
extern spinlock_t *mmlab_mmlist_lock;
extern int *mmlab_max_map_count;
extern unsigned long *mmlab_mmap_min_addr;
extern bool mmlab_has_clone;

unsigned long mmlab_get_unmapped_area(struct file *file, unsigned long addr,
				      unsigned long bytes, unsigned long pgoff,
				      unsigned long flags);

static inline unsigned long mmlab_mmap_region(struct file *file,
					      unsigned long addr,
					      unsigned long bytes,
					      unsigned long vm_flags,
					      unsigned long pgoff,
					      struct list_head *uf)
{
	return static_call(mmlab_mmap_region)(file, addr, bytes,
					      mmlab_vma_flags(vm_flags), pgoff,
					      uf);
}

/*
 * Whether the tables in reserve of huge entries hang off the PMD's page, not off
 * the address space. An option of its own since 6.12 ("mm: turn
 * USE_SPLIT_PTE_PTLOCKS / USE_SPLIT_PTE_PTLOCKS into Kconfig options").
 */
#ifdef USE_SPLIT_PMD_PTLOCKS
#define MMLAB_SPLIT_PMD_PTLOCKS USE_SPLIT_PMD_PTLOCKS
#else
#define MMLAB_SPLIT_PMD_PTLOCKS IS_ENABLED(CONFIG_SPLIT_PMD_PTLOCKS)
#endif

/**
 * mmlab_munmap() - unmap in any address space
 * @mm: its mmap_lock is held for writing, and that of current->mm
 * @addr: start of the range
 * @bytes: its length
 * @uf: for mmlab_userfaultfd_unmapped()
 *
 * do_munmap() takes what is unmapped out of the accounts of current->mm since
 * 6.12 ("mm/vma: extract the gathering of vmas from do_vmi_align_munmap()" and
 * what follows), whatever address space it was given; this puts that right. Not
 * for stacks that grow, which the clone is not accounted as.
 *
 * Return: 0 or an error.
 */
int mmlab_munmap(struct mm_struct *mm, unsigned long addr, unsigned long bytes,
		 struct list_head *uf);

/*
 * Charges a mapping of private memory as one that can be written to, which sets
 * VM_ACCOUNT: unmapping takes it back. Return: 0 or -ENOMEM.
 */
int mmlab_vma_charge(struct vm_area_struct *vma);

/*
 * insert_vm_struct() of a VMA without VM_ACCOUNT into an empty address space. Until
 * some release before 6.12 a failure takes out of Committed_AS what was not put in.
 */
int mmlab_vma_insert(struct mm_struct *mm, struct vm_area_struct *vma);

/* A new mapping of many small pages, which may become huge ones. */
static inline void mmlab_khugepaged_enter(struct vm_area_struct *vma)
{
#ifdef CONFIG_TRANSPARENT_HUGEPAGE
	static_call(mmlab_khugepaged_enter_vma)(vma, vma->vm_flags);
#endif
}

#ifdef CONFIG_TRANSPARENT_HUGEPAGE
/* Into 4 KiB entries. The last argument went in 6.16 ("mm/huge_memory: ..."). */
static inline void mmlab_split_huge_pmd(struct vm_area_struct *vma, pmd_t *pmd,
					unsigned long addr)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 16, 0)
	static_call(mmlab_split_huge_pmd)(vma, pmd, addr, false);
#else
	static_call(mmlab_split_huge_pmd)(vma, pmd, addr, false, NULL);
#endif
}
#endif

/* Since 6.6 ("ksm: support unsharing KSM-placed zero pages"). */
#ifdef is_ksm_zero_pte
#define mmlab_is_ksm_zero_pte(pte) is_ksm_zero_pte(pte)
#else
#define mmlab_is_ksm_zero_pte(pte) false
#endif

/*
 * The page of an entry that is neither empty nor present and stands for one that
 * is on its way to another place, or NULL; and whether one stands for a page in
 * swap. "Leaf entries" since 6.19 ("mm: introduce leaf entry type ...").
 */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 19, 0)
static inline struct page *mmlab_migrating_page(pte_t pte)
{
	softleaf_t entry = softleaf_from_pte(pte);

	return softleaf_is_migration(entry) ? softleaf_to_page(entry) : NULL;
}

static inline bool mmlab_pte_is_swap(pte_t pte)
{
	return softleaf_is_swap(softleaf_from_pte(pte));
}

/* A page that is there, but not in memory that everybody can read. */
static inline bool mmlab_pte_is_elsewhere(pte_t pte)
{
	softleaf_t entry = softleaf_from_pte(pte);

	return softleaf_is_swap(entry) || softleaf_is_migration(entry) ||
	       softleaf_is_device_private(entry);
}
#else
static inline struct page *mmlab_migrating_page(pte_t pte)
{
	swp_entry_t entry = pte_to_swp_entry(pte);

	return is_migration_entry(entry) ? pfn_swap_entry_to_page(entry) : NULL;
}

static inline bool mmlab_pte_is_swap(pte_t pte)
{
	return !non_swap_entry(pte_to_swp_entry(pte));
}

static inline bool mmlab_pte_is_elsewhere(pte_t pte)
{
	swp_entry_t entry = pte_to_swp_entry(pte);

	return !non_swap_entry(entry) || is_migration_entry(entry) ||
	       is_device_private_entry(entry);
}
#endif

/* Links a VMA to what @source, of the same process, is linked to. */
static inline int mmlab_anon_vma_clone(struct vm_area_struct *vma,
				       struct vm_area_struct *source)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(7, 0, 0)
	/* VMA_OP_SPLIT: anything but a fork. */
	return static_call(mmlab_anon_vma_clone)(vma, source, 0);
#else
	return static_call(mmlab_anon_vma_clone)(vma, source);
#endif
}

/* anon_vma_lock_write(): mm/ has it for itself in 7.3. */
static inline void mmlab_anon_vma_lock(struct anon_vma *anon_vma)
{
	down_write(&anon_vma->root->rwsem);
}

static inline void mmlab_anon_vma_unlock(struct anon_vma *anon_vma)
{
	up_write(&anon_vma->root->rwsem);
}

/*
 * By what the reverse map finds the address of an anonymous page in a VMA: until
 * some release after 6.12 its page offset, also in private mappings of files; in
 * 7.3 an offset of its own, which for anonymous memory is the same.
 */
static inline unsigned long mmlab_anon_pgoff(const struct vm_area_struct *vma)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(7, 0, 0)
	return vma_start_anon_pgoff(vma);
#else
	return vma->vm_pgoff;
#endif
}

/* For a VMA whose page offset is set already and that no reverse map knows. */
static inline void mmlab_anon_pgoff_set(struct vm_area_struct *vma,
					unsigned long pgoff)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(7, 0, 0)
	vma->__vm_anon_pgoff_lo = lower_32_bits(pgoff);
#ifdef CONFIG_64BIT
	vma->__vm_anon_pgoff_hi = upper_32_bits(pgoff);
#endif
#endif
}

/*
 * Since 6.15 ("mm/rmap: basic MM owner tracking for large folios ...") a large
 * folio knows up to two of those that map it, by a number that each address
 * space has, and how often they do. One whose mappings are all of one address
 * space is written to without being copied. It takes for granted that nobody
 * maps a page of it twice, and that who is told of an unmapping is who was told
 * of the mapping.
 */
#ifdef CONFIG_MM_ID
#define MMLAB_HAS_MM_ID 1
#else
#define MMLAB_HAS_MM_ID 0
#endif

static inline unsigned int mmlab_mm_id(const struct mm_struct *mm)
{
#ifdef CONFIG_MM_ID
	return mm->mm_id;
#else
	return 0;
#endif
}

/* Of an address space that has nothing mapped. Return: what it was. */
static inline unsigned int mmlab_mm_id_set(struct mm_struct *mm,
					   unsigned int id)
{
#ifdef CONFIG_MM_ID
	return xchg(&mm->mm_id, id);
#else
	return 0;
#endif
}

/* Guard pages, since 6.13: which VMAs may have some is a flag since 6.19. */
#ifdef VM_MAYBE_GUARD
#define MMLAB_VM_MAYBE_GUARD VM_MAYBE_GUARD
#else
#define MMLAB_VM_MAYBE_GUARD 0
#endif

/* After mmap_lock was released: tells who watches what was unmapped. */
static inline void mmlab_userfaultfd_unmapped(struct mm_struct *mm,
					      struct list_head *uf)
{
#ifdef CONFIG_USERFAULTFD
	static_call(mmlab_userfaultfd_unmap_complete)(mm, uf);
#endif
}

/* A second mmap_lock. Killable and for the lock checker a level of its own. */
int mmlab_mmap_write_lock_killable_nested(struct mm_struct *mm, int subclass);

/* Against faults under the lock of the VMA alone; mmap_lock is held to write. */
static inline void mmlab_vma_start_write(struct vm_area_struct *vma)
{
#ifdef CONFIG_PER_VMA_LOCK
	vma_start_write(vma);
#endif
}

/**
 * mmlab_rss_move() - hand over what one address space is accounted for
 * @to: gets all of it
 * @from: nobody else changes its counters now
 *
 * add_mm_counter() cannot be used: it calls a trace point's function that is
 * not exported. Counters are per CPU since 6.2 ("mm: convert mm's rss stats
 * into percpu_counter").
 */
void mmlab_rss_move(struct mm_struct *to, struct mm_struct *from);

/**
 * mmlab_populate() - fault a range of current->mm in, as MAP_POPULATE does
 * @addr: its start
 * @bytes: its length
 * @write: as if written, else as if read
 *
 * Return: 0 or an error; what was populated stays.
 */
int mmlab_populate(unsigned long addr, unsigned long bytes, bool write);

static inline int mmlab_anon_vma_prepare(struct vm_area_struct *vma)
{
	return vma->anon_vma ? 0 : static_call(mmlab_anon_vma_prepare)(vma);
}

/*
 * The call-back of an mmu_notifier for TLBs that cache the very same page
 * tables: called after entries changed and before what they pointed to is
 * reused. Renamed in 6.6 ("mmu_notifiers: rename invalidate_range notifier"),
 * which also ties it to the flush of the CPUs' own TLBs.
 */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 6, 0)
#define mmlab_invalidate_tlbs arch_invalidate_secondary_tlbs
#else
#define mmlab_invalidate_tlbs invalidate_range
#endif

/* The array of VMAs went in 6.5 ("mm/gup: remove vmas parameter ..."). */
static inline long mmlab_get_user_page_remote(struct mm_struct *mm,
					      unsigned long addr,
					      unsigned int gup_flags,
					      struct page **ret_page)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 5, 0)
	return get_user_pages_remote(mm, addr, 1, gup_flags, ret_page, NULL);
#else
	return get_user_pages_remote(mm, addr, 1, gup_flags, ret_page, NULL,
				     NULL);
#endif
}

/*
 * The call-back for a special entry that stands for a page. Renamed in 6.18 ("mm:
 * rename vm_ops->find_special_page() to vm_ops->find_normal_page()"), and left
 * out of kernels without the driver that it was made for: Xen's.
 */
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 18, 0)
#define MMLAB_HAS_FIND_SPECIAL 1
#define mmlab_find_special find_special_page
#else
#define MMLAB_HAS_FIND_SPECIAL IS_ENABLED(CONFIG_FIND_NORMAL_PAGE)
#define mmlab_find_special find_normal_page
#endif

/* The mark by which userfaultfd has a page write-protected that is not there. */
static inline bool mmlab_pte_is_protect_marker(pte_t pte)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 19, 0)
	return pte_is_uffd_wp_marker(pte);
#else
	return pte_marker_uffd_wp(pte);
#endif
}

static inline bool mmlab_pte_is_protected(pte_t pte)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(7, 0, 0)
	return pte_uffd(pte);
#else
	return pte_uffd_wp(pte);
#endif
}

/* In 7.3 userfaultfd has other uses for that bit as well. */
static inline pte_t mmlab_pte_mkprotected(pte_t pte)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(7, 0, 0)
	return pte_mkuffd(pte);
#else
	return pte_mkuffd_wp(pte);
#endif
}

/*
 * Fault injection, of kernels that have it: how many requests the calling thread
 * has left until one fails, or 0. Return: what it was.
 */
static inline unsigned int mmlab_fail_nth_set(unsigned int n)
{
#ifdef CONFIG_FAULT_INJECTION
	return xchg(&current->fail_nth, n);
#else
	return 0;
#endif
}

/* The first argument of inode operations, since 6.3 a type of its own. */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 3, 0)
#define mmlab_idmap mnt_idmap
#else
#define mmlab_idmap user_namespace
#endif

/* simple_inode_init_ts(): since 6.7 ("libfs: add new helper ..."). */
static inline void mmlab_inode_init_times(struct inode *inode)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 7, 0)
	simple_inode_init_ts(inode);
#else
	inode->i_atime = current_time(inode);
	inode->i_mtime = inode->i_atime;
	inode->i_ctime = inode->i_atime;
#endif
}

/* The last argument of inode_operations.create; before 7.3 it went. */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(7, 0, 0)
#define MMLAB_CREATE_EXCL
#else
#define MMLAB_CREATE_EXCL , bool excl
#endif

/* Renamed in 6.18 ("fs: rename generic_delete_inode() ..."). */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 18, 0)
#define mmlab_delete_inode inode_just_drop
#else
#define mmlab_delete_inode generic_delete_inode
#endif

/*
 * A name that stays in the cache because there is nothing else that holds it:
 * since 6.19 ("primitives for maintaining persisitency") a mark, of which
 * unlinking and unmounting know; before, a reference.
 */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 19, 0)
#define mmlab_kill_super kill_anon_super

static inline void mmlab_dentry_keep(struct dentry *dentry, struct inode *inode)
{
	d_make_persistent(dentry, inode);
}
#else
#define mmlab_kill_super kill_litter_super

static inline void mmlab_dentry_keep(struct dentry *dentry, struct inode *inode)
{
	d_instantiate(dentry, inode);
	if (d_unhashed(dentry))
		d_rehash(dentry);
	dget(dentry);
}
#endif

/*
 * What makes a new page anonymous memory: never exported, and in 6.3 ("mm/rmap:
 * convert page_add_new_anon_rmap() ...") and 6.11 ("mm: extend rmap flags
 * arguments for folio_add_new_anon_rmap") changed.
 */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 3, 0)
DECLARE_STATIC_CALL(mmlab_new_anon_rmap, folio_add_new_anon_rmap);
#else
DECLARE_STATIC_CALL(mmlab_new_anon_rmap, page_add_new_anon_rmap);
#endif
/* It was found, and what mmlab_anon_alloc() needs. */
extern bool mmlab_has_new_anon_rmap;

static inline void mmlab_add_new_anon_rmap(struct page *page,
					   struct vm_area_struct *vma,
					   unsigned long addr)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 11, 0)
	static_call(mmlab_new_anon_rmap)(page_folio(page), vma, addr,
					 RMAP_EXCLUSIVE);
#elif LINUX_VERSION_CODE >= KERNEL_VERSION(6, 3, 0)
	static_call(mmlab_new_anon_rmap)(page_folio(page), vma, addr);
#else
	static_call(mmlab_new_anon_rmap)(page, vma, addr);
#endif
}

/* Charges a new page to the memory control group of @mm: 0 or an error. */
static inline int mmlab_page_charge(struct page *page, struct mm_struct *mm,
				    gfp_t gfp)
{
#ifdef CONFIG_MEMCG
	if (!mem_cgroup_disabled())
		return static_call(mmlab_mem_cgroup_charge)(page_folio(page),
							    mm, gfp);
#endif
	return 0;
}

/*
 * inc_mm_counter(): calls a trace point's function that is not exported. As for
 * mmlab_rss_move(), counters are per CPU since 6.2.
 */
static inline void mmlab_rss_inc(struct mm_struct *mm, int member)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 2, 0)
	percpu_counter_inc(&mm->rss_stat[member]);
#else
	atomic_long_inc(&mm->rss_stat.count[member]);
#endif
}

/* vm_flags_init(): since 6.3, like vm_flags_set(). For a VMA nobody else sees. */
static inline void mmlab_vm_flags_init(struct vm_area_struct *vma,
				       unsigned long flags)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 3, 0)
	vm_flags_init(vma, flags);
#else
	vma->vm_flags = flags;
#endif
}

/* pte_mkwrite_novma(): pte_mkwrite() got a second argument in 6.6. */
static inline pte_t mmlab_pte_mkwrite(pte_t pte)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 6, 0)
	return pte_mkwrite_novma(pte);
#else
	return pte_mkwrite(pte);
#endif
}

/**
 * mmlab_lru_add_touched() - put a page on the LRU that has just been touched
 * @folio: a new page, not on it yet
 * @vm_flags: of its VMA
 *
 * As the kernel's own fault does it: with current->in_lru_fault set (since 6.1,
 * "mm: multi-gen LRU: groundwork") the page joins the youngest generation.
 */
static inline void mmlab_lru_add_touched(struct folio *folio,
					 unsigned long vm_flags)
{
#ifdef CONFIG_LRU_GEN
	/* This may be a fault of a driver's that handles one. */
	bool former = current->in_lru_fault;

	current->in_lru_fault = !(vm_flags & (VM_SEQ_READ | VM_RAND_READ));
	folio_add_lru(folio);
	current->in_lru_fault = former;
#else
	folio_add_lru(folio);
#endif
}

/*
 * What it takes to give a process a copy of a page that it shared: telling those
 * who have the entry in tables of their own, taking the old page's mapping
 * back. None of it was ever exported; see compat-copy.c.
 */
extern bool mmlab_has_copy;
void mmlab_copy_init(void);

/**
 * mmlab_invalidate_begin() - an entry is about to change
 * @range: to be filled in
 * @mm: the address space
 * @addr: the page
 *
 * Context: nothing in it sleeps. Whoever would have to refuses.
 * Return: 0, or -EAGAIN; then there is nothing to end.
 */
int mmlab_invalidate_begin(struct mmu_notifier_range *range,
			   struct mm_struct *mm, unsigned long addr);
void mmlab_invalidate_end(struct mmu_notifier_range *range);

/* Clears an entry, whose lock is held, and flushes it: also from devices. */
void mmlab_pte_clear_flush(struct mm_struct *mm, unsigned long addr,
			   pte_t *ptep);
/* Takes one mapping of an anonymous page back. */
void mmlab_remove_rmap(struct page *page, struct vm_area_struct *vma);

/* A fault under the lock of its VMA that is to come again lets go of it. */
static inline void mmlab_fault_unlock(struct vm_fault *vmf)
{
#ifdef CONFIG_PER_VMA_LOCK
	if (vmf->flags & FAULT_FLAG_VMA_LOCK) {
		vma_end_read(vmf->vma);
		return;
	}
#endif
	mmap_read_unlock(vmf->vma->vm_mm);
}

/*
 * The same, for a mapping of a file of the module's, from its fault handler: what
 * that returns then. Without a lock nothing else keeps the module until it has
 * returned.
 */
vm_fault_t mmlab_fault_again(struct vm_fault *vmf);

/* Whether a fault holds mmap_lock, not only the lock of its VMA. */
static inline bool mmlab_fault_has_mmap_lock(const struct vm_fault *vmf)
{
#ifdef CONFIG_PER_VMA_LOCK
	return !(vmf->flags & FAULT_FLAG_VMA_LOCK);
#else
	return true;
#endif
}

/*
 * kmmio_handler(): what the fault entry calls before anything else, as long as
 * somebody has registered a probe of memory-mapped input and output. It can be
 * traced, and ftrace can call another function directly from its first
 * instruction. That is done once, at load; nobody runs it until
 * mmlab_fault_probe() registers a probe, which patches nothing.
 */
#if defined(CONFIG_MMIOTRACE) && \
	defined(CONFIG_DYNAMIC_FTRACE_WITH_DIRECT_CALLS)
#define MMLAB_HAS_FAULT_DIVERT 1
#else
#define MMLAB_HAS_FAULT_DIVERT 0
#endif

void mmlab_fault_divert_init(void);
/* Whether somebody else, the mmiotrace tracer, has probes; ours are not in. */
bool mmlab_fault_probed(void);

/**
 * mmlab_fault_divert() - have kmmio_handler() begin with a call of ours
 * @target: assembly, called with the arguments of kmmio_handler(), and with its
 *	return address above its own
 *
 * Return: 0; -EOPNOTSUPP if the kernel cannot, -EBUSY if somebody else traces
 * that function; or an error of ftrace.
 */
int mmlab_fault_divert(void (*target)(void));
void mmlab_fault_undivert(void (*target)(void));

/**
 * mmlab_fault_probe() - have the fault entry call kmmio_handler(), or no longer
 * @on: which of them; never the same twice in a row
 *
 * Context: any in which spinlocks may be taken. Faults that began before go on.
 * Return: 0 or an error; never fails with @on false.
 */
int mmlab_fault_probe(bool on);

/**
 * mmlab_in_fault_on() - was this called from within the handling of a fault?
 * @vma: the VMA in question
 *
 * A call-back that fault handling shares with page-table walks (unmapping,
 * smaps) has no argument that tells them apart. current->in_lru_fault, where it
 * exists (since 6.1, "mm: multi-gen LRU: groundwork"), answers most calls at
 * once; the stack decides the rest: a fault that VM_RAND_READ hides, reclaim
 * within a fault.
 */
bool mmlab_in_fault_on(const struct vm_area_struct *vma);
/* Whether it can tell on this kernel. */
bool mmlab_has_in_fault(void);

#endif /* MMLAB_COMPAT_H */
