// SPDX-License-Identifier: MIT
/*
 * userfaultfd write-protects the range and lifts that again: writing is taken away, reading is not. Whether a page that
 * is written afterwards takes one more fault depends on the kernel, so that the number of faults is not foretold.
 */
#include "file.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "cleanup.h"

#ifndef UFFD_USER_MODE_ONLY
#define UFFD_USER_MODE_ONLY 1
#endif
#ifndef UFFD_FEATURE_WP_HUGETLBFS_SHMEM
#define UFFD_FEATURE_WP_HUGETLBFS_SHMEM (1 << 12)
#endif

static int uffd_wp_new(void)
{
	struct uffdio_api api = {
		.api = UFFD_API,
		.features = UFFD_FEATURE_PAGEFAULT_FLAG_WP | UFFD_FEATURE_WP_HUGETLBFS_SHMEM | UFFD_FEATURE_SIGBUS,
	};
	_cleanup_(mmlab_closep) int fd = (int)syscall(SYS_userfaultfd, O_CLOEXEC | UFFD_USER_MODE_ONLY);

	if (fd < 0 || ioctl(fd, UFFDIO_API, &api))
		return -errno;
	return mmlab_steal_fd(&fd);
}

static const char *uffd_wp_probe(void)
{
	_cleanup_(mmlab_closep) int fd = uffd_wp_new();

	if (fd >= 0)
		return NULL;
	return fd == -EPERM ? "userfaultfd is not permitted"
			    : "this kernel has no userfaultfd write-protection of memory files";
}

static int uffd_wp_set(struct lock *l, uint64_t mode)
{
	struct uffdio_writeprotect protect = {
		.range = { .start = (uintptr_t)l->map.base, .len = l->map.bytes },
		.mode = mode,
	};

	return ioctl(l->own_fd, UFFDIO_WRITEPROTECT, &protect) ? -errno : 0;
}

static int uffd_wp_grant(struct lock *l)
{
	return uffd_wp_set(l, 0);
}

static int uffd_wp_revoke(struct lock *l)
{
	return uffd_wp_set(l, UFFDIO_WRITEPROTECT_MODE_WP);
}

static int uffd_wp_open(struct lock *l)
{
	struct uffdio_register range;
	int r = file_open_mapped(l);

	if (r)
		return r;
	l->own_fd = uffd_wp_new();
	if (l->own_fd < 0)
		return l->own_fd;
	range = (struct uffdio_register){
		.range = { .start = (uintptr_t)l->map.base, .len = l->map.bytes },
		.mode = UFFDIO_REGISTER_MODE_WP,
	};
	if (ioctl(l->own_fd, UFFDIO_REGISTER, &range))
		return -errno;
	return uffd_wp_revoke(l);
}

static const struct mmlab_contender uffd_wp = {
	.name = "uffd-wp",
	.summary = "userfaultfd write-protection of the range; revokes writing only",
	.needs = { .memory_bytes = lock_memory_bytes, .probe = uffd_wp_probe },
	.ops =
		&(const struct lock_ops){
			.revokes = LOCK_REVOKES_WRITES,
			.open = uffd_wp_open,
			.grant = uffd_wp_grant,
			.revoke = uffd_wp_revoke,
		},
};
