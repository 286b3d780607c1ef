// SPDX-License-Identifier: MIT
/*
 * Scenario `faultmix`: threads of one process touch new memory, and map and unmap, at the same time.
 *
 * Each case does a fixed number of operations, so that counts can be computed. All pages are new: nothing is unmapped
 * in order to be touched again, which would be an operation of the other kind.
 */
#include "faultmix.h"

#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "cleanup.h"
#include "crew.h"
#include "proof.h"

const struct faultmix_ops *faultmix_ops(const struct faultmix *f)
{
	return mmlab_ops(f->c);
}

char *faultmix_page(const struct faultmix *f, unsigned int worker, uint64_t i)
{
	uint64_t n_touched = FAULTMIX_TABLE_BYTES / f->page_bytes - 1; /* in each table, beside the first */

	return f->base + worker * f->area_bytes + (i ? i + (i - 1) / n_touched : 0) * f->page_bytes;
}

size_t faultmix_slot(const struct faultmix *f, unsigned int thread)
{
	return f->slots + thread * FAULTMIX_TABLE_BYTES;
}

char faultmix_stamp(unsigned int worker, uint64_t i)
{
	return (char)((worker * 31 + i * 7 + (i >> 8) * 13) | 1);
}

static size_t area_bytes(const struct mmlab_case *c)
{
	size_t n = 2 * mmlab_param(c, "ops"), n_tables = n / (FAULTMIX_TABLE_BYTES / mmlab_page_bytes() - 1) + 1;
	size_t bytes = (n + n_tables + 1) * mmlab_page_bytes();

	return (bytes + FAULTMIX_TABLE_BYTES - 1) / FAULTMIX_TABLE_BYTES * FAULTMIX_TABLE_BYTES;
}

uint64_t faultmix_memory_bytes(const struct mmlab_case *c)
{
	return mmlab_param(c, "threads") * area_bytes(c) + 2 * FAULTMIX_LONG_BYTES;
}

/* The last page of an area stays free: neighbours must not become one mapping. */
static int each_area(struct faultmix *f, int (*act)(struct faultmix *f, size_t offset, size_t bytes))
{
	int r = 0;

	if (f->shared)
		return act(f, 0, f->n_workers * f->area_bytes - f->page_bytes);
	for (unsigned int i = 0; i < f->n_workers && !r; i++)
		r = act(f, i * f->area_bytes, f->area_bytes - f->page_bytes);
	return r;
}

int proof_unmap_areas(struct faultmix *f)
{
	return each_area(f, faultmix_ops(f)->unmap);
}

