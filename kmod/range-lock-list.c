// SPDX-License-Identifier: GPL-2.0
/*
 * The range lock by a list, after Kogan, Dice and Issa (EuroSys 2020): a list
 * sorted by first page, into which a range is inserted by one compare-and-swap
 * of a link, and is locked by being in it. Who finds an overlapping range on
 * the way waits for that one, and begins again. To unlock is to mark the node's
 * own link; a marked node is taken out by whoever comes past, or by its owner
 * where it is the first.
 *
 * Two writers that overlap want to insert at the same link, so that one fails
 * and then sees the other. A reader may be inserted before other readers, and
 * so pass a writer that is behind them, unseen. Hence both look again: a reader
 * forward to its end, and waits for the writer; a writer from the head to
 * itself, and if a reader is there, takes itself out and begins again. The
 * insertion is a full barrier, so that at least one of the two sees the other.
 *
 * Nodes are found without a lock: they are freed an RCU grace period after they
 * left the list. A node that somebody waits for is kept by a count.
 *
 * Fairness: none; whoever is in the list first. But once readers have been in a
 * writer's way a few times, in the list or after its insertion, readers that
 * come, to whatever range, let it pass.
 */
#include <linux/sched/signal.h>
#include <linux/slab.h>

#include "arena.h"
#include "range-lock.h"

enum { MARK = 1, N_PATIENT_TRIES = 4 };

static struct kmem_cache *node_cache;

static struct range_list_node *link_node(unsigned long link)
{
	return (struct range_list_node *)(link & ~(unsigned long)MARK);
}

static bool node_marked(const struct range_list_node *node)
{
	return smp_load_acquire(&node->next) & MARK;
}

/*
 * Nodes.
 */

static struct range_list_node *node_new(unsigned long first, unsigned long last,
					bool shared)
{
	struct range_list_node *node;

	node = kmem_cache_alloc(node_cache, GFP_KERNEL);
	if (!node)
		return NULL;
	node->next = 0;
	node->first = first;
	node->last = last;
	node->shared = shared;
	refcount_set(&node->n_users, 2);
	init_waitqueue_head(&node->waiters);
	arena_count(MMLAB_ARENA_STAT_LIVE_NODES, 1);
	return node;
}

static void node_free(struct range_list_node *node)
{
	kmem_cache_free(node_cache, node);
	arena_count(MMLAB_ARENA_STAT_LIVE_NODES, -1);
}

static void node_free_rcu(struct rcu_head *rcu)
{
	node_free(container_of(rcu, struct range_list_node, rcu));
}

static void node_put(struct range_list_node *node)
{
	if (refcount_dec_and_test(&node->n_users))
		call_rcu(&node->rcu, node_free_rcu);
}

/* Marks a node, after which its link does not change any more. */
static void node_unlock(struct range_list *list, struct range_list_node *node)
{
	unsigned long next = READ_ONCE(node->next), seen;

	while ((seen = cmpxchg(&node->next, next, next | MARK)) != next)
		next = seen;

	if (cmpxchg(&list->head, (unsigned long)node, next) ==
	    (unsigned long)node)
		node_put(node);
	/* The swap is a barrier: a waiter queues itself, then looks. */
	if (waitqueue_active(&node->waiters))
		wake_up_all(&node->waiters);
	node_put(node);
}

/* In a read section, which it ends; 0 or -EINTR. */
static int node_wait(struct range_list_node *node, struct range_wait *wait)
	__releases(RCU)
{
	int err = 0;

	if (!refcount_inc_not_zero(&node->n_users)) {
		/* Unlocked and out of the list meanwhile. */
		rcu_read_unlock();
		return 0;
	}
	rcu_read_unlock();
	range_wait_begin(wait);
	if (wait_event_killable(node->waiters, node_marked(node)))
		err = -EINTR;
	node_put(node);
	return err;
}

/**
 * struct attempt - a call of range_list_lock()
 * @list: the lock
 * @wait: how a wait is counted
 * @n_thwarted: a writer's: how often readers were in its way
 */
struct attempt {
	struct range_list *list;
	struct range_wait *wait;
	unsigned int n_thwarted;
};

