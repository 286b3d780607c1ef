// SPDX-License-Identifier: MIT
/*
 * One op: map anonymous memory, read one byte of each page, unmap; counted per page. Each read maps the shared zero
 * page, so nothing becomes resident: that and one fault per page are the proof.
 */
#include "stock.h"

#include <errno.h>
#include <sys/mman.h>

static int fault_read_setup(struct stock *s)
{
	mmlab_set_units(s->c, s->n_pages);
	return 0;
}

static int fault_read_run(struct stock *s, uint64_t n)
{
	for (; n; n--) {
		char *addr = mmap(NULL, s->bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		if (addr == MAP_FAILED)
			return mmlab_fail(s->c, -errno, "mmap");
		stock_read_pages(addr, s);
		if (munmap(addr, s->bytes))
			return mmlab_fail(s->c, -errno, "munmap");
	}
	return 0;
}

static int fault_read_rss(struct stock *s, uint64_t *ret_bytes)
{
	return stock_rss_of(s, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, stock_read_pages, ret_bytes);
}

static int fault_read_verify(struct stock *s)
{
	uint64_t rss = 1;
	int r = fault_read_rss(s, &rss);

	return r || rss ? mmlab_fail(s->c, r, "%llu bytes resident: not the zero page", (unsigned long long)rss) : 0;
}

static const struct mmlab_contender fault_read = {
	.name = "fault-read",
	.summary = "page fault by reading anonymous memory: the zero page",
	.ops = &(const struct stock_ops){
		.sized = true,
		.setup = fault_read_setup,
		.run = fault_read_run,
		.faults = stock_fault_per_page,
		.rss = fault_read_rss,
		.verify = fault_read_verify,
	},
};
