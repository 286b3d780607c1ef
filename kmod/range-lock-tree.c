// SPDX-License-Identifier: GPL-2.0
/*
 * The range lock by an interval tree: every holder and every waiter is in the
 * tree, and knows how many that it conflicts with came before it.
 *
 * Fairness: strict order of arrival among those that conflict. A waiting writer
 * keeps later readers of its range out, so that nobody starves; and a range
 * that waits keeps out what overlaps it though it would not overlap the holder.
 */
#include <linux/interval_tree_generic.h>
#include <linux/sched/signal.h>

#include "range-lock.h"

#define ENTRY_FIRST(entry) ((entry)->first)
#define ENTRY_LAST(entry) ((entry)->last)
INTERVAL_TREE_DEFINE(struct range_tree_entry, rb, unsigned long, subtree_last,
		     ENTRY_FIRST, ENTRY_LAST, static, entries)

static bool conflict(const struct range_tree_entry *a,
		     const struct range_tree_entry *b)
{
	if (IS_ENABLED(MMLAB_PLANT_OVERLAP_TREE))
		return false;
	return !a->shared || !b->shared;
}

void range_tree_init(struct range_tree *tree)
{
	spin_lock_init(&tree->lock);
	tree->root = RB_ROOT_CACHED;
	tree->n_arrived = 0;
}

/*
 * Those who came later have one less before them. Who wakes up with none, and
 * wants to leave, needs the lock: its entry stays until we are done.
 */
static void entry_remove(struct range_tree *tree,
			 struct range_tree_entry *entry)
{
	struct range_tree_entry *other;

	lockdep_assert_held(&tree->lock);
	entries_remove(entry, &tree->root);
	for (other = entries_iter_first(&tree->root, entry->first, entry->last);
	     other;
	     other = entries_iter_next(other, entry->first, entry->last)) {
		if (other->arrival < entry->arrival || !conflict(other, entry))
			continue;
		/* Pairs with the waiter's acquire. */
		smp_store_release(&other->n_before, other->n_before - 1);
		if (!other->n_before)
			wake_up_process(other->task);
	}
}

static int entry_wait(struct range_tree_entry *entry)
{
	int err = 0;

	for (;;) {
		set_current_state(TASK_KILLABLE);
		if (!smp_load_acquire(&entry->n_before))
			break;
		if (fatal_signal_pending(current)) {
			err = -EINTR;
			break;
		}
		schedule();
	}
	__set_current_state(TASK_RUNNING);
	return err;
}

int range_tree_lock(struct range_tree *tree, struct range_tree_entry *entry,
		    struct range_wait *wait)
{
	struct range_tree_entry *other;
	unsigned int n_before = 0;
	int err;

	entry->task = current;

	spin_lock(&tree->lock);
	entry->arrival = tree->n_arrived++;
	for (other = entries_iter_first(&tree->root, entry->first, entry->last);
	     other;
	     other = entries_iter_next(other, entry->first, entry->last))
		n_before += conflict(other, entry);
	entry->n_before = n_before;
	entries_insert(entry, &tree->root);
	spin_unlock(&tree->lock);

	if (likely(!n_before)) {
		/* What is looked at next must not have been read before. */
		smp_mb();
		return 0;
	}

	range_wait_begin(wait);
	err = entry_wait(entry);
	range_wait_end(wait);
	if (err)
		range_tree_unlock(tree, entry);
	return err;
}

void range_tree_unlock(struct range_tree *tree, struct range_tree_entry *entry)
{
	spin_lock(&tree->lock);
	entry_remove(tree, entry);
	spin_unlock(&tree->lock);
}

bool range_tree_excluded(struct range_tree *tree, unsigned long page)
{
	struct range_tree_entry *other;
	bool excluded = false;

	spin_lock(&tree->lock);
	for (other = entries_iter_first(&tree->root, page, page);
	     other && !excluded;
	     other = entries_iter_next(other, page, page))
		excluded = !other->shared;
	spin_unlock(&tree->lock);
	return excluded && !IS_ENABLED(MMLAB_PLANT_OVERLAP_TREE);
}
