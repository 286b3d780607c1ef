// SPDX-License-Identifier: MIT
/* What a kernel setting holds when it is read. Once another value was in force, the former one is there again. */
#include "../knob.h"

#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct mmlab_knob knobs[2] = { { 0 } };
	const struct mmlab_contender contender = { .name = "knob", .needs = { .knobs = knobs } };
	const struct mmlab_scenario scenario = { .name = "fuzz" };
	struct mmlab_case c = { .scenario = &scenario, .contender = &contender };
	struct mmlab_knobs kept = { 0 };
	char reason[MMLAB_REASON_BYTES];
	enum mmlab_status status;
	struct fuzz_file file;

	fuzz_file_open(&file, data, size);
	knobs[0] = (struct mmlab_knob){ file.path, "on" };
	if (!mmlab_knobs_apply(&kept, &c, &status, reason)) {
		assert(strnlen(kept.knob[0].former, sizeof(kept.knob[0].former)) < sizeof(kept.knob[0].former));
		assert(!mmlab_knobs_restore(&kept) && !strcmp(kept.knob[0].current, kept.knob[0].former));
	}
	fuzz_file_close(&file);
	return 0;
}
