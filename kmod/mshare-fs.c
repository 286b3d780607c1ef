// SPDX-License-Identifier: GPL-2.0
/*
 * msharefs: shared objects by name.
 *
 * A new file is an object without size. Either its first mapping makes it
 * zeroes of that length, or ftruncate() gives it a size, and what is in it
 * comes by ioctl: mshare-region.c. Others may then attach it as far as the
 * file's mode lets them open it. One instance, wherever it is mounted; unmounting it, which
 * needs all files and mappings to be gone, deletes everything.
 */
#include <linux/fs.h>
#include <linux/fs_context.h>
#include <linux/kobject.h>
#include <linux/module.h>
#include <linux/pagemap.h>
#include <linux/slab.h>
#include <linux/sysfs.h>

#include "compat.h"
#include "mshare.h"

#define MSHAREFS_MAGIC 0x6d736872 /* "mshr" */

static const struct file_operations object_fops;

/*
 * mshare_info: what addresses and sizes have to be multiples of.
 */

static ssize_t info_read(struct file *file, char __user *buffer, size_t bytes,
			 loff_t *pos)
{
	char text[24];
	int n = scnprintf(text, sizeof(text), "%lu\n", MSHARE_ALIGN);

	return simple_read_from_buffer(buffer, bytes, pos, text, n);
}

static const struct file_operations info_fops = {
	.owner = THIS_MODULE,
	.read = info_read,
	.llseek = default_llseek,
};

/*
 * Objects.
 */

bool mshare_fs_is_file(const struct file *file)
{
	return file->f_op == &object_fops;
}

struct mshare *mshare_fs_share(struct file *file)
{
	return mshare_fs_is_file(file) ? file_inode(file)->i_private : NULL;
}

/* Nothing as long as nobody has mapped the object. */
static ssize_t object_read(struct file *file, char __user *buffer,
			   size_t bytes, loff_t *pos)
{
	struct mshare *share = mshare_fs_share(file);
	struct mmlab_mshare_range range;

	if (mutex_lock_killable(&share->lock))
		return -EINTR;
	range.start = READ_ONCE(share->start);
	range.bytes = share->bytes;
	mutex_unlock(&share->lock);
	if (!range.start)
		return 0;
	return simple_read_from_buffer(buffer, bytes, pos, &range,
				       sizeof(range));
}

/* The first mapping, if the size is not given. The object's lock is held. */
static int object_establish(struct mshare *share, struct vm_area_struct *vma)
{
	unsigned long bytes = vma->vm_end - vma->vm_start;
	struct file *memory;

	if (!(vma->vm_flags & VM_WRITE))
		return -EINVAL;
	memory = mshare_memory_new(bytes, vma->vm_flags & VM_NORESERVE);
	if (IS_ERR(memory))
		return PTR_ERR(memory);
	/* The address is that of the first mapping that succeeds. */
	return mshare_establish(share, memory, 0, 0, bytes);
}

static int object_mmap(struct file *file, struct vm_area_struct *vma)
{
	unsigned long bytes = vma->vm_end - vma->vm_start;
	struct mshare *share = mshare_fs_share(file);
	struct mshare_host *host;
	int err = 0;

	if (!mmlab_has_host_mm)
		return -EOPNOTSUPP;
	if (!(vma->vm_flags & VM_MAYSHARE) || !(vma->vm_flags & VM_READ) ||
	    (vma->vm_flags & VM_EXEC) || vma->vm_pgoff ||
	    !IS_ALIGNED(vma->vm_start, MSHARE_ALIGN) ||
	    !IS_ALIGNED(bytes, MSHARE_ALIGN))
		return -EINVAL;

	if (mutex_lock_killable(&share->lock))
		return -EINTR;
	if (!share->bytes)
		err = object_establish(share, vma);
	else if (share->bytes != bytes)
		err = -EINVAL;
	host = err ? ERR_PTR(err) :
		mshare_host_get(share, mshare_access_of(vma), NULL);
	if (!IS_ERR(host))
		i_size_write(file_inode(file), bytes);
	mutex_unlock(&share->lock);
	if (IS_ERR(host))
		return PTR_ERR(host);

	err = mshare_guest_mmap(host, vma);
	if (!err)
		cmpxchg(&share->start, 0, vma->vm_start);
	return err;
}

static int object_fsync(struct file *file, loff_t start, loff_t end,
			int datasync)
{
	return mshare_fsync(mshare_fs_share(file), start, end, datasync);
}

static long object_fallocate(struct file *file, int mode, loff_t offset,
			     loff_t bytes)
{
	int err;

	if (mode)
		return -EOPNOTSUPP;
	if (offset)
		return -EINVAL;
	err = mshare_region_init(mshare_fs_share(file), bytes);
	if (!err)
		i_size_write(file_inode(file), bytes);
	return err;
}

