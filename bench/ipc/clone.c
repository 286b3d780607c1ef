// SPDX-License-Identifier: MIT
#include "clone.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>

#include "../module-probe.h"

struct clone_counts {
	uint64_t n[MMLAB_CLONE_N_STATS];
};

static unsigned long flags_of(const struct ipc *p)
{
	const struct ipc_clone *plan = ipc_plan(p);

	return plan->flags;
}

int ipc_clone_open_producer(struct ipc *p)
{
	(void)prctl(PR_SET_PTRACER, PR_SET_PTRACER_ANY, 0, 0, 0); /* unknown without Yama */
	p->control->producer_addr = p->place;
	p->own = calloc(1, sizeof(struct clone_counts));
	if (!p->own)
		return -ENOMEM;
	return ipc_private(p);
}

void ipc_clone_close(struct ipc *p)
{
	free(p->own);
}

int ipc_clone_take(struct ipc *p)
{
	void *at = mmlab_process_vm_mmap(p->control->producer_pid, p->control->producer_addr, p->bytes, p->place,
					 PVMMAP_FIXED_NOREPLACE | flags_of(p));

	if (at == MAP_FAILED)
		return -errno;
	p->map = (struct mmlab_map){ .base = at, .bytes = p->bytes, .addr = at };
	p->addr = at;
	p->control->said[p->reader].addr = at;
	return ipc_take(p);
}

void ipc_clone_mark(struct ipc *p)
{
	struct clone_counts *before = p->own;

	if (mmlab_stats(MMLAB_MECH_CLONE, before->n, MMLAB_CLONE_N_STATS) < 0)
		memset(before, 0xff, sizeof(*before)); /* no counter can have moved from there as it must */
}

/* Each consumer clones straight into place; where the source is unmapped, that is what flushes. */
int ipc_clone_prove(struct ipc *p, uint64_t n_ops)
{
	const struct clone_counts *before = p->own;
	struct clone_counts now, expected = { 0 };
	uint64_t n_clones = n_ops * p->n_readers;
	bool moves = flags_of(p) & PVMMAP_MOVE;

	if (mmlab_stats(MMLAB_MECH_CLONE, now.n, MMLAB_CLONE_N_STATS) < 0)
		return mmlab_fail(p->c, -errno, "counters of the module");
	expected.n[MMLAB_CLONE_STAT_CLONES] = expected.n[MMLAB_CLONE_STAT_DIRECT] = n_clones;
	expected.n[MMLAB_CLONE_STAT_PAGES_SHARED] = n_clones * p->n_pages;
	expected.n[moves ? MMLAB_CLONE_STAT_MOVES : MMLAB_CLONE_STAT_FLUSHES] = n_clones;
	for (int i = 0; i < MMLAB_CLONE_N_STATS; i++) {
		uint64_t n = now.n[i] - before->n[i];

		if (n != expected.n[i])
			return mmlab_fail(
				p->c, 0, "the module's counter %d moved by %llu in %llu transfers, expected %llu", i,
				(unsigned long long)n, (unsigned long long)n_ops, (unsigned long long)expected.n[i]);
	}
	p->n_flushes = (double)expected.n[MMLAB_CLONE_STAT_FLUSHES] / (double)n_ops;
	return 0;
}

const char *ipc_clone_probe(void)
{
	return module_lacks(MMLAB_MECH_CLONE, MMLAB_CLONE_CAP_MAP);
}
