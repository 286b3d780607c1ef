/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Start one case in a fresh process, wait for its answer, and leave nothing of it behind.
 */
#include <jansson.h>

#include "case.h"
#include "child.h"

struct mmlab_launch {
	const struct mmlab_case *c; /* with seed and cpus */
	struct mmlab_effort effort;
	const char *events;         /* NULL: count none */
	uint64_t mark;              /* name of the case for the plugin of an emulator (mark.h); 0: there is none */
	unsigned int timeout_s;     /* the case is killed after this long */
};

/**
 * mmlab_launch() - run the case once
 * @in:        what to run
 * @ret_reply: object with at least "status", and "reason" unless that is "ok"; owned by the caller. A case that
 *             hangs, crashes or answers nonsense is answered for with status "failed".
 *
 * Return: 0; -EINTR if mmlab_interrupted became set meanwhile (the case was killed); another -errno if no process
 * could be started.
 */
int mmlab_launch(const struct mmlab_launch *in, json_t **ret_reply);

/* Set by the signal handlers that mmlab_launch_catch_signals() installs. */
extern volatile int mmlab_interrupted;

/** mmlab_launch_catch_signals() - let SIGINT, SIGTERM and SIGHUP end the run in an orderly way. */
void mmlab_launch_catch_signals(void);
