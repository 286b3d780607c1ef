// SPDX-License-Identifier: MIT
/* Against published tables and small cases that can be counted by hand. */
#undef NDEBUG
#include <assert.h>
#include <math.h>

#include "rank.h"

#define N(array) (sizeof(array) / sizeof(*(array)))

static int near(double a, double b)
{
	return fabs(a - b) < 1e-9;
}

/* Groups that do not overlap: one of the ways to divide them, on either side. */
static void test_apart(void)
{
	const double a[] = { 5, 3, 1, 4, 2 }, b[] = { 6, 8, 7, 10, 9 };
	struct mmlab_rank rank;

	assert(mmlab_rank_compare(&rank, a, 5, b, 5) == 0);
	assert(near(rank.p, 2.0 / 252) && near(rank.shift, 5));
	assert(mmlab_rank_compare(&rank, b, 5, a, 5) == 0 && near(rank.p, 2.0 / 252) && near(rank.shift, -5));
	assert(mmlab_rank_compare(&rank, a, 4, b, 4) == 0 && near(rank.p, 2.0 / 70));
}

/* Of the 6 ways to choose 2 of 4, the sum of ranks 1 + 4 is in the middle. */
static void test_overlap(void)
{
	const double a[] = { 2, 3 }, b[] = { 1, 4 };
	struct mmlab_rank rank;

	assert(mmlab_rank_compare(&rank, a, 2, b, 2) == 0 && near(rank.p, 1));
	assert(isinf(rank.lo) && isinf(rank.hi)); /* too few for an interval */
}

/* 1 2 2 | 2 3: ranks 1 3 3 | 3 5; of the 10 ways to choose two of these, 3 add up to 8, and none to more. */
static void test_ties(void)
{
	const double a[] = { 1, 2, 2 }, b[] = { 2, 3 }, same[] = { 7, 7, 7 };
	struct mmlab_rank rank;

	assert(mmlab_rank_compare(&rank, a, 3, b, 2) == 0 && near(rank.p, 2 * 3.0 / 10));
	assert(mmlab_rank_compare(&rank, same, 3, same, 3) == 0 && near(rank.p, 1) && rank.shift == 0);
}

/* Table of the rank-sum test for 6 and 6: U = 5 is the largest with 2.5 % below it, so five differences fall outside.
 */
static void test_interval(void)
{
	const double a[] = { 0, 0.01, 0.02, 0.03, 0.04, 0.05 }, b[] = { 1, 1.1, 1.2, 1.3, 1.4, 1.5 };
	struct mmlab_rank rank;

	assert(mmlab_rank_compare(&rank, a, 6, b, 6) == 0);
	assert(near(rank.lo, 1.0) && near(rank.hi, 1.45 + 0.05) == 0);
	assert(rank.lo < rank.shift && rank.shift < rank.hi);
}

/* Beyond 40 values the approximation takes over; on both sides of that line it is nearly the same. */
static void test_normal(void)
{
	double a[25], b[25];
	struct mmlab_rank exact, normal;

	for (int i = 0; i < 25; i++) {
		a[i] = i;
		b[i] = i + 4.5;
	}
	assert(mmlab_rank_compare(&exact, a, 20, b, 20) == 0 && mmlab_rank_compare(&normal, a, 21, b, 20) == 0);
	assert(exact.p > 0.01 && exact.p < 0.1 && fabs(exact.p - normal.p) < 0.03);
	assert(mmlab_rank_compare(&normal, a, 25, a, 25) == 0 && near(normal.p, 1));
}

static void test_empty(void)
{
	const double a[] = { 1 };
	struct mmlab_rank rank;

	assert(mmlab_rank_compare(&rank, a, 1, a, 0) == 0 && rank.p == 1 && isinf(rank.lo));
}

static void test_least(void)
{
	assert(mmlab_rank_least(1) == 1 && mmlab_rank_least(0.05) == 4 && mmlab_rank_least(0.029) == 4);
	assert(mmlab_rank_least(0.0079) == 6 && mmlab_rank_least(0.00794) == 5);
}

/* The example of Holm's paper kind: 0.01 0.04 0.03 0.005 become 0.03 0.06 0.06 0.02. */
static void test_holm(void)
{
	double p[] = { 0.01, 0.04, 0.03, 0.005 }, equal[] = { 0.02, 0.02 }, one[] = { 0.7 };

	assert(mmlab_rank_holm(p, N(p)) == 0);
	assert(near(p[0], 0.03) && near(p[1], 0.06) && near(p[2], 0.06) && near(p[3], 0.02));
	assert(mmlab_rank_holm(equal, 2) == 0 && near(equal[0], 0.04) && near(equal[1], 0.04));
	assert(mmlab_rank_holm(one, 1) == 0 && near(one[0], 0.7) && mmlab_rank_holm(one, 0) == 0);
}

int main(void)
{
	test_apart();
	test_overlap();
	test_ties();
	test_interval();
	test_normal();
	test_empty();
	test_least();
	test_holm();
	return 0;
}
