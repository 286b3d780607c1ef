/* SPDX-License-Identifier: MIT */
/*
 * How long objects may take to go. A file is released by its last user, which may
 * be a worker of the kernel, after all processors: long ones if others want this
 * machine's.
 */
#ifndef MMLAB_TEST_LEAK_WAIT_H
#define MMLAB_TEST_LEAK_WAIT_H

#include <stdlib.h>
#include <time.h>

enum { LEAK_WAIT_S = 120, LEAK_WAIT_STEPS_PER_S = 100 };

/*
 * Return: how many times leak_wait() may be called. The negative controls, whose
 * objects do leak, make it fewer.
 */
static inline unsigned int leak_wait_steps(void)
{
	const char *seconds = getenv("MMLAB_LEAK_WAIT_S");

	return LEAK_WAIT_STEPS_PER_S *
	       (seconds ? (unsigned int)strtoul(seconds, NULL, 10) : LEAK_WAIT_S);
}

static inline void leak_wait(void)
{
	const struct timespec pause = {
		.tv_nsec = 1000 * 1000 * 1000 / LEAK_WAIT_STEPS_PER_S,
	};

	(void)nanosleep(&pause, NULL);
}

#endif /* MMLAB_TEST_LEAK_WAIT_H */
