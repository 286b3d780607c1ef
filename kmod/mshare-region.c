// SPDX-License-Identifier: GPL-2.0
/*
 * Regions: objects of msharefs into which files and memory are mapped piece by
 * piece, for all guests at once, at any multiple of the page size.
 *
 * Hosts know what is mapped; nothing else here does.
 */
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/mman.h>
#include <linux/overflow.h>
#include <linux/uaccess.h>

#include "compat.h"
#include "mshare.h"

int mshare_region_init(struct mshare *share, loff_t bytes)
{
	struct mshare_host *host;
	int err = 0;

	if (!mmlab_has_host_mm)
		return -EOPNOTSUPP;
	if (mutex_lock_killable(&share->lock))
		return -EINTR;
	if (share->bytes || !bytes || !IS_ALIGNED(bytes, MSHARE_ALIGN)) {
		err = -EINVAL;
	} else {
		share->bytes = bytes;
		host = mshare_host_get(share, MSHARE_WRITE,
				       &(struct mshare_piece){
			.bytes = bytes });
		if (IS_ERR(host)) {
			share->bytes = 0;
			err = PTR_ERR(host);
		}
	}
	mutex_unlock(&share->lock);
	return err;
}

/* Into all hosts; or, if that fails after it has begun, nothing into all. */
static int region_map(struct mshare *share, const struct mshare_piece *piece)
{
	struct mshare_piece nothing = { .offset = piece->offset,
					.bytes = piece->bytes };
	bool is_begun = !piece->file;
	int access, err = 0;

	if (mutex_lock_killable(&share->lock))
		return -EINTR;
	if (!share->bytes || piece->offset >= share->bytes ||
	    piece->bytes > share->bytes - piece->offset) {
		err = -EINVAL;
		goto unlock;
	}
	for (access = MSHARE_WRITE; access >= MSHARE_READ && !err; access--)
		if (share->hosts[access])
			err = mshare_map(share->hosts[access], piece,
					 &is_begun);
	for (access = MSHARE_WRITE; access >= MSHARE_READ && err && is_begun;
	     access--)
		if (share->hosts[access])
			(void)mshare_map(share->hosts[access], &nothing,
					 &is_begun);
unlock:
	mutex_unlock(&share->lock);
	return err;
}

static bool range_is_valid(u64 offset, u64 bytes)
{
	return bytes && PAGE_ALIGNED(offset) && PAGE_ALIGNED(bytes);
}

/* The file to be mapped, with a reference. */
static struct file *create_file(const struct mshare_create *args)
{
	struct file *file;

	if (args->flags & MAP_ANONYMOUS)
		return mshare_memory_new(args->size,
					 args->flags & MAP_NORESERVE);
	file = fget(args->fd);
	if (!file)
		return ERR_PTR(-EBADF);
	if (!mshare_is_shareable(file)) {
		fput(file);
		return ERR_PTR(-EINVAL);
	}
	return file;
}

static int region_create(struct mshare *share, const struct mshare_create *args)
{
	struct mshare_piece piece = {
		.offset = args->region_offset,
		.bytes = args->size,
		.first_page = args->offset >> PAGE_SHIFT,
		.prot = args->prot,
	};
	const u32 known = MAP_SHARED | MAP_FIXED | MAP_ANONYMOUS |
			  MAP_NORESERVE;
	u64 end;
	int err;

	if (!range_is_valid(args->region_offset, args->size) ||
	    !PAGE_ALIGNED(args->offset) ||
	    check_add_overflow(args->offset, args->size, &end) ||
	    end > MAX_LFS_FILESIZE ||
	    (args->flags & ~known) || !(args->flags & MAP_SHARED) ||
	    !(args->flags & MAP_FIXED) ||
	    (args->prot != PROT_READ && args->prot != (PROT_READ | PROT_WRITE)))
		return -EINVAL;
	if (args->flags & MAP_ANONYMOUS)
		piece.first_page = 0;

	piece.file = create_file(args);
	if (IS_ERR(piece.file))
		return PTR_ERR(piece.file);
	err = region_map(share, &piece);
	fput(piece.file);
	return err;
}

static int region_unmap(struct mshare *share, const struct mshare_unmap *args)
{
	if (!range_is_valid(args->region_offset, args->size))
		return -EINVAL;
	return region_map(share, &(struct mshare_piece){
		.offset = args->region_offset, .bytes = args->size });
}

long mshare_region_ioctl(struct file *file, unsigned int cmd,
			 unsigned long addr)
{
	struct mshare *share = mshare_fs_share(file);
	union {
		struct mshare_create create;
		struct mshare_unmap unmap;
	} args;
	size_t bytes;

	switch (cmd) {
	case MSHAREFS_CREATE_MAPPING:
		bytes = sizeof(args.create);
		break;
	case MSHAREFS_UNMAP:
		bytes = sizeof(args.unmap);
		break;
	default:
		return -ENOTTY;
	}
	if (!(file->f_mode & FMODE_WRITE))
		return -EACCES;
	if (copy_from_user(&args, (void __user *)addr, bytes))
		return -EFAULT;
	return cmd == MSHAREFS_CREATE_MAPPING ?
		region_create(share, &args.create) :
		region_unmap(share, &args.unmap);
}
