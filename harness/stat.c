// SPDX-License-Identifier: MIT
#include "stat.h"

#include <errno.h>
#include <math.h>
#include <string.h>

#include "cleanup.h"

static int compare_doubles(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* Linear interpolation between closest ranks of a sorted array. */
static double quantile(const double *sorted, size_t n, double q)
{
	double position = q * (double)(n - 1);
	size_t below = (size_t)position;
	double part = position - (double)below;

	if (below + 1 >= n)
		return sorted[n - 1];
	return sorted[below] + part * (sorted[below + 1] - sorted[below]);
}

/*
 * Rank k (from 1) such that the k-th smallest and the k-th largest value enclose the median with at least 95 %, or 0
 * if even the extremes do not. The number of values below the median is binomial (n, 1/2).
 */
static size_t interval_rank(size_t n)
{
	double term = pow(0.5, (double)n); /* P(B = 0) */
	double tail = term;                /* P(B <= k - 1) for k = 1 */
	size_t k = 0;

	if (n > 1000) /* P(B = 0) is soon no number any more, and B is as good as normal */
		return (size_t)((double)n / 2 - 0.98 * sqrt((double)n));
	while (tail <= 0.025 && k < n / 2) {
		k++;
		term *= (double)(n - k + 1) / (double)k;
		tail += term;
	}
	return k;
}

double mmlab_stat_median(double *values, size_t n)
{
	qsort(values, n, sizeof(*values), compare_doubles);
	return quantile(values, n, 0.5);
}

int mmlab_stat_compute(struct mmlab_stat *ret, const double *values, size_t n)
{
	_cleanup_(mmlab_freep) double *sorted = malloc(n * sizeof(*sorted));
	size_t rank = interval_rank(n);
	double median;

	if (!sorted)
		return -ENOMEM;
	memcpy(sorted, values, n * sizeof(*sorted));
	median = mmlab_stat_median(sorted, n);
	*ret = (struct mmlab_stat){
		.n = n,
		.min = sorted[0],
		.q1 = quantile(sorted, n, 0.25),
		.median = median,
		.q3 = quantile(sorted, n, 0.75),
		.max = sorted[n - 1],
		.ci95_lo = rank ? sorted[rank - 1] : NAN,
		.ci95_hi = rank ? sorted[n - rank] : NAN,
	};
	for (size_t i = 0; i < n; i++)
		sorted[i] = fabs(sorted[i] - median);
	ret->mad = mmlab_stat_median(sorted, n);
	ret->unstable = ret->mad > MMLAB_STAT_UNSTABLE * fabs(median);
	return 0;
}
