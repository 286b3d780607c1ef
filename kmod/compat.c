// SPDX-License-Identifier: GPL-2.0
/* See compat.h: what cannot be an inline function, and the look-ups. */
#include <linux/file.h>
#include <linux/kallsyms.h>
#include <linux/kprobes.h>
#include <linux/mman.h>
#include <linux/mmap_lock.h>
#include <linux/sched.h>
#include <linux/sched/coredump.h>
#include <linux/stacktrace.h>
#include <linux/string.h>

#include <asm/pgalloc.h>
#include <asm/tlbflush.h>

#include "compat.h"

DEFINE_STATIC_CALL_NULL(mmlab_finish_fault, finish_fault);
DEFINE_STATIC_CALL_NULL(mmlab_flush_tlb_mm_range,
			mmlab_flush_tlb_mm_range_type);
DEFINE_STATIC_CALL_NULL(mmlab_anon_vma_prepare, __anon_vma_prepare);
#ifdef CONFIG_MEMCG
DEFINE_STATIC_CALL_NULL(mmlab_mem_cgroup_charge, __mem_cgroup_charge);
#endif

DEFINE_STATIC_CALL_NULL(mmlab_mm_alloc, mmlab_mm_alloc_type);
DEFINE_STATIC_CALL_NULL(mmlab_sys_mprotect, mmlab_sys_mprotect_type);
DEFINE_STATIC_CALL_NULL(mmlab_sys_madvise, mmlab_sys_madvise_type);

DEFINE_STATIC_CALL_NULL(mmlab_mm_access, mm_access);
DEFINE_STATIC_CALL_NULL(mmlab_pidfd_get_pid, pidfd_get_pid);
DEFINE_STATIC_CALL_NULL(mmlab_mmap_region, mmap_region);
DEFINE_STATIC_CALL_NULL(mmlab_do_munmap, do_munmap);
DEFINE_STATIC_CALL_NULL(mmlab_insert_vm_struct, insert_vm_struct);
DEFINE_STATIC_CALL_NULL(mmlab_vm_area_dup, vm_area_dup);
DEFINE_STATIC_CALL_NULL(mmlab_vm_area_free, vm_area_free);
DEFINE_STATIC_CALL_NULL(mmlab_anon_vma_fork, anon_vma_fork);
#if LINUX_VERSION_CODE >= KERNEL_VERSION(7, 0, 0)
DEFINE_STATIC_CALL_NULL(mmlab_anon_vma_clone, mmlab_anon_vma_clone_type);
#else
DEFINE_STATIC_CALL_NULL(mmlab_anon_vma_clone, anon_vma_clone);
#endif
DEFINE_STATIC_CALL_NULL(mmlab_copy_page_range, copy_page_range);
DEFINE_STATIC_CALL_NULL(mmlab_p4d_alloc, __p4d_alloc);
DEFINE_STATIC_CALL_NULL(mmlab_pud_alloc, __pud_alloc);
DEFINE_STATIC_CALL_NULL(mmlab_pmd_alloc, __pmd_alloc);
DEFINE_STATIC_CALL_NULL(mmlab_pte_alloc, __pte_alloc);
#ifdef CONFIG_TRANSPARENT_HUGEPAGE
DEFINE_STATIC_CALL_NULL(mmlab_split_huge_pmd, __split_huge_pmd);
DEFINE_STATIC_CALL_NULL(mmlab_move_huge_pmd, move_huge_pmd);
DEFINE_STATIC_CALL_NULL(mmlab_khugepaged_enter_vma, khugepaged_enter_vma);
#endif
#ifdef CONFIG_KSM
DEFINE_STATIC_CALL_NULL(mmlab_ksm_madvise, ksm_madvise);
#endif
#ifdef CONFIG_USERFAULTFD
DEFINE_STATIC_CALL_NULL(mmlab_userfaultfd_unmap_complete,
			userfaultfd_unmap_complete);
