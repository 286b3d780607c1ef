/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Same, different, or cannot tell, for one metric of one case: pure arithmetic over the medians of rounds.
 *
 * Rounds of one run share what the machine was like during that run. So the scatter of rounds alone calls far too much
 * different; how far two runs of one build lie apart has to be learned from runs of one build (A/A).
 */
#include <stddef.h>

#define MMLAB_VERDICT_ALPHA 0.05 /* of any wrong "different" in one comparison */

enum mmlab_verdict { MMLAB_SAME, MMLAB_DIFFERENT, MMLAB_CANNOT_TELL };

/* How much a metric of a case moves when nothing was changed. In logarithms of the value, so about in parts of it. */
struct mmlab_noise {
	size_t n_runs;	/* learned from; 0: assumed */
	double spread;	/* standard deviation between runs */
	double scatter; /* largest scatter of rounds within one of the runs; infinite if assumed */
	double margin;	/* two runs of one build lie further apart than this in 1 % of pairs */
};

struct mmlab_change {
	size_t n_base, n_head;	     /* rounds */
	double shift;		     /* log of head / base */
	double rounds_lo, rounds_hi; /* 95 % interval of shift by the rounds alone */
	double lo, hi;		     /* the same, widened by the noise between runs */
	double noise;		     /* margin that applies: wider than the learned one if rounds scatter more */
	double p_rounds;	     /* rank-sum test over rounds */
	double p_runs;		     /* that two runs of one build lie so far apart */
	double p;		     /* the larger of the two */
	double p_corrected;	     /* the same until whoever tests several corrects it */
	enum mmlab_verdict verdict;
	const char *reason; /* of MMLAB_CANNOT_TELL; static text */
	long more_rounds;   /* that each side would need; 0: none, -1: no number would help */
};

/**
 * mmlab_noise_learn() - from runs of one build
 * @runs:   for each run the logarithms of its round medians; sorted in place
 * @n:      their numbers
 * @n_runs: at least 2
 */
void mmlab_noise_learn(struct mmlab_noise *ret, double *const *runs, const size_t *n, size_t n_runs);

/** mmlab_noise_assume() - nothing was learned: take @margin for it. */
struct mmlab_noise mmlab_noise_assume(double margin);

/** mmlab_scatter() - how far rounds lie from their median, scaled to a standard deviation; sorts in place. */
double mmlab_scatter(double *values, size_t n);

/**
 * mmlab_change_measure() - everything but the verdict
 * @base, @head: logarithms of round medians
 * Return: 0 or -ENOMEM.
 */
int mmlab_change_measure(struct mmlab_change *ret, const double *base, size_t n_base, const double *head, size_t n_head,
			 const struct mmlab_noise *noise);

/**
 * mmlab_change_decide() - give the verdict
 * @change:    measured, p_corrected for all that are tested together
 * @threshold: the least change that matters, as a logarithm
 * @n_tests:   how many these are; needed to say how many rounds are missing
 *
 * different: p_corrected is significant, and the change is beyond the threshold; same: the widened interval lies within
 * the threshold; otherwise it cannot be told.
 */
void mmlab_change_decide(struct mmlab_change *change, double threshold, size_t n_tests);

/** mmlab_verdict_name() - "same", "different", "cannot-tell". */
const char *mmlab_verdict_name(enum mmlab_verdict verdict);