/* fork copies page tables entry by entry, under the lock. */
static int open_ballast(struct faultmix *f)
{
	if (f->holder != HOLDER_FORK)
		return 0;
	return mmlab_map_open(&f->ballast, FAULTMIX_LONG_BYTES, PROT_READ | PROT_WRITE,
			      MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
}

/* Each byte is its own offset: what is read from there is what a worker would have written. */
static int open_source(struct faultmix *f)
{
	unsigned char bytes[256];

	if (strcmp(mmlab_param_word(f->c, "access"), "kernel"))
		return 0;
	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (unsigned char)i;
	f->source = memfd_create("mmlab-faultmix", MFD_CLOEXEC);
	if (f->source < 0 || write(f->source, bytes, sizeof(bytes)) != (ssize_t)sizeof(bytes))
		return -errno;
	return 0;
}

static void plan(struct faultmix *f, struct mmlab_case *c)
{
	uint64_t n_ops = mmlab_param(c, "ops"), n_writes = faultmix_share(n_ops, mmlab_param(c, "writes"));

	*f = (struct faultmix){
		.c = c,
		.n_workers = (unsigned int)mmlab_param(c, "threads"),
		.n_mappers = (unsigned int)mmlab_param(c, "mappers"),
		.n_ops = n_ops,
		.n_writes = n_writes,
		.n_faults = n_ops - n_writes,
		.n_changes = faultmix_share(n_ops - n_writes, mmlab_param(c, "aborts")),
		.holder = (enum faultmix_holder)mmlab_param(c, "holder"),
		.shared = !strcmp(mmlab_param_word(c, "layout"), "shared"),
		.page_bytes = mmlab_page_bytes(),
		.area_bytes = area_bytes(c),
		.fd = -1,
		.source = -1,
	};
	f->slots = f->n_workers * f->area_bytes;
	f->longs = f->slots + (f->n_workers + f->n_mappers) * FAULTMIX_TABLE_BYTES;
	f->bytes = f->longs + FAULTMIX_LONG_BYTES;
}

static int faultmix_setup(struct mmlab_case *c)
{
	struct faultmix *f = calloc(1, sizeof(*f));
	const struct faultmix_ops *ops;
	int r;

	if (!f)
		return mmlab_fail(c, -ENOMEM, "state");
	mmlab_set_state(c, f);
	plan(f, c);
	ops = faultmix_ops(f);
	mmlab_set_units(c, f->n_workers * f->n_ops);
	/* For all mappings of the process: regions of the module have no huge pages either. */
	if (prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0))
		return mmlab_fail(c, -errno, "ruling out huge pages");
	proof_counts(&f->opened);
	r = ops->open(f);
	if (!r)
		r = each_area(f, ops->map);
	if (!r)
		r = open_ballast(f);
	if (!r)
		r = open_source(f);
	if (r)
		return mmlab_fail(c, r, "preparing the memory");
	r = crew_open(&f->crew, f);
	proof_counts(&f->before);
	return r ? mmlab_fail(c, r, "starting %u threads", f->n_workers + f->n_mappers) : 0;
}

static int faultmix_run(struct mmlab_case *c, uint64_t n)
{
	struct faultmix *f = mmlab_state(c);
	struct crew_sums closed;
	int r;

	(void)n; /* always one: the scenario does it once */
	r = crew_work(f->crew, CREW_CLOSED);
	crew_sums(f->crew, CREW_CLOSED, &closed);
	mmlab_lap_took(c, "closed", 1, closed.elapsed_ns); /* without the time in which threads wake up */
	proof_counts(&f->between);
	if (!r)
		r = crew_work(f->crew, CREW_OPEN);
	proof_counts(&f->after);
	return r ? mmlab_fail(c, r, "an operation") : 0;
}

/* A percentile that lies beyond the last but one of the samples would be the maximum under another name. */
static void report_latencies(struct faultmix *f, bool writes)
{
	static const struct {
		const char *names[2];
		uint64_t permille, n_min;
	} ranks[] = { { { "fault-p50", "write-p50" }, 500, 1 },
		      { { "fault-p99", "write-p99" }, 990, 100 },
		      { { "fault-p999", "write-p999" }, 999, 1000 },
		      { { "fault-max", "write-max" }, 1000, 1 } };
	_cleanup_(mmlab_freep) uint64_t *ns = NULL;
	long n = crew_latencies(f->crew, writes, &ns);

	for (size_t i = 0; i < sizeof(ranks) / sizeof(*ranks); i++) {
		const char *name = ranks[i].names[writes];

		if (n <= 0)
			mmlab_report_missing(f->c, name, "the mix has no such operation");
		else if ((uint64_t)n < ranks[i].n_min)
			mmlab_report_missing(f->c, name, "takes more operations: see the axis ops");
		else
			mmlab_report(f->c, name, (double)ns[((uint64_t)n * ranks[i].permille + 999) / 1000 - 1]);
	}
}

