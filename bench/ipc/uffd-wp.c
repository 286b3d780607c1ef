// SPDX-License-Identifier: MIT
/*
 * Shared memory that the producer write-protects by userfaultfd when it hands the buffer over, and opens again when it
 * has it back: like mprotect, page-table entry by entry, without touching the mapping itself. Newer kernels open entries
 * only half, and each needs a fault to become writable. UFFD_FEATURE_SIGBUS: a write while it is protected is refused.
 * Reading is not.
 */
#include "memory.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef UFFD_FEATURE_WP_HUGETLBFS_SHMEM /* Linux 5.19 */
#define UFFD_FEATURE_WP_HUGETLBFS_SHMEM (1 << 12)
#endif
#ifndef UFFD_USER_MODE_ONLY
#define UFFD_USER_MODE_ONLY 1
#endif

/* Return: a descriptor, or -errno. */
static int uffd_wp_new(void)
{
	struct uffdio_api api = {
		.api = UFFD_API,
		.features = UFFD_FEATURE_WP_HUGETLBFS_SHMEM | UFFD_FEATURE_SIGBUS,
	};
	int fd = (int)syscall(SYS_userfaultfd, O_CLOEXEC | UFFD_USER_MODE_ONLY);

	if (fd >= 0 && ioctl(fd, UFFDIO_API, &api)) {
		(void)close(fd);
		fd = -1;
		errno = EINVAL;
	}
	return fd < 0 ? -errno : fd;
}

static const char *uffd_wp_probe(void)
{
	int fd = uffd_wp_new();

	if (fd == -EINVAL)
		return "this kernel's userfaultfd does not write-protect shared memory";
	if (fd < 0)
		return fd == -ENOSYS ? "this kernel has no userfaultfd" : "userfaultfd is not permitted";
	(void)close(fd);
	return NULL;
}

/* The descriptor lies where channels do; nobody else uses them here. */
static int uffd_wp_open_producer(struct ipc *p)
{
	struct uffdio_register range = { .mode = UFFDIO_REGISTER_MODE_WP };
	int e = ipc_file_producer(p), fd;

	if (e)
		return e;
	fd = uffd_wp_new();
	if (fd < 0)
		return fd;
	p->there[0][0] = fd;
	range.range.start = (uintptr_t)p->map.base;
	range.range.len = p->map.bytes;
	return ioctl(fd, UFFDIO_REGISTER, &range) ? -errno : 0;
}

static int uffd_wp_set(struct ipc *p, uint64_t mode)
{
	struct uffdio_writeprotect wp = {
		.range = { .start = (uintptr_t)p->map.base, .len = p->map.bytes },
		.mode = mode,
	};

	return ioctl(ipc_there(p, 0), UFFDIO_WRITEPROTECT, &wp) ? -errno : 0;
}

static int uffd_wp_acquire(struct ipc *p)
{
	return uffd_wp_set(p, 0);
}

static int uffd_wp_release(struct ipc *p)
{
	return uffd_wp_set(p, UFFDIO_WRITEPROTECT_MODE_WP);
}

/* None, or one for each page that is written, by version of the kernel: the same in each round is all that is asked. */
static uint64_t uffd_wp_faults(const struct ipc *p)
{
	(void)p;
	return IPC_UNKNOWN;
}

static const struct mmlab_contender uffd_wp = {
	.name = "uffd-wp",
	.summary = "shared memory; the producer write-protects its mapping by userfaultfd",
	.needs = { .cpus = 2, .memory_bytes = ipc_memory_bytes, .probe = uffd_wp_probe },
	.unfit = ipc_unfit,
	.full_only = true,
	.ops = &(const struct ipc_ops){
		.many = true,
		.open_shared = ipc_file,
		.open_producer = uffd_wp_open_producer,
		.open_consumer = ipc_file_consumer,
		.acquire = uffd_wp_acquire,
		.release = uffd_wp_release,
		.take = ipc_take,
		.faults = uffd_wp_faults,
		.revokes = IPC_REVOKES_WRITE,
	},
};
