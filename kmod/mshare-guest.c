// SPDX-License-Identifier: GPL-2.0
/*
 * The guests: processes' mappings, whose upper-level entries point to tables of
 * a host.
 *
 * A fault is handled in the host and then, where the guest has no table, the
 * host's is attached. From then on what one process makes accessible is so for
 * all. A guest never has a table of its own, and the kernel must never act on
 * the host's through a guest's mapping: VM_PFNMAP and VM_IO keep out who would
 * (MADV_DONTNEED, mlock, NUMA balancing, the OOM reaper, page references), the
 * call-backs refuse the rest, and the notifier detaches everything before
 * unmapping, moving or exit get to the tables.
 *
 * An entry is put in under the guest's mmap_lock for reading, and taken out
 * under mmap_lock for writing or when nobody else uses the address space: on
 * 6.1 a fault looks at a table that it has found without looking again.
 */
#include <linux/hash.h>
#include <linux/memcontrol.h>
#include <linux/mm.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>

#include <asm/pgalloc.h>

#include "compat.h"
#include "mshare.h"

static const struct vm_operations_struct guest_vm_ops;

/*
 * Detaching.
 */

static long guest_detach(struct mshare_guest *guest, unsigned long start,
			 unsigned long end)
{
	struct mm_struct *mm = guest->mm;
	unsigned long addr = start;
	spinlock_t *ptl;
	long n = 0;
	pmd_t *pmd;

	while (addr < end) {
		pmd = mmlab_pmd_walk(mm, addr);
		if (!pmd) {
			addr = (addr & PUD_MASK) + PUD_SIZE;
			continue;
		}
		if (!pmd_none(*pmd)) {
			ptl = pmd_lock(mm, pmd);
			pmd_clear(pmd);
			spin_unlock(ptl);
			n++;
		}
		addr += PMD_SIZE;
	}
	return n;
}

static bool guest_invalidate(struct mmu_interval_notifier *notifier,
			     const struct mmu_notifier_range *range,
			     unsigned long seq)
{
	struct mshare_guest *guest = container_of(notifier, struct mshare_guest,
						  notifier);
	long n;

	mmu_interval_set_seq(notifier, seq);

	/* Others leave the tables alone: see the flags of the mapping. */
	if (range->event != MMU_NOTIFY_UNMAP &&
	    range->event != MMU_NOTIFY_CLEAR &&
	    range->event != MMU_NOTIFY_RELEASE)
		return true;
	if (IS_ENABLED(MMLAB_PLANT_KEEP_SHARED))
		return true;

	n = guest_detach(guest,
			 max(guest->start, range->start & PMD_MASK),
			 min(guest->end, range->end));
	if (!n)
		return true;

	/*
	 * Also makes sure that nobody who walks the tables with interrupts
	 * disabled is still in one of them.
	 */
	mmlab_flush_tlb_mm_tables(guest->mm);
	/* Not before: who flushes the host asks whether anybody is there. */
	atomic_long_sub(n, &guest->n_attached);
	atomic_long_sub(n, &guest->host->n_attached);
	mshare_add(MMLAB_MSHARE_STAT_LIVE_ATTACHED, -n);
	mshare_add(MMLAB_MSHARE_STAT_DETACHED, n);
	return true;
}

static const struct mmu_interval_notifier_ops guest_notifier_ops = {
	.invalidate = guest_invalidate,
};

/*
 * Coming and going.
 */

/* Under mmap_lock for writing: the notifier and the VMA come and go together. */
static int guest_new(struct mshare_host *host, struct vm_area_struct *vma,
		     gfp_t gfp)
{
	struct mshare_guest *guest;
	int err;

	guest = kzalloc(sizeof(*guest), gfp);
	if (!guest)
		return -ENOMEM;

	guest->host = host;
	guest->mm = vma->vm_mm;
	guest->start = vma->vm_start;
	guest->end = vma->vm_end;
	err = mmu_interval_notifier_insert_locked(&guest->notifier, guest->mm,
						  guest->start,
						  guest->end - guest->start,
						  &guest_notifier_ops);
	if (err) {
		kfree(guest);
		return err;
	}

	/*
	 * While another invalidation of the process is under way, of whatever
	 * range, the notifier may be in a queue and not be called: munmap
	 * would then free the host's tables. Such a one holds no mmap_lock.
	 */
	mmu_interval_read_begin(&guest->notifier);

	mmgrab(guest->mm);
	spin_lock(&host->guests_lock);
	list_add_tail_rcu(&guest->node, &host->guests);
	if (IS_ENABLED(MMLAB_PLANT_SLEEP_LOCKED))
		synchronize_rcu();
	spin_unlock(&host->guests_lock);
	vma->vm_private_data = guest;
	mshare_count(MMLAB_MSHARE_STAT_LIVE_GUESTS);
	return 0;
}

