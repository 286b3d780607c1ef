/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Cases and metrics of a result file, and the names under which others know them. A series name never changes while
 * scenario, contender and point stay the same: axes stand in alphabetical order, points as in the file.
 */
#include <jansson.h>
#include <stddef.h>

#define MMLAB_SERIES_BYTES 512

/** mmlab_series_text() - the string under @key, or "" if there is none. */
const char *mmlab_series_text(const json_t *object, const char *key);

/** mmlab_series_metric() - a case's metric by name, borrowed; NULL if it has none. */
const json_t *mmlab_series_metric(const json_t *c, const char *name);

/** mmlab_series_like() - the case of a result with @like's scenario, contender and point, borrowed; NULL if there is
 * none. */
const json_t *mmlab_series_like(const json_t *result, const json_t *like);

/**
 * mmlab_series_params() - write the point as "axis=point", in alphabetical order
 * @separator: between two of them
 * Return: @text, cut off at @size.
 */
const char *mmlab_series_params(const json_t *c, const char *separator, char *text, size_t size);

/** mmlab_series_name() - "scenario/contender axis=point axis=point" into @text of @size bytes. Return: @text. */
const char *mmlab_series_name(const json_t *c, char *text, size_t size);

/** mmlab_series_point() - one point as text: whole numbers in full, others as short as they can be. Return: @text. */
const char *mmlab_series_point(const json_t *point, char *text, size_t size);

/** mmlab_series_axes() - the case's axes in alphabetical order, at most @max. Return: how many. */
size_t mmlab_series_axes(const json_t *c, const char **ret, size_t max);
