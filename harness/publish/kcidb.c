// SPDX-License-Identifier: MIT
/*
 * KCIDB 5.3: the kernel that ran is the checkout and the build, each metric is a test with a number. DONE is the status
 * of a measurement that judges nothing. Whatever is unknown is left out, as null is refused.
 */
#include "publish.h"

#include <errno.h>
#include <string.h>

#include "../select.h"

#define PATH_CHARACTERS "_-"

struct ids {
	char checkout[256], build[320];
};

static void set_text(json_t *object, const char *key, const char *text)
{
	if (text && *text)
		(void)json_object_set_new(object, key, json_string(text));
}

static json_t *environment(const struct mmlab_publication *p)
{
	char comment[1024];

	(void)snprintf(comment, sizeof(comment), "%s%s%.800s", p->emulated ? p->emulated : "", p->emulated ? ": " : "",
		       mmlab_series_text(p->machine, "identity"));
	return json_pack("{s:s, s:{s:s, s:s, s:b}}", "comment", comment, "misc", "machine",
			 mmlab_series_text(p->machine, "key"), "execution", p->execution, "emulated",
			 p->emulated != NULL);
}

/* "mmlab.SCENARIO.CONTENDER.AXIS_POINT.METRIC"; between dots only letters, digits, _ and - may stand. */
static int make_path(struct mmlab_publication *p, const json_t *c, const char *metric, char *path, size_t size)
{
	const char *axes[32];
	size_t n = mmlab_series_axes(c, axes, 32), used;
	char part[MMLAB_SERIES_BYTES], point[64];

	(void)snprintf(part, sizeof(part), "%s", mmlab_series_text(c, "scenario"));
	used = (size_t)snprintf(path, size, "mmlab.%s", mmlab_publish_map(part, PATH_CHARACTERS, '_'));
	(void)snprintf(part, sizeof(part), "%s", mmlab_series_text(c, "contender"));
	used += (size_t)snprintf(path + used, size - used, ".%s", mmlab_publish_map(part, PATH_CHARACTERS, '_'));
	for (size_t i = 0; i <= n && used < size; i++) {
		if (i < n)
			(void)snprintf(part, sizeof(part), "%.200s_%s", axes[i],
				       mmlab_series_point(json_object_get(json_object_get(c, "params"), axes[i]), point,
							  sizeof(point)));
		else if (metric)
			(void)snprintf(part, sizeof(part), "%s", metric);
		else
			break;
		used += (size_t)snprintf(path + used, size - used, ".%s",
					 mmlab_publish_map(part, PATH_CHARACTERS, '_'));
	}
	return mmlab_publish_claim(p, path, size - 1);
}

static json_t *number(const struct mmlab_point_row *row)
{
	if (!strcmp(row->unit, "ns"))
		return json_pack("{s:f, s:s, s:s}", "value", row->value / 1e9, "unit", "s", "prefix", "metric");
	if (!strcmp(row->unit, "bytes"))
		return json_pack("{s:f, s:s, s:s}", "value", row->value, "unit", "B", "prefix", "binary");
	return json_pack("{s:f, s:s}", "value", row->value, "unit", row->unit);
}

static json_t *test(const struct mmlab_publication *p, const struct ids *ids, const char *path, const char *status)
{
	char id[4 * MMLAB_SERIES_BYTES];
	json_t *json;

	(void)snprintf(id, sizeof(id), "%.60s:%.60s:%s", p->origin, mmlab_series_text(p->run, "id"), path);
	json = json_pack("{s:s, s:s, s:s, s:s, s:s, s:o}", "id", id, "origin", p->origin, "build_id", ids->build,
			 "path", path, "status", status, "environment", environment(p));
	set_text(json, "start_time", mmlab_series_text(p->run, "started"));
	return json;
}

