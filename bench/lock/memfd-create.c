// SPDX-License-Identifier: MIT
/*
 * What programs do that keep nothing: a new memfd each time, sized, mapped, every page written, unmapped, closed. The
 * kernel allocates and clears each page, and frees it. The content is lost, as it must be. Proof: one fault for each
 * page.
 */
#include "file.h"

#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

static int memfd_create_open(struct lock *l)
{
	(void)l;
	return 0;
}

static int memfd_create_grant(struct lock *l)
{
	l->fd = memfd_create("mmlab-lock", MFD_CLOEXEC);
	if (l->fd < 0 || ftruncate(l->fd, (off_t)l->bytes))
		return -errno;
	return file_map(l, 0);
}

static int memfd_create_revoke(struct lock *l)
{
	int r = file_unmap(l);

	(void)close(l->fd);
	l->fd = -1;
	return r;
}

static const struct mmlab_contender memfd_create_each = {
	.name = "memfd-create",
	.summary = "a new memfd: create, size, map, touch every page, unmap, close",
	.needs = { .memory_bytes = lock_memory_bytes },
	.ops =
		&(const struct lock_ops){
			.revokes = LOCK_REVOKES_ALL,
			.lazy = true,
			.lossy = true,
			.open = memfd_create_open,
			.grant = memfd_create_grant,
			.revoke = memfd_create_revoke,
			.faults = lock_faults_per_page,
		},
};
