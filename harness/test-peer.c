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
static const struct mmlab_scenario scenario = { .name = "test", .contenders = no_contenders };

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
	check(!mmlab_pin_self(c->cpus[0]), "pin the task to CPU %d", c->cpus[0]);
	check(!run(c, is_on_cpu, &c->cpus[1]), "its peer is on CPU %d", c->cpus[1]);
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
	struct mmlab_case c = { .scenario = &scenario };
	struct mmlab_place *place = NULL;

	if (!check(!mmlab_place_new(&place), "load the topology"))
		return test_status();
	test_results(&c);
	test_orphan(&c);
	test_place(&c, place);
	(void)mmlab_place_free(place);
	return test_status();
}
