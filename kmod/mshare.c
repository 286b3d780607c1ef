// SPDX-License-Identifier: GPL-2.0
/*
 * Page tables shared between processes: the objects.
 *
 * Objects made from a file are found again by what they are of, so that
 * processes which know nothing of each other share: the registry holds no
 * reference, and an object leaves it before its last one is gone. Objects of
 * msharefs are found by name.
 */
#include <linux/cred.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/magic.h>
#include <linux/mman.h>
#include <linux/module.h>
#include <linux/overflow.h>
#include <linux/shmem_fs.h>
#include <linux/slab.h>

#include "compat.h"
#include "mshare.h"

DEFINE_PER_CPU(u64[MMLAB_MSHARE_N_STATS], mshare_counts);

struct workqueue_struct *mshare_workers;

static DEFINE_MUTEX(registry_lock);
static LIST_HEAD(registry);

static u64 mshare_stat(unsigned int index)
{
	u64 sum = 0;
	int cpu;

	for_each_possible_cpu(cpu)
		sum += READ_ONCE(per_cpu(mshare_counts[index], cpu));
	return sum;
}

static u64 mshare_caps(void)
{
	if (!mmlab_has_host_mm)
		return 0;
	return MMLAB_MSHARE_CAP_FLUSH(MMLAB_MSHARE_FLUSH_ALL) |
	       MMLAB_MSHARE_CAP_FLUSH(MMLAB_MSHARE_FLUSH_UNION) |
	       MMLAB_MSHARE_CAP_FLUSH(MMLAB_MSHARE_FLUSH_EACH);
}

/*
 * Objects.
 */

struct mshare *mshare_new(void)
{
	struct mshare *share = kzalloc(sizeof(*share), GFP_KERNEL_ACCOUNT);

	if (!share)
		return NULL;
	kref_init(&share->refs);
	mutex_init(&share->lock);
	share->flush = MMLAB_MSHARE_FLUSH_ALL;
	mshare_count(MMLAB_MSHARE_STAT_CREATED);
	mshare_count(MMLAB_MSHARE_STAT_LIVE_OBJECTS);
	return share;
}

/* Called with the lock of the registry held, and releases it. */
static void mshare_release(struct kref *refs)
{
	struct mshare *share = container_of(refs, struct mshare, refs);
	int i;

	if (share->is_registered)
		list_del(&share->node);
	mutex_unlock(&registry_lock);

	if (IS_ENABLED(MMLAB_PLANT_LEAK))
		return;
	for (i = 0; i < MSHARE_N_ACCESS; i++)
		share->hosts[i] = mshare_host_close(share->hosts[i]);
	if (share->memory)
		fput(share->memory);
	mutex_destroy(&share->lock);
	kfree(share);
	mshare_add(MMLAB_MSHARE_STAT_LIVE_OBJECTS, -1);
}

void mshare_put(struct mshare *share)
{
	kref_put_mutex(&share->refs, mshare_release, &registry_lock);
}

/* F_SEAL_FUTURE_WRITE may come when a host that writes is there already. */
static bool file_is_sealed(struct file *file)
{
	struct inode *inode = file_inode(file);

	return inode->i_sb->s_magic == TMPFS_MAGIC &&
	       (READ_ONCE(SHMEM_I(inode)->seals) &
		(F_SEAL_WRITE | F_SEAL_FUTURE_WRITE));
}

/* Any piece of an object, the size of which is set. */
static bool object_is_sealed(struct mshare *share)
{
	struct mshare_host *host = share->hosts[MSHARE_WRITE];
	struct mshare_piece piece;
	unsigned long offset;
	bool is_sealed = false;

	if (share->memory && file_is_sealed(share->memory))
		return true;
	if (!host)
		return false;
	for (offset = 0; offset < share->bytes && !is_sealed;
	     offset += piece.bytes) {
		mshare_piece_get(host, offset, &piece);
		if (!piece.file)
			continue;
		is_sealed = piece.may_write && file_is_sealed(piece.file);
		fput(piece.file);
	}
	return is_sealed;
}

