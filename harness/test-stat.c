// SPDX-License-Identifier: MIT
#undef NDEBUG
#include <assert.h>
#include <math.h>

#include "stat.h"

static void test_known_values(void)
{
	const double values[] = { 9, 1, 5, 3, 7 };
	struct mmlab_stat stat;

	assert(mmlab_stat_compute(&stat, values, 5) == 0);
	assert(stat.n == 5 && stat.min == 1 && stat.q1 == 3 && stat.median == 5 && stat.q3 == 7 && stat.max == 9);
	assert(stat.mad == 2); /* of 4 2 0 2 4 */
	assert(stat.unstable);
	assert(values[0] == 9); /* not sorted in place */
}

/* Ranks from the tables of the sign test: n = 6 needs the extremes, n = 10 ranks 2 and 9, n = 25 ranks 8 and 18. */
static void test_interval(void)
{
	static double values[2000];
	struct mmlab_stat stat;

	for (int i = 0; i < 2000; i++)
		values[i] = i + 1;
	assert(mmlab_stat_compute(&stat, values, 5) == 0 && isnan(stat.ci95_lo) && isnan(stat.ci95_hi));
	assert(mmlab_stat_compute(&stat, values, 6) == 0 && stat.ci95_lo == 1 && stat.ci95_hi == 6);
	assert(mmlab_stat_compute(&stat, values, 10) == 0 && stat.ci95_lo == 2 && stat.ci95_hi == 9);
	assert(mmlab_stat_compute(&stat, values, 25) == 0 && stat.ci95_lo == 8 && stat.ci95_hi == 18);
	/* By the binomial distribution: 469 of 1000, and 956 of 2000. */
	assert(mmlab_stat_compute(&stat, values, 1000) == 0 && stat.ci95_lo == 469 && stat.ci95_hi == 532);
	assert(mmlab_stat_compute(&stat, values, 2000) == 0 && stat.ci95_lo == 956 && stat.ci95_hi == 1045);
}

static void test_single_and_even(void)
{
	const double one[] = { 3.5 }, four[] = { 4, 1, 3, 2 };
	struct mmlab_stat stat;

	assert(mmlab_stat_compute(&stat, one, 1) == 0 && stat.median == 3.5 && stat.mad == 0 && !stat.unstable);
	assert(mmlab_stat_compute(&stat, four, 4) == 0 && stat.median == 2.5 && stat.q1 == 1.75 && stat.q3 == 3.25);
}

int main(void)
{
	test_known_values();
	test_interval();
	test_single_and_even();
	return 0;
}
