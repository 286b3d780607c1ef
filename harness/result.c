// SPDX-License-Identifier: MIT
#include "result.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "save.h"
#include "select.h"
#include "stat.h"
#include "version.h"

#define SCHEMA_NAME    "mmlab-result"
#define SCHEMA_VERSION 1

/* What every case has without asking. */
static const struct mmlab_metric common_metrics[] = {
	{ .name = "time", .unit = "ns", .kind = MMLAB_TIME },
	{ .name = "faults", .unit = "faults", .kind = MMLAB_COUNT, .exact = true },
};
#define N_COMMON (sizeof(common_metrics) / sizeof(*common_metrics))

static const struct mmlab_metric *metric_at(const struct mmlab_scenario *scenario, size_t i)
{
	return i < N_COMMON ? &common_metrics[i] : &scenario->metrics[i - N_COMMON];
}

static size_t n_metrics(const struct mmlab_scenario *scenario)
{
	return N_COMMON + mmlab_metrics_count(scenario);
}

static bool is_exact(const struct mmlab_entry *entry, const struct mmlab_metric *metric)
{
	if (metric == &common_metrics[1])
		return !entry->c.contender->inexact_faults;
	return metric->exact;
}

const char *mmlab_status_name(enum mmlab_status status)
{
	static const char *const names[] = { "ok", "skipped", "failed" };

	return names[status];
}

void mmlab_run_deinit(struct mmlab_run *run)
{
	for (size_t i = 0; i < run->n_entries; i++) {
		json_decref(run->entries[i].values);
		json_decref(run->entries[i].missing);
		json_decref(run->entries[i].counters);
	}
	free(run->entries);
	json_decref(run->argv);
	json_decref(run->machine);
	json_decref(run->calibration);
	*run = (struct mmlab_run){ 0 };
}

void mmlab_entry_stop(struct mmlab_entry *entry, enum mmlab_status status, const char *reason)
{
	if (entry->status != MMLAB_STATUS_OK)
		return;
	entry->status = status;
	(void)snprintf(entry->reason, sizeof(entry->reason), "%s", reason);
}

static json_t *rounds_of(const struct mmlab_entry *entry, const char *metric)
{
	return json_object_get(entry->values, metric);
}

static void add_round(struct mmlab_entry *entry, const char *metric, json_t *round)
{
	json_t *rounds = rounds_of(entry, metric);

	if (!rounds) {
		rounds = json_array();
		(void)json_object_set_new(entry->values, metric, rounds);
	}
	(void)json_array_append_new(rounds, round);
}

static void check_exact(struct mmlab_entry *entry, const struct mmlab_metric *metric)
{
	json_t *rounds = rounds_of(entry, metric->name);
	size_t n = json_array_size(rounds);
	double first = json_number_value(json_array_get(json_array_get(rounds, 0), 0));
	double last = json_number_value(json_array_get(json_array_get(rounds, n - 1), 0));
	char reason[MMLAB_REASON_BYTES];

	if (first == last)
		return;
	(void)snprintf(reason, sizeof(reason), "%s must repeat exactly, but was %.17g in round 1 and %.17g in round %zu",
		       metric->name, first, last, n);
	mmlab_entry_stop(entry, MMLAB_STATUS_FAILED, reason);
}

/* Return: true if the case was measured; else it is stopped. */
static bool check_status(struct mmlab_entry *entry, const json_t *reply)
{
	const char *status = json_string_value(json_object_get(reply, "status"));
	const char *reason = json_string_value(json_object_get(reply, "reason"));

	if (!strcmp(status, "ok"))
		return true;
	mmlab_entry_stop(entry, strcmp(status, "skipped") ? MMLAB_STATUS_FAILED : MMLAB_STATUS_SKIPPED,
			 reason ? reason : "no reason given");
	return false;
}

void mmlab_entry_add_counts(struct mmlab_entry *entry, const json_t *reply)
{
	if (!check_status(entry, reply))
		return;
	entry->loops = (uint64_t)json_integer_value(json_object_get(reply, "loops"));
	entry->units = json_integer_value(json_object_get(reply, "units"));
	entry->counted_ops = json_integer_value(json_object_get(reply, "counted_ops"));
	json_decref(entry->counters);
	entry->counters = json_incref(json_object_get(reply, "counters"));
}

