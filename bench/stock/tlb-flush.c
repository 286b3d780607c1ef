// SPDX-License-Identifier: MIT
/*
 * One op: write a page and drop it again by MADV_DONTNEED, while another thread of the process runs on another CPU, so
 * that this CPU must be told to flush. The other thread is a spinning helper for one task, and the other tasks where
 * tasks are threads. Proof: one fault per op, and TLB interrupts counted by the kernel.
 */
#include "stock.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "cleanup.h"

#define PROOF_OPS   100
#define PROOF_TRIES 200

struct tlb_helper {
	const struct mmlab_case *c;
	pthread_t thread;
	int cpu;
	atomic_int state; /* 0 starting, 1 spinning, 2 to end, -errno */
};

static void *tlb_spin(void *arg)
{
	struct tlb_helper *helper = arg;
	int r = mmlab_pin_peer_thread(helper->c);

	helper->cpu = sched_getcpu();
	atomic_store(&helper->state, r < 0 ? r : 1);
	while (atomic_load_explicit(&helper->state, memory_order_relaxed) == 1)
		;
	return NULL;
}

static int tlb_setup(struct stock *s)
{
	struct tlb_helper *helper;
	int r = mmlab_map_open(&s->map, s->page_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (r || mmlab_tasks(s->c) > 1)
		return r;
	helper = calloc(1, sizeof(*helper));
	if (!helper)
		return -ENOMEM;
	helper->c = s->c;
	r = -pthread_create(&helper->thread, NULL, tlb_spin, helper);
	if (r) {
		free(helper);
		return r;
	}
	s->own = helper;
	while (!(r = atomic_load(&helper->state)))
		;
	if (r < 0)
		return r;
	return helper->cpu == sched_getcpu() ? mmlab_skip(s->c, "needs a CPU of its own for a second thread") : 0;
}

static int tlb_run(struct stock *s, uint64_t n)
{
	for (; n; n--) {
		*(volatile char *)s->map.addr = 1;
		if (madvise(s->map.base, s->map.bytes, MADV_DONTNEED))
			return mmlab_fail(s->c, -errno, "madvise");
	}
	return 0;
}

static uint64_t tlb_faults(const struct stock *s)
{
	(void)s;
	return 1;
}

/* TLB shootdown interrupts of all CPUs since boot, or -1 where the kernel doesn't list them. */
static long long tlb_interrupts(void)
{
	_cleanup_(mmlab_fclosep) FILE *file = fopen("/proc/interrupts", "re");
	_cleanup_(mmlab_freep) char *line = NULL;
	size_t size = 0;

	while (file && getline(&line, &size, file) > 0) {
		char *end, *at = strstr(line, "TLB:");
		long long sum = 0;

		if (!at)
			continue;
		for (at += 4;; at = end) {
			long long one = strtoll(at, &end, 10);

			if (end == at)
				return sum;
			sum += one;
		}
	}
	return -1;
}

/*
 * The other CPU needs no interrupt while somebody else's process has it: not an exact count, and on a busy machine none
 * at all for a time. So one stretch in which at least half of the operations interrupted it is proof enough.
 */
static int tlb_verify(struct stock *s)
{
	long long before = tlb_interrupts(), sent = 0;

	if (before < 0 || !s->own) /* other tasks may already rest on their CPUs */
		return 0;
	for (int i = 0; i < PROOF_TRIES && sent < PROOF_OPS / 2; i++) {
		int r = tlb_run(s, PROOF_OPS);

		if (r)
			return r;
		sent = tlb_interrupts() - before;
		before += sent;
		if (sent < PROOF_OPS / 2)
			(void)usleep(5000);
	}
	if (sent < PROOF_OPS / 2)
		return mmlab_fail(s->c, 0, "%lld TLB interrupts in %d operations: other CPUs were not flushed", sent,
				  PROOF_OPS);
	return 0;
}

static void tlb_teardown(struct stock *s)
{
	struct tlb_helper *helper = s->own;

	if (!helper)
		return;
	atomic_store(&helper->state, 2);
	(void)pthread_join(helper->thread, NULL);
	free(helper);
}

static const char *tlb_unfit(const struct mmlab_case *c)
{
	return mmlab_tasks(c) > 1 && !mmlab_param(c, "mode") ? "each process would need a second CPU for its helper" : NULL;
}

static const struct mmlab_contender tlb_flush = {
	.name = "tlb-flush",
	.summary = "dropping one page while the process runs on another CPU too: write, MADV_DONTNEED, flush",
	.needs = { .cpus = 2 },
	.unfit = tlb_unfit,
	.ops = &(const struct stock_ops){
		.setup = tlb_setup,
		.run = tlb_run,
		.faults = tlb_faults,
		.verify = tlb_verify,
		.teardown = tlb_teardown,
	},
};
