// SPDX-License-Identifier: GPL-2.0
/*
 * Arenas: the pending faults. A fault that holds no lock while it makes a page
 * has its page number in here, so that a command that is about to change ranges
 * knows whether it is in the way.
 *
 * A fault is MAKING until it has what it needs, then INSTALLING. A command
 * aborts those that are MAKING, which will notice, and does not wait for them.
 * It waits for those that are INSTALLING: they sleep for no longer than the
 * allocation of a page table takes. Both steps are one compare-and-swap of the
 * same word.
 *
 * Who registers asks afterwards whether a command has its range (or has
 * registered under the lock that keeps commands out), and a command searches
 * after it has locked its range. There is a full barrier between both steps on
 * both sides, hence one sees the other.
 */
#include <linux/hash.h>
#include <linux/ktime.h>
#include <linux/slab.h>

#include "arena.h"

/* The low bits of a slot; the page number is above. A free slot is 0. */
enum pending_state { MAKING = 1, INSTALLING = 2, ABORTED = 3 };

enum { STATE_BITS = 2, HASH_BITS = 6, N_SLOTS = 8 };

/* The slots of one CPU: taken by tasks on it, freed from anywhere. */
struct pending_cpu {
	atomic_long_t slots[N_SLOTS];
} ____cacheline_aligned_in_smp;

int pending_init(struct pending *pending, u32 kind)
{
	static const unsigned int n_lists[] = {
		[MMLAB_ARENA_PENDING_NONE] = 0,
		[MMLAB_ARENA_PENDING_LIST] = 1,
		[MMLAB_ARENA_PENDING_HASH] = 1 << HASH_BITS,
		[MMLAB_ARENA_PENDING_CPU] = 1,
	};
	unsigned int i;

	pending->kind = kind;
	pending->n_lists = n_lists[kind];
	init_waitqueue_head(&pending->drained);
	if (!pending->n_lists)
		return 0;

	pending->lists = kcalloc(pending->n_lists, sizeof(*pending->lists),
				 GFP_KERNEL_ACCOUNT);
	if (!pending->lists)
		return -ENOMEM;
	for (i = 0; i < pending->n_lists; i++)
		spin_lock_init(&pending->lists[i].lock);

	if (kind == MMLAB_ARENA_PENDING_CPU) {
		pending->cpus = alloc_percpu_gfp(struct pending_cpu,
						 GFP_KERNEL_ACCOUNT);
		if (!pending->cpus)
			return -ENOMEM;
	}
	return 0;
}

/* Also after pending_init() failed. */
void pending_deinit(struct pending *pending)
{
	free_percpu(pending->cpus);
	kfree(pending->lists);
}

static struct pending_list *list_of(struct pending *pending, unsigned long page)
{
	return pending->kind == MMLAB_ARENA_PENDING_HASH ?
		&pending->lists[hash_long(page, HASH_BITS)] : pending->lists;
}

/*
 * Registering.
 */

static atomic_long_t *slot_take(struct pending *pending, unsigned long value)
{
	struct pending_cpu *cpu = get_cpu_ptr(pending->cpus);
	atomic_long_t *slot = NULL;
	unsigned int i;

	for (i = 0; i < N_SLOTS; i++) {
		if (atomic_long_read(&cpu->slots[i]))
			continue;
		slot = &cpu->slots[i];
		/* Nobody else takes slots here; no interrupt faults. */
		atomic_long_set(slot, value);
		break;
	}
	put_cpu_ptr(pending->cpus);
	return slot;
}

/**
 * pending_begin() - register a fault
 * @pending: where; not of kind NONE
 * @fault: stays in place until pending_end()
 * @page: its page
 *
 * A full barrier.
 */
void pending_begin(struct pending *pending, struct pending_fault *fault,
		   unsigned long page)
{
	fault->page = page;
	fault->slot = NULL;
	fault->list = NULL;
	arena_count(MMLAB_ARENA_STAT_PENDING_INSERTS, 1);

	if (pending->kind == MMLAB_ARENA_PENDING_CPU) {
		fault->slot = slot_take(pending, page << STATE_BITS | MAKING);
		if (likely(fault->slot)) {
			smp_mb();
			return;
		}
		arena_count(MMLAB_ARENA_STAT_PENDING_OVERFLOWS, 1);
	}

	atomic_long_set(&fault->state, MAKING);
	fault->list = list_of(pending, page);
	spin_lock(&fault->list->lock);
	hlist_add_head(&fault->link, &fault->list->faults);
	spin_unlock(&fault->list->lock);
	smp_mb();
}

/**
 * pending_commit() - from here on commands wait
 * @fault: registered
 *
 * Return: false if a command has aborted it.
 */
