// SPDX-License-Identifier: MIT
/*
 * A run that goes on from a result file. The file may be refused; if it is not, what is made of it can be written, and
 * a further round fits in.
 */
#include <jansson.h>

#include "../result.h"
#include "../select.h"
#include "../version.h"
#include "fuzz.h"

/* As of the machine, kernel and build that the run is on: what belongs to others is refused at once. */
static void make_ours(json_t *result)
{
	json_t *machine = json_object_get(result, "machine");

	(void)json_object_set_new(machine, "key", json_string("key"));
	(void)json_object_set_new(json_object_get(machine, "kernel"), "release", json_string("6.12"));
	(void)json_object_set_new(json_object_get(result, "run"), "commit", json_string(MMLAB_COMMIT));
}

/* Each round of a case gave a value, or a gap, to each metric. */
static void expect_equal_rounds(const json_t *cases)
{
	const json_t *c, *metric;
	size_t i, j;

	json_array_foreach(cases, i, c) {
		const json_t *metrics = json_object_get(c, "metrics");
		size_t n = json_array_size(json_object_get(json_array_get(metrics, 0), "rounds"));

		json_array_foreach(metrics, j, metric)
			assert(n && json_array_size(json_object_get(metric, "rounds")) == n);
	}
}

static void go_on(struct mmlab_run *run)
{
	json_t *reply = json_loads("{\"status\":\"ok\",\"samples\":[1.5],\"faults\":2,\"metrics\":{\"weight\":42},"
				   "\"loops\":3,\"units\":1,\"counted_ops\":1,\"counters\":[]}",
				   0, NULL);
	json_t *result;

	for (size_t i = 0; i < run->n_entries; i++) {
		if (!run->entries[i].loops)
			mmlab_entry_add_counts(&run->entries[i], reply);
		mmlab_entry_add(&run->entries[i], reply);
	}
	json_decref(reply);
	result = mmlab_result_json(run);
	assert(result && json_array_size(json_object_get(result, "cases")) == run->n_entries);
	expect_equal_rounds(json_object_get(result, "cases"));
	json_decref(result);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *names[] = { "fake/good", "fake/other" };
	struct mmlab_selection selection = { .names = names, .n_names = 2 };
	struct mmlab_run run = { .id = "new", .profile = "quick", .rounds = 100 };
	struct mmlab_cases cases;
	char message[MMLAB_MESSAGE_BYTES];
	struct fuzz_file file;
	json_t *old;

	fuzz_file_open(&file, data, size);
	if (!mmlab_result_load(&old, file.path, message)) {
		make_ours(old);
		run.argv = json_array();
		run.calibration = json_object();
		run.machine = json_pack("{s:s, s:{s:s}}", "key", "key", "kernel", "release", "6.12");
		assert(!mmlab_select(&cases, &selection, message));
		run.entries = calloc(cases.n, sizeof(*run.entries));
		assert(run.entries);
		run.n_entries = cases.n;
		for (size_t i = 0; i < cases.n; i++)
			run.entries[i] = (struct mmlab_entry){ .c = cases.cases[i], .values = json_object(),
							       .missing = json_object() };
		mmlab_cases_deinit(&cases);
		if (mmlab_result_resume(&run, old, message) >= 0)
			go_on(&run);
		mmlab_run_deinit(&run);
		json_decref(old);
	}
	fuzz_file_close(&file);
	return 0;
}
