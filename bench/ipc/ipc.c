// SPDX-License-Identifier: MIT
/*
 * Scenario `ipc`: a buffer goes from one process to another, and comes back.
 *
 * Both sides map at the same fixed address, a multiple of 2 MiB, so that huge pages, fault-around windows and page
 * tables fall the same way in every process: the counts must repeat. One page nearby stays mapped and touched, as a
 * real process always has neighbours: who maps anew pays for the last level of page tables only.
 */
#include "ipc.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "cleanup.h"
#include "content.h"
#include "proof.h"
#include "wake.h"

/* Far from where kernels and sanitizers put anything; a multiple of 1 GiB. */
#define NEIGHBOUR ((char *)0x200000000000)

const struct ipc_ops *ipc_ops(const struct ipc *p)
{
	return mmlab_ops(p->c);
}

const void *ipc_plan(const struct ipc *p)
{
	return ipc_ops(p)->plan;
}

int ipc_blame(struct ipc *p, const char *fmt, ...)
{
	va_list args;

	if (!atomic_exchange(&p->control->failed, true)) {
		va_start(args, fmt);
		(void)vsnprintf(p->control->blame, sizeof(p->control->blame), fmt, args);
		va_end(args);
	}
	return -EIO;
}

int ipc_fail(struct ipc *p, int e, const char *what)
{
	if (p->control->failed)
		return mmlab_fail(p->c, 0, "%s", p->control->blame);
	return mmlab_fail(p->c, e, "%s", what);
}

/* Each side keeps its own ends of the pairs only, or nobody would see the other one's death. */
static void keep_own_ends(struct ipc *p, int pairs[][2])
{
	for (unsigned int i = 0; i < p->n_readers; i++) {
		int own = p->is_consumer ? (i == p->reader ? 1 : -1) : 0;

		for (int end = 0; end < 2; end++)
			if (end != own)
				pairs[i][end] = mmlab_close(pairs[i][end]);
	}
}

int ipc_pairs(struct ipc *p, int (*make)(int ret_pair[2]))
{
	for (unsigned int i = 0; i < p->n_readers; i++) {
		int e = make(p->there[i]);

		if (e)
			return e;
	}
	return 0;
}

int ipc_there(const struct ipc *p, unsigned int reader)
{
	return p->there[reader][p->is_consumer];
}

static uint64_t faults_now(void)
{
	struct rusage usage;

	(void)getrusage(RUSAGE_SELF, &usage);
	return (uint64_t)(usage.ru_minflt + usage.ru_majflt);
}

/* One operation, as the consumer sees it. */
static int consume_one(struct ipc *p, const struct ipc_ops *ops)
{
	struct ipc_said *said = &p->control->said[p->reader];
	enum ipc_command command;
	int e;

	p->seq++;
	p->sum = 0;
	if (!ops->blocks)
		ipc_await(p);
	e = ops->take ? ops->take(p) : 0;
	command = p->control->command;
	if (!e && command == IPC_WORK) {
		said->digest = ipc_digest(said->digest, p->sum);
	} else if (command == IPC_MARK) {
		said->cpu = sched_getcpu(); /* first: its first call is a page fault, too */
		said->faults = faults_now();
	}
	if (!e && ops->give)
		e = ops->give(p);
	if (!e && command == IPC_PROBE)
		e = ipc_probe(p);
	return e < 0 ? e : ipc_tell_back(p);
}

static int consumer_main(void *arg)
{
	struct ipc *p = arg;
	const struct ipc_ops *ops = ipc_ops(p);
	int e;

	p->is_consumer = true;
	keep_own_ends(p, p->there);
	keep_own_ends(p, p->back);
	p->control->said[p->reader].pid = getpid();
	e = ops->open_consumer ? ops->open_consumer(p) : 0;
	if (e)
		(void)ipc_blame(p, "consumer's side: %s", strerror(-e));
	ipc_tell_ready(p);
	while (!e)
		e = consume_one(p, ops);
	(void)ipc_blame(p, "consumer, transfer %llu: %s", (unsigned long long)p->seq, strerror(-e));
	return e;
}

