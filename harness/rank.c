// SPDX-License-Identifier: MIT
#include "rank.h"

#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "stat.h"

#define EXACT_MAX 40 /* values in both groups; the number of subsets still fits into a double exactly */
#define Z_975	  1.959963984540054

struct value {
	double value;
	bool second;  /* of the second group */
	size_t rank2; /* twice its mean rank */
};

static int compare_values(const void *a, const void *b)
{
	double x = ((const struct value *)a)->value, y = ((const struct value *)b)->value;

	return (x > y) - (x < y);
}

static int compare_doubles(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* Sorts, and gives tied values the mean of their ranks. Return: sum of t^3 - t over the groups of ties. */
static double rank_values(struct value *values, size_t n)
{
	double ties = 0;

	qsort(values, n, sizeof(*values), compare_values);
	for (size_t i = 0, end; i < n; i = end) {
		double t;

		for (end = i + 1; end < n && values[end].value == values[i].value;)
			end++;
		for (size_t j = i; j < end; j++)
			values[j].rank2 = i + 1 + end;
		t = (double)(end - i);
		ties += t * t * t - t;
	}
	return ties;
}

/*
 * How many ways there are to choose @k of the values so that their doubled ranks add up to s, for each s up to @max.
 * *ret is owned by the caller.
 */
static int count_sums(double **ret, const struct value *values, size_t n, size_t k, size_t max)
{
	double *ways = calloc((k + 1) * (max + 1), sizeof(*ways));

	if (!ways)
		return -ENOMEM;
	ways[0] = 1;
	for (size_t i = 0; i < n; i++) {
		size_t rank2 = values[i].rank2;

		for (size_t chosen = i < k ? i + 1 : k; chosen; chosen--)
			for (size_t s = max; s >= rank2; s--)
				ways[chosen * (max + 1) + s] += ways[(chosen - 1) * (max + 1) + s - rank2];
	}
	memmove(ways, ways + k * (max + 1), (max + 1) * sizeof(*ways));
	*ret = ways;
	return 0;
}

static int exact_p(double *ret, const struct value *values, size_t n, size_t k, size_t sum2)
{
	_cleanup_(mmlab_freep) double *ways = NULL;
	size_t max = n * (n + 1);
	double below = 0, above = 0, all = 0;
	int r = count_sums(&ways, values, n, k, max);

	if (r < 0)
		return r;
	for (size_t s = 0; s <= max; s++) {
		all += ways[s];
		below += s <= sum2 ? ways[s] : 0;
		above += s >= sum2 ? ways[s] : 0;
	}
	*ret = fmin(1, 2 * fmin(below, above) / all);
	return 0;
}

static double normal_p(size_t n, size_t k, size_t sum2, double ties)
{
	double total = (double)n, first = total - (double)k, second = (double)k;
	double deviation = fabs((double)sum2 / 2 - second * (total + 1) / 2) - 0.5;
	double variance = first * second / 12 * (total + 1 - ties / (total * (total - 1)));

	return variance <= 0 || deviation <= 0 ? 1 : erfc(deviation / sqrt(2 * variance));
}

/*
 * How many of the smallest, and of the largest, differences lie outside the 95 % interval of the shift, by the
 * distribution without ties, which makes it no narrower than it should be. 0: there are too few values.
 */
static int outside(size_t *ret, size_t n_a, size_t n_b)
{
	_cleanup_(mmlab_freep) struct value *values = calloc(n_a + n_b, sizeof(*values));
	_cleanup_(mmlab_freep) double *ways = NULL;
	size_t n = n_a + n_b, least = n_b * (n_b + 1), k = 0;
	double all = 0, below = 0;
	int r;

	if (n > EXACT_MAX) {
		double half = Z_975 * sqrt((double)n_a * (double)n_b * (double)(n + 1) / 12);
		double rank = floor((double)n_a * (double)n_b / 2 - half);

		*ret = rank > 0 ? (size_t)rank : 0;
		return 0;
	}
	if (!values)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++)
		values[i].rank2 = 2 * (i + 1);
	r = count_sums(&ways, values, n, n_b, n * (n + 1));
	if (r < 0)
		return r;
	for (size_t s = 0; s <= n * (n + 1); s++)
		all += ways[s];
	for (; least + 2 * k <= n * (n + 1); k++) {
		below += ways[least + 2 * k];
		if (below > 0.025 * all)
			break;
	}
	*ret = k;
	return 0;
}

