/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * What the contenders of `ipc` share: the two ends of one hand-over, the callbacks that make up a contender, and
 * helpers that several of them need.
 *
 * One process is the producer (the case's only task), each consumer is a peer, forked during setup. Whatever is said
 * of struct ipc holds on both sides: each has its own copy, and `control` is the memory that they share.
 */
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "map.h"
#include "peer.h"
#include "scenario.h"

#define IPC_MAX_READERS 8
#define IPC_HUGE_BYTES	(2UL << 20)

/* A number of faults that can't be told in advance. */
#define IPC_UNKNOWN UINT64_MAX

/* As in the words of the axes. */
enum ipc_receiver { IPC_READ_NONE, IPC_READ_LINES, IPC_READ_ALL };
enum ipc_producer { IPC_WRITE_LINES, IPC_WRITE_ALL, IPC_WRITE_MEMSET };
enum ipc_wake { IPC_WAKE_FUTEX, IPC_WAKE_SPIN };

/* What a buffer is made of. */
enum ipc_pages { IPC_SMALL, IPC_THP, IPC_HUGETLB };

/* What the consumer does beside its work in the operations to come. */
enum ipc_command {
	IPC_WORK,    /* nothing: what is measured */
	IPC_MARK,    /* note how many page faults it has had */
	IPC_COMPARE, /* compare every byte with what it must be */
	IPC_PROBE,   /* try an access after giving the buffer back */
};

/* What can no longer be done at @place, from the hand-over on (producer), or once it is given back (consumer). */
#define IPC_REVOKES_WRITE    1 /* the producer's writing */
#define IPC_REVOKES_READ     2 /* the producer's reading */
#define IPC_REVOKES_CONSUMER 4 /* the consumer's reading */

/* What a consumer says about itself. */
struct ipc_said {
	_Alignas(64) uint64_t digest; /* of the sums of all IPC_WORK operations */
	uint64_t faults;	      /* so far, as of the last IPC_MARK */
	int cpu;		      /* where it ran then */
	pid_t pid;
	char *addr; /* the contender's: where its buffer is */
};

/* Memory that both sides share, beside any buffer. What different sides write lies on different lines. */
struct ipc_control {
	_Alignas(64) atomic_uint seq; /* number of the operation that is handed over */
	atomic_uint n_seq_sleepers;
	enum ipc_command command;
	pid_t producer_pid;
	char *producer_addr;		 /* the contender's */
	_Alignas(64) atomic_uint n_left; /* consumers that have not given it back */
	atomic_uint left_sleeps;
	_Alignas(64) atomic_uint n_ready;
	atomic_bool failed;
	char blame[200];
	struct ipc_said said[IPC_MAX_READERS];
};

/**
 * struct ipc - one hand-over, as seen from one side
 * @c:           the case
 * @control:     what both sides see
 * @bytes, @n_pages, @page_bytes: size of the buffer, whole pages
 * @receiver, @producer, @wake, @n_readers: the point of the axes
 * @is_consumer: which side this is
 * @reader:      number of this consumer
 * @seq:         number of the operation, from 1; both sides count
 * @place:       where a side may map what it wants; a multiple of 2 MiB, with nothing mapped behind it
 * @addr:        where the producer writes; set by open_producer or acquire
 * @sum:         what the consumer's reading has added up to in this operation
 * @peers:       the producer's: its consumers
 * @there:       pairs of descriptors of the contender, one for each consumer: [0] is the producer's end
 * @back:        a pipe from each consumer, where the kernel's own call is what the consumer waits in
 * @fd:          object behind the buffer, or -1
 * @map, @buffer: the contender's mappings
 * @own:         the contender's own data
 * @n_flushes:   flushes of one operation, if the contender's prove counts them; otherwise negative
 * @n_fallbacks: mappings of one operation that had to be made in another way
 * @neighbour:   see ipc.c
 */
struct ipc {
	struct mmlab_case *c;
	struct ipc_control *control;
	size_t bytes, n_pages, page_bytes;
	enum ipc_receiver receiver;
	enum ipc_producer producer;
	enum ipc_wake wake;
	unsigned int n_readers;
	bool is_consumer;
	unsigned int reader;
	uint64_t seq;
	char *place, *addr;
	uint64_t sum;
	struct mmlab_peer peers[IPC_MAX_READERS];
	int there[IPC_MAX_READERS][2];
	int back[IPC_MAX_READERS][2];
	int fd;
	struct mmlab_map map, buffer;
	void *own;
	double n_flushes, n_fallbacks;
	struct mmlab_map control_map, neighbour;
};

/**
 * struct ipc_ops - one way of handing over a buffer
 * @plan:    parameters of a family of contenders, of its own type
 * @empty:   there is no buffer
 * @blocks:  the consumer waits in the kernel's call that brings the data: axis `wake` does not apply; the producer is
 *           told through a pipe that it has the buffer back
 * @many:    several consumers can have the buffer at once
 * @fresh:   what the producer does not write reads as zeroes, as the buffer is new each time
 * @pages:   what the buffer is made of
 * @revokes: IPC_REVOKES_*, tried out in verify
 * @open_shared: before the consumers are forked; this and the next two are untimed, return 0, -errno or MMLAB_SKIP
 *           (open_shared only), and may be NULL
 * @open_producer, @open_consumer: after the fork, in the process concerned; a consumer's is complete before the
 *           producer's begins
 * @acquire: producer, timed: @addr becomes writable, all of it; NULL if it always is
 * @release: producer, timed: the buffer is the consumer's from here on; where @blocks, this also sends it
 * @take:    consumer: obtains the buffer, shows it to ipc_consume() once or in pieces; where @blocks, this waits for it
 * @give:    consumer: will not access it any more; may be NULL
 * @close:   either side; releases what was opened, also half of it; may be NULL
 * @faults, @consumer_faults: page faults that one operation must cause on either side; NULL for none
 * @copied:  bytes that one operation copies; NULL for none
 * @mark, @prove: called on the producer's side before and after @n operations: did what is counted elsewhere (in the
 *           module) move as it must? Returns 0 or what mmlab_fail() returns; both may be NULL
 */
struct ipc_ops {
	const void *plan;
	bool empty, blocks, many, fresh;
	enum ipc_pages pages;
	unsigned int revokes;
	int (*open_shared)(struct ipc *p);
	int (*open_producer)(struct ipc *p);
	int (*open_consumer)(struct ipc *p);
	int (*acquire)(struct ipc *p);
	int (*release)(struct ipc *p);
	int (*take)(struct ipc *p);
	int (*give)(struct ipc *p);
	void (*close)(struct ipc *p);
	uint64_t (*faults)(const struct ipc *p);
	uint64_t (*consumer_faults)(const struct ipc *p);
	uint64_t (*copied)(const struct ipc *p);
	void (*mark)(struct ipc *p);
	int (*prove)(struct ipc *p, uint64_t n);
};

/* All contenders, ended by NULL: contenders.c. */
extern const struct mmlab_contender *const ipc_contenders[];

/** ipc_ops() - the contender's callbacks; ipc_plan() - its parameters. */
const struct ipc_ops *ipc_ops(const struct ipc *p);
const void *ipc_plan(const struct ipc *p);

/** ipc_consume() - for ipc_ops.take: the @bytes at @offset of the buffer can be read at @addr; whole pages. */
void ipc_consume(struct ipc *p, const void *addr, size_t offset, size_t bytes);

/** ipc_blame() - say why something failed, on either side; the first reason is kept. Return: -EIO. */
int ipc_blame(struct ipc *p, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/** ipc_pairs() - for open_shared: a pair of descriptors for each consumer, made by @make. Return: 0 or -errno. */
int ipc_pairs(struct ipc *p, int (*make)(int ret_pair[2]));

/** ipc_there() - this side's end of the pair; the producer has one for each @reader. */
int ipc_there(const struct ipc *p, unsigned int reader);

/** ipc_unfit() - for mmlab_contender.unfit: by the flags of struct ipc_ops. */
const char *ipc_unfit(const struct mmlab_case *c);

/** ipc_memory_bytes() - for needs.memory_bytes: enough for any contender. */
uint64_t ipc_memory_bytes(const struct mmlab_case *c);
