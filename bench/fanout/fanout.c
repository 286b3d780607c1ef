// SPDX-License-Identifier: MIT
/*
 * Scenario `fanout`: many processes use the same memory.
 *
 * One operation is the life of a crowd: guests attach memory that the creator has filled, touch every page, do what
 * processes do with it, and are killed. Each part is timed from the gate's opening until the last guest is through. The
 * memory lies at a fixed address, alone in its tables of all levels, so that counts repeat and can be computed.
 */
#include "fanout.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <time.h>

#include "beside.h"
#include "cleanup.h"
#include "guest.h"
#include "procfs.h"
#include "tables.h"

/* Far from where kernels and sanitizers put anything; a multiple of 512 GiB. Guests that lie apart follow it. */
#define PLACE ((char *)0x300000000000)

/* The kernel's default of fault_around_bytes. */
#define AROUND_BYTES 65536

/* What a process that does nothing takes, measured on kernels 6.1 and 6.12 (docs/fanout.md), and a reserve. */
#define PROCESS_BYTES ((uint64_t)400 << 10)
#define THREAD_BYTES  ((uint64_t)40 << 10)
#define SPARE_BYTES   ((uint64_t)96 << 20)

/* Protection changes beside which an unrelated process is watched, fewer the more guests there are. */
#define CHANGES	    400 /* by all guests */
#define MAX_CHANGES 100
#define MIN_CHANGES 4
#define IDLE_NS	    20000000

const struct fanout_ops *fanout_ops(const struct fanout *f)
{
	return mmlab_ops(f->c);
}

static struct fanout *fanout_of(const struct mmlab_case *c)
{
	return mmlab_state(c);
}

static size_t round_up(size_t bytes, size_t unit)
{
	return (bytes + unit - 1) / unit * unit;
}

char *fanout_creator_place(const struct fanout *f)
{
	return PLACE + (fanout_ops(f)->askew ? FANOUT_CHUNK_BYTES : 0);
}

char *fanout_place(const struct fanout *f, unsigned int guest)
{
	size_t apart = fanout_ops(f)->apart ? (guest + 1) * round_up(f->map_bytes, FANOUT_GIB) : 0;

	return fanout_creator_place(f) + apart;
}

uint64_t fanout_memory_bytes(const struct mmlab_case *c)
{
	const struct fanout_ops *ops = mmlab_ops(c);
	uint64_t bytes = mmlab_param(c, "size"), n = mmlab_param(c, "procs");
	uint64_t tables = ops->leaf == FANOUT_PTES ? bytes / 512 : 0;

	return bytes + bytes / 512 + SPARE_BYTES + n * (ops->threads ? THREAD_BYTES : PROCESS_BYTES + tables);
}

static bool is_word(const struct mmlab_case *c, const char *axis, const char *word)
{
	return !strcmp(mmlab_param_word(c, axis), word);
}

/* All CPUs that the run may use: this process is pinned already, the one that steers the run is not. */
static unsigned int usable_cpus(int *ret, unsigned int max)
{
	unsigned int n = 0;
	cpu_set_t usable;

	if (sched_getaffinity(getppid(), sizeof(usable), &usable))
		return 0;
	for (int cpu = 0; cpu < CPU_SETSIZE && n < max; cpu++)
		if (CPU_ISSET(cpu, &usable))
			ret[n++] = cpu;
	return n;
}

static int read_counts(const struct fanout *f, uint64_t *ret)
{
	if (!fanout_ops(f)->module)
		return 0;
	return mmlab_stats(MMLAB_MECH_MSHARE, ret, MMLAB_MSHARE_N_STATS) < 0 ? -errno : 0;
}

static void fanout_teardown(struct mmlab_case *c)
{
	struct fanout *f = fanout_of(c);

	if (!f)
		return;
	f->crowd = mmlab_crowd_close(f->crowd);
	mmlab_map_close(&f->map);
	if (fanout_ops(f)->close)
		fanout_ops(f)->close(f);
	mmlab_close(f->fd);
	mmlab_close(f->zero_fd);
	f->beside = beside_close(f->beside);
	if (f->board)
		(void)munmap(f->board, f->board_bytes);
	free(f);
	mmlab_set_state(c, NULL);
}

