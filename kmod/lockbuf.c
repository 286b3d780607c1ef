// SPDX-License-Identifier: GPL-2.0
/*
 * Lockable buffers: memory that one process at a time owns.
 *
 * LOCK and UNLOCK put a mapping's page tables in and take them out as a whole,
 * by the entries of the level above, so that their cost hardly depends on the
 * size. Pages and page tables are the module's own and survive being taken out.
 * Here are the object, its owner and its commands; lockbuf-map.c has its
 * mappings, lockbuf-table.c their page tables.
 *
 * Locks, outermost first:
 *
 *   mmap_lock of a process
 *   lockbuf.lock: the owner (but the only one clears itself without it), the
 *	list of mappings, and whether each mapping's entries are in
 *	(lockbuf_block.attached, .slot)
 *   the lock of a PMD page, or page_table_lock for a PUD entry
 *
 * and on its own the lock of a PTE page. lockbuf.lock is never held where
 * something sleeps.
 *
 *   LOCK takes lockbuf.lock only. It writes through lockbuf_block.slot, and the
 *	table that this points into cannot be freed before the notifier has
 *	run: it comes first in munmap, mremap and exit, waits for lockbuf.lock,
 *	and clears .slot. .fault finds it again, one block at a time; it holds
 *	mmap_lock and has found the VMA, so that tables above are safe. A LOCK
 *	that does not know a .slot makes such a fault, once it is the owner.
 *   UNLOCK takes mmap_lock for writing, because before 6.5 everybody who walks
 *	page tables under mmap_lock may read a PMD entry twice. It lets go of
 *	it before it flushes. The owner is cleared last, when no CPU can
 *	access the buffer any more.
 *   The notifier takes entries out without mmap_lock for writing. Whoever calls
 *	it has it, or has made the VMA unreachable, or (6.12) runs beside
 *	walkers that check the entry again.
 *   Faults under the lock of a VMA only (since 6.4) never get to .fault, and
 *	touch nothing but A and D bits of a table, which outlives the VMA.
 *
 * Lifetimes: a mapping lives from mmap to .close. Its tables are freed after
 * .close, an RCU grace period later, for walkers without locks; the flush
 * that precedes is in the notifier and does not depend on the strategy. A
 * buffer lives as long as its files, and a VMA has one until after .close:
 * hence no TLB knows its pages when they are freed.
 */
#include <linux/anon_inodes.h>
#include <linux/capability.h>
#include <linux/module.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>

#include "compat.h"
#include "lockbuf.h"
#include "mmlab.h"

DEFINE_PER_CPU(u64[MMLAB_LOCKBUF_N_STATS], lockbuf_counts);

static u64 lockbuf_stat(unsigned int index)
{
	u64 sum = 0;
	int cpu;

	for_each_possible_cpu(cpu)
		sum += READ_ONCE(per_cpu(lockbuf_counts[index], cpu));
	return sum;
}

static bool lockbuf_flush_works(u32 flush)
{
	if (!mmlab_tables_are_native())
		return false;
	return flush != MMLAB_LOCKBUF_FLUSH_RANGE ||
	       mmlab_has_flush_tlb_mm_range;
}

static u64 lockbuf_caps(void)
{
	u64 caps = 0;
	u32 flush;

	for (flush = 0; flush <= MMLAB_LOCKBUF_FLUSH_NONE; flush++)
		if (lockbuf_flush_works(flush))
			caps |= MMLAB_LOCKBUF_CAP_FLUSH(flush);
	return caps;
}

/*
 * Memory.
 */

/* One page, made if it does not exist; NULL if that fails. */
struct page *lockbuf_page(struct lockbuf *buffer, unsigned long index)
{
	struct page *page = READ_ONCE(buffer->pages[index]);
	struct page *other;

	if (page)
		return page;

	page = alloc_page(GFP_KERNEL_ACCOUNT | MMLAB_GFP_CLEAR);
	if (!page)
		return NULL;

	other = cmpxchg(&buffer->pages[index], NULL, page);
	if (other) {
		__free_page(page);
		return other;
	}
	lockbuf_count(MMLAB_LOCKBUF_STAT_LIVE_PAGES, 1);
	return page;
}

