// SPDX-License-Identifier: MIT
#include "margin.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cleanup.h"
#include "result.h"
#include "select.h"
#include "series.h"

#define SCHEMA_NAME    "mmlab-margins"
#define SCHEMA_VERSION 1

size_t mmlab_margins_logs(double **ret, const json_t *metric)
{
	double *values;
	size_t n = mmlab_result_rounds(&values, json_object_get(metric, "rounds")), n_left = 0;

	for (size_t i = 0; i < n; i++) {
		if (isnan(values[i]))
			continue;
		if (values[i] <= 0) {
			n_left = 0;
			break;
		}
		values[n_left++] = log(values[i]);
	}
	*ret = values;
	return n_left;
}

static const char *run_text(const json_t *result, const char *part, const char *key)
{
	return mmlab_series_text(json_object_get(result, part), key);
}

static const char *kernel_of(const json_t *result)
{
	return mmlab_series_text(json_object_get(json_object_get(result, "machine"), "kernel"), "release");
}

/* Runs of different things would make the margin as wide as their difference. */
static int check_runs(const json_t *results, char *message)
{
	const json_t *first = json_array_get(results, 0), *result;
	size_t i;

	if (json_array_size(results) < MMLAB_MARGIN_RUNS) {
		(void)snprintf(message, MMLAB_MESSAGE_BYTES,
			       "%zu runs are too few to learn margins from: at least %d of one build, better 10",
			       json_array_size(results), MMLAB_MARGIN_RUNS);
		return -EINVAL;
	}
	json_array_foreach(results, i, result) {
		static const char *const same[][2] = { { "machine", "key" },
						       { "run", "commit" },
						       { "run", "version" } };

		for (size_t j = 0; j < sizeof(same) / sizeof(*same); j++) {
			const char *a = run_text(first, same[j][0], same[j][1]),
				   *b = run_text(result, same[j][0], same[j][1]);

			if (!strcmp(a, b))
				continue;
			(void)snprintf(message, MMLAB_MESSAGE_BYTES,
				       "margins need runs of one build on one machine: %s %s is %.60s in run %.60s, "
				       "%.60s in %.60s",
				       same[j][0], same[j][1], a, run_text(first, "run", "id"), b,
				       run_text(result, "run", "id"));
			return -EINVAL;
		}
		if (strcmp(kernel_of(first), kernel_of(result))) {
			(void)snprintf(message, MMLAB_MESSAGE_BYTES,
				       "margins need runs of one kernel: %.100s and %.100s", kernel_of(first),
				       kernel_of(result));
			return -EINVAL;
		}
		for (size_t j = 0; j < i; j++)
			if (!strcmp(run_text(json_array_get(results, j), "run", "id"), run_text(result, "run", "id"))) {
				(void)snprintf(message, MMLAB_MESSAGE_BYTES,
					       "run %.60s stands twice: it would hide noise",
					       run_text(result, "run", "id"));
				return -EINVAL;
			}
	}
	return 0;
}

static void learn_metric(json_t *margins, const json_t *results, const json_t *c, const json_t *metric)
{
	size_t n_results = json_array_size(results), n_runs = 0, i;
	double **runs = calloc(n_results, sizeof(*runs));
	_cleanup_(mmlab_freep) size_t *n = calloc(n_results, sizeof(*n));
	struct mmlab_noise noise;
	const json_t *result;

	json_array_foreach(results, i, result) {
		const json_t *other =
			mmlab_series_metric(mmlab_series_like(result, c), mmlab_series_text(metric, "name"));

		if (!runs || !n || !other)
			continue;
		n[n_runs] = mmlab_margins_logs(&runs[n_runs], other);
		if (n[n_runs])
			n_runs++;
		else
			free(runs[n_runs]);
	}
	if (n_runs >= MMLAB_MARGIN_RUNS) {
		mmlab_noise_learn(&noise, runs, n, n_runs);
		(void)json_array_append_new(
			margins, json_pack("{s:O, s:O, s:O, s:O, s:I, s:f, s:f, s:f}", "scenario",
					   json_object_get(c, "scenario"), "contender", json_object_get(c, "contender"),
					   "params", json_object_get(c, "params"), "metric",
					   json_object_get(metric, "name"), "runs", (json_int_t)n_runs, "spread",
					   noise.spread, "scatter", noise.scatter, "margin", noise.margin));
	}
	for (i = 0; i < n_runs; i++)
		free(runs[i]);
	free(runs);
}

