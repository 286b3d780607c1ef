// SPDX-License-Identifier: MIT
#include "map.h"

#include <errno.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

size_t mmlab_page_bytes(void)
{
	return (size_t)sysconf(_SC_PAGESIZE);
}

int mmlab_map_open(struct mmlab_map *ret_map, size_t bytes, int prot, int flags, int fd, long offset)
{
	size_t page = mmlab_page_bytes();
	void *base;

	bytes = (bytes + page - 1) & ~(page - 1);
	base = mmap(NULL, bytes, prot, flags, fd, offset);
	if (base == MAP_FAILED)
		return -errno;
	*ret_map = (struct mmlab_map){ .base = base, .bytes = bytes, .addr = base };
	return 0;
}

int mmlab_map_open_aligned(struct mmlab_map *ret_map, size_t bytes, size_t align, int prot)
{
	int r = mmlab_map_open(ret_map, bytes + align, prot, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (r < 0)
		return r;
	ret_map->addr = (char *)(((uintptr_t)ret_map->base + align - 1) & ~(uintptr_t)(align - 1));
	return 0;
}

void mmlab_map_close(struct mmlab_map *map)
{
	if (map->base)
		(void)munmap(map->base, map->bytes);
	*map = MMLAB_MAP_INIT;
}
