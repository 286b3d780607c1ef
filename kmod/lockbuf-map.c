// SPDX-License-Identifier: GPL-2.0
/*
 * Lockable buffers: mappings, from mmap(2) to the last fault and .close. Their
 * page tables are in lockbuf-table.c. The rules of locking and lifetime are at
 * the head of lockbuf.c.
 */
#include <linux/mman.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>

#include "compat.h"
#include "lockbuf.h"

static const struct vm_operations_struct lockbuf_vm_ops;
static struct workqueue_struct *free_workqueue;

/*
 * Somebody is about to change page tables in, or above, the mapping: it is
 * unmapped or moved, the process ends, or soft-dirty bits are cleared. All
 * entries go, whatever part is meant. Places are forgotten, because the tables
 * that they are in may go.
 */
static bool map_invalidate(struct mmu_interval_notifier *notifier,
			   const struct mmu_notifier_range *range,
			   unsigned long seq)
{
	struct lockbuf_map *map = container_of(notifier, struct lockbuf_map,
					       notifier);
	struct lockbuf *buffer = map->buffer;
	unsigned int i, n_detached;
	bool known;

	if (IS_ENABLED(MMLAB_PLANT_KEEP_ATTACHED))
		return true;

	if (!IS_ENABLED(MMLAB_PLANT_UNLOCKED_CLEAR))
		spin_lock(&buffer->lock);
	mmu_interval_set_seq(notifier, seq);
	n_detached = lockbuf_detach(map);
	for (i = 0; i < map->n_blocks; i++)
		WRITE_ONCE(map->blocks[i].slot, NULL);
	known = map->known;
	if (!IS_ENABLED(MMLAB_PLANT_UNLOCKED_CLEAR))
		spin_unlock(&buffer->lock);

	/* Whatever UNLOCK's strategy is: tables and pages may be freed next. */
	if (known)
		mmlab_flush_tlb_mm_tables(map->mm);
	if (n_detached)
		lockbuf_count(MMLAB_LOCKBUF_STAT_INVALIDATED, 1);
	return true;
}

static const struct mmu_interval_notifier_ops map_notifier_ops = {
	.invalidate = map_invalidate,
};

/*
 * Faults.
 */

static bool may_access(const struct lockbuf *buffer,
		       const struct lockbuf_map *map)
{
	return READ_ONCE(map->owns) || !lockbuf_map_detaches(buffer, map);
}

/*
 * Under mmap_lock: there is no .map_pages, hence no fault under the lock of the
 * VMA alone. UNLOCK holds it for writing, hence access that is granted here
 * cannot slip past the UNLOCK that takes it away.
 */
static vm_fault_t lockbuf_fault(struct vm_fault *vmf)
{
	struct vm_area_struct *vma = vmf->vma;
	struct lockbuf_map *map = vma->vm_private_data;
	struct lockbuf *buffer = map->buffer;
	unsigned long chunk = vmf->pgoff / PTRS_PER_PTE;
	unsigned int i = vmf->pgoff % PTRS_PER_PTE;
	bool existed;
	pmd_t pmd;

	/* The other VMA of a failing mremap(2) does not live to see a fault. */
	if (WARN_ON_ONCE(vma->vm_start != map->start))
		return VM_FAULT_SIGBUS;
	if (unlikely(!may_access(buffer, map))) {
		lockbuf_count(MMLAB_LOCKBUF_STAT_VIOLATIONS, 1);
		return VM_FAULT_SIGSEGV;
	}
	if (unlikely(vmf->pgoff >= buffer->n_pages))
		return VM_FAULT_SIGBUS;

	existed = READ_ONCE(buffer->pages[vmf->pgoff]);
	if (!lockbuf_page(buffer, vmf->pgoff))
		return VM_FAULT_OOM;
	pmd = lockbuf_chunk_table(map, chunk);
	if (pmd_none(pmd))
		return VM_FAULT_OOM;

	/* Who finds a page that somebody else made will want its neighbours. */
	if (existed)
		lockbuf_ptes_fill(map, chunk, pmd, 0, PTRS_PER_PTE - 1);
	else
		lockbuf_ptes_fill(map, chunk, pmd, i, i);

	if (!lockbuf_fault_attach(vmf, map, chunk))
		return VM_FAULT_SIGBUS;
	lockbuf_count(MMLAB_LOCKBUF_STAT_FAULTS, 1);
	return VM_FAULT_NOPAGE;
}

/**
 * lockbuf_places_find() - have .fault find the places of all entries
 * @buffer: the buffer, not locked; the caller owns it, or just did
 *
 * So that the first LOCK of a populated buffer, and the first one after
 * page tables were changed, attaches as the others do. Whatever
 * fails is left to the access that needs it.
 */
