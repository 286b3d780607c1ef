/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The threads of a case: workers, mappers and a holder, each on a CPU, and what they find out.
 *
 * They do their work in two parts. In the closed part a worker begins an operation when the one before has ended: that
 * gives throughput. In the open part each operation has an intended start, a fixed period after the one before, and its
 * latency counts from there, however late it began: a thread that waits for a lock does not stop the clock for the
 * operations that should have come meanwhile.
 */
#include "faultmix.h"

enum crew_part { CREW_CLOSED, CREW_OPEN, CREW_N_PARTS };

/**
 * struct crew_sum - what threads of one role did in a part
 * @n_faults, @n_writes: operations
 * @n_minor:    page faults, as the kernel counts them
 * @n_sleeps:   times that they gave up their CPU
 * @off_cpu_ns: for how long they were on no CPU: waiting for a lock, or for a CPU that others have
 */
struct crew_sum {
	uint64_t n_faults, n_writes, n_minor, n_sleeps, off_cpu_ns;
};

/**
 * struct crew_sums - what a part took and did
 * @elapsed_ns: from the earliest start to the latest end of a worker
 * @n_holds:    times that the lock was held for long
 */
struct crew_sums {
	uint64_t elapsed_ns, n_holds;
	struct crew_sum workers, mappers;
};

/** crew_open() - start all threads and let each rehearse. Return: 0 or -errno. */
int crew_open(struct crew **ret, struct faultmix *f);

/**
 * crew_work() - let all threads do one part
 * Return: 0 or -errno, the first of any thread.
 */
int crew_work(struct crew *crew, enum crew_part part);

/** crew_sums() - of a part that is over. */
void crew_sums(const struct crew *crew, enum crew_part part, struct crew_sums *ret);

/** crew_sums_all() - of both. */
void crew_sums_all(const struct crew *crew, struct crew_sums *ret);

/**
 * crew_latencies() - of the open part, sorted
 * @writes: of mapping and unmapping, by workers and mappers; otherwise of faults
 * @ret:    to be freed
 * Return: how many there are, or -errno.
 */
long crew_latencies(const struct crew *crew, bool writes, uint64_t **ret);

/**
 * crew_close() - end all threads
 * Return: NULL; or the crew, if not all could be started: those that were wait at the gate until the process ends, and
 * need all that there is.
 */
struct crew *crew_close(struct crew *crew);