#endif
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 10, 0)
DEFINE_STATIC_CALL_NULL(mmlab_get_unmapped_area_vmflags, __get_unmapped_area);
#endif
DEFINE_STATIC_CALL_NULL(mmlab_enough_memory, __vm_enough_memory);
DEFINE_STATIC_CALL_NULL(mmlab_kallsyms_lookup_name, kallsyms_lookup_name);
static bool has_kallsyms __ro_after_init;

/*
 * Since 6.6 ("mmu_notifiers: call invalidate_range() when invalidating TLBs") the
 * inline flushes of arm64 tell devices that share the address space, by a
 * function that is not exported. They get ours, which calls it.
 */
#if defined(CONFIG_ARM64) && LINUX_VERSION_CODE >= KERNEL_VERSION(6, 6, 0)
DEFINE_STATIC_CALL_NULL(mmlab_tell_devices,
			__mmu_notifier_arch_invalidate_secondary_tlbs);

void __mmu_notifier_arch_invalidate_secondary_tlbs(struct mm_struct *mm,
						   unsigned long start,
						   unsigned long end)
{
	static_call(mmlab_tell_devices)(mm, start, end);
}
#endif

spinlock_t *mmlab_mmlist_lock __ro_after_init;
int *mmlab_max_map_count __ro_after_init;
unsigned long *mmlab_mmap_min_addr __ro_after_init;
static struct percpu_counter *committed __ro_after_init;

#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 3, 0)
#define NEW_ANON_RMAP "folio_add_new_anon_rmap"
DEFINE_STATIC_CALL_NULL(mmlab_new_anon_rmap, folio_add_new_anon_rmap);
#else
#define NEW_ANON_RMAP "page_add_new_anon_rmap"
DEFINE_STATIC_CALL_NULL(mmlab_new_anon_rmap, page_add_new_anon_rmap);
#endif
bool mmlab_has_new_anon_rmap __ro_after_init;

bool mmlab_has_finish_fault __ro_after_init;
bool mmlab_has_flush_tlb_mm_range __ro_after_init;
bool mmlab_has_flush __ro_after_init;
bool mmlab_has_anon_alloc __ro_after_init;
bool mmlab_has_host_mm __ro_after_init;
bool mmlab_has_clone __ro_after_init;

#if ALLOC_SPLIT_PTLOCKS
DEFINE_STATIC_CALL_NULL(mmlab_ptlock_alloc, ptlock_alloc);
DEFINE_STATIC_CALL_NULL(mmlab_ptlock_free, ptlock_free);
static bool has_ptlock __ro_after_init;
#endif

/* The address range of handle_mm_fault(); empty if unknown. */
static unsigned long fault_start __ro_after_init;
static unsigned long fault_bytes __ro_after_init;

bool mmlab_has_in_fault(void)
{
	return fault_bytes != 0;
}

/* What a system call of three arguments finds its arguments in. */
#ifdef CONFIG_X86_64
#define SYSCALL_PREFIX "__x64_sys_"
#define syscall_regs(a, b, c) { .di = (a), .si = (b), .dx = (c) }
#else
#define SYSCALL_PREFIX "__arm64_sys_"
#define syscall_regs(a, b, c) { .regs = { (a), (b), (c) } }
#endif

void *__init mmlab_symbol_find(const char *name)
{
	struct kprobe probe = { .symbol_name = name };
	void *addr;

	if (register_kprobe(&probe))
		return NULL;
	addr = probe.addr;
	unregister_kprobe(&probe);
	return addr;
}

static bool __init flush_find(void)
{
#ifdef CONFIG_X86_64
	if (!mmlab_flush_find())
		return false;
#endif
#if defined(CONFIG_ARM64) && LINUX_VERSION_CODE >= KERNEL_VERSION(6, 6, 0)
	void *tell = mmlab_symbol_find("__mmu_notifier_arch_invalidate_secondary_tlbs");

	if (!tell)
		return false;
	static_call_update(mmlab_tell_devices, tell);
#endif
	return true;
}

