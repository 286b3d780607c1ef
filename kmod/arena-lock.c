// SPDX-License-Identifier: GPL-2.0
/*
 * Arenas: the schemes. What a command locks, what a fault locks, and how the
 * two learn of each other when faults register instead.
 *
 *   RWSEM: commands sem, for writing; faults sem, for reading, and those that
 *	register only until they have looked up their page
 *   TREE, LIST: commands their range; faults their page, as a reader, and those
 *	that register only if a command has it
 *   SPLIT: commands their range, and sem, for writing, while they change what
 *	is mapped; faults sem, for reading, and those that register only until
 *	they have looked up their page; and their page, if a command has it
 *
 * POPULATE is a command that takes the same as a reader; and SPLIT's sem, for
 * reading, while it looks up what is mapped.
 *
 * A range is locked before SPLIT's sem, and never while that is held: a fault
 * that finds its page taken lets go of sem before it waits.
 */
#include "arena.h"

void arena_lock_init(struct arena *arena)
{
	init_rwsem(&arena->sem);
	range_tree_init(&arena->tree);
	range_list_init(&arena->list);
}

void arena_lock_deinit(struct arena *arena)
{
	range_list_deinit(&arena->list);
}

/*
 * The short lock, and RWSEM's only one.
 */

/* From an acquisition's counter to that of its waits. */
enum { TO_WAITS = 2 };
static_assert(MMLAB_ARENA_STAT_SHARED + TO_WAITS ==
	      MMLAB_ARENA_STAT_SHARED_WAITS);
static_assert(MMLAB_ARENA_STAT_EXCLUSIVE + TO_WAITS ==
	      MMLAB_ARENA_STAT_EXCLUSIVE_WAITS);
static_assert(MMLAB_ARENA_STAT_SHORT_READS + TO_WAITS ==
	      MMLAB_ARENA_STAT_SHORT_READ_WAITS);
static_assert(MMLAB_ARENA_STAT_SHORT_WRITES + TO_WAITS ==
	      MMLAB_ARENA_STAT_SHORT_WRITE_WAITS);

static int sem_read(struct arena *arena, enum mmlab_arena_stat counter)
{
	struct range_wait wait = { .counter = counter + TO_WAITS };
	int err;

	if (unlikely(!down_read_trylock(&arena->sem))) {
		range_wait_begin(&wait);
		err = down_read_killable(&arena->sem);
		range_wait_end(&wait);
		if (err)
			return err;
	}
	arena_count(counter, 1);
	return 0;
}

static int sem_write(struct arena *arena, enum mmlab_arena_stat counter)
{
	struct range_wait wait = { .counter = counter + TO_WAITS };
	int err;

	if (unlikely(!down_write_trylock(&arena->sem))) {
		range_wait_begin(&wait);
		err = down_write_killable(&arena->sem);
		range_wait_end(&wait);
		if (err)
			return err;
	}
	arena_count(counter, 1);
	return 0;
}

/*
 * Marks: the proof that nobody is where the lock should keep him out.
 */

enum { MARK_EXCLUSIVE = 1 << 20 };

static void marks_enter(struct arena *arena, const struct arena_hold *hold)
{
	unsigned long i;
	int before;

	for (i = hold->first; i <= hold->last; i++) {
		before = atomic_fetch_add(hold->shared ? 1 : MARK_EXCLUSIVE,
					  &arena->marks[i]);
		if (hold->shared ? before >= MARK_EXCLUSIVE : before != 0)
			arena_count(MMLAB_ARENA_STAT_OVERLAPS, 1);
		if (i % 1024 == 1023)
			cond_resched();
	}
}

static void marks_leave(struct arena *arena, const struct arena_hold *hold)
{
	unsigned long i;

	for (i = hold->first; i <= hold->last; i++) {
		atomic_sub(hold->shared ? 1 : MARK_EXCLUSIVE, &arena->marks[i]);
		if (i % 1024 == 1023)
			cond_resched();
	}
}

/* From here on nobody may be in the range who should not. */
static void hold_mark(struct arena *arena, struct arena_hold *hold)
{
	if (likely(!arena->marks))
		return;
	marks_enter(arena, hold);
	hold->marked = true;
}

static void hold_unmark(struct arena *arena, struct arena_hold *hold)
{
	if (unlikely(hold->marked))
		marks_leave(arena, hold);
}

