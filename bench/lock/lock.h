/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * What the contenders of `lock` share: the buffer of one case, the callbacks that make up a contender, and the ways of
 * finding out whether the buffer can be accessed.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "libmmlab.h"
#include "map.h"
#include "scenario.h"

struct lock_crew;

/* What taking the buffer back takes away. */
enum lock_revokes {
	LOCK_REVOKES_ALL,     /* every access, of every thread, at once */
	LOCK_REVOKES_LATER,   /* the same, but only when the TLBs happen to forget */
	LOCK_REVOKES_THREAD,  /* the calling thread's access alone */
	LOCK_REVOKES_WRITES,  /* writing, of every thread; reading goes on */
	LOCK_REVOKES_NOTHING, /* nothing */
};

/**
 * struct lock - the buffer of one case
 * @c:          the case
 * @addr:       where it is, or will be, mapped: the same place in every process, a multiple of 1 GiB
 * @bytes, @n_pages: its size, in whole pages
 * @page_bytes: base page size
 * @touch:      after access was given, a byte of each page is written
 * @stamp:      that byte
 * @fd:         the file behind it, or -1
 * @map:        a mapping of it that is kept over all operations, or empty; closed by the scenario
 * @own_fd, @own_number: the contender's own
 * @crew:       the threads that keep other CPUs in this address space; NULL if there are none
 */
struct lock {
	struct mmlab_case *c;
	char *addr;
	size_t bytes, n_pages, page_bytes;
	bool touch;
	char stamp;
	int fd;
	struct mmlab_map map;
	int own_fd, own_number;
	struct lock_crew *crew;
};

/**
 * struct lock_buffer - which of the module's buffers a contender uses, and what an operation does with it
 * @mode, @flush, @flags: as for mmlab_lockbuf_create(); all of them are created populated
 * @n_locks:   LOCK and UNLOCK pairs of one operation
 * @n_flushes: flushes that one operation asks for
 */
struct lock_buffer {
	enum mmlab_lockbuf_mode mode;
	enum mmlab_lockbuf_flush flush;
	unsigned int flags;
	unsigned int n_locks, n_flushes;
};

/**
 * struct lock_ops - one way of giving and taking back access
 * @revokes:  what @revoke takes away
 * @lazy:     @grant gives no pages, touching gets them: so this contender touches them at touch=none as well
 * @lossy:    the content does not outlive the operation
 * @part:     not the operation, but a part of it: exists at touch=none only
 * @unsized:  the size does not matter: exists at LOCK_DEFAULT_SIZE only
 * @huge:     on transparent huge pages
 * @single:   no other thread is concerned: exists at threads=1 only
 * @buffer:   the module's buffer; NULL for contenders that do without
 * @open:     untimed: a populated buffer, @revoke done
 * @grant:    timed: gives access; 0 or -errno; NULL if there is nothing to do
 * @revoke:   timed: takes it back; 0 or -errno
 * @close:    releases what @open made beyond what struct lock lists; may be NULL
 * @faults:   page faults that one operation must cause; NULL if that can't be said in advance
 * @prove:    further proof, called while access is given; 0 or what mmlab_fail() says; may be NULL
 */
struct lock_ops {
	enum lock_revokes revokes;
	bool lazy, lossy, part, unsized, huge, single;
	const struct lock_buffer *buffer;
	int (*open)(struct lock *l);
	int (*grant)(struct lock *l);
	int (*revoke)(struct lock *l);
	void (*close)(struct lock *l);
	uint64_t (*faults)(const struct lock *l);
	int (*prove)(struct lock *l);
};

#define LOCK_HUGE_BYTES	  ((size_t)2 << 20)
#define LOCK_DEFAULT_SIZE "64K" /* the only point of contenders that the size does not matter to */

/* All contenders, ended by NULL: contenders.c. */
extern const struct mmlab_contender *const lock_contenders[];

/** lock_touch() - write a byte of each page. */
static inline void lock_touch(const struct lock *l)
{
	for (size_t i = 0; i < l->bytes; i += l->page_bytes)
		*(volatile char *)(l->addr + i) =
			l->stamp; /* volatile: or the compiler drops stores that nobody reads */
}

/** lock_faults_none(), lock_faults_per_page() - for lock_ops.faults. */
uint64_t lock_faults_none(const struct lock *l);
uint64_t lock_faults_per_page(const struct lock *l);

/** lock_memory_bytes() - for needs.memory_bytes. */
uint64_t lock_memory_bytes(const struct mmlab_case *c);