static int create_memory(struct fanout *f)
{
	const struct fanout_ops *ops = fanout_ops(f);
	int r = fanout_tables_init(f);

	if (!r)
		r = fanout_tables_read(f, &f->before);
	if (!r)
		r = ops->create(f);
	if (r)
		return r;
	fanout_fill(f);
	r = fanout_tables_read(f, &f->filled);
	if (!r && ops->huge && !ops->hugetlb && f->filled.creator - f->before.creator > fanout_tables_own(f))
		return mmlab_skip(
			f->c,
			"the kernel gives small pages instead of transparent huge ones; memory may be too fragmented");
	return r;
}

static int fanout_setup(struct mmlab_case *c)
{
	struct fanout *f = calloc(1, sizeof(*f));
	char reason[200];
	int r;

	if (!f)
		return mmlab_fail(c, -ENOMEM, "state");
	mmlab_set_state(c, f);
	*f = (struct fanout){
		.c = c, .n = (unsigned int)mmlab_param(c, "procs"), .page_bytes = mmlab_page_bytes(), .fd = -1
	};
	f->bytes = round_up(mmlab_param(c, "size"), FANOUT_CHUNK_BYTES);
	f->map_bytes = round_up(f->bytes, fanout_ops(f)->shares_pmds ? FANOUT_GIB : FANOUT_CHUNK_BYTES);
	f->writes = is_word(c, "access", "write");
	f->zero_fd = open("/dev/zero", O_RDONLY | O_CLOEXEC);
	if (f->zero_fd < 0)
		return mmlab_fail(c, -errno, "/dev/zero");
	if (!mmlab_crowd_limit(f->n + 1, reason, sizeof(reason)))
		return mmlab_skip(c, "%s", reason);

	r = fanout_board_open(f);
	if (!r)
		r = beside_open(&f->beside, c);
	if (!r)
		r = create_memory(f);
	return r < 0 ? mmlab_fail(c, r, "preparing the memory") : r;
}

/*
 * Guests that attach the memory by themselves must not have it already. Afterwards the creator's mapping is to be like
 * theirs again, or hugetlb would not share; the module's cannot be changed back, and need not.
 */
static int open_crowd(struct fanout *f, const struct mmlab_crowd_plan *plan)
{
	const struct fanout_ops *ops = fanout_ops(f);
	int r = 0;

	if (ops->attach && madvise(f->map.base, f->map.bytes, MADV_DONTFORK))
		r = -errno;
	if (!r)
		r = mmlab_crowd_open(&f->crowd, plan);
	if (!r && ops->attach && !ops->module && madvise(f->map.base, f->map.bytes, MADV_DOFORK))
		r = -errno;
	return r;
}

static int start_guests(struct fanout *f)
{
	int cpus[64];
	struct mmlab_crowd_plan plan = {
		.n = f->n, .threads = fanout_ops(f)->threads, .act = fanout_act, .arg = f, .cpus = cpus
	};
	int r;

	if (is_word(f->c, "place", "all"))
		plan.n_cpus = usable_cpus(cpus, sizeof(cpus) / sizeof(*cpus));
	r = open_crowd(f, &plan);
	if (r == -EAGAIN || r == -ENOMEM)
		return mmlab_fail(f->c, r,
				  "starting %u processes; a limit on processes (pids.max, ulimit -u) or memory", f->n);
	return r ? mmlab_fail(f->c, r, "starting %u processes", f->n) : fanout_step(f, STEP_REHEARSE);
}

/* Between parts: what there is, and that it has been reached in the intended way. */
static int look(struct fanout *f, struct fanout_tables *ret_tables)
{
	int r = fanout_tables_read(f, ret_tables);

	return r ? mmlab_fail(f->c, r, "reading page tables") : 0;
}

static int look_at_start(struct fanout *f)
{
	int r = read_counts(f, f->counts);

	return r ? mmlab_fail(f->c, r, "counters of the module") : look(f, &f->started);
}

