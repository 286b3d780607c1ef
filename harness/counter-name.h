/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Names of events: what an --events list says, and what is known about some of them without asking any library.
 */
#include <stdbool.h>

enum mmlab_event_kind {
	MMLAB_EVENT_OTHER,      /* whatever libpfm4 makes of the name */
	MMLAB_EVENT_SOFTWARE,   /* counted by the kernel, by the mode in which it happens */
	MMLAB_EVENT_IN_KERNEL,  /* only ever happens in the kernel: in user scope it would read 0 */
	MMLAB_EVENT_CLOCK,      /* can't be divided into user and kernel */
	MMLAB_EVENT_HARDWARE,   /* needs a PMU */
	MMLAB_EVENT_TRACEPOINT, /* "system:name"; needs tracefs; happens in the kernel */
};

struct mmlab_event {
	char name[64];
	char scope[3]; /* "u", "k" or "uk" */
	enum mmlab_event_kind kind;
	bool known;            /* without any library: never an unknown name */
	bool never_zero;       /* no code runs without it, so 0 means that the PMU doesn't have it */
	const char *arm_event; /* name in sysfs of arm64 PMUs, or NULL */
};

/**
 * mmlab_event_next() - take the next event from a comma-separated list
 * @list: advanced past the event
 * Return: 1 with *ret filled, 0 at the end, -ENAMETOOLONG.
 */
int mmlab_event_next(struct mmlab_event *ret, const char **list);

/** mmlab_event_scope_reason() - why an event of this kind has no such scope, or NULL if it does. */
const char *mmlab_event_scope_reason(const struct mmlab_event *event);