void lockbuf_places_find(struct lockbuf *buffer)
{
	struct mm_struct *mm = current->mm;
	unsigned long addr, start = 0;
	struct vm_area_struct *vma;
	struct lockbuf_map *map;
	unsigned int i;

	if (mmap_read_lock_killable(mm))
		return;

	spin_lock(&buffer->lock);
	map = lockbuf_map_find(buffer, mm);
	if (map)
		start = map->start;
	spin_unlock(&buffer->lock);

	/* If its VMA can still be found, mmap_lock keeps both. */
	vma = map ? vma_lookup(mm, start) : NULL;
	if (!vma || vma->vm_ops != &lockbuf_vm_ops ||
	    vma->vm_private_data != map)
		goto unlock;

	for (i = 0; i < map->n_blocks; i++) {
		if (READ_ONCE(map->blocks[i].slot))
			continue;
		addr = lockbuf_block_page_addr(map, i);
		if (addr && fixup_user_fault(mm, addr, map->writer ?
					     FAULT_FLAG_WRITE : 0, NULL))
			break;
	}
unlock:
	mmap_read_unlock(mm);
}

/*
 * VMAs.
 */

/* Only mremap(2) gets here, for a VMA that it takes back when refused. */
static void lockbuf_open(struct vm_area_struct *vma)
{
	struct lockbuf_map *map = vma->vm_private_data;

	refcount_inc(&map->n_vmas);
}

static void lockbuf_close(struct vm_area_struct *vma)
{
	struct lockbuf_map *map = vma->vm_private_data;
	struct lockbuf *buffer = map->buffer;

	if (!refcount_dec_and_test(&map->n_vmas))
		return;

	mmu_interval_notifier_remove(&map->notifier);

	spin_lock(&buffer->lock);
	hlist_del(&map->link);
	if (map->owns) {
		buffer->owner_died = true;
		lockbuf_count(MMLAB_LOCKBUF_STAT_ABANDONED, 1);
		lockbuf_owner_clear(buffer);
	}
	spin_unlock(&buffer->lock);

	lockbuf_count(MMLAB_LOCKBUF_STAT_LIVE_MAPPINGS, -1);
	queue_rcu_work(free_workqueue, &map->free_work);
}

static int lockbuf_may_split(struct vm_area_struct *vma, unsigned long addr)
{
	return -EINVAL;
}

static int lockbuf_mremap(struct vm_area_struct *vma)
{
	return -EINVAL;
}

static int lockbuf_mprotect(struct vm_area_struct *vma, unsigned long start,
			    unsigned long end, unsigned long flags)
{
	return -EINVAL;
}

static const struct vm_operations_struct lockbuf_vm_ops = {
	.open = lockbuf_open,
	.close = lockbuf_close,
	.fault = lockbuf_fault,
	.may_split = lockbuf_may_split,
	.mremap = lockbuf_mremap,
	.mprotect = lockbuf_mprotect,
};

/*
 * mmap(2).
 */

static void map_free(struct lockbuf_map *map)
{
	lockbuf_blocks_deinit(map);
	kvfree(map);
}

static void map_free_work(struct work_struct *work)
{
	map_free(container_of(to_rcu_work(work), struct lockbuf_map,
			      free_work));
}

unsigned long lockbuf_map_bytes(const struct lockbuf *buffer)
{
	return ALIGN(buffer->n_pages * PAGE_SIZE, PMD_SIZE);
}

static struct lockbuf_map *map_new(struct lockbuf *buffer,
				   const struct vm_area_struct *vma)
{
	unsigned long first = vma->vm_start >> PUD_SHIFT;
	unsigned long last = (vma->vm_end - 1) >> PUD_SHIFT;
	unsigned int n_blocks = last - first + 1, n_pmds = 0;
	unsigned long addr, end;
	struct lockbuf_map *map;

	for (addr = vma->vm_start; addr != vma->vm_end; addr = end) {
		end = pud_addr_end(addr, vma->vm_end);
		if (!lockbuf_is_whole((end - addr) / PMD_SIZE))
			n_pmds += (end - addr) / PMD_SIZE;
	}

	map = kvzalloc(struct_size(map, blocks, n_blocks) +
		       n_pmds * sizeof(pmd_t), GFP_KERNEL_ACCOUNT);
	if (!map)
		return NULL;

	map->mm = vma->vm_mm;
	map->buffer = buffer;
	map->writer = vma->vm_flags & VM_WRITE;
	map->start = vma->vm_start;
	map->flush_end = vma->vm_start + buffer->n_pages * PAGE_SIZE;
	/* Not vm_page_prot, which clearing soft-dirty bits write-protects. */
	map->prot = vm_get_page_prot(vma->vm_flags);
	map->n_blocks = n_blocks;
	refcount_set(&map->n_vmas, 1);
	INIT_RCU_WORK(&map->free_work, map_free_work);

	if (lockbuf_blocks_init(map)) {
		map_free(map);
		return NULL;
	}
	return map;
}

