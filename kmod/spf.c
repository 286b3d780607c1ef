// SPDX-License-Identifier: GPL-2.0
/*
 * Speculative page faults: anonymous memory whose first touches, and writes to
 * pages that were shared by fork, are resolved before mmap_lock or the lock of a
 * VMA is taken. Here are the descriptors and the commands; spf-region.c has the
 * mappings, spf-fault.c the faults without a lock, spf-hook.c the way there.
 *
 * A region is one VMA. A fault of the kernel's own, which has found the VMA under
 * a lock, arms it: notes its bounds and protection. So does one that finds a page
 * there, if it gets mmap_lock without waiting. From then on a fault
 * needs no lock but that of the page table, until somebody is about to change
 * the VMA or to free its page tables: that disarms it, and waits for faults in
 * progress. So all that speculation has to find out is whether the region is
 * live; nothing is validated afterwards, and nothing has to be undone.
 *
 * Locks, outermost first:
 *
 *   mmap_lock of a process
 *   the lock of a VMA, where there is one
 *   spaces_lock: address spaces and their regions (writers), or
 *   spf_hook_lock: see spf-hook.c, or
 *   spf_region.lock: arming and disarming. Held while waiting for spf_busy, so
 *	that nobody arms before the last fault of the former time has ended.
 *
 * and, in a fault without a lock: spf_busy, then the lock of a page table. Who
 * disarms holds no lock of a page table, nor any lock that the holder of one may
 * wait for; who is busy takes none of the locks above. Hence the wait ends. To
 * arm the region, a fault takes the locks above before it is busy, mmap_lock only
 * if that is free.
 *
 * Lifetimes:
 *   spf_region: from mmap, the copy of its VMA, or the first fault after these
 *	failed or in a child, to .close of the VMA, and then an RCU grace
 *	period: faults find it with interrupts off. It is not live by then.
 *   spf_space: from the first to the last region of an address space, then
 *	until the kernel has seen nobody call its notifier, and an RCU grace
 *	period. Removing the module waits for all of them.
 *   page tables, in a fault: as long as the region is live and spf_busy points
 *	to it. The notifier runs before they are freed or moved.
 *   anon_vma, in a fault: the VMA has it, and exists as long as the above.
 *   mm_struct: the notifier's, which a region holds.
 *   the module: regions have a file. A fault without a lock that found none is
 *	over when RCU says so; spf_hook_exit() waits. A fault of the kernel's
 *	that gives up its lock takes a reference to the file before: that is
 *	dropped on the way back to user mode.
 *
 * Who disarms:
 *   the notifier: munmap and whatever maps over (before tables are freed), mremap
 *	(before they are moved), fork (before entries are copied: the child must
 *	not see a later write and miss an earlier), clearing soft-dirty bits,
 *	the out-of-memory reaper. Not for pages that are reclaimed,
 *	discarded or copied: an entry that is none for a moment may be filled.
 *	Nor for NUMA balancing, which changes entries alone.
 *   .mprotect: where no entry exists the notifier is not called.
 *   .open: a VMA is split, copied by mremap or by fork.
 *   .set_policy, .close.
 *   At exit and exec nobody is left who could fault.
 * Each of the calls of a VMA has its lock for writing, or takes it: a fault
 * under that lock alone would arm it again with what is about to change.
 */
#include <linux/module.h>
#include <linux/sched/signal.h>

#include "compat.h"
#include "mmlab.h"
#include "spf.h"

DEFINE_PER_CPU(u64[MMLAB_SPF_N_STATS], spf_counts);

static u64 spf_stat(unsigned int index)
{
	u64 sum = 0;
	int cpu;

	for_each_possible_cpu(cpu)
		sum += READ_ONCE(per_cpu(spf_counts[index], cpu));
	return sum;
}

static bool regions_work(void)
{
	return mmlab_has_finish_fault && mmlab_has_anon_alloc;
}

static u64 spf_caps(void)
{
	u64 caps = 0;

	if (spf_hook_works)
		caps |= MMLAB_SPF_CAP_HOOK;
	if (MMLAB_HAS_VMA_LOCK)
		caps |= MMLAB_SPF_CAP_VMA_LOCK;
	if (regions_work())
		caps |= MMLAB_SPF_CAP_REGIONS;
	if (spf_hook_works && mmlab_has_copy)
		caps |= MMLAB_SPF_CAP_COPY;
	return caps;
}

/* The mode is all that a descriptor says. */
enum mmlab_spf_mode spf_mode_of(const struct file *file)
{
	return (unsigned long)file->private_data;
}

static int spf_release(struct inode *inode, struct file *file)
{
	if (!IS_ENABLED(MMLAB_PLANT_LEAK))
		spf_uncount(MMLAB_SPF_STAT_LIVE_OBJECTS);
	return 0;
}

static const struct file_operations spf_fops = {
	.owner = THIS_MODULE,
	.mmap = spf_mmap,
	.release = spf_release,
};

static int run_create(union mmlab_arg *arg, struct mmlab_reply *reply)
{
	struct mmlab_spf_create *create = &arg->spf_create;
	int err;

	if (create->mode > MMLAB_SPF_MMAP_LOCK)
		return -EINVAL;
	if (!regions_work())
		return -EOPNOTSUPP;

	err = mmlab_reply_file(reply, "[spf]", &spf_fops,
			       (void *)(unsigned long)create->mode, O_RDWR);
	if (err)
		return err;
	spf_count(MMLAB_SPF_STAT_CREATED);
	spf_count(MMLAB_SPF_STAT_LIVE_OBJECTS);
	create->fd = reply->fd;
	return 0;
}

