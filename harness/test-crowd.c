// SPDX-License-Identifier: MIT
/*
 * A crowd takes its steps together, tells of errors and deaths, takes no descriptors, and never outlives the process
 * that opened it, also if that is killed in the middle of a step.
 */
#include "crowd.h"

#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cleanup.h"
#include "test.h"

#define MANY 500

enum { STEP_COUNT, STEP_FAIL, STEP_FAULT, STEP_SLEEP };

struct board {
	atomic_uint n_acted, order_errors;
	atomic_uint acted[MANY];
	unsigned int round;
	pid_t pids[MANY];
};

static struct board *board;

static int act(void *arg, unsigned int member, int step)
{
	struct board *b = arg;

	switch (step) {
	case STEP_COUNT:
		/* A step begins after everybody has ended the last one. */
		if (atomic_load(&b->acted[member]) != b->round)
			atomic_fetch_add(&b->order_errors, 1);
		atomic_fetch_add(&b->acted[member], 1);
		atomic_fetch_add(&b->n_acted, 1);
		return 0;
	case STEP_FAIL:
		return member == 3 ? -ENOSPC : 0;
	case STEP_FAULT: {
		char *page = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		if (page == MAP_FAILED)
			return -errno;
		(void)madvise(page, 1 << 20, MADV_NOHUGEPAGE);
		for (size_t i = 0; i < 1 << 20; i += (size_t)sysconf(_SC_PAGESIZE))
			((volatile char *)page)[i] = 1;
		return 0;
	}
	default:
		for (;;)
			(void)pause();
	}
}

static struct mmlab_crowd_plan plan_of(unsigned int n, bool threads)
{
	return (struct mmlab_crowd_plan){ .n = n, .threads = threads, .act = act, .arg = board };
}

static void test_steps(bool threads)
{
	const char *what = threads ? "threads" : "processes";
	struct mmlab_crowd_plan plan = plan_of(MANY, threads);
	struct mmlab_crowd_end end = { 0 };
	struct mmlab_crowd *crowd = NULL;
	bool ok = true;

	memset(board, 0, sizeof(*board));
	if (!check(!mmlab_crowd_open(&crowd, &plan), "%d %s start", MANY, what))
		return;
	for (board->round = 0; board->round < 20; board->round++)
		ok = ok && !mmlab_crowd_step(crowd, STEP_COUNT);
	check(ok && board->n_acted == 20 * MANY && !board->order_errors, "%s take 20 steps together", what);
	for (unsigned int i = 0; i < 20; i++) {
		ok = ok && !mmlab_crowd_step_first(crowd, STEP_COUNT);
		board->round++;
	}
	check(ok && board->n_acted == 20 * MANY + 20 && board->acted[0] == 40, "a step for the first of %s alone",
	      what);
	check(mmlab_crowd_step(crowd, STEP_FAIL) == -ENOSPC && mmlab_crowd_culprit(crowd) == 3, "an error of one of %s",
	      what);
	check(!mmlab_crowd_end(crowd, &end) && end.n == MANY, "all %s end", what);
	crowd = mmlab_crowd_close(crowd);
}

static uint64_t faults_of_children(void)
{
	struct rusage usage;

	(void)getrusage(RUSAGE_CHILDREN, &usage);
	return (uint64_t)(usage.ru_minflt + usage.ru_majflt);
}

static void test_totals(void)
{
	struct mmlab_crowd_plan plan = plan_of(MANY, false);
	struct mmlab_crowd_end end = { 0 };
	struct mmlab_crowd *crowd = NULL;
	uint64_t before = faults_of_children(), all, pages = (1 << 20) / (uint64_t)sysconf(_SC_PAGESIZE);
	bool ok = !mmlab_crowd_open(&crowd, &plan) && !mmlab_crowd_step(crowd, STEP_FAULT);

	check(ok && !mmlab_crowd_end(crowd, &end), "a crowd that faults");
	crowd = mmlab_crowd_close(crowd);
	all = faults_of_children() - before;
	check(end.n_faults == all && all >= MANY * pages, "page faults of %d processes sum up to the total: %llu, %llu",
	      MANY, (unsigned long long)end.n_faults, (unsigned long long)all);
}

