// SPDX-License-Identifier: MIT
#include "child.h"

#include <errno.h>
#include <getopt.h>
#include <math.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "case.h"
#include "cleanup.h"
#include "clock.h"
#include "counter.h"
#include "mark.h"
#include "place.h"
#include "rng.h"
#include "select.h"

#define MAX_SAMPLES 1000

enum phase { PHASE_SETUP, PHASE_RUN, PHASE_COUNT, PHASE_OBSERVE, PHASE_VERIFY, PHASE_STOP };

/*
 * What the tasks share. Task 0 leads: it decides on a phase and a loop count, and everybody passes the gate into the
 * phase and out of it together.
 */
struct shared {
	pthread_barrier_t gate;
	atomic_uint n_arrived; /* at the start line, over all timed runs */
	enum phase phase;
	uint64_t n;
	atomic_bool stopped; /* some task failed or skipped */
	unsigned int n_samples;
	uint64_t loops; /* as calibrated */
	double samples[MAX_SAMPLES];
	struct mmlab_report reports[MMLAB_MAX_TASKS];
};

struct job {
	struct mmlab_case c;
	struct mmlab_effort effort;
	struct mmlab_counters *counters;
	uint64_t mark; /* name for the plugin that counts in an emulator, or 0: none does */
	struct shared *shared;
	unsigned int n_tasks;
	bool threads;
};

struct task {
	struct job *job;
	struct mmlab_case c; /* own copy: state and report differ by task */
};

static uint64_t faults_now(const struct job *job)
{
	struct rusage self, children = { 0 };

	(void)getrusage(job->threads ? RUSAGE_THREAD : RUSAGE_SELF, &self);
	if (!job->threads)
		(void)getrusage(RUSAGE_CHILDREN, &children);
	return (uint64_t)(self.ru_minflt + self.ru_majflt + children.ru_minflt + children.ru_majflt);
}

static void pass_gate(struct job *job)
{
	if (job->n_tasks > 1)
		(void)pthread_barrier_wait(&job->shared->gate);
}

/*
 * The gate wakes sleepers one after the other, which takes longer than many a sample: the last bit of the way is spun,
 * each task on its own CPU, so that all start together.
 */
static void line_up(struct job *job)
{
	unsigned int n = job->n_tasks;
	unsigned int wanted = (atomic_fetch_add(&job->shared->n_arrived, 1) / n + 1) * n;

	while ((int)(atomic_load(&job->shared->n_arrived) - wanted) < 0)
		;
}

static int run_clocked(struct mmlab_case *c, uint64_t n)
{
	struct mmlab_report *report = c->report;
	int r;

	report->lap_ns = report->parts_ns = 0;
	report->start_ns = mmlab_now_ns();
	r = c->scenario->run(c, n);
	report->end_ns = report->lap_ns ? report->start_ns + report->parts_ns : mmlab_now_ns();
	return r;
}

static int run_timed(struct job *job, struct mmlab_case *c, uint64_t n)
{
	if (job->n_tasks > 1)
		line_up(job);
	return run_clocked(c, n);
}

/* The coarse clock moves with the timer interrupt: right after one, the next is as far away as it can be. */
static void wait_for_tick(void)
{
	struct timespec before, now;

	(void)clock_gettime(CLOCK_MONOTONIC_COARSE, &before);
	do
		(void)clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
	while (now.tv_sec == before.tv_sec && now.tv_nsec == before.tv_nsec);
}

static int run_counted(struct job *job, struct mmlab_case *c)
{
	uint64_t before;
	int r;

	c->counted_ops = c->scenario->count_ops ? c->scenario->count_ops : 1;
	(void)faults_now(job); /* so that the page its answer is written to is there */
	before = faults_now(job);
	if (job->mark)
		wait_for_tick();
	mmlab_mark(MMLAB_MARK_BEGIN);
	/* Where nobody asks for the time, reading the clock is not counted. */
	r = c->scenario->once ? run_clocked(c, c->counted_ops) : c->scenario->run(c, c->counted_ops);
	mmlab_mark(MMLAB_MARK_END);
	c->report->faults = faults_now(job) - before;
	return r;
}

