// SPDX-License-Identifier: MIT
/*
 * One op: nothing, in a loop that the compiler must keep. What it costs is the harness itself; nothing is subtracted
 * from other contenders for it.
 */
#include "stock.h"

static int null_run(struct stock *s, uint64_t n)
{
	(void)s;
	for (; n; n--)
		__asm__ volatile("" ::: "memory"); /* or the loop would be deleted */
	return 0;
}

static const struct mmlab_contender null = {
	.name = "null",
	.summary = "an empty loop: the harness itself",
	.ops = &(const struct stock_ops){
		.run = null_run,
		.faults = stock_no_faults,
	},
};