/* "name+offset/size" is the one form in which modules can learn a size. */
static void __init fault_range_find(void)
{
	char symbol[KSYM_SYMBOL_LEN];
	unsigned long bytes;
	char *size;

	sprint_symbol(symbol, (unsigned long)handle_mm_fault);
	if (strncmp(symbol, "handle_mm_fault+", 16))
		return;
	size = strchr(symbol, '/');
	if (!size || kstrtoul(size + 1, 0, &bytes))
		return;
	fault_start = (unsigned long)handle_mm_fault;
	fault_bytes = bytes;
}

static void __init host_mm_find(void *prepare)
{
	void *alloc = mmlab_symbol_find("mm_alloc");
	void *protect = mmlab_symbol_find(SYSCALL_PREFIX "mprotect");
	void *advise = mmlab_symbol_find(SYSCALL_PREFIX "madvise");

	if (!prepare || !alloc || !protect || !advise ||
	    !mmlab_tables_are_native())
		return;
	static_call_update(mmlab_mm_alloc, alloc);
	static_call_update(mmlab_sys_mprotect, protect);
	static_call_update(mmlab_sys_madvise, advise);
	mmlab_has_host_mm = true;
}

/*
 * A probe finds functions only; the table of symbols, itself found by a probe,
 * knows data as well.
 */
void *__init mmlab_data_find(const char *name)
{
	void *lookup;

	if (!has_kallsyms) {
		lookup = mmlab_symbol_find("kallsyms_lookup_name");
		if (!lookup)
			return NULL;
		static_call_update(mmlab_kallsyms_lookup_name, lookup);
		has_kallsyms = true;
	}
	return (void *)static_call(mmlab_kallsyms_lookup_name)(name);
}

static bool __init clone_find(void)
{
	void *found;

	/* Without it, devices that share the address space would not be told. */
	if (!mmlab_has_host_mm || !mmlab_has_flush_tlb_mm_range)
		return false;

#define call_find(key, name)						\
do {									\
	found = mmlab_data_find(name);					\
	if (!found)							\
		return false;						\
	static_call_update(key, found);					\
} while (0)

	call_find(mmlab_mm_access, "mm_access");
	call_find(mmlab_pidfd_get_pid, "pidfd_get_pid");
	call_find(mmlab_mmap_region, "mmap_region");
	call_find(mmlab_do_munmap, "do_munmap");
	call_find(mmlab_insert_vm_struct, "insert_vm_struct");
	call_find(mmlab_vm_area_dup, "vm_area_dup");
	call_find(mmlab_vm_area_free, "vm_area_free");
	call_find(mmlab_anon_vma_fork, "anon_vma_fork");
	call_find(mmlab_anon_vma_clone, "anon_vma_clone");
	call_find(mmlab_copy_page_range, "copy_page_range");
	call_find(mmlab_p4d_alloc, "__p4d_alloc");
	call_find(mmlab_pud_alloc, "__pud_alloc");
	call_find(mmlab_pmd_alloc, "__pmd_alloc");
	call_find(mmlab_pte_alloc, "__pte_alloc");
	call_find(mmlab_enough_memory, "__vm_enough_memory");
#ifdef CONFIG_TRANSPARENT_HUGEPAGE
	call_find(mmlab_split_huge_pmd, "__split_huge_pmd");
	call_find(mmlab_move_huge_pmd, "move_huge_pmd");
	call_find(mmlab_khugepaged_enter_vma, "khugepaged_enter_vma");
#endif
#ifdef CONFIG_KSM
	call_find(mmlab_ksm_madvise, "ksm_madvise");
#endif
#ifdef CONFIG_USERFAULTFD
	call_find(mmlab_userfaultfd_unmap_complete,
		  "userfaultfd_unmap_complete");
#endif
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 10, 0)
	call_find(mmlab_get_unmapped_area_vmflags, "__get_unmapped_area");
#endif
#undef call_find
	mmlab_mmlist_lock = mmlab_data_find("mmlist_lock");
	mmlab_max_map_count = mmlab_data_find("sysctl_max_map_count");
	mmlab_mmap_min_addr = mmlab_data_find("mmap_min_addr");
	committed = mmlab_data_find("vm_committed_as");
	return mmlab_mmlist_lock && mmlab_max_map_count &&
	       mmlab_mmap_min_addr && committed;
}

