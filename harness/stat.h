/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Robust summary of a few values. The values are independent units (medians of rounds), never samples of one process.
 */
#include <stdbool.h>
#include <stddef.h>

/* Relative median absolute deviation from which a result is marked unstable (nanobench's rule). */
#define MMLAB_STAT_UNSTABLE 0.05

struct mmlab_stat {
	size_t n;
	double min, q1, median, q3, max;
	double mad;            /* median absolute deviation from the median, unscaled */
	double ci95_lo, ci95_hi; /* NaN where n is too small for 95 % (below 6) */
	bool unstable;
};

/**
 * mmlab_stat_compute() - summarise
 * @ret:    filled
 * @values: @n finite values, in any order; not changed
 * @n:      at least 1
 *
 * Quartiles interpolate linearly between order statistics. The interval of the median is the narrowest symmetric
 * pair of order statistics that covers it with at least 95 %, by the binomial distribution: it assumes independence
 * and nothing about the shape.
 * Return: 0, or -ENOMEM.
 */
int mmlab_stat_compute(struct mmlab_stat *ret, const double *values, size_t n);

/** mmlab_stat_median() - median alone; sorts @values in place. */
double mmlab_stat_median(double *values, size_t n);
