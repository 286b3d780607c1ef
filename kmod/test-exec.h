/* SPDX-License-Identifier: MIT */
/*
 * A process that executes this very program, which then says so and does nothing:
 * its memory is another, its descriptors are those it had.
 */
#ifndef MMLAB_TEST_EXEC_H
#define MMLAB_TEST_EXEC_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "test-check.h"

#define EXEC_SAY_READY "--say-ready"

/* A byte comes from @fd once the old memory is gone. Does not return. */
__attribute__((noreturn)) static inline void exec_say_ready(int fd)
{
	char text[16];

	(void)snprintf(text, sizeof(text), "%d", fd);
	(void)execl("/proc/self/exe", "test", EXEC_SAY_READY, text, NULL);
	check_end(1, "execl: %s", strerror(errno));
}

/* The first thing that main() calls. Does not return in the new program. */
static inline void exec_main(int argc, char **argv)
{
	if (argc != 3 || strcmp(argv[1], EXEC_SAY_READY) != 0)
		return;
	(void)write((int)strtol(argv[2], NULL, 10), "x", 1);
	for (;;)
		(void)pause();
}

#endif /* MMLAB_TEST_EXEC_H */
