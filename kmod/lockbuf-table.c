// SPDX-License-Identifier: GPL-2.0
/*
 * Lockable buffers: mappings and their page tables. The rules of locking and
 * lifetime are at the head of lockbuf.c.
 *
 * A mapping owns its PTE pages. The kernel never sees one outside of the time
 * in which it is attached, does not count them (mm_inc_nr_ptes()), and never
 * puts one of its own there: everything that would allocate one asks .fault
 * first, or is refused. Likewise for the PMD page of a block that the mapping
 * covers wholly: the kernel's own, empty one stands in the PUD entry whenever
 * ours is not attached, so that it finds, and frees, what it allocated.
 */
#include <linux/mman.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>

#include "compat.h"
#include "lockbuf.h"

static const struct vm_operations_struct lockbuf_vm_ops;
static struct workqueue_struct *free_workqueue;

static bool block_is_whole(const struct lockbuf_block *block)
{
	return block->n_chunks == PTRS_PER_PMD;
}

/*
 * Page-table pages.
 */

enum table_level { TABLE_PTE, TABLE_PMD };

static struct page *table_new(enum table_level level)
{
	struct page *page = alloc_page(GFP_KERNEL_ACCOUNT | __GFP_ZERO);
	bool ok;

	if (!page)
		return NULL;
	ok = level == TABLE_PTE ? mmlab_pte_ctor(page) : mmlab_pmd_ctor(page);
	if (!ok) {
		__free_page(page);
		return NULL;
	}
	lockbuf_count(MMLAB_LOCKBUF_STAT_LIVE_TABLES, 1);
	return page;
}

static void table_free(struct page *page, enum table_level level)
{
	if (level == TABLE_PTE)
		mmlab_pte_dtor(page);
	else
		mmlab_pmd_dtor(page);
	__free_page(page);
	lockbuf_count(MMLAB_LOCKBUF_STAT_LIVE_TABLES, -1);
}

static void map_free(struct lockbuf_map *map)
{
	struct lockbuf_block *block;
	unsigned int i, j;

	for (i = 0; i < map->n_blocks; i++) {
		block = &map->blocks[i];
		if (!block->pmds)
			continue;
		for (j = 0; j < block->n_chunks; j++)
			if (!pmd_none(block->pmds[j]))
				table_free(pmd_page(block->pmds[j]), TABLE_PTE);
		if (block_is_whole(block))
			table_free(virt_to_page(block->pmds), TABLE_PMD);
		cond_resched();
	}
	kvfree(map);
}

static void map_free_work(struct work_struct *work)
{
	map_free(container_of(to_rcu_work(work), struct lockbuf_map,
			      free_work));
}

/*
 * Attaching and detaching. All under the buffer's lock.
 */

/*
 * All entries of a block are written: to look which tables exist would cost
 * more. A kernel with support for Xen makes a call of set_pmd(), which is a
 * store wherever buffers can be created: these loops are what LOCK and UNLOCK
 * do for large ones.
 */
static __always_inline void entries_write(pmd_t *slots, const pmd_t *pmds,
					  unsigned int n)
{
	unsigned int i;

	for (i = 0; i < n; i++)
		WRITE_ONCE(slots[i], pmds[i]);
}

static __always_inline void entries_clear(pmd_t *slots, unsigned int n)
{
	unsigned int i;

	for (i = 0; i < n; i++)
		WRITE_ONCE(slots[i], native_make_pmd(0));
}

/* False if there are entries but their place is not known. */
static bool block_attach(struct lockbuf_block *block)
{
	pud_t *slot = block->slot;

	if (unlikely(!slot))
		return block->n_tables == 0;
	if (block->attached)
		return true;
	block->attached = true;

	spin_lock(block->slot_lock);
	if (likely(!block_is_whole(block))) {
		entries_write(block->slot, block->pmds, block->n_chunks);
		lockbuf_count(MMLAB_LOCKBUF_STAT_PMDS_ATTACHED,
			      block->n_tables);
	} else {
		block->process_pud = *slot;
		set_pud(slot, __pud(_PAGE_TABLE | __pa(block->pmds)));
		lockbuf_count(MMLAB_LOCKBUF_STAT_PUDS_ATTACHED, 1);
	}
	spin_unlock(block->slot_lock);
	return true;
}

static bool block_detach(struct lockbuf_block *block)
{
	if (!block->attached)
		return false;
	block->attached = false;

	spin_lock(block->slot_lock);
	if (likely(!block_is_whole(block))) {
		entries_clear(block->slot, block->n_chunks);
		lockbuf_count(MMLAB_LOCKBUF_STAT_PMDS_DETACHED,
			      block->n_tables);
	} else {
		set_pud(block->slot, block->process_pud);
		lockbuf_count(MMLAB_LOCKBUF_STAT_PUDS_DETACHED, 1);
	}
	spin_unlock(block->slot_lock);
	return true;
}

