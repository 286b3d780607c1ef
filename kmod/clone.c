// SPDX-License-Identifier: GPL-2.0
/*
 * Clones of mappings of other processes: process_vm_mmap(), proposed in 2019.
 *
 * One call is, under the mmap_locks of both processes: find the source, make a
 * mapping like it here, share its private pages as fork() does (clone-copy.c),
 * flush the source. Nothing outlives the call but an ordinary mapping, which
 * the kernel knows all about: the module keeps no state.
 *
 * Both locks are held for all of it, so that neither side sees a half, and that
 * what was checked stays true. Locks: see clone.h.
 */
#include <linux/fs.h>
#include <linux/magic.h>
#include <linux/mman.h>
#include <linux/pkeys.h>
#include <linux/ptrace.h>
#include <linux/sched.h>
#include <linux/sched/coredump.h>
#include <linux/sched/mm.h>
#include <linux/sched/task.h>
#include <linux/shmem_fs.h>
#include <linux/userfaultfd_k.h>

#include "clone.h"
#include "compat.h"

#define CLONE_FLAGS (PVMMAP_FIXED | PVMMAP_FIXED_NOREPLACE | \
		     PVMMAP_POPULATE | PVMMAP_MOVE | PVMMAP_PIDFD)

/* Refused: what is no memory, or is not to be inherited. */
#define SOURCE_BAD_FLAGS (VM_IO | VM_PFNMAP | VM_MIXEDMAP | VM_DONTEXPAND | \
			  VM_DONTCOPY | VM_WIPEONFORK | VM_HUGETLB)

/*
 * What the clone has of the source: protection, sharing, and advice. Neither
 * locking nor merging, which change what the whole process is charged for.
 */
#define CLONE_VM_FLAGS (VM_READ | VM_WRITE | VM_EXEC | VM_SHARED |	  \
			VM_MAYREAD | VM_MAYWRITE | VM_MAYEXEC |		  \
			VM_MAYSHARE | VM_NORESERVE | VM_SEQ_READ |	  \
			VM_RAND_READ | VM_HUGEPAGE | VM_NOHUGEPAGE |	  \
			VM_DONTDUMP | MMLAB_VM_MAYBE_GUARD)

DEFINE_PER_CPU(u64[MMLAB_CLONE_N_STATS], clone_counts);

static u64 clone_stat(unsigned int index)
{
	u64 sum = 0;
	int cpu;

	for_each_possible_cpu(cpu)
		sum += READ_ONCE(per_cpu(clone_counts[index], cpu));
	return sum;
}

static u64 clone_caps(void)
{
	return mmlab_has_clone ? MMLAB_CLONE_CAP_MAP : 0;
}

/*
 * The source.
 */

static struct task_struct *source_task(const struct mmlab_clone_map *arg)
{
	bool by_fd = arg->flags & PVMMAP_PIDFD;
	struct task_struct *task;
	unsigned int fd_flags;
	struct pid *pid;

	if (by_fd) {
		pid = static_call(mmlab_pidfd_get_pid)(arg->pid, &fd_flags);
		if (IS_ERR(pid))
			return ERR_CAST(pid);
	} else {
		if (arg->pid <= 0)
			return ERR_PTR(-EINVAL);
		pid = find_get_pid(arg->pid);
	}

	task = get_pid_task(pid, by_fd ? PIDTYPE_TGID : PIDTYPE_PID);
	put_pid(pid);
	return task ?: ERR_PTR(-ESRCH);
}

/* Its address space, as a user of it. */
static struct mm_struct *source_mm(const struct mmlab_clone_map *arg)
{
	struct task_struct *task = source_task(arg);
	struct mm_struct *mm;

	if (IS_ERR(task))
		return ERR_CAST(task);

	if (task->flags & PF_KTHREAD)
		mm = ERR_PTR(-EINVAL);
	else
		mm = static_call(mmlab_mm_access)(task,
						  PTRACE_MODE_ATTACH_REALCREDS);
	put_task_struct(task);

