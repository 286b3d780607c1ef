// SPDX-License-Identifier: MIT
/*
 * Scenario `lock`: giving and taking back access to a populated buffer, by one process, without anybody to hand it to.
 *
 * The buffer lies at a fixed address that is a multiple of 1 GiB, so that upper-level entries, huge pages and
 * fault-around windows fall the same way in every process: the counts must repeat. One page behind it stays mapped and
 * touched, as a real heap always has neighbours: a fresh mapping pays for the last level of page tables only, up to
 * 1 GiB.
 */
#include "lock.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>

#include "access.h"
#include "buffer.h"
#include "cleanup.h"
#include "crew.h"
#include "procfs.h"

/* Far from where kernels and sanitizers put anything; a multiple of 1 GiB. */
#define PLACE ((char *)0x300000000000)

/* Operations over which the module's counters are compared; times that access after the operation is tried. */
#define PROOF_OPS   5
#define PROOF_TRIES 16

struct state {
	struct lock l;
	struct mmlab_map neighbour;
};

uint64_t lock_faults_none(const struct lock *l)
{
	(void)l;
	return 0;
}

uint64_t lock_faults_per_page(const struct lock *l)
{
	return l->n_pages;
}

uint64_t lock_memory_bytes(const struct mmlab_case *c)
{
	return mmlab_param(c, "size") + mmlab_param(c, "size") / 4 + (64 << 20);
}

static struct lock *lock_of(const struct mmlab_case *c)
{
	return &((struct state *)mmlab_state(c))->l;
}

static int give(struct lock *l)
{
	const struct lock_ops *ops = mmlab_ops(l->c);

	return ops->grant ? ops->grant(l) : 0;
}

static int take(struct lock *l)
{
	const struct lock_ops *ops = mmlab_ops(l->c);

	return ops->revoke(l);
}

static int lock_run(struct mmlab_case *c, uint64_t n)
{
	const struct lock_ops *ops = mmlab_ops(c);
	struct lock *l = lock_of(c);
	bool touch = l->touch || ops->lazy;

	for (; n; n--) {
		int r = give(l);

		if (!r) {
			if (touch)
				lock_touch(l);
			r = take(l);
		}
		if (r < 0)
			return mmlab_fail(c, r, "giving and taking back access");
	}
	return 0;
}

/* Keeps the upper levels of page tables alive: see the head of this file. */
static int map_neighbour(struct state *state)
{
	struct lock *l = &state->l;
	char *behind = l->addr + (l->bytes + LOCK_HUGE_BYTES - 1) / LOCK_HUGE_BYTES * LOCK_HUGE_BYTES + LOCK_HUGE_BYTES;
	char *base = mmap(behind, l->page_bytes, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE | MAP_POPULATE, -1, 0);

	if (base == MAP_FAILED)
		return -errno;
	state->neighbour = (struct mmlab_map){ .base = base, .bytes = l->page_bytes, .addr = base };
	return 0;
}

static void lock_teardown(struct mmlab_case *c)
{
	const struct lock_ops *ops = mmlab_ops(c);
	struct state *state = mmlab_state(c);

	if (!state)
		return;
	state->l.crew = lock_crew_close(state->l.crew);
	if (ops->close)
		ops->close(&state->l);
	mmlab_map_close(&state->l.map);
	mmlab_close(state->l.fd);
	mmlab_close(state->l.own_fd);
	mmlab_map_close(&state->neighbour);
	access_close();
	free(state);
	mmlab_set_state(c, NULL);
}