static void report_rates(struct faultmix *f, const struct crew_sums *closed)
{
	const struct {
		const char *rate, *sleeps, *off_cpu, *missing;
		const struct crew_sum *sum;
		uint64_t n, n_ops;
	} roles[] = {
		{ "fault-rate", "worker-sleeps", "worker-off-cpu", "the mix has no faults", &closed->workers,
		  closed->workers.n_faults, closed->workers.n_faults + closed->workers.n_writes },
		{ "write-rate", "mapper-sleeps", "mapper-off-cpu", "nobody maps", &closed->mappers,
		  closed->workers.n_writes + closed->mappers.n_writes, closed->mappers.n_writes },
	};

	for (size_t i = 0; i < sizeof(roles) / sizeof(*roles); i++) {
		if (roles[i].n)
			mmlab_report(f->c, roles[i].rate, (double)roles[i].n * 1e9 / (double)closed->elapsed_ns);
		else
			mmlab_report_missing(f->c, roles[i].rate, roles[i].missing);
		if (roles[i].n_ops) {
			mmlab_report(f->c, roles[i].sleeps, (double)roles[i].sum->n_sleeps / (double)roles[i].n_ops);
			mmlab_report(f->c, roles[i].off_cpu, (double)roles[i].sum->off_cpu_ns / (double)roles[i].n_ops);
		} else {
			mmlab_report_missing(f->c, roles[i].sleeps, "there are no mappers");
			mmlab_report_missing(f->c, roles[i].off_cpu, "there are no mappers");
		}
	}
}

/* Faults lock for reading, who maps and unmaps for writing: the lock itself, and the short one that split has beside
 * it. */
static void report_locks(struct faultmix *f, const struct crew_sums *closed)
{
	static const struct {
		const char *name;
		enum mmlab_arena_stat stats[2];
		bool writes;
	} sums[] = {
		{ "fault-locks", { MMLAB_ARENA_STAT_SHARED, MMLAB_ARENA_STAT_SHORT_READS }, false },
		{ "fault-lock-waits", { MMLAB_ARENA_STAT_SHARED_WAITS, MMLAB_ARENA_STAT_SHORT_READ_WAITS }, false },
		{ "fault-lock-wait", { MMLAB_ARENA_STAT_SHARED_WAIT_NS, MMLAB_ARENA_STAT_SHORT_READ_WAIT_NS }, false },
		{ "write-locks", { MMLAB_ARENA_STAT_EXCLUSIVE, MMLAB_ARENA_STAT_SHORT_WRITES }, true },
		{ "write-lock-waits", { MMLAB_ARENA_STAT_EXCLUSIVE_WAITS, MMLAB_ARENA_STAT_SHORT_WRITE_WAITS }, true },
		{ "write-lock-wait",
		  { MMLAB_ARENA_STAT_EXCLUSIVE_WAIT_NS, MMLAB_ARENA_STAT_SHORT_WRITE_WAIT_NS },
		  true },
	};
	struct faultmix_counts counts = proof_since(&f->before, &f->between);
	uint64_t n_writes = closed->workers.n_writes + closed->mappers.n_writes;

	for (size_t i = 0; i < sizeof(sums) / sizeof(*sums); i++) {
		uint64_t n_ops = sums[i].writes ? n_writes : closed->workers.n_faults;
		uint64_t n = counts.arena[sums[i].stats[0]] + counts.arena[sums[i].stats[1]];

		if (faultmix_ops(f)->kind != KIND_ARENA)
			mmlab_report_missing(f->c, sums[i].name,
					     "the kernel counts mmap_lock by trace events alone: see docs/faultmix.md");
		else if (!n_ops)
			mmlab_report_missing(f->c, sums[i].name, "the mix has no such operation");
		else
			mmlab_report(f->c, sums[i].name, (double)n / (double)n_ops);
	}
}