static int do_phase(struct job *job, struct mmlab_case *c, enum phase phase, uint64_t n)
{
	switch (phase) {
	case PHASE_SETUP:
		return c->scenario->setup ? c->scenario->setup(c) : 0;
	case PHASE_RUN:
		return run_timed(job, c, n);
	case PHASE_COUNT:
		return run_counted(job, c);
	case PHASE_OBSERVE:
		return c->scenario->observe ? c->scenario->observe(c) : 0;
	case PHASE_VERIFY:
		return c->scenario->verify ? c->scenario->verify(c) : 0;
	case PHASE_STOP:
		break;
	}
	return 0;
}

/* Both sides of the gate, for leader and followers. */
static void take_part(struct task *task)
{
	static const char *const names[] = { "setup", "run", "count", "observe", "verify", "stop" };
	struct shared *shared = task->job->shared;
	struct mmlab_case *c = &task->c;
	int r = do_phase(task->job, c, shared->phase, shared->n);

	if (!r)
		return;
	/* A callback that returns an error without a reason still gets one. */
	if (r == MMLAB_SKIP)
		(void)mmlab_skip(c, "not possible here; the contender gives no reason");
	else
		(void)mmlab_fail(c, r, "%s of task %u", names[shared->phase], c->task);
	shared->stopped = true;
}

static void follow(struct task *task)
{
	struct shared *shared = task->job->shared;

	for (;;) {
		pass_gate(task->job);
		if (shared->phase == PHASE_STOP)
			return;
		take_part(task);
		pass_gate(task->job);
	}
}

/* Return: false if the case cannot go on. */
static bool lead(struct task *task, enum phase phase, uint64_t n)
{
	struct job *job = task->job;

	job->shared->phase = phase;
	job->shared->n = n;
	pass_gate(job);
	if (phase == PHASE_STOP)
		return false;
	take_part(task);
	pass_gate(job);
	return !job->shared->stopped;
}

/* From the earliest start to the latest end: a task that was late makes the sample longer, as it should. */
static uint64_t elapsed_ns(const struct job *job)
{
	uint64_t start = UINT64_MAX, end = 0;

	for (unsigned int i = 0; i < job->n_tasks; i++) {
		const struct mmlab_report *report = &job->shared->reports[i];

		start = report->start_ns < start ? report->start_ns : start;
		end = report->end_ns > end ? report->end_ns : end;
	}
	return end - start;
}

/* One time that was long may be an interruption, or the first of its kind; @loops rests on it in all rounds to come. */
static bool run_thrice(struct task *task, uint64_t n, uint64_t deadline_ns, uint64_t *ret_elapsed)
{
	*ret_elapsed = UINT64_MAX;
	for (int i = 0; i < 3; i++) {
		uint64_t elapsed;

		if (!lead(task, PHASE_RUN, n))
			return false;
		elapsed = elapsed_ns(task->job);
		*ret_elapsed = elapsed < *ret_elapsed ? elapsed : *ret_elapsed;
		if (elapsed * 4 < task->job->effort.target_ns || mmlab_now_ns() > deadline_ns)
			break;
	}
	return true;
}

static bool calibrate(struct task *task, uint64_t *ret_loops)
{
	uint64_t target = task->job->effort.target_ns, deadline_ns = mmlab_now_ns() + task->job->effort.budget_ns;
	uint64_t n = 1;

	for (;;) {
		uint64_t elapsed;

		if (!run_thrice(task, n, deadline_ns, &elapsed))
			return false;
		if (elapsed * 4 >= target || n >= MMLAB_MAX_LOOPS) {
			uint64_t loops = elapsed ? (uint64_t)((double)n * (double)target / (double)elapsed) : n;

			*ret_loops = loops > MMLAB_MAX_LOOPS ? MMLAB_MAX_LOOPS : loops ? loops : 1;
			return true;
		}
		n *= 8;
	}
}

