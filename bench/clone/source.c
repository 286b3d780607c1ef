// SPDX-License-Identifier: MIT
#include "source.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "cleanup.h"
#include "clock.h"
#include "content.h"
#include "procfs.h"
#include "threads.h"

#ifndef MADV_PAGEOUT
#define MADV_PAGEOUT 21
#endif

#define PATIENCE_NS   100000000L
#define PAGEOUT_TRIES 100

uint64_t clone_faults_now(void)
{
	struct rusage usage;

	(void)getrusage(RUSAGE_SELF, &usage);
	return (uint64_t)(usage.ru_minflt + usage.ru_majflt);
}

/*
 * What the source does.
 */

static int source_map(struct clone *s)
{
	int flags = s->fd >= 0 ? MAP_SHARED : MAP_PRIVATE | MAP_ANONYMOUS;
	char *base = mmap(s->from, s->bytes, PROT_READ | PROT_WRITE, flags | MAP_FIXED_NOREPLACE, s->fd, 0);

	if (base == MAP_FAILED)
		return -errno;
	s->source_map = (struct mmlab_map){ .base = base, .bytes = s->bytes, .addr = base };
	clone_fill(s);
	return 0;
}

/* The second half. Pages that were written a moment ago may be in a list of a CPU that reclaim does not look at. */
static int swap_out(struct clone *s)
{
	size_t bytes = s->n_swapped * s->page_bytes;
	struct mmlab_smaps smaps;
	int e = 0;

	for (int i = 0; i < PAGEOUT_TRIES; i++) {
		if (madvise(s->from + s->bytes - bytes, bytes, MADV_PAGEOUT))
			return -errno;
		e = mmlab_smaps_read(&smaps, s->from, s->bytes);
		if (e || smaps.swap == bytes)
			return e;
		(void)nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
	}
	return clone_blame(s, "%llu bytes are in swap, expected %zu", (unsigned long long)smaps.swap, bytes);
}

/* What has been moved away is made again. */
static int prepare(struct clone *s)
{
	int e = 0;

	if (clone_ops(s)->moves && s->source_map.base)
		mmlab_map_close(&s->source_map);
	if (!s->source_map.base)
		e = source_map(s);
	else
		clone_stamp(s, CLONE_BY_PREPARE, s->from, 0, s->bytes);
	if (!e && s->n_swapped)
		e = swap_out(s);
	return e;
}

/* Here and in the child of a fork a clock is read, as a lap would have the way to the other process and back in it. */
static int write_after(struct clone *s, struct clone_line *line)
{
	uint64_t faults, start;

	(void)clone_faults_now();
	faults = clone_faults_now();
	start = mmlab_now_ns();
	clone_stamp(s, CLONE_BY_WRITE, s->from, 0, s->bytes);
	line->ns = mmlab_now_ns() - start;
	line->faults = clone_faults_now() - faults;
	return 0;
}

/* A system call heeds page tables as any access does, but fails instead of raising a signal. */
static int lack(struct clone *s)
{
	_cleanup_(mmlab_closep) int in = -1, out = -1;
	int ends[2];

	if (pipe2(ends, O_CLOEXEC))
		return -errno;
	in = ends[0];
	out = ends[1];
	if (write(out, s->from, 1) >= 0 || errno != EFAULT)
		return clone_blame(s, "the source can still read what was moved away");
	return 0;
}

/* A child of fork has no page tables for the program's text yet: those faults are not the memory's. */
static int use(struct clone *s, struct clone_line *line)
{
	uint64_t faults;

	(void)clone_sum(s, line->addr, line->offset, 0);
	(void)clone_faults_now();
	faults = clone_faults_now();
	line->sum = clone_sum(s, line->addr, line->offset, line->bytes);
	line->faults = clone_faults_now() - faults;
	return 0;
}

int clone_do(struct clone *s, struct clone_line *line)
{
	s->seq = line->seq;
	switch (line->deed) {
	case CLONE_DO_PREPARE:
		return prepare(s);
	case CLONE_DO_WRITE:
		return write_after(s, line);
	case CLONE_DO_USE:
		return use(s, line);
	case CLONE_DO_COMPARE:
		return clone_compare(s, line->writer, line->addr, line->offset, line->bytes);
	case CLONE_DO_MARK:
		clone_stamp(s, CLONE_BY_MARK, (void *)(uintptr_t)line->addr, line->offset, line->bytes);
		return 0;
	case CLONE_DO_LACK:
		return lack(s);
	case CLONE_DO_SERVE:
		return clone_ops(s)->serve(s);
	case CLONE_DO_NOTHING:
	case CLONE_DO_END:
		break;
	}
	return 0;
}

