// SPDX-License-Identifier: MIT
/*
 * Bencher Metric Format: benchmark, measure, value with bounds. Nothing else has a place in it: the machine is the
 * testbed, the commit the hash, both on Bencher's command line. A measure is a slug there, and carries the unit.
 */
#include "publish.h"

#include <math.h>
#include <string.h>

#define MAX_BENCHMARK 1024
#define MAX_MEASURE   64

static json_t *metric_json(const struct mmlab_point_row *row)
{
	json_t *metric = json_pack("{s:f}", "value", row->value);

	if (isfinite(row->lo) && isfinite(row->hi)) {
		(void)json_object_set_new(metric, "lower_value", json_real(row->lo));
		(void)json_object_set_new(metric, "upper_value", json_real(row->hi));
	}
	return metric;
}

static int bencher_write(FILE *out, struct mmlab_publication *p, size_t file)
{
	json_t *benchmarks = json_object();
	int r = 0;

	(void)file;
	for (size_t i = 0; i < p->n; i++) {
		const struct mmlab_point_row *row = &p->rows[i];
		char benchmark[2 * MMLAB_SERIES_BYTES], measure[256], both[3 * MMLAB_SERIES_BYTES];
		json_t *measures;

		mmlab_publish_title(p, row, benchmark, sizeof(benchmark));
		if (strcmp(row->name, row->unit))
			(void)snprintf(measure, sizeof(measure), "%.100s-%.100s", row->name, row->unit);
		else
			(void)snprintf(measure, sizeof(measure), "%.200s", row->name);
		mmlab_publish_map(measure, "-", '-');
		(void)snprintf(both, sizeof(both), "%s %s", benchmark, measure);
		r = r < 0 ? r : mmlab_publish_claim(p, both, sizeof(both));
		r = r < 0 ? r : mmlab_publish_fits(p, benchmark, MAX_BENCHMARK);
		r = r < 0 ? r : mmlab_publish_fits(p, measure, MAX_MEASURE);
		measures = json_object_get(benchmarks, benchmark);
		if (!measures) {
			measures = json_object();
			(void)json_object_set_new(benchmarks, benchmark, measures);
		}
		(void)json_object_set_new(measures, measure, metric_json(row));
	}
	if (r < 0) {
		json_decref(benchmarks);
		return r;
	}
	return mmlab_publish_dump(out, p, benchmarks);
}

const struct mmlab_publish_format mmlab_publish_bencher = {
	.name = "bencher",
	.summary = "Bencher Metric Format",
	.files = (const char *const[]){ "bencher.json", NULL },
	.write = bencher_write,
};
