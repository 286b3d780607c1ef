// SPDX-License-Identifier: MIT
#include "file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>

#include "cleanup.h"

#define FAULT_AROUND_BYTES 65536 /* the kernel's default */

int file_open(struct lock *l)
{
	l->fd = memfd_create("mmlab-lock", MFD_CLOEXEC);
	if (l->fd < 0)
		return -errno;
	return -posix_fallocate(l->fd, 0, (off_t)l->bytes);
}

int file_open_mapped(struct lock *l)
{
	int r = file_open(l);

	if (!r)
		r = file_map(l, 0);
	if (r)
		return r;
	l->map = (struct mmlab_map){ .base = l->addr, .bytes = l->bytes, .addr = l->addr };
	lock_touch(l);
	return 0;
}

int file_map(struct lock *l, int flags)
{
	void *base =
		mmap(l->addr, l->bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED_NOREPLACE | flags, l->fd, 0);

	return base == MAP_FAILED ? -errno : 0;
}

int file_unmap(struct lock *l)
{
	return munmap(l->addr, l->bytes) ? -errno : 0;
}

int file_protect(struct lock *l, int prot)
{
	return mprotect(l->map.base, l->map.bytes, prot) ? -errno : 0;
}

int file_grant_access(struct lock *l)
{
	return file_protect(l, PROT_READ | PROT_WRITE);
}

int file_revoke_access(struct lock *l)
{
	return file_protect(l, PROT_NONE);
}

uint64_t file_faults_windows(const struct lock *l)
{
	_cleanup_(mmlab_fclosep) FILE *file = fopen("/sys/kernel/debug/fault_around_bytes", "re");
	unsigned long long window = FAULT_AROUND_BYTES;

	if (!file || fscanf(file, "%llu", &window) != 1 || window < l->page_bytes)
		window = file ? l->page_bytes : FAULT_AROUND_BYTES;
	return (l->bytes + window - 1) / window;
}
