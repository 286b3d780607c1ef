// SPDX-License-Identifier: MIT
#include "progress.h"

#include <stdio.h>
#include <unistd.h>

#include "clock.h"

static void remaining(const struct mmlab_progress *progress, char *text, size_t size)
{
	double elapsed = (double)(mmlab_now_ns() - progress->started_ns) * 1e-9;
	double left;

	/* Too early, the cases seen so far say little about the others. */
	if (progress->done < 5 || progress->done * 20 < progress->total / (progress->rounds + 1)) {
		(void)snprintf(text, size, "time left not known yet");
		return;
	}
	left = elapsed / (double)progress->done * (double)(progress->total - progress->done);
	if (left >= 60)
		(void)snprintf(text, size, "about %.0f min %.0f s left", (double)(int)(left / 60),
			       left - 60 * (double)(int)(left / 60));
	else
		(void)snprintf(text, size, "about %.0f s left", left);
}

void mmlab_progress_init(struct mmlab_progress *progress, size_t n_cases, size_t total, unsigned int rounds)
{
	*progress = (struct mmlab_progress){
		.terminal = isatty(STDERR_FILENO),
		.total = total,
		.rounds = rounds,
		.started_ns = mmlab_now_ns(),
	};
	if (!progress->terminal)
		(void)fprintf(stderr, "mmlab: %zu cases to measure in %u rounds\n", n_cases, rounds);
}

void mmlab_progress_step(struct mmlab_progress *progress, unsigned int round, const char *name)
{
	char left[64];

	if (!progress->terminal)
		return;
	remaining(progress, left, sizeof(left));
	(void)fprintf(stderr, "\r\033[K%3zu%% round %u/%u, %s: %.60s", progress->done * 100 / progress->total, round,
		      progress->rounds, left, name);
	(void)fflush(stderr);
}

void mmlab_progress_done(struct mmlab_progress *progress, size_t dropped)
{
	progress->done++;
	progress->total -= dropped;
}

void mmlab_progress_round(struct mmlab_progress *progress, unsigned int round)
{
	char left[64];

	if (progress->terminal || !progress->done)
		return;
	if (progress->done < progress->total)
		remaining(progress, left, sizeof(left));
	else
		(void)snprintf(left, sizeof(left), "all measured");
	if (round)
		(void)fprintf(stderr, "mmlab: round %u of %u done, %s\n", round, progress->rounds, left);
	else
		(void)fprintf(stderr, "mmlab: calibrated and counted, %s\n", left);
}

void mmlab_progress_end(struct mmlab_progress *progress)
{
	if (progress->terminal)
		(void)fprintf(stderr, "\r\033[K");
}
