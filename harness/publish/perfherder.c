// SPDX-License-Identifier: MIT
/*
 * Perfherder: a suite for each case, a subtest for each metric. A series is the hash of their names and of the extra
 * options, which are therefore the point and the way of execution.
 */
#include "publish.h"

#include <errno.h>
#include <math.h>
#include <string.h>

#include "../cleanup.h"
#include "../result.h"
#include "../select.h"

#define MAX_NAME    80
#define MAX_UNIT    20
#define MAX_OPTION  100
#define MAX_OPTIONS 8
#define MAX_VALUE   1e12

static json_t *replicates(const json_t *metric)
{
	_cleanup_(mmlab_freep) double *values = NULL;
	size_t n = mmlab_result_rounds(&values, json_object_get(metric, "rounds"));
	json_t *array = json_array();

	for (size_t i = 0; i < n; i++)
		if (isfinite(values[i]))
			(void)json_array_append_new(array, json_real(values[i]));
	return array;
}

static int add_subtest(json_t *subtests, struct mmlab_publication *p, const struct mmlab_point_row *row)
{
	int r = mmlab_publish_fits(p, row->name, MAX_NAME);

	r = r < 0 ? r : mmlab_publish_fits(p, row->unit, MAX_UNIT);
	if (r >= 0 && fabs(row->value) > MAX_VALUE) {
		(void)snprintf(p->message, MMLAB_MESSAGE_BYTES, "%s of %s/%s is %g: Perfherder takes up to %g",
			       row->name, row->scenario, row->contender, row->value, MAX_VALUE);
		return -EINVAL;
	}
	(void)json_array_append_new(subtests, json_pack("{s:s, s:f, s:s, s:b, s:o}", "name", row->name, "value",
							row->value, "unit", row->unit, "lowerIsBetter",
							!row->higher_is_better, "replicates", replicates(row->metric)));
	return r;
}

static int add_options(json_t *options, struct mmlab_publication *p, const struct mmlab_point_row *row)
{
	const char *axes[MAX_OPTIONS];
	size_t n = mmlab_series_axes(row->c, axes, MAX_OPTIONS);
	int r = 0;

	for (size_t i = 0; i < n; i++) {
		char option[MMLAB_SERIES_BYTES], point[64];

		mmlab_series_point(json_object_get(json_object_get(row->c, "params"), axes[i]), point, sizeof(point));
		(void)snprintf(option, sizeof(option), "%.200s=%s", axes[i], point);
		r = r < 0 ? r : mmlab_publish_fits(p, option, MAX_OPTION);
		(void)json_array_append_new(options, json_string(option));
	}
	if (p->emulated)
		(void)json_array_append_new(options, json_string(p->emulated));
	if (r < 0 ||
	    (json_array_size(options) <= MAX_OPTIONS && json_object_size(json_object_get(row->c, "params")) == n))
		return r;
	(void)snprintf(p->message, MMLAB_MESSAGE_BYTES,
		       "%s/%s has more axes than the %d that Perfherder can tell series apart by", row->scenario,
		       row->contender, MAX_OPTIONS);
	return -EINVAL;
}

static int perfherder_write(FILE *out, struct mmlab_publication *p, size_t file)
{
	json_t *suites = json_array();
	int r = 0;

	(void)file;
	for (size_t i = 0, end; i < p->n && r >= 0; i = end) {
		const struct mmlab_point_row *first = &p->rows[i];
		char name[2 * MMLAB_SERIES_BYTES], tag[64], title[2 * MMLAB_SERIES_BYTES];
		json_t *subtests = json_array(), *options = json_array();

		(void)snprintf(name, sizeof(name), "%s/%s", first->scenario, first->contender);
		(void)snprintf(tag, sizeof(tag), "%.20s", p->execution);
		r = mmlab_publish_fits(p, name, MAX_NAME);
		r = r < 0 ? r
			  : mmlab_publish_claim(p, mmlab_publish_title(p, first, title, sizeof(title)), sizeof(title));
		r = r < 0 ? r : add_options(options, p, first);
		for (end = i; end < p->n && p->rows[end].c == first->c; end++)
			r = r < 0 ? r : add_subtest(subtests, p, &p->rows[end]);
		(void)json_array_append_new(suites,
					    json_pack("{s:s, s:o, s:[s], s:o}", "name", name, "extraOptions", options,
						      "tags", mmlab_publish_map(tag, "-", '-'), "subtests", subtests));
	}
	if (r < 0) {
		json_decref(suites);
		return r;
	}
	return mmlab_publish_dump(out, p, json_pack("{s:{s:s}, s:o}", "framework", "name", "mmlab", "suites", suites));
}

const struct mmlab_publish_format mmlab_publish_perfherder = {
	.name = "perfherder",
	.summary = "Mozilla's Perfherder",
	.files = (const char *const[]){ "perfherder-data-mmlab.json", NULL },
	.write = perfherder_write,
};
