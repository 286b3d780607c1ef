// SPDX-License-Identifier: MIT
/*
 * One op: fork a process with `size` bytes of populated memory, let the child exit at once, reap it. Proof: as many
 * children were reaped as operations ran, all with status 0.
 */
#include "stock.h"

#include <errno.h>
#include <sys/wait.h>
#include <unistd.h>

static int fork_exit_run(struct stock *s, uint64_t n)
{
	for (; n; n--) {
		pid_t pid = fork();
		int status;

		if (pid < 0)
			return mmlab_fail(s->c, -errno, "fork");
		if (!pid)
			_exit(0);
		if (waitpid(pid, &status, 0) != pid)
			return mmlab_fail(s->c, -errno, "waitpid");
		s->n_done += !status;
	}
	return 0;
}

static int fork_exit_verify(struct stock *s)
{
	uint64_t before = s->n_done;
	int r = fork_exit_run(s, 10);

	if (r)
		return r;
	return s->n_done - before == 10 ? 0 : mmlab_fail(s->c, 0, "not all children ended well");
}

static const struct mmlab_contender fork_exit = {
	.name = "fork-exit",
	.summary = "fork with populated memory, exit, wait",
	.inexact_faults = "copy-on-write faults fall to whichever side writes first",
	.ops = &(const struct stock_ops){
		.sized = true,
		.setup = stock_populate,
		.run = fork_exit_run,
		.rss = stock_rss,
		.verify = fork_exit_verify,
	},
};