/**
 * lockbuf_attach() - put in all entries whose place is known
 * @map: the mapping, its buffer locked
 *
 * Return: whether that was all; if not, .fault puts in the rest, and
 * lockbuf_places_find() makes it.
 */
bool lockbuf_attach(struct lockbuf_map *map)
{
	bool all = true;
	unsigned int i;

	map->known = true;
	for (i = 0; i < map->n_blocks; i++)
		all &= block_attach(&map->blocks[i]);
	return all;
}

/**
 * lockbuf_detach() - take out all entries
 * @map: the mapping, its buffer locked; see lockbuf.c for what keeps walkers
 *	away
 *
 * The caller flushes.
 *
 * Return: how many blocks had entries in.
 */
unsigned int lockbuf_detach(struct lockbuf_map *map)
{
	unsigned int i, n = 0;

	for (i = 0; i < map->n_blocks; i++)
		n += block_detach(&map->blocks[i]);
	return n;
}

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

	spin_lock(&buffer->lock);
	mmu_interval_set_seq(notifier, seq);
	n_detached = lockbuf_detach(map);
	for (i = 0; i < map->n_blocks; i++)
		map->blocks[i].slot = NULL;
	known = map->known;
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

static pte_t map_pte(const struct lockbuf_map *map, struct page *page)
{
	pte_t pte = pte_mkspecial(pfn_pte(page_to_pfn(page), map->prot));

	pte = pte_mkyoung(pte);
	return map->writer ? pte_mkdirty(pte) : pte;
}

/*
 * Writes the entries of those pages of one chunk that exist. First and last
 * count within the chunk.
 */
static void ptes_fill(struct lockbuf_map *map, unsigned long chunk, pmd_t pmd,
		      unsigned int first, unsigned int last)
{
	struct lockbuf *buffer = map->buffer;
	unsigned long base = chunk * PTRS_PER_PTE;
	pte_t *ptes = (pte_t *)pmd_page_vaddr(pmd);
	spinlock_t *ptl = pte_lockptr(map->mm, &pmd);
	unsigned int i, n = 0;
	struct page *page;

	spin_lock(ptl);
	for (i = first; i <= last && base + i < buffer->n_pages; i++) {
		page = READ_ONCE(buffer->pages[base + i]);
		if (!page || !pte_none(ptes[i]))
			continue;
		/*
		 * Not set_pte_at(): the kernel never takes these out, so that
		 * page_table_check would never see them go.
		 */
		set_pte(ptes + i, map_pte(map, page));
		n++;
	}
	spin_unlock(ptl);
	lockbuf_count(MMLAB_LOCKBUF_STAT_PTES_FILLED, n);
}

/* The block that a chunk is in, and the chunk's place in it. */
static struct lockbuf_block *block_of(struct lockbuf_map *map,
				      unsigned long chunk, unsigned int *ret_i)
{
	unsigned long addr = map->start + chunk * PMD_SIZE;
	unsigned long n = (addr >> PUD_SHIFT) - (map->start >> PUD_SHIFT);

	*ret_i = n == 0 ? chunk : pmd_index(addr);
	return &map->blocks[n];
}

/* Makes the chunk's table if there is none; returns its PMD entry, or none. */
static pmd_t chunk_table(struct lockbuf_map *map, unsigned long chunk)
{
	struct lockbuf *buffer = map->buffer;
	struct lockbuf_block *block;
	pmd_t pmd, other;
	struct page *page;
	spinlock_t *ptl;
	unsigned int i;

	block = block_of(map, chunk, &i);
	pmd = READ_ONCE(block->pmds[i]);
	if (!pmd_none(pmd))
		return pmd;

	page = table_new(TABLE_PTE);
	if (!page)
		return pmd;
	pmd = __pmd(PFN_PHYS(page_to_pfn(page)) | _PAGE_TABLE);
	/* The zeroed table must be visible before the entry is. */
	smp_wmb();

	spin_lock(&buffer->lock);
	other = block->pmds[i];
	if (likely(pmd_none(other))) {
		block->n_tables++;
		if (block_is_whole(block)) {
			ptl = pmd_lock(map->mm, block->pmds);
			set_pmd(&block->pmds[i], pmd);
			spin_unlock(ptl);
		} else {
			WRITE_ONCE(block->pmds[i], pmd);
			if (block->attached) {
				pmd_t *slots = block->slot;

				spin_lock(block->slot_lock);
				set_pmd(slots + i, pmd);
				spin_unlock(block->slot_lock);
				lockbuf_count(MMLAB_LOCKBUF_STAT_PMDS_ATTACHED,
					      1);
			}
		}
	}
	spin_unlock(&buffer->lock);

	if (unlikely(!pmd_none(other))) {
		table_free(page, TABLE_PTE);
		return other;
	}
	return pmd;
}