int mmlab_margins_learn(json_t **ret, const json_t *results, char *message)
{
	const json_t *first = json_array_get(results, 0), *last, *c, *metric, *result;
	_cleanup_(mmlab_json_decrefp) json_t *margins = json_array();
	_cleanup_(mmlab_json_decrefp) json_t *ids = json_array();
	int r = check_runs(results, message);
	size_t i, j;

	if (r < 0)
		return r;
	json_array_foreach(results, i, result)
		(void)json_array_append_new(ids, json_string(run_text(result, "run", "id")));
	last = json_array_get(results, i - 1);
	json_array_foreach(json_object_get(first, "cases"), i, c)
		json_array_foreach(json_object_get(c, "metrics"), j, metric)
			if (!json_is_true(json_object_get(metric, "exact")))
				learn_metric(margins, results, c, metric);
	if (!json_array_size(margins)) {
		(void)snprintf(message, MMLAB_MESSAGE_BYTES, "no metric that varies was measured in %d of the runs",
			       MMLAB_MARGIN_RUNS);
		return -EINVAL;
	}
	*ret = json_pack("{s:{s:s, s:i}, s:{s:s, s:s, s:s}, s:s, s:s, s:s, s:O, s:O}", "schema", "name", SCHEMA_NAME,
			 "version", SCHEMA_VERSION, "machine", "key", run_text(first, "machine", "key"), "identity",
			 run_text(first, "machine", "identity"), "execution", run_text(first, "machine", "execution"),
			 "made", run_text(last, "run", "finished"), "commit", run_text(first, "run", "commit"),
			 "kernel", kernel_of(first), "runs", ids, "margins", margins);
	return *ret ? 0 : -ENOMEM;
}

static bool is_number(const json_t *margin, const char *key)
{
	const json_t *number = json_object_get(margin, key);

	return json_is_number(number) && json_number_value(number) >= 0;
}

int mmlab_margins_load(json_t **ret, const char *path, char *message)
{
	_cleanup_(mmlab_json_decrefp) json_t *margins = NULL;
	const json_t *schema, *margin;
	json_error_t error;
	size_t i;

	if (access(path, F_OK)) {
		(void)snprintf(message, MMLAB_MESSAGE_BYTES, "%.200s: %s", path, strerror(errno));
		return -ENOENT;
	}
	margins = json_load_file(path, JSON_REJECT_DUPLICATES, &error);
	if (!margins) {
		(void)snprintf(message, MMLAB_MESSAGE_BYTES, "%.200s: %s", path, error.text);
		return -EINVAL;
	}
	schema = json_object_get(margins, "schema");
	if (strcmp(mmlab_series_text(schema, "name"), SCHEMA_NAME) ||
	    json_integer_value(json_object_get(schema, "version")) != SCHEMA_VERSION) {
		(void)snprintf(message, MMLAB_MESSAGE_BYTES, "%.200s is no %s file of version %d", path, SCHEMA_NAME,
			       SCHEMA_VERSION);
		return -EINVAL;
	}
	json_array_foreach(json_object_get(margins, "margins"), i, margin)
		if (!is_number(margin, "spread") || !is_number(margin, "scatter") || !is_number(margin, "margin")) {
			(void)snprintf(message, MMLAB_MESSAGE_BYTES,
				       "%.200s: margin %zu has no numbers; learn them anew", path, i + 1);
			return -EINVAL;
		}
	*ret = mmlab_steal(&margins);
	return 0;
}

char *mmlab_margins_path(const char *base)
{
	size_t length = strlen(base), end = length > 5 && !strcmp(base + length - 5, ".json") ? length - 5 : length;
	char *path;

	return asprintf(&path, "%.*s.margins.json", (int)end, base) < 0 ? NULL : path;
}

bool mmlab_margins_find(struct mmlab_noise *ret, const json_t *margins, const json_t *c, const char *metric)
{
	const json_t *margin;
	size_t i;

	json_array_foreach(json_object_get(margins, "margins"), i, margin) {
		if (strcmp(mmlab_series_text(margin, "scenario"), mmlab_series_text(c, "scenario")) ||
		    strcmp(mmlab_series_text(margin, "contender"), mmlab_series_text(c, "contender")) ||
		    strcmp(mmlab_series_text(margin, "metric"), metric) ||
		    !json_equal(json_object_get(margin, "params"), json_object_get(c, "params")))
			continue;
		*ret = (struct mmlab_noise){
			.n_runs = (size_t)json_integer_value(json_object_get(margin, "runs")),
			.spread = json_number_value(json_object_get(margin, "spread")),
			.scatter = json_number_value(json_object_get(margin, "scatter")),
			.margin = json_number_value(json_object_get(margin, "margin")),
		};
		return true;
	}
	return false;
}
