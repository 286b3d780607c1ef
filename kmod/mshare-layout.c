// SPDX-License-Identifier: GPL-2.0
/*
 * What a host maps: pieces of files and, where there is none, private memory
 * that nobody can access and that therefore never has a page.
 *
 * Guests' entries point to the host's tables, so the kernel must free none
 * while it changes what is mapped. It frees a table when it unmaps something
 * and nothing else is mapped in what the table covers. Hence there are no gaps,
 * and no step replaces all that a table covers: a longer change is made in
 * steps from the middle of one table to the middle of the next.
 *
 * That also keeps khugepaged away, which empties tables that one mapping covers
 * wholly, unless it has an anon_vma: each step's mapping gets one before the
 * next step may complete it.
 *
 * A step that fails may leave a gap: it is filled before anything else changes.
 */
#include <linux/cred.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/hugetlb.h>
#include <linux/kthread.h>
#include <linux/mman.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>

#include "compat.h"
#include "mshare.h"

/* Where a host tries whether a file can be mapped: before everything else. */
#define TRIAL_START (MSHARE_HOST_START - PUD_SIZE)

/*
 * What adds mappings ends here, so that taking something out, which may need a
 * few more for a while, finds room below the limit that is set by default.
 */
#define MAX_MAPPINGS (DEFAULT_MAX_MAP_COUNT - 64)

/*
 * What needs the host to be current->mm is done by a worker. A completion, not
 * flush_work(): lock checking would take the lock that the caller may hold, a
 * guest's mmap_lock, and the host's, for one and the same.
 */
struct job {
	struct work_struct work;
	struct completion done;
	int (*run)(struct mshare_host *host, const void *arg);
	struct mshare_host *host;
	const void *arg;
	int result;
	unsigned int fail_nth;
	struct mem_cgroup *charged;
};

static void job_work(struct work_struct *work)
{
	struct job *job = container_of(work, struct job, work);
	/* The job that opens the host makes it, and uses it itself. */
	struct mm_struct *mm = job->host->mm;
	struct mem_cgroup *own = set_active_memcg(job->charged);

	/* What is to fail for the caller fails here. */
	(void)mmlab_fail_nth_set(job->fail_nth);
	if (mm)
		kthread_use_mm(mm);
	job->result = job->run(job->host, job->arg);
	if (mm)
		kthread_unuse_mm(mm);
	job->fail_nth = mmlab_fail_nth_set(0);
	(void)set_active_memcg(own);
	complete(&job->done);
}

static int job_run(struct mshare_host *host,
		   int (*run)(struct mshare_host *host, const void *arg),
		   const void *arg)
{
	struct job job = { .run = run, .host = host, .arg = arg };

	INIT_WORK_ONSTACK(&job.work, job_work);
	init_completion(&job.done);
	job.charged = get_mem_cgroup_from_mm(current->mm);
	host->caller = current;
	host->caller_cred = current_cred();
	job.fail_nth = mmlab_fail_nth_set(0);
	queue_work(mshare_workers, &job.work);
	/* The job notices that the caller is killed, and ends soon. */
	if (wait_for_completion_killable(&job.done))
		wait_for_completion(&job.done);
	(void)mmlab_fail_nth_set(job.fail_nth);
	mem_cgroup_put(job.charged);
	destroy_work_on_stack(&job.work);
	return job.result;
}

/*
 * Mapping. All of this runs in the worker.
 */

static int host_prot(const struct mshare_host *host, int prot)
{
	return host->access == MSHARE_WRITE ? prot : prot & ~PROT_WRITE;
}

static int map(struct mshare_host *host, struct file *file, unsigned long addr,
	       unsigned long bytes, unsigned long first_page, int prot)
{
	if (!file)
		addr = vm_mmap(NULL, addr, bytes, PROT_NONE,
			       MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, 0);
	else
		addr = vm_mmap(file, addr, bytes,
			       host_prot(host, prot),
			       MAP_SHARED | MAP_FIXED,
			       first_page << PAGE_SHIFT);
	return IS_ERR_VALUE(addr) ? (int)addr : 0;
}

/*
 * Before anything is replaced: whether the file can be mapped, and by pages. The
 * last one, for the largest offset.
 */
static int map_trial(struct mshare_host *host, const struct mshare_piece *piece)
{
	unsigned long last = piece->first_page +
			     (piece->bytes >> PAGE_SHIFT) - 1;
	struct mm_struct *mm = host->mm;
	struct vm_area_struct *vma;
	int err;

	err = map(host, piece->file, TRIAL_START, PAGE_SIZE, last, piece->prot);
	if (err)
		return err;

	/* Entries that a driver, or hugetlbfs, made in a way of its own */
	mmap_read_lock(mm);
	vma = find_vma(mm, TRIAL_START);
	if (!vma || (vma->vm_flags & (VM_SPECIAL | VM_HUGETLB)) ||
	    !vma->vm_ops || !vma->vm_ops->fault)
		err = -EINVAL;
	mmap_read_unlock(mm);
	vm_munmap(TRIAL_START, PAGE_SIZE);
	return err;
}