/*
 * Ranges.
 */

static int range_lock(struct arena *arena, struct arena_hold *hold)
{
	enum mmlab_arena_stat counter = hold->shared ?
		MMLAB_ARENA_STAT_SHARED : MMLAB_ARENA_STAT_EXCLUSIVE;
	struct range_wait wait = { .counter = counter + TO_WAITS };
	int err;

	if (arena->scheme == MMLAB_ARENA_RWSEM)
		return hold->shared ? sem_read(arena, counter) :
				      sem_write(arena, counter);

	if (arena->scheme == MMLAB_ARENA_LIST) {
		err = range_list_lock(&arena->list, hold->first, hold->last,
				      hold->shared, &hold->node, &wait);
	} else {
		hold->entry.first = hold->first;
		hold->entry.last = hold->last;
		hold->entry.shared = hold->shared;
		err = range_tree_lock(&arena->tree, &hold->entry, &wait);
	}
	if (!err)
		arena_count(counter, 1);
	return err;
}

static void range_unlock(struct arena *arena, struct arena_hold *hold)
{
	switch (arena->scheme) {
	case MMLAB_ARENA_RWSEM:
		if (hold->shared)
			up_read(&arena->sem);
		else
			up_write(&arena->sem);
		break;
	case MMLAB_ARENA_LIST:
		range_list_unlock(&arena->list, hold->node);
		break;
	default:
		range_tree_unlock(&arena->tree, &hold->entry);
	}
}

/* Whether a command has, or with TREE and SPLIT waits for, the page. */
static bool page_excluded(struct arena *arena, unsigned long page)
{
	return arena->scheme == MMLAB_ARENA_LIST ?
		range_list_excluded(&arena->list, page) :
		range_tree_excluded(&arena->tree, page);
}

/**
 * arena_lock() - lock a range for a command
 * @arena: the arena
 * @hold: @first, @last and @shared are set; stays in place until unlocked
 *
 * Without @shared no fault is under way in the range, except with SPLIT: there
 * the command goes on to arena_change_begin() and arena_change_end().
 *
 * Return: 0, -EINTR after a fatal signal, or -ENOMEM.
 */
int arena_lock(struct arena *arena, struct arena_hold *hold)
{
	int err;

	hold->marked = false;
	err = range_lock(arena, hold);
	if (err)
		return err;
	if (arena->scheme != MMLAB_ARENA_SPLIT && !hold->shared)
		pending_expel(&arena->pending, hold->first, hold->last);
	if (arena->scheme != MMLAB_ARENA_SPLIT || hold->shared)
		hold_mark(arena, hold);
	return 0;
}

void arena_unlock(struct arena *arena, struct arena_hold *hold)
{
	hold_unmark(arena, hold);
	range_unlock(arena, hold);
}

/**
 * arena_change_begin() - before a command changes what is mapped
 * @arena: the arena; the range is locked exclusively
 *
 * Return: 0, and arena_change_end() follows; or -EINTR after a fatal signal.
 */
int arena_change_begin(struct arena *arena)
{
	return arena->scheme == MMLAB_ARENA_SPLIT ?
		sem_write(arena, MMLAB_ARENA_STAT_SHORT_WRITES) : 0;
}

/**
 * arena_change_end() - after that
 * @arena: the arena
 * @hold: the range
 *
 * Faults that were under way have had the short lock, or are registered: now
 * none is, in the range.
 */
void arena_change_end(struct arena *arena, struct arena_hold *hold)
{
	if (arena->scheme != MMLAB_ARENA_SPLIT)
		return;
	up_write(&arena->sem);
	pending_expel(&arena->pending, hold->first, hold->last);
	hold_mark(arena, hold);
}

/**
 * arena_look_begin() - before POPULATE looks up what is mapped
 * @arena: the arena; the range is locked shared
 *
 * Return: 0, or -EINTR after a fatal signal.
 */
int arena_look_begin(struct arena *arena)
{
	return arena->scheme == MMLAB_ARENA_SPLIT ?
		sem_read(arena, MMLAB_ARENA_STAT_SHORT_READS) : 0;
}

void arena_look_end(struct arena *arena)
{
	if (arena->scheme == MMLAB_ARENA_SPLIT)
		up_read(&arena->sem);
}

/*
 * Faults.
 */

