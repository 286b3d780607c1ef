// SPDX-License-Identifier: MIT
/*
 * One op: map a memory file that is already in the page cache, shared, write one byte of each page, unmap; counted per
 * page. Writing, because a read fault maps up to 16 neighbours at once and would not be one fault per page.
 */
#include "stock.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

static int fault_file_setup(struct stock *s)
{
	mmlab_set_units(s->c, s->n_pages);
	s->fd = memfd_create("mmlab-stock", MFD_CLOEXEC);
	if (s->fd < 0)
		return -errno;
	return -posix_fallocate(s->fd, 0, (off_t)s->bytes);
}

static int fault_file_run(struct stock *s, uint64_t n)
{
	for (; n; n--) {
		char *addr = mmap(NULL, s->bytes, PROT_READ | PROT_WRITE, MAP_SHARED, s->fd, 0);

		if (addr == MAP_FAILED)
			return mmlab_fail(s->c, -errno, "mmap");
		stock_write_pages(addr, s);
		if (munmap(addr, s->bytes))
			return mmlab_fail(s->c, -errno, "munmap");
	}
	return 0;
}

static int fault_file_rss(struct stock *s, uint64_t *ret_bytes)
{
	return stock_rss_of(s, PROT_READ | PROT_WRITE, MAP_SHARED, stock_write_pages, ret_bytes);
}

static const struct mmlab_contender fault_file = {
	.name = "fault-file",
	.summary = "page fault by writing a shared mapping of a file in the page cache",
	.ops = &(const struct stock_ops){
		.sized = true,
		.setup = fault_file_setup,
		.run = fault_file_run,
		.faults = stock_fault_per_page,
		.rss = fault_file_rss,
	},
};
