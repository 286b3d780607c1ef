/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Page tables shared between processes: what its files tell each other.
 *
 * mshare.c has the objects, mshare-command.c what a process asks of its own
 * mapping, mshare-host.c the address space that owns the tables,
 * mshare-layout.c what that maps, mshare-guest.c the mappings of processes,
 * mshare-fs.c the file system, mshare-region.c objects made of several files.
 *
 * Lock order, outermost first:
 *
 *   lock of an inode in msharefs; mmap_lock of a guest
 *   mshare.lock
 *   mmap_lock of a host, nested if a guest's is held
 *   mshare_host.tables_lock
 *   locks of files and pages, page-table locks
 *   mshare_host.guests_lock; pmd_lock of a guest: each innermost
 *
 * and apart from these: registry_lock, then nothing. A call-back of a notifier
 * takes no more than the innermost ones: it may come under page-table locks.
 *
 * Lifetime: a mapping holds its file, the file its struct mshare, that its
 * hosts, a host its address space. Commands hold the mapping's file. What runs
 * under RCU, the walks over guests, finds guests whose mm_struct is held until
 * a grace period after they left. What a host maps changes under mshare.lock;
 * tables that it has stay until it ends.
 */
#ifndef MMLAB_MSHARE_H
#define MMLAB_MSHARE_H

#include <linux/kref.h>
#include <linux/list.h>
#include <linux/mm.h>
#include <linux/mmu_notifier.h>
#include <linux/mutex.h>
#include <linux/percpu.h>
#include <linux/workqueue.h>

#include "mmlab.h"

/* What one entry of the upper level covers: the unit of sharing. */
#define MSHARE_ALIGN PMD_SIZE

/* Where a host maps its object. Any multiple of PUD_SIZE would do. */
#define MSHARE_HOST_START (1UL << 32)

enum mshare_access {
	MSHARE_READ,
	MSHARE_WRITE,
	MSHARE_N_ACCESS
};

/* Threads that may find no memory at the same time, and how often in a row. */
#define MSHARE_OOM_BITS 4
#define MSHARE_OOMS_MAX 8

/**
 * struct mshare_host - an address space without a process, owner of tables
 * @mm: it maps the object from MSHARE_HOST_START on, and nothing else
 * @share: whose it is
 * @access: what guests may do
 * @in_use: there may be guests, and tables: what is mapped changes by steps
 * @has_gap: a part is unmapped for want of memory: no step until it is filled
 * @caller: who waits for the change that is being made
 * @caller_cred: with what rights
 * @flusher: tells when translations must go from TLBs
 * @charged: the task in whose memory control group pages are accounted, after
 *	its death too
 * @tables_lock: for making tables
 * @n_tables: how many there are; none goes before the host
 * @guests_lock: protects @guests against changes; walked under RCU
 * @guests: struct mshare_guest
 * @n_attached: guests' entries that point to tables of @mm
 * @n_ooms: faults in a row that found no memory, by thread, roughly
 */
struct mshare_host {
	struct mm_struct *mm;
	struct mshare *share;
	enum mshare_access access;
	bool in_use;
	bool has_gap;
	struct task_struct *caller;
	const struct cred *caller_cred;
	struct mmu_notifier flusher;
	struct task_struct *charged;
	struct mutex tables_lock;
	unsigned long n_tables;
	spinlock_t guests_lock;
	struct list_head guests;
	atomic_long_t n_attached;
	u8 n_ooms[1 << MSHARE_OOM_BITS];
};

static inline enum mshare_access mshare_access_of(struct vm_area_struct *vma)
{
	return vma->vm_flags & VM_WRITE ? MSHARE_WRITE : MSHARE_READ;
}

