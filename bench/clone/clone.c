// SPDX-License-Identifier: MIT
/*
 * Scenario `clone`: a process makes another one's memory available to itself, uses it, and gives it up.
 *
 * Before each operation the source writes to every page, so that none is shared, read-only or swapped out from the one
 * before. The source has its memory at a multiple of 2 MiB, and so has the destination, but for the address "odd":
 * huge pages, fault-around windows and page tables fall the same way in all processes. One page nearby stays mapped and
 * touched in each, as a real process has neighbours: who maps anew pays for the last level of page tables only.
 */
#include "clone.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "cleanup.h"
#include "content.h"
#include "procfs.h"
#include "proof.h"
#include "source.h"
#include "threads.h"

#ifndef MADV_COLD
#define MADV_COLD 20
#endif
#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

/* Far from where kernels and sanitizers put anything; multiples of 1 GiB. */
#define BASE  ((char *)0x200000000000)
#define OTHER ((char *)0x300000000000)

#define COUNTED_OPS 4

static const char *const part_names[CLONE_N_PARTS] = { "get", "use", "give", "source-write" };

const struct clone_ops *clone_ops(const struct clone *s)
{
	return mmlab_ops(s->c);
}

const void *clone_plan(const struct clone *s)
{
	return clone_ops(s)->plan;
}

int clone_blame(struct clone *s, const char *fmt, ...)
{
	va_list args;

	if (!atomic_exchange(&s->control->failed, true)) {
		va_start(args, fmt);
		(void)vsnprintf(s->control->blame, sizeof(s->control->blame), fmt, args);
		va_end(args);
	}
	return -EIO;
}

int clone_fail(struct clone *s, int e, const char *what)
{
	if (s->control && s->control->failed)
		return mmlab_fail(s->c, 0, "%s", s->control->blame);
	return mmlab_fail(s->c, e, "%s", what);
}

/* A part of the operation ends here. */
static void lap(struct clone *s, enum clone_part part)
{
	if (s->timed)
		s->ns[part] += mmlab_lap(s->c, part_names[part], 1);
}

/* What is done from the last lap until here belongs to no part. */
static void lap_nobody(struct clone *s)
{
	if (s->timed)
		(void)mmlab_lap(s->c, NULL, 1);
}

static int do_here(struct clone *s, const void *addr, size_t offset, size_t bytes)
{
	if (s->deed == CLONE_DO_USE) {
		s->sum += clone_sum(s, addr, offset, bytes);
		return 0;
	}
	if (s->deed == CLONE_DO_COMPARE)
		return clone_compare(s, s->writer, addr, offset, bytes);
	clone_stamp(s, CLONE_BY_MARK, (void *)(uintptr_t)addr, offset, bytes);
	return 0;
}

int clone_use(struct clone *s, const void *addr, size_t offset, size_t bytes)
{
	int e;

	lap(s, CLONE_GET);
	s->held.addr = addr;
	s->held.offset = offset;
	s->held.bytes = bytes;
	if (!s->child_pid) {
		e = do_here(s, addr, offset, bytes);
	} else {
		e = clone_child_await(s);
		lap_nobody(s);
		if (!e)
			e = clone_child_do(s, s->deed, addr, offset, bytes);
		if (!e && s->deed == CLONE_DO_USE)
			s->sum += s->control->child.sum;
	}
	lap(s, CLONE_USE);
	return e;
}

static int write_after(struct clone *s)
{
	int e = clone_source_do(s, CLONE_DO_WRITE);

	if (!e && s->timed) {
		s->ns[CLONE_SOURCE_WRITE] += s->control->source.ns;
		s->source_faults += s->control->source.faults;
	}
	return e;
}

/* While the destination has the memory. */
static int live(struct clone *s, const struct clone_watch *watch)
{
	int e = clone_ops(s)->take(s);

	if (!e && s->source_writes)
		e = write_after(s);
	if (!e && watch && watch->held)
		e = watch->held(s, watch->arg);
	lap_nobody(s);
	if (!e && clone_ops(s)->give)
		e = clone_ops(s)->give(s);
	lap(s, CLONE_GIVE);
	return e;
}