static int look_at_touched(struct fanout *f)
{
	uint64_t now[MMLAB_MSHARE_N_STATS] = { 0 };
	struct mmlab_smaps smaps;
	char path[40];
	int r = read_counts(f, now);

	for (size_t i = 0; i < MMLAB_MSHARE_N_STATS; i++)
		f->counts[i] = now[i] - f->counts[i];
	if (!r && fanout_ops(f)->module && mmlab_mshare_info(f->map.base, &f->info) < 0)
		r = -errno;
	(void)snprintf(path, sizeof(path), "/proc/%d/smaps",
		       fanout_ops(f)->threads ? (int)getpid() : mmlab_crowd_pid(f->crowd, 0));
	if (!r)
		r = mmlab_smaps_read_file(&smaps, path, (uintptr_t)fanout_place(f, 0), f->map_bytes);
	if (r)
		return mmlab_fail(f->c, r, "what is known of the memory");
	mmlab_report(f->c, "rss-each", (double)smaps.rss);
	mmlab_report(f->c, "pss-each", (double)smaps.pss);
	return look(f, &f->touched);
}

/* Takes writing away and gives it back; the part that is timed is taking. All must obey both. */
static int change(struct fanout *f, const char *metric, size_t offset, size_t bytes)
{
	int r;

	(void)mmlab_lap(f->c, NULL, 1);
	r = fanout_protect(f, offset, bytes, PROT_READ);
	(void)mmlab_lap(f->c, metric, 1);
	if (!r)
		r = fanout_probe(f);
	if (!r)
		r = fanout_protect(f, offset, bytes, PROT_READ | PROT_WRITE);
	return r ? r : fanout_probe(f);
}

/*
 * Changing a part of a mapping splits it. For hugetlb Linux 6.1 drops the sharing of tables then without the lock that
 * this takes (lock checking reports it in hugetlb_split), which thousands of processes at once should not try.
 */
static size_t smallest_change(const struct fanout *f)
{
	return fanout_ops(f)->hugetlb ? f->map_bytes : f->page_bytes;
}

static int change_page(struct fanout *f)
{
	if (!fanout_ops(f)->hugetlb)
		return change(f, "protect-page", 0, smallest_change(f));
	mmlab_report_missing(f->c, "protect-page", "splitting a mapping of hugetlb is not safe on all kernels");
	return 0;
}

/* How often a protection changes while an unrelated process is watched. */
static unsigned int changes(const struct fanout *f)
{
	unsigned int n = CHANGES / f->n;

	return n < MIN_CHANGES ? MIN_CHANGES : n > MAX_CHANGES ? MAX_CHANGES : n;
}

static void report_no_beside(struct fanout *f, const char *reason)
{
	mmlab_report_missing(f->c, "change", reason);
	mmlab_report_missing(f->c, "beside", reason);
	mmlab_report_missing(f->c, "interrupts", reason);
}

/*
 * Protections change, and an unrelated process is busy: how long does a change take, and how long does the progress
 * that it makes in that time take it when it is left alone? What is between the two is what it loses.
 */
static int watch_beside(struct fanout *f)
{
	unsigned int n = changes(f);
	uint64_t turns, calls_before = 0, calls_after = 0, idle_ns, busy_ns;
	double turn_ns;
	int r;

	turns = beside_progress(f->beside);
	(void)mmlab_lap(f->c, NULL, 1);
	(void)nanosleep(&(struct timespec){ .tv_nsec = IDLE_NS }, NULL);
	idle_ns = mmlab_lap(f->c, NULL, 1);
	turn_ns = (double)idle_ns / (double)(beside_progress(f->beside) - turns);

	r = beside_interrupts(f->beside, &calls_before);
	if (r) {
		report_no_beside(f, "/proc/interrupts does not tell of calls by other CPUs");
		return 0;
	}
	turns = beside_progress(f->beside);
	(void)mmlab_lap(f->c, NULL, 1);
	for (unsigned int i = 0; i < n && !r; i++)
		r = fanout_protect(f, 0, smallest_change(f), i % 2 ? PROT_READ | PROT_WRITE : PROT_READ);
	busy_ns = mmlab_lap(f->c, NULL, 1);
	turns = beside_progress(f->beside) - turns;
	if (r)
		return r;
	r = beside_interrupts(f->beside, &calls_after);
	if (r)
		return mmlab_fail(f->c, r, "/proc/interrupts");
	mmlab_report(f->c, "change", (double)busy_ns / n);
	mmlab_report(f->c, "beside", (double)turns * turn_ns / n);
	mmlab_report(f->c, "interrupts", (double)(calls_after - calls_before) / n);
	return 0;
}

