/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * What the parts of `clone` share: the two sides of one operation, and the callbacks that make up a contender.
 *
 * The task of the case is the destination, which is timed. The source is a process of its own, forked in setup before
 * it has any memory. Fork is the exception: the task is the source, and the destination a child of each operation. Each
 * process has its own struct clone; `control` is the memory that they share.
 */
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "libmmlab.h"
#include "map.h"
#include "peer.h"
#include "scenario.h"

#define CLONE_CHUNK_BYTES ((size_t)2 << 20) /* what one page table of the last level maps */

/* A number of faults that can't be told in advance. */
#define CLONE_UNKNOWN UINT64_MAX

/* As in the words of the axes. */
enum clone_use { CLONE_USE_NONE, CLONE_USE_TOUCH, CLONE_USE_READ, CLONE_USE_WRITE };
enum clone_address { CLONE_AT_SAME, CLONE_AT_OTHER, CLONE_AT_ODD };

/* What a process does with memory when it is told to. */
enum clone_deed {
	CLONE_DO_PREPARE, /* source: have all pages, written with the stamp of the operation to come */
	CLONE_DO_WRITE,	  /* source: write to each page once more */
	CLONE_DO_USE,	  /* destination: what the axis says */
	CLONE_DO_COMPARE, /* either: compare every byte with what it must be */
	CLONE_DO_MARK,	  /* destination: write to each page, for the source to see it or not */
	CLONE_DO_LACK,	  /* source: an access must fail */
	CLONE_DO_SERVE,	  /* source: its part in ops->take */
	CLONE_DO_NOTHING, /* either: be there */
	CLONE_DO_END,
};

/* Who wrote the stamps that are to be seen. */
enum clone_writer { CLONE_BY_PREPARE, CLONE_BY_WRITE, CLONE_BY_MARK };

/* Orders to one other process, and what it answers. What different sides write lies on different lines. */
struct clone_line {
	_Alignas(64) atomic_uint order; /* number of the order */
	enum clone_deed deed;
	enum clone_writer writer;
	const void *addr;
	size_t offset, bytes;
	uint64_t seq;
	_Alignas(64) atomic_uint done; /* number of the order that is done */
	int result;
	uint64_t sum, faults, ns;
};

struct clone_control {
	struct clone_line source, child;
	_Alignas(64) atomic_uint spin; /* the source's threads run */
	_Alignas(64) atomic_uint n_spinning;
	atomic_bool failed;
	char blame[200];
};

/* Times of one operation, by part. */
enum clone_part { CLONE_GET, CLONE_USE, CLONE_GIVE, CLONE_SOURCE_WRITE, CLONE_N_PARTS };

/**
 * struct clone - one case, as seen from one process
 * @c:           the case
 * @control:     what all processes see
 * @bytes, @n_pages, @page_bytes: size of the source's memory, whole pages
 * @n_swapped:   pages of it that are in swap when the operation begins
 * @use, @source_writes, @address, @n_threads: the point of the axes
 * @seq:         number of the operation, from 1
 * @from:        where the source has its memory
 * @place:       where the destination is to have it
 * @source_pid:  the process that has it
 * @source:      the process that was started for it; @child_pid: of the operation's child (fork only)
 * @timed:       the parts of this operation are measured
 * @deed, @writer: what clone_use() does, and what it must find if it compares
 * @held:        what clone_use() was shown last
 * @ns:          of all timed operations, by part
 * @faults, @source_faults, @n_ops: of all timed operations
 * @sum:         of what was read in all timed operations; @expected: what it must be
 * @fd:          the memory file that the source's memory is, or -1; @own_fd: any other descriptor, or -1
 * @map:         the destination's mapping; @source_map: the source's
 * @threads:     the source's; @usable, @cpu: CPUs of the run, and the task's
 * @own:         the contender's own data
 */
struct clone {
	struct mmlab_case *c;
	struct clone_control *control;
	size_t bytes, n_pages, page_bytes, n_swapped;
	enum clone_use use;
	bool source_writes;
	enum clone_address address;
	unsigned int n_threads;
	uint64_t seq;
	char *from, *place;
	pid_t source_pid, child_pid;
	struct mmlab_peer source;
	bool timed;
	enum clone_deed deed;
	enum clone_writer writer;
	struct {
		const void *addr;
		size_t offset, bytes;
	} held;
	uint64_t ns[CLONE_N_PARTS];
	uint64_t faults, source_faults, n_ops;
	uint64_t sum, expected;
	int fd, own_fd;
	struct mmlab_map map, source_map, control_map, neighbours[2];
	struct clone_threads *threads;
	cpu_set_t usable;
	int cpu;
	void *own;
};

/**
 * struct clone_ops - one way to come by the source's memory
 * @plan:    parameters of a family of contenders, of its own type
 * @shared:  either side sees what the other writes afterwards
 * @moves:   the source has it no more
 * @forks:   the source is the task itself, and the destination its child
 * @partly:  the destination never has all of it at once
 * @places:  it can be had at another address
 * @module:  clones by the module, whose counters must say so
 * @no_swap: why it makes no sense with half the source swapped out; NULL if it does
 * @open_shared: before the source is forked; this and the next are untimed, return 0, -errno or MMLAB_SKIP (this one
 *           only), and may be NULL
 * @open:    destination, when the source has its memory
 * @take:    destination: obtains the memory, shows it to clone_use() once or in pieces
 * @give:    destination: gives it up; may be NULL
 * @serve:   source: its part in take; may be NULL
 * @close:   either side; releases what was opened, also half of it; may be NULL
 * @faults:  page faults that taking, using and giving must cause in the destination; NULL for none
 * @source_faults: page faults that the source's writing afterwards must cause; NULL for none
 */
struct clone_ops {
	const void *plan;
	bool shared, moves, forks, partly, places, module;
	const char *no_swap;
	int (*open_shared)(struct clone *s);
	int (*open)(struct clone *s);
	int (*take)(struct clone *s);
	int (*give)(struct clone *s);
	int (*serve)(struct clone *s);
	void (*close)(struct clone *s);
	uint64_t (*faults)(const struct clone *s);
	uint64_t (*source_faults)(const struct clone *s);
};

/* All contenders, ended by NULL: contenders.c. */
extern const struct mmlab_contender *const clone_contenders[];

/** clone_ops() - the contender's callbacks; clone_plan() - its parameters. */
const struct clone_ops *clone_ops(const struct clone *s);
const void *clone_plan(const struct clone *s);

/** clone_use() - for ops->take: the @bytes at @offset of the source's memory can be had at @addr; whole pages. */
int clone_use(struct clone *s, const void *addr, size_t offset, size_t bytes);

/** clone_blame() - say why something failed, in any process; the first reason is kept. Return: -EIO. */
int clone_blame(struct clone *s, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/** clone_fail() - end a callback: with what clone_blame() was told, if anything, or @what. Return: as mmlab_fail(). */
int clone_fail(struct clone *s, int e, const char *what);

/* Called just before the destination takes the memory, and while it has it; either may be NULL. */
struct clone_watch {
	int (*before)(struct clone *s, void *arg);
	int (*held)(struct clone *s, void *arg);
	void *arg;
};

/** clone_operation() - one; @watch may be NULL. Return: 0 or -errno. */
int clone_operation(struct clone *s, const struct clone_watch *watch);

/** clone_unfit() - for mmlab_contender.unfit: by the flags of struct clone_ops. */
const char *clone_unfit(const struct mmlab_case *c);

/** clone_memory_bytes() - for needs.memory_bytes: enough for any contender. */
uint64_t clone_memory_bytes(const struct mmlab_case *c);