void __init mmlab_compat_init(void)
{
	void *finish, *flush, *prepare;

	if (!MMLAB_MECHS_TRIED)
		return;

	finish = mmlab_symbol_find("finish_fault");
#ifdef CONFIG_ARM64
	flush = mmlab_arm64_flush_range;
#else
	flush = mmlab_symbol_find("flush_tlb_mm_range");
#endif
	prepare = mmlab_symbol_find("__anon_vma_prepare");
	if (finish) {
		static_call_update(mmlab_finish_fault, finish);
		mmlab_has_finish_fault = true;
	}

	if (flush) {
		static_call_update(mmlab_flush_tlb_mm_range, flush);
		mmlab_has_flush_tlb_mm_range = true;
	}

	if (prepare) {
		static_call_update(mmlab_anon_vma_prepare, prepare);
		mmlab_has_anon_alloc = true;
	}
#ifdef CONFIG_MEMCG
	{
		void *charge = mmlab_symbol_find("__mem_cgroup_charge");

		if (charge)
			static_call_update(mmlab_mem_cgroup_charge, charge);
		else
			mmlab_has_anon_alloc = false;
	}
#endif

	{
		void *rmap = mmlab_symbol_find(NEW_ANON_RMAP);

		if (rmap) {
			static_call_update(mmlab_new_anon_rmap, rmap);
			mmlab_has_new_anon_rmap = mmlab_has_anon_alloc;
		}
	}

#if ALLOC_SPLIT_PTLOCKS
	{
		void *alloc = mmlab_symbol_find("ptlock_alloc");
		void *free = mmlab_symbol_find("ptlock_free");

		if (alloc && free) {
			static_call_update(mmlab_ptlock_alloc, alloc);
			static_call_update(mmlab_ptlock_free, free);
			has_ptlock = true;
		}
	}
#endif

	mmlab_has_flush = flush_find();
	host_mm_find(prepare);
	mmlab_has_clone = clone_find();
	if (MMLAB_HAS_X86_MECHS) {
		mmlab_copy_init();
		mmlab_fault_divert_init();
	}

	/* Entries of refpages that are taken back are flushed. */
	if (IS_ENABLED(CONFIG_STACKTRACE) && mmlab_has_flush &&
	    MMLAB_HAS_FIND_SPECIAL)
		fault_range_find();
}

vm_fault_t mmlab_fault_again(struct vm_fault *vmf)
{
	struct file *file = get_file(vmf->vma->vm_file);

	mmlab_fault_unlock(vmf);
	/* Not before this task is on its way back to user mode. */
	fput(file);
	return VM_FAULT_RETRY;
}

static vm_fault_t anon_vma_ensure(struct vm_fault *vmf)
{
	struct vm_area_struct *vma = vmf->vma;
	vm_fault_t ret = 0;

	/* Another thread's fault may set it. */
	if (likely(READ_ONCE(vma->anon_vma)))
		return 0;

#ifdef CONFIG_PER_VMA_LOCK
	/* Looking at the neighbours for one to share needs mmap_lock. */
	if (vmf->flags & FAULT_FLAG_VMA_LOCK) {
		if (!mmap_read_trylock(vma->vm_mm))
			return mmlab_fault_again(vmf);
	}
#endif
	if (static_call(mmlab_anon_vma_prepare)(vma))
		ret = VM_FAULT_OOM;
#ifdef CONFIG_PER_VMA_LOCK
	if (vmf->flags & FAULT_FLAG_VMA_LOCK)
		mmap_read_unlock(vma->vm_mm);
#endif
	return ret;
}

