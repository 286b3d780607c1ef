// SPDX-License-Identifier: MIT
/*
 * Scenario `stock`: what the primitives cost that everything else is made of. The operations are those of
 * will-it-scale, lmbench and `perf bench`, so that the harness can be checked against them (docs/stock.md).
 */
#include "stock.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>

#include "cleanup.h"
#include "procfs.h"

uint64_t stock_no_faults(const struct stock *s)
{
	(void)s;
	return 0;
}

uint64_t stock_fault_per_page(const struct stock *s)
{
	return s->n_pages;
}

/*
 * Here and below, a page without access on either side keeps neighbours away: smaps tells only whole VMAs apart, and
 * the kernel merges anonymous neighbours.
 */
int stock_populate(struct stock *s)
{
	int r = mmlab_map_open(&s->map, s->bytes + 2 * s->page_bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (r)
		return r;
	s->map.addr += s->page_bytes;
	if (mprotect(s->map.addr, s->bytes, PROT_READ | PROT_WRITE))
		return -errno;
	stock_write_pages(s->map.addr, s);
	return 0;
}

int stock_rss_of(struct stock *s, int prot, int flags, void (*touch)(char *addr, const struct stock *s),
		 uint64_t *ret_bytes)
{
	struct mmlab_map fence;
	struct mmlab_smaps smaps;
	char *addr;
	int r;

	r = mmlab_map_open(&fence, s->bytes + 2 * s->page_bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (r)
		return r;
	addr = mmap(fence.addr + s->page_bytes, s->bytes, prot, flags | MAP_FIXED, s->fd, 0);
	if (addr == MAP_FAILED) {
		r = -errno;
	} else {
		touch(addr, s);
		r = mmlab_smaps_read(&smaps, addr, s->bytes);
	}
	mmlab_map_close(&fence);
	if (!r)
		*ret_bytes = smaps.rss;
	return r;
}

static void touch_nothing(char *addr, const struct stock *s)
{
	(void)addr;
	(void)s;
}

int stock_rss(struct stock *s, uint64_t *ret_bytes)
{
	struct mmlab_smaps smaps;
	int r;

	if (!s->map.base)
		return stock_rss_of(s, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, touch_nothing, ret_bytes);
	r = mmlab_smaps_read(&smaps, s->map.addr, s->bytes);
	if (!r)
		*ret_bytes = smaps.rss;
	return r;
}

static void stock_teardown(struct mmlab_case *c)
{
	const struct stock_ops *ops = mmlab_ops(c);
	struct stock *s = mmlab_state(c);

	if (!s)
		return;
	if (ops->teardown)
		ops->teardown(s);
	mmlab_close(s->pipe_out);
	mmlab_close(s->pipe_in);
	mmlab_close(s->fd);
	mmlab_map_close(&s->map);
	free(s);
	mmlab_set_state(c, NULL);
}

static int stock_setup(struct mmlab_case *c)
{
	const struct stock_ops *ops = mmlab_ops(c);
	size_t page_bytes = mmlab_page_bytes();
	struct stock *s = calloc(1, sizeof(*s));
	int r;

	if (!s)
		return mmlab_fail(c, -ENOMEM, "state");
	s->c = c;
	s->page_bytes = page_bytes;
	s->n_pages = (mmlab_param(c, "size") + page_bytes - 1) / page_bytes;
	s->bytes = s->n_pages * page_bytes;
	s->fd = s->pipe_in = s->pipe_out = -1;
	mmlab_set_state(c, s);
	/* Whatever the machine's setting: a case that means small pages must not get huge ones. */
	if (prctl(PR_SET_THP_DISABLE, !ops->huge, 0, 0, 0))
		return mmlab_fail(c, -errno, "prctl(PR_SET_THP_DISABLE)");
	if (!ops->setup)
		return 0;
	r = ops->setup(s);
	return r < 0 ? mmlab_fail(c, r, "setup") : r;
}

static int stock_run(struct mmlab_case *c, uint64_t n)
{
	const struct stock_ops *ops = mmlab_ops(c);

	return ops->run(mmlab_state(c), n);
}

static int stock_observe(struct mmlab_case *c)
{
	const struct stock_ops *ops = mmlab_ops(c);
	uint64_t bytes;
	int r;

	if (!ops->rss) {
		mmlab_report_missing(c, "rss", "the operation has no mapping");
		return 0;
	}
	r = ops->rss(mmlab_state(c), &bytes);
	if (r)
		return mmlab_fail(c, r, "resident size");
	mmlab_report(c, "rss", (double)bytes);
	return 0;
}

static int stock_verify(struct mmlab_case *c)
{
	const struct stock_ops *ops = mmlab_ops(c);
	struct stock *s = mmlab_state(c);

	if (ops->faults) {
		uint64_t expected = ops->faults(s) * mmlab_counted_ops(c);

		if (mmlab_faults(c) != expected)
			return mmlab_fail(c, 0, "%llu page faults in %llu operations, expected %llu",
					  (unsigned long long)mmlab_faults(c),
					  (unsigned long long)mmlab_counted_ops(c), (unsigned long long)expected);
	}
	return ops->verify ? ops->verify(s) : 0;
}

static bool stock_unmeant(const struct mmlab_case *c)
{
	const struct stock_ops *ops = mmlab_ops(c);

	if (mmlab_param(c, "tasks") == 1 && mmlab_param(c, "mode") == 1)
		return true; /* a lone thread is a lone process */
	return !ops->sized && mmlab_param(c, "size") != 2 << 20; /* STOCK_DEFAULT_SIZE */
}

static const struct mmlab_axis stock_axes[] = {
	{ .name = "tasks", .summary = "how many do it at once, on a CPU each", .kind = MMLAB_AXIS_NUMBER,
	  .quick = "1,2", .full = "1,2,4,8,16", .min = 1, .max = 64 },
	{ .name = "mode", .summary = "what a task is; threads share one address space", .kind = MMLAB_AXIS_WORD,
	  .words = "process,thread", .quick = "process", .full = "process,thread" },
	{ .name = "size", .summary = "bytes mapped or populated, where that matters", .kind = MMLAB_AXIS_BYTES,
	  .quick = STOCK_DEFAULT_SIZE, .full = STOCK_DEFAULT_SIZE ",64M", .min = 4096, .max = 1ULL << 34 },
	{ 0 },
};

static const struct mmlab_metric stock_metrics[] = {
	{ .name = "rss", .unit = "bytes", .kind = MMLAB_BYTES, .exact = true },
	{ 0 },
};

static const struct mmlab_preset stock_presets[] = {
	{ .name = "deterministic",
	  .summary = "one point for every contender: for scripts/bench --deterministic",
	  .axes = (const char *const[]){ "tasks=1", "mode=process", "size=" STOCK_DEFAULT_SIZE, NULL } },
	{ 0 },
};

const struct mmlab_scenario stock_scenario = {
	.name = "stock",
	.question = "What do the stock primitives cost on this machine and kernel?",
	.op = "one call or round trip; for faults the mapping, touching and unmapping of `size` bytes, given per page",
	.excluded = "creating files, pipes, peers and populated mappings",
	.proof = "page faults equal the computed number; children, replies and interrupts are counted where there are any",
	.axes = stock_axes,
	.metrics = stock_metrics,
	.presets = stock_presets,
	.contenders = stock_contenders,
	.floor = "null",
	.columns = "tasks",
	.count_ops = 16,
	.unmeant = stock_unmeant,
	.setup = stock_setup,
	.run = stock_run,
	.observe = stock_observe,
	.verify = stock_verify,
	.teardown = stock_teardown,
};
