/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Lockable buffers, between lockbuf.c (the object, who owns it, its commands),
 * lockbuf-map.c (its mappings) and lockbuf-table.c (their page tables). The rules
 * of locking and lifetime are at the head of lockbuf.c.
 */
#ifndef MMLAB_LOCKBUF_H
#define MMLAB_LOCKBUF_H

#include <linux/fs.h>
#include <linux/list.h>
#include <linux/mm.h>
#include <linux/mmu_notifier.h>
#include <linux/percpu.h>
#include <linux/refcount.h>
#include <linux/spinlock.h>
#include <linux/wait.h>
#include <linux/workqueue.h>

#include "compat.h"
#include "uapi/mmlab.h"

/**
 * struct lockbuf - one buffer
 * @lock: guards what is not constant here, and the entries of all mappings
 * @owners: 0 if nobody owns it, -1 if one process does and excludes all
 *	others, else the number of readers that share it; from -1 to 0 goes
 *	the owner's own UNLOCK, without @lock
 * @owner_died: the next LOCK reports that an owner ended without UNLOCK
 * @mode: enum mmlab_lockbuf_mode; constant
 * @flush: enum mmlab_lockbuf_flush; constant
 * @flags: MMLAB_LOCKBUF_POPULATE and so on; constant
 * @maps: mappings, struct lockbuf_map.link
 * @waiters: LOCKs that sleep
 * @pages: its memory, NULL where nobody has touched it; an entry is set once,
 *	without a lock
 * @n_pages: length of @pages; constant
 * @n_files: open files, of which each mapping holds one
 */
struct lockbuf {
	spinlock_t lock;
	int owners;
	bool owner_died;
	u8 mode;
	u8 flush;
	u8 flags;
	struct hlist_head maps;
	wait_queue_head_t waiters;
	struct page **pages;
	unsigned long n_pages;
	refcount_t n_files;
};

/**
 * struct lockbuf_block - the part of a mapping below one PMD page (1 GiB)
 * @slot: where the entries belong: a pmd_t * to the first of @n_chunks entries
 *	in the process's own PMD page, or, for a whole block, a pud_t *. NULL
 *	while unknown: at first, and after somebody changed page tables.
 * @slot_lock: what the kernel guards that place with
 * @pmds: an entry for each chunk (2 MiB), none before its table exists. For a
 *	whole block this is a PMD page that takes the place of the
 *	process's own, which stays empty.
 * @process_pud: the PUD entry of a whole block while ours is not attached
 * @n_chunks: length of @pmds; for lockbuf_is_whole()
 * @n_tables: how many entries of @pmds are not none
 * @attached: the entries are in the process's page tables
 */
struct lockbuf_block {
	void *slot;
	spinlock_t *slot_lock;
	pmd_t *pmds;
	pud_t process_pud;
	unsigned int n_chunks;
	unsigned int n_tables;
	bool attached;
};

/**
 * struct lockbuf_map - one mapping: one process and one buffer
 * @link: in the buffer's list
 * @mm: the process's address space, to compare; it is the notifier's that keeps
 *	it allocated
 * @owns: the process owns the buffer by this mapping
 * @writer: it was mapped with PROT_WRITE; constant
 * @known: entries were attached at some time, so that TLBs may know them
 * @start: first address; constant
 * @flush_end: end of the pages of the buffer, for flushes; constant
 * @prot: protection bits of every PTE; constant
 * @n_blocks: length of @blocks; constant
 * @buffer: what it maps; constant
 * @n_vmas: one, and a second while mremap(2) fails
 * @notifier: tells when somebody else is about to change page tables
 * @free_work: frees page tables once no lockless walk can be in them
 * @blocks: its parts; those that are not whole keep their entries behind it
 */
struct lockbuf_map {
	struct hlist_node link;
	struct mm_struct *mm;
	bool owns;
	bool writer;
	bool known;
	unsigned long start;
	unsigned long flush_end;
	pgprot_t prot;
	unsigned int n_blocks;
	struct lockbuf *buffer;
	refcount_t n_vmas;
	struct mmu_interval_notifier notifier;
	struct rcu_work free_work;
	struct lockbuf_block blocks[];
};

DECLARE_PER_CPU(u64[MMLAB_LOCKBUF_N_STATS], lockbuf_counts);

static __always_inline void lockbuf_count(enum mmlab_lockbuf_stat stat, long n)
{
	this_cpu_add(lockbuf_counts[stat], n);
}

/* lockbuf.c */
struct page *lockbuf_page(struct lockbuf *buffer, unsigned long index);
void lockbuf_owner_clear(struct lockbuf *buffer);

/* lockbuf-map.c */
int lockbuf_mmap(struct file *file, struct vm_area_struct *vma);
unsigned long lockbuf_get_unmapped_area(struct file *file, unsigned long addr,
					unsigned long bytes, unsigned long pgoff,
					unsigned long flags);
unsigned long lockbuf_map_bytes(const struct lockbuf *buffer);
void lockbuf_places_find(struct lockbuf *buffer);
int lockbuf_map_init(void);
void lockbuf_map_exit(void);

/* lockbuf-table.c */
int lockbuf_blocks_init(struct lockbuf_map *map);
void lockbuf_blocks_deinit(struct lockbuf_map *map);
bool lockbuf_attach(struct lockbuf_map *map);
unsigned int lockbuf_detach(struct lockbuf_map *map);
void lockbuf_ptes_fill(struct lockbuf_map *map, unsigned long chunk, pmd_t pmd,
		       unsigned int first, unsigned int last);
pmd_t lockbuf_chunk_table(struct lockbuf_map *map, unsigned long chunk);
bool lockbuf_fault_attach(struct vm_fault *vmf, struct lockbuf_map *map,
			  unsigned long chunk);
unsigned long lockbuf_block_page_addr(struct lockbuf_map *map, unsigned int n);

/*
 * Whether a part of a mapping has a PMD page of its own: it covers one, and the
 * machine lets that take the place of the process's.
 */
static inline bool lockbuf_is_whole(unsigned int n_chunks)
{
	return MMLAB_TABLE_REPLACES_TABLE && n_chunks == PTRS_PER_PMD;
}

/* The mapping of one process. Under the buffer's lock. */
static inline struct lockbuf_map *lockbuf_map_find(struct lockbuf *buffer,
						   const struct mm_struct *mm)
{
	struct lockbuf_map *map;

	hlist_for_each_entry(map, &buffer->maps, link)
		if (map->mm == mm)
			return map;
	return NULL;
}

/* Whether UNLOCK takes access away from this mapping. */
static inline bool lockbuf_map_detaches(const struct lockbuf *buffer,
					const struct lockbuf_map *map)
{
	return map->writer || buffer->mode != MMLAB_LOCKBUF_WRITER;
}

#endif /* MMLAB_LOCKBUF_H */