static int shift_interval(struct mmlab_rank *ret, const double *a, size_t n_a, const double *b, size_t n_b)
{
	_cleanup_(mmlab_freep) double *differences = calloc(n_a * n_b, sizeof(*differences));
	size_t n = n_a * n_b, k;
	int r = outside(&k, n_a, n_b);

	if (r < 0 || !differences)
		return r < 0 ? r : -ENOMEM;
	for (size_t i = 0; i < n_a; i++)
		for (size_t j = 0; j < n_b; j++)
			differences[i * n_b + j] = b[j] - a[i];
	qsort(differences, n, sizeof(*differences), compare_doubles);
	ret->shift = mmlab_stat_median(differences, n);
	ret->lo = k ? differences[k - 1] : -INFINITY;
	ret->hi = k ? differences[n - k] : INFINITY;
	return 0;
}

int mmlab_rank_compare(struct mmlab_rank *ret, const double *a, size_t n_a, const double *b, size_t n_b)
{
	_cleanup_(mmlab_freep) struct value *values = calloc(n_a + n_b + 1, sizeof(*values));
	struct mmlab_rank rank = { .p = 1, .lo = -INFINITY, .hi = INFINITY };
	size_t n = n_a + n_b, sum2 = 0;
	double ties;
	int r;

	if (!values)
		return -ENOMEM;
	if (!n_a || !n_b) {
		*ret = rank;
		return 0;
	}
	for (size_t i = 0; i < n; i++)
		values[i] = (struct value){ .value = i < n_a ? a[i] : b[i - n_a], .second = i >= n_a };
	ties = rank_values(values, n);
	for (size_t i = 0; i < n; i++)
		sum2 += values[i].second ? values[i].rank2 : 0;
	if (n > EXACT_MAX) {
		rank.p = normal_p(n, n_b, sum2, ties);
	} else {
		r = exact_p(&rank.p, values, n, n_b, sum2);
		if (r < 0)
			return r;
	}
	r = shift_interval(&rank, a, n_a, b, n_b);
	if (!r)
		*ret = rank;
	return r;
}

/* The least p of two groups of n is that of groups that do not overlap: 2 / (2n over n). */
size_t mmlab_rank_least(double p)
{
	double least = 1; /* n = 1 */
	size_t n = 1;

	while (least > p && n < 1000) {
		n++;
		least *= (double)n / (2 * (2 * (double)n - 1));
	}
	return n;
}

int mmlab_rank_holm(double *p, size_t n)
{
	_cleanup_(mmlab_freep) double *sorted = malloc((n + 1) * sizeof(*sorted));
	_cleanup_(mmlab_freep) double *corrected = malloc((n + 1) * sizeof(*corrected));
	double largest = 0;

	if (!sorted || !corrected)
		return -ENOMEM;
	memcpy(sorted, p, n * sizeof(*p));
	qsort(sorted, n, sizeof(*sorted), compare_doubles);
	for (size_t i = 0; i < n; i++) {
		largest = fmax(largest, fmin(1, sorted[i] * (double)(n - i)));
		corrected[i] = largest;
	}
	for (size_t i = 0; i < n; i++) {
		const double *at = bsearch(&p[i], sorted, n, sizeof(*sorted), compare_doubles);

		p[i] = corrected[at - sorted]; /* equal ones have equal corrections, so any of them will do */
	}
	return 0;
}
