// SPDX-License-Identifier: MIT
/*
 * One op: take write permission away from a populated mapping and give it back; two calls, so two units. Nobody
 * touches it meanwhile: no faults. Proof: /proc shows the permission after each call.
 */
#include "stock.h"

#include <errno.h>
#include <stdio.h>
#include <sys/mman.h>

#include "cleanup.h"

static int mprotect_setup(struct stock *s)
{
	mmlab_set_units(s->c, 2);
	return stock_populate(s);
}

static int mprotect_run(struct stock *s, uint64_t n)
{
	for (; n; n--)
		if (mprotect(s->map.addr, s->bytes, PROT_READ) ||
		    mprotect(s->map.addr, s->bytes, PROT_READ | PROT_WRITE))
			return mmlab_fail(s->c, -errno, "mprotect");
	return 0;
}

/* Return: 1 if the mapping's VMA is writable, 0 if not, -errno if it can't be found. */
static int mprotect_writable(const struct stock *s)
{
	_cleanup_(mmlab_fclosep) FILE *maps = fopen("/proc/self/maps", "re");
	char line[512], permissions[8];
	unsigned long start, end, addr = (unsigned long)s->map.addr;

	if (!maps)
		return -errno;
	while (fgets(line, sizeof(line), maps))
		if (sscanf(line, "%lx-%lx %7s", &start, &end, permissions) == 3 && start <= addr && addr < end)
			return permissions[1] == 'w';
	return -ENOENT;
}

static int mprotect_verify(struct stock *s)
{
	if (mprotect(s->map.addr, s->bytes, PROT_READ))
		return mmlab_fail(s->c, -errno, "mprotect");
	if (mprotect_writable(s))
		return mmlab_fail(s->c, 0, "still writable after mprotect");
	if (mprotect(s->map.addr, s->bytes, PROT_READ | PROT_WRITE))
		return mmlab_fail(s->c, -errno, "mprotect");
	if (mprotect_writable(s) != 1)
		return mmlab_fail(s->c, 0, "not writable after mprotect");
	return 0;
}

static const struct mmlab_contender mprotect_toggle = {
	.name = "mprotect",
	.summary = "mprotect of a populated mapping, per call",
	.ops = &(const struct stock_ops){
		.sized = true,
		.setup = mprotect_setup,
		.run = mprotect_run,
		.faults = stock_no_faults,
		.verify = mprotect_verify,
	},
};
