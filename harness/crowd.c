// SPDX-License-Identifier: MIT
/*
 * The gate is one word that counts steps. A step that is meant for member 0 alone counts as well: the others may see it
 * pass, if they were on their way to sleep, and let it. The last to finish a step wakes the caller, who looks now and
 * then whether somebody died instead.
 */
#include "crowd.h"

#include <errno.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "cleanup.h"
#include "place.h"

#define STEP_END    (-1)
#define STACK_BYTES 65536
#define LOOK_NS	    100000000 /* how often the caller looks for the dead */

/* Bits of a futex wait, so that member 0 can be woken alone. */
#define WAKES_FIRST 1U
#define WAKES_ALL   2U

#define GATE_FIRST_ONLY 1U

struct shared {
	atomic_uint gate; /* another value for each step, of which the lowest bit says whom it is for */
	int step;
	_Alignas(64) atomic_uint n_left;
	atomic_int error;
	atomic_uint culprit;
};

struct member {
	struct mmlab_crowd *crowd;
	unsigned int number;
	pid_t pid;	  /* 0 when there is none */
	pthread_t thread; /* valid if the crowd consists of threads */
};

struct mmlab_crowd {
	struct mmlab_crowd_plan plan;
	struct shared *shared;
	unsigned int n_started;
	bool ended;
	struct member *members;
};

static long futex(atomic_uint *word, int op, unsigned int value, const struct timespec *timeout, unsigned int bits)
{
	return syscall(SYS_futex, word, op, value, timeout, NULL, bits);
}

/* Return: the gate's new value. */
static unsigned int wait_at_gate(struct shared *shared, unsigned int seen, unsigned int bits)
{
	unsigned int now;

	while ((now = atomic_load(&shared->gate)) == seen)
		(void)futex(&shared->gate, FUTEX_WAIT_BITSET, seen, NULL, bits);
	return now;
}

static void take_steps(struct mmlab_crowd *crowd, unsigned int number)
{
	const struct mmlab_crowd_plan *plan = &crowd->plan;
	struct shared *shared = crowd->shared;
	unsigned int seen = 0;
	int pinned = plan->n_cpus ? mmlab_pin_self(plan->cpus[number % plan->n_cpus]) : 0;

	for (;;) {
		int r, none = 0;

		seen = wait_at_gate(shared, seen, number ? WAKES_ALL : WAKES_ALL | WAKES_FIRST);
		if ((seen & GATE_FIRST_ONLY) && number)
			continue;
		if (shared->step == STEP_END)
			return;
		r = pinned ? pinned : plan->act(plan->arg, number, shared->step);
		if (r < 0 && atomic_compare_exchange_strong(&shared->error, &none, r))
			atomic_store(&shared->culprit, number);
		if (atomic_fetch_sub(&shared->n_left, 1) == 1)
			(void)futex(&shared->n_left, FUTEX_WAKE, 1, NULL, 0);
	}
}

static void *thread_main(void *arg)
{
	struct member *member = arg;

	take_steps(member->crowd, member->number);
	return NULL;
}

static int start_thread(struct member *member)
{
	pthread_attr_t attr;
	int r;

	(void)pthread_attr_init(&attr);
	(void)pthread_attr_setstacksize(&attr, STACK_BYTES);
	r = -pthread_create(&member->thread, &attr, thread_main, member);
	(void)pthread_attr_destroy(&attr);
	return r;
}

static int start_process(struct member *member, pid_t self)
{
	pid_t pid = fork();

	if (pid < 0)
		return -errno;
	if (!pid) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (getppid() == self)
			take_steps(member->crowd, member->number);
		_exit(0);
	}
	member->pid = pid;
	return 0;
}

int mmlab_crowd_open(struct mmlab_crowd **ret, const struct mmlab_crowd_plan *plan)
{
	struct mmlab_crowd *crowd = calloc(1, sizeof(*crowd));
	pid_t self = getpid();
	int r = 0;

	if (!crowd)
		return -ENOMEM;
	crowd->plan = *plan;
	crowd->members = calloc(plan->n, sizeof(*crowd->members));
	crowd->shared = mmap(NULL, sizeof(*crowd->shared), PROT_READ | PROT_WRITE,
			     MAP_SHARED | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	if (crowd->shared == MAP_FAILED)
		crowd->shared = NULL;
	if (!crowd->members || !crowd->shared)
		r = -ENOMEM;
	for (unsigned int i = 0; !r && i < plan->n; i++) {
		crowd->members[i] = (struct member){ .crowd = crowd, .number = i };
		r = plan->threads ? start_thread(&crowd->members[i]) : start_process(&crowd->members[i], self);
		crowd->n_started += !r;
	}
	if (r)
		crowd = mmlab_crowd_close(crowd);
	else
		*ret = crowd;
	return r;
}

static bool somebody_died(const struct mmlab_crowd *crowd)
{
	siginfo_t info = { 0 };

	return !crowd->plan.threads && !waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) && info.si_pid;
}

