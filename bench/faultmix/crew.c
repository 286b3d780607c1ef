// SPDX-License-Identifier: MIT
/*
 * Latencies need a clock for each operation: this is the only file that reads one. A thread sleeps until shortly before
 * an intended start and spins from there, since waking up takes longer than a fault.
 */
#include "crew.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cleanup.h"
#include "clock.h"
#include "place.h"

#define SPIN_NS	     UINT64_C(100000)
#define LEAD_NS	     UINT64_C(3000000) /* from the gate to the first intended start: all threads have woken up by then */
#define HOLD_MS	     10
#define SECOND_MS    1000
#define PAUSE_NS     UINT64_C(10000000)
#define PART_NONE    CREW_N_PARTS
#define US	     UINT64_C(1000)
#define SECOND_AFTER 10 /* periods of the open part before the lock is held for a second */

enum role { ROLE_WORKER, ROLE_MAPPER, ROLE_HOLDER, ROLE_BUSY };

struct log {
	uint64_t *ns;
	size_t n;
};

struct thread {
	pthread_t id;
	struct crew *crew;
	enum role role;
	unsigned int number; /* among all threads; workers come first */
	int cpu, result;
	struct log faults, writes;
	struct part {
		uint64_t start_ns, end_ns, n_holds;
		struct crew_sum sum;
	} parts[CREW_N_PARTS];
};

struct crew {
	struct faultmix *f;
	pthread_barrier_t gate;	  /* all threads and the task: into a part, and out of it */
	enum crew_part part;
	uint64_t first_ns, period_ns, writes, aborts;
	unsigned int n_threads, n_started;
	struct mmlab_map logs;
	_Alignas(64) atomic_uint n_working;
	_Alignas(64) atomic_uint n_waking; /* who has still to arrive at the start line of the closed part */
	_Alignas(64) struct thread threads[];
};

static uint64_t cpu_now_ns(void)
{
	struct timespec used;

	(void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used);
	return (uint64_t)used.tv_sec * 1000000000 + (uint64_t)used.tv_nsec;
}

static void sleep_until(uint64_t ns)
{
	struct timespec when = { .tv_sec = (time_t)(ns / 1000000000), .tv_nsec = (long)(ns % 1000000000) };

	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &when, NULL) == EINTR)
		;
}

static void await(uint64_t ns)
{
	if (mmlab_now_ns() + SPIN_NS < ns)
		sleep_until(ns - SPIN_NS);
	while (mmlab_now_ns() < ns)
		;
}

static int write_once(struct thread *t)
{
	struct faultmix *f = t->crew->f;
	const struct faultmix_ops *ops = faultmix_ops(f);
	size_t slot = faultmix_slot(f, t->number);
	int r = ops->map(f, slot, FAULTMIX_SLOT_BYTES);

	return r ? r : ops->unmap(f, slot, FAULTMIX_SLOT_BYTES);
}

static int change(struct thread *t)
{
	struct faultmix *f = t->crew->f;

	return faultmix_ops(f)->change(f, (size_t)(faultmix_page(f, t->number, 0) - f->base));
}

/* By the thread itself, or by the kernel, which copies the same byte from a file. */
static int touch_at(const struct faultmix *f, char *at, char stamp)
{
	if (f->source >= 0)
		return pread(f->source, at, 1, (unsigned char)stamp) == 1 ? 0 : -errno;
	*(volatile char *)at = stamp;
	return 0;
}

static int touch(const struct thread *t, uint64_t page)
{
	return touch_at(t->crew->f, faultmix_page(t->crew->f, t->number, page), faultmix_stamp(t->number, page));
}

/* In the open part: wait for the intended start of operation @i. Return: that time. */
static uint64_t intend(const struct thread *t, uint64_t i)
{
	const struct crew *crew = t->crew;
	uint64_t ns = crew->first_ns + i * crew->period_ns + crew->period_ns * t->number / crew->n_threads;

	await(ns);
	return ns;
}

static void log_latency(struct log *log, uint64_t intended_ns)
{
	log->ns[log->n++] = mmlab_now_ns() - intended_ns;
}

