// SPDX-License-Identifier: MIT
#include "comparison.h"

#include <errno.h>
#include <float.h>
#include <fnmatch.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cleanup.h"
#include "margin.h"
#include "rank.h"
#include "select.h"
#include "series.h"
#include "verdict.h"

/* Of so many clear changes, so large a part in one direction is a machine's doing rather than the code's. */
#define UNIFORM_LEAST 5
#define UNIFORM_PART  0.8

/* Machines change without anybody changing them. */
#define MARGINS_OLD_DAYS 30

/* One metric or counter of one case that both sides have. */
struct item {
	const json_t *c;	   /* in the baseline */
	const json_t *base, *head; /* metric or counter */
	char name[128];		   /* of the metric; of a counter, event:scope */
	const char *unit, *better, *kind;
	bool exact;
	double value_base, value_head; /* NaN: null */
	struct mmlab_change change;
	char reason[160];
};

struct comparison {
	const json_t *base, *head, *margins;
	const struct mmlab_comparison_options *options;
	bool deterministic;
	json_t *moves; /* deterministic: by how much the control moved, as a logarithm, by metric and counter; owned */
	size_t n, n_allocated;
	struct item *items;
	size_t n_tests; /* items whose verdict rests on chance */
	json_t *unmatched, *notes, *differs;
	char control_reason[160];
	const char *control_state;
	size_t n_assumed;
};

static const char *part_text(const json_t *result, const char *part, const char *key)
{
	return mmlab_series_text(json_object_get(result, part), key);
}

static bool is_control(const struct comparison *cmp, const json_t *c)
{
	char name[MMLAB_SERIES_BYTES];

	(void)snprintf(name, sizeof(name), "%s/%s", mmlab_series_text(c, "scenario"),
		       mmlab_series_text(c, "contender"));
	return !strcmp(name, cmp->options->control);
}

static bool is_chosen(const struct mmlab_comparison_options *options, const json_t *c)
{
	char name[MMLAB_SERIES_BYTES], pair[MMLAB_SERIES_BYTES];

	mmlab_series_name(c, name, sizeof(name));
	(void)snprintf(pair, sizeof(pair), "%s/%s", mmlab_series_text(c, "scenario"),
		       mmlab_series_text(c, "contender"));
	for (size_t i = 0; i < options->n_patterns; i++)
		if (!strcmp(options->patterns[i], mmlab_series_text(c, "scenario")) ||
		    !fnmatch(options->patterns[i], pair, 0) || !fnmatch(options->patterns[i], name, 0))
			return true;
	return !options->n_patterns;
}

/* The same instructions in the same order: whatever differs, differs for a reason. */
static bool is_deterministic(const json_t *base, const json_t *head)
{
	return !strcmp(part_text(base, "machine", "execution"), "tcg-icount") &&
	       !strcmp(part_text(head, "machine", "execution"), "tcg-icount") &&
	       json_equal(json_object_get(json_object_get(base, "run"), "seed"),
			  json_object_get(json_object_get(head, "run"), "seed"));
}

static struct item *item_add(struct comparison *cmp)
{
	if (cmp->n == cmp->n_allocated) {
		size_t n = cmp->n_allocated ? 2 * cmp->n_allocated : 64;
		struct item *items = reallocarray(cmp->items, n, sizeof(*items));

		if (!items)
			return NULL;
		cmp->items = items;
		cmp->n_allocated = n;
	}
	cmp->items[cmp->n] = (struct item){ 0 };
	return &cmp->items[cmp->n++];
}

static void set_verdict(struct item *item, enum mmlab_verdict verdict, const char *reason)
{
	item->change.verdict = verdict;
	item->change.reason = reason;
}

static double number_of(const json_t *object, const char *key)
{
	const json_t *number = json_object_get(object, key);

	return json_is_number(number) ? json_number_value(number) : NAN;
}

/* Counts: equal or not, down to the last unit. */
static void judge_exact(struct item *item)
{
	item->exact = true;
	item->change.p = item->change.p_corrected = NAN;
	set_verdict(item, item->value_base == item->value_head ? MMLAB_SAME : MMLAB_DIFFERENT, NULL);
}

