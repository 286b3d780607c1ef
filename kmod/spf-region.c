// SPDX-License-Identifier: GPL-2.0
/*
 * Speculative page faults: mappings, the kernel's own faults in them, and when
 * a region may be served without a lock. The rules are at the head of spf.c.
 *
 * Whichever way a page comes into being, it is the same: anonymous memory, with
 * the kernel's own copying, swapping and accounting.
 */
#include <linux/file.h>
#include <linux/highmem.h>
#include <linux/mempolicy.h>
#include <linux/oom.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/wait_bit.h>

#include "compat.h"
#include "spf.h"

struct hlist_head spf_spaces[1 << SPF_HASH_BITS];
static DEFINE_SPINLOCK(spaces_lock);

/* Notifiers that are not freed yet: their functions are the module's. */
static atomic_t n_notifiers = ATOMIC_INIT(0);

/* What a VMA has instead of a region when its process has enough of them. */
static struct spf_region unserved;

static struct spf_region *region_of(const struct vm_area_struct *vma)
{
	struct spf_region *region = vma->vm_private_data;

	return region == &unserved ? NULL : region;
}

/*
 * Arming and disarming.
 */

/* Waits for all faults in progress. Also where nothing may sleep. */
static void region_disarm(struct spf_region *region, unsigned long start,
			  unsigned long end)
{
	int cpu;

	if (IS_ENABLED(MMLAB_PLANT_KEEP_ARMED))
		return;

	spin_lock(&region->lock);
	if (region->live && region->start < end &&
	    start < region->start + region->bytes) {
		WRITE_ONCE(region->live, false);
		/* Who does not see it has been seen by the loop. */
		smp_mb();
		for_each_possible_cpu(cpu)
			while (!IS_ENABLED(MMLAB_PLANT_SKIP_WAIT) &&
			       smp_load_acquire(per_cpu_ptr(&spf_busy, cpu)) ==
			       region)
				cpu_relax();
		spf_count(MMLAB_SPF_STAT_DISARMED);
	}
	spin_unlock(&region->lock);
}

static void region_disarm_all(struct spf_region *region)
{
	region_disarm(region, 0, ULONG_MAX);
}

/*
 * What speculation knows nothing of: a policy for the VMA's pages, userfaultfd,
 * no access.
 */
static bool vma_is_plain(const struct vm_area_struct *vma)
{
	return (vma->vm_flags & (VM_READ | VM_WRITE)) &&
	       !(vma->vm_flags & (VM_LOCKED | __VM_UFFD_FLAGS)) &&
	       !vma_policy(vma) && READ_ONCE(vma->anon_vma);
}

/* The VMA cannot change: mmap_lock, or its own lock, is held. */
static void region_arm(struct spf_region *region,
		       const struct vm_area_struct *vma)
{
	struct vm_area_struct *shadow = &region->shadow;

	if (likely(READ_ONCE(region->live)) || !vma_is_plain(vma))
		return;

	spin_lock(&region->lock);
	if (!region->live) {
		WRITE_ONCE(region->start, vma->vm_start);
		WRITE_ONCE(region->bytes, vma->vm_end - vma->vm_start);
		region->writable = vma->vm_flags & VM_WRITE;
		region->no_copies = !mmlab_has_copy;
		shadow->vm_mm = vma->vm_mm;
		shadow->vm_start = vma->vm_start;
		shadow->vm_end = vma->vm_end;
		shadow->vm_pgoff = vma->vm_pgoff;
		mmlab_anon_pgoff_set(shadow, mmlab_anon_pgoff(vma));
		shadow->vm_page_prot = vma->vm_page_prot;
		shadow->anon_vma = vma->anon_vma;
		mmlab_vm_flags_init(shadow, vma->vm_flags);
		/* All of it is seen by who sees that it is live. */
		smp_store_release(&region->live, true);
		spf_count(MMLAB_SPF_STAT_ARMED);
	}
	spin_unlock(&region->lock);
}