static int work(struct thread *t, enum crew_part part)
{
	const struct crew *crew = t->crew;
	uint64_t first = 1 + (uint64_t)part * crew->f->n_faults, n = crew->f->n_ops, start = 0;
	bool is_open = part == CREW_OPEN;
	struct crew_sum *sum = &t->parts[part].sum;
	int r = 0;

	for (uint64_t i = 0; i < n && !r; i++) {
		if (faultmix_share(i + 1, crew->writes) > faultmix_share(i, crew->writes)) {
			if (is_open)
				start = intend(t, i);
			r = write_once(t);
			sum->n_writes++;
			if (is_open)
				log_latency(&t->writes, start);
			continue;
		}
		if (faultmix_share(sum->n_faults + 1, crew->aborts) > faultmix_share(sum->n_faults, crew->aborts))
			r = change(t);
		if (is_open)
			start = intend(t, i);
		r = r ? r : touch(t, first + sum->n_faults);
		sum->n_faults++;
		if (is_open)
			log_latency(&t->faults, start);
	}
	return r;
}

/* As long as workers work; in the open part as many operations as each of them does. */
static int map_on(struct thread *t, enum crew_part part)
{
	struct crew *crew = t->crew;
	int r = 0;

	for (uint64_t i = 0; !r && (part == CREW_OPEN ? i < crew->f->n_ops : atomic_load(&crew->n_working) > 0); i++) {
		uint64_t start = part == CREW_OPEN ? intend(t, i) : 0;

		r = write_once(t);
		t->parts[part].sum.n_writes++;
		if (part == CREW_OPEN)
			log_latency(&t->writes, start);
	}
	return r;
}

static int fork_once(void)
{
	pid_t pid = fork();
	int status;

	if (!pid)
		_exit(0);
	return pid < 0 || waitpid(pid, &status, 0) < 0 ? -errno : 0;
}

static int hold_once(struct thread *t)
{
	struct faultmix *f = t->crew->f;
	const struct faultmix_ops *ops = faultmix_ops(f);
	int r;

	switch (f->holder) {
	case HOLDER_FORK:
		return fork_once();
	case HOLDER_HOLD:
	case HOLDER_IDLE:
		return ops->hold(f, HOLD_MS);
	case HOLDER_SECOND:
	case HOLDER_SAME:
		return ops->hold(f, SECOND_MS);
	default:
		r = ops->populate(f, f->longs, FAULTMIX_LONG_BYTES);
		return r ? r : ops->unmap(f, f->longs, FAULTMIX_LONG_BYTES);
	}
}

static int hold_on(struct thread *t, enum crew_part part)
{
	struct crew *crew = t->crew;
	bool second = crew->f->holder >= HOLDER_SECOND;
	int r = 0;

	if (second && part == CREW_CLOSED)
		return 0;
	if (second)
		sleep_until(crew->first_ns + SECOND_AFTER * crew->period_ns);
	do {
		r = hold_once(t);
		t->parts[part].n_holds++;
		if (!second)
			sleep_until(mmlab_now_ns() + PAUSE_NS);
	} while (!r && !second && atomic_load(&crew->n_working));
	return r;
}

/* What keeps a holder of low priority from running. */
static int busy(struct thread *t, enum crew_part part)
{
	(void)part;
	while (atomic_load_explicit(&t->crew->n_working, memory_order_relaxed))
		;
	return 0;
}

/* The gate wakes one after the other; what is short would be over before the last of them runs. */
static void line_up(struct crew *crew)
{
	atomic_fetch_sub(&crew->n_waking, 1);
	while (atomic_load(&crew->n_waking))
		(void)sched_yield();
}

static int act(struct thread *t, enum crew_part part)
{
	static int (*const acts[])(struct thread * t, enum crew_part part) = {
		[ROLE_WORKER] = work, [ROLE_MAPPER] = map_on, [ROLE_HOLDER] = hold_on, [ROLE_BUSY] = busy
	};
	struct part *p = &t->parts[part];
	struct rusage before, after;
	uint64_t cpu_ns;
	int r;

	if (part == CREW_OPEN)
		sleep_until(t->crew->first_ns - SPIN_NS);
	else if (t->role == ROLE_WORKER || t->role == ROLE_MAPPER)
		line_up(t->crew);
	(void)getrusage(RUSAGE_THREAD, &before);
	cpu_ns = cpu_now_ns();
	p->start_ns = mmlab_now_ns();
	r = acts[t->role](t, part);
	p->end_ns = mmlab_now_ns();
	cpu_ns = cpu_now_ns() - cpu_ns;
	(void)getrusage(RUSAGE_THREAD, &after);
	p->sum.n_minor = (uint64_t)(after.ru_minflt - before.ru_minflt);
	p->sum.n_sleeps = (uint64_t)(after.ru_nvcsw - before.ru_nvcsw);
	/* The clocks are read one after the other: what was never off a CPU may have been on it for a little longer. */
	p->sum.off_cpu_ns = p->end_ns - p->start_ns > cpu_ns ? p->end_ns - p->start_ns - cpu_ns : 0;
	return r;
}