vm_fault_t mmlab_anon_alloc(struct vm_fault *vmf, struct page **ret_page)
{
	struct page *page;
	vm_fault_t ret;

	ret = anon_vma_ensure(vmf);
	if (ret)
		return ret;

	page = alloc_page_vma(GFP_HIGHUSER_MOVABLE, vmf->vma, vmf->address);
	if (!page)
		return VM_FAULT_OOM;
	if (mmlab_page_charge(page, vmf->vma->vm_mm, GFP_KERNEL)) {
		put_page(page);
		return VM_FAULT_OOM;
	}

	*ret_page = page;
	return 0;
}

void mmlab_pmd_install(struct vm_fault *vmf)
{
	struct mm_struct *mm = vmf->vma->vm_mm;
	spinlock_t *ptl = pmd_lock(mm, vmf->pmd);

	if (likely(pmd_none(*vmf->pmd))) {
		mm_inc_nr_ptes(mm);
		/* The zeroed table must be visible before the entry is. */
		smp_wmb();
		pmd_populate(mm, vmf->pmd, vmf->prealloc_pte);
		vmf->prealloc_pte = NULL;
	}
	spin_unlock(ptl);
}

/* Until 6.10 ("mm: switch mm->get_unmapped_area() to a flag"). */
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 10, 0)
static unsigned long fixed_area(struct file *file, unsigned long addr,
				unsigned long bytes, unsigned long pgoff,
				unsigned long flags)
{
	return flags & MAP_FIXED ? addr : -ENOMEM;
}
#endif

struct mm_struct *mmlab_host_mm_alloc(void)
{
	struct mm_struct *mm = static_call(mmlab_mm_alloc)();

	if (!mm)
		return NULL;
	mm->task_size = TASK_SIZE_MAX;
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 10, 0)
	mm->get_unmapped_area = fixed_area;
#endif
	/* In 6.18 split in two ("prctl: extend PR_SET_THP_DISABLE ..."). */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 18, 0)
	mm_flags_set(MMF_DISABLE_THP_COMPLETELY, mm);
#else
	set_bit(MMF_DISABLE_THP, &mm->flags);
#endif
	return mm;
}

int mmlab_mprotect(unsigned long addr, unsigned long bytes, int prot)
{
	struct pt_regs regs = syscall_regs(addr, bytes, prot);

	return static_call(mmlab_sys_mprotect)(&regs);
}

static int dontneed(unsigned long addr, unsigned long bytes)
{
	struct pt_regs regs = syscall_regs(addr, bytes, MADV_DONTNEED);

	return static_call(mmlab_sys_madvise)(&regs);
}

/*
 * Since 6.14 ("mm: pgtable: reclaim empty PTE page in madvise(MADV_DONTNEED)") a
 * page table that one call empties from end to end is freed. Two calls for each
 * leave it.
 */
#ifdef CONFIG_PT_RECLAIM
int mmlab_dontneed(unsigned long addr, unsigned long bytes)
{
	unsigned long next, end = addr + bytes;
	int err = 0;

	for (; addr < end && !err; addr = next) {
		next = min(ALIGN(addr + 1, PMD_SIZE / 2), end);
		err = dontneed(addr, next - addr);
	}
	return err;
}
#else
int mmlab_dontneed(unsigned long addr, unsigned long bytes)
{
	return dontneed(addr, bytes);
}
#endif

int mmlab_populate(unsigned long addr, unsigned long bytes, bool write)
{
	struct pt_regs regs = syscall_regs(addr, bytes, write ?
					   MADV_POPULATE_WRITE :
					   MADV_POPULATE_READ);

	return static_call(mmlab_sys_madvise)(&regs);
}

unsigned long mmlab_get_unmapped_area(struct file *file, unsigned long addr,
				      unsigned long bytes, unsigned long pgoff,
				      unsigned long flags)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 10, 0)
	return static_call(mmlab_get_unmapped_area_vmflags)(file, addr, bytes,
							    pgoff, flags,
							    mmlab_vma_flags(0));
#else
	return get_unmapped_area(file, addr, bytes, pgoff, flags);
#endif
}

#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 12, 0)
struct vm_account {
	int map_count;
	unsigned long locked_vm, total_vm, exec_vm, stack_vm, data_vm;
};