void mmlab_entry_add(struct mmlab_entry *entry, const json_t *reply)
{
	const struct mmlab_scenario *scenario = entry->c.scenario;
	const json_t *metrics = json_object_get(reply, "metrics");
	const char *key;
	json_t *value;

	if (!check_status(entry, reply))
		return;
	add_round(entry, "time", json_incref(json_object_get(reply, "samples")));
	add_round(entry, "faults", json_pack("[O]", json_object_get(reply, "faults")));
	for (size_t i = 0; i < mmlab_metrics_count(scenario); i++)
		add_round(entry, scenario->metrics[i].name,
			  json_pack("[O]", json_object_get(metrics, scenario->metrics[i].name)));
	json_object_foreach(json_object_get(reply, "missing"), key, value)
		(void)json_object_set(entry->missing, key, value);
	entry->rounds++;
	for (size_t i = 0; i < n_metrics(scenario); i++)
		if (is_exact(entry, metric_at(scenario, i)))
			check_exact(entry, metric_at(scenario, i));
}

size_t mmlab_result_rounds(double **ret, const json_t *rounds)
{
	size_t n_rounds = json_array_size(rounds);
	double *medians = calloc(n_rounds ? n_rounds : 1, sizeof(*medians));

	for (size_t i = 0; i < n_rounds && medians; i++) {
		const json_t *round = json_array_get(rounds, i);
		size_t n_samples = json_array_size(round), n_numbers = 0;
		_cleanup_(mmlab_freep) double *samples = calloc(n_samples ? n_samples : 1, sizeof(*samples));

		for (size_t j = 0; j < n_samples && samples; j++)
			if (json_is_number(json_array_get(round, j)))
				samples[n_numbers++] = json_number_value(json_array_get(round, j));
		medians[i] = n_numbers ? mmlab_stat_median(samples, n_numbers) : NAN;
	}
	*ret = medians;
	return medians ? n_rounds : 0;
}

/* Closes the gaps. Return: how many numbers are left. */
static size_t drop_missing(double *values, size_t n)
{
	size_t n_left = 0;

	for (size_t i = 0; i < n; i++)
		if (isfinite(values[i]))
			values[n_left++] = values[i];
	return n_left;
}

static json_t *number_or_null(double value)
{
	return isfinite(value) ? json_real(value) : json_null();
}

static json_t *interval_json(const struct mmlab_stat *stat)
{
	return json_pack("[o, o]", number_or_null(stat->ci95_lo), number_or_null(stat->ci95_hi));
}

static json_t *metric_json(const struct mmlab_entry *entry, const struct mmlab_metric *metric)
{
	static const char *const kinds[] = { "time", "rate", "bytes", "count" };
	json_t *rounds = rounds_of(entry, metric->name);
	json_t *reason = json_object_get(entry->missing, metric->name);
	_cleanup_(mmlab_freep) double *medians = NULL;
	size_t n = mmlab_result_rounds(&medians, rounds);
	struct mmlab_stat stat = { .min = NAN, .q1 = NAN, .median = NAN, .q3 = NAN, .max = NAN, .mad = NAN,
				   .ci95_lo = NAN, .ci95_hi = NAN };

	n = drop_missing(medians, n);
	if (n && mmlab_stat_compute(&stat, medians, n) < 0)
		return NULL;
	return json_pack("{s:s, s:s, s:s, s:s, s:b, s:I, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:b, s:o, s:O}", "name",
			 metric->name, "unit", metric->unit, "better", metric->higher_is_better ? "higher" : "lower",
			 "kind", kinds[metric->kind], "exact", is_exact(entry, metric), "n", (json_int_t)n, "min",
			 number_or_null(stat.min), "q1", number_or_null(stat.q1), "median", number_or_null(stat.median),
			 "q3", number_or_null(stat.q3), "max", number_or_null(stat.max), "mad",
			 number_or_null(stat.mad), "ci95", interval_json(&stat), "unstable", stat.unstable, "reason",
			 !n && reason ? json_incref(reason) : json_null(), "rounds", rounds);
}

static json_t *params_json(const struct mmlab_case *c)
{
	json_t *params = json_object();

	for (size_t i = 0; i < mmlab_axes_count(c->scenario); i++)
		(void)json_object_set_new(params, c->scenario->axes[i].name,
					  mmlab_point_json(&c->scenario->axes[i], &c->params[i]));
	return params;
}

