// SPDX-License-Identifier: MIT
#include "memory.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#ifndef MFD_HUGE_2MB
#define MFD_HUGE_2MB (21U << 26)
#endif

const struct mmlab_knob fanout_thp_knobs[] = {
	{ "/sys/kernel/mm/transparent_hugepage/shmem_enabled", "advise" },
	{ 0 },
};

/* Pages are taken from free memory when they are needed; none is set aside. Enough for 16 GiB. */
const struct mmlab_knob fanout_hugetlb_knobs[] = {
	{ "/sys/kernel/mm/hugepages/hugepages-2048kB/nr_overcommit_hugepages", "8192" },
	{ 0 },
};

int memory_map(struct fanout *f, void *mapped)
{
	if (mapped == MAP_FAILED)
		return -errno;
	f->map = (struct mmlab_map){ .base = mapped, .bytes = f->map_bytes, .addr = mapped };
	return 0;
}

static void *map_at(const struct fanout *f, char *at)
{
	/* Pages that are never touched need not be there, which hugetlb would otherwise see to. */
	return mmap(at, f->map_bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED_NOREPLACE | MAP_NORESERVE, f->fd,
		    0);
}

static int create(struct fanout *f, unsigned int flags)
{
	f->fd = memfd_create("mmlab", MFD_CLOEXEC | flags);
	if (f->fd < 0 || ftruncate(f->fd, (off_t)f->map_bytes))
		return -errno;
	return memory_map(f, map_at(f, fanout_creator_place(f)));
}

int memory_create(struct fanout *f)
{
	return create(f, 0);
}

int memory_create_thp(struct fanout *f)
{
	int r = create(f, 0);

	return !r && madvise(f->map.base, f->map.bytes, MADV_HUGEPAGE) ? -errno : r;
}

/* fallocate() says what a touch would say by a signal: that there are not enough pages. */
int memory_create_hugetlb(struct fanout *f)
{
	int r = create(f, MFD_HUGETLB | MFD_HUGE_2MB);

	if (!r && fallocate(f->fd, 0, 0, (off_t)f->bytes))
		r = -errno;
	if (r == -ENOMEM || r == -ENOSPC)
		return mmlab_skip(f->c, "needs %zu free huge pages of 2 MiB; memory may be too fragmented",
				  f->bytes / FANOUT_CHUNK_BYTES);
	return r;
}

int memory_attach(struct fanout *f, char *at)
{
	return map_at(f, at) == MAP_FAILED ? -errno : 0;
}
