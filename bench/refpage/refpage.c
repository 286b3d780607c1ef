// SPDX-License-Identifier: MIT
/*
 * Scenario `refpage`: memory that reads as a pattern before anybody wrote it, for heap allocators.
 *
 * The region lies at a fixed address that is a multiple of 2 MiB, so that huge pages, fault-around windows and page
 * tables fall the same way in every process: the counts must repeat. One page nearby stays mapped and touched, as a
 * real heap always has neighbours: a cycle pays for the last level of page tables only.
 */
#include "refpage.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>

#include "cleanup.h"
#include "look.h"
#include "map.h"

/* Far from where kernels and sanitizers put anything; a multiple of 1 GiB. */
#define PLACE	   ((char *)0x200000000000)
#define HUGE_BYTES (2UL << 20)

struct state {
	struct refpage r;
	struct mmlab_map seen, pattern, neighbour;
};

static void touch_read(const struct refpage *r)
{
	struct refpage_walk walk = { 0 };

	refpage_for_each_touched(r, &walk)
		(void)*(volatile char *)(r->addr + walk.page * r->page_bytes); /* or nobody would need the load */
}

static void touch_write(const struct refpage *r)
{
	struct refpage_walk walk = { 0 };

	refpage_for_each_touched(r, &walk)
		*(volatile char *)(r->addr + walk.page * r->page_bytes) = r->stamp;
}

static void touch_read_write(const struct refpage *r)
{
	struct refpage_walk walk = { 0 };

	refpage_for_each_touched(r, &walk) {
		volatile char *byte = r->addr + walk.page * r->page_bytes;

		(void)*byte;
		*byte = r->stamp;
	}
}

static void (*const touches[])(const struct refpage *r) = {
	[REFPAGE_READ] = touch_read,
	[REFPAGE_WRITE] = touch_write,
	[REFPAGE_READWRITE] = touch_read_write,
};

struct refpage *refpage_of(const struct mmlab_case *c)
{
	return &((struct state *)mmlab_state(c))->r;
}

void refpage_touch(const struct refpage *r)
{
	touches[r->order](r);
}

static int refpage_run(struct mmlab_case *c, uint64_t n)
{
	const struct refpage_ops *ops = mmlab_ops(c);
	struct refpage *r = refpage_of(c);
	void (*touch)(const struct refpage *r) = touches[r->order];

	for (; n; n--) {
		int e = ops->get(r);

		if (!e) {
			touch(r);
			e = ops->put(r);
		}
		if (e < 0)
			return mmlab_fail(c, e, "allocation cycle");
	}
	return 0;
}

static void refpage_teardown(struct mmlab_case *c)
{
	const struct refpage_ops *ops = mmlab_ops(c);
	struct state *state = mmlab_state(c);

	if (!state)
		return;
	if (ops->close)
		ops->close(&state->r);
	mmlab_close(state->r.fd);
	mmlab_map_close(&state->neighbour);
	mmlab_map_close(&state->pattern);
	mmlab_map_close(&state->seen);
	free(state);
	mmlab_set_state(c, NULL);
}

/* No byte of it is zero, so that the pattern is never mistaken for untouched anonymous memory. */
static void make_pattern(struct refpage *r)
{
	uint32_t x = 0x9e3779b9;

	for (size_t i = 0; i < r->pattern_bytes; i++) {
		x ^= x << 13;
		x ^= x >> 17;
		x ^= x << 5;
		r->pattern[i] = (char)(x | 0x80);
	}
	for (size_t i = r->pattern_bytes; i < r->page_bytes; i++)
		r->pattern[i] = r->pattern[i - r->pattern_bytes];
	r->stamp = (char)(r->pattern[0] ^ 0x55);
}

/* Keeps the upper levels of page tables alive: see the head of this file. */
static int map_neighbour(struct state *state)
{
	size_t bytes = state->r.page_bytes;
	char *base = mmap(PLACE, bytes, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE | MAP_POPULATE, -1, 0);

	if (base == MAP_FAILED)
		return -errno;
	state->neighbour = (struct mmlab_map){ .base = base, .bytes = bytes, .addr = base };
	return 0;
}