/**
 * struct mshare - an object whose page tables are shared
 * @refs: files, and the inode in msharefs
 * @lock: protects all below until it is set, which happens once
 * @memory: the file that it is a part of, or NULL if it may be of several; what
 *	hosts map may have come from another open() of it
 * @first_page: where in @memory it begins
 * @start: address of the first mapping, which others ask for; 0 without. Set
 *	without the lock
 * @bytes: size; 0 as long as it has none
 * @flush: enum mmlab_mshare_flush
 * @hosts: those who write need other entries than those who only read
 * @is_registered: in the list of those that are found by file
 * @node: there
 */
struct mshare {
	struct kref refs;
	struct mutex lock;
	struct file *memory;
	unsigned long first_page;
	unsigned long start;
	unsigned long bytes;
	u32 flush;
	struct mshare_host *hosts[MSHARE_N_ACCESS];
	bool is_registered;
	struct list_head node;
};

/**
 * struct mshare_piece - a part of an object
 * @file: what is mapped there, or NULL for nothing
 * @offset: where in the object
 * @bytes: its length
 * @first_page: where in @file
 * @prot: PROT_READ and PROT_WRITE
 * @may_write: @prot can become both; of what is mapped already
 */
struct mshare_piece {
	struct file *file;
	unsigned long offset;
	unsigned long bytes;
	unsigned long first_page;
	int prot;
	bool may_write;
};

/**
 * struct mshare_guest - a mapping by a process
 * @notifier: tells before the process loses it
 * @host: whose tables it uses
 * @mm: of the process; its struct outlives the mapping by a grace period
 * @start: first address
 * @end: behind the last
 * @n_attached: entries that point to tables of @host
 * @node: in the host's list
 * @free_work: the end
 */
struct mshare_guest {
	struct mmu_interval_notifier notifier;
	struct mshare_host *host;
	struct mm_struct *mm;
	unsigned long start;
	unsigned long end;
	atomic_long_t n_attached;
	struct list_head node;
	struct rcu_work free_work;
};

/* Counted where it happens: a shared counter would be what is measured. */
DECLARE_PER_CPU(u64[MMLAB_MSHARE_N_STATS], mshare_counts);

static __always_inline void mshare_add(enum mmlab_mshare_stat stat, long n)
{
	this_cpu_add(mshare_counts[stat], n);
}

static __always_inline void mshare_count(enum mmlab_mshare_stat stat)
{
	mshare_add(stat, 1);
}

/* Runs what needs an address space of its own, and what ends a guest. */
extern struct workqueue_struct *mshare_workers;

/* mshare.c */

struct mshare *mshare_new(void);
void mshare_put(struct mshare *share);

/**
 * mshare_establish() - give an object its memory and size
 * @share: an object without; the caller holds its lock
 * @memory: a reference that is handed over, also on failure
 * @first_page: where in @memory
 * @start: the address that others will ask for
 * @bytes: multiple of MSHARE_ALIGN
 *
 * Return: 0 or a negative errno.
 */
int mshare_establish(struct mshare *share, struct file *memory,
		     unsigned long first_page, unsigned long start,
		     unsigned long bytes);

/**
 * mshare_memory_new() - memory of an object's own, or of a piece's
 * @bytes: how much
 * @no_reserve: none of it is reserved
 *
 * Return: a file with a reference, or an error pointer.
 */
struct file *mshare_memory_new(unsigned long bytes, bool no_reserve);

/**
 * mshare_host_get() - the set of tables for one kind of access
 * @share: the caller holds its lock
 * @access: which
 * @piece: what to map if there is no set of tables at all, or NULL. A set for
 *	reading that comes after the one for writing maps the same as that.
 *
 * Return: the host, or an error pointer; -EPERM if a seal forbids it.
 */
struct mshare_host *mshare_host_get(struct mshare *share,
				    enum mshare_access access,
				    const struct mshare_piece *piece);

/* fsync(2) and msync(2): passed on to what the object consists of. */
int mshare_fsync(struct mshare *share, loff_t start, loff_t end, int datasync);

/* Whether @file is of this mechanism, and of which object. */
struct mshare *mshare_of_file(struct file *file);
bool mshare_fs_is_file(const struct file *file);