static int look_beside(struct fanout *f)
{
	const char *missing;
	int r;

	if (is_word(f->c, "place", "all")) {
		report_no_beside(f, "guests run on all CPUs");
		return 0;
	}
	r = beside_run(f->beside, true);
	if (r)
		return mmlab_fail(f->c, r, "the unrelated process has ended");
	missing = beside_missing(f->beside);
	if (missing)
		report_no_beside(f, missing);
	else
		r = watch_beside(f);
	if (r)
		return r;
	r = beside_run(f->beside, false);
	return r ? mmlab_fail(f->c, r, "the unrelated process has ended") : 0;
}

static int live(struct fanout *f)
{
	struct mmlab_case *c = f->c;
	int r = start_guests(f);

	if (!r)
		r = look_at_start(f);
	if (r)
		return r;

	(void)mmlab_lap(c, NULL, 1);
	r = fanout_step(f, STEP_ATTACH);
	(void)mmlab_lap(c, "attach", 1);
	if (!r)
		r = fanout_step(f, STEP_TOUCH);
	(void)mmlab_lap(c, "touch", 1);
	if (!r)
		r = look_at_touched(f);
	(void)mmlab_lap(c, NULL, 1);
	if (!r)
		r = fanout_step(f, STEP_AGAIN);
	(void)mmlab_lap(c, "again", 1);
	if (!r)
		r = fanout_step(f, STEP_FORK);
	(void)mmlab_lap(c, "fork", FANOUT_FORKS);
	if (!r)
		r = change_page(f);
	if (!r)
		r = change(f, "protect-all", 0, f->map_bytes);
	return r ? r : look_beside(f);
}

static uint64_t faults_of_children(void)
{
	struct rusage usage;

	(void)getrusage(RUSAGE_CHILDREN, &usage);
	return (uint64_t)(usage.ru_minflt + usage.ru_majflt);
}

static int fanout_run(struct mmlab_case *c, uint64_t n)
{
	struct fanout *f = fanout_of(c);
	uint64_t faults = faults_of_children();
	int r = live(f);

	(void)n; /* always one: the scenario does it once */
	if (r)
		return r;
	(void)mmlab_lap(c, NULL, 1);
	r = mmlab_crowd_end(f->crowd, &f->end);
	(void)mmlab_lap(c, "exit", 1);
	if (r)
		return mmlab_fail(c, r, "ending %u processes", f->n);
	faults = faults_of_children() - faults;
	if (f->end.n != f->n || (!fanout_ops(f)->threads && f->end.n_faults != faults))
		return mmlab_fail(c, 0, "%u of %u processes ended, with %llu page faults in sum; the kernel says %llu",
				  f->end.n, f->n, (unsigned long long)f->end.n_faults, (unsigned long long)faults);
	f->crowd = mmlab_crowd_close(f->crowd);
	return look(f, &f->ended);
}

/* Page faults of one guest, in attaching and touching. */
static uint64_t faults_expected(const struct fanout *f)
{
	const struct fanout_ops *ops = fanout_ops(f);

	if (ops->threads)
		return 0;
	if (ops->shares_pmds)
		return (f->bytes + FANOUT_GIB - 1) / FANOUT_GIB;
	if (ops->huge || ops->module)
		return f->bytes / FANOUT_CHUNK_BYTES;
	return f->bytes / (f->writes ? f->page_bytes : AROUND_BYTES);
}

