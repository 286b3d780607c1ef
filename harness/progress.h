/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * How far a run is, on stderr: one line that is rewritten on a terminal, one plain line a round elsewhere.
 */
#include <stdbool.h>
#include <stdint.h>
#include <stddef.h>

struct mmlab_progress {
	bool terminal;
	size_t total, done; /* launches of cases */
	uint64_t started_ns;
	unsigned int rounds;
};

/** mmlab_progress_init() - @total launches of @n_cases, in @rounds rounds and the counting round, are ahead. */
void mmlab_progress_init(struct mmlab_progress *progress, size_t n_cases, size_t total, unsigned int rounds);

/** mmlab_progress_step() - about to launch @name in round @round (0: counting); animated on a terminal only. */
void mmlab_progress_step(struct mmlab_progress *progress, unsigned int round, const char *name);

/** mmlab_progress_done() - one launch is over; @dropped later ones will not happen, because the case failed. */
void mmlab_progress_done(struct mmlab_progress *progress, size_t dropped);

/** mmlab_progress_round() - a round is over: a plain line, where lines are plain. */
void mmlab_progress_round(struct mmlab_progress *progress, unsigned int round);

/** mmlab_progress_end() - clear the line. */
void mmlab_progress_end(struct mmlab_progress *progress);