static unsigned int n_descriptors(void)
{
	_cleanup_(mmlab_closedirp) DIR *dir = opendir("/proc/self/fd");
	unsigned int n = 0;

	while (dir && readdir(dir))
		n++;
	return n;
}

static void test_descriptors(void)
{
	struct mmlab_crowd_plan plan = plan_of(MANY, false);
	struct mmlab_crowd *crowd = NULL;
	unsigned int before = n_descriptors();

	check(!mmlab_crowd_open(&crowd, &plan) && n_descriptors() == before, "a crowd takes no descriptors");
	crowd = mmlab_crowd_close(crowd);
}

static void test_death(void)
{
	struct mmlab_crowd_plan plan = plan_of(8, false);
	struct mmlab_crowd *crowd = NULL;

	if (mmlab_crowd_open(&crowd, &plan))
		return (void)check(false, "a small crowd");
	board->round = 0;
	memset(board->acted, 0, sizeof(board->acted));
	(void)mmlab_crowd_step(crowd, STEP_COUNT);
	(void)kill(mmlab_crowd_pid(crowd, 5), SIGTERM);
	check(mmlab_crowd_step(crowd, STEP_COUNT) == -ECHILD, "a death is noticed");
	check(mmlab_crowd_end(crowd, NULL) == -ECHILD, "and told at the end");
	crowd = mmlab_crowd_close(crowd);
	check(waitpid(-1, NULL, 0) < 0 && errno == ECHILD, "nobody is left");
}

/* Opens a crowd, says who is in it, and is killed in the middle of a step. */
static _Noreturn void doomed(int told)
{
	struct mmlab_crowd_plan plan = plan_of(MANY, false);
	struct mmlab_crowd *crowd = NULL;

	if (mmlab_crowd_open(&crowd, &plan))
		_exit(1);
	for (unsigned int i = 0; i < MANY; i++)
		board->pids[i] = mmlab_crowd_pid(crowd, i);
	(void)!write(told, "", 1);
	(void)mmlab_crowd_step(crowd, STEP_SLEEP);
	_exit(1);
}

static void test_orphans(void)
{
	unsigned int n_ended = 0;
	int ends[2], status;
	char byte;
	pid_t pid;

	if (pipe(ends))
		return (void)check(false, "a pipe");
	(void)prctl(PR_SET_CHILD_SUBREAPER, 1); /* orphans become ours, and can be counted */
	pid = fork();
	if (!pid)
		doomed(ends[1]);
	(void)close(ends[1]);
	if (!check(read(ends[0], &byte, 1) == 1, "a process with a crowd"))
		return;
	(void)close(ends[0]);
	(void)kill(pid, SIGKILL);
	(void)alarm(250); /* an orphan that lives on ends this test by a signal */
	(void)waitpid(pid, &status, 0);
	/* Killed; or ended by themselves, if they had not begun. */
	for (unsigned int i = 0; i < MANY; i++)
		n_ended += waitpid(board->pids[i], &status, 0) == board->pids[i];
	(void)alarm(0);
	check(n_ended == MANY, "its death in the middle of a step ends all: %u", n_ended);
}

static void test_limit(void)
{
	char reason[160] = "";

	check(mmlab_crowd_limit(1, reason, sizeof(reason)), "room for one more: %s", reason);
	check(!mmlab_crowd_limit(1U << 30, reason, sizeof(reason)) && strstr(reason, "1073741824"),
	      "no room for a billion: %s", reason);
}

int main(void)
{
	board = mmap(NULL, sizeof(*board), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (board == MAP_FAILED)
		return 99;
	test_steps(false);
	test_steps(true);
	test_totals();
	test_descriptors();
	test_death();
	test_orphans();
	test_limit();
	return test_status();
}
