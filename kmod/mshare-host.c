// SPDX-License-Identifier: GPL-2.0
/*
 * The host: an ordinary address space, but for having no process.
 *
 * It maps the object with the kernel's own code, so that faults, reverse
 * mapping, reclaim, truncation, writeback and migration find page tables that
 * are like any others. Two things are special. Guests' TLBs hold translations
 * made from these tables, so every flush of the host's TLB must reach them: the
 * notifier does that. And guests' entries point to the tables, so no table may
 * go before the guests have: hence no huge pages, and anon_vma is set although
 * nothing is private, which makes khugepaged leave the tables alone when it
 * collapses pages of the file.
 *
 * Only shared mappings: entries of private ones could be swap entries, which
 * the kernel would resolve in the guest, whose fault finds them.
 */
#include <linux/highmem.h>
#include <linux/sched/mm.h>
#include <linux/sched/task.h>
#include <linux/delay.h>
#include <linux/slab.h>

#include "compat.h"
#include "mshare.h"

/*
 * Flushing.
 */

static void flush_each(struct mshare_host *host)
{
	struct mshare_guest *guest;

	rcu_read_lock();
	list_for_each_entry_rcu(guest, &host->guests, node) {
		/* Makes it likely that a guest goes meanwhile. */
		if (IS_ENABLED(MMLAB_PLANT_FREE_EARLY))
			udelay(1000);
		if (atomic_long_read(&guest->n_attached)) {
			mmlab_flush_tlb_mm(guest->mm);
			mshare_count(MMLAB_MSHARE_STAT_FLUSHED_GUESTS);
		}
	}
	rcu_read_unlock();
}

static bool flush_union(struct mshare_host *host)
{
	struct mshare_guest *guest;
	cpumask_var_t cpus;

	if (!zalloc_cpumask_var(&cpus, GFP_ATOMIC | __GFP_NOWARN))
		return false;

	rcu_read_lock();
	list_for_each_entry_rcu(guest, &host->guests, node)
		if (atomic_long_read(&guest->n_attached)) {
			mmlab_tlb_outdate(guest->mm);
			cpumask_or(cpus, cpus, mm_cpumask(guest->mm));
			mshare_count(MMLAB_MSHARE_STAT_FLUSHED_GUESTS);
		}
	rcu_read_unlock();
	mmlab_flush_tlb_cpus(cpus);
	free_cpumask_var(cpus);
	return true;
}

/*
 * Entries have changed; the kernel has flushed the host, which runs nowhere, or
 * is about to. May be called under a page-table lock.
 */
static void host_flush(struct mmu_notifier *notifier, struct mm_struct *mm,
		       unsigned long start, unsigned long end)
{
	struct mshare_host *host = container_of(notifier, struct mshare_host,
						flusher);

	if (IS_ENABLED(MMLAB_PLANT_KEEP_TRANSLATIONS))
		return;

	/* Pairs with the counting in guest_attach(): see there. */
	smp_mb();
	if (!atomic_long_read(&host->n_attached)) {
		mshare_count(MMLAB_MSHARE_STAT_FLUSH_NONE);
		return;
	}

	switch (READ_ONCE(host->share->flush)) {
	case MMLAB_MSHARE_FLUSH_EACH:
		mshare_count(MMLAB_MSHARE_STAT_FLUSH_EACH);
		flush_each(host);
		return;
	case MMLAB_MSHARE_FLUSH_UNION:
		if (flush_union(host)) {
			mshare_count(MMLAB_MSHARE_STAT_FLUSH_UNION);
			return;
		}
		break;
	}
	mshare_count(MMLAB_MSHARE_STAT_FLUSH_ALL);
	mmlab_flush_tlb_all();
}

static const struct mmu_notifier_ops flusher_ops = {
	.mmlab_invalidate_tlbs = host_flush,
};

/*
 * Opening and closing.
 */

struct mshare_host *mshare_host_open(struct mshare *share,
				     enum mshare_access access,
				     const struct mshare_piece *piece)
{
	struct mshare_host *host;
	int err;

	host = kzalloc(sizeof(*host), GFP_KERNEL_ACCOUNT);
	if (!host)
		return ERR_PTR(-ENOMEM);

	host->share = share;
	host->access = access;
	host->flusher.ops = &flusher_ops;
	host->charged = get_task_struct(current);
	mutex_init(&host->tables_lock);
	spin_lock_init(&host->guests_lock);
	INIT_LIST_HEAD(&host->guests);

	err = mshare_map_open(host, piece);
	if (err) {
		put_task_struct(host->charged);
		mutex_destroy(&host->tables_lock);
		kfree(host);
		return ERR_PTR(err);
	}
	mshare_count(MMLAB_MSHARE_STAT_LIVE_HOSTS);
	return host;
}

void mshare_mm_put(struct mm_struct *mm)
{
	/* Nobody can look up the owner after the last VMA is gone. */
	mmgrab(mm);
	mmput(mm);
#ifdef CONFIG_MEMCG
	RCU_INIT_POINTER(mm->owner, NULL);
#endif
	mmdrop(mm);
}

struct mshare_host *mshare_host_close(struct mshare_host *host)
{
	if (!host)
		return NULL;

