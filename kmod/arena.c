// SPDX-License-Identifier: GPL-2.0
/*
 * Arenas: a model of an address space under a lock of one's choice. Here are
 * the object, its files and its mapping.
 *
 * An arena has what an address space has: which ranges are mapped and how (in a
 * maple tree, as the kernel's own), pages, and page-table entries. The last are
 * the kernel's: special entries of an ordinary VMA, put in and taken out by
 * exported functions.
 *
 * Locks, outermost first:
 *
 *   mmap_lock of a process, or the lock of the VMA, for reading: faults and
 *	POPULATE; other commands have neither
 *   the arena's: a range, or RWSEM's sem
 *   SPLIT's sem
 *   the mutex of what is mapped
 *   i_mmap_rwsem of the arena's inode, for reading: commands that take entries
 *	out find the VMA by it; none of the two above is held then
 *   page-table locks
 *
 * Nobody waits for mmap_lock who has anything of the arena. Who waits for the
 * arena has mmap_lock if it is a fault: as with mmap_lock itself, munmap and
 * fork of that process have to wait as long. Memory is allocated under the
 * first four; reclaim takes none of those.
 *
 * Lifetimes: page tables are the kernel's, which takes the VMA out of i_mmap
 * before it frees them: whoever has found the VMA there under i_mmap_rwsem can
 * walk them, as truncation does. A page is freed by who has its range
 * exclusively, after the entries were taken out and flushed: nobody else can
 * have found it, because references to special entries cannot be taken. If
 * munmap took them out, it has flushed before the VMA left i_mmap, as it does
 * for VM_PFNMAP alone (since 5.19, "mmu_gather: Force tlb-flush VM_PFNMAP
 * vmas"). The arena lives as long as its file, and a VMA has one.
 */
#include <linux/file.h>
#include <linux/ktime.h>
#include <linux/module.h>
#include <linux/mount.h>
#include <linux/pseudo_fs.h>
#include <linux/slab.h>

#include "arena.h"
#include "compat.h"
#include "mmlab.h"

DEFINE_PER_CPU(u64[MMLAB_ARENA_N_STATS], arena_counts);

static u64 arena_stat(unsigned int index)
{
	u64 sum = 0;
	int cpu;

	for_each_possible_cpu(cpu)
		sum += READ_ONCE(per_cpu(arena_counts[index], cpu));
	return sum;
}

static u64 arena_caps(void)
{
	return MMLAB_ARENA_CAP_SCHEME(MMLAB_ARENA_RWSEM) |
	       MMLAB_ARENA_CAP_SCHEME(MMLAB_ARENA_TREE) |
	       MMLAB_ARENA_CAP_SCHEME(MMLAB_ARENA_LIST) |
	       MMLAB_ARENA_CAP_SCHEME(MMLAB_ARENA_SPLIT) |
	       MMLAB_ARENA_CAP_PENDING(MMLAB_ARENA_PENDING_NONE) |
	       MMLAB_ARENA_CAP_PENDING(MMLAB_ARENA_PENDING_LIST) |
	       MMLAB_ARENA_CAP_PENDING(MMLAB_ARENA_PENDING_HASH) |
	       MMLAB_ARENA_CAP_PENDING(MMLAB_ARENA_PENDING_CPU);
}

void range_wait_begin(struct range_wait *wait)
{
	if (wait->start)
		return;
	wait->start = ktime_get_ns();
	arena_count(wait->counter, 1);
}

void range_wait_end(struct range_wait *wait)
{
	if (wait->start)
		arena_count(wait->counter + 2, ktime_get_ns() - wait->start);
}

/*
 * Memory.
 */

struct page *arena_page_new(gfp_t more)
{
	struct page *page = alloc_page(GFP_KERNEL_ACCOUNT | MMLAB_GFP_CLEAR | more);