int clone_operation(struct clone *s, const struct clone_watch *watch)
{
	uint64_t faults;
	int e;

	s->seq++;
	if (s->n_swapped) /* pages that were copied last wait in a list of this CPU, unswappable; advice empties it */
		(void)madvise(s->neighbours[0].base, s->page_bytes, MADV_COLD);
	e = clone_source_do(s, CLONE_DO_PREPARE);
	if (!e && s->n_threads)
		e = clone_threads_run(s, true);
	if (e)
		return e;
	e = watch && watch->before ? watch->before(s, watch->arg) : 0;
	faults = clone_faults_now();
	lap_nobody(s);
	if (!e)
		e = live(s, watch);
	faults = clone_faults_now() - faults;
	if (s->n_threads) {
		int stopped = clone_threads_run(s, false);

		e = e ? e : stopped;
	}
	if (s->timed) {
		s->faults += clone_ops(s)->forks ? s->control->child.faults : faults;
		s->expected += clone_sum_expected(s);
		s->n_ops++;
	}
	return e;
}

static int operations(struct clone *s, uint64_t n)
{
	int e = 0;

	s->sum = s->expected = s->n_ops = s->faults = s->source_faults = 0;
	memset(s->ns, 0, sizeof(s->ns));
	s->timed = true;
	while (!e && n--)
		e = clone_operation(s, NULL);
	s->timed = false;
	return e;
}

static int clone_run(struct mmlab_case *c, uint64_t n)
{
	struct clone *s = mmlab_state(c);
	int e = operations(s, n);

	if (e)
		return clone_fail(s, e, "operation");
	/* The average of all, in place of the last one. */
	for (int part = 0; part <= CLONE_GIVE; part++)
		mmlab_report(c, part_names[part], (double)s->ns[part] / (double)s->n_ops);
	return 0;
}

static void clone_teardown(struct mmlab_case *c)
{
	const struct clone_ops *ops = mmlab_ops(c);
	struct clone *s = mmlab_state(c);

	if (!s)
		return;
	(void)clone_child_close(s);
	clone_source_close(s);
	if (ops->close)
		ops->close(s);
	(void)mmlab_close(s->fd);
	(void)mmlab_close(s->own_fd);
	mmlab_map_close(&s->map);
	mmlab_map_close(&s->source_map);
	mmlab_map_close(&s->neighbours[0]);
	mmlab_map_close(&s->neighbours[1]);
	mmlab_map_close(&s->control_map);
	free(s);
	mmlab_set_state(c, NULL);
}

static struct clone *clone_new(struct mmlab_case *c)
{
	struct clone *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->c = c;
	s->page_bytes = mmlab_page_bytes();
	s->n_pages = (mmlab_param(c, "size") + s->page_bytes - 1) / s->page_bytes;
	s->bytes = s->n_pages * s->page_bytes;
	s->use = (enum clone_use)mmlab_param(c, "destination");
	s->source_writes = mmlab_param(c, "source");
	s->address = (enum clone_address)mmlab_param(c, "address");
	s->n_threads = (unsigned int)mmlab_param(c, "source-threads");
	s->n_swapped = mmlab_param(c, "swap") ? s->n_pages / 2 : 0;
	s->from = BASE + 2 * CLONE_CHUNK_BYTES;
	s->place = s->from;
	if (s->address != CLONE_AT_SAME)
		s->place = OTHER + 2 * CLONE_CHUNK_BYTES + (s->address == CLONE_AT_ODD ? s->page_bytes : 0);
	s->fd = s->own_fd = -1;
	s->deed = CLONE_DO_USE;
	s->cpu = sched_getcpu();
	return s;
}

static int map_neighbour(struct clone *s, struct mmlab_map *ret, char *at)
{
	char *base = mmap(at, s->page_bytes, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE | MAP_POPULATE, -1, 0);

	if (base == MAP_FAILED)
		return -errno;
	*ret = (struct mmlab_map){ .base = base, .bytes = s->page_bytes, .addr = base };
	return 0;
}