/*
 * Orders.
 */

static void wake(atomic_uint *word)
{
	(void)syscall(SYS_futex, word, FUTEX_WAKE, INT32_MAX, NULL, NULL, 0);
}

static void serve(struct clone *s, struct clone_line *line)
{
	unsigned int order, done;
	enum clone_deed deed;

	do {
		done = atomic_load(&line->done);
		while ((order = atomic_load(&line->order)) == done)
			(void)syscall(SYS_futex, &line->order, FUTEX_WAIT, done, NULL, NULL, 0);
		deed = line->deed; /* the next order may be there before this one's answer has been sent */
		line->result = clone_do(s, line);
		atomic_store(&line->done, order);
		if (deed != CLONE_DO_END)
			wake(&line->done);
	} while (deed != CLONE_DO_END);
}

static unsigned int tell(struct clone *s, struct clone_line *line, enum clone_deed deed)
{
	unsigned int order = atomic_load(&line->order) + 1;

	line->deed = deed;
	line->writer = s->writer;
	line->seq = s->seq;
	atomic_store(&line->order, order);
	wake(&line->order);
	return order;
}

static int check_alive(struct clone *s, pid_t pid)
{
	const char *how;
	int code;

	return mmlab_child_ended(pid, &how, &code) ? clone_blame(s, "process %d is dead: %s %d", (int)pid, how, code) : 0;
}

int clone_source_check(struct clone *s)
{
	return s->source.pid ? check_alive(s, s->source.pid) : 0;
}

static int order(struct clone *s, struct clone_line *line, enum clone_deed deed, pid_t pid)
{
	static const struct timespec patience = { .tv_nsec = PATIENCE_NS };
	unsigned int number = tell(s, line, deed), done;

	while ((done = atomic_load(&line->done)) != number) {
		int e;

		(void)syscall(SYS_futex, &line->done, FUTEX_WAIT, done, &patience, NULL, 0);
		e = atomic_load(&line->done) == done ? check_alive(s, pid) : 0;
		if (e)
			return e;
	}
	return line->result;
}

static int source_main(void *arg)
{
	struct clone *s = arg;
	int e;

	s->source_pid = getpid();
	e = s->n_threads ? clone_threads_open(s) : 0;
	if (e)
		return clone_blame(s, "starting the source's threads: %s", strerror(-e));
	serve(s, &s->control->source);
	return 0;
}

int clone_source_open(struct clone *s)
{
	int e;

	s->seq = 1;
	if (clone_ops(s)->forks) {
		s->source_pid = getpid();
		e = s->n_threads ? clone_threads_open(s) : 0;
	} else {
		e = mmlab_peer_open(&s->source, s->c, source_main, s);
		s->source_pid = s->source.pid;
	}
	if (!e && s->source.pid) /* later, on a busy machine, it would be a page fault of an operation */
		e = check_alive(s, s->source.pid);
	return e ? e : clone_source_do(s, CLONE_DO_PREPARE);
}

void clone_source_close(struct clone *s)
{
	if (clone_ops(s)->forks)
		clone_threads_close(s);
	(void)mmlab_peer_close(&s->source, true);
}

int clone_source_do(struct clone *s, enum clone_deed deed)
{
	struct clone_line *line = &s->control->source;

	line->addr = s->from;
	line->offset = 0;
	line->bytes = s->bytes;
	if (!clone_ops(s)->forks)
		return order(s, line, deed, s->source_pid);
	line->deed = deed;
	line->writer = s->writer;
	line->seq = s->seq;
	return clone_do(s, line);
}

int clone_child_open(struct clone *s)
{
	pid_t parent = getpid(), pid = fork();

	if (pid < 0)
		return -errno;
	if (!pid) {
		if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) || getppid() != parent)
			_exit(1);
		serve(s, &s->control->child);
		_exit(0);
	}
	s->child_pid = pid;
	return 0;
}

int clone_child_await(struct clone *s)
{
	return order(s, &s->control->child, CLONE_DO_NOTHING, s->child_pid);
}

int clone_child_do(struct clone *s, enum clone_deed deed, const void *addr, size_t offset, size_t bytes)
{
	struct clone_line *line = &s->control->child;

	line->addr = addr;
	line->offset = offset;
	line->bytes = bytes;
	return order(s, line, deed, s->child_pid);
}

int clone_child_close(struct clone *s)
{
	struct mmlab_peer child = { .pid = s->child_pid };

	if (!s->child_pid)
		return 0;
	s->child_pid = 0;
	(void)tell(s, &s->control->child, CLONE_DO_END);
	return mmlab_peer_close(&child, false);
}
