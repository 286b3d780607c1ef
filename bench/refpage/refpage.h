/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * What the contenders of `refpage` share: the region of one case, the callbacks that make up a contender, and the
 * page-fault arithmetic that several of them need.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "procfs.h"
#include "scenario.h"

/* Positive outcome of refpage_ops.get: another process went through the whole cycle. */
#define REFPAGE_ELSEWHERE 1

/* A number of faults that can't be told in advance. */
#define REFPAGE_UNKNOWN UINT64_MAX

/* As in the words of the axis. */
enum refpage_order { REFPAGE_READ, REFPAGE_WRITE, REFPAGE_READWRITE };

/* What a look at the region found; shared memory, as fork-template's cycles happen in a child. */
struct refpage_seen {
	char blame[200]; /* empty if all was well */
	struct mmlab_smaps smaps;
	struct mmlab_frames frames;
	int frames_error; /* 0, or why there are no frames: -errno */
	uint64_t table_bytes;
};

/**
 * struct refpage - the region of one case, and where it gets its content from
 * @c:          the case
 * @addr:       where the region is obtained; a multiple of 2 MiB, with nothing mapped nearby
 * @other_addr: a second such place
 * @bytes, @n_pages: its length; whole pages
 * @page_bytes: base page size
 * @n_touched:  pages that a cycle touches, spread evenly
 * @order:      what touching is
 * @thp:        transparent huge pages are set to always
 * @pattern:    the pattern, repeated over one page
 * @pattern_bytes: length of the pattern
 * @stamp:      the byte that touching writes at the start of a page; differs from the pattern there
 * @fd:         object behind the region, or -1
 * @own:        the contender's own data
 * @seen:       for the scenario and refpage_blame()
 */
struct refpage {
	struct mmlab_case *c;
	char *addr, *other_addr;
	size_t bytes, n_pages, page_bytes, n_touched;
	enum refpage_order order;
	bool thp;
	char *pattern;
	size_t pattern_bytes;
	char stamp;
	int fd;
	void *own;
	struct refpage_seen *seen;
};

/**
 * struct refpage_ops - one way of obtaining patterned memory
 * @zeroes: the region reads as zeroes rather than the pattern (the floor)
 * @sparse: only pages that will be touched have the pattern; the others read as zeroes
 * @kept:   the region belongs to the contender for good, at @addr; otherwise it may be obtained at several addresses
 * @open:   untimed: what outlives a cycle; may be NULL
 * @get:    timed: the region at @addr reads as the pattern from here on; 0, REFPAGE_ELSEWHERE or -errno
 * @put:    timed: gives the region up; what was written is lost; 0 or -errno
 * @close:  releases what @open made, also if it only half succeeded; may be NULL
 * @get_faults, @touch_faults: page faults that they must cause in each cycle, as the kernel accounts them to tasks
 * @hidden_bytes: resident memory that serves the region without being mapped in it; NULL if there is none
 * @mark, @prove: called before a cycle and after its touching: did what is counted elsewhere (in the module, in a
 *          handler) move as it must? @prove says with refpage_blame() if it did not; both may be NULL
 */
struct refpage_ops {
	bool zeroes;
	bool sparse;
	bool kept;
	int (*open)(struct refpage *r);
	int (*get)(struct refpage *r);
	int (*put)(struct refpage *r);
	void (*close)(struct refpage *r);
	uint64_t (*get_faults)(const struct refpage *r);
	uint64_t (*touch_faults)(const struct refpage *r);
	uint64_t (*hidden_bytes)(const struct refpage *r, const struct mmlab_frames *frames);
	void (*mark)(struct refpage *r);
	void (*prove)(struct refpage *r);
};

/* All contenders, ended by NULL: contenders.c. */
extern const struct mmlab_contender *const refpage_contenders[];

/** struct refpage_walk - goes over the touched pages; page number i of them is page i * n_pages / n_touched. */
struct refpage_walk {
	size_t page, i, error;
};

static inline bool refpage_more(const struct refpage *r, const struct refpage_walk *walk)
{
	return walk->i < r->n_touched;
}

/* Carries the remainder along, as a division would cost more than the touch. */
static inline void refpage_next(const struct refpage *r, struct refpage_walk *walk, size_t step, size_t remainder)
{
	walk->i++;
	walk->page += step;
	walk->error += remainder;
	if (walk->error >= r->n_touched) {
		walk->error -= r->n_touched;
		walk->page++;
	}
}

#define refpage_for_each_touched(r, walk)                                                                              \
	for (size_t step_ = (r)->n_pages / (r)->n_touched, rest_ = (r)->n_pages % (r)->n_touched;                      \
	     refpage_more(r, walk); refpage_next(r, walk, step_, rest_))

/** refpage_map() - mmap the region at @addr, private; -EEXIST if something is there. Return: 0 or -errno. */
int refpage_map(struct refpage *r, int flags, int fd);

/** refpage_unmap() - for refpage_ops.put: munmap the region. */
int refpage_unmap(struct refpage *r);

/** refpage_memfd() - @fd becomes a memfd of @bytes full of pattern. Return: 0 or -errno. */
int refpage_memfd(struct refpage *r, size_t bytes);

/** refpage_write_pattern() - write the pattern over @bytes at @to, both whole pages. */
void refpage_write_pattern(const struct refpage *r, char *to, size_t bytes);

/** refpage_blame() - say why a look at the region did not find what it must; the first reason is kept. */
void refpage_blame(struct refpage *r, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Page faults, for refpage_ops.get_faults and .touch_faults. */

/** refpage_faults_none() - all pages are there. */
uint64_t refpage_faults_none(const struct refpage *r);

/** refpage_faults_once() - one for each touched page, whatever the order: the first access gives a private page. */
uint64_t refpage_faults_once(const struct refpage *r);

/** refpage_faults_twice() - one for each touched page; two if it is read first and then written. */
uint64_t refpage_faults_twice(const struct refpage *r);

/** refpage_faults_written() - one for each page that is written. */
uint64_t refpage_faults_written(const struct refpage *r);

/** refpage_faults_anon() - touching anonymous memory; heeds huge pages. */
uint64_t refpage_faults_anon(const struct refpage *r);

/** refpage_faults_fill() - writing all of fresh anonymous memory; heeds huge pages. */
uint64_t refpage_faults_fill(const struct refpage *r);

/** refpage_faults_file() - touching a private mapping of a resident file: reads map a window of neighbours. */
uint64_t refpage_faults_file(const struct refpage *r);

/** refpage_file_hidden() - for refpage_ops.hidden_bytes: pages of @fd that are not mapped in the region. */
uint64_t refpage_file_hidden(const struct refpage *r, const struct mmlab_frames *frames);

/** refpage_memory_bytes() - for needs.memory_bytes: enough for any contender. */
uint64_t refpage_memory_bytes(const struct mmlab_case *c);