static int faultmix_observe(struct mmlab_case *c)
{
	struct faultmix *f = mmlab_state(c);
	struct faultmix_counts counts = proof_since(&f->before, &f->after);
	enum faultmix_kind kind = faultmix_ops(f)->kind;
	struct crew_sums closed, all;

	crew_sums(f->crew, CREW_CLOSED, &closed);
	crew_sums_all(f->crew, &all);
	report_rates(f, &closed);
	report_locks(f, &closed);
	report_latencies(f, false);
	report_latencies(f, true);
	mmlab_report(c, "holds", (double)all.n_holds);
	if (f->holder == HOLDER_FORK)
		mmlab_report_missing(c, "touch-faults", "after a fork, threads fault in their stacks as well");
	else
		mmlab_report(c, "touch-faults", (double)all.workers.n_minor);
	if (kind == KIND_REGION && counts.spf[MMLAB_SPF_STAT_NORMAL] + counts.spf[MMLAB_SPF_STAT_FIRST_TOUCH]) {
		mmlab_report(c, "speculative", (double)counts.spf[MMLAB_SPF_STAT_FIRST_TOUCH]);
		mmlab_report(c, "raced", (double)counts.spf[MMLAB_SPF_STAT_RACED]);
		mmlab_report(c, "fallbacks", (double)proof_fallbacks(&counts));
	} else {
		mmlab_report_missing(c, "speculative", "no region of the module serves faults");
		mmlab_report_missing(c, "raced", "no region of the module serves faults");
		mmlab_report_missing(c, "fallbacks", "no region of the module serves faults");
	}
	if (kind == KIND_ARENA) {
		mmlab_report(c, "retries", (double)counts.arena[MMLAB_ARENA_STAT_RETRIES]);
		mmlab_report(c, "pending-inserts", (double)counts.arena[MMLAB_ARENA_STAT_PENDING_INSERTS]);
		mmlab_report(c, "pending-searched", (double)counts.arena[MMLAB_ARENA_STAT_PENDING_SEARCHED]);
	} else {
		mmlab_report_missing(c, "retries", "not an arena");
		mmlab_report_missing(c, "pending-inserts", "not an arena");
		mmlab_report_missing(c, "pending-searched", "not an arena");
	}
	return 0;
}

static int faultmix_verify(struct mmlab_case *c)
{
	return proof_verify(mmlab_state(c));
}

static void faultmix_teardown(struct mmlab_case *c)
{
	struct faultmix *f = mmlab_state(c);

	if (!f)
		return;
	f->crew = crew_close(f->crew);
	(void)mmlab_peer_close(&f->neighbour, true);
	if (f->crew)
		return;
	mmlab_map_close(&f->arena);
	mmlab_map_close(&f->ballast);
	f->fd = mmlab_close(f->fd);
	f->source = mmlab_close(f->source);
	free(f);
}

static bool faultmix_unmeant(const struct mmlab_case *c)
{
	const struct faultmix_ops *ops = mmlab_ops(c);
	cpu_set_t usable;

	if (ops->kind != KIND_ARENA && mmlab_param(c, "pending") != MMLAB_ARENA_PENDING_NONE)
		return true;
	if (mmlab_param(c, "writes") == 100 && mmlab_param(c, "aborts"))
		return true;
	return !sched_getaffinity(0, sizeof(usable), &usable) &&
	       mmlab_param(c, "threads") > 2 * (uint64_t)CPU_COUNT(&usable);
}

