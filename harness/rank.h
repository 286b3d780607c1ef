/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Comparing two groups of a few independent values, without assuming a shape: the rank-sum test of Mann and Whitney,
 * and the shift between the groups with the interval that belongs to that test (Hodges and Lehmann).
 */
#include <stddef.h>

struct mmlab_rank {
	double p;      /* two-sided; 1 if either group is empty */
	double shift;  /* median of all differences, second group minus first */
	double lo, hi; /* 95 % interval of it; infinite where there are too few values */
};

/**
 * mmlab_rank_compare() - is the second group shifted against the first, and by how much
 * @a, @b: finite values; ties get their mean rank, over which the distribution is exact too
 *
 * Exact up to 40 values together, from there on by the normal approximation with its correction for ties.
 * Return: 0, or -ENOMEM.
 */
int mmlab_rank_compare(struct mmlab_rank *ret, const double *a, size_t n_a, const double *b, size_t n_b);

/** mmlab_rank_least() - the fewest values in each of two groups with which p can be as small as @p. */
size_t mmlab_rank_least(double p);

/** mmlab_rank_holm() - replace @n p-values by those that Holm's procedure compares with the error allowed for all.
 * Return: 0 or -ENOMEM. */
int mmlab_rank_holm(double *p, size_t n);