static json_t *case_json(const struct mmlab_entry *entry)
{
	const struct mmlab_case *c = &entry->c;
	enum mmlab_status status = entry->status;
	const char *reason = *entry->reason ? entry->reason : NULL;
	json_t *metrics = json_array();

	/* A failed case is never a number: its rounds stay out, also those before the failure. */
	if (status == MMLAB_STATUS_OK && !entry->rounds) {
		status = MMLAB_STATUS_SKIPPED;
		reason = "the run ended before the first round of this case";
	}
	for (size_t i = 0; i < n_metrics(c->scenario) && status == MMLAB_STATUS_OK; i++)
		(void)json_array_append_new(metrics, metric_json(entry, metric_at(c->scenario, i)));
	return json_pack("{s:s, s:s, s:o, s:s, s:s?, s:I, s:I, s:I, s:o, s:o}", "scenario", c->scenario->name,
			 "contender", c->contender->name, "params", params_json(c), "status",
			 mmlab_status_name(status), "reason", reason, "loops", (json_int_t)entry->loops, "units",
			 entry->units ? entry->units : (json_int_t)1, "counted_ops",
			 entry->counted_ops ? entry->counted_ops : (json_int_t)1, "metrics", metrics, "counters",
			 entry->counters && status == MMLAB_STATUS_OK ? json_incref(entry->counters) : json_array());
}

static bool same_point(const struct mmlab_case *a, const struct mmlab_case *b)
{
	for (size_t i = 0; i < mmlab_axes_count(a->scenario); i++)
		if (a->params[i].value != b->params[i].value)
			return false;
	return a->scenario == b->scenario;
}

static const struct mmlab_entry *counterpart(const struct mmlab_run *run, const struct mmlab_entry *entry,
					     const char *contender)
{
	for (size_t i = 0; contender && i < run->n_entries; i++) {
		const struct mmlab_entry *other = &run->entries[i];

		if (other != entry && same_point(&other->c, &entry->c) &&
		    !strcmp(other->c.contender->name, contender) && other->status == MMLAB_STATUS_OK)
			return other;
	}
	return NULL;
}

/*
 * One value for each round that all of the entries have: with @floor NULL, entry / baseline; else the overhead
 * (entry - floor) / (baseline - floor), the share of the baseline's extra cost that is left.
 */
static void add_ratio(json_t *ratios, const struct mmlab_entry *entry, const struct mmlab_entry *baseline,
		      const struct mmlab_entry *floor, const struct mmlab_metric *metric)
{
	_cleanup_(mmlab_freep) double *x = NULL, *base = NULL, *least = NULL;
	size_t n = mmlab_result_rounds(&x, rounds_of(entry, metric->name));
	size_t n_base = mmlab_result_rounds(&base, rounds_of(baseline, metric->name));
	size_t n_least = floor ? mmlab_result_rounds(&least, rounds_of(floor, metric->name)) : n;
	size_t n_ratios = 0;
	struct mmlab_stat stat;

	n = n_base < n ? n_base : n;
	n = n_least < n ? n_least : n;
	for (size_t i = 0; i < n; i++) {
		double subtract = floor ? least[i] : 0;

		if (isfinite(x[i]) && base[i] - subtract > 0)
			x[n_ratios++] = (x[i] - subtract) / (base[i] - subtract);
	}
	if (!n_ratios || mmlab_stat_compute(&stat, x, n_ratios) < 0)
		return;
	(void)json_array_append_new(
		ratios, json_pack("{s:s, s:s, s:s, s:o, s:s, s:s, s:I, s:f, s:o}", "scenario", entry->c.scenario->name,
				  "contender", entry->c.contender->name, "baseline", baseline->c.contender->name, "params",
				  params_json(&entry->c), "metric", metric->name, "kind", floor ? "overhead" : "ratio",
				  "n", (json_int_t)n_ratios, "ratio", stat.median, "ci95", interval_json(&stat)));
}

static json_t *ratios_json(const struct mmlab_run *run)
{
	json_t *ratios = json_array();

	for (size_t i = 0; i < run->n_entries; i++) {
		const struct mmlab_entry *entry = &run->entries[i];
		const struct mmlab_scenario *scenario = entry->c.scenario;
		const struct mmlab_entry *baseline = counterpart(run, entry, scenario->baseline);
		const struct mmlab_entry *floor = counterpart(run, entry, scenario->floor);

		if (entry->status != MMLAB_STATUS_OK || !baseline)
			continue;
		for (size_t j = 0; j < n_metrics(scenario); j++) {
			const struct mmlab_metric *metric = metric_at(scenario, j);

			if (metric->kind == MMLAB_COUNT)
				continue;
			add_ratio(ratios, entry, baseline, NULL, metric);
			if (floor && metric->kind == MMLAB_TIME)
				add_ratio(ratios, entry, baseline, floor, metric);
		}
	}
	return ratios;
}

