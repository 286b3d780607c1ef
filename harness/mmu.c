// SPDX-License-Identifier: MIT
/*
 * An access that takes no fault is the proof that the processor did it; one that takes a fault may have been unlucky,
 * as memory that counting itself needs may be new, or the kernel may have taken the page away meanwhile. So there are
 * more tries where the first takes one.
 */
#include "mmu.h"

#include <errno.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include "map.h"

#ifndef MADV_COLD
#define MADV_COLD 20
#endif

#define N_TRIES 3

static uint64_t faults_now(void)
{
	struct rusage usage;

	(void)getrusage(RUSAGE_THREAD, &usage);
	return (uint64_t)(usage.ru_minflt + usage.ru_majflt);
}

/* Return: 1, 0 or -errno. */
static int reads_old(const struct mmlab_map *map)
{
	volatile char *byte = map->addr;

	for (int i = 0; i < N_TRIES; i++) {
		uint64_t faults;

		(void)*byte;
		if (madvise(map->base, map->bytes, MADV_COLD)) /* now the entry is old */
			return -errno;
		faults = faults_now();
		(void)*byte;
		if (faults_now() == faults)
			return 1;
	}
	return 0;
}

/* Return: 1, 0 or -errno. */
static int writes_clean(const struct mmlab_map *map)
{
	volatile char *byte = map->addr;

	for (int i = 0; i < N_TRIES; i++) {
		uint64_t faults;

		if (madvise(map->base, map->bytes, MADV_DONTNEED))
			return -errno;
		(void)*byte; /* now there is an entry, and it is clean */
		faults = faults_now();
		*byte = 1;
		if (faults_now() == faults)
			return 1;
	}
	return 0;
}

int mmlab_mmu_read(struct mmlab_mmu *ret)
{
	struct mmlab_map map;
	int accessed, dirty, e;

	/* Shared, as a write through an entry that reading made in a private mapping has to copy. */
	e = mmlab_map_open(&map, mmlab_page_bytes(), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (e)
		return e;
	accessed = reads_old(&map);
	dirty = writes_clean(&map);
	mmlab_map_close(&map);
	if (accessed < 0 || dirty < 0)
		return accessed < 0 ? accessed : dirty;
	*ret = (struct mmlab_mmu){ .sets_accessed = accessed, .sets_dirty = dirty };
	return 0;
}