static int verify_faults(struct fanout *f)
{
	uint64_t expected = faults_expected(f);

	for (unsigned int i = 0; i < f->n; i++)
		if (f->board->faults[i] != expected)
			return mmlab_fail(f->c, 0,
					  "guest %u of %u took %llu page faults to attach and touch, expected %llu", i,
					  f->n, (unsigned long long)f->board->faults[i], (unsigned long long)expected);
	return 0;
}

static int verify_module(struct fanout *f)
{
	static const struct {
		enum mmlab_mshare_stat stat;
		const char *name;
	} none[] = { { MMLAB_MSHARE_STAT_HOST_FAULTS, "pages looked for" },
		     { MMLAB_MSHARE_STAT_TABLES, "tables made" },
		     { MMLAB_MSHARE_STAT_DETACHED, "entries taken out" },
		     { MMLAB_MSHARE_STAT_DENIED, "faults refused" } };
	uint64_t chunks = f->n * (f->bytes / FANOUT_CHUNK_BYTES);

	for (size_t i = 0; i < sizeof(none) / sizeof(*none); i++)
		if (f->counts[none[i].stat])
			return mmlab_fail(f->c, 0, "the module counts %llu %s, expected none",
					  (unsigned long long)f->counts[none[i].stat], none[i].name);
	if (f->counts[MMLAB_MSHARE_STAT_FAULTS] != chunks || f->counts[MMLAB_MSHARE_STAT_ATTACHED] != chunks ||
	    f->counts[MMLAB_MSHARE_STAT_MMAPS] != f->n)
		return mmlab_fail(
			f->c, 0, "the module counts %llu faults and %llu entries for %u guests, expected %llu each",
			(unsigned long long)f->counts[MMLAB_MSHARE_STAT_FAULTS],
			(unsigned long long)f->counts[MMLAB_MSHARE_STAT_ATTACHED], f->n, (unsigned long long)chunks);
	return 0;
}

static int fanout_observe(struct mmlab_case *c)
{
	struct fanout *f = fanout_of(c);

	mmlab_report(c, "touch-faults", (double)f->board->faults[0]);
	fanout_tables_observe(f);
	return 0;
}

static int fanout_verify(struct mmlab_case *c)
{
	struct fanout *f = fanout_of(c);
	int r = verify_faults(f);

	if (!r && fanout_ops(f)->module)
		r = verify_module(f);
	return r ? r : fanout_tables_verify(f);
}

static const struct mmlab_axis fanout_axes[] = {
	{ .name = "procs",
	  .summary = "guests: processes, or threads, that use the memory",
	  .kind = MMLAB_AXIS_NUMBER,
	  .quick = "1,64",
	  .full = "1,16,64,500,1000,4000,4096",
	  .min = 1,
	  .max = 1000000 },
	{ .name = "size",
	  .summary = "bytes of the memory, all of them present",
	  .kind = MMLAB_AXIS_BYTES,
	  .quick = "16M",
	  .full = "64M,256M,1G",
	  .min = 2 << 20,
	  .max = 1ULL << 34 },
	{ .name = "access",
	  .summary = "the first touch of each page reads it, or writes it",
	  .kind = MMLAB_AXIS_WORD,
	  .words = "read,write",
	  .quick = "read",
	  .full = "read" },
	{ .name = "place",
	  .summary = "where guests run: on one CPU, with the creator, or on all",
	  .kind = MMLAB_AXIS_WORD,
	  .words = "one,all",
	  .quick = "one",
	  .full = "one" },
	{ 0 },
};