static int map_own(struct clone *s)
{
	int e = map_neighbour(s, &s->neighbours[0], BASE);

	if (!e)
		e = map_neighbour(s, &s->neighbours[1], OTHER);
	if (!e)
		e = mmlab_map_open(&s->control_map, sizeof(*s->control), PROT_READ | PROT_WRITE,
				   MAP_SHARED | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	if (!e)
		s->control = (struct clone_control *)(void *)s->control_map.addr;
	return e;
}

static int skip_without_swap(struct clone *s)
{
	uint64_t bytes;
	int e = mmlab_field_read(&bytes, "/proc/meminfo", "SwapFree");

	if (e)
		return mmlab_fail(s->c, e, "/proc/meminfo");
	if (bytes < s->bytes)
		return mmlab_skip(s->c,
				  "%llu KiB of swap are free, which is not enough; docs/clone.md says how to get some",
				  (unsigned long long)bytes >> 10);
	return 0;
}

/*
 * Starting the source has made all memory of this process copy-on-write: its stack, of which an operation may reach
 * another page, and what the kernel writes to when the process is preempted. Those faults are no operation's.
 */
static void own_memory(void)
{
	_cleanup_(mmlab_fclosep) FILE *file = fopen("/proc/self/maps", "re");
	_cleanup_(mmlab_freep) char *row = NULL;
	size_t size = 0;

	while (file && getline(&row, &size, file) >= 0) {
		char *end, *dash = NULL;
		uintptr_t from = strtoull(row, &dash, 16), to = strtoull(dash + 1, &end, 16);

		if (!strncmp(end, " rw-p", 5)) /* that it fails for some pages of a file does no harm */
			(void)madvise((void *)from, to - from, MADV_POPULATE_WRITE);
	}
}

static int clone_setup(struct mmlab_case *c)
{
	const struct clone_ops *ops = mmlab_ops(c);
	struct clone *s = clone_new(c);
	int e;

	if (!s)
		return mmlab_fail(c, -ENOMEM, "state");
	mmlab_set_state(c, s);
	e = s->n_swapped ? skip_without_swap(s) : 0;
	if (e)
		return e;
	/* This process is pinned already; the one that steers the run still has what the run may use. */
	if (sched_getaffinity(getppid(), sizeof(s->usable), &s->usable))
		return mmlab_fail(c, -errno, "sched_getaffinity");
	/* Whatever the machine's setting: all pages are small. */
	if (prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0))
		return mmlab_fail(c, -errno, "prctl(PR_SET_THP_DISABLE)");
	e = map_own(s);
	if (e)
		return mmlab_fail(c, e, "memory of the scenario");
	e = ops->open_shared ? ops->open_shared(s) : 0;
	if (e)
		return e == MMLAB_SKIP ? e : clone_fail(s, e, "preparing the contender");
	e = clone_source_open(s);
	if (e)
		return clone_fail(s, e, "starting the source");
	own_memory();
	e = ops->open ? ops->open(s) : 0;
	if (e == MMLAB_SKIP)
		return e;
	if (!e) /* once, so that all is there that an operation needs beside the memory */
		e = operations(s, 1);
	return e ? clone_fail(s, e, "first operation") : 0;
}

const char *clone_unfit(const struct mmlab_case *c)
{
	const struct clone_ops *ops = mmlab_ops(c);
	uint64_t size = mmlab_param(c, "size");

	if (mmlab_param(c, "address") != CLONE_AT_SAME && !ops->places)
		return "the address makes no difference to it";
	if (mmlab_param(c, "source") && ops->moves)
		return "the source has given its memory away";
	if (mmlab_param(c, "swap") && size < 2 * mmlab_page_bytes())
		return "half of one page cannot be swapped out";
	return mmlab_param(c, "swap") ? ops->no_swap : NULL;
}

uint64_t clone_memory_bytes(const struct mmlab_case *c)
{
	return 2 * mmlab_param(c, "size") + mmlab_param(c, "size") / 64 + (32U << 20);
}

/* Addresses, threads and swap are looked at one by one: all at once would be days of measuring. */
static bool clone_unmeant(const struct mmlab_case *c)
{
	bool writes = mmlab_param(c, "source"), swap = mmlab_param(c, "swap");
	bool threads = mmlab_param(c, "source-threads") > 0, elsewhere = mmlab_param(c, "address") != CLONE_AT_SAME;

	return writes + swap + threads + elsewhere > 1;
}

static const struct mmlab_axis clone_axes[] = {
	{ .name = "size",
	  .summary = "bytes of the source's memory",
	  .kind = MMLAB_AXIS_BYTES,
	  .quick = "1M",
	  .full = "4K,16K,64K,128K,256K,512K,1M,4M,16M,64M,256M,1G",
	  .min = 4096,
	  .max = 1ULL << 34 },
	{ .name = "destination",
	  .summary = "the destination does nothing with it, reads a word of each page, reads all, or writes a word of "
		     "each page",
	  .kind = MMLAB_AXIS_WORD,
	  .words = "none,touch,read,write",
	  .quick = "read",
	  .full = "none,touch,read,write" },
	{ .name = "source",
	  .summary = "while the destination has it the source writes a word of each page, or nothing",
	  .kind = MMLAB_AXIS_WORD,
	  .words = "none,write",
	  .quick = "none",
	  .full = "none,write" },
	{ .name = "address",
	  .summary = "where the destination has it: at the source's address, or another one, as far from a multiple of "
		     "2 MiB or "
		     "by a page farther",
	  .kind = MMLAB_AXIS_WORD,
	  .words = "same,other,odd",
	  .quick = "same",
	  .full = "same,other,odd" },
	{ .name = "source-threads",
	  .summary = "threads of the source that run meanwhile, on other CPUs",
	  .kind = MMLAB_AXIS_NUMBER,
	  .quick = "0",
	  .full = "0,1,2,4",
	  .min = 0,
	  .max = 128 },
	{ .name = "swap",
	  .summary = "how much of the memory is in swap before",
	  .kind = MMLAB_AXIS_WORD,
	  .words = "none,half",
	  .quick = "none",
	  .full = "none,half" },
	{ 0 },
};