	if (likely(page)) {
		arena_count(MMLAB_ARENA_STAT_LIVE_PAGES, 1);
		arena_count(MMLAB_ARENA_STAT_PAGES_ALLOCATED, 1);
	}
	return page;
}

/* One that was not needed. */
void arena_page_drop(struct page *page)
{
	__free_page(page);
	arena_count(MMLAB_ARENA_STAT_LIVE_PAGES, -1);
	arena_count(MMLAB_ARENA_STAT_PAGES_FREED, 1);
}

/* Publishes one; who loses the race for it gets the winner's instead. */
struct page *arena_page_publish(struct arena *arena, unsigned long i,
				struct page *page)
{
	struct page *other = cmpxchg(&arena->pages[i], NULL, page);

	if (likely(!other))
		return page;
	arena_page_drop(page);
	return other;
}

/**
 * arena_pages_free() - free the pages of a range
 * @arena: the arena
 * @first: first page
 * @last: last page
 *
 * No entry refers to them, and none will.
 */
void arena_pages_free(struct arena *arena, unsigned long first,
		      unsigned long last)
{
	unsigned long i, n = 0;
	struct page *page;

	for (i = first; i <= last; i++) {
		page = arena->pages[i];
		if (page) {
			WRITE_ONCE(arena->pages[i], NULL);
			__free_page(page);
			n++;
		}
		if (i % 1024 == 1023)
			cond_resched();
	}
	arena_count(MMLAB_ARENA_STAT_LIVE_PAGES, -n);
	arena_count(MMLAB_ARENA_STAT_PAGES_FREED, n);
}

static void arena_free(struct arena *arena)
{
	if (arena->pages)
		arena_pages_free(arena, 0, arena->n_pages - 1);
	extents_deinit(arena);
	arena_lock_deinit(arena);
	pending_deinit(&arena->pending);
	kvfree(arena->marks);
	kvfree(arena->pages);
	kfree(arena);
}

static int arena_new(const struct mmlab_arena_create *arg,
		     struct arena **ret_arena)
{
	struct arena *arena = kzalloc(sizeof(*arena), GFP_KERNEL_ACCOUNT);

	if (!arena)
		return -ENOMEM;

	arena->scheme = arg->scheme;
	arena->n_pages = arg->bytes / PAGE_SIZE;
	arena->prots[0] = vm_get_page_prot(VM_READ | VM_SHARED);
	arena->prots[1] = vm_get_page_prot(VM_READ | VM_WRITE | VM_SHARED);
	extents_init(arena);
	arena_lock_init(arena);
	arena_delay_init(&arena->delay);

	if (pending_init(&arena->pending, arg->pending))
		goto free_arena;
	arena->pages = kvcalloc(arena->n_pages, sizeof(*arena->pages),
				GFP_KERNEL_ACCOUNT);
	if (!arena->pages)
		goto free_arena;
	if (arg->flags & MMLAB_ARENA_CHECK) {
		arena->marks = kvcalloc(arena->n_pages, sizeof(*arena->marks),
					GFP_KERNEL_ACCOUNT);
		if (!arena->marks)
			goto free_arena;
	}
	*ret_arena = arena;
	return 0;

free_arena:
	arena_free(arena);
	return -ENOMEM;
}

/*
 * Entries.
 */

struct entry {
	struct mm_struct *mm;
	pte_t pte;
};

static int entry_put(pte_t *ptep, unsigned long addr, void *data)
{
	const struct entry *entry = data;

	/* Somebody else may have been here, with the same. */
	if (pte_none(*ptep))
		set_pte_at(entry->mm, addr, ptep, entry->pte);
	return 0;
}

/**
 * arena_entry_set() - let a page of the mapping be accessed
 * @arena: the arena
 * @vma: its VMA, which stays
 * @i: number of the page
 * @page: the page
 * @prot: how
 *
 * Not vmf_insert_pfn_prot(): that asks for the memory's type, under a lock of
 * the whole machine, by which faults would wait for each other after all.
 *
 * Return: 0, or -ENOMEM.
 */