static const struct mmlab_metric fanout_metrics[] = {
	{ .name = "attach", .unit = "ns", .kind = MMLAB_TIME, .part = true },
	{ .name = "touch", .unit = "ns", .kind = MMLAB_TIME, .part = true },
	{ .name = "again", .unit = "ns", .kind = MMLAB_TIME },
	{ .name = "fork", .unit = "ns", .kind = MMLAB_TIME },
	{ .name = "protect-page", .unit = "ns", .kind = MMLAB_TIME },
	{ .name = "protect-all", .unit = "ns", .kind = MMLAB_TIME },
	{ .name = "exit", .unit = "ns", .kind = MMLAB_TIME },
	{ .name = "change", .unit = "ns", .kind = MMLAB_TIME },
	{ .name = "beside", .unit = "ns", .kind = MMLAB_TIME, .higher_is_better = true },
	{ .name = "interrupts", .unit = "interrupts", .kind = MMLAB_COUNT },
	{ .name = "touch-faults", .unit = "faults", .kind = MMLAB_COUNT, .exact = true },
	{ .name = "tables-vmpte", .unit = "bytes", .kind = MMLAB_BYTES, .exact = true },
	{ .name = "tables-system", .unit = "bytes", .kind = MMLAB_BYTES },
	{ .name = "tables-module", .unit = "bytes", .kind = MMLAB_BYTES, .exact = true },
	{ .name = "tables-each", .unit = "bytes", .kind = MMLAB_BYTES },
	{ .name = "rss-each", .unit = "bytes", .kind = MMLAB_BYTES },
	{ .name = "pss-each", .unit = "bytes", .kind = MMLAB_BYTES },
	{ 0 },
};

static const struct mmlab_preset fanout_presets[] = {
	{ .name = "scale",
	  .summary = "256 MiB in 1 to 4000 processes: tables, attaching, touching, protections, exit",
	  .contenders = "threads,memfd,thp,hugetlb,hugetlb-shared,shared-pt",
	  .axes = (const char *const[]){ "procs=1,64,500,1000,4000", "size=256M", NULL } },
	{ .name = "costs",
	  .summary = "few processes and much memory, for scripts/scale",
	  .contenders = "threads,memfd,thp,hugetlb-shared,shared-pt",
	  .axes = (const char *const[]){ "procs=1,4,16,32", "size=64M,256M,1G,2G", NULL } },
	{ .name = "forms",
	  .summary = "the forms of the mechanism, and ways to flush, beside each other",
	  .contenders = "threads,memfd,fork,shared-pt,shared-pt-union,shared-pt-each,shared-pt-apart,msharefs,mshare",
	  .axes = (const char *const[]){ "procs=1,64,500", "size=64M", NULL } },
	{ .name = "rivals",
	  .summary = "1 GiB, which the kernel can share as well where it is in huge pages",
	  .contenders = "threads,memfd,thp,hugetlb,hugetlb-shared,shared-pt",
	  .axes = (const char *const[]){ "procs=1,64", "size=1G", NULL } },
	{ .name = "contention",
	  .summary = "guests on one CPU and on all: do faults under one lock of the host scale?",
	  .contenders = "threads,memfd,thp,shared-pt",
	  .axes = (const char *const[]){ "procs=1,2,4,16,64", "size=64M", "place=one,all", NULL } },
	{ .name = "deterministic",
	  .summary = "one point for every contender: for scripts/bench --deterministic",
	  .axes = (const char *const[]){ "procs=2", "size=8M", "place=all", NULL } },
	{ 0 },
};

const struct mmlab_scenario fanout_scenario = {
	.name = "fanout",
	.question = "What does memory that many processes map cost in page tables, in time to attach and touch it, to "
		    "change a protection that all obey, and to end?",
	.op = "`procs` guests attach memory that is there, and touch every page of it",
	.excluded = "starting processes; making and filling the memory; all parts that have a metric of their own",
	.proof =
		"page tables by VmPTE, PageTables and the module agree with each other and with what is computed; page "
		"faults of each guest equal the computed number; all guests read the creator's content and obey each "
		"change",
	.axes = fanout_axes,
	.metrics = fanout_metrics,
	.presets = fanout_presets,
	.contenders = fanout_contenders,
	.floor = "threads",
	.baseline = "memfd",
	.columns = "procs",
	.once = true,
	.setup = fanout_setup,
	.run = fanout_run,
	.observe = fanout_observe,
	.verify = fanout_verify,
	.teardown = fanout_teardown,
};
