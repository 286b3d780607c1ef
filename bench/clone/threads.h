/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Threads of the source that run in user space while its memory is taken, so that flushes must reach them.
 */
#include "clone.h"

/** clone_threads_open() - in the source: start s->n_threads threads on CPUs other than the destination's. */
int clone_threads_open(struct clone *s);

/** clone_threads_close() - in the source: end them. */
void clone_threads_close(struct clone *s);

/** clone_threads_run() - in the task: let them run, or sleep, and wait until all do. Return: 0 or -errno. */
int clone_threads_run(struct clone *s, bool on);

/** clone_threads_cpus() - CPUs that they run on, without the destination's. */
unsigned int clone_threads_cpus(const struct clone *s);