static int add_measured(json_t *tests, struct mmlab_publication *p, const struct ids *ids)
{
	int r = 0;

	for (size_t i = 0; i < p->n && r >= 0; i++) {
		const struct mmlab_point_row *row = &p->rows[i];
		char path[3 * MMLAB_SERIES_BYTES];
		json_t *json, *misc;

		r = make_path(p, row->c, row->name, path, sizeof(path));
		json = test(p, ids, path, "DONE");
		misc = json_pack("{s:s, s:I, s:b, s:b, s:s, s:b}", "better", row->higher_is_better ? "higher" : "lower",
				 "rounds", (json_int_t)row->n, "exact", row->exact, "unstable", row->unstable,
				 "mmlab_commit", mmlab_series_text(p->run, "commit"), "mmlab_dirty",
				 json_is_true(json_object_get(p->run, "dirty")));
		(void)json_object_set_new(json, "number", number(row));
		(void)json_object_set_new(json, "misc", misc);
		if (p->emulated)
			set_text(json, "comment", p->emulated);
		(void)json_array_append_new(tests, json);
	}
	return r;
}

static int add_unmeasured(json_t *tests, struct mmlab_publication *p, const struct ids *ids)
{
	const json_t *c;
	int r = 0;
	size_t i;

	json_array_foreach(json_object_get(p->result, "cases"), i, c) {
		const char *status = mmlab_series_text(c, "status");
		char path[3 * MMLAB_SERIES_BYTES];
		json_t *json;

		if (!strcmp(status, "ok"))
			continue;
		r = r < 0 ? r : make_path(p, c, NULL, path, sizeof(path));
		if (r < 0)
			return r;
		json = test(p, ids, path, strcmp(status, "skipped") ? "ERROR" : "SKIP");
		set_text(json, "comment", mmlab_series_text(c, "reason"));
		(void)json_array_append_new(tests, json);
	}
	return r;
}

static int check_origin(struct mmlab_publication *p)
{
	if (*p->origin && p->origin[strspn(p->origin, "abcdefghijklmnopqrstuvwxyz0123456789_")] == '\0')
		return mmlab_publish_fits(p, p->origin, 60);
	(void)snprintf(p->message, MMLAB_MESSAGE_BYTES,
		       "KCIDB takes lower-case letters, digits and _ as --origin, not '%.60s'", p->origin);
	return -EINVAL;
}

static int kcidb_write(FILE *out, struct mmlab_publication *p, size_t file)
{
	const json_t *kernel = json_object_get(p->machine, "kernel");
	const char *release = mmlab_series_text(kernel, "release");
	json_t *tests, *checkout, *build;
	char comment[512], plain[128];
	struct ids ids;
	int r = check_origin(p);

	(void)file;
	if (r < 0)
		return r;
	(void)snprintf(plain, sizeof(plain), "%.100s", release);
	(void)snprintf(ids.checkout, sizeof(ids.checkout), "%.60s:kernel-%s", p->origin,
		       mmlab_publish_map(plain, "-_.+", '_'));
	(void)snprintf(ids.build, sizeof(ids.build), "%.200s-%.100s", ids.checkout,
		       mmlab_series_text(kernel, "config_hash"));
	(void)snprintf(comment, sizeof(comment), "Linux %.100s %.300s", release, mmlab_series_text(kernel, "version"));
	checkout = json_pack("{s:s, s:s, s:s, s:b}", "id", ids.checkout, "origin", p->origin, "comment", comment,
			     "valid", true);
	build = json_pack("{s:s, s:s, s:s, s:s}", "id", ids.build, "origin", p->origin, "checkout_id", ids.checkout,
			  "comment", comment);
	set_text(build, "architecture", mmlab_series_text(p->machine, "architecture"));
	tests = json_array();
	r = add_measured(tests, p, &ids);
	r = r < 0 ? r : add_unmeasured(tests, p, &ids);
	if (r < 0) {
		json_decref(checkout);
		json_decref(build);
		json_decref(tests);
		return r;
	}
	return mmlab_publish_dump(out, p,
				  json_pack("{s:{s:i, s:i}, s:[o], s:[o], s:o}", "version", "major", 5, "minor", 3,
					    "checkouts", checkout, "builds", build, "tests", tests));
}

const struct mmlab_publish_format mmlab_publish_kcidb = {
	.name = "kcidb",
	.summary = "KernelCI's database, version 5.3",
	.files = (const char *const[]){ "kcidb.json", NULL },
	.write = kcidb_write,
	.unmeasured = true,
};
