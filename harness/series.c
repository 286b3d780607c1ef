// SPDX-License-Identifier: MIT
#include "series.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_AXES 32

const char *mmlab_series_text(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text ? text : "";
}

const json_t *mmlab_series_metric(const json_t *c, const char *name)
{
	const json_t *metric;
	size_t i;

	json_array_foreach(json_object_get(c, "metrics"), i, metric)
		if (!strcmp(mmlab_series_text(metric, "name"), name))
			return metric;
	return NULL;
}

const json_t *mmlab_series_like(const json_t *result, const json_t *like)
{
	const json_t *c;
	size_t i;

	json_array_foreach(json_object_get(result, "cases"), i, c)
		if (!strcmp(mmlab_series_text(c, "scenario"), mmlab_series_text(like, "scenario")) &&
		    !strcmp(mmlab_series_text(c, "contender"), mmlab_series_text(like, "contender")) &&
		    json_equal(json_object_get(c, "params"), json_object_get(like, "params")))
			return c;
	return NULL;
}

static int compare_texts(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

size_t mmlab_series_axes(const json_t *c, const char **ret, size_t max)
{
	const char *axis;
	const json_t *point;
	size_t n = 0;

	json_object_foreach(json_object_get(c, "params"), axis, point)
		if (n < max)
			ret[n++] = axis;
	qsort(ret, n, sizeof(*ret), compare_texts);
	return n;
}

const char *mmlab_series_point(const json_t *point, char *text, size_t size)
{
	if (json_is_string(point))
		(void)snprintf(text, size, "%s", json_string_value(point));
	else if (json_is_integer(point))
		(void)snprintf(text, size, "%lld", (long long)json_integer_value(point));
	else
		(void)snprintf(text, size, "%.15g", json_number_value(point));
	return text;
}

const char *mmlab_series_params(const json_t *c, const char *separator, char *text, size_t size)
{
	const char *axes[MAX_AXES];
	size_t n = mmlab_series_axes(c, axes, MAX_AXES), used = 0;
	char point[64];

	*text = 0;
	for (size_t i = 0; i < n && used < size; i++) {
		mmlab_series_point(json_object_get(json_object_get(c, "params"), axes[i]), point, sizeof(point));
		used += (size_t)snprintf(text + used, size - used, "%s%s=%s", i ? separator : "", axes[i], point);
	}
	return text;
}

const char *mmlab_series_name(const json_t *c, char *text, size_t size)
{
	char params[MMLAB_SERIES_BYTES];

	mmlab_series_params(c, " ", params, sizeof(params));
	(void)snprintf(text, size, "%s/%s%s%s", mmlab_series_text(c, "scenario"), mmlab_series_text(c, "contender"),
		       *params ? " " : "", params);
	return text;
}
