// SPDX-License-Identifier: MIT
#include "memory.h"

#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

#include "cleanup.h"
#include "procfs.h"

#ifndef MFD_HUGE_2MB
#define MFD_HUGE_2MB (21U << 26)
#endif

/* The kernel's default of fault_around_bytes. */
#define AROUND_BYTES 65536

/* As many as the largest of the profiles' sizes takes. */
#define HUGETLB_PAGES	  "132"
#define HUGETLB_MAX_BYTES (UINT64_C(256) << 20)

const struct mmlab_knob ipc_thp_knobs[] = {
	{ "/sys/kernel/mm/transparent_hugepage/shmem_enabled", "advise" },
	{ 0 },
};

const struct mmlab_knob ipc_hugetlb_knobs[] = {
	{ "/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages", HUGETLB_PAGES },
	{ 0 },
};

size_t ipc_map_bytes(const struct ipc *p)
{
	size_t unit = ipc_ops(p)->pages == IPC_SMALL ? p->page_bytes : IPC_HUGE_BYTES;

	return (p->bytes + unit - 1) / unit * unit;
}

int ipc_map(struct ipc *p, int prot, int flags)
{
	size_t bytes = ipc_map_bytes(p);
	char *base = mmap(p->place, bytes, prot, flags | MAP_FIXED_NOREPLACE, p->fd, 0);

	if (base == MAP_FAILED)
		return -errno;
	p->map = (struct mmlab_map){ .base = base, .bytes = bytes, .addr = base };
	p->addr = base;
	if (p->is_consumer)
		p->control->said[p->reader].addr = base;
	if (ipc_ops(p)->pages == IPC_THP && madvise(base, bytes, MADV_HUGEPAGE))
		return -errno;
	return 0;
}

int ipc_unmap(struct ipc *p)
{
	int e = munmap(p->map.base, p->map.bytes) ? -errno : 0;

	p->map = MMLAB_MAP_INIT;
	return e;
}

int ipc_memfd(const struct ipc *p, unsigned int flags)
{
	_cleanup_(mmlab_closep) int fd = -1;

	if (ipc_ops(p)->pages == IPC_HUGETLB)
		flags |= MFD_HUGETLB | MFD_HUGE_2MB;
	fd = memfd_create("mmlab", MFD_CLOEXEC | flags);
	if (fd < 0 || ftruncate(fd, (off_t)ipc_map_bytes(p)))
		return -errno;
	return mmlab_steal_fd(&fd);
}

int ipc_private(struct ipc *p)
{
	return ipc_map(p, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE);
}

/* hugetlb takes pages off the pool when a file is mapped shared. */
int ipc_skip_without_pages(struct ipc *p)
{
	_cleanup_(mmlab_closep) int fd = ipc_memfd(p, 0);
	void *at;

	if (fd < 0)
		return fd;
	at = mmap(NULL, ipc_map_bytes(p), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (at != MAP_FAILED)
		return munmap(at, ipc_map_bytes(p)) ? -errno : 0;
	return errno == ENOMEM ? mmlab_skip(p->c, "there are not enough free huge pages") : -errno;
}

int ipc_file(struct ipc *p)
{
	int e = ipc_ops(p)->pages == IPC_HUGETLB ? ipc_skip_without_pages(p) : 0;

	if (e)
		return e;
	p->fd = ipc_memfd(p, 0);
	return p->fd < 0 ? p->fd : 0;
}

int ipc_file_producer(struct ipc *p)
{
	return ipc_map(p, PROT_READ | PROT_WRITE, MAP_SHARED);
}

int ipc_file_consumer(struct ipc *p)
{
	return ipc_map(p, PROT_READ, MAP_SHARED);
}

int ipc_take(struct ipc *p)
{
	ipc_consume(p, p->addr, 0, p->bytes);
	return 0;
}

int ipc_prove_pages(struct ipc *p, uint64_t n)
{
	static const char rollup[] = "/proc/self/smaps_rollup";
	uint64_t bytes = 0, more = 0;
	int e;

	(void)n;
	if (ipc_ops(p)->pages == IPC_THP) {
		e = mmlab_field_read(&bytes, rollup, "ShmemPmdMapped");
	} else {
		e = mmlab_field_read(&bytes, rollup, "Shared_Hugetlb");
		if (!e)
			e = mmlab_field_read(&more, rollup, "Private_Hugetlb");
	}
	if (e)
		return mmlab_fail(p->c, e, "%s", rollup);
	if (bytes + more < ipc_map_bytes(p))
		return mmlab_fail(p->c, 0, "%llu bytes are mapped by huge pages, expected %zu",
				  (unsigned long long)(bytes + more), ipc_map_bytes(p));
	return 0;
}

const char *ipc_unfit_huge(const struct mmlab_case *c)
{
	const struct ipc_ops *ops = mmlab_ops(c);

	if (ops->pages == IPC_HUGETLB && mmlab_param(c, "size") > HUGETLB_MAX_BYTES)
		return "huge pages for at most 256M are set aside";
	return ipc_unfit(c);
}

const char *ipc_unfit_mostly_unused(const struct mmlab_case *c)
{
	return mmlab_param(c, "size") < IPC_HUGE_BYTES ? "the buffer is smaller than one huge page" : ipc_unfit_huge(c);
}

uint64_t ipc_faults_pages(const struct ipc *p)
{
	return ipc_ops(p)->pages == IPC_SMALL ? p->n_pages : ipc_map_bytes(p) / IPC_HUGE_BYTES;
}

uint64_t ipc_faults_around(const struct ipc *p)
{
	return ipc_ops(p)->pages == IPC_SMALL ? (p->bytes + AROUND_BYTES - 1) / AROUND_BYTES : ipc_faults_pages(p);
}

uint64_t ipc_faults_clean(const struct ipc *p)
{
	return mmlab_mmu(p->c)->sets_dirty ? 0 : ipc_faults_pages(p);
}

uint64_t ipc_faults_consumer(const struct ipc *p)
{
	return p->receiver == IPC_READ_NONE ? 0 : ipc_faults_around(p);
}

uint64_t ipc_copied_once(const struct ipc *p)
{
	return p->n_readers * p->bytes;
}

uint64_t ipc_copied_twice(const struct ipc *p)
{
	return 2 * p->bytes;
}
