// SPDX-License-Identifier: MIT
#include "region.h"

#include <errno.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <unistd.h>

#include "memory.h"
#include "../module-probe.h"

const char *region_probe(void)
{
	return module_lacks(MMLAB_MECH_MSHARE, MMLAB_MSHARE_CAP_FLUSH(MMLAB_MSHARE_FLUSH_ALL));
}

int region_protect(struct fanout *f, char *at, size_t bytes, int prot)
{
	(void)f;
	return mmlab_mshare_protect(at, bytes, prot) < 0 ? -errno : 0;
}

static void *share_at(const struct fanout *f, char *at)
{
	return mmlab_mmap_shared_pt(at, f->map_bytes, PROT_READ | PROT_WRITE,
				    MAP_SHARED | MAP_SHARED_PT | MAP_FIXED_NOREPLACE, f->fd, 0);
}

int region_share(struct fanout *f)
{
	int r;

	f->fd = memfd_create("mmlab", MFD_CLOEXEC);
	if (f->fd < 0 || ftruncate(f->fd, (off_t)f->map_bytes))
		return -errno;
	r = memory_map(f, share_at(f, fanout_creator_place(f)));
	if (!r && mmlab_mshare_flush(f->map.base, fanout_ops(f)->flush) < 0)
		r = -errno;
	return r;
}

int region_attach(struct fanout *f, char *at)
{
	return share_at(f, at) == MAP_FAILED ? -errno : 0;
}

int region_mount(struct fanout *f)
{
	if (unshare(CLONE_NEWNS) || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
	    mount("msharefs", MMLAB_MSHARE_DIR, "msharefs", 0, NULL))
		return -errno;
	f->is_mounted = true;
	return 0;
}

void region_unmount(struct fanout *f)
{
	if (!f->is_mounted)
		return;
	(void)mshare_unlink(REGION_FILE);
	(void)umount2(MMLAB_MSHARE_DIR, MNT_DETACH);
	f->is_mounted = false;
}