static int lock_setup(struct mmlab_case *c)
{
	const struct lock_ops *ops = mmlab_ops(c);
	size_t page_bytes = mmlab_page_bytes();
	unsigned int n_threads = (unsigned int)mmlab_param(c, "threads");
	struct state *state = calloc(1, sizeof(*state));
	struct lock *l;
	int r;

	if (!state)
		return mmlab_fail(c, -ENOMEM, "state");
	mmlab_set_state(c, state);
	l = &state->l;
	*l = (struct lock){ .c = c, .addr = PLACE, .page_bytes = page_bytes, .stamp = 0x5a, .fd = -1, .own_fd = -1 };
	l->n_pages = (mmlab_param(c, "size") + page_bytes - 1) / page_bytes;
	l->bytes = l->n_pages * page_bytes;
	l->touch = !strcmp(mmlab_param_word(c, "touch"), "pages");

	if (prctl(PR_SET_THP_DISABLE, !ops->huge, 0, 0, 0))
		return mmlab_fail(c, -errno, "prctl(PR_SET_THP_DISABLE)");
	r = access_open();
	if (!r)
		r = map_neighbour(state);
	if (!r)
		r = ops->open(l);
	if (r > 0)
		return r;
	if (!r && n_threads > 1)
		r = lock_crew_open(&l->crew, n_threads - 1);
	return r < 0 ? mmlab_fail(c, r, "preparing the buffer") : 0;
}

/* Bytes of page tables that this process has, as the kernel accounts them. */
static int table_bytes(uint64_t *ret)
{
	return mmlab_field_read(ret, "/proc/self/status", "VmPTE");
}

static int observe_tables(struct lock *l)
{
	uint64_t given = 0, taken = 0;
	int r = give(l);

	if (!r) {
		lock_touch(l);
		r = table_bytes(&given);
	}
	if (!r)
		r = take(l);
	if (!r)
		r = table_bytes(&taken);
	if (r < 0)
		return mmlab_fail(l->c, r, "bytes of page tables");
	mmlab_report(l->c, "page-tables", (double)given - (double)taken);
	return 0;
}

static int lock_observe(struct mmlab_case *c)
{
	const struct lock_ops *ops = mmlab_ops(c);
	struct lock *l = lock_of(c);
	struct buffer_counts counts;
	int r = observe_tables(l);

	if (r)
		return r;
	if (!ops->buffer) {
		mmlab_report_missing(c, "pmds", "the stock kernel does not count them");
		mmlab_report_missing(c, "puds", "the stock kernel does not count them");
		mmlab_report_missing(c, "flushes", "the stock kernel does not count them exactly");
		return 0;
	}
	r = buffer_counts_read(&counts);
	if (!r)
		r = lock_run(c, PROOF_OPS);
	if (!r)
		r = buffer_counts_since(&counts);
	if (r < 0)
		return mmlab_fail(c, r, "counters of the module");
	r = buffer_check(l, ops->buffer, &counts, PROOF_OPS);
	if (r)
		return r;
	mmlab_report(c, "pmds", (double)counts.n[MMLAB_LOCKBUF_STAT_PMDS_DETACHED] / PROOF_OPS);
	mmlab_report(c, "puds", (double)counts.n[MMLAB_LOCKBUF_STAT_PUDS_DETACHED] / PROOF_OPS);
	mmlab_report(c, "flushes", (double)buffer_flushes(&counts) / PROOF_OPS);
	return 0;
}

/* A different byte for each page; none of them zero. */
static char content_of(size_t page)
{
	return (char)((page * 7 + (page >> 8) * 13) | 1);
}

/* What an owner wrote must be there for the next one, or be gone where that is what the contender does. */
static int verify_content(struct lock *l)
{
	const struct lock_ops *ops = mmlab_ops(l->c);
	int r = give(l);

	if (!r) {
		for (size_t i = 0; i < l->n_pages; i++)
			l->addr[i * l->page_bytes] = content_of(i);
		r = take(l);
	}
	if (!r)
		r = give(l);
	if (r < 0)
		return mmlab_fail(l->c, r, "giving and taking back access");
	for (size_t i = 0; i < l->n_pages; i++) {
		char expected = ops->lossy ? 0 : content_of(i), found = l->addr[i * l->page_bytes];

		if (found != expected)
			return mmlab_fail(l->c, 0, "page %zu holds 0x%02x after the operation, expected 0x%02x", i,
					  (unsigned char)found, (unsigned char)expected);
	}
	r = ops->prove ? ops->prove(l) : 0;
	if (r)
		return r;
	r = take(l);
	return r < 0 ? mmlab_fail(l->c, r, "taking back access") : 0;
}