static const struct mmlab_axis faultmix_axes[] = {
	{ .name = "threads",
	  .summary = "workers, up to two on each CPU",
	  .kind = MMLAB_AXIS_NUMBER,
	  .quick = "2",
	  .full = "1,2,4,8,16,32,64,128,256",
	  .min = 1,
	  .max = 1024 },
	{ .name = "layout",
	  .summary = "the areas of all workers are one mapping, or each is one",
	  .kind = MMLAB_AXIS_WORD,
	  .words = "shared,each",
	  .quick = "shared",
	  .full = "shared,each" },
	{ .name = "writes",
	  .summary = "percent of a worker's operations that map and unmap; the others are faults",
	  .kind = MMLAB_AXIS_NUMBER,
	  .quick = "10",
	  .full = "0,50",
	  .min = 0,
	  .max = 100 },
	{ .name = "mappers",
	  .summary = "threads beside the workers that do nothing but map and unmap",
	  .kind = MMLAB_AXIS_NUMBER,
	  .quick = "1",
	  .full = "0,1",
	  .min = 0,
	  .max = 256 },
	{ .name = "holder",
	  .summary =
		  "who holds the lock for long: nobody; a thread that populates 64 MiB, or forks, again and again; one "
		  "that holds it for 10 ms of each 20, also at low priority on a busy CPU; for one second, once, also "
		  "with that of the workers' mapping",
	  .kind = MMLAB_AXIS_WORD,
	  .words = "none,populate,fork,hold,idle,second,second-same",
	  .quick = "none",
	  .full = "none" },
	{ .name = "access",
	  .summary = "who touches a page: the worker, or the kernel in a read(2) of its",
	  .kind = MMLAB_AXIS_WORD,
	  .words = "user,kernel",
	  .quick = "user",
	  .full = "user" },
	{ .name = "aborts",
	  .summary = "percent of faults before which the worker sets the protection of a page of its mapping",
	  .kind = MMLAB_AXIS_NUMBER,
	  .quick = "0",
	  .full = "0",
	  .min = 0,
	  .max = 100 },
	{ .name = "pending",
	  .summary = "arenas: how faults register instead of holding the lock",
	  .kind = MMLAB_AXIS_WORD,
	  .words = "none,list,hash,cpu",
	  .quick = "none",
	  .full = "none" },
	{ .name = "ops",
	  .summary = "operations of each worker, in each of both parts",
	  .kind = MMLAB_AXIS_NUMBER,
	  .quick = "300",
	  .full = "2000",
	  .min = 10,
	  .max = 100000 },
	{ .name = "period",
	  .summary = "microseconds between intended starts of a thread's operations, in the open part",
	  .kind = MMLAB_AXIS_NUMBER,
	  .quick = "400",
	  .full = "1000",
	  .min = 1,
	  .max = 1000000 },
	{ 0 },
};

static const struct mmlab_metric faultmix_metrics[] = {
	{ .name = "closed", .unit = "ns", .kind = MMLAB_TIME, .part = true },
	{ .name = "fault-rate", .unit = "1/s", .kind = MMLAB_RATE, .higher_is_better = true },
	{ .name = "write-rate", .unit = "1/s", .kind = MMLAB_RATE, .higher_is_better = true },
	{ .name = "fault-p50", .unit = "ns", .kind = MMLAB_TIME },
	{ .name = "fault-p99", .unit = "ns", .kind = MMLAB_TIME },
	{ .name = "fault-p999", .unit = "ns", .kind = MMLAB_TIME },
	{ .name = "fault-max", .unit = "ns", .kind = MMLAB_TIME },
	{ .name = "write-p50", .unit = "ns", .kind = MMLAB_TIME },
	{ .name = "write-p99", .unit = "ns", .kind = MMLAB_TIME },
	{ .name = "write-p999", .unit = "ns", .kind = MMLAB_TIME },
	{ .name = "write-max", .unit = "ns", .kind = MMLAB_TIME },
	{ .name = "worker-sleeps", .unit = "sleeps", .kind = MMLAB_COUNT },
	{ .name = "mapper-sleeps", .unit = "sleeps", .kind = MMLAB_COUNT },
	{ .name = "worker-off-cpu", .unit = "ns", .kind = MMLAB_TIME },
	{ .name = "mapper-off-cpu", .unit = "ns", .kind = MMLAB_TIME },
	{ .name = "fault-locks", .unit = "locks", .kind = MMLAB_COUNT },
	{ .name = "fault-lock-waits", .unit = "waits", .kind = MMLAB_COUNT },
	{ .name = "fault-lock-wait", .unit = "ns", .kind = MMLAB_TIME },
	{ .name = "write-locks", .unit = "locks", .kind = MMLAB_COUNT },
	{ .name = "write-lock-waits", .unit = "waits", .kind = MMLAB_COUNT },
	{ .name = "write-lock-wait", .unit = "ns", .kind = MMLAB_TIME },
	{ .name = "holds", .unit = "holds", .kind = MMLAB_COUNT },
	{ .name = "touch-faults", .unit = "faults", .kind = MMLAB_COUNT, .exact = true },
	{ .name = "speculative", .unit = "faults", .kind = MMLAB_COUNT },
	{ .name = "raced", .unit = "faults", .kind = MMLAB_COUNT },
	{ .name = "fallbacks", .unit = "faults", .kind = MMLAB_COUNT },
	{ .name = "retries", .unit = "faults", .kind = MMLAB_COUNT },
	{ .name = "pending-inserts", .unit = "faults", .kind = MMLAB_COUNT },
	{ .name = "pending-searched", .unit = "lists", .kind = MMLAB_COUNT },
	{ 0 },
};

