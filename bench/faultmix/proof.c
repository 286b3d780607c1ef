// SPDX-License-Identifier: MIT
/*
 * The counters are the module's, for all processes: nobody else may use these mechanisms meanwhile. Without the module
 * they are all 0, as they have to be for who does not use it.
 */
#include "proof.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "cleanup.h"
#include "held.h"

void proof_counts(struct faultmix_counts *ret)
{
	memset(ret, 0, sizeof(*ret));
	(void)mmlab_stats(MMLAB_MECH_SPF, ret->spf, MMLAB_SPF_N_STATS);
	(void)mmlab_stats(MMLAB_MECH_ARENA, ret->arena, MMLAB_ARENA_N_STATS);
}

struct faultmix_counts proof_since(const struct faultmix_counts *from, const struct faultmix_counts *to)
{
	struct faultmix_counts since;

	for (size_t i = 0; i < MMLAB_SPF_N_STATS; i++)
		since.spf[i] = to->spf[i] - from->spf[i];
	for (size_t i = 0; i < MMLAB_ARENA_N_STATS; i++)
		since.arena[i] = to->arena[i] - from->arena[i];
	return since;
}

uint64_t proof_fallbacks(const struct faultmix_counts *counts)
{
	uint64_t sum = 0;

	for (size_t i = MMLAB_SPF_STAT_FALLBACK_CONTEXT; i <= MMLAB_SPF_STAT_FALLBACK_UNSTABLE; i++)
		sum += counts->spf[i];
	return sum;
}

bool proof_undisturbed(const struct faultmix *f)
{
	return f->holder != HOLDER_FORK && (!f->n_changes || !f->shared || f->n_workers == 1);
}

/* Zero but for the stamp: a page that was somebody else's, or was lost and came back, is not. */
static int verify_content(struct faultmix *f)
{
	_cleanup_(mmlab_freep) char *zero = calloc(1, f->page_bytes);

	if (!zero)
		return mmlab_fail(f->c, -ENOMEM, "a page");
	for (unsigned int w = 0; w < f->n_workers; w++)
		for (uint64_t i = 1; i <= 2 * f->n_faults; i++) {
			const char *page = faultmix_page(f, w, i);

			if (*page != faultmix_stamp(w, i) || memcmp(page + 1, zero, f->page_bytes - 1))
				return mmlab_fail(f->c, 0, "page %llu of worker %u is not what was written to it",
						  (unsigned long long)i, w);
		}
	return 0;
}

/* What is mapped anew is zero, also after it was written; what is unmapped is not there, for the kernel neither. */
static int verify_slot(struct faultmix *f)
{
	const struct faultmix_ops *ops = faultmix_ops(f);
	size_t slot = faultmix_slot(f, 0);
	volatile char *at = f->base + slot;

	for (int i = 0; i < 2; i++) {
		int r = ops->map(f, slot, FAULTMIX_SLOT_BYTES);

		if (r)
			return mmlab_fail(f->c, r, "mapping");
		if (*at)
			return mmlab_fail(f->c, 0, "what was mapped anew holds 0x%02x", (unsigned char)*at);
		*at = 'x';
		r = ops->unmap(f, slot, FAULTMIX_SLOT_BYTES);
		if (r)
			return mmlab_fail(f->c, r, "unmapping");
		if (!access((const char *)at, F_OK) || errno != EFAULT)
			return mmlab_fail(f->c, 0, "what was unmapped can still be read");
	}
	return 0;
}

static int verify_faults(struct faultmix *f, const struct crew_sums *sums)
{
	uint64_t expected = 2 * f->n_workers * f->n_faults;

	uint64_t found = sums->workers.n_minor;

	if (found < expected || (found > expected && f->holder != HOLDER_FORK))
		return mmlab_fail(f->c, 0, "%llu page faults of the workers, expected %llu", (unsigned long long)found,
				  (unsigned long long)expected);
	return 0;
}

struct expected {
	const char *name;
	uint64_t found, expected;
};

static int compare(struct faultmix *f, const struct expected *list, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (list[i].found != list[i].expected)
			return mmlab_fail(f->c, 0, "the module counts %lld %s, expected %llu", (long long)list[i].found,
					  list[i].name, (unsigned long long)list[i].expected);
	return 0;
}

#define COMPARE(f, list) compare(f, list, sizeof(list) / sizeof(*(list)))

static int verify_anon(struct faultmix *f, const struct faultmix_counts *all)
{
	bool hooked = faultmix_ops(f)->hooked;
	const struct expected list[] = {
		{ "first touches", all->spf[MMLAB_SPF_STAT_NORMAL] + all->spf[MMLAB_SPF_STAT_FIRST_TOUCH], 0 },
		{ "faults looked at in regions", proof_fallbacks(all), 0 },
		{ "hooks before", f->before.spf[MMLAB_SPF_STAT_HOOKED], hooked },
		{ "hooks after", f->after.spf[MMLAB_SPF_STAT_HOOKED], hooked },
		{ "faults in arenas", all->arena[MMLAB_ARENA_STAT_FAULTS], 0 },
	};

	return COMPARE(f, list);
}