/* Once through everything that a part does, so that nothing is done for the first time there. */
static int rehearse(struct thread *t)
{
	const struct faultmix *f = t->crew->f;
	struct rusage usage;
	int r = mmlab_pin_self(t->cpu);

	(void)prctl(PR_SET_TIMERSLACK, 1);
	(void)getrusage(RUSAGE_THREAD, &usage);
	await(mmlab_now_ns() + 2 * SPIN_NS);
	if (!r && (t->role == ROLE_WORKER || t->role == ROLE_MAPPER))
		r = write_once(t);
	if (!r && t->role == ROLE_HOLDER && f->holder == HOLDER_IDLE &&
	    sched_setscheduler(0, SCHED_IDLE, &(struct sched_param){ 0 }))
		r = -errno;
	if (r || t->role != ROLE_WORKER)
		return r;
	if (t->crew->aborts)
		r = change(t); /* before the touch, from which on faults may be speculative */
	for (size_t at = 0; !r && at + f->page_bytes < f->area_bytes; at += FAULTMIX_TABLE_BYTES)
		r = touch_at(f, faultmix_page(f, t->number, 0) + at, 1);
	return r;
}

static void *thread_main(void *arg)
{
	struct thread *t = arg;
	struct crew *crew = t->crew;

	t->result = rehearse(t);
	(void)pthread_barrier_wait(&crew->gate);
	for (;;) {
		(void)pthread_barrier_wait(&crew->gate);
		if (crew->part == PART_NONE)
			return NULL;
		if (!t->result)
			t->result = act(t, crew->part);
		if (t->role == ROLE_WORKER)
			atomic_fetch_sub(&crew->n_working, 1);
		(void)pthread_barrier_wait(&crew->gate);
	}
}

static int result_of(const struct crew *crew)
{
	for (unsigned int i = 0; i < crew->n_threads; i++)
		if (crew->threads[i].result)
			return crew->threads[i].result;
	return 0;
}

/* The CPU of thread @i: those that the run may use, one after the other, over and over. */
static int cpu_of(const cpu_set_t *usable, unsigned int i)
{
	int skip = (int)(i % (unsigned int)CPU_COUNT(usable));

	for (int cpu = 0; cpu < CPU_SETSIZE; cpu++)
		if (CPU_ISSET(cpu, usable) && !skip--)
			return cpu;
	return -1;
}

static enum role role_of(const struct faultmix *f, unsigned int i)
{
	if (i < f->n_workers)
		return ROLE_WORKER;
	if (i < f->n_workers + f->n_mappers)
		return ROLE_MAPPER;
	return i == f->n_workers + f->n_mappers ? ROLE_HOLDER : ROLE_BUSY;
}

/* Who keeps the holder from running is on its CPU. */
static int start(struct crew *crew)
{
	cpu_set_t usable;
	int r;

	/* This process is pinned already; the one that steers the run still has what the run may use. */
	if (sched_getaffinity(getppid(), sizeof(usable), &usable))
		return -errno;
	for (unsigned int i = 0; i < crew->n_threads; i++) {
		struct thread *t = &crew->threads[i];
		struct faultmix *f = crew->f;
		uint64_t *logs = (uint64_t *)crew->logs.addr + i * 2 * f->n_ops;
		enum role role = role_of(f, i);

		*t = (struct thread){ .crew = crew,
				      .number = i,
				      .cpu = cpu_of(&usable, role == ROLE_BUSY ? i - 1 : i),
				      .role = role,
				      .faults = { .ns = logs },
				      .writes = { .ns = logs + f->n_ops } };
		r = -pthread_create(&t->id, NULL, thread_main, t);
		if (r)
			return r;
		crew->n_started++;
	}
	(void)pthread_barrier_wait(&crew->gate);
	return result_of(crew);
}

