// SPDX-License-Identifier: MIT
#include "uffd.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "cleanup.h"

#ifndef UFFD_USER_MODE_ONLY
#define UFFD_USER_MODE_ONLY 1
#endif

static int uffd_new(void)
{
	int fd = (int)syscall(SYS_userfaultfd, O_CLOEXEC | UFFD_USER_MODE_ONLY);

	return fd < 0 ? -errno : fd;
}

int refpage_uffd_open(struct refpage *r, uint64_t features)
{
	struct uffdio_api api = { .api = UFFD_API, .features = features };

	r->fd = uffd_new();
	if (r->fd < 0)
		return r->fd;
	return ioctl(r->fd, UFFDIO_API, &api) ? -errno : 0;
}

int refpage_uffd_get(struct refpage *r)
{
	struct uffdio_register range = {
		.range = { .start = (uintptr_t)r->addr, .len = r->bytes },
		.mode = UFFDIO_REGISTER_MODE_MISSING,
	};
	int e = refpage_map(r, MAP_ANONYMOUS, -1);

	if (e)
		return e;
	return ioctl(r->fd, UFFDIO_REGISTER, &range) ? -errno : 0;
}

int refpage_uffd_copy(const struct refpage *r, uint64_t addr)
{
	struct uffdio_copy copy = {
		.dst = addr & ~(uint64_t)(r->page_bytes - 1),
		.src = (uintptr_t)r->pattern,
		.len = r->page_bytes,
	};

	return ioctl(r->fd, UFFDIO_COPY, &copy) ? -errno : 0;
}

const char *refpage_uffd_probe(void)
{
	_cleanup_(mmlab_closep) int fd = uffd_new();

	if (fd >= 0)
		return NULL;
	return fd == -ENOSYS ? "this kernel has no userfaultfd" : "userfaultfd is not permitted";
}
