// SPDX-License-Identifier: MIT
/*
 * The counters are compared whole: what an operation is not expected to move must not move. They are the module's, for
 * all processes, so that anybody else who uses it at the same time makes the case fail.
 */
#include "buffer.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../module-probe.h"
#include "../old-tables.h"

#define GIB ((size_t)1 << 30)

static const char *const count_names[MMLAB_LOCKBUF_N_STATS] = {
	[MMLAB_LOCKBUF_STAT_LIVE_OBJECTS] = "live buffers",
	[MMLAB_LOCKBUF_STAT_LIVE_MAPPINGS] = "live mappings",
	[MMLAB_LOCKBUF_STAT_LIVE_PAGES] = "live pages",
	[MMLAB_LOCKBUF_STAT_LIVE_TABLES] = "live page tables",
	[MMLAB_LOCKBUF_STAT_CREATED] = "buffers created",
	[MMLAB_LOCKBUF_STAT_MMAPS] = "mappings made",
	[MMLAB_LOCKBUF_STAT_LOCKS] = "LOCKs",
	[MMLAB_LOCKBUF_STAT_UNLOCKS] = "UNLOCKs",
	[MMLAB_LOCKBUF_STAT_REFUSED] = "LOCKs refused",
	[MMLAB_LOCKBUF_STAT_WAITED] = "LOCKs that waited",
	[MMLAB_LOCKBUF_STAT_ABANDONED] = "owners that ended",
	[MMLAB_LOCKBUF_STAT_PMDS_ATTACHED] = "PMDs attached",
	[MMLAB_LOCKBUF_STAT_PMDS_DETACHED] = "PMDs detached",
	[MMLAB_LOCKBUF_STAT_PUDS_ATTACHED] = "PUDs attached",
	[MMLAB_LOCKBUF_STAT_PUDS_DETACHED] = "PUDs detached",
	[MMLAB_LOCKBUF_STAT_PTES_FILLED] = "PTEs filled",
	[MMLAB_LOCKBUF_STAT_FAULTS] = "faults served",
	[MMLAB_LOCKBUF_STAT_VIOLATIONS] = "faults refused",
	[MMLAB_LOCKBUF_STAT_FLUSH_RANGE] = "range flushes",
	[MMLAB_LOCKBUF_STAT_FLUSH_CPUMASK] = "flushes by CPU mask",
	[MMLAB_LOCKBUF_STAT_FLUSH_ALL] = "flushes of all CPUs",
	[MMLAB_LOCKBUF_STAT_FLUSH_NONE] = "flushes left out",
	[MMLAB_LOCKBUF_STAT_CACHE_PAGES] = "pages written back",
	[MMLAB_LOCKBUF_STAT_INVALIDATED] = "invalidations",
};

/* At a fixed place, a multiple of 1 GiB, so that whole upper-level entries are covered wherever that is possible. */
int buffer_open(struct lock *l)
{
	const struct lock_ops *ops = mmlab_ops(l->c);
	const struct lock_buffer *b = ops->buffer;
	size_t map_bytes = mmlab_lockbuf_map_bytes(l->bytes);
	void *base;

	await_old_tables();
	l->fd = mmlab_lockbuf_create(l->bytes, b->mode, b->flush, b->flags | MMLAB_LOCKBUF_POPULATE);
	if (l->fd < 0)
		return -errno;
	base = mmap(l->addr, map_bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED_NOREPLACE, l->fd, 0);
	if (base == MAP_FAILED)
		return -errno;
	l->map = (struct mmlab_map){ .base = base, .bytes = map_bytes, .addr = base };
	return 0;
}

int buffer_open_granted(struct lock *l)
{
	int r = buffer_open(l);

	return r ? r : buffer_lock(l);
}

int buffer_lock(struct lock *l)
{
	return mmlab_lockbuf_lock(l->fd, 0) < 0 ? -errno : 0;
}

int buffer_unlock(struct lock *l)
{
	return mmlab_lockbuf_unlock(l->fd) < 0 ? -errno : 0;
}

