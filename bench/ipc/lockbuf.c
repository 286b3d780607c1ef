// SPDX-License-Identifier: MIT
/*
 * All memory and all page tables are there from the start, so an operation does nothing but detach, attach and flush:
 * the module's counters must say exactly that.
 */
#include "lockbuf.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../module-probe.h"
#include "../old-tables.h"

#define PUD_BYTES (UINT64_C(1) << 30)

struct lock_counts {
	uint64_t n[MMLAB_LOCKBUF_N_STATS];
};

static const struct ipc_lock *plan_of(const struct ipc *p)
{
	return ipc_plan(p);
}

int ipc_lock_open(struct ipc *p)
{
	const struct ipc_lock *lock = plan_of(p);

	await_old_tables();
	p->own = calloc(1, sizeof(struct lock_counts));
	if (!p->own)
		return -ENOMEM;
	p->fd = mmlab_lockbuf_create(p->bytes, lock->mode, lock->flush, MMLAB_LOCKBUF_POPULATE | lock->flags);
	return p->fd < 0 ? -errno : 0;
}

void ipc_lock_close(struct ipc *p)
{
	free(p->own);
}

/* At a multiple of 1 GiB, so that whole upper-level entries are covered wherever that is possible. */
static int map(struct ipc *p, int prot)
{
	char *place = p->place + (PUD_BYTES - (uintptr_t)p->place % PUD_BYTES) % PUD_BYTES;
	size_t bytes = mmlab_lockbuf_map_bytes(p->bytes);
	char *base = mmap(place, bytes, prot, MAP_SHARED | MAP_FIXED_NOREPLACE, p->fd, 0);

	if (base == MAP_FAILED)
		return -errno;
	p->map = (struct mmlab_map){ .base = base, .bytes = bytes, .addr = base };
	p->addr = base;
	return 0;
}

int ipc_lock_open_producer(struct ipc *p)
{
	return map(p, PROT_READ | PROT_WRITE);
}

int ipc_lock_open_consumer(struct ipc *p)
{
	int e = map(p, PROT_READ);

	p->control->said[p->reader].addr = p->addr;
	return e;
}

/* Nobody waits in here: the sides tell each other when it is free. */
int ipc_lock_acquire(struct ipc *p)
{
	int r = mmlab_lockbuf_lock(p->fd, 0);

	return r < 0 ? -errno : r ? -EOWNERDEAD : 0;
}

int ipc_lock_release(struct ipc *p)
{
	return mmlab_lockbuf_unlock(p->fd) ? -errno : 0;
}

int ipc_lock_take(struct ipc *p)
{
	int e = ipc_lock_acquire(p);

	return e ? e : ipc_take(p);
}

void ipc_lock_mark(struct ipc *p)
{
	struct lock_counts *before = p->own;

	if (mmlab_stats(MMLAB_MECH_LOCKBUF, before->n, MMLAB_LOCKBUF_N_STATS) < 0)
		memset(before, 0xff, sizeof(*before)); /* no counter can have moved from there as it must */
}

/* What @n_ops operations move. In mode WRITER the consumer's LOCK and UNLOCK leave page tables alone. */
static void predict(const struct ipc *p, uint64_t n_ops, uint64_t *n)
{
	static const enum mmlab_lockbuf_stat flushes[] = {
		[MMLAB_LOCKBUF_FLUSH_RANGE] = MMLAB_LOCKBUF_STAT_FLUSH_RANGE,
		[MMLAB_LOCKBUF_FLUSH_CPUMASK] = MMLAB_LOCKBUF_STAT_FLUSH_CPUMASK,
		[MMLAB_LOCKBUF_FLUSH_ALL] = MMLAB_LOCKBUF_STAT_FLUSH_ALL,
		[MMLAB_LOCKBUF_FLUSH_NONE] = MMLAB_LOCKBUF_STAT_FLUSH_NONE,
	};
	const struct ipc_lock *lock = plan_of(p);
	uint64_t locks = (1 + p->n_readers) * n_ops, detached = lock->mode == MMLAB_LOCKBUF_WRITER ? n_ops : locks;
	uint64_t puds = p->bytes / PUD_BYTES, pmds = (p->map.bytes - puds * PUD_BYTES) / IPC_HUGE_BYTES;

	n[MMLAB_LOCKBUF_STAT_LOCKS] = n[MMLAB_LOCKBUF_STAT_UNLOCKS] = locks;
	n[MMLAB_LOCKBUF_STAT_PMDS_ATTACHED] = n[MMLAB_LOCKBUF_STAT_PMDS_DETACHED] = pmds * detached;
	n[MMLAB_LOCKBUF_STAT_PUDS_ATTACHED] = n[MMLAB_LOCKBUF_STAT_PUDS_DETACHED] = puds * detached;
	n[flushes[lock->flush]] = detached;
	if (lock->flags & MMLAB_LOCKBUF_CACHE_FLUSH)
		n[MMLAB_LOCKBUF_STAT_CACHE_PAGES] = p->n_pages * locks;
}

int ipc_lock_prove(struct ipc *p, uint64_t n_ops)
{
	const struct lock_counts *before = p->own;
	struct lock_counts now, expected = { 0 };

	if (mmlab_stats(MMLAB_MECH_LOCKBUF, now.n, MMLAB_LOCKBUF_N_STATS) < 0)
		return mmlab_fail(p->c, -errno, "counters of the module");
	predict(p, n_ops, expected.n);
	for (int i = 0; i < MMLAB_LOCKBUF_N_STATS; i++) {
		uint64_t n = now.n[i] - before->n[i];

		if (n != expected.n[i])
			return mmlab_fail(
				p->c, 0, "the module's counter %d moved by %llu in %llu transfers, expected %llu", i,
				(unsigned long long)n, (unsigned long long)n_ops, (unsigned long long)expected.n[i]);
	}
	p->n_flushes = 0;
	for (int i = MMLAB_LOCKBUF_STAT_FLUSH_RANGE; i < MMLAB_LOCKBUF_STAT_FLUSH_NONE; i++)
		p->n_flushes += (double)expected.n[i] / (double)n_ops;
	return 0;
}

const char *ipc_lock_probe(enum mmlab_lockbuf_flush flush)
{
	return module_lacks(MMLAB_MECH_LOCKBUF, MMLAB_LOCKBUF_CAP_FLUSH(flush));
}