static void open_gate(struct mmlab_crowd *crowd, int step, bool first_only)
{
	struct shared *shared = crowd->shared;

	shared->step = step; /* NOLINT(clang-analyzer-core.NullDereference): a crowd that was opened has it */
	atomic_store(&shared->n_left, first_only ? 1 : crowd->plan.n);
	atomic_store(&shared->gate, (atomic_load(&shared->gate) & ~GATE_FIRST_ONLY) + 2 + (first_only ? GATE_FIRST_ONLY : 0));
	(void)futex(&shared->gate, FUTEX_WAKE_BITSET, INT32_MAX, NULL, first_only ? WAKES_FIRST : WAKES_ALL);
}

static int take_step(struct mmlab_crowd *crowd, int step, bool first_only)
{
	const struct timespec look = { .tv_nsec = LOOK_NS };
	struct shared *shared = crowd->shared;
	unsigned int n_left;

	atomic_store(&shared->error, 0);
	open_gate(crowd, step, first_only);
	while ((n_left = atomic_load(&shared->n_left)))
		if (futex(&shared->n_left, FUTEX_WAIT, n_left, &look, 0) && errno == ETIMEDOUT && somebody_died(crowd))
			return -ECHILD;
	return atomic_load(&shared->error);
}

int mmlab_crowd_step(struct mmlab_crowd *crowd, int step)
{
	return take_step(crowd, step, false);
}

int mmlab_crowd_step_first(struct mmlab_crowd *crowd, int step)
{
	return take_step(crowd, step, true);
}

int mmlab_crowd_pid(const struct mmlab_crowd *crowd, unsigned int member)
{
	return crowd->members[member].pid;
}

unsigned int mmlab_crowd_culprit(const struct mmlab_crowd *crowd)
{
	return atomic_load(&crowd->shared->culprit);
}

static int reap(struct member *member, struct mmlab_crowd_end *end)
{
	struct rusage usage;
	int status;

	while (wait4(member->pid, &status, 0, &usage) < 0)
		if (errno != EINTR)
			return -errno;
	member->pid = 0;
	end->n++;
	end->n_faults += (uint64_t)(usage.ru_minflt + usage.ru_majflt);
	return WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL ? 0 : -ECHILD;
}

int mmlab_crowd_end(struct mmlab_crowd *crowd, struct mmlab_crowd_end *ret)
{
	struct mmlab_crowd_end end = { 0 };
	int r = 0;

	crowd->ended = true;
	if (crowd->plan.threads && crowd->n_started)
		open_gate(crowd, STEP_END, false);
	for (unsigned int i = 0; i < crowd->n_started && !crowd->plan.threads; i++)
		(void)kill(crowd->members[i].pid, SIGKILL);
	for (unsigned int i = 0; i < crowd->n_started; i++) {
		int e = 0;

		if (!crowd->plan.threads)
			e = reap(&crowd->members[i], &end);
		else if (!pthread_join(crowd->members[i].thread, NULL))
			end.n++;
		r = r ? r : e;
	}
	if (ret)
		*ret = end;
	return r;
}

struct mmlab_crowd *mmlab_crowd_close(struct mmlab_crowd *crowd)
{
	if (!crowd)
		return NULL;
	if (!crowd->ended)
		(void)mmlab_crowd_end(crowd, NULL);
	if (crowd->shared)
		(void)munmap(crowd->shared, sizeof(*crowd->shared));
	free(crowd->members);
	free(crowd);
	return NULL;
}

/* The number in a file, or @none where there is no such file or it says "max". */
static unsigned long long number_of(const char *path, unsigned long long none)
{
	_cleanup_(mmlab_fclosep) FILE *file = fopen(path, "re");
	unsigned long long number;

	return file && fscanf(file, "%llu", &number) == 1 ? number : none;
}

/* All processes and threads: the fourth field of loadavg, "running/all". */
static unsigned long long n_alive(void)
{
	_cleanup_(mmlab_fclosep) FILE *file = fopen("/proc/loadavg", "re");
	unsigned long long n;

	return file && fscanf(file, "%*s %*s %*s %*u/%llu", &n) == 1 ? n : 0;
}

bool mmlab_crowd_limit(unsigned int n, char *reason, size_t size)
{
	static const char *const paths[] = { "/proc/sys/kernel/pid_max", "/proc/sys/kernel/threads-max" };
	unsigned long long alive = n_alive();
	struct rlimit limit;

	for (size_t i = 0; i < sizeof(paths) / sizeof(*paths); i++) {
		unsigned long long max = number_of(paths[i], ~0ULL);

		if (alive + n >= max) {
			(void)snprintf(reason, size,
				       "needs %u processes beside the %llu that there are; %s is %llu, write a larger "
				       "number to it",
				       n, alive, paths[i], max);
			return false;
		}
	}
	/* Root is exempt. Those that the user already has count, too, but nobody says how many: the kernel will. */
	if (geteuid() && !getrlimit(RLIMIT_NPROC, &limit) && limit.rlim_cur != RLIM_INFINITY && n >= limit.rlim_cur) {
		(void)snprintf(reason, size, "needs %u processes; the limit is %llu, raise it (ulimit -u)", n,
			       (unsigned long long)limit.rlim_cur);
		return false;
	}
	return true;
}
