/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Margins: how far two runs of one build lie apart, for each metric of each case, learned from several such runs. They
 * are kept beside the baseline, hold for one machine, and are a file of their own: results/margins.schema.json.
 */
#include <jansson.h>
#include <stdbool.h>

#include "verdict.h"

#define MMLAB_MARGIN_RUNS 4 /* fewer say next to nothing */

/**
 * mmlab_margins_learn() - from results of one build on one machine
 * @results: array of loaded result files
 * @message: MMLAB_MESSAGE_BYTES; why they do not belong together
 * Return: 0; -EINVAL with @message; -ENOMEM.
 */
int mmlab_margins_learn(json_t **ret, const json_t *results, char *message);

/**
 * mmlab_margins_load() - read a file of margins, and check that it is one
 * Return: 0; -ENOENT if there is no such file; -EINVAL; each with @message.
 */
int mmlab_margins_load(json_t **ret, const char *path, char *message);

/** mmlab_margins_path() - where the margins of a baseline are by default: base.json has base.margins.json. Owned by the
 * caller. */
char *mmlab_margins_path(const char *base);

/** mmlab_margins_find() - of one metric of one case. Return: true, *ret filled; false if the file knows none. */
bool mmlab_margins_find(struct mmlab_noise *ret, const json_t *margins, const json_t *c, const char *metric);

/**
 * mmlab_margins_logs() - logarithms of the round medians of a metric
 * @ret: array owned by the caller
 * Return: how many; 0 if one of them is not above 0, or there are none.
 */
size_t mmlab_margins_logs(double **ret, const json_t *metric);