static void guest_free_work(struct work_struct *work)
{
	struct mshare_guest *guest = container_of(to_rcu_work(work),
						  struct mshare_guest,
						  free_work);

	mmdrop(guest->mm);
	kfree(guest);
	mshare_add(MMLAB_MSHARE_STAT_LIVE_GUESTS, -1);
}

static void guest_free(struct mshare_guest *guest)
{
	mmu_interval_notifier_remove(&guest->notifier);
	spin_lock(&guest->host->guests_lock);
	list_del_rcu(&guest->node);
	spin_unlock(&guest->host->guests_lock);
	INIT_RCU_WORK(&guest->free_work, guest_free_work);
	if (IS_ENABLED(MMLAB_PLANT_FREE_EARLY))
		guest_free_work(&guest->free_work.work);
	else
		queue_rcu_work(mshare_workers, &guest->free_work);
}

/*
 * Registering gives up if a signal is pending, and a fault in the kernel would
 * come again for ever: signals have to wait. The VMA is as guest_new() wants.
 */
static int guest_new_despite_signals(struct mshare_host *host,
				     struct vm_area_struct *vma)
{
	/* One's own does not change. */
	struct sighand_struct *sighand =
		rcu_dereference_protected(current->sighand, true);
	unsigned int notified = no_notify_signal_save();
	int err;

	clear_thread_flag(TIF_SIGPENDING);
	err = guest_new(host, vma, GFP_KERNEL_ACCOUNT | __GFP_NORETRY);
	/* At the control group's limit the fault would come again for ever. */
	if (err == -ENOMEM)
		err = guest_new(host, vma, GFP_KERNEL);
	spin_lock_irq(&sighand->siglock);
	recalc_sigpending();
	spin_unlock_irq(&sighand->siglock);
	no_notify_signal_restore(notified);
	return err;
}

/*
 * A fault in a mapping that fork() has copied: not a guest yet, as notifiers
 * cannot be registered in the middle of fork(). Ends with the lock dropped.
 */
static vm_fault_t guest_join(struct vm_fault *vmf)
{
	struct mm_struct *mm = vmf->vma->vm_mm;
	unsigned long addr = vmf->address;
	struct mshare_host *host;
	struct vm_area_struct *vma;
	struct mshare *share;

	/* Only a futex that the process never touched by other means */
	if (!(vmf->flags & FAULT_FLAG_ALLOW_RETRY) ||
	    (vmf->flags & FAULT_FLAG_RETRY_NOWAIT))
		return VM_FAULT_SIGBUS;

	mmap_read_unlock(mm);
	if (mmap_write_lock_killable(mm))
		return VM_FAULT_RETRY;
	vma = mshare_guest_vma(mm, addr);
	if (vma && !vma->vm_private_data) {
		share = mshare_of_file(vma->vm_file);
		/* Set before there was a mapping to be copied. */
		host = share->hosts[mshare_access_of(vma)];
		/* Out of memory: the fault comes again. */
		if (!guest_new_despite_signals(host, vma))
			mshare_count(MMLAB_MSHARE_STAT_JOINED);
	}
	mmap_write_unlock(mm);
	return VM_FAULT_RETRY;
}

/*
 * Faults.
 */

static vm_fault_t guest_attach(struct mshare_guest *guest, pmd_t *pmd,
			       pmd_t *host_pmd)
{
	struct page *table = pmd_page(READ_ONCE(*host_pmd));
	spinlock_t *ptl;

	/*
	 * Counted before the entry is there: a flush that finds no guest
	 * attached comes before any TLB can read an entry of the table, which
	 * had changed before the flush.
	 */
	atomic_long_inc(&guest->n_attached);
	atomic_long_inc(&guest->host->n_attached);
	smp_mb__after_atomic();

	ptl = pmd_lock(guest->mm, pmd);
	if (likely(pmd_none(*pmd))) {
		pmd_populate(guest->mm, pmd, table);
		spin_unlock(ptl);
		mshare_count(MMLAB_MSHARE_STAT_LIVE_ATTACHED);
		mshare_count(MMLAB_MSHARE_STAT_ATTACHED);
		return VM_FAULT_NOPAGE;
	}
	/* Another thread was first. */
	WARN_ON_ONCE(pmd_page(*pmd) != table);
	spin_unlock(ptl);
	atomic_long_dec(&guest->n_attached);
	atomic_long_dec(&guest->host->n_attached);
	return VM_FAULT_NOPAGE;
}

/* Faults without memory, one after the other, of the threads that share a place. */
static u8 *oom_count(struct mshare_host *host)
{
	return &host->n_ooms[hash_ptr(current, MSHARE_OOM_BITS)];
}

/*
 * Whoever finds no memory comes again: somebody was killed for it. But what is
 * touched first is charged to the control group of who made the object, where
 * nobody may be left to be killed. Then it would come for ever.
 */
