// SPDX-License-Identifier: MIT
#include "verdict.h"

#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "cleanup.h"
#include "rank.h"
#include "stat.h"

#define MAD_TO_SD  1.4826 /* of a normal distribution */
#define ROUNDS_MAX 1000
#define MARGIN_P   0.01 /* of two runs of one build being further apart than the margin */

const char *mmlab_verdict_name(enum mmlab_verdict verdict)
{
	static const char *const names[] = { "same", "different", "cannot-tell" };

	return names[verdict];
}

/* How probable it is that Student's t is further from 0 than @t, for whole degrees of freedom: a finite sum. */
static double student_p(double t, size_t freedom)
{
	double angle = atan(t / sqrt((double)freedom)), cosine = cos(angle), term = 1, sum = 0;
	bool odd = freedom % 2;

	if (odd)
		term = cosine;
	for (size_t i = odd ? 1 : 0; i + 2 <= freedom; i += 2) {
		sum += term;
		term *= cosine * cosine * (double)(i + 1) / (double)(i + 2);
	}
	if (odd)
		return fmax(0, 1 - 2 / M_PI * (angle + sin(angle) * sum));
	return fmax(0, 1 - sin(angle) * sum);
}

/* The t that is exceeded with probability @p on either side together. */
static double student_t(double p, size_t freedom)
{
	double lo = 0, hi = 1e6;

	for (int i = 0; i < 100; i++) {
		double middle = (lo + hi) / 2;

		*(student_p(middle, freedom) > p ? &lo : &hi) = middle;
	}
	return hi;
}

double mmlab_scatter(double *values, size_t n)
{
	double median = mmlab_stat_median(values, n);

	for (size_t i = 0; i < n; i++)
		values[i] = fabs(values[i] - median);
	return MAD_TO_SD * mmlab_stat_median(values, n);
}

void mmlab_noise_learn(struct mmlab_noise *ret, double *const *runs, const size_t *n, size_t n_runs)
{
	double mean = 0, squares = 0, scatter = 0;

	/* Welford's way of adding up squares, which loses nothing when they are small beside the mean. */
	for (size_t i = 0; i < n_runs; i++) {
		double median = mmlab_stat_median(runs[i], n[i]), step = median - mean;

		mean += step / (double)(i + 1);
		squares += step * (median - mean);
		scatter = fmax(scatter, mmlab_scatter(runs[i], n[i]));
	}
	ret->n_runs = n_runs;
	ret->spread = sqrt(squares / (double)(n_runs - 1));
	ret->scatter = scatter;
	ret->margin = student_t(MARGIN_P, n_runs - 1) * sqrt(2) * ret->spread;
}

struct mmlab_noise mmlab_noise_assume(double margin)
{
	return (struct mmlab_noise){ .scatter = INFINITY, .margin = margin };
}

static int scatter_of(double *ret, const double *values, size_t n)
{
	_cleanup_(mmlab_freep) double *copy = malloc((n + 1) * sizeof(*copy));

	if (!copy)
		return -ENOMEM;
	memcpy(copy, values, n * sizeof(*copy));
	*ret = mmlab_scatter(copy, n);
	return 0;
}

/* By how much to widen: rounds that scatter more than they did when the noise was learned mean that runs do, too. */
static int widening(double *ret, const double *base, size_t n_base, const double *head, size_t n_head,
		    const struct mmlab_noise *noise)
{
	double scatter_base, scatter_head;
	int r = scatter_of(&scatter_base, base, n_base);

	r = r < 0 ? r : scatter_of(&scatter_head, head, n_head);
	if (r < 0)
		return r;
	*ret = noise->scatter > 0 ? fmax(1, fmax(scatter_base, scatter_head) / noise->scatter) : 1;
	return 0;
}

/* How probable it is that two runs of one build lie that far apart. Nothing is known of it but a limit if it was
 * assumed. */
