// SPDX-License-Identifier: MIT
/*
 * Each look happens between touching the region and giving it up, in whichever process does the cycle; what it finds
 * goes through shared memory.
 *
 * rss is what smaps says about the region. physical counts page frames: those distinct ones that the region's page
 * tables point to, the zero page included, and those that serve the region unseen (the rest of a backing file, a
 * reference page that is not mapped at this moment, a template's originals).
 */
#include "look.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>

#define SAMPLED_UNTOUCHED 64

void refpage_blame(struct refpage *r, const char *fmt, ...)
{
	va_list args;

	if (r->seen->blame[0])
		return;
	va_start(args, fmt);
	(void)vsnprintf(r->seen->blame, sizeof(r->seen->blame), fmt, args);
	va_end(args);
}

static const struct refpage_ops *ops_of(const struct refpage *r)
{
	return mmlab_ops(r->c);
}

/* One cycle with a look in it. Return: 0 or what mmlab_fail() says. */
static int cycle(struct refpage *r, void (*look)(struct refpage *r))
{
	int e;

	r->seen->blame[0] = '\0';
	e = ops_of(r)->get(r);
	if (!e) {
		look(r);
		e = ops_of(r)->put(r);
	}
	if (e < 0)
		return mmlab_fail(r->c, e, "allocation cycle");
	return r->seen->blame[0] ? mmlab_fail(r->c, 0, "%s", r->seen->blame) : 0;
}

static void look_memory(struct refpage *r)
{
	int e;

	refpage_touch(r);
	e = mmlab_smaps_read(&r->seen->smaps, r->addr, r->bytes);
	if (e)
		refpage_blame(r, "smaps of the region: %s", strerror(-e));
	r->seen->frames_error = mmlab_frames_read(&r->seen->frames, r->addr, r->bytes);
}

int refpage_observe(struct mmlab_case *c)
{
	const struct refpage_ops *ops = mmlab_ops(c);
	struct refpage *r = refpage_of(c);
	struct refpage_seen *seen = r->seen;
	int e = cycle(r, look_memory);

	if (e)
		return e;
	mmlab_report(c, "rss", (double)seen->smaps.rss);
	mmlab_report(c, "vmas", seen->smaps.n_vmas);
	if (seen->frames_error == -EPERM) {
		mmlab_report_missing(c, "physical", "the kernel shows frame numbers to CAP_SYS_ADMIN only");
	} else if (seen->frames_error) {
		return mmlab_fail(c, seen->frames_error, "pagemap of the region");
	} else {
		uint64_t hidden = ops->hidden_bytes ? ops->hidden_bytes(r, &seen->frames) : 0;

		mmlab_report(c, "physical", (double)(seen->frames.distinct * r->page_bytes + hidden));
	}
	return 0;
}

static uint64_t faults_now(void)
{
	struct rusage usage;

	(void)getrusage(RUSAGE_SELF, &usage);
	return (uint64_t)(usage.ru_minflt + usage.ru_majflt);
}

/* What a page of the region must hold, but for its first byte once that is written. */
static const char *content_of(const struct refpage *r, bool is_touched)
{
	static const char zeroes[65536];

	return ops_of(r)->zeroes || (ops_of(r)->sparse && !is_touched) ? zeroes : r->pattern;
}

static void check_page(struct refpage *r, size_t page, const char *content, char first)
{
	const char *at = r->addr + page * r->page_bytes;

	if (at[0] == first && !memcmp(at + 1, content + 1, r->page_bytes - 1))
		return;
	for (size_t i = 0; i < r->page_bytes; i++) {
		char expected = i ? content[i] : first;

		if (at[i] != expected)
			refpage_blame(r, "byte %zu of page %zu is 0x%02x, expected 0x%02x", i, page,
				      (unsigned char)at[i], (unsigned char)expected);
	}
}