static vm_fault_t guest_oom(struct mshare_host *host)
{
	u8 n = READ_ONCE(*oom_count(host));

	/* Waits until somebody makes room. */
	if (task_in_memcg_oom(current))
		return VM_FAULT_OOM;
	if (n >= MSHARE_OOMS_MAX)
		return VM_FAULT_SIGBUS;
	WRITE_ONCE(*oom_count(host), n + 1);
	return VM_FAULT_OOM;
}

static vm_fault_t guest_serve(struct vm_fault *vmf, bool write)
{
	struct mshare_guest *guest = vmf->vma->vm_private_data;
	unsigned long offset = (vmf->address & PAGE_MASK) - guest->start;
	struct mm_struct *host_mm = guest->host->mm;
	pmd_t *host_pmd;
	vm_fault_t ret;

	/* Everything under both locks, input and output too: no retry. */
	down_read_nested(&host_mm->mmap_lock, SINGLE_DEPTH_NESTING);
	ret = mshare_host_fault(guest->host, offset, write, &host_pmd);
	if (likely(!(ret & VM_FAULT_ERROR))) {
		if (pmd_none(*vmf->pmd))
			ret |= guest_attach(guest, vmf->pmd, host_pmd);
		else
			ret |= VM_FAULT_NOPAGE;
		if (unlikely(READ_ONCE(*oom_count(guest->host))))
			WRITE_ONCE(*oom_count(guest->host), 0);
	} else if (ret & VM_FAULT_OOM) {
		ret = guest_oom(guest->host);
	}
	mmap_read_unlock(host_mm);
	mshare_count(MMLAB_MSHARE_STAT_FAULTS);
	return ret;
}

static vm_fault_t guest_fault(struct vm_fault *vmf)
{
	if (unlikely(!vmf->vma->vm_private_data))
		return guest_join(vmf);
	return guest_serve(vmf, vmf->flags & FAULT_FLAG_WRITE);
}

/*
 * A write to a page that is mapped for reading: because its protection says so,
 * or because the file wants to know of the first write.
 */
static vm_fault_t guest_mkwrite(struct vm_fault *vmf)
{
	return guest_serve(vmf, true);
}

/*
 * Call-backs that refuse, and the others.
 */

/* The copy of fork(), or the one that mremap() makes and gives up. */
static void guest_open(struct vm_area_struct *vma)
{
	vma->vm_private_data = NULL;
	/* fork() must not copy entries. */
	mmlab_vm_flags_set(vma, VM_WIPEONFORK);
}

static void guest_close(struct vm_area_struct *vma)
{
	if (vma->vm_private_data)
		guest_free(vma->vm_private_data);
}

static int guest_may_split(struct vm_area_struct *vma, unsigned long addr)
{
	return -EINVAL;
}

static int guest_mremap(struct vm_area_struct *vma)
{
	return -EINVAL;
}

static int guest_mprotect(struct vm_area_struct *vma, unsigned long start,
			  unsigned long end, unsigned long flags)
{
	return -EINVAL;
}

static int guest_access(struct vm_area_struct *vma, unsigned long addr,
			void *buffer, int bytes, int write)
{
	struct mshare *share = mshare_of_file(vma->vm_file);
	enum mshare_access access = mshare_access_of(vma);

	if (write && access != MSHARE_WRITE)
		return -EFAULT;
	return mshare_host_access(share->hosts[access], addr - vma->vm_start,
				  buffer, bytes, write);
}

static const struct vm_operations_struct guest_vm_ops = {
	.open = guest_open,
	.close = guest_close,
	.may_split = guest_may_split,
	.mremap = guest_mremap,
	.mprotect = guest_mprotect,
	.fault = guest_fault,
	.page_mkwrite = guest_mkwrite,
	.pfn_mkwrite = guest_mkwrite,
	.access = guest_access,
};

struct vm_area_struct *mshare_guest_vma(struct mm_struct *mm,
					unsigned long addr)
{
	struct vm_area_struct *vma = find_vma(mm, addr);

	return vma && vma->vm_start <= addr && vma->vm_ops == &guest_vm_ops ?
		vma : NULL;
}

int mshare_guest_mmap(struct mshare_host *host, struct vm_area_struct *vma)
{
	int err;

	err = guest_new(host, vma, GFP_KERNEL_ACCOUNT);
	/* A process's first notifier gives up if a signal is there. */
	if (err)
		return err == -EINTR ? -ERESTARTNOINTR : err;

	/* VM_MIXEDMAP would let MADV_DONTNEED in. */
	mmlab_vm_flags_set(vma, VM_PFNMAP | VM_IO | VM_DONTEXPAND |
			   VM_DONTDUMP);
	mmlab_vm_flags_clear(vma, VM_MAYEXEC);
	vma->vm_ops = &guest_vm_ops;
	mshare_count(MMLAB_MSHARE_STAT_MMAPS);
	return 0;
}

unsigned long mshare_get_unmapped_area(struct file *file, unsigned long addr,
				       unsigned long bytes,
				       unsigned long pgoff,
				       unsigned long flags)
{
	return thp_get_unmapped_area(file, addr, bytes, pgoff, flags);
}
