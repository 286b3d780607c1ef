// SPDX-License-Identifier: MIT
/*
 * An arena is mapped whole, once; that takes mmap_lock and is never done again. What holds the lock for long holds a
 * range of its own, the one that is populated otherwise: so a range lock has to let all others pass.
 */
#include "arena.h"

#include <errno.h>
#include <sys/mman.h>

#include "../module-probe.h"

int arena_open(struct faultmix *f)
{
	void *base;

	f->fd = mmlab_arena_create(f->bytes, faultmix_ops(f)->scheme, (unsigned int)mmlab_param(f->c, "pending"), 0);
	if (f->fd < 0)
		return -errno;
	base = mmap(FAULTMIX_PLACE, f->bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED_NOREPLACE, f->fd, 0);
	if (base == MAP_FAILED)
		return -errno;
	f->arena = (struct mmlab_map){ .base = base, .bytes = f->bytes, .addr = base };
	f->base = base;
	return 0;
}

int arena_map(struct faultmix *f, size_t offset, size_t bytes)
{
	return mmlab_arena_map(f->fd, offset, bytes, PROT_READ | PROT_WRITE) < 0 ? -errno : 0;
}

int arena_unmap(struct faultmix *f, size_t offset, size_t bytes)
{
	return mmlab_arena_unmap(f->fd, offset, bytes) < 0 ? -errno : 0;
}

int arena_change(struct faultmix *f, size_t offset)
{
	return mmlab_arena_protect(f->fd, offset, f->page_bytes, PROT_READ | PROT_WRITE) < 0 ? -errno : 0;
}

int arena_populate(struct faultmix *f, size_t offset, size_t bytes)
{
	int r = arena_map(f, offset, bytes);

	return r ? r : mmlab_arena_populate(f->fd, offset, bytes) < 0 ? -errno : 0;
}

int arena_hold(struct faultmix *f, unsigned int ms)
{
	return mmlab_arena_hold(f->fd, f->longs, FAULTMIX_LONG_BYTES, ms * UINT64_C(1000000), 0) < 0 ? -errno : 0;
}

const char *arena_probe(enum mmlab_arena_scheme scheme)
{
	return module_lacks(MMLAB_MECH_ARENA, MMLAB_ARENA_CAP_SCHEME(scheme));
}
