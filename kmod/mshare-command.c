// SPDX-License-Identifier: GPL-2.0
/*
 * Page tables shared between processes: what a process asks of a mapping of its
 * own. The mapping is found under mmap_lock; what follows needs its file only,
 * whose reference keeps the object.
 */
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/mman.h>
#include <linux/pagemap.h>
#include <linux/rculist.h>
#include <linux/sched/signal.h>

#include "compat.h"
#include "mshare.h"

/* What the command is about: found under mmap_lock, used without. */
struct target {
	struct file *file;
	struct mshare *share;
	unsigned long start;
	unsigned long bytes;
	bool writes;
};

static int target_get(unsigned long addr, struct target *ret)
{
	struct vm_area_struct *vma;

	if (!current->mm || mmap_read_lock_killable(current->mm))
		return -EINTR;
	vma = mshare_guest_vma(current->mm, addr);
	if (vma) {
		ret->file = get_file(vma->vm_file);
		ret->share = mshare_of_file(vma->vm_file);
		ret->start = vma->vm_start;
		ret->bytes = vma->vm_end - vma->vm_start;
		ret->writes = vma->vm_flags & VM_WRITE;
	}
	mmap_read_unlock(current->mm);
	return vma ? 0 : -ENOMEM;
}

static void target_put(struct target *target)
{
	if (IS_ENABLED(MMLAB_PLANT_KEEP_FILE))
		return;
	fput(target->file);
}

static int protect(struct mshare *share, unsigned long offset,
		   unsigned long bytes, int prot)
{
	int access, err = 0;

	if (mutex_lock_killable(&share->lock))
		return -EINTR;
	/* Those who write first: losing access is what is urgent. */
	for (access = MSHARE_WRITE; access >= MSHARE_READ && !err; access--)
		if (share->hosts[access])
			err = mshare_host_protect(share->hosts[access], offset,
						  bytes, prot);
	mutex_unlock(&share->lock);
	return err;
}

int mshare_run_protect(union mmlab_arg *arg, struct mmlab_reply *reply)
{
	struct mmlab_mshare_protect *args = &arg->mshare_protect;
	struct target target;
	u64 offset;
	int err;

	if (args->reserved || !args->bytes || !PAGE_ALIGNED(args->addr) ||
	    !PAGE_ALIGNED(args->bytes) ||
	    (args->prot != PROT_NONE && args->prot != PROT_READ &&
	     args->prot != (PROT_READ | PROT_WRITE)))
		return -EINVAL;

	err = target_get(args->addr, &target);
	if (err)
		return err;

	offset = args->addr - target.start;
	if (args->bytes > target.bytes - offset)
		err = -ENOMEM;
	else if (!target.writes)
		err = -EACCES;
	else
		err = protect(target.share, offset, args->bytes, args->prot);
	target_put(&target);
	if (!err)
		mshare_count(MMLAB_MSHARE_STAT_PROTECTS);
	return err;
}

int mshare_run_flush(union mmlab_arg *arg, struct mmlab_reply *reply)
{
	struct mmlab_mshare_flush_set *args = &arg->mshare_flush;
	struct target target;
	int err;

	if (args->reserved || args->flush > MMLAB_MSHARE_FLUSH_EACH)
		return -EINVAL;
	err = target_get(args->addr, &target);
	if (err)
		return err;
	if (target.writes)
		WRITE_ONCE(target.share->flush, args->flush);
	else
		err = -EACCES;
	target_put(&target);
	return err;
}

int mshare_run_info(union mmlab_arg *arg, struct mmlab_reply *reply)
{
	struct mmlab_mshare_info *args = &arg->mshare_info;
	struct mshare_guest *guest;
	struct mshare_host *host;
	struct target target;
	int err, i;

	if (args->reserved)
		return -EINVAL;
	err = target_get(args->addr, &target);
	if (err)
		return err;

	args->start = target.start;
	args->bytes = target.share->bytes;
	args->flush = READ_ONCE(target.share->flush);
	args->table_bytes = 0;
	args->pte_bytes = 0;
	args->n_guests = 0;
	args->n_attached = 0;

	if (mutex_lock_killable(&target.share->lock)) {
		target_put(&target);
		return -EINTR;
	}
	for (i = 0; i < MSHARE_N_ACCESS; i++) {
		host = target.share->hosts[i];
		if (!host)
			continue;
		/*
		 * Faults go on: what is counted as attached is also counted
		 * as a table: table_ensure() comes first.
		 */
		args->n_attached += atomic_long_read(&host->n_attached);
		smp_rmb();
		args->table_bytes += mm_pgtables_bytes(host->mm);
		args->pte_bytes += READ_ONCE(host->n_tables) * PAGE_SIZE;
		rcu_read_lock();
		list_for_each_entry_rcu(guest, &host->guests, node)
			args->n_guests++;
		rcu_read_unlock();
	}
	mutex_unlock(&target.share->lock);
	target_put(&target);
	return 0;
}