static int lockbuf_populate(struct lockbuf *buffer)
{
	unsigned long i;

	for (i = 0; i < buffer->n_pages; i++) {
		if (!lockbuf_page(buffer, i))
			return -ENOMEM;
		if (fatal_signal_pending(current))
			return -EINTR;
		cond_resched();
	}
	return 0;
}

static void lockbuf_free(struct lockbuf *buffer)
{
	unsigned long i;

	for (i = 0; i < buffer->n_pages; i++) {
		if (buffer->pages[i]) {
			__free_page(buffer->pages[i]);
			lockbuf_count(MMLAB_LOCKBUF_STAT_LIVE_PAGES, -1);
		}
		cond_resched();
	}
	kvfree(buffer->pages);
	kfree(buffer);
}

static int lockbuf_new(const struct mmlab_lockbuf_create *arg,
		       struct lockbuf **ret_buffer)
{
	struct lockbuf *buffer;
	int err;

	buffer = kzalloc(sizeof(*buffer), GFP_KERNEL_ACCOUNT);
	if (!buffer)
		return -ENOMEM;

	spin_lock_init(&buffer->lock);
	init_waitqueue_head(&buffer->waiters);
	refcount_set(&buffer->n_files, 1);
	buffer->mode = arg->mode;
	buffer->flush = arg->flush;
	buffer->flags = arg->flags;
	buffer->n_pages = DIV_ROUND_UP(arg->bytes, PAGE_SIZE);
	buffer->pages = kvcalloc(buffer->n_pages, sizeof(*buffer->pages),
				 GFP_KERNEL_ACCOUNT);
	if (!buffer->pages) {
		kfree(buffer);
		return -ENOMEM;
	}

	if (buffer->flags & MMLAB_LOCKBUF_POPULATE) {
		err = lockbuf_populate(buffer);
		if (err) {
			lockbuf_free(buffer);
			return err;
		}
	}

	*ret_buffer = buffer;
	return 0;
}

/*
 * What the proposal wants of caches that do not know physical addresses. Seconds
 * for a large buffer, and of no use to a process that ends.
 */
static void lockbuf_cache_flush(struct lockbuf *buffer)
{
	unsigned long i, n = 0;
	struct page *page;

	for (i = 0; i < buffer->n_pages; i++) {
		page = READ_ONCE(buffer->pages[i]);
		if (page) {
			mmlab_cache_flush_page(page);
			n++;
		}
		if (fatal_signal_pending(current))
			break;
		cond_resched();
	}
	lockbuf_count(MMLAB_LOCKBUF_STAT_CACHE_PAGES, n);
}

/*
 * Ownership.
 */

/* One owner less. Under the buffer's lock. */
void lockbuf_owner_clear(struct lockbuf *buffer)
{
	lockdep_assert_held(&buffer->lock);
	WRITE_ONCE(buffer->owners,
		   buffer->owners > 0 ? buffer->owners - 1 : 0);
	/* A waiter queues itself before it asks under this lock. */
	if (waitqueue_active(&buffer->waiters))
		wake_up_all(&buffer->waiters);
}

/*
 * The same for one who was the only owner, without the lock: nobody changes
 * ->owners before it is 0, and who finds it so sees all that came before.
 */
static void owner_clear_only(struct lockbuf *buffer)
{
	/* Before the queue is looked at; a waiter queues itself, then asks. */
	smp_store_mb(buffer->owners, 0);
	if (waitqueue_active(&buffer->waiters))
		wake_up_all(&buffer->waiters);
}

static bool owner_set(struct lockbuf *buffer, const struct lockbuf_map *map)
{
	int owners = smp_load_acquire(&buffer->owners);

	if (buffer->mode == MMLAB_LOCKBUF_SHARED && !map->writer) {
		if (owners < 0)
			return false;
		WRITE_ONCE(buffer->owners, owners + 1);
		return true;
	}
	if (owners)
		return false;
	WRITE_ONCE(buffer->owners, -1);
	return true;
}

/* What is left to do for a new owner. */
enum { LOCK_FIND_PLACES = 1, LOCK_FLUSH_CACHE = 2 };