/**
 * spf_region_arm() - make a region ready, if mmap_lock is free
 * @region: found by a fault that is not busy yet: who disarms would wait for that
 *	fault, with the lock that this takes
 * @mm: its address space
 * @addr: the address of the fault
 *
 * For writes to pages that are there: the kernel's own fault does not ask the
 * module, so nothing else would arm the region.
 *
 * Context: preemption off, interrupts on.
 */
void spf_region_arm(struct spf_region *region, struct mm_struct *mm,
		    unsigned long addr)
{
	struct vm_area_struct *vma;

	if (!mmap_read_trylock(mm))
		return;
	/* Not region->vma: that may be about to be freed. */
	vma = vma_lookup(mm, addr);
	if (vma && vma->vm_private_data == region)
		region_arm(region, vma);
	mmap_read_unlock(mm);
}

static struct spf_space *space_of(struct mmu_notifier *notifier)
{
	return container_of(notifier, struct spf_space, notifier);
}

static int invalidate_start(struct mmu_notifier *notifier,
			    const struct mmu_notifier_range *range)
{
	struct spf_region *region;

	switch (range->event) {
	case MMU_NOTIFY_CLEAR:
	case MMU_NOTIFY_MIGRATE:
	case MMU_NOTIFY_EXCLUSIVE:
		/* Entries change under the lock of their table. */
		return 0;
	case MMU_NOTIFY_PROTECTION_VMA:
		/* The same by NUMA balancing; mprotect has called .mprotect. */
		return 0;
	default:
		break;
	}

	rcu_read_lock();
	hlist_for_each_entry_rcu(region, &space_of(notifier)->regions, link)
		region_disarm(region, range->start, range->end);
	rcu_read_unlock();
	return 0;
}

static struct mmu_notifier *notifier_alloc(struct mm_struct *mm)
{
	struct spf_space *space = kzalloc(sizeof(*space), GFP_KERNEL_ACCOUNT);

	if (!space)
		return ERR_PTR(-ENOMEM);
	space->mm = mm;
	atomic_inc(&n_notifiers);
	return &space->notifier;
}

/* Nobody calls it any more; a fault may still look at it. */
static void notifier_free(struct mmu_notifier *notifier)
{
	kfree_rcu(space_of(notifier), rcu);
	if (atomic_dec_and_test(&n_notifiers))
		wake_up_var(&n_notifiers);
}

static const struct mmu_notifier_ops notifier_ops = {
	.invalidate_range_start = invalidate_start,
	.alloc_notifier = notifier_alloc,
	.free_notifier = notifier_free,
};

/*
 * Regions.
 */

/*
 * mmap_lock is held for writing. A failure leaves the VMA to the kernel: for good
 * if the process has enough regions, else its next fault tries again.
 */
static int region_new(struct vm_area_struct *vma)
{
	struct mmu_notifier *notifier;
	struct spf_region *region;
	struct spf_space *space;

	/* Nobody arms it before the notifier finds it. */
	mmlab_vma_start_write(vma);
	region = kzalloc(sizeof(*region), GFP_KERNEL_ACCOUNT);
	if (!region)
		return -ENOMEM;
	/* A process's first: -EINTR if a signal is there. */
	notifier = mmu_notifier_get_locked(&notifier_ops, vma->vm_mm);
	if (IS_ERR(notifier)) {
		kfree(region);
		return PTR_ERR(notifier);
	}
	space = space_of(notifier);
	if (space->n_regions == MMLAB_SPF_MAX_REGIONS) {
		mmu_notifier_put(notifier);
		kfree(region);
		vma->vm_private_data = &unserved;
		spf_count(MMLAB_SPF_STAT_UNSERVED);
		return -ENOSPC;
	}

	spin_lock_init(&region->lock);
	region->space = space;
	region->start = vma->vm_start;
	region->bytes = vma->vm_end - vma->vm_start;
	region->vma = vma;

	spin_lock(&spaces_lock);
	hlist_add_head_rcu(&region->link, &space->regions);
	if (!space->n_regions++)
		hlist_add_head_rcu(&space->link, spf_bucket(space->mm));
	spin_unlock(&spaces_lock);
	vma->vm_private_data = region;
	spf_count(MMLAB_SPF_STAT_LIVE_REGIONS);
	spf_hook_regions_add(1);
	return 0;
}