static int verify_region(struct faultmix *f, const struct faultmix_counts *all, const struct crew_sums *sums)
{
	uint64_t faults = sums->workers.n_faults, touched = all->spf[MMLAB_SPF_STAT_FIRST_TOUCH];
	uint64_t populated = f->holder == HOLDER_POPULATE ? sums->n_holds * (FAULTMIX_LONG_BYTES / f->page_bytes) : 0;
	bool speculates = faultmix_ops(f)->mode == MMLAB_SPF_SPECULATIVE;
	const struct expected always[] = {
		{ "first touches", all->spf[MMLAB_SPF_STAT_NORMAL] + touched, faults + populated },
		{ "faults that raced", all->spf[MMLAB_SPF_STAT_RACED], 0 },
		{ "pages kept", all->spf[MMLAB_SPF_STAT_PAGES_ALLOCATED] - all->spf[MMLAB_SPF_STAT_PAGES_FREED],
		  touched },
	};
	const struct expected normal[] = {
		{ "speculative faults", touched, 0 },
		{ "faults looked at", proof_fallbacks(all), 0 },
	};
	const struct expected undisturbed[] = {
		{ "faults before a first one of the kernel's", all->spf[MMLAB_SPF_STAT_FALLBACK_DISARMED],
		  2 * f->n_workers * f->n_changes },
		{ "speculative faults and faults left to the kernel", touched + proof_fallbacks(all), faults },
	};
	const struct expected unchanged[] = {
		{ "faults without a table", all->spf[MMLAB_SPF_STAT_FALLBACK_TABLE], 0 },
	};
	int r = COMPARE(f, always);

	if (!r && !speculates)
		r = COMPARE(f, normal);
	if (!r && speculates && proof_undisturbed(f) && !populated)
		r = COMPARE(f, undisturbed);
	if (!r && speculates && proof_undisturbed(f) && !f->n_changes)
		r = COMPARE(f, unchanged);
	if (!r && speculates && f->n_faults && !touched && !f->n_changes)
		return mmlab_fail(f->c, 0, "no fault was speculative");
	return r;
}

static int verify_arena(struct faultmix *f, const struct faultmix_counts *all, const struct crew_sums *sums)
{
	const uint64_t *n = all->arena;
	uint64_t populated = f->holder == HOLDER_POPULATE ? sums->n_holds : 0;
	uint64_t faults = sums->workers.n_faults;
	uint64_t writes = sums->workers.n_writes + sums->mappers.n_writes + populated;
	uint64_t changes = 2 * f->n_workers * f->n_changes;
	uint64_t commands = 2 * writes + changes + (f->holder >= HOLDER_HOLD ? sums->n_holds : 0);
	bool registers = mmlab_param(f->c, "pending") != MMLAB_ARENA_PENDING_NONE;
	bool is_split = faultmix_ops(f)->scheme == MMLAB_ARENA_SPLIT;
	uint64_t populates = n[MMLAB_ARENA_STAT_POPULATES];
	bool keeps_lock = is_split || faultmix_ops(f)->scheme == MMLAB_ARENA_RWSEM || !registers;
	const struct expected list[] = {
		{ "faults served", n[MMLAB_ARENA_STAT_FAULTS], faults },
		{ "faults begun again", n[MMLAB_ARENA_STAT_RETRIES], 0 },
		{ "MAPs", n[MMLAB_ARENA_STAT_MAPS], writes },
		{ "UNMAPs", n[MMLAB_ARENA_STAT_UNMAPS], writes },
		{ "PROTECTs", n[MMLAB_ARENA_STAT_PROTECTS], changes },
		{ "exclusive locks", n[MMLAB_ARENA_STAT_EXCLUSIVE], commands },
		{ is_split ? "short locks for reading" : "shared locks",
		  n[is_split ? MMLAB_ARENA_STAT_SHORT_READS : MMLAB_ARENA_STAT_SHARED] - populates,
		  keeps_lock ? faults : 0 },
		{ "faults registered", n[MMLAB_ARENA_STAT_PENDING_INSERTS], registers ? faults : 0 },
		{ "searches for faults", n[MMLAB_ARENA_STAT_PENDING_LOOKUPS], registers ? commands : 0 },
		{ "faults that met a command", n[MMLAB_ARENA_STAT_PENDING_CONFLICTS], 0 },
		{ "accesses refused", n[MMLAB_ARENA_STAT_VIOLATIONS], 0 },
	};

	return COMPARE(f, list);
}

/* All pages that were allocated since the case began are freed again. */
static int verify_freed(struct faultmix *f)
{
	struct faultmix_counts now, all;
	int r = proof_unmap_areas(f);

	if (r)
		return mmlab_fail(f->c, r, "unmapping the workers' memory");
	proof_counts(&now);
	all = proof_since(&f->opened, &now);
	if (all.arena[MMLAB_ARENA_STAT_PAGES_ALLOCATED] != all.arena[MMLAB_ARENA_STAT_PAGES_FREED])
		return mmlab_fail(f->c, 0, "of %llu pages of arenas %llu came back",
				  (unsigned long long)all.arena[MMLAB_ARENA_STAT_PAGES_ALLOCATED],
				  (unsigned long long)all.arena[MMLAB_ARENA_STAT_PAGES_FREED]);
	return 0;
}

int proof_verify(struct faultmix *f)
{
	struct faultmix_counts all = proof_since(&f->before, &f->after);
	struct crew_sums sums;
	int r;

	crew_sums_all(f->crew, &sums);
	r = verify_faults(f, &sums);
	if (!r && faultmix_ops(f)->kind == KIND_ANON)
		r = verify_anon(f, &all);
	if (!r && faultmix_ops(f)->kind == KIND_REGION)
		r = verify_region(f, &all, &sums);
	if (!r && faultmix_ops(f)->kind == KIND_ARENA)
		r = verify_arena(f, &all, &sums);
	if (!r)
		r = verify_content(f);
	if (!r)
		r = verify_slot(f);
	if (!r)
		r = held_verify(f);
	return r ? r : verify_freed(f);
}