/* Whether it may be an object, or a piece of one. */
bool mshare_is_shareable(struct file *file);

/* mshare-host.c */

struct mshare_host *mshare_host_open(struct mshare *share,
				     enum mshare_access access,
				     const struct mshare_piece *piece);
struct mshare_host *mshare_host_close(struct mshare_host *host);
/* Ends a host's address space. */
void mshare_mm_put(struct mm_struct *mm);

/**
 * mshare_host_fault() - make a page accessible in the host
 * @host: its mmap_lock is held for reading
 * @offset: of the page
 * @write: for writing
 * @ret_pmd: the entry that refers to the table; stays valid under the lock
 *
 * Return: 0 or VM_FAULT_MAJOR, or a fault's error.
 */
vm_fault_t mshare_host_fault(struct mshare_host *host, unsigned long offset,
			     bool write, pmd_t **ret_pmd);

/* What reading each page would do; no lock is held. 0 or -errno. */
int mshare_host_populate(struct mshare_host *host, unsigned long offset,
			 unsigned long bytes);

/* Reads or writes one page at most, for a debugger. Bytes, or -errno. */
int mshare_host_access(struct mshare_host *host, unsigned long offset,
		       void *buffer, int bytes, bool write);

/* mshare-layout.c: changes under the object's lock */

/* Makes the address space, and maps what mshare_host_get() says. */
int mshare_map_open(struct mshare_host *host, const struct mshare_piece *piece);

/**
 * mshare_map() - replace a part of what a host maps
 * @host: the host
 * @piece: by what
 * @is_begun: set when anything may have changed; already so if @piece is nothing
 *
 * Guests lose access to what was there before this returns, also if it fails
 * after having begun; then nothing of the range is accessible. -EINTR if the
 * caller is killed.
 *
 * Return: 0 or a negative errno.
 */
int mshare_map(struct mshare_host *host, const struct mshare_piece *piece,
	       bool *is_begun);

/* What is mapped at @offset, and how far on; with a reference to its file. */
void mshare_piece_get(struct mshare_host *host, unsigned long offset,
		      struct mshare_piece *ret);

/* -ENOMEM where there is nothing, -EACCES where it cannot be written. */
int mshare_host_protect(struct mshare_host *host, unsigned long offset,
			unsigned long bytes, int prot);

/* mshare-guest.c */

/* What the files' mmap calls; the size is checked, and the lock is not held. */
int mshare_guest_mmap(struct mshare_host *host, struct vm_area_struct *vma);
/* The guest's VMA at @addr, or NULL. The caller holds mmap_lock. */
struct vm_area_struct *mshare_guest_vma(struct mm_struct *mm,
					unsigned long addr);
unsigned long mshare_get_unmapped_area(struct file *file, unsigned long addr,
				       unsigned long bytes,
				       unsigned long pgoff,
				       unsigned long flags);

/* mshare-fs.c */

int mshare_fs_init(void);
void mshare_fs_exit(void);
struct mshare *mshare_fs_share(struct file *file);

/* mshare-region.c */

/* Sizes an object that has no size yet, with nothing in it. */
int mshare_region_init(struct mshare *share, loff_t bytes);
long mshare_region_ioctl(struct file *file, unsigned int cmd,
			 unsigned long addr);

/* mshare-command.c: MMLAB_IOC_MSHARE_PROTECT and so on */

int mshare_run_protect(union mmlab_arg *arg, struct mmlab_reply *reply);
int mshare_run_flush(union mmlab_arg *arg, struct mmlab_reply *reply);
int mshare_run_info(union mmlab_arg *arg, struct mmlab_reply *reply);
int mshare_run_adopt(union mmlab_arg *arg, struct mmlab_reply *reply);
int mshare_run_populate(union mmlab_arg *arg, struct mmlab_reply *reply);

#endif /* MMLAB_MSHARE_H */