int arena_entry_set(struct arena *arena, struct vm_area_struct *vma,
		    unsigned long i, struct page *page, int prot)
{
	struct entry entry = {
		.mm = vma->vm_mm,
		.pte = pte_mkspecial(pfn_pte(page_to_pfn(page),
				     arena->prots[prot & PROT_WRITE ? 1 : 0])),
	};

	/* It makes page tables as a fault does. */
	return apply_to_page_range(vma->vm_mm, vma->vm_start + i * PAGE_SIZE,
				   PAGE_SIZE, entry_put, &entry);
}

/*
 * The mapping.
 */

static void arena_open(struct vm_area_struct *vma)
{
	struct arena *arena = vma->vm_private_data;

	/* Only mremap(2) gets here, for a VMA that it takes back. */
	atomic_inc(&arena->n_vmas);
}

static void arena_close(struct vm_area_struct *vma)
{
	struct arena *arena = vma->vm_private_data;

	if (atomic_dec_and_test(&arena->n_vmas))
		arena_count(MMLAB_ARENA_STAT_LIVE_MAPPINGS, -1);
}

static int arena_may_split(struct vm_area_struct *vma, unsigned long addr)
{
	return -EINVAL;
}

static int arena_mremap(struct vm_area_struct *vma)
{
	return -EINVAL;
}

static int arena_mprotect(struct vm_area_struct *vma, unsigned long start,
			  unsigned long end, unsigned long flags)
{
	return -EINVAL;
}

/*
 * Nothing ahead of time. That it exists lets faults run under the lock of the
 * VMA, where there is one.
 */
static vm_fault_t arena_map_pages(struct vm_fault *vmf, pgoff_t start,
				  pgoff_t end)
{
	return 0;
}

const struct vm_operations_struct arena_vm_ops = {
	.open = arena_open,
	.close = arena_close,
	.may_split = arena_may_split,
	.mremap = arena_mremap,
	.mprotect = arena_mprotect,
	.fault = arena_vm_fault,
	.pfn_mkwrite = arena_vm_mkwrite,
	.map_pages = MMLAB_HAS_VMA_LOCK ? arena_map_pages : NULL,
};

/* mmap_lock is held for writing. */
static int arena_mmap(struct file *file, struct vm_area_struct *vma)
{
	struct arena *arena = file->private_data;

	if (!(vma->vm_flags & VM_MAYSHARE) || (vma->vm_flags & VM_EXEC) ||
	    !(vma->vm_flags & VM_READ) || !(vma->vm_flags & VM_WRITE) ||
	    vma->vm_pgoff ||
	    vma->vm_end - vma->vm_start != arena->n_pages * PAGE_SIZE)
		return -EINVAL;
	if (atomic_cmpxchg(&arena->n_vmas, 0, 1))
		return -EBUSY;

	mmlab_vm_flags_set(vma, VM_IO | VM_PFNMAP | VM_DONTEXPAND |
				VM_DONTCOPY | VM_DONTDUMP);
	mmlab_vm_flags_clear(vma, VM_MAYEXEC);
	WRITE_ONCE(arena->start, vma->vm_start);
	WRITE_ONCE(arena->mm, vma->vm_mm);
	vma->vm_private_data = arena;
	vma->vm_ops = &arena_vm_ops;
	arena_count(MMLAB_ARENA_STAT_MMAPS, 1);
	arena_count(MMLAB_ARENA_STAT_LIVE_MAPPINGS, 1);
	return 0;
}

/*
 * Files. Each arena has an inode of its own, by whose i_mmap its VMA is found:
 * that of anonymous inodes is everybody's.
 */

enum { ARENA_MAGIC = 0x6d6d6172 };

static int arena_fs_init(struct fs_context *fc)
{
	return init_pseudo(fc, ARENA_MAGIC) ? 0 : -ENOMEM;
}

