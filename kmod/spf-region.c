// SPDX-License-Identifier: GPL-2.0
/*
 * Speculative page faults: mappings, the kernel's own faults in them, and when
 * a region may be served without a lock. The rules are at the head of spf.c.
 *
 * Whichever way a page comes into being, it is the same: anonymous memory, with
 * the kernel's own copying, swapping and accounting.
 */
#include <linux/highmem.h>
#include <linux/mempolicy.h>
#include <linux/oom.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>

#include "compat.h"
#include "spf.h"

struct hlist_head spf_regions[1 << SPF_HASH_BITS];
static DEFINE_SPINLOCK(regions_lock);

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
			while (smp_load_acquire(per_cpu_ptr(&spf_busy, cpu)) ==
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
	       !vma_policy(vma) && vma->anon_vma;
}

/* After a fault of the kernel's, with the VMA locked by it. */
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
		shadow->vm_mm = vma->vm_mm;
		shadow->vm_start = vma->vm_start;
		shadow->vm_end = vma->vm_end;
		shadow->vm_pgoff = vma->vm_pgoff;
		shadow->vm_page_prot = vma->vm_page_prot;
		shadow->anon_vma = vma->anon_vma;
		mmlab_vm_flags_init(shadow, vma->vm_flags);
		/* All of it is seen by who sees that it is live. */
		smp_store_release(&region->live, true);
		spf_count(MMLAB_SPF_STAT_ARMED);
	}
	spin_unlock(&region->lock);
}

static int invalidate_start(struct mmu_notifier *notifier,
			    const struct mmu_notifier_range *range)
{
	struct spf_region *region;

	switch (range->event) {
	case MMU_NOTIFY_CLEAR:
	case MMU_NOTIFY_MIGRATE:
	case MMU_NOTIFY_EXCLUSIVE:
		/* Entries change under the lock of their table; tables stay. */
		return 0;
	default:
		break;
	}

	rcu_read_lock();
	hlist_for_each_entry_rcu(region, spf_bucket(range->mm), link)
		if (region->mm == range->mm)
			region_disarm(region, range->start, range->end);
	rcu_read_unlock();
	return 0;
}

static struct mmu_notifier *notifier_alloc(struct mm_struct *mm)
{
	struct mmu_notifier *notifier = kzalloc(sizeof(*notifier), GFP_KERNEL);

	return notifier ? notifier : ERR_PTR(-ENOMEM);
}

static void notifier_free(struct mmu_notifier *notifier)
{
	kfree(notifier);
}

static const struct mmu_notifier_ops notifier_ops = {
	.invalidate_range_start = invalidate_start,
	.alloc_notifier = notifier_alloc,
	.free_notifier = notifier_free,
};

/*
 * Regions.
 */

/* mmap_lock is held for writing. */
static int region_new(struct vm_area_struct *vma)
{
	struct spf_region *region;
	int err;

	region = kzalloc(sizeof(*region), GFP_KERNEL_ACCOUNT);
	if (!region)
		return -ENOMEM;
	region->notifier = mmu_notifier_get_locked(&notifier_ops, vma->vm_mm);
	if (IS_ERR(region->notifier)) {
		err = PTR_ERR(region->notifier);
		kfree(region);
		return err;
	}

	spin_lock_init(&region->lock);
	region->mm = vma->vm_mm;
	region->start = vma->vm_start;
	region->bytes = vma->vm_end - vma->vm_start;
	region->vma = vma;
	vma->vm_private_data = region;

	spin_lock(&regions_lock);
	hlist_add_head_rcu(&region->link, spf_bucket(region->mm));
	spin_unlock(&regions_lock);
	spf_count(MMLAB_SPF_STAT_LIVE_REGIONS);
	spf_hook_regions_add(1);
	return 0;
}