static int fault_lock(struct arena *arena, struct arena_fault *fault)
{
	int err = range_lock(arena, &fault->hold);

	fault->locked = !err;
	return err;
}

static int fault_short_lock(struct arena *arena, struct arena_fault *fault)
{
	int err = sem_read(arena, MMLAB_ARENA_STAT_SHORT_READS);

	fault->short_locked = !err;
	return err;
}

static void fault_short_unlock(struct arena *arena, struct arena_fault *fault)
{
	up_read(&arena->sem);
	fault->short_locked = false;
}

static void fault_register(struct arena *arena, struct arena_fault *fault)
{
	pending_begin(&arena->pending, &fault->pending, fault->hold.first);
	fault->registered = true;
}

static void fault_unregister(struct arena *arena, struct arena_fault *fault)
{
	pending_end(&arena->pending, &fault->pending);
	fault->registered = false;
}

static int begin_split(struct arena *arena, struct arena_fault *fault,
		       bool registers)
{
	int err = fault_short_lock(arena, fault);

	if (err)
		return err;
	if (unlikely(page_excluded(arena, fault->hold.first))) {
		fault_short_unlock(arena, fault);
		arena_count(MMLAB_ARENA_STAT_PENDING_CONFLICTS, 1);
		err = fault_lock(arena, fault);
		if (err)
			return err;
		return fault_short_lock(arena, fault);
	}
	if (registers)
		fault_register(arena, fault);
	return 0;
}

static int begin_range(struct arena *arena, struct arena_fault *fault,
		       bool registers)
{
	if (!registers)
		return fault_lock(arena, fault);

	fault_register(arena, fault);
	if (likely(!page_excluded(arena, fault->hold.first)))
		return 0;
	fault_unregister(arena, fault);
	arena_count(MMLAB_ARENA_STAT_PENDING_CONFLICTS, 1);
	return fault_lock(arena, fault);
}

/**
 * arena_fault_begin() - from here on the mapping of a page does not change
 * @arena: the arena
 * @fault: contents do not matter
 * @page: the page
 *
 * Return: 0, -EINTR after a fatal signal, or -ENOMEM; arena_fault_end() in any
 * case.
 */
int arena_fault_begin(struct arena *arena, struct arena_fault *fault,
		      unsigned long page)
{
	bool registers = arena->pending.kind != MMLAB_ARENA_PENDING_NONE;
	int err;

	fault->hold.first = page;
	fault->hold.last = page;
	fault->hold.shared = true;
	fault->hold.marked = false;
	fault->locked = false;
	fault->registered = false;
	fault->short_locked = false;

	switch (arena->scheme) {
	case MMLAB_ARENA_RWSEM:
		err = fault_lock(arena, fault);
		if (!err && registers)
			fault_register(arena, fault);
		return err;
	case MMLAB_ARENA_SPLIT:
		return begin_split(arena, fault, registers);
	default:
		return begin_range(arena, fault, registers);
	}
}

/**
 * arena_fault_looked_up() - from here on it does, unless its page is held
 * @arena: the arena
 * @fault: has begun, and knows what is mapped
 *
 * A fault that is registered will be told by arena_fault_commit().
 */
void arena_fault_looked_up(struct arena *arena, struct arena_fault *fault)
{
	if (arena->scheme == MMLAB_ARENA_RWSEM && fault->registered) {
		range_unlock(arena, &fault->hold);
		fault->locked = false;
	}
	if (fault->short_locked && (fault->registered || fault->locked))
		fault_short_unlock(arena, fault);
}

/**
 * arena_fault_commit() - may the page be installed?
 * @arena: the arena
 * @fault: has looked up
 *
 * Return: false if a command came; otherwise commands wait until
 * arena_fault_end().
 */
bool arena_fault_commit(struct arena *arena, struct arena_fault *fault)
{
	if (fault->registered && !pending_commit(&fault->pending))
		return false;
	hold_mark(arena, &fault->hold);
	return true;
}

/** arena_fault_end() - whatever became of it */
void arena_fault_end(struct arena *arena, struct arena_fault *fault)
{
	hold_unmark(arena, &fault->hold);
	if (fault->registered)
		fault_unregister(arena, fault);
	if (fault->short_locked)
		up_read(&arena->sem);
	if (fault->locked)
		range_unlock(arena, &fault->hold);
}