	WARN_ON_ONCE(!list_empty(&host->guests));
	WARN_ON_ONCE(atomic_long_read(&host->n_attached));
	mmu_notifier_unregister(&host->flusher, host->mm);
	mshare_mm_put(host->mm);
	put_task_struct(host->charged);
	mutex_destroy(&host->tables_lock);
	kfree(host);
	mshare_add(MMLAB_MSHARE_STAT_LIVE_HOSTS, -1);
	return NULL;
}

/*
 * Faults.
 */

static int entry_leave(pte_t *ptep, unsigned long addr, void *unused)
{
	return 0;
}

/*
 * The table must be there before the kernel looks for a page: it would map a
 * huge one where there is none.
 */
static pmd_t *table_ensure(struct mshare_host *host, unsigned long addr)
{
	pmd_t *pmd = mmlab_pmd_walk(host->mm, addr);

	if (likely(pmd && !pmd_none(*pmd)))
		return pmd;

	mutex_lock(&host->tables_lock);
	pmd = mmlab_pmd_walk(host->mm, addr);
	if (!pmd || pmd_none(*pmd)) {
		pmd = NULL;
		/* Before others can see and attach it: see mshare_run_info(). */
		WRITE_ONCE(host->n_tables, host->n_tables + 1);
		smp_wmb();
		if (!apply_to_page_range(host->mm, addr & PAGE_MASK, PAGE_SIZE,
					 entry_leave, NULL)) {
			mshare_count(MMLAB_MSHARE_STAT_TABLES);
			pmd = mmlab_pmd_walk(host->mm, addr);
		} else {
			WRITE_ONCE(host->n_tables, host->n_tables - 1);
		}
	}
	mutex_unlock(&host->tables_lock);
	return pmd;
}

static bool entry_allows(pmd_t *pmd, unsigned long addr, bool write)
{
	/* The table stays as long as mmap_lock is held, and longer. */
	pte_t entry = READ_ONCE(*pte_offset_kernel(pmd, addr));

	return (pte_flags(entry) & _PAGE_PRESENT) &&
	       (!write || pte_write(entry));
}

vm_fault_t mshare_host_fault(struct mshare_host *host, unsigned long offset,
			     bool write, pmd_t **ret_pmd)
{
	unsigned long addr = MSHARE_HOST_START + offset;
	unsigned long n_minor, n_major;
	struct vm_area_struct *vma;
	vm_fault_t ret = 0;
	pmd_t *pmd;

	vma = find_vma(host->mm, addr);
	if (!vma || vma->vm_start > addr ||
	    !(vma->vm_flags & (write ? VM_WRITE : VM_READ))) {
		mshare_count(MMLAB_MSHARE_STAT_DENIED);
		return VM_FAULT_SIGSEGV;
	}

	pmd = table_ensure(host, addr);
	if (unlikely(!pmd))
		return VM_FAULT_OOM;
	if (WARN_ON_ONCE(pmd_trans_huge(*pmd)))
		return VM_FAULT_SIGBUS;

	if (!entry_allows(pmd, addr, write)) {
		/* The guest's fault is counted by who called. */
		n_minor = current->min_flt;
		n_major = current->maj_flt;
		ret = handle_mm_fault(vma, addr, write ? FAULT_FLAG_WRITE : 0,
				      NULL);
		current->min_flt = n_minor;
		current->maj_flt = n_major;
		mshare_count(MMLAB_MSHARE_STAT_HOST_FAULTS);
		if (unlikely(ret & VM_FAULT_ERROR))
			return ret;
	}

	*ret_pmd = pmd;
	return ret & VM_FAULT_MAJOR;
}

int mshare_host_populate(struct mshare_host *host, unsigned long offset,
			 unsigned long bytes)
{
	unsigned long end = offset + bytes;
	vm_fault_t ret = 0;
	pmd_t *pmd;

	mmap_read_lock(host->mm);
	for (; offset < end && !(ret & VM_FAULT_ERROR); offset += PAGE_SIZE)
		ret = mshare_host_fault(host, offset, false, &pmd);
	mmap_read_unlock(host->mm);
	return ret & VM_FAULT_ERROR ? vm_fault_to_errno(ret, 0) : 0;
}

int mshare_host_access(struct mshare_host *host, unsigned long offset,
		       void *buffer, int bytes, bool write)
{
	unsigned long addr = MSHARE_HOST_START + offset;
	struct vm_area_struct *vma;
	struct page *page = NULL;
	long n = -EFAULT;
	u8 *memory;

	bytes = min_t(int, bytes, PAGE_SIZE - offset_in_page(addr));

	down_read_nested(&host->mm->mmap_lock, SINGLE_DEPTH_NESTING);
	vma = find_vma(host->mm, addr);
	if (vma && vma->vm_start <= addr && vma->vm_file &&
	    table_ensure(host, addr))
		n = mmlab_get_user_page_remote(host->mm, addr & PAGE_MASK,
					       write ? FOLL_WRITE : 0, &page);
	mmap_read_unlock(host->mm);
	if (n != 1)
		return n < 0 ? n : -EFAULT;

	memory = kmap_local_page(page);
	if (write)
		memcpy(memory + offset_in_page(addr), buffer, bytes);
	else
		memcpy(buffer, memory + offset_in_page(addr), bytes);
	kunmap_local(memory);
	if (write)
		set_page_dirty_lock(page);
	put_page(page);
	mshare_count(MMLAB_MSHARE_STAT_ACCESSED);
	return bytes;
}