/* -EBUSY if somebody else owns it. */
static long lock_try(struct lockbuf *buffer, unsigned int *ret_left)
{
	struct lockbuf_map *map;
	long ret = 0;

	spin_lock(&buffer->lock);
	map = lockbuf_map_find(buffer, current->mm);
	if (unlikely(!map)) {
		ret = -ENXIO;
	} else if (unlikely(map->owns)) {
		ret = -EDEADLK;
	} else if (unlikely(!owner_set(buffer, map))) {
		ret = -EBUSY;
	} else {
		WRITE_ONCE(map->owns, true);
		if (unlikely(!lockbuf_attach(map)))
			*ret_left |= LOCK_FIND_PLACES;
		if (unlikely(buffer->flags & MMLAB_LOCKBUF_CACHE_FLUSH) &&
		    !map->writer)
			*ret_left |= LOCK_FLUSH_CACHE;
		if (unlikely(buffer->owner_died)) {
			buffer->owner_died = false;
			ret = MMLAB_LOCKBUF_OWNER_DIED;
		}
	}
	spin_unlock(&buffer->lock);
	return ret;
}

static long lockbuf_lock_wait(struct lockbuf *buffer, unsigned int *ret_left)
{
	long ret = lock_try(buffer, ret_left);

	if (ret != -EBUSY)
		return ret;
	lockbuf_count(MMLAB_LOCKBUF_STAT_WAITED, 1);
	if (wait_event_interruptible(buffer->waiters,
				     (ret = lock_try(buffer, ret_left)) !=
				     -EBUSY))
		return -ERESTARTSYS;
	return ret;
}

static long lockbuf_lock(struct lockbuf *buffer, unsigned long flags)
{
	unsigned int left = 0;
	long ret;

	if (unlikely(flags & ~(unsigned long)MMLAB_LOCKBUF_WAIT))
		return -EINVAL;

	if (flags & MMLAB_LOCKBUF_WAIT) {
		ret = lockbuf_lock_wait(buffer, &left);
	} else {
		ret = lock_try(buffer, &left);
		if (unlikely(ret == -EBUSY || ret == -EDEADLK)) {
			lockbuf_count(MMLAB_LOCKBUF_STAT_REFUSED, 1);
			ret = -EPERM;
		}
	}
	if (unlikely(ret < 0))
		return ret;

	lockbuf_count(MMLAB_LOCKBUF_STAT_LOCKS, 1);
	if (unlikely(left & LOCK_FIND_PLACES))
		lockbuf_places_find(buffer);
	if (unlikely(left & LOCK_FLUSH_CACHE))
		lockbuf_cache_flush(buffer);
	return ret;
}

static void lockbuf_flush(const struct lockbuf *buffer, unsigned long start,
			  unsigned long end)
{
	struct mm_struct *mm = current->mm;

	switch (buffer->flush) {
	case MMLAB_LOCKBUF_FLUSH_RANGE:
		mmlab_flush_tlb_mm_range(mm, start, end);
		break;
	case MMLAB_LOCKBUF_FLUSH_CPUMASK:
		mmlab_flush_tlb_mm(mm);
		break;
	case MMLAB_LOCKBUF_FLUSH_ALL:
		mmlab_flush_tlb_all();
		break;
	}
	lockbuf_count(MMLAB_LOCKBUF_STAT_FLUSH_RANGE + buffer->flush, 1);
}

static long lockbuf_unlock(struct lockbuf *buffer, unsigned long arg)
{
	struct mm_struct *mm = current->mm;
	unsigned long start = 0, end = 0;
	struct lockbuf_map *map;
	bool detaches = false, writer = false;
	long ret = 0;

	if (unlikely(arg))
		return -EINVAL;
	if (mmap_write_lock_killable(mm))
		return -EINTR;

	spin_lock(&buffer->lock);
	map = lockbuf_map_find(buffer, mm);
	if (unlikely(!map)) {
		ret = -ENXIO;
	} else if (unlikely(!map->owns)) {
		ret = -EPERM;
	} else {
		WRITE_ONCE(map->owns, false);
		start = map->start;
		end = map->flush_end;
		writer = map->writer;
		detaches = lockbuf_map_detaches(buffer, map);
		if (detaches)
			lockbuf_detach(map);
	}
	spin_unlock(&buffer->lock);
	/* From here the mapping may go, but nobody else may own the buffer. */
	mmap_write_unlock(mm);
	if (unlikely(ret))
		return ret;

	if (detaches)
		lockbuf_flush(buffer, start, end);
	if (unlikely(buffer->flags & MMLAB_LOCKBUF_CACHE_FLUSH) && writer)
		lockbuf_cache_flush(buffer);

	if (likely(READ_ONCE(buffer->owners) < 0)) {
		owner_clear_only(buffer);
	} else {
		spin_lock(&buffer->lock);
		lockbuf_owner_clear(buffer);
		spin_unlock(&buffer->lock);
	}
	lockbuf_count(MMLAB_LOCKBUF_STAT_UNLOCKS, 1);
	return 0;
}

