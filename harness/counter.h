/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Event counters around the counting pass. Names are encoded by libpfm4 and counted by libperf (counter.c), or,
 * where either is missing at build time, every event is recorded as not supported with that reason (counter-none.c).
 * An unavailable counter is a state with a reason: never zero, never absent.
 */
#include <stddef.h>
#include <stdint.h>

enum mmlab_counter_state {
	MMLAB_COUNTER_EXACT,         /* counted all the time */
	MMLAB_COUNTER_SCALED,        /* shared its hardware counter: value is an estimate */
	MMLAB_COUNTER_NOT_SUPPORTED, /* this machine or build has no such counter */
	MMLAB_COUNTER_NOT_PERMITTED, /* there may be one, but this user may not open it */
	MMLAB_COUNTER_NOT_COUNTED,   /* opened, but ran less than half of the time */
};

/* One event in one scope. */
struct mmlab_counter {
	char event[64];
	char scope[3]; /* "u", "k" or "uk" */
	enum mmlab_counter_state state;
	char reason[160]; /* for every state but exact */
	uint64_t value;   /* scaled if state says so */
	uint64_t raw;
	uint64_t enabled_ns, running_ns;
};

struct mmlab_counters; /* open counters of one case */

/**
 * mmlab_counters_default() - events that are counted unless --events names others, comma-separated
 */
const char *mmlab_counters_default(void);

/**
 * mmlab_counters_check() - can these names be encoded?
 * @events: comma-separated; "NAME:u" or "NAME:k" asks for one scope, otherwise user and kernel together
 * @ret_bad: on -ENOENT, the name that nobody knows; static buffer
 * Return: 0, -ENOENT for an unknown name, or another -errno. Without libpfm4 only the software events are known.
 */
int mmlab_counters_check(const char *events, const char **ret_bad);

/**
 * mmlab_counters_open() - open the events on the calling process, its later threads and later children, disabled
 * @ret: always filled on success, also when no event could be opened: each carries its state
 * Return: 0 or -errno (no memory, unknown name).
 */
int mmlab_counters_open(struct mmlab_counters **ret, const char *events);

/** mmlab_counters_enable() - start counting; may be called from a forked task too. */
void mmlab_counters_enable(struct mmlab_counters *counters);
void mmlab_counters_disable(struct mmlab_counters *counters);

/**
 * mmlab_counters_read() - fill the array with all events
 * @ret: owned by @counters, valid until the next read or close
 * Return: number of entries, or -errno.
 */
int mmlab_counters_read(struct mmlab_counters *counters, const struct mmlab_counter **ret);

/** mmlab_counters_close() - NULL is accepted. Return: NULL. */
struct mmlab_counters *mmlab_counters_close(struct mmlab_counters *counters);

/** mmlab_counter_state_name() - "exact", "scaled", "not-supported", "not-permitted", "not-counted". */
const char *mmlab_counter_state_name(enum mmlab_counter_state state);

/** mmlab_counter_library() - libraries and versions that count, for `mmlab env`. */
const char *mmlab_counter_library(void);
