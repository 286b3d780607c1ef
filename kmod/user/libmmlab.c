// SPDX-License-Identifier: MIT
/*
 * One descriptor of /dev/mmlab serves the whole process. It is opened without
 * a lock: whoever loses the race closes its own. A program that closes
 * descriptors wholesale (a daemon, a shell) may have closed ours, and another
 * file may have taken the number; both show as an error that the device never
 * gives for a command it knows, and the device is then opened once more.
 */
#include "libmmlab.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

static atomic_int device_fd = -1;

/* Replaces @stale_fd as the process's descriptor; returns the one to use. */
static int device_open(int stale_fd)
{
	int fd = open(MMLAB_DEVICE, O_RDWR | O_CLOEXEC);

	if (fd < 0) {
		if (errno == ENOENT || errno == ENXIO || errno == ENODEV)
			errno = ENOSYS;
		return -1;
	}

	int current_fd = stale_fd;

	if (!atomic_compare_exchange_strong(&device_fd, &current_fd, fd)) {
		(void)close(fd);
		return current_fd;
	}

	/* A stale number now belongs to somebody else: it is not closed. */
	return fd;
}

static int device_call(unsigned long command, void *arg)
{
	int fd = atomic_load(&device_fd);
	bool reopened = fd < 0;

	if (reopened)
		fd = device_open(fd);

	for (;;) {
		int r;

		if (fd < 0)
			return -1;

		r = ioctl(fd, command, arg);
		if (r >= 0 || reopened || (errno != EBADF && errno != ENOTTY))
			return r;

		fd = device_open(fd);
		reopened = true;
	}
}

int mmlab_refpage_create(const void *content, size_t size, unsigned long flags,
			 enum mmlab_refpage_form form)
{
	struct mmlab_refpage_create arg = {
		.size = sizeof(arg),
		.flags = (__u32)flags,
		.content = (uintptr_t)content,
		.content_bytes = size,
		.form = (__u32)form,
		.fd = -1,
	};

	/* Flags that the struct has no room for must not be lost. */
	if (flags != arg.flags) {
		errno = EINVAL;
		return -1;
	}

	if (device_call(MMLAB_IOC_REFPAGE_CREATE, &arg) < 0)
		return -1;

	return arg.fd;
}

int refpage_create(const void *content, size_t size, unsigned long flags)
{
	return mmlab_refpage_create(content, size, flags,
				    MMLAB_REFPAGE_UNCOUNTED);
}

int mmlab_lockbuf_create(size_t bytes, unsigned int mode, unsigned int flush,
			 unsigned int flags)
{
	struct mmlab_lockbuf_create arg = {
		.size = sizeof(arg),
		.flags = flags,
		.bytes = bytes,
		.mode = mode,
		.flush = flush,
		.fd = -1,
	};

	return device_call(MMLAB_IOC_LOCKBUF_CREATE, &arg) < 0 ? -1 : arg.fd;
}

size_t mmlab_lockbuf_map_bytes(size_t bytes)
{
	const size_t entry_bytes = (size_t)2 << 20;

	return (bytes + entry_bytes - 1) / entry_bytes * entry_bytes;
}

void *mmlab_lockbuf_map(int fd, size_t bytes, int prot)
{
	return mmap(NULL, mmlab_lockbuf_map_bytes(bytes), prot, MAP_SHARED, fd,
		    0);
}

int mmlab_lockbuf_reader(int fd)
{
	return ioctl(fd, MMLAB_IOC_LOCKBUF_READER, 0);
}

int mmlab_lockbuf_lock(int fd, unsigned int flags)
{
	return ioctl(fd, MMLAB_IOC_LOCKBUF_LOCK, flags);
}

int mmlab_lockbuf_unlock(int fd)
{
	return ioctl(fd, MMLAB_IOC_LOCKBUF_UNLOCK, 0);
}

int mmlab_lockbuf_nop(int fd)
{
	return ioctl(fd, MMLAB_IOC_LOCKBUF_NOP, 0);
}

int mmlab_lockbuf_flush(int fd)
{
	return ioctl(fd, MMLAB_IOC_LOCKBUF_FLUSH, 0);
}

int mmlab_query(unsigned int mech, uint64_t *ret_caps)
{
	struct mmlab_query arg = {
		.size = sizeof(arg),
		.mech = mech,
	};

	if (device_call(MMLAB_IOC_QUERY, &arg) < 0)
		return -1;

	if (arg.abi_version != MMLAB_ABI_VERSION) {
		errno = EOPNOTSUPP;
		return -1;
	}

	if (ret_caps)
		*ret_caps = arg.caps;
	return 0;
}

int mmlab_stats(unsigned int mech, uint64_t *ret_values, size_t n_values)
{
	struct mmlab_stats arg = {
		.size = sizeof(arg),
		.mech = mech,
		.n_values = n_values > UINT32_MAX ? UINT32_MAX
						  : (__u32)n_values,
		.values = (uintptr_t)ret_values,
	};

	if (device_call(MMLAB_IOC_STATS, &arg) < 0)
		return -1;

	for (size_t i = arg.n_values; i < n_values; i++)
		ret_values[i] = 0;
	return (int)arg.n_values;
}