static long lockbuf_flush_only(struct lockbuf *buffer, unsigned long arg)
{
	unsigned long start = 0, end = 0;
	struct lockbuf_map *map;

	if (unlikely(arg))
		return -EINVAL;

	spin_lock(&buffer->lock);
	map = lockbuf_map_find(buffer, current->mm);
	if (map) {
		start = map->start;
		end = map->flush_end;
	}
	spin_unlock(&buffer->lock);
	if (unlikely(!map))
		return -ENXIO;

	lockbuf_flush(buffer, start, end);
	return 0;
}

/*
 * Files.
 */

static const struct file_operations lockbuf_fops;

static long lockbuf_reader(struct lockbuf *buffer, unsigned long arg)
{
	int fd;

	if (arg)
		return -EINVAL;

	refcount_inc(&buffer->n_files);
	fd = anon_inode_getfd("[lockbuf]", &lockbuf_fops, buffer,
			      O_RDONLY | O_CLOEXEC);
	/* The caller's own file holds another count: this is not the last. */
	if (fd < 0)
		refcount_dec(&buffer->n_files);
	return fd;
}

static long lockbuf_ioctl(struct file *file, unsigned int cmd,
			  unsigned long arg)
{
	struct lockbuf *buffer = file->private_data;

	switch (cmd) {
	case MMLAB_IOC_LOCKBUF_LOCK:
		return lockbuf_lock(buffer, arg);
	case MMLAB_IOC_LOCKBUF_UNLOCK:
		return lockbuf_unlock(buffer, arg);
	case MMLAB_IOC_LOCKBUF_NOP:
		return arg ? -EINVAL : 0;
	case MMLAB_IOC_LOCKBUF_FLUSH:
		return lockbuf_flush_only(buffer, arg);
	case MMLAB_IOC_LOCKBUF_READER:
		return lockbuf_reader(buffer, arg);
	default:
		return -ENOTTY;
	}
}

static int lockbuf_release(struct inode *inode, struct file *file)
{
	struct lockbuf *buffer = file->private_data;

	if (!refcount_dec_and_test(&buffer->n_files))
		return 0;
	if (IS_ENABLED(MMLAB_PLANT_LEAK))
		return 0;
	lockbuf_free(buffer);
	lockbuf_count(MMLAB_LOCKBUF_STAT_LIVE_OBJECTS, -1);
	return 0;
}

static const struct file_operations lockbuf_fops = {
	.owner = THIS_MODULE,
	.unlocked_ioctl = lockbuf_ioctl,
	.compat_ioctl = lockbuf_ioctl,
	.mmap = lockbuf_mmap,
	.get_unmapped_area = lockbuf_get_unmapped_area,
	.release = lockbuf_release,
};