/* What the caller and the kernel on its behalf may still do, and what not, at one page of the buffer taken back. */
static int verify_own_access(struct lock *l, char *at)
{
	const struct lock_ops *ops = mmlab_ops(l->c);
	enum lock_revokes revokes = ops->revokes;
	bool may_read = revokes == LOCK_REVOKES_NOTHING || revokes == LOCK_REVOKES_WRITES;
	bool may_write = revokes == LOCK_REVOKES_NOTHING;
	int expected = revokes == LOCK_REVOKES_WRITES ? SIGBUS : SIGSEGV;
	int sig;

	if (revokes == LOCK_REVOKES_LATER)
		return 0;
	sig = access_read(at);
	if (sig != (may_read ? 0 : expected))
		return mmlab_fail(l->c, 0, "reading the buffer after it was taken back: signal %d", sig);
	sig = access_write(at, l->stamp);
	if (sig != (may_write ? 0 : expected))
		return mmlab_fail(l->c, 0, "writing the buffer after it was taken back: signal %d", sig);
	if (access_kernel_read(at) != (may_read ? 0 : -EFAULT))
		return mmlab_fail(l->c, 0, "a system call reading the buffer after it was taken back: %s",
				  may_read ? "no access" : "no EFAULT");
	return 0;
}

/*
 * Another thread, on another CPU where there is one, reads a page while it may, so that its TLB knows it, and reads it
 * again once the buffer was taken back. Return: 1 if it still could, 0 if not, or what mmlab_fail() says.
 */
static int try_once(struct lock *l, unsigned int i)
{
	const struct lock_ops *ops = mmlab_ops(l->c);
	bool others = ops->revokes != LOCK_REVOKES_THREAD; /* whose access is not given either */
	char *at = l->addr + i * l->n_pages / PROOF_TRIES * l->page_bytes;
	int r = give(l), sig = 0;

	if (r < 0)
		return mmlab_fail(l->c, r, "giving access");
	lock_touch(l);
	if (others && lock_crew_read(l->crew, at))
		return mmlab_fail(l->c, 0, "another thread can't read the buffer while access is given");
	r = take(l);
	if (r < 0)
		return mmlab_fail(l->c, r, "taking back access");
	if (others)
		sig = lock_crew_read(l->crew, at);
	r = verify_own_access(l, at);
	return r ? r : !sig;
}

static int verify_revoked(struct lock *l)
{
	const struct lock_ops *ops = mmlab_ops(l->c);
	unsigned int n_stale = 0;
	int r = l->crew ? 0 : lock_crew_open(&l->crew, 1);

	if (r)
		return mmlab_fail(l->c, r, "a second thread");
	for (unsigned int i = 0; i < PROOF_TRIES; i++) {
		r = try_once(l, i);
		if (r < 0)
			return r;
		n_stale += (unsigned int)r;
	}
	if (ops->revokes == LOCK_REVOKES_ALL && n_stale)
		return mmlab_fail(l->c, 0, "another thread read the buffer after it was taken back, %u times of %d",
				  n_stale, PROOF_TRIES);
	if (ops->revokes == LOCK_REVOKES_ALL || ops->revokes == LOCK_REVOKES_LATER)
		mmlab_report(l->c, "stale", n_stale * 100.0 / PROOF_TRIES);
	else
		mmlab_report_missing(l->c, "stale", "does not take reading away from all threads");
	return 0;
}

static int lock_verify(struct mmlab_case *c)
{
	const struct lock_ops *ops = mmlab_ops(c);
	struct lock *l = lock_of(c);
	int r;

	if (ops->faults) {
		uint64_t expected = ops->faults(l) * mmlab_counted_ops(c);

		if (mmlab_faults(c) != expected)
			return mmlab_fail(c, 0, "%llu page faults in %llu operations, expected %llu",
					  (unsigned long long)mmlab_faults(c), (unsigned long long)mmlab_counted_ops(c),
					  (unsigned long long)expected);
	}
	r = verify_content(l);
	return r ? r : verify_revoked(l);
}

