// SPDX-License-Identifier: MIT
/*
 * One op: map anonymous memory, write one byte of each page, unmap; counted per page. Includes allocating, zeroing and
 * freeing each page.
 */
#include "stock.h"

#include <errno.h>
#include <sys/mman.h>

static int fault_write_setup(struct stock *s)
{
	mmlab_set_units(s->c, s->n_pages);
	return 0;
}

static int fault_write_run(struct stock *s, uint64_t n)
{
	for (; n; n--) {
		char *addr = mmap(NULL, s->bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		if (addr == MAP_FAILED)
			return mmlab_fail(s->c, -errno, "mmap");
		stock_write_pages(addr, s);
		if (munmap(addr, s->bytes))
			return mmlab_fail(s->c, -errno, "munmap");
	}
	return 0;
}

static int fault_write_rss(struct stock *s, uint64_t *ret_bytes)
{
	return stock_rss_of(s, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, stock_write_pages, ret_bytes);
}

static const struct mmlab_contender fault_write = {
	.name = "fault-write",
	.summary = "page fault by writing anonymous memory: a zeroed page",
	.ops = &(const struct stock_ops){
		.sized = true,
		.setup = fault_write_setup,
		.run = fault_write_run,
		.faults = stock_fault_per_page,
		.rss = fault_write_rss,
	},
};
