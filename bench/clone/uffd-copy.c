// SPDX-License-Identifier: MIT
/*
 * The destination registers new memory with userfaultfd(2), and the source fills it from its own: UFFDIO_COPY reads
 * from the process that calls it and writes to the one that made the descriptor, which the source has inherited. So an
 * order goes to the source and an answer comes back, both by a futex.
 */
#include "memory.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "source.h"

#ifndef UFFD_USER_MODE_ONLY
#define UFFD_USER_MODE_ONLY 1
#endif

/* Return: a descriptor, or -errno. */
static int uffd_copy_new(void)
{
	struct uffdio_api api = { .api = UFFD_API };
	int e, fd = (int)syscall(SYS_userfaultfd, O_CLOEXEC | UFFD_USER_MODE_ONLY);

	if (fd < 0)
		return -errno;
	e = ioctl(fd, UFFDIO_API, &api) ? -errno : 0;
	if (e)
		(void)close(fd);
	return e ? e : fd;
}

static const char *uffd_copy_probe(void)
{
	int fd = uffd_copy_new();

	if (fd < 0)
		return fd == -ENOSYS ? "this kernel has no userfaultfd" : "userfaultfd is not permitted";
	(void)close(fd);
	return NULL;
}

static int uffd_copy_open(struct clone *s)
{
	int fd = uffd_copy_new();

	/* Not as s->fd, which would be what the source's memory consists of. */
	s->own_fd = fd;
	return fd < 0 ? fd : 0;
}

static int uffd_copy_serve(struct clone *s)
{
	struct uffdio_copy copy = { .dst = (uintptr_t)s->place, .src = (uintptr_t)s->from, .len = s->bytes };

	while (ioctl(s->own_fd, UFFDIO_COPY, &copy)) {
		if (errno != EAGAIN)
			return -errno;
		/* Interrupted on the way: the rest. */
		if (copy.copy > 0) {
			copy.dst += (uint64_t)copy.copy;
			copy.src += (uint64_t)copy.copy;
			copy.len -= (uint64_t)copy.copy;
		}
		copy.copy = 0;
	}
	return 0;
}

static int uffd_copy_take(struct clone *s)
{
	struct uffdio_register range = { .mode = UFFDIO_REGISTER_MODE_MISSING };
	int e = clone_map_fresh(s);

	if (e)
		return e;
	range.range.start = (uintptr_t)s->map.base;
	range.range.len = s->map.bytes;
	if (ioctl(s->own_fd, UFFDIO_REGISTER, &range))
		return -errno;
	e = clone_source_do(s, CLONE_DO_SERVE);
	return e ? e : clone_use(s, s->map.addr, 0, s->bytes);
}

static const struct mmlab_contender uffd_copy = {
	.name = "uffd-copy",
	.summary = "UFFDIO_COPY by the source into new memory of the destination, all at once",
	.needs = { .cpus = 1, .memory_bytes = clone_memory_bytes, .probe = uffd_copy_probe },
	.unfit = clone_unfit,
	.ops =
		&(const struct clone_ops){
			.open_shared = uffd_copy_open,
			.take = uffd_copy_take,
			.serve = uffd_copy_serve,
			.give = clone_unmap,
		},
};
