/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Thousands of processes, or threads, that take one step after another together.
 *
 * A member waits for its next step in a futex on memory that all share, so a crowd takes no descriptors: the only
 * limits are memory and those on the number of processes. Members are plain forks, for which the caller's memory should
 * be small. A member never outlives the thread that opened the crowd.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct mmlab_crowd;

/**
 * struct mmlab_crowd_plan - what a crowd consists of
 * @n:       members
 * @threads: they are threads of the calling process, else processes
 * @act:     what member @member does at step @step (0 or more): 0 or -errno; runs in the member
 * @arg:     handed to @act
 * @cpus:    member i is pinned to CPU cpus[i % n_cpus]
 * @n_cpus:  0: members stay where the caller is
 */
struct mmlab_crowd_plan {
	unsigned int n;
	bool threads;
	int (*act)(void *arg, unsigned int member, int step);
	void *arg;
	const int *cpus;
	unsigned int n_cpus;
};

/* What is known of all members after their end. */
struct mmlab_crowd_end {
	unsigned int n;	   /* members that were reaped */
	uint64_t n_faults; /* page faults of processes, from their start to their end; 0 for threads */
};

/**
 * mmlab_crowd_limit() - is there room for @n more processes or threads?
 * @reason: at least 160 bytes; says which limit is in the way, how much is needed and how much there is
 * Return: true if no limit on their number is in the way.
 */
bool mmlab_crowd_limit(unsigned int n, char *reason, size_t size);

/**
 * mmlab_crowd_open() - start all members
 * @plan: copied, but for @arg and @cpus
 * Return: 0 or -errno; then none is left.
 */
int mmlab_crowd_open(struct mmlab_crowd **ret, const struct mmlab_crowd_plan *plan);

/**
 * mmlab_crowd_step() - make all members take a step, and wait until the last one has
 * @step: 0 or more
 * Return: 0, the first error of a member, or -ECHILD if a member died.
 */
int mmlab_crowd_step(struct mmlab_crowd *crowd, int step);

/** mmlab_crowd_step_first() - the same for member 0 alone; the others are not woken. */
int mmlab_crowd_step_first(struct mmlab_crowd *crowd, int step);

/** mmlab_crowd_pid() - process of a member; 0 for threads. */
int mmlab_crowd_pid(const struct mmlab_crowd *crowd, unsigned int member);

/** mmlab_crowd_culprit() - who caused the error that a step ended with. */
unsigned int mmlab_crowd_culprit(const struct mmlab_crowd *crowd);

/**
 * mmlab_crowd_end() - kill and reap all processes, or end and join all threads
 * @ret: may be NULL
 * Return: 0, or -ECHILD if a process had ended before, by itself or by somebody else.
 */
int mmlab_crowd_end(struct mmlab_crowd *crowd, struct mmlab_crowd_end *ret);

/** mmlab_crowd_close() - the same where it was not done, and free; NULL is accepted. Return: NULL. */
struct mmlab_crowd *mmlab_crowd_close(struct mmlab_crowd *crowd);