static int run_create(union mmlab_arg *arg, struct mmlab_reply *reply)
{
	struct mmlab_lockbuf_create *create = &arg->lockbuf_create;
	struct lockbuf *buffer;
	int err;

	if (create->bytes == 0 || create->bytes > MMLAB_LOCKBUF_MAX_BYTES ||
	    create->mode > MMLAB_LOCKBUF_SHARED ||
	    create->flush > MMLAB_LOCKBUF_FLUSH_NONE || create->reserved)
		return -EINVAL;
	if (create->flush == MMLAB_LOCKBUF_FLUSH_NONE &&
	    !capable(CAP_SYS_ADMIN))
		return -EPERM;
	if (!lockbuf_flush_works(create->flush))
		return -EOPNOTSUPP;

	err = lockbuf_new(create, &buffer);
	if (err)
		return err;

	err = mmlab_reply_file(reply, "[lockbuf]", &lockbuf_fops, buffer,
			       O_RDWR);
	if (err) {
		lockbuf_free(buffer);
		return err;
	}
	lockbuf_count(MMLAB_LOCKBUF_STAT_CREATED, 1);
	lockbuf_count(MMLAB_LOCKBUF_STAT_LIVE_OBJECTS, 1);
	create->fd = reply->fd;
	create->map_bytes = lockbuf_map_bytes(buffer);
	return 0;
}

static const struct mmlab_op lockbuf_ops[] = {
	{
		.cmd = MMLAB_IOC_LOCKBUF_CREATE,
		.bytes = sizeof(struct mmlab_lockbuf_create),
		.min_bytes = offsetofend(struct mmlab_lockbuf_create, map_bytes),
		.known_flags = MMLAB_LOCKBUF_POPULATE |
			       MMLAB_LOCKBUF_CACHE_FLUSH,
		.run = run_create,
	},
};

static const char *const lockbuf_stat_names[] = {
	[MMLAB_LOCKBUF_STAT_LIVE_OBJECTS] = "live-objects",
	[MMLAB_LOCKBUF_STAT_LIVE_MAPPINGS] = "live-mappings",
	[MMLAB_LOCKBUF_STAT_LIVE_PAGES] = "live-pages",
	[MMLAB_LOCKBUF_STAT_LIVE_TABLES] = "live-tables",
	[MMLAB_LOCKBUF_STAT_CREATED] = "created",
	[MMLAB_LOCKBUF_STAT_MMAPS] = "mmaps",
	[MMLAB_LOCKBUF_STAT_LOCKS] = "locks",
	[MMLAB_LOCKBUF_STAT_UNLOCKS] = "unlocks",
	[MMLAB_LOCKBUF_STAT_REFUSED] = "refused",
	[MMLAB_LOCKBUF_STAT_WAITED] = "waited",
	[MMLAB_LOCKBUF_STAT_ABANDONED] = "abandoned",
	[MMLAB_LOCKBUF_STAT_PMDS_ATTACHED] = "pmds-attached",
	[MMLAB_LOCKBUF_STAT_PMDS_DETACHED] = "pmds-detached",
	[MMLAB_LOCKBUF_STAT_PUDS_ATTACHED] = "puds-attached",
	[MMLAB_LOCKBUF_STAT_PUDS_DETACHED] = "puds-detached",
	[MMLAB_LOCKBUF_STAT_PTES_FILLED] = "ptes-filled",
	[MMLAB_LOCKBUF_STAT_FAULTS] = "faults",
	[MMLAB_LOCKBUF_STAT_VIOLATIONS] = "violations",
	[MMLAB_LOCKBUF_STAT_FLUSH_RANGE] = "flush-range",
	[MMLAB_LOCKBUF_STAT_FLUSH_CPUMASK] = "flush-cpumask",
	[MMLAB_LOCKBUF_STAT_FLUSH_ALL] = "flush-all",
	[MMLAB_LOCKBUF_STAT_FLUSH_NONE] = "flush-none",
	[MMLAB_LOCKBUF_STAT_CACHE_PAGES] = "cache-pages",
	[MMLAB_LOCKBUF_STAT_INVALIDATED] = "invalidated",
};
static_assert(ARRAY_SIZE(lockbuf_stat_names) == MMLAB_LOCKBUF_N_STATS);

const struct mmlab_mech mmlab_lockbuf_mech = {
	.name = "lockbuf",
	.id = MMLAB_MECH_LOCKBUF,
	.ops = lockbuf_ops,
	.n_ops = ARRAY_SIZE(lockbuf_ops),
	.stat_names = lockbuf_stat_names,
	.n_stats = MMLAB_LOCKBUF_N_STATS,
	.stat = lockbuf_stat,
	.caps = lockbuf_caps,
	.init = lockbuf_map_init,
	.exit = lockbuf_map_exit,
};