struct mshare_host *mshare_host_get(struct mshare *share,
				    enum mshare_access access,
				    const struct mshare_piece *piece)
{
	struct mshare_host *host = share->hosts[access];

	lockdep_assert_held(&share->lock);
	if (access == MSHARE_WRITE && object_is_sealed(share))
		return ERR_PTR(-EPERM);
	if (host)
		return host;

	host = mshare_host_open(share, access, piece);
	if (!IS_ERR(host))
		share->hosts[access] = host;
	return host;
}

struct file *mshare_memory_new(unsigned long bytes, bool no_reserve)
{
	struct file *memory;

	memory = shmem_file_setup("mshare", bytes,
				  mmlab_vma_flags(no_reserve ? VM_NORESERVE :
							       0));
	/* How it says that there is no memory for an inode. */
	return memory == ERR_PTR(-ENOSPC) ? ERR_PTR(-ENOMEM) : memory;
}

int mshare_establish(struct mshare *share, struct file *memory,
		     unsigned long first_page, unsigned long start,
		     unsigned long bytes)
{
	struct mshare_host *host;

	lockdep_assert_held(&share->lock);
	share->bytes = bytes;
	host = mshare_host_get(share, MSHARE_WRITE, &(struct mshare_piece){
		.file = memory, .bytes = bytes, .first_page = first_page,
		.prot = PROT_READ | PROT_WRITE });
	if (IS_ERR(host)) {
		share->bytes = 0;
		fput(memory);
		return PTR_ERR(host);
	}
	share->memory = memory;
	share->first_page = first_page;
	share->start = start;
	return 0;
}

/*
 * Files that stand for a part of another file.
 */

static int part_mmap(struct file *file, struct vm_area_struct *vma)
{
	struct mshare *share = file->private_data;
	struct mshare_host *host;

	if (!(vma->vm_flags & VM_MAYSHARE) || !(vma->vm_flags & VM_READ) ||
	    (vma->vm_flags & VM_EXEC) || vma->vm_pgoff ||
	    !IS_ALIGNED(vma->vm_start, MSHARE_ALIGN) ||
	    vma->vm_end - vma->vm_start != share->bytes)
		return -EINVAL;

	if (mutex_lock_killable(&share->lock))
		return -EINTR;
	/* A descriptor for writing was made together with that host. */
	host = mshare_host_get(share, mshare_access_of(vma), NULL);
	mutex_unlock(&share->lock);
	if (IS_ERR(host))
		return PTR_ERR(host);
	return mshare_guest_mmap(host, vma);
}

int mshare_fsync(struct mshare *share, loff_t start, loff_t end, int datasync)
{
	struct mshare_piece piece;
	struct mshare_host *host;
	unsigned long offset;
	loff_t first, last;
	int err = 0;

	if (mutex_lock_killable(&share->lock))
		return -EINTR;
	host = share->hosts[MSHARE_WRITE] ?: share->hosts[MSHARE_READ];
	mutex_unlock(&share->lock);
	if (!host)
		return 0;

	end = min_t(loff_t, end, share->bytes - 1);
	for (offset = start; offset <= end && !err; offset += piece.bytes) {
		mshare_piece_get(host, offset, &piece);
		if (!piece.file)
			continue;
		first = (loff_t)piece.first_page << PAGE_SHIFT;
		last = first + min_t(loff_t, piece.bytes - 1, end - offset);
		err = vfs_fsync_range(piece.file, first, last, datasync);
		fput(piece.file);
	}
	return err;
}

static int part_fsync(struct file *file, loff_t start, loff_t end,
		      int datasync)
{
	return mshare_fsync(file->private_data, start, end, datasync);
}

static int part_release(struct inode *inode, struct file *file)
{
	mshare_put(file->private_data);
	return 0;
}

static const struct file_operations part_fops = {
	.owner = THIS_MODULE,
	.mmap = part_mmap,
	.get_unmapped_area = mshare_get_unmapped_area,
	.fsync = part_fsync,
	.release = part_release,
};

struct mshare *mshare_of_file(struct file *file)
{
	if (file->f_op == &part_fops)
		return file->private_data;
	return mshare_fs_share(file);
}