static bool lock_unmeant(const struct mmlab_case *c)
{
	const struct lock_ops *ops = mmlab_ops(c);

	return (ops->part && strcmp(mmlab_param_word(c, "touch"), "none")) ||
	       (ops->unsized && strcmp(mmlab_param_word(c, "size"), LOCK_DEFAULT_SIZE)) ||
	       (ops->single && mmlab_param(c, "threads") != 1);
}

static const struct mmlab_axis lock_axes[] = {
	{ .name = "size",
	  .summary = "bytes of the buffer, all of them populated",
	  .kind = MMLAB_AXIS_BYTES,
	  .quick = "64K,16M",
	  .full = "4K,64K,1M,16M,64M,256M,1G",
	  .min = 1,
	  .max = 1ULL << 34 },
	{ .name = "touch",
	  .summary = "what is done while access is given: nothing, or a byte of each page is written",
	  .kind = MMLAB_AXIS_WORD,
	  .words = "none,pages",
	  .quick = "none",
	  .full = "none,pages" },
	{ .name = "threads",
	  .summary = "threads of the process; those beyond the first spin on other CPUs",
	  .kind = MMLAB_AXIS_NUMBER,
	  .quick = "1",
	  .full = "1,2,4",
	  .min = 1,
	  .max = 64 },
	{ 0 },
};

static const struct mmlab_metric lock_metrics[] = {
	{ .name = "pmds", .unit = "entries", .kind = MMLAB_COUNT, .exact = true },
	{ .name = "puds", .unit = "entries", .kind = MMLAB_COUNT, .exact = true },
	{ .name = "flushes", .unit = "flushes", .kind = MMLAB_COUNT, .exact = true },
	{ .name = "page-tables", .unit = "bytes", .kind = MMLAB_BYTES, .exact = true },
	{ .name = "stale", .unit = "percent", .kind = MMLAB_COUNT },
	{ 0 },
};

static const struct mmlab_preset lock_presets[] = {
	{ .name = "growth",
	  .summary = "how the cost grows with the buffer, for the mechanism, its floor and what the kernel offers",
	  .contenders = "floor,flush-range,lock-range,lock-cpumask,lock-all,lock-noflush,memfd-fresh,mprotect",
	  .axes = (const char *const[]){ "size=64K,1M,16M,64M", "touch=none", "threads=1", NULL } },
	{ .name = "touch",
	  .summary = "the same with every page written while access is given",
	  .axes = (const char *const[]){ "size=64K,16M", "touch=none,pages", "threads=1", NULL } },
	{ .name = "flush",
	  .summary = "what reaching the TLBs of other threads costs, by strategy",
	  .contenders =
		  "floor,flush-range,flush-cpumask,flush-all,lock-range,lock-cpumask,lock-all,lock-noflush,mprotect",
	  .axes = (const char *const[]){ "size=64K,16M", "touch=none,pages", "threads=1,2,4", NULL } },
	{ .name = "deterministic",
	  .summary = "one point for every contender: for scripts/bench --deterministic",
	  .axes = (const char *const[]){ "size=64K", "touch=pages", "threads=1", NULL } },
	{ 0 },
};

const struct mmlab_scenario lock_scenario = {
	.name = "lock",
	.question =
		"What does giving and taking back access to a populated buffer cost, by size, and what is the floor?",
	.op = "give access to a buffer of `size` bytes, touch it or not, and take the access back",
	.excluded = "creating and populating the buffer, but where that is what the contender does each time",
	.proof =
		"after each operation accesses by the same and by another thread end as the contender says; content is "
		"kept; page faults equal the computed number; the module attaches and detaches one entry per 2 MiB",
	.axes = lock_axes,
	.metrics = lock_metrics,
	.presets = lock_presets,
	.contenders = lock_contenders,
	.floor = "floor",
	.baseline = "memfd-fresh",
	.columns = "size",
	.count_ops = 1,
	.unmeant = lock_unmeant,
	.setup = lock_setup,
	.run = lock_run,
	.observe = lock_observe,
	.verify = lock_verify,
	.teardown = lock_teardown,
};
