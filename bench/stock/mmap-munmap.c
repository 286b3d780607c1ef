// SPDX-License-Identifier: MIT
/*
 * One op: mmap and munmap of anonymous memory that nobody touches, so VMA work alone: no fault, no page table.
 */
#include "stock.h"

#include <errno.h>
#include <sys/mman.h>

static int mmap_munmap_run(struct stock *s, uint64_t n)
{
	for (; n; n--) {
		char *addr = mmap(NULL, s->bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		if (addr == MAP_FAILED)
			return mmlab_fail(s->c, -errno, "mmap");
		if (munmap(addr, s->bytes))
			return mmlab_fail(s->c, -errno, "munmap");
	}
	return 0;
}

static const struct mmlab_contender mmap_munmap = {
	.name = "mmap-munmap",
	.summary = "mmap and munmap of untouched anonymous memory",
	.ops = &(const struct stock_ops){
		.sized = true,
		.run = mmap_munmap_run,
		.faults = stock_no_faults,
		.rss = stock_rss,
	},
};