/* The same on a byte of the stack: in a child of fork, what touching and counting need beside the region may be old. */
static void rehearse(const struct refpage *r)
{
	struct refpage one = *r;
	char byte = 0;

	one.addr = &byte;
	one.n_pages = one.n_touched = 1;
	refpage_touch(&one);
	(void)faults_now();
}

static void look_proof(struct refpage *r)
{
	uint64_t expected = ops_of(r)->touch_faults(r), took;
	size_t every = r->n_touched / SAMPLED_UNTOUCHED + 1, next;
	const char *fresh = content_of(r, false), *touched = content_of(r, true);
	char first = r->order == REFPAGE_READ ? touched[0] : r->stamp;
	struct refpage_walk walk = { 0 };

	rehearse(r);
	took = faults_now();
	refpage_touch(r);
	took = faults_now() - took;
	if (expected != REFPAGE_UNKNOWN && took != expected)
		refpage_blame(r, "touching %zu pages took %llu faults, expected %llu", r->n_touched,
			      (unsigned long long)took, (unsigned long long)expected);
	/* Before the content is looked at, which reads further pages. */
	if (ops_of(r)->prove)
		ops_of(r)->prove(r);
	refpage_for_each_touched(r, &walk) {
		check_page(r, walk.page, touched, first);
		next = (walk.i + 1) * r->n_pages / r->n_touched;
		if (!(walk.i % every) && walk.page + 1 < next)
			check_page(r, walk.page + 1, fresh, fresh[0]);
	}
}

/* What an earlier cycle wrote must be gone, and writes to one mapping must not show in another. */
static void look_fresh(struct refpage *r)
{
	const char *content = content_of(r, true); /* page 0 is always among the touched ones */
	char *first = r->addr;
	int e;

	check_page(r, 0, content, content[0]);
	first[0] = r->stamp;
	if (ops_of(r)->kept)
		return;
	r->addr = r->other_addr;
	e = ops_of(r)->get(r);
	if (!e) {
		check_page(r, 0, content, content[0]);
		r->addr[0] = (char)~r->stamp;
		e = ops_of(r)->put(r);
	}
	r->addr = first;
	if (e)
		refpage_blame(r, "second region: %s", strerror(-e));
	check_page(r, 0, content, r->stamp);
}

/* Page-table memory is what unmapping gives back; taken within one breath, so that nothing else moves it. */
static void look_tables(struct refpage *r)
{
	uint64_t with = 0, without = 0;
	int e;

	refpage_touch(r);
	e = mmlab_field_read(&with, "/proc/self/status", "VmPTE");
	if (!e)
		e = refpage_unmap(r);
	if (!e)
		e = mmlab_field_read(&without, "/proc/self/status", "VmPTE");
	if (e)
		refpage_blame(r, "page-table size: %s", strerror(-e));
	r->seen->table_bytes = with - without;
}

static int check_counted_faults(const struct refpage *r)
{
	uint64_t get = ops_of(r)->get_faults(r), touch = ops_of(r)->touch_faults(r);
	uint64_t n = mmlab_counted_ops(r->c), expected = (get + touch) * n;

	if (get == REFPAGE_UNKNOWN || touch == REFPAGE_UNKNOWN || mmlab_faults(r->c) == expected)
		return 0;
	return mmlab_fail(r->c, 0, "%llu page faults in %llu cycles, expected %llu",
			  (unsigned long long)mmlab_faults(r->c), (unsigned long long)n, (unsigned long long)expected);
}

int refpage_verify(struct mmlab_case *c)
{
	const struct refpage_ops *ops = mmlab_ops(c);
	struct refpage *r = refpage_of(c);
	int e = check_counted_faults(r);

	if (!e && ops->mark)
		ops->mark(r);
	if (!e)
		e = cycle(r, look_proof);
	if (!e)
		e = cycle(r, look_fresh);
	if (!e)
		e = cycle(r, look_tables); /* last: it takes the region from under a contender that keeps it */
	if (!e)
		mmlab_report(c, "page-tables", (double)r->seen->table_bytes);
	return e;
}