/* By how much a deterministic metric or counter moved, as a logarithm; 0: not at all, in no sample. */
static double deterministic_move(const struct item *item)
{
	const json_t *base = json_object_get(item->base, "rounds"), *head = json_object_get(item->head, "rounds");

	if (item->value_base == item->value_head && (!base || json_equal(base, head))) /* a counter has no rounds */
		return 0;
	if (item->value_base <= 0 || item->value_head <= 0)
		return INFINITY;
	return fmax(fabs(log(item->value_head / item->value_base)), DBL_MIN);
}

/*
 * Whatever differs was executed differently, yet not always because of what was changed: another program makes another
 * boot, other pages, other timer ticks. If the control is the same to the last instruction, nothing of that happened
 * and every difference counts; otherwise twice its movement is the noise.
 */
static void judge_deterministic(const struct comparison *cmp, struct item *item)
{
	double threshold = log1p(cmp->options->threshold), move = deterministic_move(item);
	double noise = 2 * json_number_value(json_object_get(cmp->moves, item->name));

	item->change.p = item->change.p_corrected = NAN;
	item->exact = noise == 0;
	item->change.noise = noise;
	item->change.more_rounds = -1;
	if (isinf(noise)) {
		item->change.noise = NAN;
		if (move != 0) {
			set_verdict(item, MMLAB_CANNOT_TELL, "the control moved as well, from or to nothing");
			return;
		}
	}
	if (move == 0 || (noise > 0 && move + noise <= threshold))
		set_verdict(item, MMLAB_SAME, NULL);
	else if (noise == 0 || move > fmax(threshold, noise))
		set_verdict(item, MMLAB_DIFFERENT, NULL);
	else
		set_verdict(item, MMLAB_CANNOT_TELL, "the control moved as well, and not much less");
}

/* Without logarithms, as 0 has no ratio to anything. Only what is always 0 on one side can be judged. */
static void judge_zeros(struct item *item)
{
	double max_base = number_of(item->base, "max"), max_head = number_of(item->head, "max");
	double min_base = number_of(item->base, "min"), min_head = number_of(item->head, "min");

	item->change.p = item->change.p_corrected = NAN;
	item->change.more_rounds = -1;
	if (min_base == max_base && min_head == max_head && max_base == max_head)
		set_verdict(item, MMLAB_SAME, NULL);
	else if ((!min_base && !max_base && min_head > 0) || (!min_head && !max_head && min_base > 0))
		set_verdict(item, MMLAB_DIFFERENT, NULL);
	else
		set_verdict(item, MMLAB_CANNOT_TELL, "values that reach 0 have no ratio");
}

static int measure_item(struct comparison *cmp, struct item *item)
{
	_cleanup_(mmlab_freep) double *base = NULL, *head = NULL;
	size_t n_base = mmlab_margins_logs(&base, item->base), n_head = mmlab_margins_logs(&head, item->head);
	struct mmlab_noise noise;

	if (!base || !head)
		return -ENOMEM;
	if (!n_base || !n_head) {
		judge_zeros(item);
		return 0;
	}
	if (!mmlab_margins_find(&noise, cmp->margins, item->c, item->name)) {
		noise = mmlab_noise_assume(log1p(cmp->options->assumed));
		cmp->n_assumed++;
	}
	return mmlab_change_measure(&item->change, base, n_base, head, n_head, &noise);
}

static bool is_tested(const struct item *item)
{
	return !item->exact && item->change.n_base;
}

static int add_metric(struct comparison *cmp, const json_t *c, const json_t *base, const json_t *head)
{
	struct item *item = item_add(cmp);

	if (!item)
		return -ENOMEM;
	item->c = c;
	item->base = base;
	item->head = head;
	(void)snprintf(item->name, sizeof(item->name), "%s", mmlab_series_text(base, "name"));
	item->unit = mmlab_series_text(base, "unit");
	item->better = mmlab_series_text(base, "better");
	item->kind = mmlab_series_text(base, "kind");
	item->value_base = number_of(base, "median");
	item->value_head = number_of(head, "median");
	if (json_is_true(json_object_get(base, "exact")) && json_is_true(json_object_get(head, "exact"))) {
		judge_exact(item);
		return 0;
	}
	if (cmp->deterministic) {
		judge_deterministic(cmp, item);
		return 0;
	}
	return measure_item(cmp, item);
}