static void attempt_thwarted(struct attempt *attempt)
{
	range_wait_begin(attempt->wait);
	if (++attempt->n_thwarted == N_PATIENT_TRIES)
		atomic_inc(&attempt->list->n_impatient);
	/* Last: whoever has seen it counted knows that readers wait now. */
	arena_count(MMLAB_ARENA_STAT_LIST_RESTARTS, 1);
}

static void attempt_end(struct attempt *attempt)
{
	if (attempt->n_thwarted >= N_PATIENT_TRIES &&
	    atomic_dec_and_test(&attempt->list->n_impatient))
		wake_up_all(&attempt->list->passed);
	range_wait_end(attempt->wait);
}

/*
 * Walking. All in a read section.
 */

/**
 * struct place - where a walk is
 * @link: the link it came by
 * @value: what was in it
 */
struct place {
	unsigned long *link;
	unsigned long value;
};

static void place_set(struct place *place, unsigned long *link)
{
	place->link = link;
	place->value = READ_ONCE(*link);
}

/*
 * The next node that is not marked; marked ones are taken out on the way. False
 * if the node that the walk came by was marked itself.
 */
static bool place_settle(struct place *place, struct range_list_node **ret_node)
{
	struct range_list_node *node;
	unsigned long next;

	for (;;) {
		if (place->value & MARK)
			return false;
		node = link_node(place->value);
		if (!node)
			break;
		next = READ_ONCE(node->next);
		if (!(next & MARK))
			break;
		if (cmpxchg(place->link, (unsigned long)node, next & ~MARK) ==
		    (unsigned long)node)
			node_put(node);
		place->value = READ_ONCE(*place->link);
	}
	*ret_node = node;
	return true;
}

/* Where a new range belongs, seen from a node. */
enum order { ORDER_AFTER_IT, ORDER_BEFORE_IT, ORDER_CONFLICT };

static enum order order_by(const struct range_list_node *node,
			   const struct range_list_node *new)
{
	if (node->shared && new->shared)
		return new->first >= node->first ? ORDER_AFTER_IT :
						   ORDER_BEFORE_IT;
	if (node->last < new->first)
		return ORDER_AFTER_IT;
	if (new->last < node->first)
		return ORDER_BEFORE_IT;
	if (IS_ENABLED(MMLAB_PLANT_OVERLAP_LIST))
		return new->first >= node->first ? ORDER_AFTER_IT :
						   ORDER_BEFORE_IT;
	return ORDER_CONFLICT;
}

/* 0, or -EINTR, and then the node was not inserted. */
static int node_insert(struct attempt *attempt, struct range_list_node *new)
{
	struct range_list_node *node;
	struct place place;
	int err;

restart:
	rcu_read_lock();
	place_set(&place, &attempt->list->head);
	for (;;) {
		enum order order;

		if (!place_settle(&place, &node)) {
			rcu_read_unlock();
			goto restart;
		}
		order = node ? order_by(node, new) : ORDER_BEFORE_IT;
		if (order == ORDER_AFTER_IT) {
			place_set(&place, &node->next);
			continue;
		}
		if (order == ORDER_CONFLICT) {
			if (node->shared)
				attempt_thwarted(attempt);
			err = node_wait(node, attempt->wait);
			if (err)
				return err;
			goto restart;
		}
		WRITE_ONCE(new->next, (unsigned long)node);
		if (cmpxchg(place.link, (unsigned long)node,
			    (unsigned long)new) == (unsigned long)node)
			break;
		place_set(&place, place.link);
	}
	rcu_read_unlock();
	return 0;
}

/* A reader that is in the list waits for writers that it has passed. */
static int reader_validate(struct range_list_node *reader,
			   struct range_wait *wait)
{
	struct range_list_node *node;
	struct place place;
	int err;

restart:
	rcu_read_lock();
	place_set(&place, &reader->next);
	for (;;) {
		if (!place_settle(&place, &node)) {
			rcu_read_unlock();
			goto restart;
		}
		if (!node || node->first > reader->last ||
		    IS_ENABLED(MMLAB_PLANT_OVERLAP_LIST))
			break;
		if (!node->shared) {
			err = node_wait(node, wait);
			if (err)
				return err;
			goto restart;
		}
		place_set(&place, &node->next);
	}
	rcu_read_unlock();
	return 0;
}