int ipc_transfer(struct ipc *p, uint64_t n, int (*handed_over)(struct ipc *p))
{
	const struct ipc_ops *ops = ipc_ops(p);

	for (; n; n--) {
		int e;

		p->seq++;
		e = ops->acquire ? ops->acquire(p) : 0;
		if (!e && !ops->empty)
			ipc_fill(p);
		if (!e && ops->release)
			e = ops->release(p);
		if (!e && handed_over)
			e = handed_over(p);
		if (!e && !ops->blocks)
			ipc_tell(p);
		if (!e)
			e = ipc_await_back(p);
		if (e)
			return ipc_fail(p, e, "hand-over");
	}
	return 0;
}

static int ipc_run(struct mmlab_case *c, uint64_t n)
{
	return ipc_transfer(mmlab_state(c), n, NULL);
}

/* The first operation writes everything, so that what the producer leaves alone later is known as well. */
static int prime(struct ipc *p)
{
	enum ipc_producer producer = p->producer;
	int e;

	if (!ipc_ops(p)->fresh && producer == IPC_WRITE_LINES)
		p->producer = IPC_WRITE_ALL;
	e = ipc_transfer(p, 1, NULL);
	p->producer = producer;
	return e;
}

static void ipc_teardown(struct mmlab_case *c)
{
	const struct ipc_ops *ops = mmlab_ops(c);
	struct ipc *p = mmlab_state(c);

	if (!p)
		return;
	for (unsigned int i = 0; i < p->n_readers; i++)
		(void)mmlab_peer_close(&p->peers[i], true);
	if (ops->close)
		ops->close(p);
	for (unsigned int i = 0; i < IPC_MAX_READERS; i++) {
		for (int end = 0; end < 2; end++) {
			(void)mmlab_close(p->there[i][end]);
			(void)mmlab_close(p->back[i][end]);
		}
	}
	(void)mmlab_close(p->fd);
	mmlab_map_close(&p->map);
	mmlab_map_close(&p->buffer);
	mmlab_map_close(&p->neighbour);
	mmlab_map_close(&p->control_map);
	free(p);
	mmlab_set_state(c, NULL);
}

static struct ipc *ipc_new(struct mmlab_case *c)
{
	struct ipc *p = calloc(1, sizeof(*p));

	if (!p)
		return NULL;
	p->c = c;
	p->page_bytes = mmlab_page_bytes();
	p->n_pages = (mmlab_param(c, "size") + p->page_bytes - 1) / p->page_bytes;
	p->bytes = p->n_pages * p->page_bytes;
	p->receiver = (enum ipc_receiver)mmlab_param(c, "receiver");
	p->producer = (enum ipc_producer)mmlab_param(c, "producer");
	p->wake = (enum ipc_wake)mmlab_param(c, "wake");
	p->n_readers = (unsigned int)mmlab_param(c, "readers");
	p->place = NEIGHBOUR + 2 * IPC_HUGE_BYTES;
	p->fd = -1;
	p->n_flushes = -1;
	for (unsigned int i = 0; i < IPC_MAX_READERS; i++)
		for (int end = 0; end < 2; end++)
			p->there[i][end] = p->back[i][end] = -1;
	return p;
}

static int map_own(struct ipc *p)
{
	char *base = mmap(NEIGHBOUR, p->page_bytes, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE | MAP_POPULATE, -1, 0);
	int e;

	if (base == MAP_FAILED)
		return -errno;
	p->neighbour = (struct mmlab_map){ .base = base, .bytes = p->page_bytes, .addr = base };
	e = mmlab_map_open(&p->control_map, sizeof(*p->control), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
			   0);
	if (e)
		return e;
	p->control = (struct ipc_control *)(void *)p->control_map.addr;
	p->control->producer_pid = getpid();
	return 0;
}

