// SPDX-License-Identifier: MIT
/*
 * A memory file of one page, mapped private once for every page of the region. One page of memory serves all, but each
 * page is a VMA of its own, and their number per process is limited.
 */
#include "refpage.h"

#include <errno.h>
#include <stdio.h>
#include <sys/mman.h>

#include "cleanup.h"
#include "map.h"

static int memfd_page_open(struct refpage *r)
{
	return refpage_memfd(r, r->page_bytes);
}

static int memfd_page_get(struct refpage *r)
{
	for (size_t offset = 0; offset < r->bytes; offset += r->page_bytes)
		if (mmap(r->addr + offset, r->page_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_FIXED_NOREPLACE,
			 r->fd, 0) == MAP_FAILED)
			return -errno;
	return 0;
}

/* Verifying holds two regions at once; a thousand are left for everything else. */
static const char *memfd_page_unfit(const struct mmlab_case *c)
{
	_cleanup_(mmlab_fclosep) FILE *file = fopen("/proc/sys/vm/max_map_count", "re");
	unsigned long limit = 65530;

	if (file)
		(void)!fscanf(file, "%lu", &limit);
	return 2 * mmlab_param(c, "size") / mmlab_page_bytes() + 1000 > limit ?
		"one VMA for each page exceeds vm.max_map_count" : NULL;
}

static const struct mmlab_contender memfd_page = {
	.name = "memfd-page",
	.summary = "a pattern file of one page, mapped private once for each page",
	.needs = { .memory_bytes = refpage_memory_bytes },
	.unfit = memfd_page_unfit,
	.ops = &(const struct refpage_ops){
		.open = memfd_page_open,
		.get = memfd_page_get,
		.put = refpage_unmap,
		.get_faults = refpage_faults_none,
		.touch_faults = refpage_faults_twice,
		.hidden_bytes = refpage_file_hidden,
	},
};
