// SPDX-License-Identifier: MIT
/* A peer runs where it should, hands back what its function returned, and never outlives its task. */
#include "peer.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "case.h"
#include "cleanup.h"
#include "place.h"
#include "test.h"

static const struct mmlab_contender *const no_contenders[] = { NULL };
static const struct mmlab_axis axes[] = { { .name = "tasks", .kind = MMLAB_AXIS_NUMBER }, { 0 } };
static const struct mmlab_scenario scenario = { .name = "test", .axes = axes, .contenders = no_contenders };

static char forever[] = "any non-NULL pointer";

static int return_it(void *arg)
{
	return *(int *)arg;
}

static int is_on_cpu(void *arg)
{
	return sched_getcpu() == *(int *)arg ? 0 : -EXDEV;
}

static int sleep_forever(void *arg)
{
	while (arg)
		(void)pause();
	return 0;
}

static int die(void *arg)
{
	(void)raise(*(int *)arg);
	return 0;
}

static int run(struct mmlab_case *c, int (*fn)(void *arg), void *arg)
{
	struct mmlab_peer peer = { 0 };
	int r = mmlab_peer_open(&peer, c, fn, arg);

	return r ? r : mmlab_peer_close(&peer, false);
}

static void test_results(struct mmlab_case *c)
{
	struct mmlab_peer peer = { 0 };
	int good = 0, bad = -ENOSPC, signal = SIGUSR1;

	check(!run(c, return_it, &good), "a good end");
	check(run(c, return_it, &bad) == -ENOSPC, "its error comes back");
	check(run(c, die, &signal) == -EIO, "a signal is an error");
	check(!mmlab_peer_close(&peer, true) && !mmlab_peer_close(&peer, false), "an empty peer");
	check(!mmlab_peer_open(&peer, c, sleep_forever, forever) && peer.pid > 0, "one that never ends");
	check(!mmlab_peer_close(&peer, true) && !peer.pid, "is killed");
	check(waitpid(-1, NULL, WNOHANG) < 0 && errno == ECHILD, "nothing is left");
}

/* Until it has ended, and then what it did. */
static bool ends_so(struct mmlab_case *c, int (*fn)(void *arg), void *arg, const char *how_expected, int code_expected)
{
	struct mmlab_peer peer = { 0 };
	const char *how = NULL;
	int code = 0;

	if (mmlab_peer_open(&peer, c, fn, arg))
		return false;
	while (!mmlab_child_ended(peer.pid, &how, &code))
		(void)sched_yield();
	/* It is still there to be reaped. */
	return !strcmp(how, how_expected) && code == code_expected && mmlab_child_ended(peer.pid, &how, &code) &&
	       mmlab_peer_close(&peer, false) < 0;
}

static void test_ended(struct mmlab_case *c)
{
	struct mmlab_peer peer = { 0 };
	int bad = -ENOSPC, signal = SIGUSR1, code;
	const char *how;

	check(ends_so(c, return_it, &bad, "exit status", ENOSPC), "one that has ended is seen, with its exit status");
	check(ends_so(c, die, &signal, "signal", SIGUSR1), "so is one that a signal ended");
	check(!mmlab_peer_open(&peer, c, sleep_forever, forever) && !mmlab_child_ended(peer.pid, &how, &code),
	      "one that never ends has not ended");
	check(!mmlab_peer_close(&peer, true), "until it is killed");
}

static int thread_result;

static void *pin_thread(void *arg)
{
	thread_result = mmlab_pin_peer_thread(arg);
	return (void *)(intptr_t)sched_getcpu();
}