static int run_hook(union mmlab_arg *arg, struct mmlab_reply *reply)
{
	struct mmlab_spf_hook_set *set = &arg->spf_hook;

	if (set->hook > MMLAB_SPF_HOOK_IN)
		return -EINVAL;
	if (!capable(CAP_SYS_ADMIN))
		return -EPERM;
	if (set->hook == MMLAB_SPF_HOOK_IN && !spf_hook_works)
		return -EOPNOTSUPP;
	return spf_hook_set(set->hook, &set->former);
}

/* Whoever this has waited for may wake it once more, which is not the end. */
static int hold_sleep(unsigned int ms)
{
	long left = msecs_to_jiffies(ms);

	while (left && !fatal_signal_pending(current))
		left = schedule_timeout_killable(left);
	return left ? -EINTR : 0;
}

static int run_hold(union mmlab_arg *arg, struct mmlab_reply *reply)
{
	struct mmlab_spf_hold *hold = &arg->spf_hold;
	struct mm_struct *mm = current->mm;
	struct vm_area_struct *vma;
	int err = 0;

	if (!hold->ms || hold->ms > MMLAB_SPF_HOLD_MAX_MS || hold->reserved)
		return -EINVAL;
	if (mmap_write_lock_killable(mm))
		return -EINTR;
	if (hold->addr) {
		vma = vma_lookup(mm, hold->addr);
		if (!vma) {
			err = -EFAULT;
			goto unlock;
		}
		mmlab_vma_start_write(vma);
	}

	spf_count(MMLAB_SPF_STAT_HOLDING);
	err = hold_sleep(hold->ms);
	spf_uncount(MMLAB_SPF_STAT_HOLDING);
unlock:
	mmap_write_unlock(mm);
	return err;
}

static const struct mmlab_op spf_ops[] = {
	{
		.cmd = MMLAB_IOC_SPF_CREATE,
		.bytes = sizeof(struct mmlab_spf_create),
		.min_bytes = offsetofend(struct mmlab_spf_create, fd),
		.run = run_create,
	},
	{
		.cmd = MMLAB_IOC_SPF_HOOK,
		.bytes = sizeof(struct mmlab_spf_hook_set),
		.min_bytes = offsetofend(struct mmlab_spf_hook_set, former),
		.run = run_hook,
	},
	{
		.cmd = MMLAB_IOC_SPF_HOLD,
		.bytes = sizeof(struct mmlab_spf_hold),
		.min_bytes = offsetofend(struct mmlab_spf_hold, addr),
		.run = run_hold,
		.no_answer = true,
	},
};

static const char *const spf_stat_names[] = {
	[MMLAB_SPF_STAT_LIVE_OBJECTS] = "live-objects",
	[MMLAB_SPF_STAT_LIVE_REGIONS] = "live-regions",
	[MMLAB_SPF_STAT_HOLDING] = "holding",
	[MMLAB_SPF_STAT_HOOKED] = "hooked",
	[MMLAB_SPF_STAT_CREATED] = "created",
	[MMLAB_SPF_STAT_MMAPS] = "mmaps",
	[MMLAB_SPF_STAT_HOOK_IN] = "hook-in",
	[MMLAB_SPF_STAT_HOOK_OUT] = "hook-out",
	[MMLAB_SPF_STAT_FIRST_TOUCH] = "first-touch",
	[MMLAB_SPF_STAT_REUSED] = "reused",
	[MMLAB_SPF_STAT_RACED] = "raced",
	[MMLAB_SPF_STAT_FALLBACK_CONTEXT] = "fallback-context",
	[MMLAB_SPF_STAT_FALLBACK_DISARMED] = "fallback-disarmed",
	[MMLAB_SPF_STAT_FALLBACK_TABLE] = "fallback-table",
	[MMLAB_SPF_STAT_FALLBACK_PRESENT] = "fallback-present",
	[MMLAB_SPF_STAT_FALLBACK_SWAPPED] = "fallback-swapped",
	[MMLAB_SPF_STAT_FALLBACK_MEMORY] = "fallback-memory",
	[MMLAB_SPF_STAT_FALLBACK_CHARGE] = "fallback-charge",
	[MMLAB_SPF_STAT_FALLBACK_UNSTABLE] = "fallback-unstable",
	[MMLAB_SPF_STAT_NORMAL] = "normal",
	[MMLAB_SPF_STAT_ARMED] = "armed",
	[MMLAB_SPF_STAT_DISARMED] = "disarmed",
	[MMLAB_SPF_STAT_PAGES_ALLOCATED] = "pages-allocated",
	[MMLAB_SPF_STAT_PAGES_FREED] = "pages-freed",
	[MMLAB_SPF_STAT_JOINED] = "joined",
	[MMLAB_SPF_STAT_COPIED] = "copied",
	[MMLAB_SPF_STAT_UNSERVED] = "unserved",
};
static_assert(ARRAY_SIZE(spf_stat_names) == MMLAB_SPF_N_STATS);

static int spf_init(void)
{
	spf_hook_init();
	return 0;
}

static void spf_exit(void)
{
	spf_hook_exit();
	spf_region_exit();
}

const struct mmlab_mech mmlab_spf_mech = {
	.name = "spf",
	.id = MMLAB_MECH_SPF,
	.ops = spf_ops,
	.n_ops = ARRAY_SIZE(spf_ops),
	.stat_names = spf_stat_names,
	.n_stats = MMLAB_SPF_N_STATS,
	.stat = spf_stat,
	.caps = spf_caps,
	.init = spf_init,
	.exit = spf_exit,
};
