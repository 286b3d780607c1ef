// SPDX-License-Identifier: MIT
/*
 * A guest counts its page faults exactly, so nothing but the memory may fault: every path is rehearsed, with the memory
 * attached and given up again, and with a stack as deep as any call needs.
 */
#include "guest.h"

#include <errno.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define DEEPEST_STACK 32768

int fanout_board_open(struct fanout *f)
{
	size_t bytes = sizeof(*f->board) + f->n * sizeof(f->board->faults[0]);
	void *board = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);

	if (board == MAP_FAILED)
		return -errno;
	f->board = board;
	f->board_bytes = bytes;
	return 0;
}

/* A different byte for each page; none of them zero. */
static char content_of(size_t page)
{
	return (char)((page * 7 + (page >> 8) * 13) | 1);
}

void fanout_fill(struct fanout *f)
{
	f->sum = 0;
	for (size_t i = 0; i < f->bytes / f->page_bytes; i++) {
		f->map.addr[i * f->page_bytes] = content_of(i);
		f->sum += (unsigned char)content_of(i);
	}
}

static uint64_t read_pages(const struct fanout *f, const char *at, size_t bytes)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < bytes; i += f->page_bytes)
		sum += *(const volatile unsigned char *)(at + i);
	return sum;
}

static void write_pages(const struct fanout *f, char *at, size_t bytes)
{
	for (size_t i = 0; i < bytes; i += f->page_bytes)
		*(volatile char *)(at + i) = content_of(i / f->page_bytes);
}

static int touch(const struct fanout *f, char *at, size_t bytes)
{
	if (f->writes)
		write_pages(f, at, bytes);
	else if (read_pages(f, at, bytes) != (bytes ? f->sum : 0))
		return -EILSEQ;
	return 0;
}

static int again(const struct fanout *f, const char *at)
{
	return read_pages(f, at, f->bytes) == f->sum ? 0 : -EILSEQ;
}

/* A process that has the memory from its parent, needs a byte of it, and ends. */
static int fork_children(const char *at)
{
	for (unsigned int i = 0; i < FANOUT_FORKS; i++) {
		pid_t pid = fork();
		int status;

		if (pid < 0)
			return -errno;
		if (!pid)
			_exit(*(const volatile char *)at == content_of(0) ? 0 : 1);
		while (waitpid(pid, &status, 0) < 0)
			if (errno != EINTR)
				return -errno;
		if (status)
			return -EILSEQ;
	}
	return 0;
}

/* The kernel writes on the caller's behalf, and fails where the caller would get a signal. Content is kept: byte 1. */
static int probe_byte(const struct fanout *f, char *at)
{
	bool may_write = f->board->prot & PROT_WRITE;
	ssize_t n = read(f->zero_fd, at + 1, 1);

	if (n < 0 && errno != EFAULT)
		return -errno;
	return (n == 1) == may_write ? 0 : -EPERM;
}

static int probe(const struct fanout *f, char *at)
{
	size_t end = f->board->offset + f->board->bytes;
	size_t last = (end < f->bytes ? end : f->bytes) - f->page_bytes; /* beyond, there is no memory */
	int r = probe_byte(f, at + f->board->offset);

	return r ? r : probe_byte(f, at + last);
}

static uint64_t faults_now(void)
{
	struct rusage usage;

	(void)getrusage(RUSAGE_THREAD, &usage);
	return (uint64_t)(usage.ru_minflt + usage.ru_majflt);
}

static int attach(struct fanout *f, char *at)
{
	const struct fanout_ops *ops = fanout_ops(f);

	return ops->attach ? ops->attach(f, at) : 0;
}

static int rehearse(struct fanout *f, unsigned int guest, char *at)
{
	volatile char deep[DEEPEST_STACK];
	char byte;
	int r;

	for (size_t i = 0; i < sizeof(deep); i += f->page_bytes)
		deep[i] = 0;
	f->board->faults[guest] = faults_now();
	(void)syscall(SYS_getpid); /* as waiting for the next step does */
	r = attach(f, at);
	if (!r)
		r = touch(f, at, 0);
	if (!r && read(f->zero_fd, &byte, 1) != 1)
		r = -errno;
	if (!r && fanout_ops(f)->attach && munmap(at, f->map_bytes))
		r = -errno;
	f->board->faults[guest] = 0;
	return r;
}

int fanout_act(void *arg, unsigned int guest, int step)
{
	struct fanout *f = arg;
	char *at = fanout_place(f, guest);
	uint64_t before = faults_now();
	int r = 0;

	switch ((enum fanout_step)step) {
	case STEP_REHEARSE:
		return rehearse(f, guest, at);
	case STEP_ATTACH:
	case STEP_TOUCH:
		r = step == STEP_ATTACH ? attach(f, at) : touch(f, at, f->bytes);
		f->board->faults[guest] += faults_now() - before;
		return r;
	case STEP_AGAIN:
		return again(f, at);
	case STEP_FORK:
		return fork_children(at);
	case STEP_PROTECT:
		return mprotect(at + f->board->offset, f->board->bytes, f->board->prot) ? -errno : 0;
	case STEP_PROBE:
		return probe(f, at);
	}
	return r;
}

static int blame(struct fanout *f, int r, enum fanout_step step)
{
	static const char *const names[] = {
		"rehearsing", "attaching",  "the first touch",	 "a later touch",
		"forking",    "mprotect()", "probing an access",
	};
	unsigned int guest = mmlab_crowd_culprit(f->crowd);

	if (r == -EILSEQ)
		return mmlab_fail(f->c, 0, "%s: guest %u of %u found another content than the creator wrote",
				  names[step], guest, f->n);
	if (r == -EPERM && step == STEP_PROBE)
		return mmlab_fail(f->c, 0, "guest %u of %u does not obey: writing should be %s", guest, f->n,
				  f->board->prot & PROT_WRITE ? "possible" : "refused");
	if (r == -ECHILD)
		return mmlab_fail(f->c, 0, "%s: one of %u guests died", names[step], f->n);
	return mmlab_fail(f->c, r, "%s, guest %u of %u", names[step], guest, f->n);
}

int fanout_step(struct fanout *f, enum fanout_step step)
{
	int r = step == STEP_FORK ? mmlab_crowd_step_first(f->crowd, step) : mmlab_crowd_step(f->crowd, step);

	return r < 0 ? blame(f, r, step) : 0;
}

int fanout_protect(struct fanout *f, size_t offset, size_t bytes, int prot)
{
	const struct fanout_ops *ops = fanout_ops(f);
	char *at = f->map.addr + offset;
	int r;

	f->board->offset = offset;
	f->board->bytes = bytes;
	f->board->prot = prot;
	if (ops->protect)
		r = ops->protect(f, at, bytes, prot);
	else
		r = mprotect(at, bytes, prot) ? -errno : 0;
	if (r)
		return mmlab_fail(f->c, r, "changing the protection of %zu bytes", bytes);
	return ops->protect ? 0 : fanout_step(f, STEP_PROTECT);
}

int fanout_probe(struct fanout *f)
{
	int r = probe(f, f->map.addr);

	if (r)
		return mmlab_fail(f->c, 0, "the creator does not obey: writing should be %s",
				  f->board->prot & PROT_WRITE ? "possible" : "refused");
	return fanout_step(f, STEP_PROBE);
}