	/* Until 6.13 NULL for a task that has none any more. */
	if (!mm)
		return ERR_PTR(-ESRCH);
	/* As the other calls do that look into other processes. */
	if (mm == ERR_PTR(-EACCES))
		return ERR_PTR(-EPERM);
	if (!IS_ERR(mm) && mm == current->mm) {
		mmput(mm);
		return ERR_PTR(-EINVAL);
	}
	return mm;
}

static bool is_cloneable_file(struct vm_area_struct *vma)
{
	const struct inode *inode;

	if (!vma->vm_file)
		return false;
	inode = file_inode(vma->vm_file);
	return S_ISREG(inode->i_mode) && !vma_is_dax(vma) &&
	       inode->i_sb->s_magic != SECRETMEM_MAGIC;
}

/*
 * Breakpoints of uprobes would belong to nobody in the clone, and stay for ever.
 * The kernel marks the process before it sets the first one, and under the
 * mmap_lock; whether this mapping has any, only its pages tell.
 */
static bool has_breakpoints(const struct vm_area_struct *vma)
{
	return mmlab_mm_flag_test(MMF_HAS_UPROBES, vma->vm_mm) && vma->vm_file &&
	       vma->anon_vma &&
	       (vma->vm_flags & (VM_MAYEXEC | VM_MAYSHARE)) == VM_MAYEXEC;
}

static int source_check(struct vm_area_struct *vma)
{
	if (vma->vm_flags & SOURCE_BAD_FLAGS)
		return -EFAULT;
#ifdef VM_SHADOW_STACK
	if (vma->vm_flags & VM_SHADOW_STACK)
		return -EFAULT;
#endif
	/* A key means something in its own process only, and is in the PTEs. */
	if (vma_pkey(vma))
		return -EFAULT;
	if (has_breakpoints(vma))
		return -EFAULT;
	if (userfaultfd_armed(vma))
		return -EOPNOTSUPP;
	if (!vma_is_anonymous(vma) && !is_cloneable_file(vma))
		return -EFAULT;
	/* Guard pages in what has no page tables of its own would be lost. */
	if ((vma->vm_flags & MMLAB_VM_MAYBE_GUARD) &&
	    !vma_is_anonymous(vma) && !vma->anon_vma)
		return -EFAULT;
	return 0;
}

static int source_find(struct clone *clone, u32 flags)
{
	struct vm_area_struct *vma;

	/* The OOM killer takes pages away without unmapping them. */
	if (mmlab_mm_flag_test(MMF_UNSTABLE, clone->src_mm))
		return -ESRCH;

	vma = find_vma(clone->src_mm, clone->src_addr);
	if (!vma || vma->vm_start > clone->src_addr ||
	    vma->vm_end - clone->src_addr < clone->bytes)
		return -EFAULT;
	clone->src_vma = vma;
	if ((flags & PVMMAP_MOVE) && (vma->vm_flags & VM_GROWSDOWN))
		return -EINVAL;
#ifdef VM_SEALED
	if ((flags & PVMMAP_MOVE) && (vma->vm_flags & VM_SEALED))
		return -EPERM;
#endif
	return source_check(vma);
}

/*
 * The clone.
 */

/* The file behind it; anonymous memory may be that of /dev/zero. */
static struct file *clone_file(const struct clone *clone)
{
	return vma_is_anonymous(clone->src_vma) ? NULL :
						  clone->src_vma->vm_file;
}

/*
 * Without a wish, as far from a multiple of 2 MiB as the source: whole tables
 * and huge pages can then be shared as they are.
 */
static unsigned long area_any(const struct clone *clone, unsigned long pgoff,
			      unsigned long map_flags)
{
	unsigned long addr;

	if (clone->bytes >= PMD_SIZE) {
		addr = mmlab_get_unmapped_area(NULL, 0, clone->bytes + PMD_SIZE,
					       0, map_flags);
		if (!IS_ERR_VALUE(addr))
			return addr +
			       ((clone->src_addr - addr) & (PMD_SIZE - 1));
	}
	return mmlab_get_unmapped_area(clone_file(clone), 0, clone->bytes,
				       pgoff, map_flags);
}

