// SPDX-License-Identifier: MIT
#include "module.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "../module-probe.h"

struct module_counts {
	uint64_t n[MMLAB_REFPAGE_N_STATS];
};

int refpage_module_open(struct refpage *r, enum mmlab_refpage_form form)
{
	r->own = calloc(1, sizeof(struct module_counts));
	if (!r->own)
		return -ENOMEM;
	r->fd = mmlab_refpage_create(r->pattern, r->pattern_bytes, 0, form);
	return r->fd < 0 ? -errno : 0;
}

void refpage_module_close(struct refpage *r)
{
	free(r->own);
	r->own = NULL;
}

int refpage_module_get(struct refpage *r)
{
	return refpage_map(r, 0, r->fd);
}

/* Before the cycle, so the mapping of the cycle counts too. */
void refpage_module_mark(struct refpage *r)
{
	struct module_counts *before = r->own;

	if (mmlab_stats(MMLAB_MECH_REFPAGE, before->n, MMLAB_REFPAGE_N_STATS) < 0)
		memset(before, 0xff, sizeof(*before)); /* no counter can have moved from there as it must */
}

static void prove(struct refpage *r, enum mmlab_refpage_stat reads)
{
	const struct module_counts *before = r->own;
	uint64_t n[MMLAB_REFPAGE_N_STATS], read, written, n_read, n_written;

	if (mmlab_stats(MMLAB_MECH_REFPAGE, n, MMLAB_REFPAGE_N_STATS) < 0) {
		refpage_blame(r, "counters of the module: %s", strerror(errno));
		return;
	}
	for (int i = 0; i < MMLAB_REFPAGE_N_STATS; i++)
		n[i] -= before->n[i];
	read = r->order == REFPAGE_WRITE ? 0 : r->n_touched;
	written = r->n_touched - read;
	n_read = n[MMLAB_REFPAGE_STAT_READ_SHARED] + n[MMLAB_REFPAGE_STAT_READ_FILLED];
	n_written = n[MMLAB_REFPAGE_STAT_WRITE_KERNEL] + n[MMLAB_REFPAGE_STAT_WRITE_COPIED] +
		    n[MMLAB_REFPAGE_STAT_WRITE_FILLED];
	if (n[MMLAB_REFPAGE_STAT_MMAPS] != 1 || n[reads] != read || n_read != read || n_written != written)
		refpage_blame(r, "the module counted %llu mappings, %llu first reads and %llu first writes, "
			      "expected 1, %llu and %llu", (unsigned long long)n[MMLAB_REFPAGE_STAT_MMAPS],
			      (unsigned long long)n_read, (unsigned long long)n_written, (unsigned long long)read,
			      (unsigned long long)written);
}

void refpage_module_prove(struct refpage *r)
{
	prove(r, MMLAB_REFPAGE_STAT_READ_SHARED);
}

void refpage_module_prove_fill(struct refpage *r)
{
	prove(r, MMLAB_REFPAGE_STAT_READ_FILLED);
}

/* Pages that were only read map the shared page; writing replaces it. */
uint64_t refpage_module_hidden(const struct refpage *r, const struct mmlab_frames *frames)
{
	(void)frames;
	return r->order == REFPAGE_READ ? 0 : r->page_bytes;
}

const char *refpage_module_probe(enum mmlab_refpage_form form)
{
	return module_lacks(MMLAB_MECH_REFPAGE, MMLAB_REFPAGE_CAP_FORM(form));
}