/* None of the kernel's own entries may be where ours go. */
static bool slots_are_free(struct lockbuf_block *block, pmd_t *slots)
{
	unsigned int i;

	for (i = 0; i < block->n_chunks; i++)
		if (!pmd_none(READ_ONCE(slots[i])))
			return false;
	return true;
}

/* Finds the place of the block's entries and puts them in. */
static bool fault_attach(struct vm_fault *vmf, struct lockbuf_map *map,
			 unsigned long chunk)
{
	struct lockbuf *buffer = map->buffer;
	struct lockbuf_block *block;
	bool ok = true;
	unsigned int i;
	void *slot;

	block = block_of(map, chunk, &i);
	slot = block_is_whole(block) ? (void *)vmf->pud :
				       (void *)(vmf->pmd - i);

	spin_lock(&buffer->lock);
	if (!block->attached) {
		ok = slots_are_free(block, block_is_whole(block) ?
				    pmd_offset(vmf->pud, 0) : slot);
		if (!WARN_ON_ONCE(!ok)) {
			block->slot = slot;
			block->slot_lock = block_is_whole(block) ?
				pud_lockptr(map->mm, slot) :
				pmd_lockptr(map->mm, slot);
			map->known = true;
			block_attach(block);
		}
	}
	spin_unlock(&buffer->lock);
	return ok;
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
	pmd = chunk_table(map, chunk);
	if (pmd_none(pmd))
		return VM_FAULT_OOM;

	/* Who finds a page that somebody else made will want its neighbours. */
	if (existed)
		ptes_fill(map, chunk, pmd, 0, PTRS_PER_PTE - 1);
	else
		ptes_fill(map, chunk, pmd, i, i);

	if (!fault_attach(vmf, map, chunk))
		return VM_FAULT_SIGBUS;
	lockbuf_count(MMLAB_LOCKBUF_STAT_FAULTS, 1);
	return VM_FAULT_NOPAGE;
}

/* An address in the block that has a page, or 0. */
static unsigned long block_page_addr(struct lockbuf_map *map, unsigned int n)
{
	struct lockbuf *buffer = map->buffer;
	struct lockbuf_block *block = &map->blocks[n];
	unsigned long start, index, end;
	unsigned int i;

	start = n == 0 ? map->start : (map->start & PUD_MASK) + n * PUD_SIZE;
	for (i = 0; i < block->n_chunks; i++) {
		if (pmd_none(READ_ONCE(block->pmds[i])))
			continue;
		index = (start - map->start) / PAGE_SIZE + i * PTRS_PER_PTE;
		end = min(index + PTRS_PER_PTE, buffer->n_pages);
		for (; index < end; index++)
			if (READ_ONCE(buffer->pages[index]))
				return map->start + index * PAGE_SIZE;
	}
	return 0;
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
		addr = block_page_addr(map, i);
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

unsigned long lockbuf_map_bytes(const struct lockbuf *buffer)
{
	return ALIGN(buffer->n_pages * PAGE_SIZE, PMD_SIZE);
}

static struct lockbuf_map *map_new(struct lockbuf *buffer,
				   const struct vm_area_struct *vma)
{
	unsigned long first = vma->vm_start >> PUD_SHIFT;
	unsigned long last = (vma->vm_end - 1) >> PUD_SHIFT;
	unsigned int i, n_blocks = last - first + 1, n_pmds = 0;
	unsigned long addr, end;
	struct lockbuf_map *map;
	struct page *page;
	pmd_t *pmds;

	for (addr = vma->vm_start; addr != vma->vm_end; addr = end) {
		end = pud_addr_end(addr, vma->vm_end);
		if (end - addr != PUD_SIZE)
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

	pmds = (pmd_t *)&map->blocks[n_blocks];
	for (i = 0, addr = vma->vm_start; i < n_blocks; i++, addr = end) {
		end = pud_addr_end(addr, vma->vm_end);
		map->blocks[i].n_chunks = (end - addr) / PMD_SIZE;
		if (block_is_whole(&map->blocks[i])) {
			page = table_new(TABLE_PMD);
			if (!page) {
				map_free(map);
				return NULL;
			}
			map->blocks[i].pmds = page_address(page);
		} else {
			map->blocks[i].pmds = pmds;
			pmds += map->blocks[i].n_chunks;
		}
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
		pmd = chunk_table(map, chunk);
		if (pmd_none(pmd))
			return -ENOMEM;
		ptes_fill(map, chunk, pmd, 0, PTRS_PER_PTE - 1);
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

int lockbuf_table_init(void)
{
	free_workqueue = alloc_workqueue("mmlab-lockbuf", WQ_UNBOUND, 0);
	return free_workqueue ? 0 : -ENOMEM;
}

void lockbuf_table_exit(void)
{
	/* Every mapping is closed; their work may still wait for RCU. */
	rcu_barrier();
	destroy_workqueue(free_workqueue);
}
