// SPDX-License-Identifier: MIT
#include "module.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "memory.h"
#include "../module-probe.h"

struct module_counts {
	uint64_t n[MMLAB_CLONE_N_STATS];
};

static unsigned long flags_of(const struct clone *s)
{
	const struct clone_module *plan = clone_plan(s);

	return plan->flags;
}

int clone_module_open(struct clone *s)
{
	s->own = calloc(1, sizeof(struct module_counts));
	return s->own ? 0 : -ENOMEM;
}

void clone_module_close(struct clone *s)
{
	free(s->own);
}

int clone_module_take(struct clone *s)
{
	void *at =
		mmlab_process_vm_mmap(s->source_pid, s->from, s->bytes, s->place, PVMMAP_FIXED_NOREPLACE | flags_of(s));

	if (at == MAP_FAILED)
		return -errno;
	s->map = (struct mmlab_map){ .base = at, .bytes = s->bytes, .addr = at };
	return clone_use(s, at, 0, s->bytes);
}

int clone_module_give(struct clone *s)
{
	return clone_unmap(s);
}

int clone_module_mark(struct clone *s)
{
	struct module_counts *before = s->own;

	return mmlab_stats(MMLAB_MECH_CLONE, before->n, MMLAB_CLONE_N_STATS) < 0 ? -errno : 0;
}

/* What one operation moves. Whole page tables move where both addresses are equally far from 2 MiB. */
static void predict(const struct clone *s, uint64_t *n)
{
	uint64_t tables = s->address == CLONE_AT_OTHER ? s->bytes / CLONE_CHUNK_BYTES : 0;

	n[MMLAB_CLONE_STAT_CLONES] = 1;
	n[MMLAB_CLONE_STAT_PAGES_SHARED] = s->n_pages - s->n_swapped;
	n[MMLAB_CLONE_STAT_SWAP_SHARED] = s->n_swapped;
	if (s->address == CLONE_AT_SAME) {
		n[MMLAB_CLONE_STAT_DIRECT] = 1;
	} else {
		n[MMLAB_CLONE_STAT_STAGED] = 1;
		n[MMLAB_CLONE_STAT_TABLES_MOVED] = tables;
		n[MMLAB_CLONE_STAT_PTES_MOVED] = s->n_pages - tables * (CLONE_CHUNK_BYTES / s->page_bytes);
	}
	n[MMLAB_CLONE_STAT_MOVES] = !!(flags_of(s) & PVMMAP_MOVE);
	n[MMLAB_CLONE_STAT_FLUSHES] = !(flags_of(s) & PVMMAP_MOVE);
	n[MMLAB_CLONE_STAT_POPULATED] = !!(flags_of(s) & PVMMAP_POPULATE);
}

int clone_module_prove(struct clone *s, uint64_t n_ops)
{
	const struct module_counts *before = s->own;
	struct module_counts now, expected = { 0 };

	if (mmlab_stats(MMLAB_MECH_CLONE, now.n, MMLAB_CLONE_N_STATS) < 0)
		return mmlab_fail(s->c, -errno, "counters of the module");
	predict(s, expected.n);
	for (int i = 0; i < MMLAB_CLONE_N_STATS; i++) {
		uint64_t n = now.n[i] - before->n[i];

		if (n != expected.n[i] * n_ops)
			return mmlab_fail(s->c, 0,
					  "the module's counter %d moved by %llu in %llu operations, expected %llu", i,
					  (unsigned long long)n, (unsigned long long)n_ops,
					  (unsigned long long)(expected.n[i] * n_ops));
	}
	return 0;
}

double clone_module_flushes(const struct clone *s)
{
	return flags_of(s) & PVMMAP_MOVE ? 0 : 1;
}

uint64_t clone_module_faults(const struct clone *s)
{
	return clone_faults_shared(s);
}

const char *clone_module_probe(void)
{
	return module_lacks(MMLAB_MECH_CLONE, MMLAB_CLONE_CAP_MAP);
}
