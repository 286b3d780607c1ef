/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * What the parts of `faultmix` share: the address space of one case, who works in it, and the callbacks that make up a
 * contender.
 *
 * All memory of a case is named by offsets from one base. First come the areas of the workers, in which each page is
 * touched once; then a slot for each thread that maps and unmaps; then the range that a long holder populates. Nothing
 * of one thread shares a table of the last level with another's, so that it is locks of address spaces that are met.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "libmmlab.h"
#include "map.h"
#include "peer.h"
#include "scenario.h"

struct crew;

/* Far from where kernels and sanitizers put anything; a table of its own begins here. */
#define FAULTMIX_PLACE ((char *)0x300000000000)

#define FAULTMIX_TABLE_BYTES ((size_t)2 << 20) /* what one table of the last level maps */
#define FAULTMIX_SLOT_BYTES  ((size_t)64 << 10)
#define FAULTMIX_LONG_BYTES  ((size_t)64 << 20) /* what a long holder populates, or has copied by fork */

/* Who else holds the lock, and how. The order is that of the axis's words. */
enum faultmix_holder {
	HOLDER_NONE,
	HOLDER_POPULATE,
	HOLDER_FORK,
	HOLDER_HOLD, /* from here on by a command of the module: ops.hold */
	HOLDER_IDLE, /* the same, by a thread of low priority on a busy CPU */
	HOLDER_SECOND,
	HOLDER_SAME, /* for a second as well, with the lock of the mapping in which faults are */
};

/* Counters of the module at one moment, those of both mechanisms. */
struct faultmix_counts {
	uint64_t spf[MMLAB_SPF_N_STATS];
	uint64_t arena[MMLAB_ARENA_N_STATS];
};

/**
 * struct faultmix - one case
 * @c:          the case
 * @n_workers, @n_mappers: threads that do operations, and threads that do nothing but map and unmap
 * @n_ops:      operations of each worker in each of the two parts, closed and open
 * @n_faults, @n_writes: how many of these are faults, and how many map and unmap
 * @n_changes:  changes of the mapping, each before a fault
 * @holder:     who holds the lock for long
 * @shared:     all areas are one mapping
 * @page_bytes: base page size
 * @area_bytes: of one worker, in whole tables; @slots, @longs: offsets behind the areas
 * @base:       where offset 0 is
 * @fd:         what is mapped, or -1
 * @source:     a file with each value of a byte, from which the kernel fills pages, or -1: the workers touch them
 * @arena:      the mapping of an arena; empty for others
 * @ballast:    what fork has to copy; empty unless a holder forks
 * @crew:       the threads
 * @opened, @before, @between, @after: counters before the memory existed, and around the two parts
 */
struct faultmix {
	struct mmlab_case *c;
	unsigned int n_workers, n_mappers;
	uint64_t n_ops, n_faults, n_writes, n_changes;
	enum faultmix_holder holder;
	bool shared;
	size_t page_bytes, area_bytes, slots, longs, bytes;
	char *base;
	int fd, source;
	struct mmlab_map arena, ballast;
	struct crew *crew;
	struct mmlab_peer neighbour; /* has a region of the module, if the contender wants one */
	struct faultmix_counts opened, before, between, after;
};

/* What serves the faults of a contender, and which counters of the module tell of it. */
enum faultmix_kind {
	KIND_ANON,   /* the kernel's own anonymous memory */
	KIND_REGION, /* regions of the module, mapped and unmapped by the kernel */
	KIND_ARENA,  /* ranges of an arena */
};

/**
 * struct faultmix_ops - one address space
 * @kind:     whose it is
 * @mode:     KIND_REGION: an enum mmlab_spf_mode
 * @hooked:   the fault path of all processes looks for regions
 * @scheme:   KIND_ARENA: an enum mmlab_arena_scheme
 * @open:     untimed: what there must be before ranges can be mapped; 0 or -errno
 * @map:      a range that can be written, and is zero; 0 or -errno
 * @unmap:    gives it back; 0 or -errno
 * @change:   set a page's protection to what it is, as who changes a mapping; content stays; 0 or -errno
 * @populate: as @map, with all pages there; 0 or -errno
 * @hold:     hold the lock, as who changes a mapping, for so many milliseconds; 0 or -errno. The mapping is another one
 *            than those of the workers, unless the holder is HOLDER_SAME
 * @no_hold:  why that can't be done, as static text, or NULL
 */
struct faultmix_ops {
	enum faultmix_kind kind;
	enum mmlab_spf_mode mode;
	bool hooked;
	enum mmlab_arena_scheme scheme;
	int (*open)(struct faultmix *f);
	int (*map)(struct faultmix *f, size_t offset, size_t bytes);
	int (*unmap)(struct faultmix *f, size_t offset, size_t bytes);
	int (*change)(struct faultmix *f, size_t offset);
	int (*populate)(struct faultmix *f, size_t offset, size_t bytes);
	int (*hold)(struct faultmix *f, unsigned int ms);
	const char *(*no_hold)(void);
};

/* All contenders, ended by NULL: contenders.c. */
extern const struct mmlab_contender *const faultmix_contenders[];

/** faultmix_ops() - the contender's. */
const struct faultmix_ops *faultmix_ops(const struct faultmix *f);

/**
 * faultmix_page() - page @i of a worker's area
 * Page 0 is the one that changes; the others are touched once. The first page of each table is none of them: it is
 * touched in advance, so that no fault has to make a table, which speculative ones leave to the kernel.
 */
char *faultmix_page(const struct faultmix *f, unsigned int worker, uint64_t i);

/** faultmix_slot() - offset of the slot of a thread: workers, then mappers. */
size_t faultmix_slot(const struct faultmix *f, unsigned int thread);

/** faultmix_stamp() - what a worker writes to its page @i: never zero. */
char faultmix_stamp(unsigned int worker, uint64_t i);

/**
 * faultmix_share() - how many of the first @i operations are of the kind that @percent of them are
 * So operation @i is one of them where faultmix_share(@i + 1) is larger: evenly spread, the same each time.
 */
static inline uint64_t faultmix_share(uint64_t i, uint64_t percent)
{
	return i * percent / 100;
}

/** faultmix_memory_bytes() - for needs.memory_bytes. */
uint64_t faultmix_memory_bytes(const struct mmlab_case *c);