/* mmap_lock is held, if only for reading: none is made meanwhile. */
static void region_free(struct spf_region *region)
{
	struct spf_space *space = region->space;

	region_disarm_all(region);
	spf_hook_regions_add(-1);
	spf_uncount(MMLAB_SPF_STAT_LIVE_REGIONS);
	spin_lock(&spaces_lock);
	hlist_del_rcu(&region->link);
	if (!--space->n_regions)
		hlist_del_rcu(&space->link);
	spin_unlock(&spaces_lock);
	kfree_rcu(region, rcu);
	mmu_notifier_put(&space->notifier);
}

/*
 * Faults.
 */

static void page_clear(struct page *page, unsigned long addr)
{
	clear_user_highpage(page, addr);
	__SetPageUptodate(page);
}

static vm_fault_t write_fault(struct vm_fault *vmf)
{
	vm_fault_t ret;

	page_clear(vmf->cow_page, vmf->address);
	ret = mmlab_finish_fault(vmf);
	return ret ? ret : VM_FAULT_DONE_COW;
}

/* As if it were a write: see fill_read() in refpage.c. */
static vm_fault_t read_fault(struct vm_fault *vmf)
{
	struct page *page;
	vm_fault_t ret;

	/* To make one would take mmap_lock. */
	if (unlikely(!READ_ONCE(vmf->vma->anon_vma)) &&
	    !mmlab_fault_has_mmap_lock(vmf))
		return mmlab_fault_again(vmf);
	ret = mmlab_anon_alloc(vmf, &page);
	if (ret)
		return ret;
	page_clear(page, vmf->address);
	vmf->cow_page = page;
	vmf->flags |= FAULT_FLAG_WRITE;
	ret = mmlab_finish_fault(vmf);
	vmf->flags &= ~FAULT_FLAG_WRITE;
	vmf->cow_page = NULL;
	if (ret) {
		put_page(page);
		return ret;
	}
	return VM_FAULT_NOPAGE;
}

/* A thread of the kernel's own would drop the file at once. */
static bool may_join(const struct vm_fault *vmf)
{
	return spf_hook_works && !vmf->vma->vm_private_data &&
	       !(current->flags & PF_KTHREAD) &&
	       spf_mode_of(vmf->vma->vm_file) == MMLAB_SPF_SPECULATIVE &&
	       (vmf->flags & FAULT_FLAG_ALLOW_RETRY) &&
	       !(vmf->flags & (FAULT_FLAG_RETRY_NOWAIT | FAULT_FLAG_TRIED));
}

static const struct vm_operations_struct spf_vm_ops, spf_locked_vm_ops;

/*
 * The first fault in a mapping that has no region yet: that fork() has copied, in
 * the midst of which a notifier cannot be registered, or whose mmap() met a
 * signal. Ends with the lock dropped. Whether it worked or not, the fault comes
 * again, marked as tried, and is then served.
 */
static vm_fault_t region_join(struct vm_fault *vmf)
{
	struct file *file = get_file(vmf->vma->vm_file);
	struct mm_struct *mm = vmf->vma->vm_mm;
	unsigned long addr = vmf->address;
	struct vm_area_struct *vma;

	mmlab_fault_unlock(vmf);
	if (mmap_write_lock_killable(mm))
		goto put_file;
	vma = vma_lookup(mm, addr);
	if (vma && vma->vm_ops == &spf_vm_ops && !vma->vm_private_data &&
	    spf_mode_of(vma->vm_file) == MMLAB_SPF_SPECULATIVE &&
	    !region_new(vma))
		spf_count(MMLAB_SPF_STAT_JOINED);
	mmap_write_unlock(mm);
put_file:
	/* See mmlab_fault_again(). */
	fput(file);
	return VM_FAULT_RETRY;
}

