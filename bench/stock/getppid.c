// SPDX-License-Identifier: MIT
/*
 * One op: a system call that does next to nothing, so entry and exit of the kernel. Called raw, as a C library may
 * answer some such calls itself.
 */
#include "stock.h"

#include <sys/syscall.h>
#include <unistd.h>

static int getppid_run(struct stock *s, uint64_t n)
{
	long sum = 0;

	for (; n; n--)
		sum += syscall(SYS_getppid);
	s->n_done = (uint64_t)sum;
	return 0;
}

static int getppid_verify(struct stock *s)
{
	(void)getppid_run(s, 10);
	if (s->n_done != 10 * (uint64_t)getppid())
		return mmlab_fail(s->c, 0, "the calls did not return the parent");
	return 0;
}

static const struct mmlab_contender getppid_raw = {
	.name = "getppid",
	.summary = "the cheapest system call",
	.ops = &(const struct stock_ops){
		.run = getppid_run,
		.faults = stock_no_faults,
		.verify = getppid_verify,
	},
};
