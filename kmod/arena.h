/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Arenas, between arena.c (the object, its files and mappings), arena-range.c
 * (commands), arena-fault.c (faults), arena-extents.c (what is mapped),
 * arena-lock.c (the schemes) and arena-pending.c (faults that hold no lock).
 * The rules of locking and lifetime are at the head of arena.c.
 */
#ifndef MMLAB_ARENA_H
#define MMLAB_ARENA_H

#include <linux/fs.h>
#include <linux/maple_tree.h>
#include <linux/mman.h>
#include <linux/mm.h>
#include <linux/mutex.h>
#include <linux/percpu.h>
#include <linux/rwsem.h>
#include <linux/spinlock.h>
#include <linux/wait.h>
#include <linux/xarray.h>

#include "range-lock.h"
#include "uapi/mmlab.h"

struct pending_cpu;

/**
 * struct pending_list - some of the pending faults
 * @lock: guards the list
 * @faults: struct pending_fault.link
 */
struct pending_list {
	spinlock_t lock;
	struct hlist_head faults;
} ____cacheline_aligned_in_smp;

/**
 * struct pending - the faults that are under way and hold no lock
 * @kind: enum mmlab_arena_pending
 * @n_lists: length of @lists: 0 with NONE; the one of CPU is for those who
 *	find no slot
 * @lists: pending faults
 * @cpus: slots, with CPU
 * @drained: commands that wait for faults
 */
struct pending {
	u32 kind;
	unsigned int n_lists;
	struct pending_list *lists;
	struct pending_cpu __percpu *cpus;
	wait_queue_head_t drained;
};

/**
 * struct pending_fault - one of them, on its stack
 * @link: in a list
 * @list: which one, or NULL
 * @slot: its slot, or NULL
 * @page: what it faults on
 * @state: see arena-pending.c; in a slot it is there instead
 */
struct pending_fault {
	struct hlist_node link;
	struct pending_list *list;
	atomic_long_t *slot;
	unsigned long page;
	atomic_long_t state;
};

/**
 * struct arena_delay - what HOLD_FAULT asked for
 * @lock: guards the rest, but @armed may be looked at without
 * @armed: the next fault from @first to @last takes it
 * @first: first page
 * @last: last page
 * @duration_ns: how long that fault is to take
 * @n_ended: goes up when delays under way are to end
 * @sleepers: delayed faults
 */
struct arena_delay {
	spinlock_t lock;
	bool armed;
	unsigned long first;
	unsigned long last;
	u64 duration_ns;
	unsigned int n_ended;
	wait_queue_head_t sleepers;
};

/**
 * struct arena - one arena
 * @scheme: enum mmlab_arena_scheme; constant
 * @sem: RWSEM: the lock; SPLIT: the short lock
 * @tree: the range lock of TREE and SPLIT
 * @list: that of LIST
 * @pending: faults that hold no lock
 * @extents: what is mapped: protection bits of ranges of pages, as value
 *	entries. Looked up under RCU; who changes a range has it exclusively
 * @extents_lock: for changing, and for looking at more than one page
 * @n_extents: entries there are; under that lock
 * @pages: its memory, NULL where nobody has touched it. An entry appears by
 *	compare-and-swap, and goes by who has it exclusively
 * @n_pages: length of @pages; constant
 * @marks: who is inside of each page's range, with CHECK, else NULL
 * @delay: what HOLD_FAULT asked for
 * @prots: entries' bits: for reading, for writing; constant
 * @mapping: what finds the VMA; constant
 * @n_vmas: 0 or 1, and 2 while mremap(2) fails
 * @mm: whose it is, to compare
 * @start: and where; both are written before there are VMAs
 */
struct arena {
	u32 scheme;
	struct rw_semaphore sem;
	struct range_tree tree;
	struct range_list list;
	struct pending pending;
	struct maple_tree extents;
	struct mutex extents_lock;
	unsigned int n_extents;
	struct page **pages;
	unsigned long n_pages;
	atomic_t *marks;
	struct arena_delay delay;
	pgprot_t prots[2];
	struct address_space *mapping;
	atomic_t n_vmas;
	struct mm_struct *mm;
	unsigned long start;
};