int buffer_nop(struct lock *l)
{
	return mmlab_lockbuf_nop(l->fd) < 0 ? -errno : 0;
}

int buffer_flush(struct lock *l)
{
	return mmlab_lockbuf_flush(l->fd) < 0 ? -errno : 0;
}

const char *buffer_probe(enum mmlab_lockbuf_flush flush)
{
	return module_lacks(MMLAB_MECH_LOCKBUF, MMLAB_LOCKBUF_CAP_FLUSH(flush));
}

int buffer_counts_read(struct buffer_counts *ret)
{
	memset(ret, 0, sizeof(*ret));
	return mmlab_stats(MMLAB_MECH_LOCKBUF, ret->n, MMLAB_LOCKBUF_N_STATS) < 0 ? -errno : 0;
}

int buffer_counts_since(struct buffer_counts *counts)
{
	struct buffer_counts now;
	int r = buffer_counts_read(&now);

	for (int i = 0; !r && i < MMLAB_LOCKBUF_N_STATS; i++)
		counts->n[i] = now.n[i] - counts->n[i];
	return r;
}

uint64_t buffer_flushes(const struct buffer_counts *counts)
{
	return counts->n[MMLAB_LOCKBUF_STAT_FLUSH_RANGE] + counts->n[MMLAB_LOCKBUF_STAT_FLUSH_CPUMASK] +
	       counts->n[MMLAB_LOCKBUF_STAT_FLUSH_ALL];
}

int buffer_check(struct lock *l, const struct lock_buffer *buffer, const struct buffer_counts *counts, uint64_t n_ops)
{
	static const enum mmlab_lockbuf_stat flushes[] = {
		[MMLAB_LOCKBUF_FLUSH_RANGE] = MMLAB_LOCKBUF_STAT_FLUSH_RANGE,
		[MMLAB_LOCKBUF_FLUSH_CPUMASK] = MMLAB_LOCKBUF_STAT_FLUSH_CPUMASK,
		[MMLAB_LOCKBUF_FLUSH_ALL] = MMLAB_LOCKBUF_STAT_FLUSH_ALL,
		[MMLAB_LOCKBUF_FLUSH_NONE] = MMLAB_LOCKBUF_STAT_FLUSH_NONE,
	};
	/* A PUD entry for each whole GiB, a PMD entry for each 2 MiB begun of the rest. */
	uint64_t puds = l->bytes / GIB, pmds = mmlab_lockbuf_map_bytes(l->bytes % GIB) / LOCK_HUGE_BYTES;
	uint64_t locks = n_ops * buffer->n_locks;
	struct buffer_counts expected = { .n = {
						  [MMLAB_LOCKBUF_STAT_LOCKS] = locks,
						  [MMLAB_LOCKBUF_STAT_UNLOCKS] = locks,
						  [MMLAB_LOCKBUF_STAT_PMDS_ATTACHED] = locks * pmds,
						  [MMLAB_LOCKBUF_STAT_PMDS_DETACHED] = locks * pmds,
						  [MMLAB_LOCKBUF_STAT_PUDS_ATTACHED] = locks * puds,
						  [MMLAB_LOCKBUF_STAT_PUDS_DETACHED] = locks * puds,
					  } };

	expected.n[flushes[buffer->flush]] = n_ops * buffer->n_flushes;
	if (buffer->flags & MMLAB_LOCKBUF_CACHE_FLUSH)
		expected.n[MMLAB_LOCKBUF_STAT_CACHE_PAGES] = locks * l->n_pages;
	for (int i = 0; i < MMLAB_LOCKBUF_N_STATS; i++)
		if (counts->n[i] != expected.n[i])
			return mmlab_fail(l->c, 0, "the module counted %lld %s in %llu operations, expected %llu",
					  (long long)counts->n[i], count_names[i], (unsigned long long)n_ops,
					  (unsigned long long)expected.n[i]);
	return 0;
}
