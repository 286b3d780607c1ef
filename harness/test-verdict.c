// SPDX-License-Identifier: MIT
/*
 * How often the verdict is wrong, on samples made from a seed. They are as bad as real ones: each run has a level of
 * its own, the machine drifts from round to round, most rounds are close together, and some are far off.
 */
#undef NDEBUG
#include <assert.h>
#include <math.h>
#include <stdlib.h>

#include "rank.h"
#include "rng.h"
#include "test.h"
#include "verdict.h"

#define N_ROUNDS 12
#define N_CASES	 40
#define N_PAIRS	 20
#define N_LEARN	 10

struct kind {
	const char *name;
	double level;	/* spread of runs */
	double scatter; /* of rounds */
	double drift;	/* from round to round */
	double far_off; /* part of rounds that something else disturbed */
	double tail;	/* degrees of freedom of all chance: 3 is heavy */
};

static double uniform(uint64_t *rng)
{
	return ((double)(mmlab_rng_next(rng) >> 11) + 0.5) / 9007199254740992.0;
}

static double normal(uint64_t *rng)
{
	return sqrt(-2 * log(uniform(rng))) * cos(2 * M_PI * uniform(rng));
}

/* Student's t, scaled to a variance of about 1. */
static double heavy(uint64_t *rng, double freedom)
{
	double squares = 0;

	for (int i = 0; i < (int)freedom; i++) {
		double x = normal(rng);

		squares += x * x;
	}
	return normal(rng) / sqrt(squares / freedom) / sqrt(freedom / (freedom - 2));
}

static void make_run(double *rounds, const struct kind *kind, double slower, uint64_t *rng)
{
	double at = log(1000) + kind->level * heavy(rng, kind->tail), drift = 0;

	for (int i = 0; i < N_ROUNDS; i++) {
		drift = 0.7 * drift + kind->drift * normal(rng);
		rounds[i] = at + slower + drift + kind->scatter * heavy(rng, kind->tail);
		if (uniform(rng) < kind->far_off)
			rounds[i] += log1p(-log(uniform(rng))); /* twice as long, on average */
	}
}

static void learn(struct mmlab_noise *ret, const struct kind *kind, uint64_t *rng)
{
	double rounds[N_LEARN][N_ROUNDS], *runs[N_LEARN];
	size_t n[N_LEARN];

	for (int i = 0; i < N_LEARN; i++) {
		make_run(rounds[i], kind, 0, rng);
		runs[i] = rounds[i];
		n[i] = N_ROUNDS;
	}
	mmlab_noise_learn(ret, runs, n, N_LEARN);
}

static size_t n_times = 1;

struct tally {
	size_t n[3], n_pairs_different;
};

/* One baseline with its margins, then pairs of runs of all cases; @slower is planted into each second one. */
static void simulate_once(struct tally *tally, const struct kind *kind, double slower, uint64_t seed)
{
	struct mmlab_noise noise[N_CASES];

	for (int i = 0; i < N_CASES; i++)
		learn(&noise[i], kind, &seed);
	for (int pair = 0; pair < N_PAIRS; pair++) {
		struct mmlab_change changes[N_CASES];
		double p[N_CASES];
		bool any = false;

		for (int i = 0; i < N_CASES; i++) {
			double base[N_ROUNDS], head[N_ROUNDS];

			make_run(base, kind, 0, &seed);
			make_run(head, kind, slower, &seed);
			assert(!mmlab_change_measure(&changes[i], base, N_ROUNDS, head, N_ROUNDS, &noise[i]));
			p[i] = changes[i].p;
		}
		assert(!mmlab_rank_holm(p, N_CASES));
		for (int i = 0; i < N_CASES; i++) {
			changes[i].p_corrected = p[i];
			mmlab_change_decide(&changes[i], log1p(0.03), N_CASES);
			tally->n[changes[i].verdict]++;
			any = any || changes[i].verdict == MMLAB_DIFFERENT;
		}
		tally->n_pairs_different += any;
	}
}

static struct tally simulate(const struct kind *kind, double slower, uint64_t seed)
{
	struct tally tally = { 0 };

	for (size_t i = 0; i < n_times; i++)
		simulate_once(&tally, kind, slower, seed + 1000000 * i);
	return tally;
}

static void show(const char *what, const struct kind *kind, const struct tally *tally)
{
	(void)printf("# %-6s %-12s same %4zu, different %4zu, cannot tell %4zu; %zu of %zu pairs with a difference\n",
		     kind->name, what, tally->n[MMLAB_SAME], tally->n[MMLAB_DIFFERENT], tally->n[MMLAB_CANNOT_TELL],
		     tally->n_pairs_different, n_times * N_PAIRS);
}

static const struct kind kinds[] = {
	{ "still", .level = 0.002, .scatter = 0.004, .drift = 0.001, .tail = 5 },
	{ "usual", .level = 0.005, .scatter = 0.010, .drift = 0.005, .far_off = 0.05, .tail = 4 },
	{ "heavy", .level = 0.020, .scatter = 0.030, .drift = 0.010, .far_off = 0.10, .tail = 3 },
	{ "awful", .level = 0.100, .scatter = 0.100, .drift = 0.050, .far_off = 0.25, .tail = 3 },
};

static void test_nothing_planted(void)
{
	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++) {
		struct tally tally = simulate(&kinds[i], 0, 1000 + i);
		size_t n_all = n_times * N_CASES * N_PAIRS;

		show("A/A", &kinds[i], &tally);
		check(tally.n[MMLAB_DIFFERENT] * 100 <= n_all, "%s: of equal builds at most 1 %% are called different",
		      kinds[i].name);
		check(i || tally.n[MMLAB_SAME] * 10 >= n_all * 8,
		      "%s: most equal ones are called the same where noise allows it", kinds[i].name);
	}
}

