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
#include <linux/mman.h>
#include <linux/kthread.h>
#include <linux/sched/mm.h>
#include <linux/sched/task.h>
#include <linux/slab.h>

#include "compat.h"
#include "mshare.h"

/*
 * What needs the host to be current->mm is done by a worker. A completion, not
 * flush_work(): lock checking would take the lock that the caller may hold, a
 * guest's mmap_lock, and the host's, for one and the same.
 */
struct host_job {
	struct work_struct work;
	struct completion done;
	int (*run)(struct host_job *job);
	int result;
	struct mshare_host *host;
	struct file *file;
	unsigned long offset;
	unsigned long bytes;
	int prot;
};

static void job_work(struct work_struct *work)
{
	struct host_job *job = container_of(work, struct host_job, work);

	job->result = job->run(job);
	complete(&job->done);
}

static int job_run(struct host_job *job)
{
	INIT_WORK_ONSTACK(&job->work, job_work);
	init_completion(&job->done);
	queue_work(mshare_workers, &job->work);
	wait_for_completion(&job->done);
	destroy_work_on_stack(&job->work);
	return job->result;
}

/*
 * Flushing.
 */

static void flush_each(struct mshare_host *host)
{
	struct mshare_guest *guest;

	rcu_read_lock();
	list_for_each_entry_rcu(guest, &host->guests, node)
		if (atomic_long_read(&guest->n_attached)) {
			mmlab_flush_tlb_mm(guest->mm);
			mshare_count(MMLAB_MSHARE_STAT_FLUSHED_GUESTS);
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

static int job_map(struct host_job *job)
{
	struct mm_struct *mm = job->host->mm;
	struct vm_area_struct *vma;
	unsigned long addr;
	int err = 0;

	addr = vm_mmap(job->file, MSHARE_HOST_START, job->bytes, job->prot,
		       MAP_SHARED | MAP_FIXED, job->offset);
	if (IS_ERR_VALUE(addr))
		return addr;

	/* Entries that a driver, or hugetlbfs, made in a way of its own */
	mmap_write_lock(mm);
	vma = find_vma(mm, MSHARE_HOST_START);
	if (!vma || (vma->vm_flags & (VM_SPECIAL | VM_HUGETLB)) ||
	    !vma->vm_ops || !vma->vm_ops->fault)
		err = -EINVAL;
	else
		err = mmlab_anon_vma_prepare(vma);
	mmap_write_unlock(mm);
	return err;
}

static int job_open(struct host_job *job)
{
	struct mshare_host *host = job->host;
	int err;

	host->mm = mmlab_host_mm_alloc();
	if (!host->mm)
		return -ENOMEM;
#ifdef CONFIG_MEMCG
	RCU_INIT_POINTER(host->mm->owner, host->charged);
#endif

	kthread_use_mm(host->mm);
	err = job_map(job);
	kthread_unuse_mm(host->mm);
	if (err)
		goto put_mm;

	err = mmu_notifier_register(&host->flusher, host->mm);
	if (err)
		goto put_mm;
	return 0;

put_mm:
	mmput(host->mm);
	return err;
}

struct mshare_host *mshare_host_open(struct mshare *share, struct file *file,
				     enum mshare_access access)
{
	struct mshare_host *host;
	int err;

	host = kzalloc(sizeof(*host), GFP_KERNEL_ACCOUNT);
	if (!host)
		return ERR_PTR(-ENOMEM);

	host->share = share;
	host->flusher.ops = &flusher_ops;
	host->charged = get_task_struct(current);
	spin_lock_init(&host->guests_lock);
	INIT_LIST_HEAD(&host->guests);

	err = job_run(&(struct host_job){
		.run = job_open,
		.host = host,
		.file = file,
		.offset = share->first_page << PAGE_SHIFT,
		.bytes = share->bytes,
		.prot = access == MSHARE_WRITE ? PROT_READ | PROT_WRITE
					       : PROT_READ,
	});
	if (err)
		goto free_host;
	mshare_count(MMLAB_MSHARE_STAT_LIVE_HOSTS);
	return host;

free_host:
	put_task_struct(host->charged);
	kfree(host);
	return ERR_PTR(err);
}

struct mshare_host *mshare_host_close(struct mshare_host *host)
{
	if (!host)
		return NULL;

	WARN_ON_ONCE(!list_empty(&host->guests));
	WARN_ON_ONCE(atomic_long_read(&host->n_attached));
	mmu_notifier_unregister(&host->flusher, host->mm);
	/* Nobody can look up the owner after the last VMA is gone. */
	mmgrab(host->mm);
	mmput(host->mm);
#ifdef CONFIG_MEMCG
	RCU_INIT_POINTER(host->mm->owner, NULL);
#endif
	mmdrop(host->mm);
	put_task_struct(host->charged);
	kfree(host);
	mshare_add(MMLAB_MSHARE_STAT_LIVE_HOSTS, -1);
	return NULL;
}

/*
 * Protection.
 */

/*
 * mprotect() makes present entries of PROT_NONE that a guest's fault takes for
 * a NUMA hint, and makes accessible again. So they have to go altogether; what
 * was resurrected in between goes with them.
 */
static int job_protect(struct host_job *job)
{
	unsigned long addr = MSHARE_HOST_START + job->offset;
	int err;

	kthread_use_mm(job->host->mm);
	err = mmlab_mprotect(addr, job->bytes, job->prot);
	if (!err && job->prot == PROT_NONE)
		err = mmlab_dontneed(addr, job->bytes);
	kthread_unuse_mm(job->host->mm);
	return err;
}

int mshare_host_protect(struct mshare_host *host, unsigned long offset,
			unsigned long bytes, int prot)
{
	return job_run(&(struct host_job){
		.run = job_protect,
		.host = host,
		.offset = offset,
		.bytes = bytes,
		.prot = prot,
	});
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
static pmd_t *table_ensure(struct mm_struct *mm, unsigned long addr)
{
	pmd_t *pmd = mmlab_pmd_walk(mm, addr);

	if (likely(pmd && !pmd_none(*pmd)))
		return pmd;
	if (apply_to_page_range(mm, addr & PAGE_MASK, PAGE_SIZE, entry_leave,
				NULL))
		return NULL;
	mshare_count(MMLAB_MSHARE_STAT_TABLES);
	return mmlab_pmd_walk(mm, addr);
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
	if (WARN_ON_ONCE(!vma || vma->vm_start > addr))
		return VM_FAULT_SIGBUS;
	if (!(vma->vm_flags & (write ? VM_WRITE : VM_READ))) {
		mshare_count(MMLAB_MSHARE_STAT_DENIED);
		return VM_FAULT_SIGSEGV;
	}

	pmd = table_ensure(host->mm, addr);
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

int mshare_host_access(struct mshare_host *host, unsigned long offset,
		       void *buffer, int bytes, bool write)
{
	unsigned long addr = MSHARE_HOST_START + offset;
	struct page *page = NULL;
	long n = -ENOMEM;
	u8 *memory;

	bytes = min_t(int, bytes, PAGE_SIZE - offset_in_page(addr));

	down_read_nested(&host->mm->mmap_lock, SINGLE_DEPTH_NESTING);
	if (table_ensure(host->mm, addr))
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