static int map_step(struct mshare_host *host, const struct mshare_piece *piece,
		    unsigned long offset, unsigned long bytes)
{
	unsigned long skipped = (offset - piece->offset) >> PAGE_SHIFT;
	unsigned long addr = MSHARE_HOST_START + offset;
	struct mm_struct *mm = host->mm;
	int err;

	err = map(host, piece->file, addr, bytes, piece->first_page + skipped,
		  piece->prot);
	if (err || !piece->file)
		return err;

	mmap_write_lock(mm);
	err = mmlab_anon_vma_prepare(find_vma(mm, addr));
	mmap_write_unlock(mm);
	return err;
}

/* Replaces what is there, or a part of it: job_map() cleans up. */
static int map_steps(struct mshare_host *host, const struct mshare_piece *piece)
{
	unsigned long offset = piece->offset, end = offset + piece->bytes;
	unsigned long next;
	int err = 0;

	for (; offset < end && !err; offset = next) {
		next = end;
		if (host->in_use)
			next = min(end, round_down(offset + MSHARE_ALIGN / 2,
						   MSHARE_ALIGN) +
				   MSHARE_ALIGN / 2);
		err = fatal_signal_pending(host->caller) ? -EINTR :
			map_step(host, piece, offset, next - offset);
		cond_resched();
	}
	return err;
}

static int map_piece(struct mshare_host *host, const struct mshare_piece *piece,
		     bool *is_begun)
{
	const struct cred *own;
	int err;

	if (!piece->file)
		return map_steps(host, piece);
	if (READ_ONCE(host->mm->map_count) > MAX_MAPPINGS)
		return -ENOMEM;
	/* Security modules are to judge who asks, not the worker. */
	own = override_creds(host->caller_cred);
	err = map_trial(host, piece);
	if (!err) {
		*is_begun = true;
		err = map_steps(host, piece);
	}
	revert_creds(own);
	return err;
}

/* The first mapping, or the part of it, in a range; false if there is none. */
static bool mapped_find(struct mm_struct *mm, unsigned long addr,
			unsigned long end, unsigned long *ret_start,
			unsigned long *ret_end)
{
	struct vm_area_struct *vma;

	mmap_read_lock(mm);
	vma = find_vma(mm, addr);
	if (vma) {
		*ret_start = max(addr, vma->vm_start);
		*ret_end = min(end, vma->vm_end);
	}
	mmap_read_unlock(mm);
	return vma && *ret_start < end;
}

/* Where a step has unmapped something and could not map anything instead. */
static int gaps_fill(struct mshare_host *host)
{
	unsigned long addr = MSHARE_HOST_START;
	unsigned long end = addr + host->share->bytes;
	unsigned long start, next;
	int err = 0;

	for (; addr < end && !err; addr = next) {
		if (!mapped_find(host->mm, addr, end, &start, &next))
			start = next = end;
		if (addr < start)
			err = map(host, NULL, addr, start - addr, 0, PROT_NONE);
	}
	host->has_gap = err;
	return err;
}

/*
 * What still works when there are too many mappings, or no time: files stay
 * mapped, but nobody can access them. Frees no table.
 */
static void access_take(struct mshare_host *host,
			const struct mshare_piece *range)
{
	unsigned long addr = MSHARE_HOST_START + range->offset;
	unsigned long end = addr + range->bytes;
	unsigned long start;

	while (addr < end &&
	       mapped_find(host->mm, addr, end, &start, &addr))
		if (!mmlab_mprotect(start, addr - start, PROT_NONE))
			(void)mmlab_dontneed(start, addr - start);
}

struct change {
	const struct mshare_piece *piece;
	bool *is_begun;
};

static int job_map(struct mshare_host *host, const void *arg)
{
	const struct change *change = arg;
	int err = 0;

	/* Next to a gap a step might free a table. */
	if (host->has_gap)
		err = gaps_fill(host);
	if (!err)
		err = map_piece(host, change->piece, change->is_begun);
	if (err && *change->is_begun) {
		(void)gaps_fill(host);
		access_take(host, change->piece);
	}
	return err;
}

int mshare_map(struct mshare_host *host, const struct mshare_piece *piece,
	       bool *is_begun)
{
	return job_run(host, job_map, &(struct change){
		.piece = piece, .is_begun = is_begun });
}

/*
 * Opening.
 */