bool pending_commit(struct pending_fault *fault)
{
	unsigned long base = fault->page << STATE_BITS;

	if (fault->slot)
		return atomic_long_cmpxchg(fault->slot, base | MAKING,
					   base | INSTALLING) ==
		       (long)(base | MAKING);
	return atomic_long_cmpxchg(&fault->state, MAKING, INSTALLING) == MAKING;
}

/** pending_end() - forget a fault, whatever became of it */
void pending_end(struct pending *pending, struct pending_fault *fault)
{
	bool waited_for;

	if (fault->slot) {
		waited_for = (atomic_long_read(fault->slot) &
			      ((1 << STATE_BITS) - 1)) == INSTALLING;
		atomic_long_set_release(fault->slot, 0);
	} else {
		spin_lock(&fault->list->lock);
		hlist_del(&fault->link);
		spin_unlock(&fault->list->lock);
		waited_for = atomic_long_read(&fault->state) == INSTALLING;
	}
	if (waited_for && wq_has_sleeper(&pending->drained))
		wake_up_all(&pending->drained);
}

/*
 * Searching.
 */

/* Whether a command has to wait for this word's fault. */
static bool word_expel(atomic_long_t *word, long making, long aborted)
{
	if (atomic_long_cmpxchg(word, making, aborted) != making)
		return atomic_long_read(word) != aborted;
	arena_count(MMLAB_ARENA_STAT_PENDING_ABORTS, 1);
	return false;
}

static bool list_expel(struct pending_list *list, unsigned long first,
		       unsigned long last)
{
	struct pending_fault *fault;
	bool busy = false;

	spin_lock(&list->lock);
	hlist_for_each_entry(fault, &list->faults, link)
		if (fault->page >= first && fault->page <= last)
			busy |= word_expel(&fault->state, MAKING, ABORTED);
	spin_unlock(&list->lock);
	arena_count(MMLAB_ARENA_STAT_PENDING_SEARCHED, 1);
	return busy;
}

/* A slot may get another page meanwhile: that one is not for us to wait for. */
static bool slot_expel(atomic_long_t *slot, unsigned long first,
		       unsigned long last)
{
	unsigned long value = atomic_long_read(slot);
	unsigned long page = value >> STATE_BITS;
	unsigned long base = page << STATE_BITS;
	long left;

	if (!value || page < first || page > last)
		return false;
	left = atomic_long_cmpxchg(slot, base | MAKING, base | ABORTED);
	if (left == (long)(base | MAKING)) {
		arena_count(MMLAB_ARENA_STAT_PENDING_ABORTS, 1);
		return false;
	}
	return left == (long)(base | INSTALLING);
}

static bool cpus_expel(struct pending *pending, unsigned long first,
		       unsigned long last)
{
	struct pending_cpu *slots;
	bool busy = false;
	unsigned int i;
	int cpu;

	for_each_possible_cpu(cpu) {
		slots = per_cpu_ptr(pending->cpus, cpu);
		for (i = 0; i < N_SLOTS; i++)
			busy |= slot_expel(&slots->slots[i], first, last);
		arena_count(MMLAB_ARENA_STAT_PENDING_SEARCHED, 1);
	}
	return busy;
}

static bool expel_once(struct pending *pending, unsigned long first,
		       unsigned long last)
{
	bool busy = false;
	unsigned long i;

	if (pending->kind == MMLAB_ARENA_PENDING_CPU)
		busy = cpus_expel(pending, first, last);

	if (last - first < pending->n_lists) {
		for (i = first; i <= last; i++)
			busy |= list_expel(list_of(pending, i), first, last);
	} else {
		for (i = 0; i < pending->n_lists; i++)
			busy |= list_expel(&pending->lists[i], first, last);
	}
	return busy;
}

/**
 * pending_expel() - no fault is under way in a range when this returns
 * @pending: where
 * @first: first page
 * @last: last page
 *
 * The caller has locked the range, so that faults that register now go away by
 * themselves. Sleeps, without regard to signals.
 */
void pending_expel(struct pending *pending, unsigned long first,
		   unsigned long last)
{
	u64 start;

	if (pending->kind == MMLAB_ARENA_PENDING_NONE ||
	    IS_ENABLED(MMLAB_PLANT_IGNORE_PENDING))
		return;

	arena_count(MMLAB_ARENA_STAT_PENDING_LOOKUPS, 1);
	if (likely(!expel_once(pending, first, last)))
		return;

	arena_count(MMLAB_ARENA_STAT_PENDING_WAITS, 1);
	start = ktime_get_ns();
	wait_event(pending->drained, !expel_once(pending, first, last));
	arena_count(MMLAB_ARENA_STAT_PENDING_WAIT_NS, ktime_get_ns() - start);
}