int crew_open(struct crew **ret, struct faultmix *f)
{
	unsigned int n = f->n_workers + f->n_mappers + (f->holder != HOLDER_NONE) + (f->holder == HOLDER_IDLE);
	struct crew *crew = aligned_alloc(64, (sizeof(*crew) + n * sizeof(crew->threads[0]) + 63) / 64 * 64);
	int r;

	if (!crew)
		return -ENOMEM;
	memset(crew, 0, sizeof(*crew));
	crew->f = f;
	crew->n_threads = n;
	crew->period_ns = mmlab_param(f->c, "period") * US;
	crew->writes = mmlab_param(f->c, "writes");
	crew->aborts = mmlab_param(f->c, "aborts");
	(void)pthread_barrier_init(&crew->gate, NULL, n + 1);
	r = mmlab_map_open(&crew->logs, n * 2 * f->n_ops * sizeof(uint64_t), PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	*ret = crew; /* also when it could not be started: whoever closes it knows */
	return r ? r : start(crew);
}

int crew_work(struct crew *crew, enum crew_part part)
{
	crew->part = part;
	crew->first_ns = mmlab_now_ns() + LEAD_NS;
	atomic_store(&crew->n_working, crew->f->n_workers);
	atomic_store(&crew->n_waking, crew->f->n_workers + crew->f->n_mappers);
	(void)pthread_barrier_wait(&crew->gate);
	(void)pthread_barrier_wait(&crew->gate);
	return result_of(crew);
}

static void add(struct crew_sum *sum, const struct crew_sum *other)
{
	sum->n_faults += other->n_faults;
	sum->n_writes += other->n_writes;
	sum->n_minor += other->n_minor;
	sum->n_sleeps += other->n_sleeps;
	sum->off_cpu_ns += other->off_cpu_ns;
}

void crew_sums(const struct crew *crew, enum crew_part part, struct crew_sums *ret)
{
	uint64_t start = UINT64_MAX, end = 0;

	*ret = (struct crew_sums){ 0 };
	for (unsigned int i = 0; i < crew->n_threads; i++) {
		const struct thread *t = &crew->threads[i];
		const struct part *p = &t->parts[part];

		ret->n_holds += p->n_holds;
		if (t->role == ROLE_MAPPER)
			add(&ret->mappers, &p->sum);
		if (t->role != ROLE_WORKER)
			continue;
		add(&ret->workers, &p->sum);
		start = p->start_ns < start ? p->start_ns : start;
		end = p->end_ns > end ? p->end_ns : end;
	}
	ret->elapsed_ns = end - start;
}

void crew_sums_all(const struct crew *crew, struct crew_sums *ret)
{
	struct crew_sums open;

	crew_sums(crew, CREW_CLOSED, ret);
	crew_sums(crew, CREW_OPEN, &open);
	ret->elapsed_ns += open.elapsed_ns;
	ret->n_holds += open.n_holds;
	add(&ret->workers, &open.workers);
	add(&ret->mappers, &open.mappers);
}

static int by_size(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

long crew_latencies(const struct crew *crew, bool writes, uint64_t **ret)
{
	size_t n = 0;

	*ret = malloc(crew->n_threads * crew->f->n_ops * sizeof(**ret));
	if (!*ret)
		return -ENOMEM;
	for (unsigned int i = 0; i < crew->n_threads; i++) {
		const struct log *log = writes ? &crew->threads[i].writes : &crew->threads[i].faults;

		memcpy(*ret + n, log->ns, log->n * sizeof(**ret));
		n += log->n;
	}
	qsort(*ret, n, sizeof(**ret), by_size);
	return (long)n;
}

struct crew *crew_close(struct crew *crew)
{
	if (!crew || crew->n_started < crew->n_threads)
		return crew;
	crew->part = PART_NONE;
	(void)pthread_barrier_wait(&crew->gate);
	for (unsigned int i = 0; i < crew->n_threads; i++)
		(void)pthread_join(crew->threads[i].id, NULL);
	(void)pthread_barrier_destroy(&crew->gate);
	mmlab_map_close(&crew->logs);
	free(crew);
	return NULL;
}
