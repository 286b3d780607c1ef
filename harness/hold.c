// SPDX-License-Identifier: MIT
/*
 * `mmlab hold`, for scripts/guest-init: opens the default events and leaves a process behind that keeps them open.
 *
 * The first event of a kind makes the kernel patch its code. Doing that while another CPU runs the same code crashes guests
 * under QEMU with several emulated CPUs (7.2 to 10.0), so it is done once, before the other CPUs are started.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "command.h"
#include "counter.h"

int mmlab_hold(int argc, char **argv)
{
	struct mmlab_counters *counters;
	int null, r;
	pid_t pid;

	if (argc > 1) {
		(void)fprintf(stderr, "mmlab %s: takes no arguments\n", argv[0]);
		return MMLAB_EXIT_ERROR;
	}
	r = mmlab_counters_open(&counters, mmlab_counters_default());
	if (r < 0) {
		(void)fprintf(stderr, "mmlab hold: cannot open the events: %s\n", strerror(-r));
		return MMLAB_EXIT_ERROR;
	}
	pid = fork();
	if (pid < 0) {
		(void)fprintf(stderr, "mmlab hold: cannot fork: %s\n", strerror(errno));
		return MMLAB_EXIT_ERROR;
	}
	if (pid)
		return 0;
	/* Whoever reads our output must see its end. */
	null = open("/dev/null", O_RDWR | O_CLOEXEC);
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
		(void)dup2(null, fd);
	(void)setsid();
	for (;;)
		(void)pause();
}