static json_t *scenarios_json(const struct mmlab_run *run)
{
	json_t *scenarios = json_object();

	for (size_t i = 0; i < run->n_entries; i++) {
		const struct mmlab_scenario *s = run->entries[i].c.scenario;

		if (!json_object_get(scenarios, s->name))
			(void)json_object_set_new(scenarios, s->name,
						  json_pack("{s:s, s:s, s:s?, s:s?, s:s?}", "question", s->question,
							    "op", s->op, "floor", s->floor, "baseline", s->baseline,
							    "columns", s->columns));
	}
	return scenarios;
}

json_t *mmlab_result_json(const struct mmlab_run *run)
{
	json_t *cases = json_array();

	for (size_t i = 0; i < run->n_entries; i++)
		(void)json_array_append_new(cases, case_json(&run->entries[i]));
	return json_pack("{s:{s:s, s:i}, s:{s:s, s:s, s:s, s:b, s:I, s:O, s:s, s:b, s:s, s:s, s:s?, s:i, s:O}, s:O, s:o, s:o, s:o}",
			 "schema", "name", SCHEMA_NAME, "version", SCHEMA_VERSION, "run", "id", run->id, "started",
			 run->started, "finished", run->finished, "complete", run->complete, "seed",
			 (json_int_t)run->seed, "argv", run->argv, "commit", MMLAB_COMMIT, "dirty", MMLAB_DIRTY,
			 "version", MMLAB_VERSION, "profile", run->profile, "preset", run->preset, "rounds",
			 (int)run->rounds, "calibration", run->calibration, "machine", run->machine, "scenarios",
			 scenarios_json(run), "cases", cases, "ratios", ratios_json(run));
}

int mmlab_result_write(const json_t *result, const char *path)
{
	_cleanup_(mmlab_freep) char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);
	int r;

	if (!out)
		return -errno;
	r = json_dumpf(result, out, JSON_INDENT(1) | JSON_REAL_PRECISION(17)) < 0 || fputc('\n', out) == EOF ? -EIO : 0;
	if (fclose(out))
		r = -ENOMEM;
	return r < 0 ? r : mmlab_save(path, text, size);
}

int mmlab_result_load(json_t **ret, const char *path, char *message)
{
	json_error_t error;
	json_t *result = json_load_file(path, JSON_REJECT_DUPLICATES, &error);
	const json_t *schema = json_object_get(result, "schema");
	const char *name = json_string_value(json_object_get(schema, "name"));

	if (!result) {
		(void)snprintf(message, MMLAB_MESSAGE_BYTES, "%.200s: %s", path, error.text);
		return -EINVAL;
	}
	if (!name || strcmp(name, SCHEMA_NAME) ||
	    json_integer_value(json_object_get(schema, "version")) != SCHEMA_VERSION) {
		(void)snprintf(message, MMLAB_MESSAGE_BYTES, "%.200s is no %s file of version %d", path, SCHEMA_NAME,
			       SCHEMA_VERSION);
		json_decref(result);
		return -EINVAL;
	}
	*ret = result;
	return 0;
}

static const json_t *case_in_file(const json_t *result, const struct mmlab_case *c)
{
	json_t *params = params_json(c);
	const json_t *found = NULL, *value;
	size_t i;

	json_array_foreach(json_object_get(result, "cases"), i, value) {
		const char *scenario = json_string_value(json_object_get(value, "scenario"));
		const char *contender = json_string_value(json_object_get(value, "contender"));

		if (scenario && contender && !strcmp(scenario, c->scenario->name) &&
		    !strcmp(contender, c->contender->name) && json_equal(params, json_object_get(value, "params")))
			found = value;
	}
	json_decref(params);
	return found;
}

/* What a run adds to must fit together: as many rounds of each metric, and a loop as calibration makes it. */
static bool is_sound(const struct mmlab_scenario *scenario, const json_t *old)
{
	const json_t *metrics = json_object_get(old, "metrics"), *metric;
	json_int_t loops = json_integer_value(json_object_get(old, "loops"));
	size_t n_rounds = json_array_size(json_object_get(json_array_get(metrics, 0), "rounds")), i, j;

	if (json_array_size(metrics) != n_metrics(scenario) || !n_rounds || loops < 1 || loops > MMLAB_MAX_LOOPS ||
	    json_integer_value(json_object_get(old, "units")) < 1 ||
	    json_integer_value(json_object_get(old, "counted_ops")) < 1)
		return false;
	json_array_foreach(metrics, i, metric) {
		const char *name = json_string_value(json_object_get(metric, "name"));
		const json_t *rounds = json_object_get(metric, "rounds"), *round;

		if (!name || strcmp(name, metric_at(scenario, i)->name) || json_array_size(rounds) != n_rounds)
			return false;
		json_array_foreach(rounds, j, round)
			if (!json_is_array(round))
				return false;
	}
	return true;
}

