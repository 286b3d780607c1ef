// SPDX-License-Identifier: GPL-2.0
/*
 * Arenas: the commands on ranges. All but POPULATE and a shared HOLD have the
 * range exclusively; none has mmap_lock but POPULATE, which writes entries of
 * the calling process.
 */
#include <linux/hrtimer.h>
#include <linux/sched/signal.h>
#include <linux/uaccess.h>

#include "arena.h"

/*
 * Commands.
 */

/* Entries are gone, and flushed, when it returns. */
static void entries_zap(struct arena *arena, const struct arena_hold *hold)
{
	unmap_mapping_range(arena->mapping, (loff_t)hold->first << PAGE_SHIFT,
			    (loff_t)(hold->last - hold->first + 1) <<
			    PAGE_SHIFT, 1);
}

/* The range is locked exclusively. */
static int range_change(struct arena *arena, struct arena_hold *hold,
			enum extents_change change, u32 prot)
{
	int err = arena_change_begin(arena);

	if (err)
		return err;
	err = extents_change(arena, hold->first, hold->last, change, prot);
	arena_change_end(arena, hold);
	return err;
}

static int arena_map(struct arena *arena, struct arena_hold *hold, u32 prot)
{
	int err = arena_lock(arena, hold);

	if (err)
		return err;
	err = range_change(arena, hold, EXTENTS_MAP, prot);
	arena_unlock(arena, hold);
	if (!err)
		arena_count(MMLAB_ARENA_STAT_MAPS, 1);
	return err;
}

static int arena_unmap(struct arena *arena, struct arena_hold *hold)
{
	int err = arena_lock(arena, hold);

	if (err)
		return err;
	err = range_change(arena, hold, EXTENTS_UNMAP, 0);
	if (!err) {
		entries_zap(arena, hold);
		arena_pages_free(arena, hold->first, hold->last);
	}
	arena_unlock(arena, hold);
	if (!err)
		arena_count(MMLAB_ARENA_STAT_UNMAPS, 1);
	return err;
}

static int arena_protect(struct arena *arena, struct arena_hold *hold, u32 prot)
{
	int err = arena_lock(arena, hold);

	if (err)
		return err;
	err = range_change(arena, hold, EXTENTS_PROTECT, prot);
	if (!err)
		entries_zap(arena, hold);
	arena_unlock(arena, hold);
	if (!err)
		arena_count(MMLAB_ARENA_STAT_PROTECTS, 1);
	return err;
}

/* An error at the group's limit, not the death of one of its processes. */
static int page_populate(struct arena *arena, struct vm_area_struct *vma,
			 unsigned long i)
{
	struct page *page = READ_ONCE(arena->pages[i]);
	int err;

	if (!page) {
		page = arena_page_new(__GFP_RETRY_MAYFAIL | __GFP_NOWARN);
		if (!page)
			return -ENOMEM;
		page = arena_page_publish(arena, i, page);
	}
	err = arena_entry_set(arena, vma, i, page, extents_prot(arena, i));
	if (!err)
		arena_count(MMLAB_ARENA_STAT_POPULATED, 1);
	return err;
}

static int range_populate(struct arena *arena, struct vm_area_struct *vma,
			  const struct arena_hold *hold)
{
	unsigned long i;
	int err;

	err = arena_look_begin(arena);
	if (err)
		return err;
	err = extents_check(arena, hold->first, hold->last);
	arena_look_end(arena);

	for (i = hold->first; !err && i <= hold->last; i++) {
		err = page_populate(arena, vma, i);
		if (fatal_signal_pending(current))
			err = -EINTR;
		cond_resched();
	}
	return err;
}

/* The caller's VMA, under its mmap_lock. */
static struct vm_area_struct *vma_of(struct arena *arena)
{
	struct vm_area_struct *vma;

	if (READ_ONCE(arena->mm) != current->mm)
		return NULL;
	vma = vma_lookup(current->mm, READ_ONCE(arena->start));
	return vma && vma->vm_ops == &arena_vm_ops &&
	       vma->vm_private_data == arena ? vma : NULL;
}

static int arena_populate(struct arena *arena, struct arena_hold *hold)
{
	struct mm_struct *mm = current->mm;
	struct vm_area_struct *vma;
	int err;

	if (mmap_read_lock_killable(mm))
		return -EINTR;
	vma = vma_of(arena);
	if (!vma) {
		err = -ENXIO;
		goto unlock_mm;
	}
	hold->shared = true;
	err = arena_lock(arena, hold);
	if (err)
		goto unlock_mm;
	err = range_populate(arena, vma, hold);
	arena_unlock(arena, hold);
unlock_mm:
	mmap_read_unlock(mm);
	if (!err)
		arena_count(MMLAB_ARENA_STAT_POPULATES, 1);
	return err;
}