/* A new host for reading gets what the one for writing has. */
static int map_copy(struct mshare_host *host, struct mshare_host *from)
{
	unsigned long offset, bytes = host->share->bytes;
	struct mshare_piece piece;
	int err = 0;

	for (offset = 0; offset < bytes && !err; offset += piece.bytes) {
		mshare_piece_get(from, offset, &piece);
		err = map_steps(host, &piece);
		if (piece.file)
			fput(piece.file);
	}
	return err;
}

static int job_open(struct mshare_host *host, const void *arg)
{
	struct mshare_host *writers = host->share->hosts[MSHARE_WRITE];
	bool is_begun = true;
	int err;

	host->mm = mmlab_host_mm_alloc();
	if (!host->mm)
		return -ENOMEM;
#ifdef CONFIG_MEMCG
	RCU_INIT_POINTER(host->mm->owner, host->charged);
#endif

	kthread_use_mm(host->mm);
	err = writers ? map_copy(host, writers) :
		map_piece(host, arg, &is_begun);
	kthread_unuse_mm(host->mm);
	if (err)
		goto put_mm;

	err = mmu_notifier_register(&host->flusher, host->mm);
	if (err)
		goto put_mm;
	host->in_use = true;
	return 0;

put_mm:
	mshare_mm_put(host->mm);
	return err;
}

int mshare_map_open(struct mshare_host *host, const struct mshare_piece *piece)
{
	return job_run(host, job_open, piece);
}

void mshare_piece_get(struct mshare_host *host, unsigned long offset,
		      struct mshare_piece *ret)
{
	unsigned long addr = MSHARE_HOST_START + offset;
	struct mm_struct *mm = host->mm;
	struct vm_area_struct *vma;

	*ret = (struct mshare_piece){
		.offset = offset,
		.bytes = host->share->bytes - offset,
	};
	/* The caller may be in mmap(2). */
	down_read_nested(&mm->mmap_lock, SINGLE_DEPTH_NESTING);
	vma = find_vma(mm, addr);
	if (vma && vma->vm_start > addr) {
		ret->bytes = vma->vm_start - addr;
	} else if (vma) {
		ret->bytes = vma->vm_end - addr;
		ret->first_page = linear_page_index(vma, addr);
		ret->prot = (vma->vm_flags & VM_READ ? PROT_READ : 0) |
			    (vma->vm_flags & VM_WRITE ? PROT_WRITE : 0);
		ret->may_write = vma->vm_flags & VM_MAYWRITE;
		if (vma->vm_file)
			ret->file = get_file(vma->vm_file);
	}
	mmap_read_unlock(mm);
}

/*
 * Protection.
 */

/* Whether all of it will do: mprotect() stops in the middle otherwise. */
static int protect_check(struct mshare_host *host,
			 const struct mshare_piece *range)
{
	unsigned long addr = MSHARE_HOST_START + range->offset;
	unsigned long end = addr + range->bytes;
	int prot = host_prot(host, range->prot);
	struct mm_struct *mm = host->mm;
	struct vm_area_struct *vma;
	int err = 0;

	mmap_read_lock(mm);
	for (; addr < end && !err; addr = vma->vm_end) {
		vma = find_vma(mm, addr);
		if (!vma || vma->vm_start > addr || !vma->vm_file) {
			err = -ENOMEM;
			break;
		}
		if ((prot & PROT_WRITE) && !(vma->vm_flags & VM_MAYWRITE))
			err = -EACCES;
	}
	mmap_read_unlock(mm);
	return err;
}

/*
 * mprotect() makes present entries of PROT_NONE that a guest's fault takes for
 * a NUMA hint, and makes accessible again. So they have to go altogether; what
 * was resurrected in between goes with them.
 */
static int job_protect(struct mshare_host *host, const void *arg)
{
	const struct mshare_piece *range = arg;
	unsigned long addr = MSHARE_HOST_START + range->offset;
	int prot = host_prot(host, range->prot);
	const struct cred *own;
	int err;

	err = protect_check(host, range);
	if (err)
		return err;

	if (prot == PROT_NONE)
		return mmlab_mprotect(addr, range->bytes, prot) ?:
			mmlab_dontneed(addr, range->bytes);

	if (READ_ONCE(host->mm->map_count) > MAX_MAPPINGS)
		return -ENOMEM;
	own = override_creds(host->caller_cred);
	err = mmlab_mprotect(addr, range->bytes, prot);
	revert_creds(own);
	return err;
}

int mshare_host_protect(struct mshare_host *host, unsigned long offset,
			unsigned long bytes, int prot)
{
	return job_run(host, job_protect, &(struct mshare_piece){
		.offset = offset, .bytes = bytes, .prot = prot });
}