static const struct file_operations object_fops = {
	.owner = THIS_MODULE,
	.read = object_read,
	.mmap = object_mmap,
	.fallocate = object_fallocate,
	.unlocked_ioctl = mshare_region_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
	.get_unmapped_area = mshare_get_unmapped_area,
	.fsync = object_fsync,
	.llseek = default_llseek,
};

/* A size is given once for all. */
static int object_setattr(struct mmlab_idmap *idmap, struct dentry *dentry,
			  struct iattr *attr)
{
	int err = setattr_prepare(idmap, dentry, attr);

	if (err)
		return err;
	/* O_TRUNC and the like: there are no contents to lose. */
	if ((attr->ia_valid & ATTR_SIZE) && !attr->ia_size)
		attr->ia_valid &= ~ATTR_SIZE;
	if (attr->ia_valid & ATTR_SIZE) {
		err = mshare_region_init(d_inode(dentry)->i_private,
					 attr->ia_size);
		if (err)
			return err;
	}
	return simple_setattr(idmap, dentry, attr);
}

static const struct inode_operations object_iops = {
	.setattr = object_setattr,
};

/*
 * The folder.
 */

static struct inode *inode_new(struct super_block *sb, umode_t mode)
{
	struct inode *inode = new_inode(sb);

	if (!inode)
		return NULL;
	inode->i_ino = get_next_ino();
	inode->i_mode = mode;
	mmlab_inode_init_times(inode);
	return inode;
}

static int root_create(struct mmlab_idmap *idmap, struct inode *dir,
		       struct dentry *dentry, umode_t mode MMLAB_CREATE_EXCL)
{
	struct inode *inode = inode_new(dir->i_sb, mode);

	if (!inode)
		return -ENOMEM;
	inode->i_private = mshare_new();
	if (!inode->i_private) {
		iput(inode);
		return -ENOMEM;
	}
	inode_init_owner(idmap, inode, dir, mode);
	inode->i_op = &object_iops;
	inode->i_fop = &object_fops;
	mmlab_dentry_keep(dentry, inode);
	return 0;
}

static int root_unlink(struct inode *dir, struct dentry *dentry)
{
	if (d_inode(dentry)->i_fop != &object_fops)
		return -EPERM;
	return simple_unlink(dir, dentry);
}

static const struct inode_operations root_iops = {
	.lookup = simple_lookup,
	.create = root_create,
	.unlink = root_unlink,
};

static void fs_evict_inode(struct inode *inode)
{
	struct mshare *share = inode->i_private;

	clear_inode(inode);
	if (share)
		mshare_put(share);
}

static const struct super_operations fs_ops = {
	.statfs = simple_statfs,
	.drop_inode = mmlab_delete_inode,
	.evict_inode = fs_evict_inode,
};

static int fs_fill(struct super_block *sb, struct fs_context *fc)
{
	struct dentry *dentry;
	struct inode *inode;

	/* mmap() wants to know, too. */
	sb->s_maxbytes = MAX_LFS_FILESIZE;
	sb->s_blocksize = PAGE_SIZE;
	sb->s_blocksize_bits = PAGE_SHIFT;
	sb->s_magic = MSHAREFS_MAGIC;
	sb->s_op = &fs_ops;
	sb->s_time_gran = 1;

	inode = inode_new(sb, S_IFDIR | 0755);
	if (!inode)
		return -ENOMEM;
	inode->i_op = &root_iops;
	inode->i_fop = &simple_dir_operations;
	set_nlink(inode, 2);
	sb->s_root = d_make_root(inode);
	if (!sb->s_root)
		return -ENOMEM;

	dentry = d_alloc_name(sb->s_root, "mshare_info");
	if (!dentry)
		return -ENOMEM;
	inode = inode_new(sb, S_IFREG | 0444);
	if (!inode) {
		dput(dentry);
		return -ENOMEM;
	}
	inode->i_fop = &info_fops;
	mmlab_dentry_keep(dentry, inode);
	dput(dentry);
	return 0;
}

static int fs_get_tree(struct fs_context *fc)
{
	return get_tree_single(fc, fs_fill);
}

static const struct fs_context_operations fs_context_ops = {
	.get_tree = fs_get_tree,
};

static int fs_init_context(struct fs_context *fc)
{
	fc->ops = &fs_context_ops;
	return 0;
}

static struct file_system_type fs_type = {
	.owner = THIS_MODULE,
	.name = "msharefs",
	.init_fs_context = fs_init_context,
	.kill_sb = mmlab_kill_super,
};

int __init mshare_fs_init(void)
{
	int err = sysfs_create_mount_point(fs_kobj, "mshare");

	if (err)
		return err;
	err = register_filesystem(&fs_type);
	if (err)
		sysfs_remove_mount_point(fs_kobj, "mshare");
	return err;
}

void mshare_fs_exit(void)
{
	unregister_filesystem(&fs_type);
	sysfs_remove_mount_point(fs_kobj, "mshare");
}