static const json_t *counter_like(const json_t *c, const json_t *like)
{
	const json_t *counter;
	size_t i;

	json_array_foreach(json_object_get(c, "counters"), i, counter)
		if (!strcmp(mmlab_series_text(counter, "event"), mmlab_series_text(like, "event")) &&
		    !strcmp(mmlab_series_text(counter, "scope"), mmlab_series_text(like, "scope")))
			return counter;
	return NULL;
}

static int add_counter(struct comparison *cmp, const json_t *c, const json_t *base, const json_t *head)
{
	struct item *item;

	if (strcmp(mmlab_series_text(base, "state"), "exact") || strcmp(mmlab_series_text(head, "state"), "exact"))
		return 0;
	item = item_add(cmp);
	if (!item)
		return -ENOMEM;
	item->c = c;
	item->base = base;
	item->head = head;
	(void)snprintf(item->name, sizeof(item->name), "%s:%s", mmlab_series_text(base, "event"),
		       mmlab_series_text(base, "scope"));
	item->unit = "events";
	item->better = "lower";
	item->kind = "count";
	item->value_base = number_of(base, "value");
	item->value_head = number_of(head, "value");
	judge_deterministic(cmp, item);
	return 0;
}

/* Of a case its status; of a metric whether it has a number. */
static const char *side_status(const json_t *side)
{
	if (!side)
		return "absent";
	if (json_object_get(side, "status"))
		return mmlab_series_text(side, "status");
	return json_is_number(json_object_get(side, "median")) ? "ok" : "missing";
}

/* What has no numbers on both sides: @base and @head are two cases, or metrics of @c. MMLAB_SAME: only mentioned. */
static void add_unmatched(struct comparison *cmp, const json_t *c, const json_t *base, const json_t *head,
			  const char *metric, enum mmlab_verdict verdict, const char *direction)
{
	char name[MMLAB_SERIES_BYTES];

	(void)json_array_append_new(
		cmp->unmatched,
		json_pack("{s:s, s:O, s:O, s:O, s:s?, s:s, s:s, s:s?, s:s?, s:s?, s:s}", "series",
			  mmlab_series_name(c, name, sizeof(name)), "scenario", json_object_get(c, "scenario"),
			  "contender", json_object_get(c, "contender"), "params", json_object_get(c, "params"),
			  "metric", metric, "base", side_status(base), "head", side_status(head), "base_reason",
			  json_string_value(json_object_get(base, "reason")), "head_reason",
			  json_string_value(json_object_get(head, "reason")), "verdict",
			  verdict == MMLAB_SAME ? NULL : mmlab_verdict_name(verdict), "direction", direction));
}

static bool has_status(const json_t *c, const char *status)
{
	return !strcmp(mmlab_series_text(c, "status"), status);
}

/*
 * Cases that have no numbers on both sides. What worked and now fails is a difference; what was measured and no longer
 * is, or failed all along, cannot be told; what is new or was skipped on both sides is only mentioned.
 */
static void judge_unmatched(struct comparison *cmp, const json_t *c, const json_t *base, const json_t *head)
{
	if (!base || (has_status(base, "skipped") && (!head || has_status(head, "skipped"))))
		add_unmatched(cmp, c, base, head, NULL, MMLAB_SAME, "none");
	else if (head && has_status(base, "ok") && has_status(head, "failed"))
		add_unmatched(cmp, c, base, head, NULL, MMLAB_DIFFERENT, "regression");
	else if (head && has_status(base, "failed") && has_status(head, "ok"))
		add_unmatched(cmp, c, base, head, NULL, MMLAB_DIFFERENT, "improvement");
	else
		add_unmatched(cmp, c, base, head, NULL, MMLAB_CANNOT_TELL, "none");
}

