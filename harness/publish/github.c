// SPDX-License-Identifier: MIT
/*
 * github-action-benchmark: one array for each direction, because the direction is the action's `tool` input and not
 * part of the data. The action coerces what it reads (null becomes 0), and refuses an empty array. A series is its
 * name.
 */
#include "publish.h"

static json_t *entry(const struct mmlab_publication *p, const struct mmlab_point_row *row, const char *name)
{
	char range[64], extra[320];
	double spread = (row->q3 - row->q1) / 2;

	(void)snprintf(range, sizeof(range), "± %.6g", spread);
	(void)snprintf(extra, sizeof(extra), "n=%zu rounds%s%s; machine %.20s, %.16s; kernel %.100s; commit %.40s",
		       row->n, row->exact ? ", exact" : "", row->unstable ? ", unstable" : "",
		       mmlab_series_text(p->machine, "key"), p->execution,
		       mmlab_series_text(json_object_get(p->machine, "kernel"), "release"),
		       mmlab_series_text(p->run, "commit"));
	return json_pack("{s:s, s:f, s:s, s:s, s:s}", "name", name, "value", row->value, "unit", row->unit, "range",
			 range, "extra", extra);
}

static int github_write(FILE *out, struct mmlab_publication *p, size_t file)
{
	json_t *entries = json_array();
	int r = 0;

	for (size_t i = 0; i < p->n; i++) {
		const struct mmlab_point_row *row = &p->rows[i];
		char title[2 * MMLAB_SERIES_BYTES], name[3 * MMLAB_SERIES_BYTES];

		if (row->higher_is_better != (file == 1))
			continue;
		mmlab_publish_title(p, row, title, sizeof(title));
		(void)snprintf(name, sizeof(name), "%s: %s", title, row->name);
		r = r < 0 ? r : mmlab_publish_claim(p, name, 1000);
		(void)json_array_append_new(entries, entry(p, row, name));
	}
	if (r < 0 || !json_array_size(entries)) {
		json_decref(entries);
		return r < 0 ? r : 1;
	}
	return mmlab_publish_dump(out, p, entries);
}

const struct mmlab_publish_format mmlab_publish_github = {
	.name = "github-action-benchmark",
	.summary = "arrays for the GitHub action, one for each direction",
	.files = (const char *const[]){ "customSmallerIsBetter.json", "customBiggerIsBetter.json", NULL },
	.write = github_write,
};
