/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Points of the axes: from text to values and back.
 */
#include <jansson.h>

#include "scenario.h"

#define MMLAB_MAX_AXES   12
#define MMLAB_MAX_POINTS 64 /* on one axis */

struct mmlab_point {
	char text[24];  /* as on the command line, in its shortest form */
	uint64_t value; /* as mmlab_param() gives it */
};

struct mmlab_points {
	size_t n;
	struct mmlab_point point[MMLAB_MAX_POINTS];
};

/** mmlab_axes_count() - number of axes of a scenario. */
size_t mmlab_axes_count(const struct mmlab_scenario *scenario);

/** mmlab_axis_index() - position of the axis named @name of length @len, or -ENOENT. */
int mmlab_axis_index(const struct mmlab_scenario *scenario, const char *name, size_t len);

/**
 * mmlab_axis_parse() - read a comma-separated list of points
 * @ret:     filled on success
 * @message: at least 256 bytes; on failure says what was wrong and what is legal
 * Return: 0 or -EINVAL.
 */
int mmlab_axis_parse(struct mmlab_points *ret, const struct mmlab_axis *axis, const char *list, char *message);

/** mmlab_point_json() - the point as it stands in the result file; a new reference. */
json_t *mmlab_point_json(const struct mmlab_axis *axis, const struct mmlab_point *point);