static int compare_metrics(struct comparison *cmp, const json_t *base, const json_t *head)
{
	const json_t *metric, *counter;
	size_t i;
	int r = 0;

	json_array_foreach(json_object_get(base, "metrics"), i, metric) {
		const char *name = mmlab_series_text(metric, "name");
		const json_t *other = mmlab_series_metric(head, name);
		const char *sides[] = { side_status(metric), side_status(other) };

		/* Figures in other units are not the same metric, whatever it is called. */
		if (!strcmp(mmlab_series_text(metric, "unit"), mmlab_series_text(other, "unit")) &&
		    !strcmp(mmlab_series_text(metric, "better"), mmlab_series_text(other, "better")) &&
		    !strcmp(sides[0], "ok") && !strcmp(sides[1], "ok"))
			r = r < 0 ? r : add_metric(cmp, base, metric, other);
		else
			add_unmatched(cmp, base, metric, other, name,
				      !strcmp(sides[0], "missing") && !strcmp(sides[1], "missing") ? MMLAB_SAME
												   : MMLAB_CANNOT_TELL,
				      "none");
	}
	json_array_foreach(json_object_get(head, "metrics"), i, metric)
		if (!mmlab_series_metric(base, mmlab_series_text(metric, "name")))
			add_unmatched(cmp, head, NULL, metric, mmlab_series_text(metric, "name"), MMLAB_SAME, "none");
	if (cmp->deterministic)
		json_array_foreach(json_object_get(base, "counters"), i, counter)
			r = r < 0 ? r : add_counter(cmp, base, counter, counter_like(head, counter));
	return r;
}

/* Return: number of cases that the patterns chose, or -errno. */
static int collect(struct comparison *cmp)
{
	const json_t *c;
	int n = 0, r = 0;
	size_t i;

	json_array_foreach(json_object_get(cmp->base, "cases"), i, c) {
		const json_t *head = mmlab_series_like(cmp->head, c);

		if (!is_chosen(cmp->options, c))
			continue;
		n++;
		if (head && has_status(c, "ok") && has_status(head, "ok"))
			r = r < 0 ? r : compare_metrics(cmp, c, head);
		else
			judge_unmatched(cmp, c, c, head);
	}
	json_array_foreach(json_object_get(cmp->head, "cases"), i, c)
		if (is_chosen(cmp->options, c) && !mmlab_series_like(cmp->base, c)) {
			n++;
			judge_unmatched(cmp, c, NULL, c);
		}
	return r < 0 ? r : n;
}

static int decide(struct item *items, size_t n, const struct mmlab_comparison_options *options, size_t *ret_tests)
{
	unsigned int spread = options->looks ? options->looks * (options->looks + 1) : 1;
	_cleanup_(mmlab_freep) double *p = calloc(n + 1, sizeof(*p));
	size_t n_tests = 0, at = 0;
	int r;

	if (!p)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++)
		if (is_tested(&items[i]))
			p[n_tests++] = fmin(1, items[i].change.p * spread);
	r = mmlab_rank_holm(p, n_tests);
	if (r < 0)
		return r;
	for (size_t i = 0; i < n; i++)
		if (is_tested(&items[i])) {
			items[i].change.p_corrected = p[at++];
			mmlab_change_decide(&items[i].change, log1p(options->threshold), n_tests * spread);
		}
	*ret_tests = n_tests;
	return 0;
}

/* The control is judged by the same rule, over all its points, whether or not it was chosen for comparison. */
static int judge_control(struct comparison *cmp)
{
	struct comparison control = {
		.base = cmp->base, .head = cmp->head, .margins = cmp->margins, .options = cmp->options
	};
	const json_t *c;
	size_t i, n_tests;
	int r = 0;

	cmp->control_state = "missing";
	json_array_foreach(json_object_get(cmp->base, "cases"), i, c) {
		const json_t *base = mmlab_series_metric(c, "time");
		const json_t *head = mmlab_series_metric(mmlab_series_like(cmp->head, c), "time");

		if (is_control(cmp, c) && base && head)
			r = r < 0 ? r : add_metric(&control, c, base, head);
	}
	r = r < 0 ? r : decide(control.items, control.n, cmp->options, &n_tests);
	for (i = 0; i < control.n && r >= 0; i++) {
		const struct item *item = &control.items[i];
		char params[MMLAB_SERIES_BYTES];

		if (!strcmp(cmp->control_state, "missing"))
			cmp->control_state = "steady";
		if (item->change.verdict != MMLAB_DIFFERENT)
			continue;
		cmp->control_state = "moved";
		(void)snprintf(cmp->control_reason, sizeof(cmp->control_reason),
			       "time of %.60s moved by %+.1f %% at %.60s", cmp->options->control,
			       100 * expm1(item->change.shift),
			       mmlab_series_params(item->c, " ", params, sizeof(params)));
	}
	free(control.items);
	return r;
}