static int area_find(struct clone *clone, u32 flags, unsigned long pgoff)
{
	unsigned long map_flags = clone->src_vma->vm_flags & VM_SHARED ?
				  MAP_SHARED : MAP_PRIVATE;
	unsigned long addr = clone->dst_addr;

	if (flags & (PVMMAP_FIXED | PVMMAP_FIXED_NOREPLACE))
		map_flags |= MAP_FIXED;

	if (addr || (map_flags & MAP_FIXED))
		addr = mmlab_get_unmapped_area(clone_file(clone), addr,
					       clone->bytes, pgoff, map_flags);
	else
		addr = area_any(clone, pgoff, map_flags);
	if (IS_ERR_VALUE(addr))
		return addr;
	clone->dst_addr = addr;

	if ((flags & PVMMAP_FIXED_NOREPLACE) &&
	    find_vma_intersection(clone->dst_mm, addr, addr + clone->bytes))
		return -EEXIST;
	return 0;
}

/*
 * The page offset is the source's, also in anonymous memory: by it the reverse
 * map finds a page's address in each VMA.
 */
static unsigned long clone_pgoff(const struct clone *clone)
{
	const struct vm_area_struct *vma = clone->src_vma;

	return vma->vm_pgoff +
	       ((clone->src_addr - vma->vm_start) >> PAGE_SHIFT);
}

static unsigned long clone_anon_pgoff(const struct clone *clone)
{
	const struct vm_area_struct *vma = clone->src_vma;

	return mmlab_anon_pgoff(vma) +
	       ((clone->src_addr - vma->vm_start) >> PAGE_SHIFT);
}

/*
 * What a memory file is sealed against, new mappings do not get. Until 6.12 its
 * own mmap sees to that, since then do_mmap().
 */
static int seals_check(const struct clone *clone, unsigned long *vm_flags)
{
	const struct file *file = clone_file(clone);

	if (!file || !(*vm_flags & VM_SHARED) ||
	    file_inode(file)->i_sb->s_magic != TMPFS_MAGIC ||
	    !(SHMEM_I(file_inode(file))->seals &
	      (F_SEAL_WRITE | F_SEAL_FUTURE_WRITE)))
		return 0;
	if (*vm_flags & VM_WRITE)
		return -EPERM;
	*vm_flags &= ~VM_MAYWRITE;
	return 0;
}

static int clone_make(struct clone *clone, u32 flags, struct list_head *uf)
{
	unsigned long vm_flags = clone->src_vma->vm_flags & CLONE_VM_FLAGS;
	unsigned long pgoff = clone_pgoff(clone);
	unsigned long addr;
	int err;

	err = seals_check(clone, &vm_flags);
	if (err)
		return err;
	err = area_find(clone, flags, pgoff);
	if (err)
		return err;
	if (clone->dst_mm->map_count > READ_ONCE(*mmlab_max_map_count))
		return -ENOMEM;

	/*
	 * VM_DONTEXPAND for a moment: the mapping must not become a part of a
	 * neighbour, whose anon_vma would not be the source's.
	 */
	addr = mmlab_mmap_region(clone_file(clone), clone->dst_addr,
				 clone->bytes, vm_flags | VM_DONTEXPAND, pgoff,
				 uf);
	if (IS_ERR_VALUE(addr))
		return addr;

	clone->dst_vma = find_vma(clone->dst_mm, clone->dst_addr);
	if (vma_is_anonymous(clone->src_vma) || clone->src_vma->anon_vma)
		mmlab_anon_pgoff_set(clone->dst_vma, clone_anon_pgoff(clone));
	return 0;
}

/*
 * Memory that may not be written to now was charged if it could be before, and
 * may hold pages of its own. fork() charges it again; mmap_region() has not.
 */
static int clone_charge(const struct clone *clone)
{
	if (!(clone->src_vma->vm_flags & VM_ACCOUNT) ||
	    (clone->dst_vma->vm_flags & VM_ACCOUNT))
		return 0;
	return mmlab_vma_charge(clone->dst_vma);
}

/* The mapping is there: what goes into it. */
static int clone_fill(struct clone *clone)
{
	int err;

	if (WARN_ON_ONCE(clone->dst_vma->vm_start != clone->dst_addr ||
			 clone->dst_vma->vm_end !=
			 clone->dst_addr + clone->bytes))
		return -EFAULT;
	err = clone_charge(clone);
	if (err)
		return err;
	return clone_copy(clone);
}

