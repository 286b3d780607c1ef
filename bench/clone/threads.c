// SPDX-License-Identifier: MIT
/*
 * They spin on a word that is no part of the memory, and make no system call meanwhile.
 */
#include "threads.h"

#include <errno.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "place.h"
#include "source.h"

struct thread {
	struct clone *s;
	pthread_t id;
	int cpu;
	atomic_bool ends;
};

struct clone_threads {
	unsigned int n;
	struct thread threads[];
};

static void *thread_main(void *arg)
{
	struct thread *thread = arg;
	struct clone_control *control = thread->s->control;

	(void)mmlab_pin_self(thread->cpu);
	for (;;) {
		while (!atomic_load(&control->spin) && !atomic_load(&thread->ends))
			(void)syscall(SYS_futex, &control->spin, FUTEX_WAIT, 0, NULL, NULL, 0);
		if (atomic_load(&thread->ends))
			return NULL;
		(void)atomic_fetch_add(&control->n_spinning, 1);
		while (atomic_load_explicit(&control->spin, memory_order_relaxed) &&
		       !atomic_load_explicit(&thread->ends, memory_order_relaxed))
			;
		(void)atomic_fetch_sub(&control->n_spinning, 1);
	}
}

/* The i-th of those that the run may use, without the destination's, over and over; that one if there is no other. */
static int thread_cpu(const struct clone *s, unsigned int i)
{
	int n_others = CPU_COUNT(&s->usable) - (CPU_ISSET(s->cpu, &s->usable) ? 1 : 0);
	int skip = n_others ? (int)i % n_others : 0;

	for (int cpu = 0; n_others && cpu < CPU_SETSIZE; cpu++)
		if (CPU_ISSET(cpu, &s->usable) && cpu != s->cpu && !skip--)
			return cpu;
	return s->cpu;
}

int clone_threads_open(struct clone *s)
{
	int e = 0;

	s->threads = calloc(1, sizeof(*s->threads) + s->n_threads * sizeof(struct thread));
	if (!s->threads)
		return -ENOMEM;
	while (!e && s->threads->n < s->n_threads) {
		struct thread *thread = &s->threads->threads[s->threads->n];

		thread->s = s;
		thread->cpu = thread_cpu(s, s->threads->n);
		e = -pthread_create(&thread->id, NULL, thread_main, thread);
		if (!e)
			s->threads->n++;
	}
	return e;
}

void clone_threads_close(struct clone *s)
{
	struct clone_threads *threads = s->threads;

	if (!threads)
		return;
	for (unsigned int i = 0; i < threads->n; i++)
		atomic_store(&threads->threads[i].ends, true);
	/* A word that has changed cannot be slept on: none of them misses it. */
	atomic_store(&s->control->spin, 1);
	(void)syscall(SYS_futex, &s->control->spin, FUTEX_WAKE, INT32_MAX, NULL, NULL, 0);
	for (unsigned int i = 0; i < threads->n; i++)
		(void)pthread_join(threads->threads[i].id, NULL);
	atomic_store(&s->control->spin, 0);
	free(threads);
	s->threads = NULL;
}

int clone_threads_run(struct clone *s, bool on)
{
	int e = 0;

	atomic_store(&s->control->spin, on);
	if (on)
		(void)syscall(SYS_futex, &s->control->spin, FUTEX_WAKE, INT32_MAX, NULL, NULL, 0);
	while (!e && atomic_load(&s->control->n_spinning) != (on ? s->n_threads : 0)) {
		(void)sched_yield();
		e = clone_source_check(s);
	}
	return e;
}

unsigned int clone_threads_cpus(const struct clone *s)
{
	unsigned int n = 0;

	for (int cpu = 0; cpu < CPU_SETSIZE; cpu++)
		for (unsigned int i = 0; i < s->n_threads; i++)
			if (cpu != s->cpu && thread_cpu(s, i) == cpu) {
				n++;
				break;
			}
	return n;
}