static double runs_p(double shift, double widen, const struct mmlab_noise *noise)
{
	double spread = sqrt(2) * noise->spread * widen;

	if (!noise->n_runs)
		return fabs(shift) > noise->margin ? 0 : 1;
	if (spread <= 0)
		return shift != 0 ? 0 : 1;
	return student_p(fabs(shift) / spread, noise->n_runs - 1);
}

int mmlab_change_measure(struct mmlab_change *ret, const double *base, size_t n_base, const double *head, size_t n_head,
			 const struct mmlab_noise *noise)
{
	struct mmlab_change change = { .n_base = n_base, .n_head = n_head, .verdict = MMLAB_CANNOT_TELL };
	struct mmlab_rank rank;
	double widen;
	int r = widening(&widen, base, n_base, head, n_head, noise);

	r = r < 0 ? r : mmlab_rank_compare(&rank, base, n_base, head, n_head);
	if (r < 0)
		return r;
	change.noise = noise->margin * widen;
	change.shift = rank.shift;
	change.rounds_lo = rank.lo;
	change.rounds_hi = rank.hi;
	change.lo = fmin(rank.lo, rank.shift - change.noise);
	change.hi = fmax(rank.hi, rank.shift + change.noise);
	change.p_rounds = rank.p;
	change.p_runs = runs_p(rank.shift, widen, noise);
	change.p = change.p_corrected = fmax(change.p_rounds, change.p_runs);
	*ret = change;
	return 0;
}

/* How many standard deviations from the centre a two-sided p lies. */
static double deviations(double p)
{
	double lo = 0, hi = 40;

	for (int i = 0; i < 60; i++) {
		double middle = (lo + hi) / 2;

		*(erfc(middle / sqrt(2)) > p ? &lo : &hi) = middle;
	}
	return lo;
}

/* Evidence grows with the number of rounds as its root does: @factor times as strong takes its square as many rounds.
 */
static long rounds_missing(const struct mmlab_change *change, double factor, size_t least)
{
	double n = (double)(change->n_base < change->n_head ? change->n_base : change->n_head);
	double needed = fmax(ceil(n * factor * factor), fmax((double)least, n + 1));

	return needed > ROUNDS_MAX ? -1 : (long)(needed - n);
}

void mmlab_change_decide(struct mmlab_change *change, double threshold, size_t n_tests)
{
	double size = fabs(change->shift), half = (change->rounds_hi - change->rounds_lo) / 2;
	double alpha_each = MMLAB_VERDICT_ALPHA / (double)(n_tests ? n_tests : 1);

	change->reason = NULL;
	change->more_rounds = 0;
	if (size > threshold && change->p_corrected <= MMLAB_VERDICT_ALPHA) {
		change->verdict = MMLAB_DIFFERENT;
		return;
	}
	change->verdict = MMLAB_CANNOT_TELL;
	if (size > threshold && change->p_runs <= alpha_each) {
		/* Sides that do not overlap need only as many rounds as the test itself asks for. */
		size_t n = change->n_base < change->n_head ? change->n_base : change->n_head;
		bool apart = mmlab_rank_least(change->p_rounds) >= n;

		change->reason = "beyond the noise, but too few or too scattered rounds";
		change->more_rounds = rounds_missing(
			change, apart ? 0 : deviations(alpha_each) / fmax(deviations(change->p_rounds), 0.01),
			mmlab_rank_least(alpha_each));
		return;
	}
	if (change->lo >= -threshold && change->hi <= threshold) {
		change->verdict = MMLAB_SAME;
		return;
	}
	change->more_rounds = -1;
	if (size > threshold || change->noise > threshold) {
		change->reason = "within the noise between two runs of one build";
	} else if (size + change->noise > threshold) {
		change->reason = "as close to the threshold as the noise is wide";
	} else {
		change->reason = "rounds scatter too much";
		change->more_rounds =
			rounds_missing(change, isfinite(half) ? half / (threshold - size) : 1, mmlab_rank_least(0.05));
	}
}
