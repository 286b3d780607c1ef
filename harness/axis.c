// SPDX-License-Identifier: MIT
#include "axis.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MESSAGE_BYTES 256
#define PPM_PER_PERCENT 10000

size_t mmlab_axes_count(const struct mmlab_scenario *scenario)
{
	size_t n = 0;

	while (scenario->axes && scenario->axes[n].name)
		n++;
	return n;
}

int mmlab_axis_index(const struct mmlab_scenario *scenario, const char *name, size_t len)
{
	for (size_t i = 0; i < mmlab_axes_count(scenario); i++)
		if (strlen(scenario->axes[i].name) == len && !strncmp(scenario->axes[i].name, name, len))
			return (int)i;
	return -ENOENT;
}

static int parse_bytes(uint64_t *ret, const char *text)
{
	static const struct {
		char letter;
		unsigned int shift;
	} suffixes[] = { { 'K', 10 }, { 'M', 20 }, { 'G', 30 } };
	unsigned int shift = 0;
	char *end;

	errno = 0;
	*ret = strtoull(text, &end, 10);
	if (errno || *text < '0' || *text > '9') /* strtoull() would take blanks and signs, too */
		return -EINVAL;
	for (size_t i = 0; i < sizeof(suffixes) / sizeof(*suffixes); i++)
		if ((*end & ~0x20) == suffixes[i].letter) {
			shift = suffixes[i].shift;
			end++;
			break;
		}
	if (*end || *ret > UINT64_MAX >> shift)
		return -EINVAL;
	*ret <<= shift;
	return 0;
}

static int parse_percent(uint64_t *ret, const char *text)
{
	char *end;
	double percent = strtod(text, &end);

	if (end == text || *end || !isfinite(percent) || percent < 0 || percent > 100)
		return -EINVAL;
	*ret = (uint64_t)llround(percent * PPM_PER_PERCENT);
	return 0;
}

static int parse_word(uint64_t *ret, const char *text, const char *words)
{
	size_t len = strlen(text);

	*ret = 0;
	for (const char *word = words; word; (*ret)++) {
		const char *comma = strchr(word, ',');
		size_t word_len = comma ? (size_t)(comma - word) : strlen(word);

		if (word_len == len && !memcmp(word, text, len))
			return 0;
		word = comma ? comma + 1 : NULL;
	}
	return -EINVAL;
}

static void print_bytes(char *text, size_t size, uint64_t value)
{
	static const char suffixes[] = { 'G', 'M', 'K' };

	for (unsigned int i = 0; i < 3; i++) {
		unsigned int shift = 30 - 10 * i;

		if (value && !(value & ((UINT64_C(1) << shift) - 1))) {
			(void)snprintf(text, size, "%" PRIu64 "%c", value >> shift, suffixes[i]);
			return;
		}
	}
	(void)snprintf(text, size, "%" PRIu64, value);
}

static int parse_point(struct mmlab_point *ret, const struct mmlab_axis *axis, const char *text)
{
	int r = -EINVAL;

	switch (axis->kind) {
	case MMLAB_AXIS_BYTES:
		r = parse_bytes(&ret->value, text);
		if (!r)
			print_bytes(ret->text, sizeof(ret->text), ret->value);
		break;
	case MMLAB_AXIS_NUMBER:
		r = parse_bytes(&ret->value, text);
		if (!r)
			(void)snprintf(ret->text, sizeof(ret->text), "%" PRIu64, ret->value);
		break;
	case MMLAB_AXIS_PERCENT:
		r = parse_percent(&ret->value, text);
		if (!r)
			(void)snprintf(ret->text, sizeof(ret->text), "%g", (double)ret->value / PPM_PER_PERCENT);
		break;
	case MMLAB_AXIS_WORD:
		r = parse_word(&ret->value, text, axis->words);
		if (!r)
			(void)snprintf(ret->text, sizeof(ret->text), "%.*s", (int)sizeof(ret->text) - 1, text);
		break;
	}
	if (!r && axis->kind != MMLAB_AXIS_WORD && (ret->value < axis->min || ret->value > axis->max))
		r = -ERANGE;
	return r;
}

static void explain(char *message, const struct mmlab_axis *axis, const char *text)
{
	char min[24], max[24];

	switch (axis->kind) {
	case MMLAB_AXIS_WORD:
		(void)snprintf(message, MESSAGE_BYTES, "axis %s has no point '%.40s'; it takes %s", axis->name, text,
			       axis->words);
		break;
	case MMLAB_AXIS_PERCENT:
		(void)snprintf(message, MESSAGE_BYTES, "axis %s has no point '%.40s'; it takes percentages from %g to %g",
			       axis->name, text, (double)axis->min / PPM_PER_PERCENT,
			       (double)axis->max / PPM_PER_PERCENT);
		break;
	case MMLAB_AXIS_BYTES:
	case MMLAB_AXIS_NUMBER:
		print_bytes(min, sizeof(min), axis->min);
		print_bytes(max, sizeof(max), axis->max);
		(void)snprintf(message, MESSAGE_BYTES, "axis %s has no point '%.40s'; it takes numbers from %s to %s%s",
			       axis->name, text, min, max,
			       axis->kind == MMLAB_AXIS_BYTES ? " bytes (K, M, G allowed)" : "");
		break;
	}
}

int mmlab_axis_parse(struct mmlab_points *ret, const struct mmlab_axis *axis, const char *list, char *message)
{
	struct mmlab_points points = { 0 };
	const char *start = list;

	for (;;) {
		size_t len = strcspn(start, ",");
		char text[64];

		(void)snprintf(text, sizeof(text), "%.*s", (int)len, start);
		if (points.n == MMLAB_MAX_POINTS) {
			(void)snprintf(message, MESSAGE_BYTES, "axis %s: more than %d points", axis->name,
				       MMLAB_MAX_POINTS);
			return -EINVAL;
		}
		if (len >= sizeof(text) || parse_point(&points.point[points.n], axis, text) < 0) {
			explain(message, axis, text);
			return -EINVAL;
		}
		for (size_t i = 0; i < points.n; i++)
			if (points.point[i].value == points.point[points.n].value) {
				(void)snprintf(message, MESSAGE_BYTES, "axis %s: point %s given twice", axis->name, text);
				return -EINVAL;
			}
		points.n++;
		if (!start[len])
			break;
		start += len + 1;
	}
	*ret = points;
	return 0;
}

json_t *mmlab_point_json(const struct mmlab_axis *axis, const struct mmlab_point *point)
{
	switch (axis->kind) {
	case MMLAB_AXIS_PERCENT:
		return json_real((double)point->value / PPM_PER_PERCENT);
	case MMLAB_AXIS_WORD:
		return json_string(point->text);
	case MMLAB_AXIS_BYTES:
	case MMLAB_AXIS_NUMBER:
		break;
	}
	return json_integer((json_int_t)point->value);
}