static struct file_system_type arena_fs = {
	.name = "mmlab-arena",
	.owner = THIS_MODULE,
	.init_fs_context = arena_fs_init,
	.kill_sb = kill_anon_super,
};

/* It is mounted while there are arenas, and so does not keep the module. */
static struct vfsmount *arena_mount;
static int n_arena_mounts;

static int arena_release(struct inode *inode, struct file *file)
{
	struct arena *arena = file->private_data;

	if (IS_ENABLED(MMLAB_PLANT_LEAK))
		return 0;
	arena_free(arena);
	simple_release_fs(&arena_mount, &n_arena_mounts);
	arena_count(MMLAB_ARENA_STAT_LIVE_OBJECTS, -1);
	return 0;
}

static const struct file_operations arena_fops = {
	.owner = THIS_MODULE,
	.unlocked_ioctl = arena_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
	.mmap = arena_mmap,
	.release = arena_release,
};

static int arena_file(struct arena *arena, struct file **ret_file)
{
	struct inode *inode;
	struct file *file;
	int err;

	err = simple_pin_fs(&arena_fs, &arena_mount, &n_arena_mounts);
	if (err)
		return err;
	inode = alloc_anon_inode(arena_mount->mnt_sb);
	if (IS_ERR(inode)) {
		err = PTR_ERR(inode);
		goto release_fs;
	}
	file = alloc_file_pseudo(inode, arena_mount, "mmlab-arena", O_RDWR,
				 &arena_fops);
	if (IS_ERR(file)) {
		err = PTR_ERR(file);
		goto put_inode;
	}
	/* What the file's last user puts. The caller's device has another. */
	__module_get(THIS_MODULE);
	file->private_data = arena;
	arena->mapping = inode->i_mapping;
	*ret_file = file;
	return 0;

put_inode:
	iput(inode);
release_fs:
	simple_release_fs(&arena_mount, &n_arena_mounts);
	return err;
}

static int run_create(union mmlab_arg *arg, struct mmlab_reply *reply)
{
	struct mmlab_arena_create *create = &arg->arena_create;
	struct arena *arena;
	struct file *file;
	int fd, err;

	if (!create->bytes || !IS_ALIGNED(create->bytes, PAGE_SIZE) ||
	    create->bytes > MMLAB_ARENA_MAX_BYTES ||
	    create->scheme > MMLAB_ARENA_SPLIT ||
	    create->pending > MMLAB_ARENA_PENDING_CPU || create->reserved)
		return -EINVAL;

	err = arena_new(create, &arena);
	if (err)
		return err;
	fd = get_unused_fd_flags(O_CLOEXEC);
	if (fd < 0) {
		err = fd;
		goto free_arena;
	}
	err = arena_file(arena, &file);
	if (err)
		goto put_fd;

	arena_count(MMLAB_ARENA_STAT_CREATED, 1);
	arena_count(MMLAB_ARENA_STAT_LIVE_OBJECTS, 1);
	create->fd = fd;
	reply->fd = fd;
	reply->file = file;
	return 0;

put_fd:
	put_unused_fd(fd);
free_arena:
	arena_free(arena);
	return err;
}

static const struct mmlab_op arena_ops[] = {
	{
		.cmd = MMLAB_IOC_ARENA_CREATE,
		.bytes = sizeof(struct mmlab_arena_create),
		.min_bytes = offsetofend(struct mmlab_arena_create, reserved),
		.known_flags = MMLAB_ARENA_CHECK,
		.run = run_create,
	},
};