static bool sample(struct task *task, uint64_t loops)
{
	struct job *job = task->job;
	struct shared *shared = job->shared;
	uint64_t rng = task->c.seed;
	uint64_t started = mmlab_now_ns();

	for (unsigned int i = 0; i < job->effort.samples; i++) {
		/* Up to a fifth more, at random, so that samples don't lock to a tick of the machine. */
		uint64_t n = loops + mmlab_rng_next(&rng) % (loops / 5 + 1);

		if (i && mmlab_now_ns() - started > job->effort.budget_ns)
			break;
		if (!lead(task, PHASE_RUN, n))
			return false;
		shared->samples[i] = (double)elapsed_ns(job) / (double)n / (double)task->c.report->units;
		shared->n_samples = i + 1;
	}
	return true;
}

static bool sample_many(struct task *task)
{
	struct job *job = task->job;
	uint64_t loops = job->effort.loops;

	if (!loops && !calibrate(task, &loops))
		return false;
	job->shared->loops = loops;
	/* Warm up: caches, TLB, lazily bound symbols and first-use allocations belong to no sample. */
	return lead(task, PHASE_RUN, loops / 4 + 1) && sample(task, loops);
}

/* What was counted is the sample as well, if one is wanted. */
static void sample_counted(struct task *task)
{
	struct job *job = task->job;
	struct shared *shared = job->shared;

	shared->loops = task->c.counted_ops;
	if (!job->effort.samples)
		return;
	shared->samples[0] =
		(double)elapsed_ns(job) / (double)task->c.counted_ops / (double)task->c.report->units;
	shared->n_samples = 1;
}

/* What task 0 makes everybody do. The first failure ends it; the reason is in the reports. */
static void direct(struct task *task)
{
	struct job *job = task->job;
	bool once = task->c.scenario->once;
	bool on = lead(task, PHASE_SETUP, 0) && (once || sample_many(task));

	if (on) {
		if (job->counters)
			mmlab_counters_enable(job->counters);
		on = lead(task, PHASE_COUNT, 0);
		if (job->counters)
			mmlab_counters_disable(job->counters);
	}
	if (on && once)
		sample_counted(task);
	on = on && lead(task, PHASE_OBSERVE, 0) && lead(task, PHASE_VERIFY, 0);
	(void)lead(task, PHASE_STOP, 0);
}

static void *task_main(void *arg)
{
	struct task *task = arg;
	struct mmlab_case *c = &task->c;
	int r = mmlab_pin_self(c->cpus[c->task]);

	if (r < 0) {
		(void)mmlab_fail(c, r, "pinning task %u to CPU %d", c->task, c->cpus[c->task]);
		task->job->shared->stopped = true;
	} else {
		(void)mmlab_bind_memory_local();
		r = mmlab_mmu_read(&c->mmu);
		if (r < 0) {
			(void)mmlab_fail(c, r, "whether the processor sets accessed and dirty bits");
			task->job->shared->stopped = true;
		}
	}
	if (c->task)
		follow(task);
	else
		direct(task);
	if (c->scenario->teardown)
		c->scenario->teardown(c);
	return NULL;
}

static int run_threads(struct task *tasks, unsigned int n)
{
	pthread_t threads[MMLAB_MAX_TASKS];
	int r;

	for (unsigned int i = 1; i < n; i++) {
		r = pthread_create(&threads[i], NULL, task_main, &tasks[i]);
		if (r) /* the ones already started wait at the gate; ending the process ends them */
			return -r;
	}
	(void)task_main(&tasks[0]);
	for (unsigned int i = 1; i < n; i++)
		(void)pthread_join(threads[i], NULL);
	return 0;
}