static void clone_undo(const struct clone *clone, struct list_head *uf)
{
	clone_count(MMLAB_CLONE_STAT_UNDONE, 1);
	if (!mmlab_munmap(clone->dst_mm, clone->dst_addr, clone->bytes, uf))
		return;
	/* No memory for this, either. */
	mmlab_vm_flags_clear(clone->dst_vma, VM_DONTEXPAND);
	clone_count(MMLAB_CLONE_STAT_LEFT, 1);
}

void clone_flush(struct clone *clone)
{
	if (clone->flushed || IS_ENABLED(MMLAB_PLANT_KEEP_WRITABLE))
		return;
	mmlab_flush_tlb_mm_range(clone->src_mm, clone->src_addr,
				 clone->src_addr + clone->bytes);
	clone_count(MMLAB_CLONE_STAT_FLUSHES, 1);
	clone->flushed = true;
}

/* All of it, under both locks. */
static int clone_run(struct clone *clone, u32 flags, struct list_head *src_uf,
		     struct list_head *dst_uf)
{
	bool moved = false;
	int err;

	err = source_find(clone, flags);
	if (err)
		return err;
	err = clone_make(clone, flags, dst_uf);
	if (err)
		return err;

	err = clone_fill(clone);
	if (!err && (flags & PVMMAP_MOVE)) {
		err = mmlab_munmap(clone->src_mm, clone->src_addr,
				   clone->bytes, src_uf);
		moved = !err;
	}
	/* Unmapping has flushed; else threads may still write to the pages. */
	if (clone->copied && !moved)
		clone_flush(clone);
	if (err) {
		clone_undo(clone, dst_uf);
		return err;
	}

	mmlab_vm_flags_clear(clone->dst_vma, VM_DONTEXPAND);
	mmlab_khugepaged_enter(clone->dst_vma);
	clone_count(MMLAB_CLONE_STAT_CLONES, 1);
	if (moved)
		clone_count(MMLAB_CLONE_STAT_MOVES, 1);
	return 0;
}

static int clone_lock(const struct clone *clone)
{
	struct mm_struct *first = min(clone->src_mm, clone->dst_mm);
	struct mm_struct *second = max(clone->src_mm, clone->dst_mm);

	if (mmap_write_lock_killable(first))
		return -EINTR;
	if (mmlab_mmap_write_lock_killable_nested(second,
						  SINGLE_DEPTH_NESTING)) {
		mmap_write_unlock(first);
		return -EINTR;
	}
	return 0;
}

static void clone_unlock(const struct clone *clone)
{
	mmap_write_unlock(clone->src_mm);
	mmap_write_unlock(clone->dst_mm);
}

static int arg_check(const struct mmlab_clone_map *arg, struct clone *clone)
{
	if (arg->reserved || !arg->bytes || arg->bytes > TASK_SIZE)
		return -EINVAL;
	clone->bytes = PAGE_ALIGN(arg->bytes);
	clone->src_addr = arg->src_addr & PAGE_MASK;
	if (!clone->src_addr)
		return -EINVAL;

	clone->dst_addr = arg->dst_addr & PAGE_MASK;
	if (!(arg->flags & (PVMMAP_FIXED | PVMMAP_FIXED_NOREPLACE)) &&
	    clone->dst_addr)
		clone->dst_addr = max(clone->dst_addr,
				      PAGE_ALIGN(READ_ONCE(*mmlab_mmap_min_addr)));
	if (clone->bytes > TASK_SIZE ||
	    clone->dst_addr > TASK_SIZE - clone->bytes)
		return -EINVAL;
	return 0;
}

/* Once the mapping is there: what it could not be given stays to be faulted. */
static void clone_populate(const struct clone *clone, unsigned long vm_flags)
{
	bool write = (vm_flags & (VM_WRITE | VM_SHARED)) == VM_WRITE;

	if (!(vm_flags & (VM_READ | VM_WRITE)))
		return;
	(void)mmlab_populate(clone->dst_addr, clone->bytes, write);
	clone_count(MMLAB_CLONE_STAT_POPULATED, 1);
}

