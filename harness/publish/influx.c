// SPDX-License-Identifier: MIT
/*
 * Influx line protocol: a line for each metric of each case. What names a series is a tag, what belongs to one run is a
 * field. The time is the start of the run.
 */
#include "publish.h"

#include <string.h>

/* A backslash escapes what follows it and cannot itself be escaped in a tag; a line feed ends the line. */
static void put_escaped(FILE *out, const char *text)
{
	for (; *text; text++) {
		if (strchr(", =", *text))
			(void)fputc('\\', out);
		(void)fputc(*text == '\\' ? '/' : *text == '\n' ? ' ' : *text, out);
	}
}

static void put_tag(FILE *out, const char *name, const char *value)
{
	if (!*value)
		return; /* an empty value makes the line invalid */
	(void)fputc(',', out);
	put_escaped(out, name);
	(void)fputc('=', out);
	put_escaped(out, value);
}

static void put_string(FILE *out, const char *name, const char *value)
{
	(void)fprintf(out, ",%s=\"", name);
	for (; *value; value++)
		(void)fprintf(out, "%s%c", strchr("\"\\", *value) ? "\\" : "", *value == '\n' ? ' ' : *value);
	(void)fputc('"', out);
}

static void put_line(FILE *out, const struct mmlab_publication *p, const struct mmlab_point_row *row,
		     long long start_ns)
{
	const char *axes[32];
	size_t n = mmlab_series_axes(row->c, axes, 32);

	/* Tags in alphabetical order, which spares the server the sorting. */
	(void)fputs("mmlab", out);
	for (size_t i = 0; i < n; i++) {
		char tag[128], point[64];

		(void)snprintf(tag, sizeof(tag), "axis_%.100s", axes[i]);
		put_tag(out, tag,
			mmlab_series_point(json_object_get(json_object_get(row->c, "params"), axes[i]), point,
					   sizeof(point)));
	}
	put_tag(out, "better", row->higher_is_better ? "higher" : "lower");
	put_tag(out, "contender", row->contender);
	put_tag(out, "emulated", p->emulated ? "true" : "false");
	put_tag(out, "execution", p->execution);
	put_tag(out, "machine", mmlab_series_text(p->machine, "key"));
	put_tag(out, "metric", row->name);
	put_tag(out, "scenario", row->scenario);
	put_tag(out, "unit", row->unit);
	(void)fprintf(out, " median=%.17g,q1=%.17g,q3=%.17g,rounds=%zui,exact=%s,unstable=%s", row->value, row->q1,
		      row->q3, row->n, row->exact ? "true" : "false", row->unstable ? "true" : "false");
	put_string(out, "commit", mmlab_series_text(p->run, "commit"));
	put_string(out, "kernel", mmlab_series_text(json_object_get(p->machine, "kernel"), "release"));
	put_string(out, "run", mmlab_series_text(p->run, "id"));
	(void)fprintf(out, " %lld\n", start_ns);
}

static int influx_write(FILE *out, struct mmlab_publication *p, size_t file)
{
	long long start_ns;
	int r = mmlab_publish_start(p, &start_ns);

	(void)file;
	for (size_t i = 0; i < p->n && r >= 0; i++) {
		char title[2 * MMLAB_SERIES_BYTES], name[3 * MMLAB_SERIES_BYTES];

		(void)snprintf(name, sizeof(name), "%s %s", mmlab_publish_title(p, &p->rows[i], title, sizeof(title)),
			       p->rows[i].name);
		r = mmlab_publish_claim(p, name, sizeof(name));
		put_line(out, p, &p->rows[i], start_ns);
	}
	return r;
}

const struct mmlab_publish_format mmlab_publish_influx = {
	.name = "influx",
	.summary = "Influx line protocol",
	.files = (const char *const[]){ "mmlab.influx", NULL },
	.write = influx_write,
};
