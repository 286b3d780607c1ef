// SPDX-License-Identifier: MIT
/*
 * One op: send one byte to a peer process on a CPU of its own, and wait for its answer. Proof: the peer answers with
 * the byte plus one.
 */
#include "stock.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

struct pipe_ends {
	int in, out;
};

/* The peer. It ends when the task closes its end of the pipe. */
static int pipe_echo(void *arg)
{
	const struct pipe_ends *ends = arg;
	unsigned char byte;

	while (read(ends->in, &byte, 1) == 1) {
		byte++;
		if (write(ends->out, &byte, 1) != 1)
			return -errno;
	}
	return 0;
}

static int pipe_setup(struct stock *s)
{
	int there[2] = { -1, -1 }, back[2] = { -1, -1 };
	struct pipe_ends ends;
	int r;

	if (pipe2(there, O_CLOEXEC))
		return -errno;
	s->pipe_out = there[1];
	if (pipe2(back, O_CLOEXEC)) {
		r = -errno;
		(void)close(there[0]);
		return r;
	}
	s->pipe_in = back[0];
	ends = (struct pipe_ends){ .in = there[0], .out = back[1] };
	r = mmlab_peer_open(&s->peer, s->c, pipe_echo, &ends);
	(void)close(there[0]);
	(void)close(back[1]);
	return r;
}

static int pipe_run(struct stock *s, uint64_t n)
{
	unsigned char byte = 0;

	for (; n; n--)
		if (write(s->pipe_out, &byte, 1) != 1 || read(s->pipe_in, &byte, 1) != 1)
			return mmlab_fail(s->c, -errno, "pipe");
	s->n_done = byte;
	return 0;
}

static int pipe_verify(struct stock *s)
{
	int r = pipe_run(s, 100);

	if (r)
		return r;
	return s->n_done == 100 ? 0 : mmlab_fail(s->c, 0, "100 answers counted as %d", (int)s->n_done);
}

static void pipe_teardown(struct stock *s)
{
	(void)mmlab_peer_close(&s->peer, true);
}

static const char *pipe_unfit(const struct mmlab_case *c)
{
	return mmlab_tasks(c) > 1 ? "a pair takes two CPUs already: measured with one task only" : NULL;
}

static const struct mmlab_contender pipe_roundtrip = {
	.name = "pipe-roundtrip",
	.summary = "one byte to a process on another CPU and back",
	.unfit = pipe_unfit,
	.ops = &(const struct stock_ops){
		.setup = pipe_setup,
		.run = pipe_run,
		.faults = stock_no_faults,
		.verify = pipe_verify,
		.teardown = pipe_teardown,
	},
};