/* A task that dies would leave the others at the gate: the first death ends all. */
static int run_processes(struct task *tasks, unsigned int n)
{
	pid_t pids[MMLAB_MAX_TASKS] = { 0 };
	pid_t self = getpid();
	int r = 0;

	for (unsigned int i = 0; i < n; i++) {
		pids[i] = fork();
		if (pids[i] < 0) {
			r = -errno;
			break;
		}
		if (!pids[i]) {
			(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
			if (getppid() != self)
				_exit(1);
			(void)task_main(&tasks[i]);
			_exit(0);
		}
	}
	for (unsigned int left = n; left && !r; left--) {
		int status;
		pid_t pid = waitpid(-1, &status, 0);

		for (unsigned int i = 0; i < n; i++)
			if (pids[i] == pid) {
				pids[i] = 0;
				if (!WIFSIGNALED(status))
					continue;
				(void)mmlab_fail(&tasks[i].c, 0, "task %u died of signal %d (%s)", i, WTERMSIG(status),
						 strsignal(WTERMSIG(status)));
				tasks[i].job->shared->stopped = true;
				r = 1;
			}
	}
	for (unsigned int i = 0; i < n; i++)
		if (pids[i] > 0) {
			(void)kill(pids[i], SIGKILL);
			(void)waitpid(pids[i], NULL, 0);
		}
	return r < 0 ? r : 0;
}

static int run_tasks(struct job *job)
{
	static struct task tasks[MMLAB_MAX_TASKS];

	for (unsigned int i = 0; i < job->n_tasks; i++) {
		tasks[i] = (struct task){ .job = job, .c = job->c };
		tasks[i].c.task = i;
		tasks[i].c.report = &job->shared->reports[i];
		tasks[i].c.report->units = 1;
	}
	if (job->n_tasks == 1 || job->threads)
		return run_threads(tasks, job->n_tasks);
	return run_processes(tasks, job->n_tasks);
}

static json_t *number_or_null(double value)
{
	return isfinite(value) ? json_real(value) : json_null();
}

static json_t *counters_json(struct job *job)
{
	const struct mmlab_counter *counters;
	json_t *array = json_array();
	int n = job->counters ? mmlab_counters_read(job->counters, &counters) : 0;

	for (int i = 0; i < n; i++) {
		const struct mmlab_counter *counter = &counters[i];
		bool has_value = counter->state == MMLAB_COUNTER_EXACT || counter->state == MMLAB_COUNTER_SCALED;
		json_t *object = json_pack("{s:s, s:s, s:s, s:o, s:o, s:I, s:I}", "event", counter->event, "scope",
					   counter->scope, "state", mmlab_counter_state_name(counter->state), "reason",
					   *counter->reason ? json_string(counter->reason) : json_null(), "value",
					   has_value ? json_integer((json_int_t)counter->value) : json_null(),
					   "enabled_ns", (json_int_t)counter->enabled_ns, "running_ns",
					   (json_int_t)counter->running_ns);

		(void)json_array_append_new(array, object);
	}
	return array;
}

static json_t *reply_ok(struct job *job)
{
	const struct mmlab_scenario *scenario = job->c.scenario;
	const struct mmlab_report *first = &job->shared->reports[0];
	uint64_t ops = scenario->count_ops ? scenario->count_ops : 1;
	json_t *samples = json_array(), *metrics = json_object(), *missing = json_object();
	uint64_t faults = 0;

	for (unsigned int i = 0; i < job->shared->n_samples; i++)
		(void)json_array_append_new(samples, number_or_null(job->shared->samples[i]));
	for (unsigned int i = 0; i < job->n_tasks; i++)
		faults += job->shared->reports[i].faults;
	for (size_t i = 0; i < mmlab_metrics_count(scenario); i++) {
		const char *name = scenario->metrics[i].name;

		(void)json_object_set_new(metrics, name, number_or_null(first->metrics[i]));
		if (*first->missing[i])
			(void)json_object_set_new(missing, name, json_string(first->missing[i]));
	}
	return json_pack("{s:s, s:I, s:I, s:I, s:o, s:f, s:o, s:o, s:o}", "status", "ok", "loops",
			 (json_int_t)job->shared->loops, "units", (json_int_t)first->units, "counted_ops",
			 (json_int_t)ops, "samples", samples, "faults",
			 (double)faults / (double)ops / (double)job->n_tasks, "metrics", metrics, "missing", missing,
			 "counters", counters_json(job));
}

/* A declared metric that nobody reported is a mistake in the contender, not a missing value. */
static void check_reported(struct job *job)
{
	const struct mmlab_scenario *scenario = job->c.scenario;
	struct mmlab_case c = job->c;

	c.report = &job->shared->reports[0];
	for (size_t i = 0; i < mmlab_metrics_count(scenario); i++)
		if (!c.report->reported[i])
			(void)mmlab_fail(&c, 0, "the metric %s was not reported", scenario->metrics[i].name);
}

static json_t *reply(struct job *job)
{
	const struct mmlab_report *worst = &job->shared->reports[0];

	if (!job->shared->stopped)
		check_reported(job);
	for (unsigned int i = 1; i < job->n_tasks; i++)
		if (job->shared->reports[i].status > worst->status)
			worst = &job->shared->reports[i];
	if (worst->status == MMLAB_STATUS_OK)
		return reply_ok(job);
	return json_pack("{s:s, s:s}", "status", worst->status == MMLAB_STATUS_SKIPPED ? "skipped" : "failed", "reason",
			 worst->reason);
}

static int shared_new(struct shared **ret, unsigned int n_tasks)
{
	pthread_barrierattr_t attr;
	struct shared *shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE,
				     MAP_SHARED | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);

	if (shared == MAP_FAILED)
		return -errno;
	(void)pthread_barrierattr_init(&attr);
	(void)pthread_barrierattr_setpshared(&attr, PTHREAD_PROCESS_SHARED);
	(void)pthread_barrier_init(&shared->gate, &attr, n_tasks);
	(void)pthread_barrierattr_destroy(&attr);
	*ret = shared;
	return 0;
}