static void resume_entry(struct mmlab_entry *entry, const json_t *old)
{
	const json_t *metric;
	size_t i;

	json_array_foreach(json_object_get(old, "metrics"), i, metric) {
		json_t *rounds = json_object_get(metric, "rounds"), *reason = json_object_get(metric, "reason");
		const char *name = json_string_value(json_object_get(metric, "name"));

		(void)json_object_set(entry->values, name, rounds);
		if (json_is_string(reason))
			(void)json_object_set(entry->missing, name, reason);
		entry->rounds = (unsigned int)json_array_size(rounds);
	}
	entry->loops = (uint64_t)json_integer_value(json_object_get(old, "loops"));
	entry->units = json_integer_value(json_object_get(old, "units"));
	entry->counted_ops = json_integer_value(json_object_get(old, "counted_ops"));
	entry->counters = json_is_array(json_object_get(old, "counters")) ? json_incref(json_object_get(old, "counters")) : NULL;
}

static const char *kernel_of(const json_t *machine)
{
	return json_string_value(json_object_get(json_object_get(machine, "kernel"), "release"));
}

/* Rounds of two builds or kernels in one file would be an average of both. */
static int check_same_build(const struct mmlab_run *run, const json_t *result, char *message)
{
	const char *commit = json_string_value(json_object_get(json_object_get(result, "run"), "commit"));
	const char *kernel = kernel_of(json_object_get(result, "machine")), *our_kernel = kernel_of(run->machine);

	if (!commit || strcmp(commit, MMLAB_COMMIT))
		(void)snprintf(message, MMLAB_MESSAGE_BYTES,
			       "cannot resume: the file was measured by commit %.60s, this is %s", commit ? commit : "?",
			       MMLAB_COMMIT);
	else if (!kernel || !our_kernel || strcmp(kernel, our_kernel))
		(void)snprintf(message, MMLAB_MESSAGE_BYTES,
			       "cannot resume: the file was measured on kernel %.100s, this is %.100s", kernel ? kernel : "?",
			       our_kernel ? our_kernel : "?");
	else
		return 0;
	return -EINVAL;
}

int mmlab_result_resume(struct mmlab_run *run, const json_t *result, char *message)
{
	const json_t *old_run = json_object_get(result, "run");
	const char *key = json_string_value(json_object_get(json_object_get(result, "machine"), "key"));
	const char *our_key = json_string_value(json_object_get(run->machine, "key"));
	const char *id = json_string_value(json_object_get(old_run, "id"));
	const char *started = json_string_value(json_object_get(old_run, "started"));
	int n = 0;

	if (!key || !our_key || strcmp(key, our_key)) {
		(void)snprintf(message, MMLAB_MESSAGE_BYTES, "cannot resume: the file is from machine %s, this is %s",
			       key ? key : "?", our_key ? our_key : "?");
		return -EINVAL;
	}
	if (check_same_build(run, result, message) < 0)
		return -EINVAL;
	if (json_is_true(json_object_get(old_run, "complete")) &&
	    json_integer_value(json_object_get(old_run, "rounds")) >= run->rounds) {
		(void)snprintf(message, MMLAB_MESSAGE_BYTES,
			       "nothing to resume: the run is complete; more --rounds than its %lld would extend it",
			       (long long)json_integer_value(json_object_get(old_run, "rounds")));
		return -EINVAL;
	}
	if (!id || !started || strlen(id) >= sizeof(run->id) || strlen(started) >= sizeof(run->started)) {
		(void)snprintf(message, MMLAB_MESSAGE_BYTES, "cannot resume: the file does not say which run it is of, or when");
		return -EINVAL;
	}
	run->seed = (uint64_t)json_integer_value(json_object_get(old_run, "seed"));
	(void)strcpy(run->id, id);
	(void)strcpy(run->started, started);
	for (size_t i = 0; i < run->n_entries; i++) {
		const json_t *old = case_in_file(result, &run->entries[i].c);
		const char *status = json_string_value(json_object_get(old, "status"));

		if (!status || strcmp(status, "ok"))
			continue;
		if (!is_sound(run->entries[i].c.scenario, old)) {
			(void)snprintf(message, MMLAB_MESSAGE_BYTES,
				       "cannot resume: case %.60s/%.60s of the file is damaged; results/validate tells more",
				       run->entries[i].c.scenario->name, run->entries[i].c.contender->name);
			return -EINVAL;
		}
		resume_entry(&run->entries[i], old);
		n++;
	}
	return n;
}
