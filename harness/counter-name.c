// SPDX-License-Identifier: MIT
#include "counter-name.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

#include "counter.h"

static const struct {
	const char *name;
	enum mmlab_event_kind kind;
	bool never_zero;
	const char *arm_event;
} known_events[] = {
	{ "page-faults", MMLAB_EVENT_SOFTWARE },
	{ "minor-faults", MMLAB_EVENT_SOFTWARE },
	{ "major-faults", MMLAB_EVENT_SOFTWARE },
	{ "alignment-faults", MMLAB_EVENT_SOFTWARE },
	{ "emulation-faults", MMLAB_EVENT_SOFTWARE },
	{ "context-switches", MMLAB_EVENT_IN_KERNEL },
	{ "cpu-migrations", MMLAB_EVENT_IN_KERNEL },
	{ "cgroup-switches", MMLAB_EVENT_IN_KERNEL },
	{ "task-clock", MMLAB_EVENT_CLOCK },
	{ "cpu-clock", MMLAB_EVENT_CLOCK },
	{ "cycles", MMLAB_EVENT_HARDWARE, true, "cpu_cycles" },
	{ "instructions", MMLAB_EVENT_HARDWARE, true, "inst_retired" },
	{ "dTLB-load-misses", MMLAB_EVENT_HARDWARE, false, "l1d_tlb_refill" },
	{ "exceptions:page_fault_user", MMLAB_EVENT_TRACEPOINT },
	{ "exceptions:page_fault_kernel", MMLAB_EVENT_TRACEPOINT },
	{ "tlb:tlb_flush", MMLAB_EVENT_TRACEPOINT },
};

const char *mmlab_counters_default(void)
{
	return "page-faults,page-faults:u,page-faults:k,minor-faults,major-faults,context-switches,cpu-migrations,"
	       "task-clock,exceptions:page_fault_user,exceptions:page_fault_kernel,tlb:tlb_flush,"
	       "cycles:u,cycles:k,instructions:u,instructions:k,dTLB-load-misses:u,dTLB-load-misses:k";
}

const char *mmlab_counter_state_name(enum mmlab_counter_state state)
{
	switch (state) {
	case MMLAB_COUNTER_EXACT:
		return "exact";
	case MMLAB_COUNTER_SCALED:
		return "scaled";
	case MMLAB_COUNTER_NOT_SUPPORTED:
		return "not-supported";
	case MMLAB_COUNTER_NOT_PERMITTED:
		return "not-permitted";
	case MMLAB_COUNTER_NOT_COUNTED:
		break;
	}
	return "not-counted";
}

/* ":u", ":k", ":uk" at the end; a tracepoint's own name is never that short. */
static void take_scope(struct mmlab_event *event)
{
	char *colon = strrchr(event->name, ':');

	memcpy(event->scope, "uk", sizeof("uk"));
	if (!colon)
		return;
	if (!strcmp(colon, ":u") || !strcmp(colon, ":k"))
		memcpy(event->scope, colon + 1, sizeof("u"));
	else if (strcmp(colon, ":uk"))
		return;
	*colon = '\0';
}

/* One colon between lower-case words: "exceptions:page_fault_user". */
static bool looks_like_tracepoint(const char *name)
{
	static const char word[] = "abcdefghijklmnopqrstuvwxyz0123456789_";
	size_t length = strspn(name, word);

	if (!length || name[length] != ':')
		return false;
	name += length + 1;
	length = strspn(name, word);
	return length && !name[length];
}

int mmlab_event_next(struct mmlab_event *ret, const char **list)
{
	struct mmlab_event event = { 0 };
	size_t length;

	*list += strspn(*list, ", ");
	length = strcspn(*list, ", ");
	if (!length)
		return 0;
	if (length >= sizeof(event.name))
		return -ENAMETOOLONG;
	memcpy(event.name, *list, length);
	*list += length;
	take_scope(&event);
	if (looks_like_tracepoint(event.name))
		event.kind = MMLAB_EVENT_TRACEPOINT;
	for (size_t i = 0; i < sizeof(known_events) / sizeof(known_events[0]); i++) {
		if (strcasecmp(event.name, known_events[i].name))
			continue;
		strcpy(event.name, known_events[i].name);
		event.known = true;
		event.kind = known_events[i].kind;
		event.never_zero = known_events[i].never_zero;
		event.arm_event = known_events[i].arm_event;
	}
	*ret = event;
	return 1;
}

const char *mmlab_event_scope_reason(const struct mmlab_event *event)
{
	if (!strcmp(event->scope, "uk"))
		return NULL;
	switch (event->kind) {
	case MMLAB_EVENT_CLOCK:
		return "a clock counts user and kernel time together; it has no :u or :k";
	case MMLAB_EVENT_IN_KERNEL:
	case MMLAB_EVENT_TRACEPOINT:
		return strcmp(event->scope, "u") ? NULL
						 : "happens in the kernel only; in user scope it would always read 0";
	default:
		return NULL;
	}
}
