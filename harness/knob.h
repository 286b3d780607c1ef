/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Kernel settings that cases need. Only the steering process changes them; it puts every file back to its former
 * value before a case that does not ask for it, and at the end of the run. Should it be killed before that, a process
 * that waits for nothing else does it: the keeper, which shares the list of what was changed.
 */
#include <sys/types.h>

#include "case.h"

#define MMLAB_MAX_KNOBS 16

struct mmlab_knobs {
	size_t n;
	struct {
		char path[256];
		char former[64];
		char current[64];
		bool changed; /* or about to be */
	} knob[MMLAB_MAX_KNOBS];
	pid_t keeper;
	int alive_fd; /* of which the keeper sees the end */
};

/**
 * mmlab_knobs_open() - an empty list, and its keeper
 * Return: 0 or -errno.
 */
int mmlab_knobs_open(struct mmlab_knobs **ret);

/** mmlab_knobs_close() - put everything back and end the keeper. Return: 0 or the first -errno of putting back. */
int mmlab_knobs_close(struct mmlab_knobs *knobs);

/**
 * mmlab_knobs_apply() - bring all settings to what this case wants
 * @ret_status: what the case is if that fails: skipped, as it cannot have what it needs; or failed, as another case's
 *	setting could not be put back
 * @reason: MMLAB_REASON_BYTES; says which file could not be written, and what helps
 * Return: 0, or -errno: the case must not run, for that reason.
 */
int mmlab_knobs_apply(struct mmlab_knobs *knobs, const struct mmlab_case *c, enum mmlab_status *ret_status, char *reason);

/** mmlab_knobs_restore() - put everything back. Return: 0 or the first -errno. */
int mmlab_knobs_restore(struct mmlab_knobs *knobs);