static vm_fault_t spf_fault(struct vm_fault *vmf)
{
	struct spf_region *region = region_of(vmf->vma);
	vm_fault_t ret;

	if (unlikely(!region) && may_join(vmf))
		return mmlab_fault_has_mmap_lock(vmf) ? region_join(vmf) :
							mmlab_fault_again(vmf);

	ret = vmf->flags & FAULT_FLAG_WRITE ? write_fault(vmf) :
					      read_fault(vmf);
	if (likely(!(ret & (VM_FAULT_ERROR | VM_FAULT_RETRY)))) {
		spf_count(MMLAB_SPF_STAT_NORMAL);
		if (region)
			region_arm(region, vmf->vma);
	}
	return ret;
}

#if MMLAB_HAS_VMA_LOCK
/* Nothing around to map; its presence lets .fault run under the VMA lock. */
static vm_fault_t no_map_pages(struct vm_fault *vmf, pgoff_t start, pgoff_t end)
{
	return 0;
}
#endif

/*
 * VMAs.
 */

/* mmap_lock is held for writing: a VMA is about to change under all faults. */
static void region_stop(struct spf_region *region)
{
	mmlab_vma_start_write(region->vma);
	region_disarm_all(region);
}

/* @vma is a copy of the region's: the other half, its new place, the child's. */
static void spf_open(struct vm_area_struct *vma)
{
	struct spf_region *region = region_of(vma);

	vma->vm_private_data = NULL;
	if (!region)
		return;
	region_stop(region);
	/* The notifier is there already. If memory lacks, a fault tries again. */
	if (vma->vm_mm == region->space->mm)
		(void)region_new(vma);
}

static void spf_close(struct vm_area_struct *vma)
{
	struct spf_region *region = region_of(vma);

	if (region)
		region_free(region);
}

static int spf_mprotect(struct vm_area_struct *vma, unsigned long start,
			unsigned long end, unsigned long flags)
{
	struct spf_region *region = region_of(vma);

	if (region)
		region_stop(region);
	return 0;
}

#ifdef CONFIG_NUMA
static int spf_set_policy(struct vm_area_struct *vma, struct mempolicy *policy)
{
	struct spf_region *region = region_of(vma);

	if (region)
		region_stop(region);
	return 0;
}
#endif

/* No VMA with .close is merged with another. */
static const struct vm_operations_struct spf_vm_ops = {
	.open = spf_open,
	.close = spf_close,
	.fault = spf_fault,
	.mprotect = spf_mprotect,
#if MMLAB_HAS_VMA_LOCK
	.map_pages = no_map_pages,
#endif
#ifdef CONFIG_NUMA
	.set_policy = spf_set_policy,
#endif
};

static const struct vm_operations_struct spf_locked_vm_ops = {
	.fault = spf_fault,
};

int spf_mmap(struct file *file, struct vm_area_struct *vma)
{
	enum mmlab_spf_mode mode = spf_mode_of(file);

	if ((vma->vm_flags & (VM_MAYSHARE | VM_EXEC)))
		return -EINVAL;

	vma->vm_private_data = NULL;
	/*
	 * What was mapped here before has gone already: a failure would leave a
	 * hole, which others would see. So the first fault tries again.
	 */
	if (mode == MMLAB_SPF_SPECULATIVE && spf_hook_works)
		(void)region_new(vma);
	/* No merging, no growing, no mlock, no KSM. */
	mmlab_vm_flags_set(vma, VM_DONTEXPAND);
	mmlab_vm_flags_clear(vma, VM_MAYEXEC);
	vma->vm_ops = mode == MMLAB_SPF_MMAP_LOCK ? &spf_locked_vm_ops :
						    &spf_vm_ops;
	spf_count(MMLAB_SPF_STAT_MMAPS);
	return 0;
}

/*
 * Not mmu_notifier_synchronize(): it waits for those who call notifiers, not for
 * their being freed, which is the module's code.
 */
void spf_region_exit(void)
{
	wait_var_event(&n_notifiers, !atomic_read(&n_notifiers));
	/* The last may not have returned yet; softirqs are off there. */
	synchronize_rcu();
}
