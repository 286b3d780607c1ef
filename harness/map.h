/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * A mapping and its length, kept together so that nothing but what was mapped is ever unmapped.
 */
#include <stddef.h>

struct mmlab_map {
	void *base;   /* what mmap returned; NULL when empty */
	size_t bytes; /* mapped length */
	char *addr;   /* usable address: base, or the aligned address in it */
};

#define MMLAB_MAP_INIT ((struct mmlab_map){ 0 })

/**
 * mmlab_map_open() - mmap with the length remembered
 * @ret_map: filled on success; the caller closes it
 * @bytes, @prot, @flags, @fd, @offset: as for mmap(2); bytes is rounded up to whole pages
 * Return: 0 or -errno.
 */
int mmlab_map_open(struct mmlab_map *ret_map, size_t bytes, int prot, int flags, int fd, long offset);

/**
 * mmlab_map_open_aligned() - anonymous private memory whose usable address is a multiple of @align
 * @align: power of two, at least the page size
 * Return: 0 or -errno.
 */
int mmlab_map_open_aligned(struct mmlab_map *ret_map, size_t bytes, size_t align, int prot);

/** mmlab_map_close() - unmap and empty; an empty map is accepted. */
void mmlab_map_close(struct mmlab_map *map);

/** mmlab_page_bytes() - the base page size. */
size_t mmlab_page_bytes(void);