static void region_free(struct spf_region *region)
{
	region_disarm_all(region);
	spf_hook_regions_add(-1);
	spf_uncount(MMLAB_SPF_STAT_LIVE_REGIONS);
	spin_lock(&regions_lock);
	hlist_del_rcu(&region->link);
	spin_unlock(&regions_lock);
	mmu_notifier_put(region->notifier);
	kfree_rcu(region, rcu);
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

static bool may_join(const struct vm_fault *vmf)
{
	return spf_hook_works &&
	       spf_mode_of(vmf->vma->vm_file) == MMLAB_SPF_SPECULATIVE &&
	       (vmf->flags & FAULT_FLAG_ALLOW_RETRY) &&
	       !(vmf->flags & (FAULT_FLAG_RETRY_NOWAIT | FAULT_FLAG_TRIED));
}

static const struct vm_operations_struct spf_vm_ops, spf_locked_vm_ops;

/*
 * The first fault in a mapping that fork() has copied: a notifier cannot be
 * registered in the middle of fork(). Ends with the lock dropped. Whether it
 * worked or not, the fault comes again, and is then served.
 */
static vm_fault_t region_join(struct vm_fault *vmf)
{
	struct mm_struct *mm = vmf->vma->vm_mm;
	unsigned long addr = vmf->address;
	bool had_mmap_lock = mmlab_fault_has_mmap_lock(vmf);
	struct vm_area_struct *vma;

	mmlab_fault_unlock(vmf);
	/* It comes again with mmap_lock, and then once more, marked as tried. */
	if (!had_mmap_lock || mmap_write_lock_killable(mm))
		return VM_FAULT_RETRY;
	vma = vma_lookup(mm, addr);
	if (vma && vma->vm_ops == &spf_vm_ops && !vma->vm_private_data &&
	    spf_mode_of(vma->vm_file) == MMLAB_SPF_SPECULATIVE &&
	    !region_new(vma))
		spf_count(MMLAB_SPF_STAT_JOINED);
	mmap_write_unlock(mm);
	return VM_FAULT_RETRY;
}

static vm_fault_t spf_fault(struct vm_fault *vmf)
{
	struct spf_region *region = vmf->vma->vm_private_data;
	vm_fault_t ret;

	if (unlikely(!region) && may_join(vmf))
		return region_join(vmf);

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
	struct spf_region *region = vma->vm_private_data;

	if (!region)
		return;
	vma->vm_private_data = NULL;
	region_stop(region);
	/* The notifier is there already. If memory lacks, the kernel serves. */
	if (vma->vm_mm == region->mm)
		(void)region_new(vma);
}

static void spf_close(struct vm_area_struct *vma)
{
	if (vma->vm_private_data)
		region_free(vma->vm_private_data);
}

static int spf_mprotect(struct vm_area_struct *vma, unsigned long start,
			unsigned long end, unsigned long flags)
{
	if (vma->vm_private_data)
		region_stop(vma->vm_private_data);
	return 0;
}

#ifdef CONFIG_NUMA
static int spf_set_policy(struct vm_area_struct *vma, struct mempolicy *policy)
{
	if (vma->vm_private_data)
		region_stop(vma->vm_private_data);
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
	int err;

	if ((vma->vm_flags & (VM_MAYSHARE | VM_EXEC)))
		return -EINVAL;

	vma->vm_private_data = NULL;
	if (mode == MMLAB_SPF_SPECULATIVE && spf_hook_works) {
		err = region_new(vma);
		/* A process's first notifier gives up if a signal is there. */
		if (err)
			return err == -EINTR ? -ERESTARTNOINTR : err;
	}
	/* No merging, no growing, no mlock, no KSM. */
	mmlab_vm_flags_set(vma, VM_DONTEXPAND);
	mmlab_vm_flags_clear(vma, VM_MAYEXEC);
	vma->vm_ops = mode == MMLAB_SPF_MMAP_LOCK ? &spf_locked_vm_ops :
						    &spf_vm_ops;
	spf_count(MMLAB_SPF_STAT_MMAPS);
	return 0;
}

/* Notifiers are freed a grace period after the last region of a process. */
void spf_region_exit(void)
{
	mmu_notifier_synchronize();
}
