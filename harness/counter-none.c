// SPDX-License-Identifier: MIT
/*
 * Stands in for counter.c where libperf or libpfm4 was missing when this was built: the same events, none counted.
 */
#include "counter.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "counter-name.h"

struct mmlab_counters {
	int n;
	struct mmlab_counter values[];
};

const char *mmlab_counter_library(void)
{
	return "none: built without libperf/libpfm4";
}

int mmlab_counters_check(const char *events, const char **ret_bad)
{
	static char bad[64];
	struct mmlab_event event;
	int r;

	while ((r = mmlab_event_next(&event, &events)) > 0) {
		if (event.known || event.kind == MMLAB_EVENT_TRACEPOINT)
			continue;
		memcpy(bad, event.name, sizeof(bad));
		*ret_bad = bad;
		return -ENOENT;
	}
	return r;
}

int mmlab_counters_open(struct mmlab_counters **ret, const char *events)
{
	struct mmlab_counters *counters;
	struct mmlab_event event;
	const char *bad, *rest = events;
	size_t n = 0;
	int r = mmlab_counters_check(events, &bad);

	if (r)
		return r;
	while (mmlab_event_next(&event, &rest) > 0)
		n++;
	counters = calloc(1, sizeof(*counters) + n * sizeof(counters->values[0]));
	if (!counters)
		return -ENOMEM;
	while (mmlab_event_next(&event, &events) > 0) {
		struct mmlab_counter *value = &counters->values[counters->n++];

		memcpy(value->event, event.name, sizeof(value->event));
		memcpy(value->scope, event.scope, sizeof(value->scope));
		value->state = MMLAB_COUNTER_NOT_SUPPORTED;
		(void)snprintf(value->reason, sizeof(value->reason), "built without libperf/libpfm4");
	}
	*ret = counters;
	return 0;
}

void mmlab_counters_enable(struct mmlab_counters *counters)
{
	(void)counters;
}

void mmlab_counters_disable(struct mmlab_counters *counters)
{
	(void)counters;
}

int mmlab_counters_read(struct mmlab_counters *counters, const struct mmlab_counter **ret)
{
	*ret = counters->values;
	return counters->n;
}

struct mmlab_counters *mmlab_counters_close(struct mmlab_counters *counters)
{
	free(counters);
	return NULL;
}