static int run_map(union mmlab_arg *union_arg, struct mmlab_reply *reply)
{
	struct mmlab_clone_map *arg = &union_arg->clone_map;
	struct clone clone = { .dst_mm = current->mm };
	unsigned long vm_flags = 0;
	LIST_HEAD(src_uf);
	LIST_HEAD(dst_uf);
	int err;

	if (!mmlab_has_clone)
		return -EOPNOTSUPP;
	err = arg_check(arg, &clone);
	if (err)
		return err;
	clone.src_mm = source_mm(arg);
	if (IS_ERR(clone.src_mm))
		return PTR_ERR(clone.src_mm);
	clone_count(MMLAB_CLONE_STAT_LIVE_OBJECTS, 1);

	err = clone_lock(&clone);
	if (err)
		goto put_source;
	err = clone_run(&clone, arg->flags, &src_uf, &dst_uf);
	if (!err)
		vm_flags = clone.dst_vma->vm_flags;
	clone_unlock(&clone);

	mmlab_userfaultfd_unmapped(clone.src_mm, &src_uf);
	mmlab_userfaultfd_unmapped(clone.dst_mm, &dst_uf);
	clone_staging_free(&clone);
	if (err)
		goto put_source;

	if (arg->flags & PVMMAP_POPULATE)
		clone_populate(&clone, vm_flags);
	arg->addr = clone.dst_addr;
	reply->map_addr = clone.dst_addr;
	reply->map_bytes = clone.bytes;

put_source:
	mmput(clone.src_mm);
	clone_count(MMLAB_CLONE_STAT_LIVE_OBJECTS, -1);
	return err;
}

static const struct mmlab_op clone_ops[] = {
	{
		.cmd = MMLAB_IOC_CLONE_MAP,
		.bytes = sizeof(struct mmlab_clone_map),
		.min_bytes = offsetofend(struct mmlab_clone_map, addr),
		.known_flags = CLONE_FLAGS,
		.bad_flag = -EINVAL,
		.run = run_map,
	},
};

static const char *const clone_stat_names[] = {
	[MMLAB_CLONE_STAT_LIVE_OBJECTS] = "live-objects",
	[MMLAB_CLONE_STAT_CLONES] = "clones",
	[MMLAB_CLONE_STAT_MOVES] = "moves",
	[MMLAB_CLONE_STAT_UNDONE] = "undone",
	[MMLAB_CLONE_STAT_DIRECT] = "direct",
	[MMLAB_CLONE_STAT_STAGED] = "staged",
	[MMLAB_CLONE_STAT_EMPTY] = "empty",
	[MMLAB_CLONE_STAT_PAGES_SHARED] = "pages-shared",
	[MMLAB_CLONE_STAT_PAGES_COPIED] = "pages-copied",
	[MMLAB_CLONE_STAT_HUGE_SHARED] = "huge-shared",
	[MMLAB_CLONE_STAT_SWAP_SHARED] = "swap-shared",
	[MMLAB_CLONE_STAT_OTHER_SHARED] = "other-shared",
	[MMLAB_CLONE_STAT_SOURCE_SPLITS] = "source-splits",
	[MMLAB_CLONE_STAT_CLONE_SPLITS] = "clone-splits",
	[MMLAB_CLONE_STAT_TABLES_MOVED] = "tables-moved",
	[MMLAB_CLONE_STAT_HUGE_MOVED] = "huge-moved",
	[MMLAB_CLONE_STAT_PTES_MOVED] = "ptes-moved",
	[MMLAB_CLONE_STAT_FLUSHES] = "flushes",
	[MMLAB_CLONE_STAT_POPULATED] = "populated",
	[MMLAB_CLONE_STAT_LEFT] = "left",
};
static_assert(ARRAY_SIZE(clone_stat_names) == MMLAB_CLONE_N_STATS);

const struct mmlab_mech mmlab_clone_mech = {
	.name = "clone",
	.id = MMLAB_MECH_CLONE,
	.ops = clone_ops,
	.n_ops = ARRAY_SIZE(clone_ops),
	.stat_names = clone_stat_names,
	.n_stats = MMLAB_CLONE_N_STATS,
	.stat = clone_stat,
	.caps = clone_caps,
};
