// SPDX-License-Identifier: MIT
/*
 * Scenario `refpage-app`: a real program under an allocator shim that pattern-initialises its large allocations, as in
 * the application table of the refpage_create patch (there: a PDF renderer on a phone).
 *
 * max-rss is what wait4 reports; the kernel starts it at the resident size of the process that spawned the program, so
 * figures below that of mmlab itself (a few MiB) can't be told apart.
 */
#include "refpage-app.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "app.h"
#include "cleanup.h"

struct app_state {
	struct app_run run;
	char shim_path[512];
};

const char *refpage_app_probe(void)
{
	char path[512];

	if (!app_document())
		return "no PDF: name one in the environment variable MMLAB_APP_PDF";
	return app_shim(path, sizeof(path)) ? "the allocator shim is not beside this program: see MMLAB_SHIM_PATH" : NULL;
}

static void app_teardown(struct mmlab_case *c)
{
	struct app_state *state = mmlab_state(c);

	if (!state)
		return;
	mmlab_close(state->run.report_fd);
	mmlab_close(state->run.output_fd);
	free(state);
	mmlab_set_state(c, NULL);
}

static int app_setup(struct mmlab_case *c)
{
	const struct refpage_app_ops *ops = mmlab_ops(c);
	struct app_state *state = calloc(1, sizeof(*state));
	int r;

	if (!state)
		return mmlab_fail(c, -ENOMEM, "state");
	mmlab_set_state(c, state);
	state->run = (struct app_run){
		.document = app_document(),
		.last_page = mmlab_param_word(c, "pages"),
		.shim = ops->shim,
		.shim_path = state->shim_path,
		.threshold = mmlab_param(c, "threshold"),
		.output_fd = memfd_create("mmlab-app-output", MFD_CLOEXEC),
		.report_fd = memfd_create("mmlab-app-report", MFD_CLOEXEC),
	};
	if (state->run.output_fd < 0 || state->run.report_fd < 0)
		return mmlab_fail(c, -errno, "memory file");
	r = app_shim(state->shim_path, sizeof(state->shim_path));
	return r ? mmlab_fail(c, r, "shim") : 0;
}

static int app_run_n(struct mmlab_case *c, uint64_t n)
{
	const struct app_state *state = mmlab_state(c);

	for (; n; n--) {
		int r = app_run(&state->run, NULL);

		if (r)
			return mmlab_fail(c, r, APP_PROGRAM " %s", state->run.document);
	}
	return 0;
}

/* Sums the lines of all processes that ran under the shim. Return: 0 or what mmlab_fail() says. */
static int read_report(struct mmlab_case *c, unsigned long *ret_large)
{
	const struct app_state *state = mmlab_state(c);
	char text[4096], *line, *rest = text;
	ssize_t n = pread(state->run.report_fd, text, sizeof(text) - 1, 0);
	unsigned long sum = 0;

	if (n < 0)
		return mmlab_fail(c, -errno, "reading the shim's report");
	text[n] = '\0';
	while ((line = strsep(&rest, "\n")) && *line) {
		unsigned long large, refused;
		unsigned long long bytes;
		char canary[32];

		if (sscanf(line, "large=%lu bytes=%llu refused=%lu canary=%31s", &large, &bytes, &refused, canary) != 4 ||
		    refused || strcmp(canary, "good"))
			return mmlab_fail(c, 0, "the shim reports: %s", line);
		sum += large;
	}
	if (!n)
		return mmlab_fail(c, 0, "the shim did not report: it was not loaded");
	*ret_large = sum;
	return 0;
}

static int app_observe(struct mmlab_case *c)
{
	const struct app_state *state = mmlab_state(c);
	struct app_cost cost;
	unsigned long large;
	int r = app_run(&state->run, &cost);

	if (r)
		return mmlab_fail(c, r, APP_PROGRAM " %s", state->run.document);
	r = read_report(c, &large);
	if (r)
		return r;
	mmlab_report(c, "max-rss", (double)cost.max_rss_bytes);
	mmlab_report(c, "large-allocations", (double)large);
	return 0;
}

/* Uses what observe's run left in the memory files; then the same without the shim. */
static int app_verify(struct mmlab_case *c)
{
	const struct app_state *state = mmlab_state(c);
	struct app_run plain = state->run;
	uint64_t hash, bytes, plain_hash, plain_bytes;
	unsigned long large;
	int r = read_report(c, &large);

	if (r)
		return r;
	if (!large)
		return mmlab_fail(c, 0, "no allocation of %zu bytes or more: the shim had nothing to do",
				  state->run.threshold);
	r = app_output_hash(state->run.output_fd, &hash, &bytes);
	plain.shim = NULL;
	if (!r)
		r = app_run(&plain, NULL);
	if (!r)
		r = app_output_hash(state->run.output_fd, &plain_hash, &plain_bytes);
	if (r)
		return mmlab_fail(c, r, "output without the shim");
	if (!bytes || bytes != plain_bytes || hash != plain_hash)
		return mmlab_fail(c, 0, "the output (%llu bytes) differs from that without the shim (%llu bytes)",
				  (unsigned long long)bytes, (unsigned long long)plain_bytes);
	return 0;
}

static const struct mmlab_axis app_axes[] = {
	{ .name = "pages", .summary = "pages of the document that are rendered", .kind = MMLAB_AXIS_NUMBER,
	  .quick = "1", .full = "1,10", .min = 1, .max = 10000 },
	{ .name = "threshold", .summary = "bytes from which on an allocation gets the pattern", .kind = MMLAB_AXIS_BYTES,
	  .quick = "64K", .full = "16K,64K", .min = 4096, .max = 1 << 30 },
	{ 0 },
};

static const struct mmlab_metric app_metrics[] = {
	{ .name = "max-rss", .unit = "bytes", .kind = MMLAB_BYTES },
	{ .name = "large-allocations", .unit = "allocations", .kind = MMLAB_COUNT, .exact = true },
	{ 0 },
};

static const struct mmlab_preset app_presets[] = {
	{ .name = "published",
	  .summary = "the application table of the refpage_create patch, version 3 (2020): pages 1 to 100",
	  .axes = (const char *const[]){ "pages=100", "threshold=64K", NULL } },
	{ .name = "deterministic",
	  .summary = "one point for every contender: for scripts/bench --deterministic",
	  .axes = (const char *const[]){ "pages=1", "threshold=64K", NULL } },
	{ 0 },
};

const struct mmlab_scenario refpage_app_scenario = {
	.name = "refpage-app",
	.question = "What does pattern-initialising large allocations cost a real program in time and memory?",
	.op = "run a PDF renderer under an allocator shim, from start to exit",
	.excluded = "nothing: starting and ending the program belong to it",
	.proof = "same output as without the shim; the shim's own count of large allocations, and its look at one of them",
	.axes = app_axes,
	.metrics = app_metrics,
	.presets = app_presets,
	.contenders = refpage_app_contenders,
	.floor = "anon",
	.baseline = "memset",
	.full_only = true,
	.count_ops = 1,
	.setup = app_setup,
	.run = app_run_n,
	.observe = app_observe,
	.verify = app_verify,
	.teardown = app_teardown,
};
