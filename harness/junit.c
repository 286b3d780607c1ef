// SPDX-License-Identifier: MIT
#include "junit.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "cleanup.h"
#include "save.h"
#include "series.h"

enum outcome { PASSED, FAILED, SKIPPED };

/* Control characters have no form in XML, whatever escapes them. */
static void put_text(FILE *out, const char *text)
{
	static const struct {
		char c;
		const char *entity;
	} entities[] = { { '&', "&amp;" }, { '<', "&lt;" }, { '>', "&gt;" }, { '"', "&quot;" } };

	for (; *text; text++) {
		const char *entity = NULL;

		for (size_t i = 0; i < sizeof(entities) / sizeof(*entities); i++)
			entity = *text == entities[i].c ? entities[i].entity : entity;
		if (entity)
			(void)fputs(entity, out);
		else
			(void)fputc((unsigned char)*text < ' ' ? ' ' : *text, out);
	}
}

static void put_attribute(FILE *out, const char *name, const char *text)
{
	(void)fprintf(out, " %s=\"", name);
	put_text(out, text);
	(void)fputc('"', out);
}

static enum outcome outcome_of(const json_t *change)
{
	const char *verdict = mmlab_series_text(change, "verdict");

	if (!strcmp(verdict, "different"))
		return strcmp(mmlab_series_text(change, "direction"), "improvement") ? FAILED : PASSED;
	return !strcmp(verdict, "same") ? PASSED : SKIPPED;
}

static void describe(const json_t *change, char *text, size_t size)
{
	const json_t *ratio = json_object_get(change, "ratio"), *interval = json_object_get(change, "interval");
	const char *reason = mmlab_series_text(change, "reason");
	int used = snprintf(text, size, "%s: ", mmlab_series_text(change, "verdict"));

	if (json_is_number(json_object_get(change, "base")) && json_is_number(json_object_get(change, "head")))
		used += snprintf(text + used, size - (size_t)used, "%.6g -> %.6g %s",
				 json_number_value(json_object_get(change, "base")),
				 json_number_value(json_object_get(change, "head")), mmlab_series_text(change, "unit"));
	else if (*mmlab_series_text(change, "base"))
		used += snprintf(text + used, size - (size_t)used, "%s -> %s", mmlab_series_text(change, "base"),
				 mmlab_series_text(change, "head"));
	if (json_is_number(ratio))
		used += snprintf(text + used, size - (size_t)used, ", %+.2f %%", 100 * (json_number_value(ratio) - 1));
	if (json_is_number(json_array_get(interval, 0)))
		used += snprintf(text + used, size - (size_t)used, " [%+.2f, %+.2f]",
				 100 * (json_number_value(json_array_get(interval, 0)) - 1),
				 100 * (json_number_value(json_array_get(interval, 1)) - 1));
	if (strcmp(mmlab_series_text(change, "direction"), "none"))
		used += snprintf(text + used, size - (size_t)used, ", %s", mmlab_series_text(change, "direction"));
	if (*reason)
		(void)snprintf(text + used, size - (size_t)used, "; %.160s", reason);
}

static void put_case(FILE *out, const json_t *change)
{
	static const char *const elements[] = { "system-out", "failure", "skipped" };
	enum outcome outcome = outcome_of(change);
	char name[MMLAB_SERIES_BYTES], params[MMLAB_SERIES_BYTES], text[1024];
	const char *metric = mmlab_series_text(change, "metric");

	mmlab_series_params(change, " ", params, sizeof(params));
	(void)snprintf(name, sizeof(name), "%.300s%s%.100s", params, *params && *metric ? " " : "", metric);
	(void)snprintf(text, sizeof(text), "%.100s.%.100s", mmlab_series_text(change, "scenario"),
		       mmlab_series_text(change, "contender"));
	(void)fputs("  <testcase", out);
	put_attribute(out, "classname", text);
	put_attribute(out, "name", name);
	describe(change, text, sizeof(text));
	(void)fprintf(out, ">\n    <%s", elements[outcome]);
	if (outcome == PASSED) {
		(void)fputc('>', out);
		put_text(out, text);
		(void)fprintf(out, "</%s>\n  </testcase>\n", elements[outcome]);
	} else {
		put_attribute(out, "message", text);
		(void)fputs("/>\n  </testcase>\n", out);
	}
}

static void put_comparison(FILE *out, const json_t *comparison)
{
	const json_t *lists[] = { json_object_get(comparison, "changes"), json_object_get(comparison, "unmatched") };
	size_t n[3] = { 0 }, i, j;
	const json_t *change, *note;

	for (i = 0; i < 2; i++)
		json_array_foreach(lists[i], j, change)
			n[outcome_of(change)]++;
	(void)fprintf(out,
		      "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n <testsuite name=\"mmlab compare\""
		      " tests=\"%zu\" failures=\"%zu\" skipped=\"%zu\" errors=\"0\">\n  <properties>\n",
		      n[PASSED] + n[FAILED] + n[SKIPPED], n[FAILED], n[SKIPPED]);
	(void)fprintf(out, "   <property name=\"emulated\" value=\"%s\"/>\n   <property",
		      json_is_true(json_object_get(comparison, "emulated")) ? "true" : "false");
	put_attribute(out, "name", "base");
	put_attribute(out, "value", mmlab_series_text(json_object_get(comparison, "base"), "id"));
	(void)fputs("/>\n   <property", out);
	put_attribute(out, "name", "head");
	put_attribute(out, "value", mmlab_series_text(json_object_get(comparison, "head"), "id"));
	(void)fputs("/>\n  </properties>\n", out);
	for (i = 0; i < 2; i++)
		json_array_foreach(lists[i], j, change)
			put_case(out, change);
	(void)fputs("  <system-out>", out);
	json_array_foreach(json_object_get(comparison, "notes"), i, note) {
		put_text(out, json_string_value(note));
		(void)fputc('\n', out);
	}
	(void)fputs("</system-out>\n </testsuite>\n</testsuites>\n", out);
}

int mmlab_junit_write(const json_t *comparison, const char *path)
{
	_cleanup_(mmlab_freep) char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);
	bool bad;

	if (!out)
		return -errno;
	put_comparison(out, comparison);
	bad = ferror(out);
	if (fclose(out) || bad)
		return -ENOMEM;
	return mmlab_save(path, text, size);
}
