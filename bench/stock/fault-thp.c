// SPDX-License-Identifier: MIT
/*
 * One op: map aligned anonymous memory that asks for huge pages, write one byte of each huge page, unmap; counted per
 * huge page. Proof: one fault for each, and all of it in AnonHugePages.
 */
#include "stock.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "cleanup.h"
#include "procfs.h"

#define HUGE_BYTES (2UL << 20)

static const char *thp_probe(void)
{
	_cleanup_(mmlab_closep) int fd = open("/sys/kernel/mm/transparent_hugepage/enabled", O_RDONLY | O_CLOEXEC);
	char text[64] = "";

	if (fd < 0 || read(fd, text, sizeof(text) - 1) < 0)
		return "this kernel has no transparent huge pages";
	return strstr(text, "[never]") ? "transparent huge pages are off: "
		"echo madvise > /sys/kernel/mm/transparent_hugepage/enabled" : NULL;
}

static int thp_setup(struct stock *s)
{
	if (s->bytes % HUGE_BYTES)
		return mmlab_skip(s->c, "size must be a multiple of 2M");
	mmlab_set_units(s->c, s->bytes / HUGE_BYTES);
	return 0;
}

/* Maps more than it needs, as the kernel aligns of its own accord only from 6.7 on. */
static int thp_map(struct stock *s, struct mmlab_map *map)
{
	int r = mmlab_map_open_aligned(map, s->bytes, HUGE_BYTES, PROT_READ | PROT_WRITE);

	if (!r && madvise(map->addr, s->bytes, MADV_HUGEPAGE))
		r = -errno;
	for (size_t i = 0; !r && i < s->bytes; i += HUGE_BYTES)
		*(volatile char *)(map->addr + i) = 1;
	return r;
}

static int thp_run(struct stock *s, uint64_t n)
{
	for (; n; n--) {
		struct mmlab_map map = MMLAB_MAP_INIT;
		int r = thp_map(s, &map);

		mmlab_map_close(&map);
		if (r)
			return mmlab_fail(s->c, r, "huge mapping");
	}
	return 0;
}

static uint64_t thp_faults(const struct stock *s)
{
	return s->bytes / HUGE_BYTES;
}

static int thp_rss(struct stock *s, uint64_t *ret_bytes)
{
	struct mmlab_map map = MMLAB_MAP_INIT;
	struct mmlab_smaps smaps;
	int r = thp_map(s, &map);

	if (!r)
		r = mmlab_smaps_read(&smaps, map.addr, s->bytes);
	mmlab_map_close(&map);
	if (r)
		return r;
	*ret_bytes = smaps.anon_huge;
	return smaps.anon_huge == s->bytes ? 0 : -ENOMEM;
}

static const struct mmlab_contender fault_thp = {
	.name = "fault-thp",
	.summary = "page fault by writing anonymous memory: a zeroed huge page",
	.needs = { .probe = thp_probe },
	.ops = &(const struct stock_ops){
		.sized = true,
		.huge = true,
		.setup = thp_setup,
		.run = thp_run,
		.faults = thp_faults,
		.rss = thp_rss,
	},
};
