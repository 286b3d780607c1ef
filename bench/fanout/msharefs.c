// SPDX-License-Identifier: MIT
/*
 * The mechanism as a file system: the first mapping of a file fixes its size, others read address and size from it.
 * Guests do both.
 */
#include "memory.h"
#include "region.h"

static int open_object(int flags)
{
	int fd = open(MMLAB_MSHARE_DIR "/" REGION_FILE, O_RDWR | O_CLOEXEC | flags, 0600);

	return fd < 0 ? -errno : fd;
}

static int msharefs_create(struct fanout *f)
{
	int r = region_mount(f);

	if (r)
		return r;
	f->fd = open_object(O_CREAT | O_EXCL);
	if (f->fd < 0)
		return f->fd;
	return memory_map(f, mmap(fanout_creator_place(f), f->map_bytes, PROT_READ | PROT_WRITE,
				  MAP_SHARED | MAP_FIXED_NOREPLACE, f->fd, 0));
}

static int msharefs_attach(struct fanout *f, char *at)
{
	_cleanup_(mmlab_closep) int fd = open_object(0);
	struct mmlab_mshare_range range;

	if (fd < 0)
		return fd;
	if (read(fd, &range, sizeof(range)) != sizeof(range) || range.bytes != f->map_bytes ||
	    range.start != (uintptr_t)at)
		return -EPROTO;
	return mmap(at, range.bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED_NOREPLACE, fd, 0) == MAP_FAILED
		       ? -errno
		       : 0;
}

static const struct mmlab_contender msharefs = {
	.name = "msharefs",
	.summary = "each process opens and maps a file of msharefs",
	.needs = { REGION_NEEDS, .root = true },
	.inexact_faults = FANOUT_INEXACT,
	.full_only = true,
	.ops =
		&(const struct fanout_ops){
			REGION_OPS,
			.create = msharefs_create,
			.attach = msharefs_attach,
			.close = region_unmount,
		},
};