/* What the control did in the deterministic mode, where nothing is left to chance: see judge_deterministic(). */
static int measure_control_moves(struct comparison *cmp)
{
	struct comparison control = {
		.base = cmp->base,
		.head = cmp->head,
		.options = cmp->options,
		.deterministic = true,
		.unmatched = cmp->unmatched,
	};
	const json_t *c;
	size_t i, n_unmatched = json_array_size(cmp->unmatched);
	int r = 0;

	cmp->moves = json_object();
	cmp->control_state = "missing";
	json_array_foreach(json_object_get(cmp->base, "cases"), i, c) {
		const json_t *head = mmlab_series_like(cmp->head, c);

		if (!is_control(cmp, c) || !has_status(c, "ok") || !head || !has_status(head, "ok"))
			continue;
		cmp->control_state = "steady";
		r = r < 0 ? r : compare_metrics(&control, c, head);
	}
	/* Metrics of the control that have no numbers are listed when its turn comes, if it was chosen. */
	while (json_array_size(cmp->unmatched) > n_unmatched)
		(void)json_array_remove(cmp->unmatched, n_unmatched);
	for (i = 0; i < control.n && r >= 0; i++) {
		const struct item *item = &control.items[i];
		double move = deterministic_move(item),
		       former = json_number_value(json_object_get(cmp->moves, item->name));

		if (move == 0 || isnan(move))
			continue;
		/* JSON knows no infinity: what has no ratio is more than any. */
		(void)json_object_set_new(cmp->moves, item->name, json_real(fmin(fmax(move, former), DBL_MAX)));
		cmp->control_state = "moved";
		if (!strcmp(item->name, "time") && move >= former)
			(void)snprintf(cmp->control_reason, sizeof(cmp->control_reason),
				       "time of %.60s moved by %+.3g %%", cmp->options->control,
				       100 * (item->value_head / item->value_base - 1));
	}
	free(control.items);
	return r;
}

/* Nothing that rests on time holds if the machine itself changed its speed meanwhile. Counts do. */
static void void_times(struct comparison *cmp)
{
	for (size_t i = 0; i < cmp->n; i++)
		if (is_tested(&cmp->items[i])) {
			set_verdict(&cmp->items[i], MMLAB_CANNOT_TELL,
				    "the control moved: the machine was not the same");
			cmp->items[i].change.more_rounds = -1;
		}
}