/* A writer that is in the list gives way to readers that have passed it. */
static int writer_validate(struct range_list *list,
			   struct range_list_node *writer)
{
	struct range_list_node *node;
	struct place place;
	int err = 0;

restart:
	rcu_read_lock();
	place_set(&place, &list->head);
	for (;;) {
		if (!place_settle(&place, &node)) {
			rcu_read_unlock();
			goto restart;
		}
		/* It is in the list, hence there is a node until it comes. */
		if (node == writer || WARN_ON_ONCE(!node))
			break;
		if (node->last >= writer->first &&
		    !IS_ENABLED(MMLAB_PLANT_OVERLAP_LIST)) {
			err = -EAGAIN;
			break;
		}
		place_set(&place, &node->next);
	}
	rcu_read_unlock();
	return err;
}

/*
 * The lock.
 */

void range_list_init(struct range_list *list)
{
	list->head = 0;
	atomic_set(&list->n_impatient, 0);
	init_waitqueue_head(&list->passed);
}

void range_list_deinit(struct range_list *list)
{
	struct range_list_node *node;
	struct place place;

	rcu_read_lock();
	place_set(&place, &list->head);
	(void)place_settle(&place, &node);
	rcu_read_unlock();
	WARN_ON_ONCE(node);
}

static int readers_wait(struct range_list *list, struct range_wait *wait)
{
	range_wait_begin(wait);
	return wait_event_killable(list->passed,
				   !atomic_read(&list->n_impatient)) ?
		-EINTR : 0;
}

static int try_once(struct attempt *attempt, struct range_list_node *node)
{
	int err = node_insert(attempt, node);

	if (err) {
		node_free(node);
		return err;
	}
	err = node->shared ? reader_validate(node, attempt->wait) :
			     writer_validate(attempt->list, node);
	if (err)
		node_unlock(attempt->list, node);
	return err;
}

int range_list_lock(struct range_list *list, unsigned long first,
		    unsigned long last, bool shared,
		    struct range_list_node **ret_node, struct range_wait *wait)
{
	struct attempt attempt = { .list = list, .wait = wait };
	struct range_list_node *node;
	int err = 0;

	if (shared && unlikely(atomic_read(&list->n_impatient)))
		err = readers_wait(list, wait);

	while (!err) {
		node = node_new(first, last, shared);
		err = node ? try_once(&attempt, node) : -ENOMEM;
		if (err != -EAGAIN)
			break;
		err = 0;
		attempt_thwarted(&attempt);
	}

	attempt_end(&attempt);
	if (!err)
		*ret_node = node;
	return err;
}

void range_list_unlock(struct range_list *list, struct range_list_node *node)
{
	node_unlock(list, node);
}

/*
 * Walks over marked nodes as well: what was in the list before this began, and
 * still is, is behind them.
 */
bool range_list_excluded(struct range_list *list, unsigned long page)
{
	struct range_list_node *node;
	bool excluded = false;
	unsigned long next;

	rcu_read_lock();
	node = link_node(smp_load_acquire(&list->head));
	while (node && node->first <= page && !excluded) {
		next = smp_load_acquire(&node->next);
		excluded = !(next & MARK) && !node->shared &&
			   node->last >= page;
		node = link_node(next);
	}
	rcu_read_unlock();
	return excluded && !IS_ENABLED(MMLAB_PLANT_OVERLAP_LIST);
}

int range_list_module_init(void)
{
	node_cache = kmem_cache_create("mmlab-range",
				       sizeof(struct range_list_node), 0,
				       SLAB_HWCACHE_ALIGN, NULL);
	return node_cache ? 0 : -ENOMEM;
}

void range_list_module_exit(void)
{
	/* Nodes that left a list may still wait for a grace period. */
	rcu_barrier();
	kmem_cache_destroy(node_cache);
}