static int refpage_setup(struct mmlab_case *c)
{
	const struct refpage_ops *ops = mmlab_ops(c);
	size_t page_bytes = mmlab_page_bytes();
	struct state *state = calloc(1, sizeof(*state));
	struct refpage *r;
	uint64_t touched;
	int e;

	if (!state)
		return mmlab_fail(c, -ENOMEM, "state");
	mmlab_set_state(c, state);
	r = &state->r;
	r->c = c;
	r->fd = -1;
	r->page_bytes = page_bytes;
	r->n_pages = (mmlab_param(c, "size") + page_bytes - 1) / page_bytes;
	r->bytes = r->n_pages * page_bytes;
	touched = (r->n_pages * mmlab_param(c, "touch") + 500000) / 1000000;
	r->n_touched = touched ? touched : 1;
	r->order = (enum refpage_order)mmlab_param(c, "order");
	r->thp = !strcmp(mmlab_param_word(c, "thp"), "always");
	r->pattern_bytes = mmlab_param(c, "pattern");
	if (r->pattern_bytes & (r->pattern_bytes - 1) || r->pattern_bytes > page_bytes)
		return mmlab_skip(c, "the pattern must be a power of two, and at most a page");
	r->addr = PLACE + 2 * HUGE_BYTES;
	r->other_addr = r->addr + (r->bytes + 3 * HUGE_BYTES) / HUGE_BYTES * HUGE_BYTES;

	/* Another run on this machine may move the knob: at least without huge pages this case is safe from it. */
	if (!r->thp && prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0))
		return mmlab_fail(c, -errno, "prctl(PR_SET_THP_DISABLE)");

	e = mmlab_map_open(&state->seen, sizeof(*r->seen), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (!e)
		e = mmlab_map_open(&state->pattern, page_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
				   -1, 0);
	if (!e)
		e = map_neighbour(state);
	if (e)
		return mmlab_fail(c, e, "memory of the scenario");
	r->seen = (struct refpage_seen *)(void *)state->seen.addr;
	r->pattern = state->pattern.addr;
	make_pattern(r);
	e = ops->open ? ops->open(r) : 0;
	return e < 0 ? mmlab_fail(c, e, "preparing the contender") : e;
}

static const struct mmlab_axis refpage_axes[] = {
	{ .name = "size", .summary = "bytes of one allocation", .kind = MMLAB_AXIS_BYTES,
	  .quick = "4096000", .full = "4096000,64M", .min = 4096, .max = 1ULL << 34 },
	{ .name = "touch", .summary = "share of its pages that is touched, evenly spread", .kind = MMLAB_AXIS_PERCENT,
	  .quick = "0.1,10,100", .full = "0.1,1,10,50,100", .min = 1, .max = 1000000 },
	{ .name = "order", .summary = "each touched page is read, written, or read and then written",
	  .kind = MMLAB_AXIS_WORD, .words = "read,write,readwrite", .quick = "read,write",
	  .full = "read,write,readwrite" },
	{ .name = "pattern", .summary = "bytes of the pattern", .kind = MMLAB_AXIS_BYTES,
	  .quick = "4096", .full = "1,16,4096", .min = 1, .max = 4096 },
	{ .name = "thp", .summary = "transparent huge pages", .kind = MMLAB_AXIS_WORD, .words = "never,always",
	  .quick = "never", .full = "never,always", .knob = "/sys/kernel/mm/transparent_hugepage/enabled" },
	{ 0 },
};

static const struct mmlab_metric refpage_metrics[] = {
	{ .name = "rss", .unit = "bytes", .kind = MMLAB_BYTES, .exact = true },
	{ .name = "physical", .unit = "bytes", .kind = MMLAB_BYTES, .exact = true },
	{ .name = "page-tables", .unit = "bytes", .kind = MMLAB_BYTES, .exact = true },
	{ .name = "vmas", .unit = "VMAs", .kind = MMLAB_COUNT, .exact = true },
	{ 0 },
};

static const struct mmlab_preset refpage_presets[] = {
	{ .name = "published",
	  .summary = "the table of the refpage_create patch, versions 4 and 5 (2021): write one page, half, all of 4096000 B",
	  .contenders = "anon,memset,memfd,refpage-uncounted,refpage-counted,refpage-fill",
	  .axes = (const char *const[]){ "size=4096000", "touch=0.1,50,100", "order=write", "pattern=1,4096",
					 "thp=never", NULL } },
	{ .name = "thp",
	  .summary = "what transparent huge pages change, sparse and dense",
	  .axes = (const char *const[]){ "size=4096000", "touch=0.1,100", "order=read,write", "pattern=4096",
					 "thp=never,always", NULL } },
	{ .name = "deterministic",
	  .summary = "one point for every contender: for scripts/bench --deterministic",
	  .axes = (const char *const[]){ "size=256K", "touch=10", "order=write", "pattern=4096", "thp=never", NULL } },
	{ 0 },
};

const struct mmlab_scenario refpage_scenario = {
	.name = "refpage",
	.question = "What do pattern-initialised allocations cost in time and memory, by touched share and access order?",
	.op = "obtain `size` bytes that read as the pattern, touch a share of the pages, give them up",
	.excluded = "creating the pattern, its file or its reference page",
	.proof = "content of every touched and of sampled untouched pages; page faults equal the computed number; counters "
		 "of the module or the handler move by exactly one per touched page",
	.axes = refpage_axes,
	.metrics = refpage_metrics,
	.presets = refpage_presets,
	.contenders = refpage_contenders,
	.floor = "anon",
	.baseline = "memset",
	.columns = "touch",
	.count_ops = 1,
	.setup = refpage_setup,
	.run = refpage_run,
	.observe = refpage_observe,
	.verify = refpage_verify,
	.teardown = refpage_teardown,
};