static void account_read(struct vm_account *account, const struct mm_struct *mm)
{
	account->map_count = mm->map_count;
	account->locked_vm = mm->locked_vm;
	account->total_vm = mm->total_vm;
	account->exec_vm = mm->exec_vm;
	account->stack_vm = mm->stack_vm;
	account->data_vm = mm->data_vm;
}

/* What @from has lost since @before, @to shall have lost instead. */
static void account_loss_move(struct mm_struct *from, struct mm_struct *to,
			      const struct vm_account *before)
{
	struct vm_account after;

	account_read(&after, from);
	to->map_count -= before->map_count - after.map_count;
	to->locked_vm -= before->locked_vm - after.locked_vm;
	WRITE_ONCE(to->total_vm,
		   to->total_vm - (before->total_vm - after.total_vm));
	to->exec_vm -= before->exec_vm - after.exec_vm;
	to->stack_vm -= before->stack_vm - after.stack_vm;
	to->data_vm -= before->data_vm - after.data_vm;

	from->map_count = before->map_count;
	from->locked_vm = before->locked_vm;
	WRITE_ONCE(from->total_vm, before->total_vm);
	from->exec_vm = before->exec_vm;
	from->stack_vm = before->stack_vm;
	from->data_vm = before->data_vm;
}

int mmlab_munmap(struct mm_struct *mm, unsigned long addr, unsigned long bytes,
		 struct list_head *uf)
{
	struct mm_struct *charged = current->mm;
	struct vm_account before;
	int err;

	account_read(&before, charged);
	err = static_call(mmlab_do_munmap)(mm, addr, bytes, uf);
	if (!err && mm != charged)
		account_loss_move(charged, mm, &before);
	return err;
}
#else
int mmlab_munmap(struct mm_struct *mm, unsigned long addr, unsigned long bytes,
		 struct list_head *uf)
{
	return static_call(mmlab_do_munmap)(mm, addr, bytes, uf);
}
#endif

/*
 * mmap_write_lock_killable() has no nested form. Without lock debugging none is
 * needed. With it: since 6.13, and in stable releases of 6.12 ("mm: convert
 * mm_lock_seq to a proper seqcount"), taking the lock begins a sequence.
 */
int mmlab_mmap_write_lock_killable_nested(struct mm_struct *mm, int subclass)
{
#ifdef CONFIG_DEBUG_LOCK_ALLOC
	int err = down_write_killable_nested(&mm->mmap_lock, subclass);

#ifdef CONFIG_PER_VMA_LOCK
	if (!err && __same_type(mm->mm_lock_seq, seqcount_t))
		do_raw_write_seqcount_begin((seqcount_t *)&mm->mm_lock_seq);
#endif
	return err;
#else
	return mmap_write_lock_killable(mm);
#endif
}

int mmlab_vma_charge(struct vm_area_struct *vma)
{
	int err;

	err = static_call(mmlab_enough_memory)(vma->vm_mm, vma_pages(vma),
					       ns_capable_noaudit(&init_user_ns,
								  CAP_SYS_ADMIN));
	if (!err)
		mmlab_vm_flags_set(vma, VM_ACCOUNT);
	return err;
}

int mmlab_vma_insert(struct mm_struct *mm, struct vm_area_struct *vma)
{
	int err = static_call(mmlab_insert_vm_struct)(mm, vma);

#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 12, 0)
	if (err)
		percpu_counter_add(committed, vma_pages(vma));
#endif
	return err;
}

void mmlab_rss_move(struct mm_struct *to, struct mm_struct *from)
{
	int i;

	for (i = 0; i < NR_MM_COUNTERS; i++) {
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 2, 0)
		s64 n = percpu_counter_sum(&from->rss_stat[i]);

		percpu_counter_add(&from->rss_stat[i], -n);
		percpu_counter_add(&to->rss_stat[i], n);
#else
		long n = atomic_long_read(&from->rss_stat.count[i]);

		atomic_long_sub(n, &from->rss_stat.count[i]);
		atomic_long_add(n, &to->rss_stat.count[i]);
#endif
	}
}

