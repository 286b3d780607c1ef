// SPDX-License-Identifier: GPL-2.0
/*
 * Lockable buffers: the page tables of a mapping, and how they are put into
 * the process's own and taken out. The rules of locking and lifetime are at the
 * head of lockbuf.c.
 *
 * A mapping owns its PTE pages. The kernel never sees one outside of the time
 * in which it is attached, does not count them (mm_inc_nr_ptes()), and never
 * puts one of its own there: everything that would allocate one asks .fault
 * first, or is refused. Likewise for the PMD page of a block that the mapping
 * covers wholly: the kernel's own, empty one stands in the PUD entry whenever
 * ours is not attached, so that it finds, and frees, what it allocated.
 */
#include "compat.h"
#include "lockbuf.h"

static bool block_is_whole(const struct lockbuf_block *block)
{
	return lockbuf_is_whole(block->n_chunks);
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

/**
 * lockbuf_blocks_init() - lay out the parts of a new mapping
 * @map: with room for all entries of parts that are not whole behind @blocks;
 *	all zero but what is constant
 *
 * Return: 0, or -ENOMEM; lockbuf_blocks_deinit() in either case.
 */
int lockbuf_blocks_init(struct lockbuf_map *map)
{
	unsigned long addr = map->start, end;
	unsigned long map_end = addr + lockbuf_map_bytes(map->buffer);
	pmd_t *pmds = (pmd_t *)&map->blocks[map->n_blocks];
	struct lockbuf_block *block;
	struct page *page;
	unsigned int i;

	for (i = 0; i < map->n_blocks; i++, addr = end) {
		block = &map->blocks[i];
		end = pud_addr_end(addr, map_end);
		block->n_chunks = (end - addr) / PMD_SIZE;
		if (block_is_whole(block)) {
			page = table_new(TABLE_PMD);
			if (!page)
				return -ENOMEM;
			block->pmds = page_address(page);
		} else {
			block->pmds = pmds;
			pmds += block->n_chunks;
		}
	}
	return 0;
}

/** lockbuf_blocks_deinit() - free all page tables; no walk can be in them */
void lockbuf_blocks_deinit(struct lockbuf_map *map)
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
	mmlab_tables_written();
}

static __always_inline void entries_clear(pmd_t *slots, unsigned int n)
{
	unsigned int i;

	for (i = 0; i < n; i++)
		WRITE_ONCE(slots[i], MMLAB_PMD_NONE);
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
		set_pud(slot, mmlab_pud_of_table(block->pmds));
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

	lockdep_assert_held(&map->buffer->lock);
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

	lockdep_assert_held(&map->buffer->lock);
	for (i = 0; i < map->n_blocks; i++)
		n += block_detach(&map->blocks[i]);
	return n;
}

/*
 * Filling.
 */

static pte_t map_pte(const struct lockbuf_map *map, struct page *page)
{
	pte_t pte = pte_mkspecial(pfn_pte(page_to_pfn(page), map->prot));

	pte = pte_mkyoung(pte);
	return map->writer ? pte_mkdirty(pte) : pte;
}

/**
 * lockbuf_ptes_fill() - write the entries of those pages of one chunk that exist
 * @map: the mapping
 * @chunk: which 2 MiB of it
 * @pmd: what lockbuf_chunk_table() returned for it
 * @first: page within the chunk
 * @last: likewise, included
 */
void lockbuf_ptes_fill(struct lockbuf_map *map, unsigned long chunk, pmd_t pmd,
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
	mmlab_tables_written();
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

/**
 * lockbuf_chunk_table() - make a chunk's PTE page if there is none
 * @map: the mapping, its buffer not locked
 * @chunk: which 2 MiB of it
 *
 * Return: its PMD entry; none if there is no memory.
 */
pmd_t lockbuf_chunk_table(struct lockbuf_map *map, unsigned long chunk)
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
	pmd = mmlab_pmd_of_table(page);
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

/**
 * lockbuf_fault_attach() - find the place of a block's entries and put them in
 * @vmf: a fault in the block, which the mapping's owner may have
 * @map: the mapping, its buffer not locked
 * @chunk: which 2 MiB of it the fault is in
 *
 * Return: false if the kernel's own entries are there, which cannot be.
 */
bool lockbuf_fault_attach(struct vm_fault *vmf, struct lockbuf_map *map,
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
			WRITE_ONCE(block->slot, slot);
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

/**
 * lockbuf_block_page_addr() - where a fault would find the place of a block
 * @map: the mapping
 * @n: number of the block
 *
 * Return: an address in the block that has a page, or 0.
 */
unsigned long lockbuf_block_page_addr(struct lockbuf_map *map, unsigned int n)
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