static const struct mmlab_metric clone_metrics[] = {
	{ .name = "get", .unit = "ns", .kind = MMLAB_TIME, .part = true },
	{ .name = "use", .unit = "ns", .kind = MMLAB_TIME, .part = true },
	{ .name = "give", .unit = "ns", .kind = MMLAB_TIME, .part = true },
	{ .name = "source-write", .unit = "ns", .kind = MMLAB_TIME },
	{ .name = "destination-faults", .unit = "faults", .kind = MMLAB_COUNT, .exact = true },
	{ .name = "source-faults", .unit = "faults", .kind = MMLAB_COUNT, .exact = true },
	{ .name = "flushes", .unit = "flushes", .kind = MMLAB_COUNT, .exact = true },
	{ .name = "interrupts", .unit = "interrupts", .kind = MMLAB_COUNT },
	{ .name = "memory", .unit = "bytes", .kind = MMLAB_BYTES, .exact = true },
	{ .name = "swap-ins", .unit = "pages", .kind = MMLAB_COUNT },
	{ 0 },
};

#define CLONES "clone,clone-populate,clone-move"

static const struct mmlab_preset clone_presets[] = {
	{ .name = "deterministic",
	  .summary = "one point for every contender: for scripts/bench --deterministic",
	  .axes = (const char *const[]){ "size=64K", "destination=read", "source=none", "address=same",
					 "source-threads=0", "swap=none", NULL } },
	{ .name = "once",
	  .summary = "a consumer that reads once, by size: does a stream through a small buffer beat any mapping?",
	  .axes = (const char *const[]){ "size=4K,16K,64K,128K,256K,512K,1M,4M,16M,64M,256M,1G", "destination=read",
					 "source=none", "address=same", "source-threads=0", "swap=none", NULL } },
	{ .name = "table",
	  .summary = "what the reviewer asked for: by what both sides do, at three sizes",
	  .axes = (const char *const[]){ "size=64K,4M,64M", "destination=none,touch,read,write", "source=none,write",
					 "address=same", "source-threads=0", "swap=none", NULL } },
	{ .name = "demands",
	  .summary = "the ratios that scripts/clones prints",
	  .contenders = "memfd-kept,readv,clone,clone-populate,clone-move,fork,memfd,memfd-populate",
	  .axes = (const char *const[]){ "size=64K,64M", "destination=none,touch", "source=none",
					 "address=same,other,odd", "source-threads=0", "swap=none", NULL } },
	{ .name = "flushes",
	  .summary = "what a source that runs notices, by its threads",
	  .contenders = CLONES ",fork,readv",
	  .axes = (const char *const[]){ "size=64K,16M", "destination=none", "source=none", "address=same",
					 "source-threads=0,1,2,4", "swap=none", NULL } },
	{ .name = "swap",
	  .summary = "half of the source is in swap",
	  .axes = (const char *const[]){ "size=4M", "destination=none,touch,write", "source=none", "address=same",
					 "source-threads=0", "swap=none,half", NULL } },
	{ 0 },
};

const struct mmlab_scenario clone_scenario = {
	.name = "clone",
	.question =
		"What does it cost a process to make another one's memory available to itself, use it and give it up, "
		"by cloning the mapping, by copying, and by sharing a file; and what does it cost the other one?",
	.op = "the destination obtains `size` bytes of the source's memory, uses them, and gives them up",
	.excluded =
		"what the source does before and afterwards (source-write is apart); processes, files and buffers that "
		"stay for further operations",
	.proof = "sums of every operation; every byte of some, also after the source wrote and after the destination "
		 "did; "
		 "page faults of both sides and counters of the module equal the computed numbers",
	.axes = clone_axes,
	.metrics = clone_metrics,
	.presets = clone_presets,
	.contenders = clone_contenders,
	.floor = "memfd-kept",
	.baseline = "readv",
	.columns = "size",
	.once = true,
	.count_ops = COUNTED_OPS,
	.unmeant = clone_unmeant,
	.setup = clone_setup,
	.run = clone_run,
	.observe = clone_observe,
	.verify = clone_verify,
	.teardown = clone_teardown,
};