/**
 * struct arena_hold - a range that is locked
 * @first: first page
 * @last: last page
 * @shared: as a reader
 * @marked: it is in the marks
 * @entry: TREE, SPLIT
 * @node: LIST
 */
struct arena_hold {
	unsigned long first;
	unsigned long last;
	bool shared;
	bool marked;
	struct range_tree_entry entry;
	struct range_list_node *node;
};

/**
 * struct arena_fault - what a fault holds
 * @hold: the lock of its page, if @locked
 * @pending: its registration, if @registered
 * @locked: see there
 * @registered: see there
 * @short_locked: it has SPLIT's short lock, for reading
 */
struct arena_fault {
	struct arena_hold hold;
	struct pending_fault pending;
	bool locked;
	bool registered;
	bool short_locked;
};

DECLARE_PER_CPU(u64[MMLAB_ARENA_N_STATS], arena_counts);

static __always_inline void arena_count(enum mmlab_arena_stat stat, long n)
{
	this_cpu_add(arena_counts[stat], n);
}

/* arena.c */
extern const struct vm_operations_struct arena_vm_ops;
struct page *arena_page_publish(struct arena *arena, unsigned long i,
				struct page *page);
struct page *arena_page_new(gfp_t more);
void arena_page_drop(struct page *page);
void arena_pages_free(struct arena *arena, unsigned long first,
		      unsigned long last);
int arena_entry_set(struct arena *arena, struct vm_area_struct *vma,
		    unsigned long i, struct page *page, int prot);

/* arena-extents.c */
enum extents_change { EXTENTS_MAP, EXTENTS_PROTECT, EXTENTS_UNMAP };

void extents_init(struct arena *arena);
void extents_deinit(struct arena *arena);
int extents_change(struct arena *arena, unsigned long first,
		   unsigned long last, enum extents_change change, u32 prot);
int extents_check(struct arena *arena, unsigned long first, unsigned long last);
int extents_prot(struct arena *arena, unsigned long page);

/* arena-range.c */
long arena_ioctl(struct file *file, unsigned int cmd, unsigned long arg);

/* arena-fault.c */
vm_fault_t arena_vm_fault(struct vm_fault *vmf);
vm_fault_t arena_vm_mkwrite(struct vm_fault *vmf);
void arena_delay_init(struct arena_delay *delay);
void arena_delay_set(struct arena *arena, unsigned long first,
		     unsigned long last, u64 duration_ns);

/* arena-lock.c */
void arena_lock_init(struct arena *arena);
void arena_lock_deinit(struct arena *arena);
int arena_lock(struct arena *arena, struct arena_hold *hold);
void arena_unlock(struct arena *arena, struct arena_hold *hold);
int arena_change_begin(struct arena *arena);
void arena_change_end(struct arena *arena, struct arena_hold *hold);
int arena_look_begin(struct arena *arena);
void arena_look_end(struct arena *arena);
int arena_fault_begin(struct arena *arena, struct arena_fault *fault,
		      unsigned long page);
void arena_fault_looked_up(struct arena *arena, struct arena_fault *fault);
bool arena_fault_commit(struct arena *arena, struct arena_fault *fault);
void arena_fault_end(struct arena *arena, struct arena_fault *fault);

/* arena-pending.c */
int pending_init(struct pending *pending, u32 kind);
void pending_deinit(struct pending *pending);
void pending_begin(struct pending *pending, struct pending_fault *fault,
		   unsigned long page);
bool pending_commit(struct pending_fault *fault);
void pending_end(struct pending *pending, struct pending_fault *fault);
void pending_expel(struct pending *pending, unsigned long first,
		   unsigned long last);

#endif /* MMLAB_ARENA_H */