static int start_consumers(struct ipc *p)
{
	int e = 0;

	for (unsigned int i = 0; !e && i < p->n_readers && ipc_ops(p)->blocks; i++)
		e = pipe2(p->back[i], O_CLOEXEC) ? -errno : 0;
	for (unsigned int i = 0; !e && i < p->n_readers; i++) {
		p->reader = i;
		e = mmlab_peer_open(&p->peers[i], p->c, consumer_main, p);
	}
	keep_own_ends(p, p->there);
	keep_own_ends(p, p->back);
	return e ? e : ipc_await_ready(p);
}

static int ipc_setup(struct mmlab_case *c)
{
	const struct ipc_ops *ops = mmlab_ops(c);
	struct ipc *p = ipc_new(c);
	int e;

	if (!p)
		return mmlab_fail(c, -ENOMEM, "state");
	mmlab_set_state(c, p);
	(void)signal(SIGPIPE, SIG_IGN); /* a dead consumer is told by errno */
	/* Whatever the machine's setting: a case that means small pages must not get huge ones. */
	if (prctl(PR_SET_THP_DISABLE, ops->pages != IPC_THP, 0, 0, 0))
		return mmlab_fail(c, -errno, "prctl(PR_SET_THP_DISABLE)");
	e = map_own(p);
	if (e)
		return mmlab_fail(c, e, "memory of the scenario");
	e = ops->open_shared ? ops->open_shared(p) : 0;
	if (e)
		return e == MMLAB_SKIP ? e : ipc_fail(p, e, "preparing the contender");
	e = start_consumers(p);
	if (e || p->control->failed)
		return ipc_fail(p, e, "starting the consumers");
	e = ops->open_producer ? ops->open_producer(p) : 0;
	return e ? ipc_fail(p, e, "producer's side") : prime(p);
}

const char *ipc_unfit(const struct mmlab_case *c)
{
	const struct ipc_ops *ops = mmlab_ops(c);

	if (ops->blocks && mmlab_param(c, "wake") == IPC_WAKE_SPIN)
		return "the consumer waits in the kernel's call that brings the data: nothing to spin on";
	if (!ops->many && mmlab_param(c, "readers") > 1)
		return "hands over to one consumer at a time";
	return NULL;
}

uint64_t ipc_memory_bytes(const struct mmlab_case *c)
{
	return (2 + mmlab_param(c, "readers")) * mmlab_param(c, "size") + (16U << 20);
}

/* Spinning and several consumers are looked at apart from the other modes: all at once would be days of measuring. */
static bool ipc_unmeant(const struct mmlab_case *c)
{
	bool spin = mmlab_param(c, "wake") == IPC_WAKE_SPIN, several = mmlab_param(c, "readers") > 1;

	if (several && (spin || mmlab_param(c, "receiver") != IPC_READ_ALL))
		return true;
	return (spin || several) && mmlab_param(c, "producer") == IPC_WRITE_LINES;
}

static const struct mmlab_axis ipc_axes[] = {
	{ .name = "size", .summary = "bytes handed over", .kind = MMLAB_AXIS_BYTES, .quick = "4K,64K,4M",
	  .full = "4K,8K,16K,32K,64K,128K,256K,512K,1M,2M,4M,8M,16M,32M,64M,128M,256M", .min = 4096, .max = 1ULL << 30 },
	{ .name = "receiver", .summary = "the consumer touches nothing, reads one line of 64 bytes of each page, or all",
	  .kind = MMLAB_AXIS_WORD, .words = "none,lines,all", .quick = "all", .full = "none,lines,all" },
	{ .name = "producer", .summary = "the producer rewrites one line of each page, all, or all by memset",
	  .kind = MMLAB_AXIS_WORD, .words = "lines,all,memset", .quick = "all", .full = "lines,all" },
	{ .name = "wake", .summary = "how sides that share memory tell each other", .kind = MMLAB_AXIS_WORD,
	  .words = "futex,spin", .quick = "futex", .full = "futex,spin" },
	{ .name = "readers", .summary = "consumers that all get the buffer", .kind = MMLAB_AXIS_NUMBER, .quick = "1",
	  .full = "1,2,4,8", .min = 1, .max = IPC_MAX_READERS },
	{ 0 },
};

