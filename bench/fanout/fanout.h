/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * What the parts of `fanout` share: the memory of one case, its guests, and the callbacks that make up a contender.
 *
 * The creator is the task of the case: it makes the memory, maps and fills it. Guests are its children, or its threads,
 * each of which attaches the same memory.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "crowd.h"
#include "libmmlab.h"
#include "map.h"
#include "scenario.h"

struct beside;
struct fanout_board;

#define FANOUT_MIB ((size_t)1 << 20)
#define FANOUT_GIB ((size_t)1 << 30)

#define FANOUT_CHUNK_BYTES (2 * FANOUT_MIB) /* what one table of the last level maps, and a huge page */

/* What maps the memory in the last level that a process has of its own. */
enum fanout_leaf {
	FANOUT_PTES, /* tables of small pages */
	FANOUT_PMDS, /* entries for huge pages */
	FANOUT_NONE, /* whatever it is, it exists once for all processes */
};

/**
 * struct fanout_tables - bytes of page tables at one moment
 * @creator: of the creator, as VmPTE has them
 * @guests:  of all guests, summed
 * @system:  of the machine: PageTables; 0 if it is no source
 * @n_forks: processes and threads that the machine has started so far
 */
struct fanout_tables {
	uint64_t creator, guests, system, n_forks;
};

/**
 * struct fanout - one case
 * @c:          the case
 * @n:          guests
 * @bytes:      that are touched; @map_bytes: that are mapped, more where that is what sharing takes
 * @page_bytes: base page size
 * @writes:     the first touch writes
 * @sum:        of the first bytes of all pages
 * @fd:         the file behind the memory, or -1; closed by the scenario
 * @zero_fd:    /dev/zero
 * @map:        the creator's mapping; closed by the scenario
 * @crowd:      the guests
 * @board:      what creator and guests tell each other
 * @beside:     the unrelated process
 * @before, @filled, @started, @touched, @ended: page tables before the memory existed, when the creator had filled it,
 * with guests that have not attached it, with those that have touched it, and after their end
 * @no_system:  why PageTables is no source, as static text; NULL if it is
 * @counts_puds: it counts tables of the third level
 * @counts:     of the module, when guests had started, and what was added until they had touched the memory
 * @info:       of the module, when they had
 * @end:        what reaping told
 */
struct fanout {
	struct mmlab_case *c;
	unsigned int n;
	size_t bytes, map_bytes, page_bytes;
	bool writes;
	uint64_t sum;
	int fd, zero_fd;
	struct mmlab_map map;
	struct mmlab_crowd *crowd;
	struct fanout_board *board;
	size_t board_bytes;
	struct beside *beside;
	struct fanout_tables before, filled, started, touched, ended;
	const char *no_system;
	bool counts_puds;
	uint64_t counts[MMLAB_MSHARE_N_STATS];
	struct mmlab_mshare_info info;
	struct mmlab_crowd_end end;
	bool is_mounted;
};

/**
 * struct fanout_ops - one way of giving many processes the same memory
 * @threads:  guests are threads of the creator
 * @apart:    each guest maps it somewhere else
 * @askew:    it is mapped one chunk behind a multiple of 1 GiB, so that up to 1 GiB hold no whole one
 * @leaf:     what a guest has of its own in the last level
 * @huge:     the memory is in pages of FANOUT_CHUNK_BYTES; @hugetlb: of hugetlb, which is only
 * @module:   its tables are shared by the module
 * @shares_pmds: the kernel shares tables of the second level
 * @flush:    of the module
 * @create:   the memory, as f->map of the creator; 0, -errno, or MMLAB_SKIP after mmlab_skip()
 * @attach:   guest: map it at @at; 0 or -errno. NULL: guests have it from the start
 * @protect:  change the protection for all by one call of the creator; NULL: each process does it by mprotect()
 * @close:    releases what @create made beyond what struct fanout lists; may be NULL
 */
struct fanout_ops {
	bool threads, apart, askew, huge, hugetlb, module, shares_pmds;
	enum fanout_leaf leaf;
	enum mmlab_mshare_flush flush;
	int (*create)(struct fanout *f);
	int (*attach)(struct fanout *f, char *at);
	int (*protect)(struct fanout *f, char *at, size_t bytes, int prot);
	void (*close)(struct fanout *f);
};

/* All contenders, ended by NULL: contenders.c. */
extern const struct mmlab_contender *const fanout_contenders[];

/** fanout_ops() - the contender's. */
const struct fanout_ops *fanout_ops(const struct fanout *f);

/** fanout_place() - where a guest maps the memory: at the creator's place, unless they lie apart. */
char *fanout_place(const struct fanout *f, unsigned int guest);

/** fanout_creator_place() - where the creator maps it: far from everything else, a multiple of 512 GiB unless askew. */
char *fanout_creator_place(const struct fanout *f);

/** fanout_memory_bytes() - for needs.memory_bytes: the memory, the processes and their page tables. */
uint64_t fanout_memory_bytes(const struct mmlab_case *c);
