// SPDX-License-Identifier: MIT
/*
 * A process whose region is full of pattern forks; the child has patterned memory at once, shares it for reading and
 * copies on writing. One cycle is: fork, touch in the child, exit, wait. So it includes what a process costs; as an
 * allocator's means it only suits one that forks anyway.
 */
#include "refpage.h"

#include <errno.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

static int fork_template_open(struct refpage *r)
{
	int e = refpage_map(r, MAP_ANONYMOUS, -1);

	if (!e)
		refpage_write_pattern(r, r->addr, r->bytes);
	return e;
}

static int fork_template_get(struct refpage *r)
{
	pid_t pid = fork();
	int status;

	(void)r;
	if (pid < 0)
		return -errno;
	if (!pid)
		return 0;
	if (waitpid(pid, &status, 0) != pid)
		return -errno;
	return status ? -ECHILD : REFPAGE_ELSEWHERE;
}

/* Only the child comes here. */
static int fork_template_put(struct refpage *r)
{
	(void)r;
	_exit(0);
}

static void fork_template_close(struct refpage *r)
{
	(void)refpage_unmap(r);
}

static uint64_t fork_template_get_faults(const struct refpage *r)
{
	(void)r;
	return REFPAGE_UNKNOWN;
}

/* What the parent has is old in the child: a processor that does not set accessed bits takes a fault for reading it. */
static uint64_t fork_template_touch_faults(const struct refpage *r)
{
	return mmlab_mmu(r->c)->sets_accessed ? refpage_faults_written(r) : refpage_faults_twice(r);
}

static uint64_t fork_template_hidden(const struct refpage *r, const struct mmlab_frames *frames)
{
	(void)frames;
	return r->order == REFPAGE_READ ? 0 : r->n_touched * r->page_bytes; /* originals of the child's copies */
}

static const struct mmlab_contender fork_template = {
	.name = "fork-template",
	.summary = "fork of a process whose region is full of pattern; the child touches and exits",
	.needs = { .memory_bytes = refpage_memory_bytes },
	.inexact_faults = "stacks and data of parent and child are copied by whoever writes first; those of the region are "
			  "proved apart",
	.ops = &(const struct refpage_ops){
		.kept = true,
		.open = fork_template_open,
		.get = fork_template_get,
		.put = fork_template_put,
		.close = fork_template_close,
		.get_faults = fork_template_get_faults,
		.touch_faults = fork_template_touch_faults,
		.hidden_bytes = fork_template_hidden,
	},
};
