/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Range locks for readers and writers: one that keeps its ranges in an interval
 * tree under a spinlock, one that keeps them in a sorted list without a lock.
 * Ranges are of pages, both ends included.
 *
 * Both publish a range before they look for others, with a full barrier in
 * between: who publishes something else (a pending fault), and then asks
 * whether its page is excluded, is seen by the writer, or sees it.
 */
#ifndef MMLAB_RANGE_LOCK_H
#define MMLAB_RANGE_LOCK_H

#include <linux/atomic.h>
#include <linux/ktime.h>
#include <linux/rbtree.h>
#include <linux/rcupdate.h>
#include <linux/refcount.h>
#include <linux/spinlock.h>
#include <linux/wait.h>

#include "uapi/mmlab.h"

struct task_struct;

/**
 * struct range_wait - how a wait is counted
 * @counter: of the waits; that of their nanoseconds is two further
 * @start: when it began, 0 if it did not
 */
struct range_wait {
	unsigned int counter;
	u64 start;
};

/* arena.c. A wait is counted when it begins, so that others can see it. */
void range_wait_begin(struct range_wait *wait);
void range_wait_end(struct range_wait *wait);

/**
 * struct range_tree - a range lock by an interval tree
 * @lock: guards everything here and in the ranges
 * @root: ranges of holders and waiters, struct range_tree_entry
 * @n_arrived: how many there have been
 */
struct range_tree {
	spinlock_t lock;
	struct rb_root_cached root;
	u64 n_arrived;
};

/**
 * struct range_tree_entry - one holder or waiter, on its stack
 * @rb: in the tree
 * @subtree_last: the highest @last at and below it in the tree
 * @first: first page
 * @last: last page
 * @arrival: its number
 * @n_before: conflicting ranges that came earlier; 0 means that it holds
 * @task: whom to wake
 * @shared: as a reader
 */
struct range_tree_entry {
	struct rb_node rb;
	unsigned long subtree_last;
	unsigned long first;
	unsigned long last;
	u64 arrival;
	unsigned int n_before;
	bool shared;
	struct task_struct *task;
};

void range_tree_init(struct range_tree *tree);

/**
 * range_tree_lock() - lock a range
 * @tree: the lock
 * @entry: @first, @last and @shared are set; stays in place until unlocked
 * @wait: how a wait is counted
 *
 * Return: 0, or -EINTR after a fatal signal.
 */
int range_tree_lock(struct range_tree *tree, struct range_tree_entry *entry,
		    struct range_wait *wait);
void range_tree_unlock(struct range_tree *tree, struct range_tree_entry *entry);

/* Whether a writer has, or waits for, a range with this page. */
bool range_tree_excluded(struct range_tree *tree, unsigned long page);

/**
 * struct range_list - a range lock by a list
 * @head: of the list; a link is the address of a node, and bit 0 of the link in
 *	a node says that the node's range was unlocked
 * @n_impatient: writers that readers have to let pass
 * @passed: where readers wait for them
 */
struct range_list {
	unsigned long head;
	atomic_t n_impatient;
	wait_queue_head_t passed;
};

/**
 * struct range_list_node - one holder, or a waiter that got into the list
 * @next: link, see above; the only thing here that changes
 * @first: first page
 * @last: last page
 * @shared: as a reader
 * @n_users: the list, the holder, and who waits for it
 * @waiters: for the mark
 * @rcu: frees it
 */
struct range_list_node {
	unsigned long next;
	unsigned long first;
	unsigned long last;
	bool shared;
	refcount_t n_users;
	wait_queue_head_t waiters;
	struct rcu_head rcu;
};

int range_list_module_init(void);
void range_list_module_exit(void);

void range_list_init(struct range_list *list);
/* Nobody holds anything any more. */
void range_list_deinit(struct range_list *list);

/**
 * range_list_lock() - lock a range
 * @list: the lock
 * @first: first page
 * @last: last page
 * @shared: as a reader
 * @ret_node: for range_list_unlock(); set on success
 * @wait: how a wait is counted
 *
 * Return: 0, -EINTR after a fatal signal, or -ENOMEM.
 */
int range_list_lock(struct range_list *list, unsigned long first,
		    unsigned long last, bool shared,
		    struct range_list_node **ret_node,
		    struct range_wait *wait);
void range_list_unlock(struct range_list *list, struct range_list_node *node);

/* Whether a writer is in the list with this page. */
bool range_list_excluded(struct range_list *list, unsigned long page);

#endif /* MMLAB_RANGE_LOCK_H */
