// SPDX-License-Identifier: MIT
/*
 * One op: MADV_DONTNEED of a populated mapping, then a write to each page; counted per page. Differs from fault-write
 * in that the VMA stays.
 */
#include "stock.h"

#include <errno.h>
#include <sys/mman.h>

static int dontneed_setup(struct stock *s)
{
	mmlab_set_units(s->c, s->n_pages);
	return stock_populate(s);
}

static int dontneed_run(struct stock *s, uint64_t n)
{
	for (; n; n--) {
		if (madvise(s->map.addr, s->bytes, MADV_DONTNEED))
			return mmlab_fail(s->c, -errno, "madvise");
		stock_write_pages(s->map.addr, s);
	}
	return 0;
}

static int dontneed_verify(struct stock *s)
{
	if (madvise(s->map.addr, s->bytes, MADV_DONTNEED))
		return mmlab_fail(s->c, -errno, "madvise");
	for (size_t i = 0; i < s->bytes; i++)
		if (s->map.addr[i])
			return mmlab_fail(s->c, 0, "byte %zu survived MADV_DONTNEED", i);
	return 0;
}

static const struct mmlab_contender dontneed = {
	.name = "dontneed",
	.summary = "MADV_DONTNEED and writing every page again",
	.ops = &(const struct stock_ops){
		.sized = true,
		.setup = dontneed_setup,
		.run = dontneed_run,
		.faults = stock_fault_per_page,
		.verify = dontneed_verify,
	},
};
