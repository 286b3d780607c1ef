// SPDX-License-Identifier: MIT
#include "table.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "cleanup.h"
#include "series.h"

#define MAX_COLUMNS 16
#define CELL_WIDTH  20

const char *mmlab_table_number(char *text, size_t size, double value, const char *unit)
{
	static const char *const times[] = { "ns", "us", "ms", "s" };
	static const char *const bytes[] = { "B", "KiB", "MiB", "GiB" };
	bool is_time = !strcmp(unit, "ns"), is_bytes = !strcmp(unit, "bytes");
	double step = is_time ? 1000 : 1024;
	int scale = 0;

	if (!is_time && !is_bytes) {
		(void)snprintf(text, size, "%.6g", value);
		return text;
	}
	while (fabs(value) >= step && scale < 3) {
		value /= step;
		scale++;
	}
	(void)snprintf(text, size, "%.*f %s", fabs(value) >= 100 || value == 0 ? 0 : fabs(value) >= 10 ? 1 : 2, value,
		       is_time ? times[scale] : bytes[scale]);
	return text;
}

static const json_t *ratio_of(const json_t *result, const json_t *c, const char *metric)
{
	const json_t *ratio;
	size_t i;

	json_array_foreach(json_object_get(result, "ratios"), i, ratio)
		if (!strcmp(mmlab_series_text(ratio, "kind"), "ratio") &&
		    !strcmp(mmlab_series_text(ratio, "metric"), metric) &&
		    !strcmp(mmlab_series_text(ratio, "scenario"), mmlab_series_text(c, "scenario")) &&
		    !strcmp(mmlab_series_text(ratio, "contender"), mmlab_series_text(c, "contender")) &&
		    json_equal(json_object_get(ratio, "params"), json_object_get(c, "params")))
			return ratio;
	return NULL;
}

static void print_cell(FILE *out, const json_t *result, const json_t *c, const char *name)
{
	const json_t *metric = mmlab_series_metric(c, name);
	const json_t *median = json_object_get(metric, "median");
	const json_t *ratio = ratio_of(result, c, name);
	char number[32] = "-", text[64];

	if (json_is_number(median))
		mmlab_table_number(number, sizeof(number), json_number_value(median),
				   mmlab_series_text(metric, "unit"));
	if (!c)
		(void)snprintf(text, sizeof(text), " ");
	else if (strcmp(mmlab_series_text(c, "status"), "ok"))
		(void)snprintf(text, sizeof(text), "%s", mmlab_series_text(c, "status"));
	else if (ratio)
		(void)snprintf(text, sizeof(text), "%s%s %7.3gx", number,
			       json_is_true(json_object_get(metric, "unstable")) ? "~" : "",
			       json_number_value(json_object_get(ratio, "ratio")));
	else
		(void)snprintf(text, sizeof(text), "%s%s", number,
			       json_is_true(json_object_get(metric, "unstable")) ? "~" : "");
	(void)fprintf(out, "  %*s", CELL_WIDTH, text);
}

static json_t *without(const json_t *params, const char *columns)
{
	json_t *rest = json_copy((json_t *)params);

	(void)json_object_del(rest, columns);
	return rest;
}

static void point_text(char *text, size_t size, const json_t *point)
{
	json_int_t number = json_integer_value(point);

	if (json_is_string(point))
		(void)snprintf(text, size, "%s", json_string_value(point));
	else if (number && number % (1 << 20) == 0)
		(void)snprintf(text, size, "%lldM", (long long)number >> 20);
	else if (number && number % (1 << 10) == 0)
		(void)snprintf(text, size, "%lldK", (long long)number >> 10);
	else
		(void)snprintf(text, size, "%g", json_number_value(point));
}

/* A scenario's cases at one point of all axes but the one that makes the columns. */
struct block {
	const json_t *result;
	const char *scenario, *columns, *metric;
	const json_t *rest;
};

static bool in_block(const struct block *block, const json_t *c)
{
	_cleanup_(mmlab_json_decrefp) json_t *rest = without(json_object_get(c, "params"), block->columns);

	return !strcmp(mmlab_series_text(c, "scenario"), block->scenario) && json_equal(rest, block->rest);
}

static bool seen(const json_t *list, const json_t *value)
{
	const json_t *other;
	size_t i;

	json_array_foreach(list, i, other)
		if (json_equal(other, value))
			return true;
	return false;
}

static void print_row(FILE *out, const struct block *block, const char *contender, const json_t *points)
{
	const json_t *point, *c;
	size_t i, j;

	(void)fprintf(out, "  %-20s", contender);
	json_array_foreach(points, i, point) {
		const json_t *found = NULL;

		json_array_foreach(json_object_get(block->result, "cases"), j, c)
			if (in_block(block, c) && !strcmp(mmlab_series_text(c, "contender"), contender) &&
			    (json_is_null(point) ||
			     json_equal(json_object_get(json_object_get(c, "params"), block->columns), point)))
				found = c;
		print_cell(out, block->result, found, block->metric);
	}
	(void)fputc('\n', out);
}

