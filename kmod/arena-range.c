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
 * What is mapped.
 */

static int extents_set(struct arena *arena, const struct arena_hold *hold,
		       void *entry)
{
	return mtree_store_range(&arena->extents, hold->first, hold->last,
				 entry, GFP_KERNEL_ACCOUNT);
}

static bool extents_any(struct arena *arena, const struct arena_hold *hold)
{
	unsigned long index = hold->first;

	return mt_find(&arena->extents, &index, hold->last);
}

/*
 * -ENOMEM if some of the range is not mapped, -EACCES if some is mapped without
 * any of the wanted protection bits, if any are.
 */
static int extents_cover(struct arena *arena, const struct arena_hold *hold,
			 int wanted)
{
	MA_STATE(mas, &arena->extents, hold->first, hold->first);
	unsigned long next = hold->first;
	int err = 0;
	void *entry;

	rcu_read_lock();
	mas_for_each(&mas, entry, hold->last) {
		if (mas.index > next)
			break;
		if (wanted && !(xa_to_value(entry) & wanted))
			err = -EACCES;
		next = mas.last + 1;
	}
	rcu_read_unlock();
	return next <= hold->last ? -ENOMEM : err;
}

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

static int arena_map(struct arena *arena, struct arena_hold *hold, u32 prot)
{
	int err, begun;

	err = arena_lock(arena, hold);
	if (err)
		return err;
	begun = err = arena_change_begin(arena);
	if (!err && extents_any(arena, hold))
		err = -EEXIST;
	if (!err)
		err = extents_set(arena, hold, xa_mk_value(prot));
	arena_change_end(arena, hold, begun);
	arena_unlock(arena, hold);
	if (!err)
		arena_count(MMLAB_ARENA_STAT_MAPS, 1);
	return err;
}

static int arena_unmap(struct arena *arena, struct arena_hold *hold)
{
	int err, begun;

	err = arena_lock(arena, hold);
	if (err)
		return err;
	begun = err = arena_change_begin(arena);
	if (!err)
		err = extents_set(arena, hold, NULL);
	arena_change_end(arena, hold, begun);
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
	int err, begun;

	err = arena_lock(arena, hold);
	if (err)
		return err;
	begun = err = arena_change_begin(arena);
	if (!err)
		err = extents_cover(arena, hold, 0);
	if (!err)
		err = extents_set(arena, hold, xa_mk_value(prot));
	arena_change_end(arena, hold, begun);
	if (!err)
		entries_zap(arena, hold);
	arena_unlock(arena, hold);
	if (!err)
		arena_count(MMLAB_ARENA_STAT_PROTECTS, 1);
	return err;
}

static int page_populate(struct arena *arena, struct vm_area_struct *vma,
			 unsigned long i)
{
	int prot = arena_extent_prot(arena, i);
	struct page *page = READ_ONCE(arena->pages[i]);
	struct page *new, *other;

	if (!page) {
		new = arena_page_new();
		if (!new)
			return -ENOMEM;
		other = cmpxchg(&arena->pages[i], NULL, new);
		if (other)
			arena_page_drop(new);
		page = other ?: new;
	}
	/* Page tables are allocated as for a fault. */
	if (vmf_insert_pfn_prot(vma, vma->vm_start + i * PAGE_SIZE,
				page_to_pfn(page),
				arena_pgprot(arena, prot)) != VM_FAULT_NOPAGE)
		return -ENOMEM;
	arena_count(MMLAB_ARENA_STAT_POPULATED, 1);
	return 0;
}

static int range_populate(struct arena *arena, struct vm_area_struct *vma,
			  const struct arena_hold *hold)
{
	unsigned long i;
	int err;

	err = arena_look_begin(arena);
	if (err)
		return err;
	err = extents_cover(arena, hold, PROT_READ | PROT_WRITE);
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

/* Any signal ends it. */
static int hold_sleep(u64 duration_ns)
{
	ktime_t timeout = ns_to_ktime(duration_ns);

	if (!duration_ns)
		return 0;
	set_current_state(TASK_INTERRUPTIBLE);
	return schedule_hrtimeout_range(&timeout, 0, HRTIMER_MODE_REL);
}

static int arena_hold(struct arena *arena, struct arena_hold *hold,
		      const struct mmlab_arena_range *arg)
{
	int err, begun;

	if (arg->flags & MMLAB_ARENA_HOLD_FAULT) {
		arena_delay_set(arena, hold->first, hold->last,
				arg->duration_ns);
		return 0;
	}
	hold->shared = arg->flags & MMLAB_ARENA_HOLD_SHARED;
	err = arena_lock(arena, hold);
	if (err)
		return err;
	if (!hold->shared) {
		begun = err = arena_change_begin(arena);
		arena_change_end(arena, hold, begun);
	}
	if (!err) {
		arena_count(MMLAB_ARENA_STAT_LIVE_HOLDS, 1);
		err = hold_sleep(arg->duration_ns);
		arena_count(MMLAB_ARENA_STAT_LIVE_HOLDS, -1);
		arena_count(MMLAB_ARENA_STAT_HOLDS, 1);
	}
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