static void test_place(struct mmlab_case *c, const struct mmlab_place *place)
{
	pthread_t thread;
	void *cpu = NULL;

	mmlab_place_choose(place, MMLAB_PIN_SPREAD, 2, c->cpus);
	c->n_cpus = 2;
	c->n_peers = 0;
	check(!mmlab_pin_self(c->cpus[0]), "pin the task to CPU %d", c->cpus[0]);
	for (int i = 1; i <= 3; i++)
		check(!run(c, is_on_cpu, &c->cpus[1]), "its peer %d is on the CPU that is left, %d", i, c->cpus[1]);
	check(!pthread_create(&thread, NULL, pin_thread, c) && !pthread_join(thread, &cpu) && !thread_result &&
		      (int)(intptr_t)cpu == c->cpus[1],
	      "so is its helper thread");
	c->n_cpus = 1;
	check(!run(c, is_on_cpu, &c->cpus[0]), "with one CPU both are there");
	c->cpus[0] = 100000;
	check(run(c, is_on_cpu, &c->cpus[0]) == -EINVAL, "a CPU that does not exist");
	c->n_cpus = 0;
	check(!run(c, return_it, &(int){ 0 }), "no CPUs chosen: not pinned");
}

/* Several peers of several tasks: the CPUs behind those of the tasks in turn, first peers first. */
static void test_turns(struct mmlab_case *c, const struct mmlab_place *place)
{
	static const struct {
		unsigned int n_tasks, n_cpus, task;
		unsigned int peers[4]; /* places in the list of CPUs */
	} cases[] = {
		{ 1, 4, 0, { 1, 2, 3, 1 } },
		{ 1, 1, 0, { 0, 0, 0, 0 } },
		{ 2, 4, 0, { 2, 2, 2, 2 } },
		{ 2, 5, 0, { 2, 4, 3, 2 } },
		{ 2, 5, 1, { 3, 2, 4, 3 } },
		{ 2, 2, 1, { 1, 1, 1, 1 } },
	};
	int usable[2];

	mmlab_place_choose(place, MMLAB_PIN_SPREAD, 2, usable);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		c->params[0].value = cases[i].n_tasks;
		c->task = cases[i].task;
		c->n_cpus = cases[i].n_cpus;
		c->n_peers = 0;
		for (unsigned int peer = 0; peer < 4; peer++) {
			/* All places but the right one are on the other CPU, or nowhere. */
			for (unsigned int cpu = 0; cpu < c->n_cpus; cpu++)
				c->cpus[cpu] = usable[0] == usable[1] ? 100000 : usable[1];
			c->cpus[cases[i].peers[peer]] = usable[0];
			check(!run(c, is_on_cpu, &usable[0]), "peer %u of task %u of %u on %u CPUs", peer, c->task,
			      cases[i].n_tasks, c->n_cpus);
		}
	}
	c->task = 0;
	c->params[0].value = 1;
}

/* The task dies without closing; the pipe, which the peer holds open, then ends. */
static void test_orphan(struct mmlab_case *c)
{
	_cleanup_(mmlab_closep) int reader = -1;
	struct pollfd poll_fd;
	int pipe_fds[2];
	char byte;
	pid_t pid;

	if (!check(!pipe(pipe_fds), "make a pipe"))
		return;
	reader = pipe_fds[0];
	pid = fork();
	if (!pid) {
		struct mmlab_peer peer = { 0 };

		_exit(mmlab_peer_open(&peer, c, sleep_forever, forever) ? 1 : 0);
	}
	(void)mmlab_close(pipe_fds[1]);
	check(pid > 0 && waitpid(pid, NULL, 0) == pid, "a task dies before its peer");
	poll_fd = (struct pollfd){ .fd = reader, .events = POLLIN };
	check(poll(&poll_fd, 1, 60000) == 1 && read(reader, &byte, 1) == 0, "the peer does too");
}

int main(void)
{
	struct mmlab_case c = { .scenario = &scenario, .params = { { .value = 1 } } };
	struct mmlab_place *place = NULL;

	if (!check(!mmlab_place_new(&place), "load the topology"))
		return test_status();
	test_results(&c);
	test_ended(&c);
	test_orphan(&c);
	test_place(&c, place);
	test_turns(&c, place);
	(void)mmlab_place_free(place);
	return test_status();
}
