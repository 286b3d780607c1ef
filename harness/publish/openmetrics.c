// SPDX-License-Identifier: MIT
/*
 * OpenMetrics, which node_exporter's textfile collector reads as well: only gauges, as it knows no other of the types
 * that would fit, and no timestamps, for which it would drop the file. Base units: seconds and bytes.
 */
#include "publish.h"

#include <string.h>

static const struct {
	const char *name;
	const char *key;
} statistics[] = { { "min", "min" }, { "q1", "q1" }, { "median", "median" }, { "q3", "q3" }, { "max", "max" } };

static void put_label(FILE *out, const char *separator, const char *name, const char *value)
{
	(void)fprintf(out, "%s%s=\"", separator, name);
	for (; *value; value++)
		if (*value == '\n')
			(void)fputs("\\n", out);
		else if (*value == '"' || *value == '\\')
			(void)fprintf(out, "\\%c", *value);
		else
			(void)fputc(*value, out);
	(void)fputc('"', out);
}

/* mmlab_time_seconds, mmlab_rss_bytes, mmlab_faults */
static void family_of(const struct mmlab_point_row *row, char *family, size_t size, const char **ret_unit,
		      double *ret_factor)
{
	bool is_time = !strcmp(row->unit, "ns"), is_bytes = !strcmp(row->unit, "bytes");

	*ret_unit = is_time ? "seconds" : is_bytes ? "bytes" : NULL;
	*ret_factor = is_time ? 1e-9 : 1;
	(void)snprintf(family, size, "mmlab_%s%s%s", row->name, *ret_unit ? "_" : "", *ret_unit ? *ret_unit : "");
	mmlab_publish_map(family, "_", '_');
}

static void put_samples(FILE *out, const struct mmlab_publication *p, const struct mmlab_point_row *row,
			const char *family, double factor)
{
	const char *axes[32];
	size_t n_axes = mmlab_series_axes(row->c, axes, 32);

	for (size_t i = 0; i < sizeof(statistics) / sizeof(*statistics); i++) {
		(void)fputs(family, out);
		put_label(out, "{", "scenario", row->scenario);
		put_label(out, ",", "contender", row->contender);
		for (size_t j = 0; j < n_axes; j++) {
			char label[128], point[64];

			(void)snprintf(label, sizeof(label), "axis_%.100s", axes[j]);
			mmlab_series_point(json_object_get(json_object_get(row->c, "params"), axes[j]), point,
					   sizeof(point));
			put_label(out, ",", mmlab_publish_map(label, "_", '_'), point);
		}
		put_label(out, ",", "better", row->higher_is_better ? "higher" : "lower");
		put_label(out, ",", "execution", p->execution);
		put_label(out, ",", "emulated", p->emulated ? "true" : "false");
		put_label(out, ",", "stat", statistics[i].name);
		(void)fprintf(out, "} %.17g\n",
			      factor * json_number_value(json_object_get(row->metric, statistics[i].key)));
	}
}

static void put_run(FILE *out, const struct mmlab_publication *p)
{
	(void)fputs("# TYPE mmlab_run_info gauge\n# HELP mmlab_run_info What the figures come from.\nmmlab_run_info",
		    out);
	put_label(out, "{", "run", mmlab_series_text(p->run, "id"));
	put_label(out, ",", "commit", mmlab_series_text(p->run, "commit"));
	put_label(out, ",", "machine", mmlab_series_text(p->machine, "key"));
	put_label(out, ",", "kernel", mmlab_series_text(json_object_get(p->machine, "kernel"), "release"));
	put_label(out, ",", "execution", p->execution);
	put_label(out, ",", "emulated", p->emulated ? "true" : "false");
	(void)fputs("} 1\n", out);
}

static int openmetrics_write(FILE *out, struct mmlab_publication *p, size_t file)
{
	json_t *done = json_object();
	int r = 0;

	(void)file;
	put_run(out, p);
	/* The samples of one family stand together, so each family goes through all rows. */
	for (size_t i = 0; i < p->n && r >= 0; i++) {
		char family[160], other[160];
		const char *unit, *other_unit;
		double factor, other_factor;

		family_of(&p->rows[i], family, sizeof(family), &unit, &factor);
		if (json_object_get(done, family))
			continue;
		(void)json_object_set_new(done, family, json_true());
		(void)fprintf(out, "# TYPE %s gauge\n", family);
		if (unit)
			(void)fprintf(out, "# UNIT %s %s\n", family, unit);
		(void)fprintf(out, "# HELP %s Metric %s of mmlab%s%s, over the medians of rounds.%s%s\n", family,
			      p->rows[i].name, unit ? "" : " in ", unit ? "" : p->rows[i].unit, p->emulated ? " " : "",
			      p->emulated ? p->emulated : "");
		for (size_t j = i; j < p->n && r >= 0; j++) {
			char title[2 * MMLAB_SERIES_BYTES], name[3 * MMLAB_SERIES_BYTES];

			family_of(&p->rows[j], other, sizeof(other), &other_unit, &other_factor);
			if (strcmp(family, other))
				continue;
			(void)snprintf(name, sizeof(name), "%s %s", family,
				       mmlab_publish_title(p, &p->rows[j], title, sizeof(title)));
			r = mmlab_publish_claim(p, name, sizeof(name));
			put_samples(out, p, &p->rows[j], family, factor);
		}
	}
	json_decref(done);
	(void)fputs("# EOF\n", out);
	return r;
}

const struct mmlab_publish_format mmlab_publish_openmetrics = {
	.name = "openmetrics",
	.summary = "Prometheus, also by the textfile collector of node_exporter",
	.files = (const char *const[]){ "mmlab.prom", NULL },
	.write = openmetrics_write,
};