#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 6, 0)
#define table_desc(page) page_ptdesc(page)
#else
#define table_desc(page) (page)
#endif

#if ALLOC_SPLIT_PTLOCKS
/* The constructors and destructors spelt out, for the sake of two calls. */
static bool table_ctor(struct page *page)
{
	if (!has_ptlock ||
	    !static_call(mmlab_ptlock_alloc)(table_desc(page)))
		return false;
	spin_lock_init(ptlock_ptr(table_desc(page)));
	__SetPageTable(page);
	mod_lruvec_page_state(page, NR_PAGETABLE, 1);
	return true;
}

static void table_dtor(struct page *page)
{
	static_call(mmlab_ptlock_free)(table_desc(page));
	__ClearPageTable(page);
	mod_lruvec_page_state(page, NR_PAGETABLE, -1);
}

bool mmlab_pte_ctor(struct page *page)
{
	return table_ctor(page);
}

void mmlab_pte_dtor(struct page *page)
{
	table_dtor(page);
}

/* A fresh page needs no more: the other fields of a PMD page are zero. */
bool mmlab_pmd_ctor(struct page *page)
{
	return table_ctor(page);
}

void mmlab_pmd_dtor(struct page *page)
{
	table_dtor(page);
}
#elif LINUX_VERSION_CODE >= KERNEL_VERSION(6, 16, 0)
/*
 * "mm: pass mm down to pagetable_{pte,pmd}_ctor": to be compared with that of the
 * kernel, which is not exported. What they do for any other is this.
 */
bool mmlab_pte_ctor(struct page *page)
{
	if (!ptlock_init(table_desc(page)))
		return false;
	__pagetable_ctor(table_desc(page));
	return true;
}

void mmlab_pte_dtor(struct page *page)
{
	pagetable_dtor(table_desc(page));
}

bool mmlab_pmd_ctor(struct page *page)
{
	if (!pmd_ptlock_init(table_desc(page)))
		return false;
	ptdesc_pmd_pts_init(table_desc(page));
	__pagetable_ctor(table_desc(page));
	return true;
}

void mmlab_pmd_dtor(struct page *page)
{
	pagetable_dtor(table_desc(page));
}
#elif LINUX_VERSION_CODE >= KERNEL_VERSION(6, 6, 0)
bool mmlab_pte_ctor(struct page *page)
{
	return pagetable_pte_ctor(table_desc(page));
}

void mmlab_pte_dtor(struct page *page)
{
	pagetable_pte_dtor(table_desc(page));
}

bool mmlab_pmd_ctor(struct page *page)
{
	return pagetable_pmd_ctor(table_desc(page));
}

void mmlab_pmd_dtor(struct page *page)
{
	pagetable_pmd_dtor(table_desc(page));
}
#else
bool mmlab_pte_ctor(struct page *page)
{
	return pgtable_pte_page_ctor(page);
}

void mmlab_pte_dtor(struct page *page)
{
	pgtable_pte_page_dtor(page);
}

bool mmlab_pmd_ctor(struct page *page)
{
	return pgtable_pmd_page_ctor(page);
}

void mmlab_pmd_dtor(struct page *page)
{
	pgtable_pmd_page_dtor(page);
}
#endif

bool mmlab_in_fault_on(const struct vm_area_struct *vma)
{
	/*
	 * Enough to reach from a call-back to handle_mm_fault(), too few to
	 * reach it from an unmapping that memory reclaim within a fault does.
	 */
	unsigned long entries[8];
	unsigned int i, n;

#ifdef CONFIG_LRU_GEN
	if (!current->in_lru_fault &&
	    !(vma->vm_flags & (VM_SEQ_READ | VM_RAND_READ)))
		return false;
#endif
	n = stack_trace_save(entries, ARRAY_SIZE(entries), 1);
	for (i = 0; i < n; i++)
		if (entries[i] - fault_start < fault_bytes)
			return true;
	return false;
}