static const struct mmlab_metric ipc_metrics[] = {
	{ .name = "consumer-faults", .unit = "faults", .kind = MMLAB_COUNT, .exact = true },
	{ .name = "copied", .unit = "bytes", .kind = MMLAB_BYTES, .exact = true },
	{ .name = "flushes", .unit = "flushes", .kind = MMLAB_COUNT, .exact = true },
	{ .name = "fallbacks", .unit = "mappings", .kind = MMLAB_COUNT, .exact = true },
	{ .name = "consumer-cpus", .unit = "cpus", .kind = MMLAB_COUNT, .exact = true },
	{ 0 },
};

static const struct mmlab_preset ipc_presets[] = {
	{ .name = "kdbus",
	  .summary = "how systemd came by 512 KiB (test-bus-benchmark, 2014): memset, a receiver that maps and does not read; "
		     "and receivers that do",
	  .contenders = "shm,socketpair,memfd-fresh,memfd-cached,lock-writer,lock-both",
	  .axes = (const char *const[]){ "size=4K,8K,16K,32K,64K,128K,256K,512K,1M,2M", "receiver=none,lines,all",
					 "producer=memset", "wake=futex", "readers=1", NULL } },
	{ .name = "crossover",
	  .summary = "from which size on mapping beats copying: for scripts/crossover",
	  .contenders = "wakeup,shm,copy,pipe-large,socketpair,process-vm-readv,process-vm-readv-128k,memfd-fresh,"
			"memfd-fresh-populate,memfd-cached,memfd-cached-populate,mprotect,mprotect-both,mprotect-hugetlb,"
			"pkeys,dontneed,lock-writer,lock-both,lock-noflush",
	  .axes = (const char *const[]){ "size=4K,8K,16K,32K,64K,128K,256K,512K,1M,2M,4M,8M,16M,32M,64M",
					 "receiver=none,lines,all", "producer=all", "wake=futex", "readers=1", NULL } },
	{ .name = "breakdown",
	  .summary = "where the time goes, by subtraction: for scripts/crossover --costs",
	  .axes = (const char *const[]){ "size=4K,64K,1M,16M,64M", "receiver=none,all", "producer=all", "wake=futex",
					 "readers=1", NULL } },
	{ .name = "readers",
	  .summary = "one buffer for several consumers",
	  .contenders = "wakeup,shm,copy,process-vm-readv,memfd-fresh,memfd-cached,mprotect,mprotect-both,pkeys,lock-shared",
	  .axes = (const char *const[]){ "size=64K,4M", "receiver=all", "producer=all", "wake=futex", "readers=1,2,4,8",
					 NULL } },
	{ .name = "deterministic",
	  .summary = "one point for every contender: for scripts/bench --deterministic",
	  .axes = (const char *const[]){ "size=64K", "receiver=all", "producer=all", "wake=futex", "readers=1", NULL } },
	{ 0 },
};

const struct mmlab_scenario ipc_scenario = {
	.name = "ipc",
	.question =
		"What does handing a buffer to another process cost, by size and by what both sides touch, with and "
		"without revoking access?",
	.op = "the producer gets write access, writes, hands `size` bytes to the consumer on another CPU, which reads "
	      "them and gives them back",
	.excluded = "creating processes, channels and whatever stays for further transfers",
	.proof = "sums of every transfer and every byte of some; page faults of both sides equal the computed numbers; "
		 "counters of the module move by the computed numbers; revoked access is tried and refused",
	.axes = ipc_axes,
	.metrics = ipc_metrics,
	.presets = ipc_presets,
	.contenders = ipc_contenders,
	.floor = "shm",
	.baseline = "socketpair",
	.columns = "size",
	.count_ops = 2,
	.unmeant = ipc_unmeant,
	.setup = ipc_setup,
	.run = ipc_run,
	.observe = ipc_observe,
	.verify = ipc_verify,
	.teardown = ipc_teardown,
};