/* Any signal ends it, but not whoever else may wake us. */
static int hold_sleep(u64 duration_ns)
{
	ktime_t end;
	int err = 0;

	if (!duration_ns)
		return 0;
	end = ktime_add_ns(ktime_get(), duration_ns);
	do {
		set_current_state(TASK_INTERRUPTIBLE);
		if (signal_pending(current)) {
			err = -EINTR;
			break;
		}
	} while (schedule_hrtimeout_range(&end, 0, HRTIMER_MODE_ABS));
	__set_current_state(TASK_RUNNING);
	return err;
}

static int hold_for(struct arena *arena, struct arena_hold *hold,
		    u64 duration_ns)
{
	int err;

	if (!hold->shared) {
		err = arena_change_begin(arena);
		if (err)
			return err;
		arena_change_end(arena, hold);
	}
	arena_count(MMLAB_ARENA_STAT_LIVE_HOLDS, 1);
	err = hold_sleep(duration_ns);
	arena_count(MMLAB_ARENA_STAT_LIVE_HOLDS, -1);
	arena_count(MMLAB_ARENA_STAT_HOLDS, 1);
	return err;
}

static int arena_hold(struct arena *arena, struct arena_hold *hold,
		      const struct mmlab_arena_range *arg)
{
	int err;

	if (arg->flags & MMLAB_ARENA_HOLD_FAULT) {
		arena_delay_set(arena, hold->first, hold->last,
				arg->duration_ns);
		return 0;
	}
	hold->shared = arg->flags & MMLAB_ARENA_HOLD_SHARED;
	err = arena_lock(arena, hold);
	if (err)
		return err;
	err = hold_for(arena, hold, arg->duration_ns);
	arena_unlock(arena, hold);
	return err;
}

/*
 * The call.
 */

static bool prot_ok(u32 prot)
{
	return prot == PROT_NONE || prot == PROT_READ ||
	       prot == (PROT_READ | PROT_WRITE);
}

static int range_check(const struct arena *arena, unsigned int cmd,
		       const struct mmlab_arena_range *arg)
{
	const u64 bytes = (u64)arena->n_pages * PAGE_SIZE;
	const u32 both = MMLAB_ARENA_HOLD_SHARED | MMLAB_ARENA_HOLD_FAULT;
	bool hold = cmd == MMLAB_IOC_ARENA_HOLD;
	bool has_prot = cmd == MMLAB_IOC_ARENA_MAP ||
			cmd == MMLAB_IOC_ARENA_PROTECT;

	if (arg->flags & ~(hold ? both : 0))
		return -EOPNOTSUPP;
	if (arg->flags == both)
		return -EINVAL;
	if (!arg->bytes || !IS_ALIGNED(arg->offset | arg->bytes, PAGE_SIZE) ||
	    arg->offset >= bytes || arg->bytes > bytes - arg->offset)
		return -EINVAL;
	if (arg->reserved || (has_prot ? !prot_ok(arg->prot) : arg->prot) ||
	    arg->duration_ns > (hold ? MMLAB_ARENA_MAX_HOLD_NS : 0))
		return -EINVAL;
	return 0;
}

static int range_copy(struct mmlab_arena_range *ret_arg,
		      const void __user *user)
{
	u32 bytes;

	if (get_user(bytes, (const u32 __user *)user))
		return -EFAULT;
	if (bytes < offsetofend(struct mmlab_arena_range, duration_ns))
		return -EINVAL;
	if (bytes > PAGE_SIZE)
		return -E2BIG;
	return copy_struct_from_user(ret_arg, sizeof(*ret_arg), user, bytes);
}

long arena_ioctl(struct file *file, unsigned int cmd, unsigned long user)
{
	struct arena *arena = file->private_data;
	struct mmlab_arena_range arg;
	struct arena_hold hold;
	int err;

	if (cmd < MMLAB_IOC_ARENA_MAP || cmd > MMLAB_IOC_ARENA_NOP)
		return -ENOTTY;
	err = range_copy(&arg, (const void __user *)user);
	if (!err)
		err = range_check(arena, cmd, &arg);
	if (err)
		return err;

	hold.first = arg.offset >> PAGE_SHIFT;
	hold.last = (arg.offset + arg.bytes - 1) >> PAGE_SHIFT;
	hold.shared = false;

	switch (cmd) {
	case MMLAB_IOC_ARENA_MAP:
		return arena_map(arena, &hold, arg.prot);
	case MMLAB_IOC_ARENA_UNMAP:
		return arena_unmap(arena, &hold);
	case MMLAB_IOC_ARENA_PROTECT:
		return arena_protect(arena, &hold, arg.prot);
	case MMLAB_IOC_ARENA_POPULATE:
		return arena_populate(arena, &hold);
	case MMLAB_IOC_ARENA_HOLD:
		return arena_hold(arena, &hold, &arg);
	default:
		return 0;
	}
}