/* An object of the same part of the same file, with a reference, or NULL. */
static struct mshare *part_find(struct file *file, unsigned long first_page,
				unsigned long bytes)
{
	struct mshare *share;

	lockdep_assert_held(&registry_lock);
	list_for_each_entry(share, &registry, node)
		if (file_inode(share->memory) == file_inode(file) &&
		    share->first_page == first_page && share->bytes == bytes &&
		    kref_get_unless_zero(&share->refs))
			return share;
	return NULL;
}

static struct mshare *part_get(struct file *file, unsigned long first_page,
			       unsigned long bytes)
{
	struct mshare *share;

	mutex_lock(&registry_lock);
	share = part_find(file, first_page, bytes);
	if (share)
		goto unlock;

	share = mshare_new();
	if (!share)
		goto unlock;
	share->memory = get_file(file);
	share->first_page = first_page;
	share->bytes = bytes;
	share->is_registered = true;
	list_add(&share->node, &registry);
unlock:
	mutex_unlock(&registry_lock);
	return share;
}

bool mshare_is_shareable(struct file *file)
{
	struct inode *inode = file_inode(file);

	switch (inode->i_sb->s_magic) {
	case HUGETLBFS_MAGIC:
	/* Pages that the kernel itself must not touch */
	case SECRETMEM_MAGIC:
	/* A server that is a guest would wait for itself: see docs. */
	case FUSE_SUPER_MAGIC:
		return false;
	}
	return S_ISREG(inode->i_mode) && !mshare_fs_is_file(file) && file->f_op != &part_fops;
}

static int run_file(union mmlab_arg *arg, struct mmlab_reply *reply)
{
	struct mmlab_mshare_file *args = &arg->mshare_file;
	bool writes = args->prot & PROT_WRITE;
	struct mshare_host *host;
	struct mshare *share;
	struct file *file;
	u64 end;
	int err;

	if (!mmlab_has_host_mm)
		return -EOPNOTSUPP;
	if (args->reserved || !args->bytes ||
	    (args->prot != PROT_READ &&
	     args->prot != (PROT_READ | PROT_WRITE)) ||
	    !IS_ALIGNED(args->bytes, MSHARE_ALIGN) ||
	    !PAGE_ALIGNED(args->offset) ||
	    check_add_overflow(args->offset, args->bytes, &end) ||
	    end > MAX_LFS_FILESIZE)
		return -EINVAL;

	file = fget(args->file_fd);
	if (!file)
		return -EBADF;
	err = -EINVAL;
	if (!mshare_is_shareable(file))
		goto put_file;
	err = -EACCES;
	if (!(file->f_mode & FMODE_READ) ||
	    (writes && !(file->f_mode & FMODE_WRITE)))
		goto put_file;

	err = -ENOMEM;
	share = part_get(file, args->offset >> PAGE_SHIFT, args->bytes);
	if (!share)
		goto put_file;

	err = -EINTR;
	if (mutex_lock_killable(&share->lock))
		goto put_share;
	host = mshare_host_get(share, writes ? MSHARE_WRITE : MSHARE_READ,
			       &(struct mshare_piece){
		.file = file, .bytes = args->bytes,
		.first_page = args->offset >> PAGE_SHIFT,
		.prot = PROT_READ | PROT_WRITE });
	mutex_unlock(&share->lock);
	err = PTR_ERR_OR_ZERO(host);
	if (err)
		goto put_share;

	err = mmlab_reply_file(reply, "[mshare]", &part_fops, share,
			       writes ? O_RDWR : O_RDONLY);
	if (err)
		goto put_share;
	fput(file);
	args->fd = reply->fd;
	return 0;

put_share:
	mshare_put(share);
put_file:
	fput(file);
	return err;
}