static void print_block(FILE *out, const struct block *block)
{
	_cleanup_(mmlab_json_decrefp) json_t *points = json_array();
	_cleanup_(mmlab_json_decrefp) json_t *contenders = json_array();
	const json_t *c, *value;
	const char *key;
	char text[32];
	size_t i;

	json_array_foreach(json_object_get(block->result, "cases"), i, c) {
		json_t *point = json_object_get(json_object_get(c, "params"), block->columns);

		if (!in_block(block, c))
			continue;
		if (!seen(points, point ? point : json_null()) && json_array_size(points) < MAX_COLUMNS)
			(void)json_array_append(points, point ? point : json_null());
		if (!seen(contenders, json_object_get(c, "contender")))
			(void)json_array_append(contenders, json_object_get(c, "contender"));
	}
	(void)fprintf(out, "\n  %s", block->metric);
	json_object_foreach((json_t *)block->rest, key, value) {
		point_text(text, sizeof(text), value);
		(void)fprintf(out, "  %s=%s", key, text);
	}
	(void)fprintf(out, "\n  %-20s", "contender");
	json_array_foreach(points, i, value) {
		char head[64] = "";

		point_text(text, sizeof(text), value);
		if (!json_is_null(value))
			(void)snprintf(head, sizeof(head), "%s=%s", block->columns, text);
		(void)fprintf(out, "  %*s", CELL_WIDTH, head);
	}
	(void)fputc('\n', out);
	json_array_foreach(contenders, i, value)
		if (json_is_string(value))
			print_row(out, block, json_string_value(value), points);
}

static void print_reasons(FILE *out, const json_t *result, const char *scenario, const char *status)
{
	_cleanup_(mmlab_json_decrefp) json_t *reasons = json_object();
	const json_t *c;
	const char *reason;
	json_t *n;
	size_t i;

	json_array_foreach(json_object_get(result, "cases"), i, c) {
		char line[512];

		if (strcmp(mmlab_series_text(c, "scenario"), scenario) ||
		    strcmp(mmlab_series_text(c, "status"), status))
			continue;
		(void)snprintf(line, sizeof(line), "%s: %s", mmlab_series_text(c, "contender"),
			       mmlab_series_text(c, "reason"));
		n = json_object_get(reasons, line);
		(void)json_object_set_new(reasons, line, json_integer(json_integer_value(n) + 1));
	}
	json_object_foreach(reasons, reason, n)
		(void)fprintf(out, "  %s (%lld) %s\n", status, (long long)json_integer_value(n), reason);
}

static void print_scenario(FILE *out, const json_t *result, const char *name, const json_t *scenario, const char *metric)
{
	_cleanup_(mmlab_json_decrefp) json_t *rests = json_array();
	const char *baseline = json_string_value(json_object_get(scenario, "baseline"));
	const char *columns = mmlab_series_text(scenario, "columns");
	const json_t *c, *rest;
	size_t i;

	(void)fprintf(out, "\n%s: %s\n  one operation: %s\n", name, mmlab_series_text(scenario, "question"),
		      mmlab_series_text(scenario, "op"));
	if (baseline)
		(void)fprintf(out, "  median, and ratio to %s in the same rounds; ~ marks unstable results\n", baseline);
	else
		(void)fprintf(out, "  median; ~ marks unstable results\n");
	json_array_foreach(json_object_get(result, "cases"), i, c)
		if (!strcmp(mmlab_series_text(c, "scenario"), name)) {
			json_t *others = without(json_object_get(c, "params"), columns);

			if (!seen(rests, others))
				(void)json_array_append(rests, others);
			json_decref(others);
		}
	json_array_foreach(rests, i, rest) {
		const struct block block = { .result = result, .scenario = name, .columns = columns,
					     .metric = metric, .rest = rest };

		print_block(out, &block);
	}
	(void)fputc('\n', out);
	print_reasons(out, result, name, "skipped");
	print_reasons(out, result, name, "failed");
}

void mmlab_table_print(FILE *out, const json_t *result, const char *metric)
{
	const json_t *machine = json_object_get(result, "machine"), *run = json_object_get(result, "run");
	const char *execution = mmlab_series_text(machine, "execution"), *name;
	json_t *scenario;

	(void)fprintf(out, "mmlab %s run %s, kernel %s, %s%s\n", mmlab_series_text(run, "profile"),
		      mmlab_series_text(run, "id"), mmlab_series_text(json_object_get(machine, "kernel"), "release"),
		      execution,
		      json_is_true(json_object_get(run, "complete")) ? "" : ", INCOMPLETE");
	if (!strncmp(execution, "tcg", 3))
		(void)fputs("EMULATED: times show shapes and ratios, not the speed of any hardware; counts are exact.\n",
			    out);
	json_object_foreach(json_object_get(result, "scenarios"), name, scenario)
		print_scenario(out, result, name, scenario, metric ? metric : "time");
}
