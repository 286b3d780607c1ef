// SPDX-License-Identifier: GPL-2.0
/*
 * Arenas: what is mapped. A maple tree like the kernel's own: protection bits
 * of ranges of pages, as value entries. Faults look up one page under RCU;
 * commands look at a range and change it under a mutex, the tree's external
 * lock.
 *
 * A mutex, for three reasons: ranges can be long; with a lock of its own the
 * tree lets go of it to allocate nodes, and in 6.1 then stores NULL over what a
 * neighbour has mapped meanwhile; and to go from entry to entry under RCU alone
 * finds no root if the tree becomes empty. With RWSEM and SPLIT nobody contends
 * for it, because commands that change anything have sem.
 *
 * As with the kernel's VMAs, nodes are not charged, and ranges are limited.
 */
#include "arena.h"

void extents_init(struct arena *arena)
{
	mutex_init(&arena->extents_lock);
	/*
	 * As in the kernel's own, gaps are tracked, though nobody asks for
	 * them. Without that, upper nodes keep a count in two bytes of their
	 * last slot, and 6.1 and 6.12 take what else is left there of an
	 * earlier pointer for one when they free the node.
	 */
	mt_init_flags(&arena->extents, MT_FLAGS_ALLOC_RANGE | MT_FLAGS_USE_RCU |
				       MT_FLAGS_LOCK_EXTERN);
	mt_set_external_lock(&arena->extents, &arena->extents_lock);
}

void extents_deinit(struct arena *arena)
{
	mutex_lock(&arena->extents_lock);
	__mt_destroy(&arena->extents);
	mutex_unlock(&arena->extents_lock);
	mutex_destroy(&arena->extents_lock);
}

/**
 * struct meeting - what a range meets in the tree
 * @n: entries that overlap it
 * @n_ends: their ends that are outside of it
 * @covered: they leave no hole
 * @accessible: each allows something
 */
struct meeting {
	unsigned int n;
	unsigned int n_ends;
	bool covered;
	bool accessible;
};

static struct meeting range_meet(struct arena *arena, unsigned long first,
				 unsigned long last)
{
	struct meeting meeting = { .covered = true, .accessible = true };
	MA_STATE(mas, &arena->extents, first, first);
	unsigned long next = first;
	void *entry;

	lockdep_assert_held(&arena->extents_lock);
	mas_for_each(&mas, entry, last) {
		meeting.n++;
		meeting.n_ends += (mas.index < first) + (mas.last > last);
		meeting.covered &= mas.index <= next;
		meeting.accessible &= xa_to_value(entry) != PROT_NONE;
		next = mas.last + 1;
		if (meeting.n % 1024 == 0)
			cond_resched();
	}
	meeting.covered &= next > last;
	return meeting;
}

/* In place of what it meets comes one entry, or none. */
static int range_store(struct arena *arena, unsigned long first,
		       unsigned long last, const struct meeting *meeting,
		       void *entry)
{
	const unsigned int n_left = arena->n_extents - meeting->n +
				    meeting->n_ends + (entry ? 1 : 0);
	MA_STATE(mas, &arena->extents, first, last);
	int err;

	if (n_left > MMLAB_ARENA_MAX_RANGES && n_left > arena->n_extents)
		return -ENOMEM;
	err = mas_store_gfp(&mas, entry, GFP_KERNEL);
	if (!err)
		arena->n_extents = n_left;
	return err;
}

/**
 * extents_change() - map, unmap or protect a range
 * @arena: the arena
 * @first: first page
 * @last: last page
 * @change: which of them
 * @prot: not for unmapping: protection bits
 *
 * The caller has the range exclusively.
 *
 * Return: 0, -EEXIST, -ENOMEM, or -EINTR after a fatal signal; nothing has
 * changed then.
 */
int extents_change(struct arena *arena, unsigned long first,
		   unsigned long last, enum extents_change change, u32 prot)
{
	struct meeting meeting;
	int err = 0;

	if (mutex_lock_killable(&arena->extents_lock))
		return -EINTR;
	meeting = range_meet(arena, first, last);
	switch (change) {
	case EXTENTS_MAP:
		err = meeting.n ? -EEXIST : 0;
		break;
	case EXTENTS_PROTECT:
		err = meeting.covered ? 0 : -ENOMEM;
		break;
	case EXTENTS_UNMAP:
		/* There is nothing to store over. */
		if (!meeting.n)
			goto unlock;
		break;
	}
	if (!err)
		err = range_store(arena, first, last, &meeting,
				  change == EXTENTS_UNMAP ? NULL :
							    xa_mk_value(prot));
unlock:
	mutex_unlock(&arena->extents_lock);
	return err;
}

/**
 * extents_check() - may all of a range be accessed?
 * @arena: the arena
 * @first: first page
 * @last: last page
 *
 * The caller has the range, as a reader at least.
 *
 * Return: 0; -ENOMEM if some is not mapped; -EACCES if some is, but without any
 * protection bits; -EINTR after a fatal signal.
 */
int extents_check(struct arena *arena, unsigned long first, unsigned long last)
{
	struct meeting meeting;

	if (mutex_lock_killable(&arena->extents_lock))
		return -EINTR;
	meeting = range_meet(arena, first, last);
	mutex_unlock(&arena->extents_lock);
	if (!meeting.covered)
		return -ENOMEM;
	return meeting.accessible ? 0 : -EACCES;
}

/* Protection bits of what is mapped there, or -1. Needs no lock. */
int extents_prot(struct arena *arena, unsigned long page)
{
	void *entry = mtree_load(&arena->extents, page);

	return entry ? (int)xa_to_value(entry) : -1;
}
