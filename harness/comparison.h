/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Two results compared: everything that `mmlab compare` says, as one JSON object (results/comparison.schema.json).
 */
#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

struct mmlab_comparison_options {
	const char *const *patterns; /* of series names to compare; see mmlab_comparison_json() */
	size_t n_patterns;	     /* 0: all */
	const char *control;	     /* "scenario/contender" that no change can touch; its movement voids the run */
	double threshold;	     /* the least change that matters, as a part: 0.03 */
	double assumed;		     /* margin for what @margins does not know, as a part */
	bool force;		     /* also across machines */
	unsigned int looks; /* how often these runs were looked at, when that decides on going on; 0: just once */
};

/**
 * mmlab_comparison_json() - judge every metric of every case
 * @margins: as loaded or learned; may be NULL
 * @message: MMLAB_MESSAGE_BYTES; why the results cannot be compared
 *
 * A pattern is a scenario, or is matched as by a shell against "scenario/contender" and the whole name of the series.
 * Results of the deterministic mode with one seed are compared exactly, counters included. Otherwise counters are left
 * out: nothing says that they repeat. Who measures until something is decided has more than one chance to be wrong: the
 * error allowed is spread over the looks, one half, one sixth, one twelfth and so on.
 * Return: 0; -EINVAL with @message; -ENOMEM.
 */
int mmlab_comparison_json(json_t **ret, const json_t *base, const json_t *head, const json_t *margins,
			  const struct mmlab_comparison_options *options, char *message);