static int parse_cpus(struct mmlab_case *c, const char *list)
{
	for (char *end; *list && c->n_cpus < 2 * MMLAB_MAX_TASKS; list = end + (*end == ',')) {
		c->cpus[c->n_cpus] = (int)strtol(list, &end, 10);
		if (end == list)
			return -EINVAL;
		c->n_cpus++;
	}
	return c->n_cpus ? 0 : -EINVAL;
}

int mmlab_child(int argc, char **argv)
{
	static const struct option options[] = {
		{ "reply-fd", required_argument, NULL, 'r' },  { "samples", required_argument, NULL, 's' },
		{ "loops", required_argument, NULL, 'l' },     { "target-ns", required_argument, NULL, 't' },
		{ "budget-ns", required_argument, NULL, 'b' }, { "seed", required_argument, NULL, 'S' },
		{ "cpus", required_argument, NULL, 'c' },      { "events", required_argument, NULL, 'e' },
		{ "mark", required_argument, NULL, 'm' },
		{ 0 },
	};
	struct job job = { 0 };
	const char *events = NULL;
	int reply_fd = -1, option, r;
	char message[MMLAB_MESSAGE_BYTES];
	json_t *answer;

	while ((option = getopt_long(argc, argv, "", options, NULL)) >= 0) {
		unsigned long number = optarg ? strtoul(optarg, NULL, 10) : 0;

		switch (option) {
		case 'r':
			reply_fd = (int)number;
			break;
		case 's':
			job.effort.samples = number < MAX_SAMPLES ? (unsigned int)number : MAX_SAMPLES;
			break;
		case 'l':
			job.effort.loops = number;
			break;
		case 't':
			job.effort.target_ns = number;
			break;
		case 'b':
			job.effort.budget_ns = number;
			break;
		case 'S':
			job.c.seed = number;
			break;
		case 'c':
			if (!optarg || parse_cpus(&job.c, optarg) < 0)
				return 99;
			break;
		case 'e':
			events = optarg;
			break;
		case 'm':
			job.mark = number;
			break;
		default:
			return 99;
		}
	}
	if (reply_fd < 0 || optind >= argc || mmlab_select_exact(&job.c, argv + optind, message) < 0 || !job.c.n_cpus)
		return 99;
	job.n_tasks = mmlab_tasks(&job.c);
	job.threads = mmlab_case_threads(&job.c);

	if (job.mark)
		mmlab_mark_open(job.mark);
	r = shared_new(&job.shared, job.n_tasks);
	if (!r && events)
		r = mmlab_counters_open(&job.counters, events);
	if (!r)
		r = run_tasks(&job);
	if (job.mark)
		mmlab_mark(MMLAB_MARK_REPORT);
	answer = r < 0 ? json_pack("{s:s, s:o}", "status", "failed", "reason",
				   json_sprintf("starting the case: %s", strerror(-r))) :
			 reply(&job);
	job.counters = mmlab_counters_close(job.counters);
	r = json_dumpfd(answer, reply_fd, JSON_COMPACT | JSON_REAL_PRECISION(17));
	json_decref(answer);
	return r ? 99 : 0;
}
