// SPDX-License-Identifier: MIT
/*
 * A member spins on one word of its own; it makes no system call between two orders, so that nothing but what the
 * buffer's contender does empties its TLB.
 */
#include "crew.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

#include "access.h"
#include "place.h"

enum order { ORDER_START, ORDER_SPIN, ORDER_READ, ORDER_END };

struct member {
	pthread_t thread;
	int cpu;
	_Alignas(64) _Atomic enum order order;
	int result; /* of the start or the last read; valid at ORDER_SPIN */
	const char *at;
};

struct lock_crew {
	unsigned int n;
	struct member members[];
};

static void *member_main(void *arg)
{
	struct member *member = arg;
	enum order order;

	member->result = mmlab_pin_self(member->cpu);
	atomic_store(&member->order, ORDER_SPIN);
	while ((order = atomic_load_explicit(&member->order, memory_order_acquire)) != ORDER_END) {
		if (order != ORDER_READ)
			continue;
		member->result = access_read(member->at);
		atomic_store(&member->order, ORDER_SPIN);
	}
	return NULL;
}

static int member_wait(struct member *member)
{
	while (atomic_load(&member->order) != ORDER_SPIN)
		(void)sched_yield(); /* it may be on this CPU */
	return member->result;
}

/* The CPU of member @i: the i-th of those that the run may use, without the caller's, over and over. */
static int member_cpu(const cpu_set_t *usable, unsigned int i)
{
	int self = sched_getcpu(), n_others = CPU_COUNT(usable) - (CPU_ISSET(self, usable) ? 1 : 0);
	int skip = n_others ? (int)i % n_others : 0;

	for (int cpu = 0; n_others && cpu < CPU_SETSIZE; cpu++)
		if (CPU_ISSET(cpu, usable) && cpu != self && !skip--)
			return cpu;
	return self;
}

int lock_crew_open(struct lock_crew **ret, unsigned int n)
{
	struct lock_crew *crew = aligned_alloc(64, (sizeof(*crew) + n * sizeof(crew->members[0]) + 63) / 64 * 64);
	cpu_set_t usable;
	int r = 0;

	if (!crew)
		return -ENOMEM;
	crew->n = 0;
	/* This process is pinned already; the one that steers the run still has what the run may use. */
	if (sched_getaffinity(getppid(), sizeof(usable), &usable))
		r = -errno;
	while (!r && crew->n < n) {
		struct member *member = &crew->members[crew->n];

		*member = (struct member){ .cpu = member_cpu(&usable, crew->n), .order = ORDER_START };
		r = -pthread_create(&member->thread, NULL, member_main, member);
		if (r)
			break;
		crew->n++;
		r = member_wait(member);
	}
	if (r)
		crew = lock_crew_close(crew);
	*ret = crew;
	return r;
}

int lock_crew_read(struct lock_crew *crew, const char *at)
{
	struct member *member = &crew->members[0];

	member->at = at;
	atomic_store(&member->order, ORDER_READ);
	return member_wait(member);
}

struct lock_crew *lock_crew_close(struct lock_crew *crew)
{
	for (unsigned int i = 0; crew && i < crew->n; i++) {
		atomic_store(&crew->members[i].order, ORDER_END);
		(void)pthread_join(crew->members[i].thread, NULL);
	}
	free(crew);
	return NULL;
}
