// SPDX-License-Identifier: MIT
#include "memory.h"

#include <errno.h>
#include <sys/mman.h>

int clone_map(struct clone *s, size_t bytes, int flags, int fd)
{
	char *base = mmap(s->place, bytes, PROT_READ | PROT_WRITE, flags | MAP_FIXED_NOREPLACE, fd, 0);

	if (base == MAP_FAILED)
		return -errno;
	s->map = (struct mmlab_map){ .base = base, .bytes = bytes, .addr = base };
	return 0;
}

int clone_unmap(struct clone *s)
{
	int e = munmap(s->map.base, s->map.bytes) ? -errno : 0;

	s->map = MMLAB_MAP_INIT;
	return e;
}

int clone_map_fresh(struct clone *s)
{
	return clone_map(s, s->bytes, MAP_PRIVATE | MAP_ANONYMOUS, -1);
}

uint64_t clone_faults_shared(const struct clone *s)
{
	if (s->use == CLONE_USE_WRITE)
		return s->n_pages;
	return s->use == CLONE_USE_NONE ? 0 : s->n_swapped;
}

uint64_t clone_faults_forked(const struct clone *s)
{
	return s->use == CLONE_USE_NONE || mmlab_mmu(s->c)->sets_accessed ? clone_faults_shared(s) : s->n_pages;
}

uint64_t clone_faults_pages(const struct clone *s)
{
	return s->n_pages;
}

uint64_t clone_faults_swapped(const struct clone *s)
{
	return s->n_swapped;
}

uint64_t clone_faults_fresh(const struct clone *s)
{
	return s->n_pages + s->n_swapped;
}