static void test_planted(void)
{
	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++) {
		struct tally tally = simulate(&kinds[i], log1p(0.05), 2000 + i);
		size_t n_all = n_times * N_CASES * N_PAIRS;

		show("5 % slower", &kinds[i], &tally);
		check(tally.n[MMLAB_SAME] * 100 <= n_all * 5,
		      "%s: at most 5 %% of what is 5 %% slower is called the same", kinds[i].name);
		check(i || tally.n[MMLAB_DIFFERENT] * 100 >= n_all * 95,
		      "%s: 95 %% of what is 5 %% slower is called different where noise allows it", kinds[i].name);
	}
}

/* Rounds alone, without learning from runs: what the margins are there for. */
static void test_margins_matter(void)
{
	const struct kind *kind = &kinds[2];
	size_t n_wrong = 0, n_all = N_CASES * N_PAIRS;
	uint64_t seed = 3;

	for (size_t i = 0; i < n_all; i++) {
		const struct mmlab_noise none = mmlab_noise_assume(0);
		struct mmlab_change change;
		double base[N_ROUNDS], head[N_ROUNDS];

		make_run(base, kind, 0, &seed);
		make_run(head, kind, 0, &seed);
		assert(!mmlab_change_measure(&change, base, N_ROUNDS, head, N_ROUNDS, &none));
		mmlab_change_decide(&change, 0.001, 1);
		n_wrong += change.verdict == MMLAB_DIFFERENT;
	}
	(void)printf("# without margins and threshold, %zu of %zu equal ones would be called different\n", n_wrong,
		     n_all);
	check(n_wrong * 10 > n_all, "the test sees wrong verdicts when there are some");
}

static struct mmlab_change judge(const double *base, const double *head, size_t n, double margin, size_t n_tests)
{
	const struct mmlab_noise noise = mmlab_noise_assume(margin);
	struct mmlab_change change;

	assert(!mmlab_change_measure(&change, base, n, head, n, &noise));
	change.p_corrected = fmin(1, change.p * (double)n_tests);
	mmlab_change_decide(&change, 0.03, n_tests);
	return change;
}

/* What is missing is said, and having it decides. */
static void test_more_rounds(void)
{
	double base[64], head[64];
	struct mmlab_change change;
	uint64_t rng = 5;

	for (size_t i = 0; i < 64; i++) {
		base[i] = 0.0001 * normal(&rng);
		head[i] = 0.2 + 0.0001 * normal(&rng);
	}
	change = judge(base, head, 5, 0.01, 100);
	check(change.verdict == MMLAB_CANNOT_TELL && change.more_rounds > 0,
	      "five rounds cannot tell one of a hundred cases apart");
	change = judge(base, head, 5 + (size_t)change.more_rounds, 0.01, 100);
	check(change.verdict == MMLAB_DIFFERENT, "as many more as it says can");
	change = judge(base, base + 32, 3, 0.01, 1);
	check(change.verdict == MMLAB_CANNOT_TELL && change.more_rounds > 0,
	      "three rounds cannot prove that nothing changed");
	change = judge(base, base + 32, 3 + (size_t)change.more_rounds, 0.01, 1);
	check(change.verdict == MMLAB_SAME, "as many more as it says can");
	change = judge(base, base + 32, 20, 0.1, 1);
	check(change.verdict == MMLAB_CANNOT_TELL && change.more_rounds == -1,
	      "no number of rounds helps against noise between runs");
	change = judge(base, head, 20, 0.3, 1);
	check(change.verdict == MMLAB_CANNOT_TELL && change.more_rounds == -1,
	      "a change within that noise is not called different");
}

/* Rounds that scatter ten times as much as when margins were learned make them ten times as wide. */
static void test_noisier_than_learned(void)
{
	const struct kind learned = { .level = 0.003, .scatter = 0.003, .tail = 5 };
	struct mmlab_noise noise;
	struct mmlab_change calm, noisy;
	double base[N_ROUNDS], head[N_ROUNDS];
	uint64_t rng = 9;

	learn(&noise, &learned, &rng);
	make_run(base, &learned, 0, &rng);
	make_run(head, &learned, 0.1, &rng);
	assert(!mmlab_change_measure(&calm, base, N_ROUNDS, head, N_ROUNDS, &noise));
	for (int i = 0; i < N_ROUNDS; i++)
		head[i] += 0.1 * normal(&rng);
	assert(!mmlab_change_measure(&noisy, base, N_ROUNDS, head, N_ROUNDS, &noise));
	check(calm.noise < 2 * noise.margin && noisy.noise > 4 * calm.noise, "a noisier machine widens the margin");
}

/* Three runs at 1, 2 and 3: a standard deviation of 1, and with two degrees of freedom t is 9.925. */
static void test_learn(void)
{
	double a[] = { 1, 1, 1 }, b[] = { 2, 2, 2 }, c[] = { 2.9, 3, 3.1 }, *runs[] = { a, b, c };
	const size_t n[] = { 3, 3, 3 };
	struct mmlab_noise noise;

	mmlab_noise_learn(&noise, runs, n, 3);
	check(noise.n_runs == 3 && fabs(noise.spread - 1) < 1e-12 && fabs(noise.scatter - 0.1 * 1.4826) < 1e-9 &&
		      fabs(noise.margin - 9.9248 * sqrt(2)) < 1e-3,
	      "margins from three runs");
}

/* With a number, the simulations are repeated that often. */
int main(int argc, char **argv)
{
	n_times = argc > 1 ? strtoul(argv[1], NULL, 10) : 1;
	test_learn();
	test_more_rounds();
	test_noisier_than_learned();
	test_margins_matter();
	test_nothing_planted();
	test_planted();
	return test_status();
}
