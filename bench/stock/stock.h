/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * What the contenders of `stock` share: the state of one task, and the callbacks that make up a contender.
 */
#include "map.h"
#include "peer.h"
#include "scenario.h"

/**
 * struct stock - one task's state
 * @c:          the case
 * @map:        a mapping that is kept over all operations, or empty
 * @bytes:      the case's size, in whole pages
 * @page_bytes: base page size
 * @n_pages:    @bytes in pages
 * @fd:         a populated file, or -1
 * @pipe_in, @pipe_out: this task's ends of two pipes, or -1
 * @n_done:     what the contender counts for its own proof
 * @peer:       the other end, or empty
 * @own:        the contender's own data
 */
struct stock {
	struct mmlab_case *c;
	struct mmlab_map map;
	size_t bytes, page_bytes, n_pages;
	int fd, pipe_in, pipe_out;
	uint64_t n_done;
	struct mmlab_peer peer;
	void *own;
};

/**
 * struct stock_ops - one stock primitive
 * @sized:  the operation depends on the size axis; the others exist at its default point only
 * @huge:   transparent huge pages are wanted; otherwise they are switched off for the process
 * @setup:  untimed; may be NULL
 * @run:    timed
 * @faults: page faults that one operation must cause; NULL if that can't be said in advance
 * @rss:    resident bytes of the mapping that one operation leaves or works on; NULL if there is none
 * @verify: further proof; may be NULL
 * @teardown: undoes what @setup did beyond @map, @fd and the pipes, which the scenario closes; may be NULL
 */
struct stock_ops {
	bool sized;
	bool huge;
	int (*setup)(struct stock *s);
	int (*run)(struct stock *s, uint64_t n);
	uint64_t (*faults)(const struct stock *s);
	int (*rss)(struct stock *s, uint64_t *ret_bytes);
	int (*verify)(struct stock *s);
	void (*teardown)(struct stock *s);
};

/* All contenders, ended by NULL: contenders.c. */
extern const struct mmlab_contender *const stock_contenders[];

#define STOCK_DEFAULT_SIZE "2M" /* the only point of contenders that are not sized */

/** stock_no_faults(), stock_fault_per_page() - for stock_ops.faults. */
uint64_t stock_no_faults(const struct stock *s);
uint64_t stock_fault_per_page(const struct stock *s);

/** stock_populate() - @map becomes private anonymous memory; @bytes at its address are accessible and written. Return: 0 or -errno. */
int stock_populate(struct stock *s);

/** stock_rss() - for stock_ops.rss: what smaps says about @map. */
int stock_rss(struct stock *s, uint64_t *ret_bytes);

/** stock_rss_of() - map afresh, let @touch use it, and see what smaps says. Return: 0 or -errno. */
int stock_rss_of(struct stock *s, int prot, int flags, void (*touch)(char *addr, const struct stock *s),
		 uint64_t *ret_bytes);

/** stock_write_pages(), stock_read_pages() - one byte of each page. */
static inline void stock_write_pages(char *addr, const struct stock *s)
{
	for (size_t i = 0; i < s->bytes; i += s->page_bytes)
		*(volatile char *)(addr + i) = 1; /* volatile: or the compiler drops stores that nobody reads */
}

static inline void stock_read_pages(char *addr, const struct stock *s)
{
	for (size_t i = 0; i < s->bytes; i += s->page_bytes)
		(void)*(volatile char *)(addr + i);
}