__attribute__((format(printf, 2, 3))) static void note(struct comparison *cmp, const char *fmt, ...)
{
	char text[512];
	va_list args;

	va_start(args, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	(void)json_array_append_new(cmp->notes, json_string(text));
}

static void note_uniform(struct comparison *cmp)
{
	size_t n_up = 0, n_down = 0, n_times = 0, more;

	for (size_t i = 0; i < cmp->n; i++) {
		const struct mmlab_change *change = &cmp->items[i].change;

		if (strcmp(cmp->items[i].kind, "time") || !is_tested(&cmp->items[i]))
			continue;
		n_times++;
		n_up += change->p <= MMLAB_VERDICT_ALPHA && change->shift > 0;
		n_down += change->p <= MMLAB_VERDICT_ALPHA && change->shift < 0;
	}
	more = n_up > n_down ? n_up : n_down;
	if (n_times >= UNIFORM_LEAST && (double)more >= UNIFORM_PART * (double)n_times)
		note(cmp,
		     "%zu of %zu times moved the same way: suspect machine, kernel or settings before one change",
		     more, n_times);
}

static void add_difference(struct comparison *cmp, const char *what, json_t *base, json_t *head)
{
	if (!json_equal(base, head))
		(void)json_array_append_new(cmp->differs,
					    json_pack("{s:s, s:O?, s:O?}", "what", what, "base", base, "head", head));
}

/* What else is not the same on both sides. */
static void list_differences(struct comparison *cmp)
{
	static const char *const places[][3] = {
		{ "run", "commit" },
		{ "run", "dirty" },
		{ "run", "version" },
		{ "run", "profile" },
		{ "run", "preset" },
		{ "machine", "key" },
		{ "machine", "execution" },
		{ "machine", "kernel", "release" },
		{ "machine", "kernel", "config_hash" },
		{ "machine", "kernel", "cmdline" },
		{ "machine", "kernel", "tainted" },
		{ "machine", "kernel", "mitigations" },
		{ "machine", "cpu", "microcode" },
		{ "machine", "compiler", "version" },
		{ "machine", "compiler", "flags" },
	};
	json_t *base, *head, *settings = json_object_get(json_object_get(cmp->base, "machine"), "settings"), *value;
	json_t *others = json_object_get(json_object_get(cmp->head, "machine"), "settings");
	const char *key;

	for (size_t i = 0; i < sizeof(places) / sizeof(*places); i++) {
		const char *last = places[i][2] ? places[i][2] : places[i][1];
		char what[64];

		base = json_object_get(json_object_get(cmp->base, places[i][0]), places[i][1]);
		head = json_object_get(json_object_get(cmp->head, places[i][0]), places[i][1]);
		if (places[i][2]) {
			base = json_object_get(base, places[i][2]);
			head = json_object_get(head, places[i][2]);
		}
		(void)snprintf(what, sizeof(what), "%s %s", places[i][2] ? places[i][1] : places[i][0], last);
		add_difference(cmp, what, base, head);
	}
	json_object_foreach(settings, key, value)
		add_difference(cmp, key, value, json_object_get(others, key));
}

/* Days from one time in a file to another; 0 if either is none. */
static long days_between(const char *from, const char *to)
{
	struct tm a = { 0 }, b = { 0 };

	if (!strptime(from, "%Y-%m-%dT%H:%M:%SZ", &a) || !strptime(to, "%Y-%m-%dT%H:%M:%SZ", &b))
		return 0;
	return (long)(difftime(timegm(&b), timegm(&a)) / 86400);
}

static void list_notes(struct comparison *cmp)
{
	long age_days = days_between(mmlab_series_text(cmp->margins, "made"), part_text(cmp->head, "run", "started"));
	const json_t *sides[] = { cmp->base, cmp->head };
	const char *kernel =
		mmlab_series_text(json_object_get(json_object_get(cmp->base, "machine"), "kernel"), "release");

	for (size_t i = 0; i < 2; i++)
		if (!json_is_true(json_object_get(json_object_get(sides[i], "run"), "complete")))
			note(cmp, "%s is incomplete; mmlab run --resume completes it", i ? "HEAD" : "BASE");
	if (json_equal(cmp->base, cmp->head) && !cmp->deterministic)
		note(cmp, "both files hold the same run");
	if (strcmp(part_text(cmp->base, "machine", "key"), part_text(cmp->head, "machine", "key")))
		note(cmp, "FORCED: the machines differ, and so may everything that is measured in time");
	if (cmp->n_assumed)
		note(cmp, "%zu of %zu margins are assumed, not learned: see mmlab compare --learn", cmp->n_assumed,
		     cmp->n_tests);
	if (cmp->margins && strcmp(mmlab_series_text(cmp->margins, "kernel"), kernel))
		note(cmp, "the margins were learned on kernel %.100s", mmlab_series_text(cmp->margins, "kernel"));
	if (age_days > MARGINS_OLD_DAYS)
		note(cmp, "the margins are %ld days older than HEAD: learn them anew", age_days);
	if (!strcmp(cmp->control_state, "missing") && !cmp->deterministic && cmp->n_tests)
		note(cmp, "no control: %s is not in both files, so a machine that changed its speed would not show",
		     cmp->options->control);
	if (!cmp->deterministic && !strcmp(part_text(cmp->base, "machine", "execution"), "tcg-icount") &&
	    !strcmp(part_text(cmp->head, "machine", "execution"), "tcg-icount"))
		note(cmp, "deterministic runs of different seeds are compared by chance; with one --seed they compare "
			  "exactly");
	note_uniform(cmp);
}

static json_t *number_or_null(double value)
{
	return isfinite(value) ? json_real(value) : json_null();
}

static const char *direction_of(const struct item *item)
{
	bool lower = !strcmp(item->better, "lower");

	if (item->change.verdict != MMLAB_DIFFERENT)
		return "none";
	/* Deterministic rounds can differ under equal medians: that is neither better nor worse. */
	if (item->value_head == item->value_base && !is_tested(item))
		return "none";
	if (is_tested(item))
		return (item->change.shift < 0) == lower ? "improvement" : "regression";
	return (item->value_head < item->value_base) == lower ? "improvement" : "regression";
}

static json_t *item_json(const struct item *item)
{
	const struct mmlab_change *change = &item->change;
	char name[MMLAB_SERIES_BYTES];
	bool tested = is_tested(item);
	double ratio = tested ? exp(change->shift) : item->value_head / item->value_base;

	return json_pack("{s:s, s:O, s:O, s:O, s:s, s:s, s:s, s:s, s:b, s:s, s:s, s:s?, s:o, s:o, s:o, s:[o, o], s:o, "
			 "s:o, s:o, s:o}",
			 "series", mmlab_series_name(item->c, name, sizeof(name)), "scenario",
			 json_object_get(item->c, "scenario"), "contender", json_object_get(item->c, "contender"),
			 "params", json_object_get(item->c, "params"), "metric", item->name, "unit", item->unit,
			 "better", item->better, "kind", item->kind, "exact", item->exact, "verdict",
			 mmlab_verdict_name(change->verdict), "direction", direction_of(item), "reason", change->reason,
			 "base", number_or_null(item->value_base), "head", number_or_null(item->value_head), "ratio",
			 number_or_null(ratio), "interval", tested ? number_or_null(exp(change->lo)) : json_null(),
			 tested ? number_or_null(exp(change->hi)) : json_null(), "noise",
			 !item->exact && change->noise > 0 ? number_or_null(expm1(change->noise)) : json_null(), "p",
			 tested ? json_real(change->p) : json_null(), "p_corrected",
			 tested ? json_real(change->p_corrected) : json_null(), "more_rounds",
			 change->verdict == MMLAB_CANNOT_TELL && change->more_rounds >= 0
				 ? json_integer(change->more_rounds)
				 : json_null());
}

static json_t *side_json(const json_t *result)
{
	const json_t *run = json_object_get(result, "run"), *machine = json_object_get(result, "machine");

	return json_pack("{s:O, s:O, s:O, s:O, s:O, s:O, s:O, s:O, s:O}", "id", json_object_get(run, "id"), "started",
			 json_object_get(run, "started"), "commit", json_object_get(run, "commit"), "dirty",
			 json_object_get(run, "dirty"), "rounds", json_object_get(run, "rounds"), "complete",
			 json_object_get(run, "complete"), "machine", json_object_get(machine, "key"), "execution",
			 json_object_get(machine, "execution"), "kernel",
			 json_object_get(json_object_get(machine, "kernel"), "release"));
}

struct summary {
	json_int_t same, different, cannot_tell, regressions, improvements, mentioned;
	long more_rounds; /* the most that an undecided change needs, of those that rounds can decide */
};

static void count(struct summary *summary, const char *verdict, const char *direction)
{
	if (!*verdict)
		summary->mentioned++;
	summary->same += !strcmp(verdict, "same");
	summary->different += !strcmp(verdict, "different");
	summary->cannot_tell += !strcmp(verdict, "cannot-tell");
	summary->regressions += !strcmp(direction, "regression");
	summary->improvements += !strcmp(direction, "improvement");
}

static json_t *assemble(const struct comparison *cmp)
{
	json_t *changes = json_array();
	struct summary sum = { 0 };
	const json_t *other;
	size_t i;

	for (i = 0; i < cmp->n; i++) {
		const struct item *item = &cmp->items[i];

		count(&sum, mmlab_verdict_name(item->change.verdict), direction_of(item));
		if (item->change.verdict == MMLAB_CANNOT_TELL && item->change.more_rounds > sum.more_rounds)
			sum.more_rounds = item->change.more_rounds;
		(void)json_array_append_new(changes, item_json(item));
	}
	json_array_foreach(cmp->unmatched, i, other)
		count(&sum, mmlab_series_text(other, "verdict"), mmlab_series_text(other, "direction"));
	return json_pack("{s:{s:s, s:i}, s:s, s:o, s:o, s:b, s:b, s:{s:f, s:f, s:s, s:I, s:I, s:o, s:f}, s:{s:s, s:s, "
			 "s:s?}, s:O, s:O, s:o, s:O, "
			 "s:{s:I, s:I, s:I, s:I, s:I, s:I}, s:o}",
			 "schema", "name", "mmlab-comparison", "version", 1, "verdict",
			 mmlab_verdict_name(sum.different		   ? MMLAB_DIFFERENT
					    : sum.cannot_tell || !sum.same ? MMLAB_CANNOT_TELL
									   : MMLAB_SAME),
			 "base", side_json(cmp->base), "head", side_json(cmp->head), "emulated",
			 json_is_true(json_object_get(json_object_get(cmp->base, "machine"), "emulated")) ||
				 json_is_true(json_object_get(json_object_get(cmp->head, "machine"), "emulated")),
			 "deterministic", cmp->deterministic, "rule", "threshold", cmp->options->threshold, "alpha",
			 MMLAB_VERDICT_ALPHA, "correction", "holm", "tests", (json_int_t)cmp->n_tests, "looks",
			 (json_int_t)(cmp->options->looks ? cmp->options->looks : 1), "margins_made",
			 cmp->margins ? json_incref(json_object_get(cmp->margins, "made")) : json_null(),
			 "margin_assumed", cmp->options->assumed, "control", "name", cmp->options->control, "state",
			 cmp->control_state, "reason", *cmp->control_reason ? cmp->control_reason : NULL, "notes",
			 cmp->notes, "differs", cmp->differs, "changes", changes, "unmatched", cmp->unmatched,
			 "summary", "same", sum.same, "different", sum.different, "cannot_tell", sum.cannot_tell,
			 "regressions", sum.regressions, "improvements", sum.improvements, "mentioned", sum.mentioned,
			 "more_rounds", sum.more_rounds ? json_integer(sum.more_rounds) : json_null());
}

static int check_machines(const struct comparison *cmp, char *message)
{
	const char *base = part_text(cmp->base, "machine", "key"), *head = part_text(cmp->head, "machine", "key");
	const char *margins = mmlab_series_text(json_object_get(cmp->margins, "machine"), "key");

	if (cmp->options->force)
		return 0;
	if (strcmp(base, head)) {
		(void)snprintf(
			message, MMLAB_MESSAGE_BYTES,
			"BASE is of machine %.20s (%.140s), HEAD of %.20s (%.140s): measure on one machine, or --force",
			base, part_text(cmp->base, "machine", "identity"), head,
			part_text(cmp->head, "machine", "identity"));
		return -EINVAL;
	}
	if (cmp->margins && strcmp(base, margins)) {
		(void)snprintf(
			message, MMLAB_MESSAGE_BYTES,
			"the margins were learned on machine %.20s, the runs are of %.20s: learn them here, or --force",
			margins, base);
		return -EINVAL;
	}
	return 0;
}

static int compare(struct comparison *cmp, char *message)
{
	int r = check_machines(cmp, message);

	if (cmp->deterministic)
		r = r < 0 ? r : measure_control_moves(cmp);
	r = r < 0 ? r : collect(cmp);
	if (!r) {
		(void)snprintf(message, MMLAB_MESSAGE_BYTES, "no case of either file matches --case %.100s",
			       cmp->options->n_patterns ? cmp->options->patterns[0] : "");
		return -EINVAL;
	}
	r = r < 0 ? r : decide(cmp->items, cmp->n, cmp->options, &cmp->n_tests);
	if (!cmp->deterministic)
		r = r < 0 ? r : judge_control(cmp);
	if (r < 0)
		return r;
	if (!strcmp(cmp->control_state, "moved"))
		void_times(cmp);
	list_differences(cmp);
	list_notes(cmp);
	return 0;
}

int mmlab_comparison_json(json_t **ret, const json_t *base, const json_t *head, const json_t *margins,
			  const struct mmlab_comparison_options *options, char *message)
{
	struct comparison cmp = { .base = base,
				  .head = head,
				  .margins = margins,
				  .options = options,
				  .deterministic = is_deterministic(base, head),
				  .unmatched = json_array(),
				  .notes = json_array(),
				  .differs = json_array() };
	int r = compare(&cmp, message);

	*ret = r < 0 ? NULL : assemble(&cmp);
	if (!r && !*ret) {
		(void)snprintf(message, MMLAB_MESSAGE_BYTES,
			       "a file lacks what every result has; results/validate tells what");
		r = -EINVAL;
	}
	free(cmp.items);
	json_decref(cmp.moves);
	json_decref(cmp.unmatched);
	json_decref(cmp.notes);
	json_decref(cmp.differs);
	return r;
}
