// SPDX-License-Identifier: MIT
#include "memfd.h"

#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

/* The kernel's default of fault_around_bytes. */
#define AROUND_BYTES 65536

static const struct clone_memfd *plan_of(const struct clone *s)
{
	return clone_plan(s);
}

static int map(struct clone *s)
{
	return clone_map(s, s->bytes, MAP_SHARED | (plan_of(s)->populate ? MAP_POPULATE : 0), s->fd);
}

int clone_memfd_open_shared(struct clone *s)
{
	s->fd = memfd_create("mmlab", MFD_CLOEXEC);
	return s->fd < 0 || ftruncate(s->fd, (off_t)s->bytes) ? -errno : 0;
}

int clone_memfd_open(struct clone *s)
{
	return plan_of(s)->kept ? map(s) : 0;
}

int clone_memfd_take(struct clone *s)
{
	int e = plan_of(s)->kept ? 0 : map(s);

	return e ? e : clone_use(s, s->map.addr, 0, s->bytes);
}

int clone_memfd_give(struct clone *s)
{
	return plan_of(s)->kept ? 0 : clone_unmap(s);
}

/*
 * Reading what is there maps a window of neighbours with each page; populating does nothing else, so that entries are
 * clean when they are written through.
 */
uint64_t clone_memfd_faults(const struct clone *s)
{
	uint64_t windows = (s->bytes + AROUND_BYTES - 1) / AROUND_BYTES;
	bool writes = s->use == CLONE_USE_WRITE;

	if (plan_of(s)->kept || (s->use == CLONE_USE_NONE && !plan_of(s)->populate))
		return 0;
	if (s->n_swapped)
		return CLONE_UNKNOWN; /* windows end where pages are in swap */
	if (plan_of(s)->populate)
		return windows + (writes && !mmlab_mmu(s->c)->sets_dirty ? s->n_pages : 0);
	return writes ? s->n_pages : windows;
}