static const char *const arena_stat_names[] = {
	[MMLAB_ARENA_STAT_LIVE_OBJECTS] = "live-objects",
	[MMLAB_ARENA_STAT_LIVE_MAPPINGS] = "live-mappings",
	[MMLAB_ARENA_STAT_LIVE_PAGES] = "live-pages",
	[MMLAB_ARENA_STAT_LIVE_NODES] = "live-nodes",
	[MMLAB_ARENA_STAT_LIVE_HOLDS] = "live-holds",
	[MMLAB_ARENA_STAT_CREATED] = "created",
	[MMLAB_ARENA_STAT_MMAPS] = "mmaps",
	[MMLAB_ARENA_STAT_MAPS] = "maps",
	[MMLAB_ARENA_STAT_UNMAPS] = "unmaps",
	[MMLAB_ARENA_STAT_PROTECTS] = "protects",
	[MMLAB_ARENA_STAT_POPULATES] = "populates",
	[MMLAB_ARENA_STAT_HOLDS] = "holds",
	[MMLAB_ARENA_STAT_FAULTS] = "faults",
	[MMLAB_ARENA_STAT_VIOLATIONS] = "violations",
	[MMLAB_ARENA_STAT_RETRIES] = "retries",
	[MMLAB_ARENA_STAT_PAGES_ALLOCATED] = "pages-allocated",
	[MMLAB_ARENA_STAT_PAGES_FREED] = "pages-freed",
	[MMLAB_ARENA_STAT_POPULATED] = "populated",
	[MMLAB_ARENA_STAT_SHARED] = "shared",
	[MMLAB_ARENA_STAT_EXCLUSIVE] = "exclusive",
	[MMLAB_ARENA_STAT_SHARED_WAITS] = "shared-waits",
	[MMLAB_ARENA_STAT_EXCLUSIVE_WAITS] = "exclusive-waits",
	[MMLAB_ARENA_STAT_SHARED_WAIT_NS] = "shared-wait-ns",
	[MMLAB_ARENA_STAT_EXCLUSIVE_WAIT_NS] = "exclusive-wait-ns",
	[MMLAB_ARENA_STAT_SHORT_READS] = "short-reads",
	[MMLAB_ARENA_STAT_SHORT_WRITES] = "short-writes",
	[MMLAB_ARENA_STAT_SHORT_READ_WAITS] = "short-read-waits",
	[MMLAB_ARENA_STAT_SHORT_WRITE_WAITS] = "short-write-waits",
	[MMLAB_ARENA_STAT_SHORT_READ_WAIT_NS] = "short-read-wait-ns",
	[MMLAB_ARENA_STAT_SHORT_WRITE_WAIT_NS] = "short-write-wait-ns",
	[MMLAB_ARENA_STAT_PENDING_INSERTS] = "pending-inserts",
	[MMLAB_ARENA_STAT_PENDING_OVERFLOWS] = "pending-overflows",
	[MMLAB_ARENA_STAT_PENDING_LOOKUPS] = "pending-lookups",
	[MMLAB_ARENA_STAT_PENDING_SEARCHED] = "pending-searched",
	[MMLAB_ARENA_STAT_PENDING_ABORTS] = "pending-aborts",
	[MMLAB_ARENA_STAT_PENDING_WAITS] = "pending-waits",
	[MMLAB_ARENA_STAT_PENDING_WAIT_NS] = "pending-wait-ns",
	[MMLAB_ARENA_STAT_PENDING_CONFLICTS] = "pending-conflicts",
	[MMLAB_ARENA_STAT_LIST_RESTARTS] = "list-restarts",
	[MMLAB_ARENA_STAT_OVERLAPS] = "overlaps",
};
static_assert(ARRAY_SIZE(arena_stat_names) == MMLAB_ARENA_N_STATS);

const struct mmlab_mech mmlab_arena_mech = {
	.name = "arena",
	.id = MMLAB_MECH_ARENA,
	.ops = arena_ops,
	.n_ops = ARRAY_SIZE(arena_ops),
	.stat_names = arena_stat_names,
	.n_stats = MMLAB_ARENA_N_STATS,
	.stat = arena_stat,
	.caps = arena_caps,
	.init = range_list_module_init,
	.exit = range_list_module_exit,
};
