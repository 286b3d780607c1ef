// SPDX-License-Identifier: MIT
/* Lists of events, as --events takes them. */
#include "../counter-name.h"

#include "../counter.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *list = fuzz_text(data, size);
	const char *at = list, *bad = NULL;
	struct mmlab_event event;

	while (mmlab_event_next(&event, &at) > 0) {
		assert(at <= list + size && strlen(event.name) < sizeof(event.name));
		(void)mmlab_event_scope_reason(&event);
	}
	if (mmlab_counters_check(list, &bad) == -2)
		assert(bad);
	free(list);
	return 0;
}