static const struct mmlab_op mshare_ops[] = {
	{
		.cmd = MMLAB_IOC_MSHARE_FILE,
		.bytes = sizeof(struct mmlab_mshare_file),
		.min_bytes = offsetofend(struct mmlab_mshare_file, reserved),
		.run = run_file,
	},
	{
		.cmd = MMLAB_IOC_MSHARE_PROTECT,
		.bytes = sizeof(struct mmlab_mshare_protect),
		.min_bytes = offsetofend(struct mmlab_mshare_protect, reserved),
		.run = mshare_run_protect,
		.no_answer = true,
	},
	{
		.cmd = MMLAB_IOC_MSHARE_FLUSH,
		.bytes = sizeof(struct mmlab_mshare_flush_set),
		.min_bytes = offsetofend(struct mmlab_mshare_flush_set,
					 reserved),
		.run = mshare_run_flush,
		.no_answer = true,
	},
	{
		.cmd = MMLAB_IOC_MSHARE_INFO,
		.bytes = sizeof(struct mmlab_mshare_info),
		.min_bytes = offsetofend(struct mmlab_mshare_info, reserved),
		.run = mshare_run_info,
	},
	{
		.cmd = MMLAB_IOC_MSHARE_ADOPT,
		.bytes = sizeof(struct mmlab_mshare_adopt),
		.min_bytes = offsetofend(struct mmlab_mshare_adopt, reserved),
		.run = mshare_run_adopt,
		.no_answer = true,
	},
	{
		.cmd = MMLAB_IOC_MSHARE_POPULATE,
		.bytes = sizeof(struct mmlab_mshare_populate),
		.min_bytes = offsetofend(struct mmlab_mshare_populate, bytes),
		.run = mshare_run_populate,
		.no_answer = true,
	},
};

static const char *const mshare_stat_names[] = {
	[MMLAB_MSHARE_STAT_LIVE_OBJECTS] = "live-objects",
	[MMLAB_MSHARE_STAT_LIVE_HOSTS] = "live-hosts",
	[MMLAB_MSHARE_STAT_LIVE_GUESTS] = "live-guests",
	[MMLAB_MSHARE_STAT_LIVE_ATTACHED] = "live-attached",
	[MMLAB_MSHARE_STAT_CREATED] = "created",
	[MMLAB_MSHARE_STAT_MMAPS] = "mmaps",
	[MMLAB_MSHARE_STAT_JOINED] = "joined",
	[MMLAB_MSHARE_STAT_ATTACHED] = "attached",
	[MMLAB_MSHARE_STAT_DETACHED] = "detached",
	[MMLAB_MSHARE_STAT_TABLES] = "tables",
	[MMLAB_MSHARE_STAT_FAULTS] = "faults",
	[MMLAB_MSHARE_STAT_HOST_FAULTS] = "host-faults",
	[MMLAB_MSHARE_STAT_DENIED] = "denied",
	[MMLAB_MSHARE_STAT_PROTECTS] = "protects",
	[MMLAB_MSHARE_STAT_FLUSH_ALL] = "flush-all",
	[MMLAB_MSHARE_STAT_FLUSH_UNION] = "flush-union",
	[MMLAB_MSHARE_STAT_FLUSH_EACH] = "flush-each",
	[MMLAB_MSHARE_STAT_FLUSH_NONE] = "flush-none",
	[MMLAB_MSHARE_STAT_FLUSHED_GUESTS] = "flushed-guests",
	[MMLAB_MSHARE_STAT_ACCESSED] = "accessed",
};
static_assert(ARRAY_SIZE(mshare_stat_names) == MMLAB_MSHARE_N_STATS);

static int __init mshare_init(void)
{
	int err;

	mshare_workers = alloc_workqueue("mmlab-mshare", WQ_UNBOUND, 0);
	if (!mshare_workers)
		return -ENOMEM;
	err = mshare_fs_init();
	if (err)
		destroy_workqueue(mshare_workers);
	return err;
}

static void mshare_exit(void)
{
	mshare_fs_exit();
	/* Every mapping is closed; their work may still wait for RCU. */
	rcu_barrier();
	destroy_workqueue(mshare_workers);
}

const struct mmlab_mech mmlab_mshare_mech = {
	.name = "mshare",
	.id = MMLAB_MECH_MSHARE,
	.ops = mshare_ops,
	.n_ops = ARRAY_SIZE(mshare_ops),
	.stat_names = mshare_stat_names,
	.n_stats = MMLAB_MSHARE_N_STATS,
	.stat = mshare_stat,
	.caps = mshare_caps,
	.init = mshare_init,
	.exit = mshare_exit,
};
