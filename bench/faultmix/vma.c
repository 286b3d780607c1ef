// SPDX-License-Identifier: MIT
/*
 * Neighbours of anonymous memory would become one mapping: places have gaps between them. Huge pages are ruled out for
 * both kinds, as the module's regions have none.
 */
#include "vma.h"

#include <errno.h>
#include <sys/mman.h>

#include "../module-probe.h"

int vma_open_anon(struct faultmix *f)
{
	f->base = FAULTMIX_PLACE;
	return 0;
}

int vma_open_region(struct faultmix *f)
{
	f->base = FAULTMIX_PLACE;
	f->fd = mmlab_spf_create(faultmix_ops(f)->mode);
	return f->fd < 0 ? -errno : 0;
}

static int map_with(struct faultmix *f, size_t offset, size_t bytes, int flags)
{
	char *addr = f->base + offset;

	flags |= MAP_PRIVATE | MAP_FIXED_NOREPLACE | (f->fd < 0 ? MAP_ANONYMOUS : 0);
	return mmap(addr, bytes, PROT_READ | PROT_WRITE, flags, f->fd, 0) == addr ? 0 : -errno;
}

int vma_map(struct faultmix *f, size_t offset, size_t bytes)
{
	return map_with(f, offset, bytes, MAP_NORESERVE);
}

int vma_unmap(struct faultmix *f, size_t offset, size_t bytes)
{
	return munmap(f->base + offset, bytes) ? -errno : 0;
}

/* To what it is already: the kernel locks and asks, finds nothing to do, and the mapping stays in one piece. */
int vma_change(struct faultmix *f, size_t offset)
{
	return mprotect(f->base + offset, f->page_bytes, PROT_READ | PROT_WRITE) ? -errno : 0;
}

int vma_populate(struct faultmix *f, size_t offset, size_t bytes)
{
	return map_with(f, offset, bytes, MAP_NORESERVE | MAP_POPULATE);
}

int vma_hold(struct faultmix *f, unsigned int ms)
{
	return mmlab_spf_hold(ms, f->holder == HOLDER_SAME ? f->base : NULL) < 0 ? -errno : 0;
}

const char *vma_no_hold(void)
{
	return module_lacks(MMLAB_MECH_SPF, 0) ? "needs the module, which can hold the lock for a given time" : NULL;
}

const char *vma_probe(void)
{
	return module_lacks(MMLAB_MECH_SPF, MMLAB_SPF_CAP_REGIONS);
}

const char *vma_probe_hook(void)
{
	const char *missing = vma_probe();

	if (missing || !module_lacks(MMLAB_MECH_SPF, MMLAB_SPF_CAP_HOOK))
		return missing;
	return "the module's hook in the fault path is off, or this kernel has no place for it";
}