#define ARENAS	  "arena-rwsem,arena-tree,arena-list,arena-split"
#define AXES(...) ((const char *const[]){ __VA_ARGS__, NULL })

static const struct mmlab_preset faultmix_presets[] = {
	{ .name = "mix",
	  .summary = "from pure faults to pure mapping and unmapping",
	  .axes = AXES("threads=1,2,4", "writes=0,1,10,50,90,100", "mappers=0") },
	{ .name = "mappers",
	  .summary = "faults beside threads that map and unmap, in both layouts",
	  .axes = AXES("threads=1,2,4", "writes=0", "mappers=0,1,4", "layout=shared,each", "ops=1000") },
	{ .name = "holders",
	  .summary = "faults beside somebody who holds the lock for long",
	  .axes = AXES("threads=1", "writes=0", "mappers=0", "holder=none,populate,fork,hold,idle", "layout=shared") },
	{ .name = "second",
	  .summary = "faults while the lock is held for one second",
	  .axes = AXES("threads=1", "writes=0", "mappers=0", "holder=second,second-same", "layout=shared",
		       "access=user,kernel", "ops=1000", "period=1000") },
	{ .name = "tax",
	  .summary = "one thread alone: what each way costs where nothing is to be gained, best with --deterministic",
	  .axes = AXES("threads=1", "writes=0,100", "mappers=0", "layout=shared", "pending=none,list,hash,cpu") },
	{ .name = "pending",
	  .summary = "what registering faults costs, by how it is done",
	  .contenders = ARENAS,
	  .axes = AXES("threads=1,2,4", "writes=0,10", "mappers=0,1", "layout=shared", "pending=none,list,hash,cpu") },
	{ .name = "aborts",
	  .summary = "half of all speculation fails",
	  .contenders = "stock,normal,speculative",
	  .axes = AXES("threads=1,2", "writes=0", "mappers=0", "layout=each", "aborts=0,10,50") },
	{ .name = "costs",
	  .summary = "what scripts/simulate is driven by, and checked against",
	  .axes = AXES("threads=1,2,4", "writes=0,50,100", "mappers=0,1,2", "layout=shared",
		       "pending=none,list,hash,cpu", "ops=1000") },
	{ .name = "deterministic",
	  .summary = "one point for every contender: for scripts/bench --deterministic",
	  .axes = AXES("threads=1", "writes=0", "mappers=0", "layout=shared") },
	{ 0 },
};

const struct mmlab_scenario faultmix_scenario = {
	.name = "faultmix",
	.question =
		"How do page faults, mapping and unmapping on disjoint ranges of one address space get on beside each "
		"other, and what does each way of locking cost when there is nothing to gain?",
	.op = "a worker touches a page for the first time, or maps and unmaps 64 KiB; `threads` of them at once",
	.excluded = "mapping the workers' areas; starting threads; the open part, whose operations wait for their turn",
	.proof = "every page was zero and keeps its stamp; page faults of the workers equal the computed number; the "
		 "module counts each fault and command once, on the intended path, and all pages come back",
	.axes = faultmix_axes,
	.metrics = faultmix_metrics,
	.presets = faultmix_presets,
	.contenders = faultmix_contenders,
	.baseline = "stock",
	.columns = "threads",
	.once = true,
	.unmeant = faultmix_unmeant,
	.setup = faultmix_setup,
	.run = faultmix_run,
	.observe = faultmix_observe,
	.verify = faultmix_verify,
	.teardown = faultmix_teardown,
};