/* The file behind exactly that mapping of the caller, with a reference. */
static struct file *adoptable(unsigned long addr, unsigned long bytes,
			      unsigned long *ret_first_page)
{
	struct file *file = ERR_PTR(-EINVAL);
	struct vm_area_struct *vma;

	if (mmap_read_lock_killable(current->mm))
		return ERR_PTR(-EINTR);
	vma = find_vma(current->mm, addr);
	if (vma && vma->vm_start == addr && vma->vm_end - addr == bytes &&
	    (vma->vm_flags & VM_SHARED) && (vma->vm_flags & VM_WRITE) &&
	    vma->vm_file && mshare_is_shareable(vma->vm_file)) {
		file = get_file(vma->vm_file);
		*ret_first_page = vma->vm_pgoff;
	}
	mmap_read_unlock(current->mm);
	return file;
}

int mshare_run_adopt(union mmlab_arg *arg, struct mmlab_reply *reply)
{
	struct mmlab_mshare_adopt *args = &arg->mshare_adopt;
	unsigned long first_page;
	struct file *file, *memory;
	struct mshare *share;
	int err;

	if (!mmlab_has_host_mm)
		return -EOPNOTSUPP;
	if (args->reserved || !args->bytes ||
	    !IS_ALIGNED(args->addr, MSHARE_ALIGN) ||
	    !IS_ALIGNED(args->bytes, MSHARE_ALIGN))
		return -EINVAL;

	file = fget(args->fd);
	if (!file)
		return -EBADF;
	share = mshare_fs_share(file);
	err = -EINVAL;
	if (!share)
		goto put_file;
	err = -EBADF;
	if (!(file->f_mode & FMODE_WRITE))
		goto put_file;

	memory = adoptable(args->addr, args->bytes, &first_page);
	err = PTR_ERR_OR_ZERO(memory);
	if (err)
		goto put_file;

	err = -EINTR;
	if (mutex_lock_killable(&share->lock)) {
		fput(memory);
		goto put_file;
	}
	if (share->bytes) {
		err = -EEXIST;
		fput(memory);
	} else {
		err = mshare_establish(share, memory, first_page, args->addr,
				       args->bytes);
	}
	mutex_unlock(&share->lock);
put_file:
	fput(file);
	return err;
}

/*
 * In the host, table by table, and then one access of the caller's for each: it
 * puts the table in.
 */
int mshare_run_populate(union mmlab_arg *arg, struct mmlab_reply *reply)
{
	struct mmlab_mshare_populate *args = &arg->mshare_populate;
	unsigned long addr, next, end;
	struct mshare_host *host;
	struct target target;
	int err;

	if (!args->bytes || !PAGE_ALIGNED(args->addr) ||
	    !PAGE_ALIGNED(args->bytes))
		return -EINVAL;
	err = target_get(args->addr, &target);
	if (err)
		return err;

	host = target.share->hosts[target.writes ? MSHARE_WRITE : MSHARE_READ];
	addr = args->addr;
	if (args->bytes > target.start + target.bytes - addr)
		err = -ENOMEM;
	for (end = addr + args->bytes; addr < end && !err; addr = next) {
		next = min(end, round_down(addr, MSHARE_ALIGN) + MSHARE_ALIGN);
		err = mshare_host_populate(host, addr - target.start,
					   next - addr);
		if (!err && fault_in_readable((char __user *)addr, 1))
			err = -EFAULT;
		if (!err && fatal_signal_pending(current))
			err = -EINTR;
		cond_resched();
	}
	target_put(&target);
	return err;
}