static int map_populate(struct lockbuf_map *map)
{
	unsigned long n_chunks = DIV_ROUND_UP(map->buffer->n_pages,
					      PTRS_PER_PTE);
	unsigned long chunk;
	pmd_t pmd;

	for (chunk = 0; chunk < n_chunks; chunk++) {
		pmd = lockbuf_chunk_table(map, chunk);
		if (pmd_none(pmd))
			return -ENOMEM;
		lockbuf_ptes_fill(map, chunk, pmd, 0, PTRS_PER_PTE - 1);
		if (fatal_signal_pending(current))
			return -EINTR;
		cond_resched();
	}
	return 0;
}

/* mmap_lock is held for writing. */
int lockbuf_mmap(struct file *file, struct vm_area_struct *vma)
{
	struct lockbuf *buffer = file->private_data;
	unsigned long bytes = vma->vm_end - vma->vm_start;
	struct mm_struct *mm = vma->vm_mm;
	struct lockbuf_map *map;
	int err;

	if (!(vma->vm_flags & VM_MAYSHARE) || (vma->vm_flags & VM_EXEC) ||
	    !(vma->vm_flags & (VM_READ | VM_WRITE)) || vma->vm_pgoff ||
	    bytes != lockbuf_map_bytes(buffer) ||
	    !IS_ALIGNED(vma->vm_start, PMD_SIZE))
		return -EINVAL;

	spin_lock(&buffer->lock);
	map = lockbuf_map_find(buffer, mm);
	spin_unlock(&buffer->lock);
	if (map)
		return -EBUSY;

	map = map_new(buffer, vma);
	if (!map)
		return -ENOMEM;

	if (buffer->flags & MMLAB_LOCKBUF_POPULATE) {
		err = map_populate(map);
		if (err)
			goto free_map;
	}

	err = mmu_interval_notifier_insert_locked(&map->notifier, mm,
						  vma->vm_start, bytes,
						  &map_notifier_ops);
	if (err) {
		/* A process's first notifier gives up if a signal is there. */
		if (err == -EINTR)
			err = -ERESTARTNOINTR;
		goto free_map;
	}
	/*
	 * While another invalidation of the process is under way, of whatever
	 * range, the notifier may be in a queue and not be called. Such a one
	 * holds no mmap_lock (a file is truncated, a page reclaimed), and is
	 * waited for: without our notifier, munmap would free our tables.
	 */
	mmu_interval_read_begin(&map->notifier);

	mmlab_vm_flags_set(vma, VM_IO | VM_PFNMAP | VM_DONTEXPAND |
				VM_DONTCOPY | VM_DONTDUMP);
	mmlab_vm_flags_clear(vma, VM_MAYEXEC |
				  (map->writer ? 0 : VM_MAYWRITE));
	vma->vm_private_data = map;
	vma->vm_ops = &lockbuf_vm_ops;

	spin_lock(&buffer->lock);
	hlist_add_head(&map->link, &buffer->maps);
	spin_unlock(&buffer->lock);
	lockbuf_count(MMLAB_LOCKBUF_STAT_MMAPS, 1);
	lockbuf_count(MMLAB_LOCKBUF_STAT_LIVE_MAPPINGS, 1);
	return 0;

free_map:
	map_free(map);
	return err;
}

/* A large buffer is aligned so that its blocks are whole. */
unsigned long lockbuf_get_unmapped_area(struct file *file, unsigned long addr,
					unsigned long bytes, unsigned long pgoff,
					unsigned long flags)
{
	unsigned long align = bytes >= PUD_SIZE ? PUD_SIZE : PMD_SIZE;
	unsigned long found;

	if (flags & MAP_FIXED)
		return addr;
	if (!addr && bytes <= TASK_SIZE - align) {
		found = thp_get_unmapped_area(file, 0, bytes + align, pgoff,
					      flags);
		if (!IS_ERR_VALUE(found))
			return ALIGN(found, align);
	}
	return thp_get_unmapped_area(file, ALIGN(addr, PMD_SIZE), bytes, pgoff,
				     flags);
}

int lockbuf_map_init(void)
{
	free_workqueue = alloc_workqueue("mmlab-lockbuf", WQ_UNBOUND, 0);
	return free_workqueue ? 0 : -ENOMEM;
}

void lockbuf_map_exit(void)
{
	/* Every mapping is closed; their work may still wait for RCU. */
	rcu_barrier();
	destroy_workqueue(free_workqueue);
}
