// SPDX-License-Identifier: MIT
/*
 * A faulting access jumps back to where it was tried. The handler may be entered again from there (SA_NODEFER), so that
 * no signal mask needs saving, which would take a system call right before the access that is asked about.
 */
#include "access.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stddef.h>
#include <unistd.h>

#include "cleanup.h"

static const int access_signals[] = { SIGSEGV, SIGBUS };
static struct sigaction access_former[2];
static bool access_is_open;
static _Thread_local sigjmp_buf *volatile access_escape; /* volatile: or it is set too late, or not at all */

/* A fault that nobody asked about gets the former disposition, and the repeated access ends the process. */
static void access_caught(int sig)
{
	if (access_escape)
		siglongjmp(*access_escape, sig);
	(void)sigaction(sig, &access_former[sig == SIGBUS], NULL);
}

int access_open(void)
{
	struct sigaction action = { .sa_handler = access_caught, .sa_flags = SA_NODEFER };

	for (int i = 0; i < 2; i++)
		if (sigaction(access_signals[i], &action, &access_former[i]))
			return -errno;
	access_is_open = true;
	return 0;
}

void access_close(void)
{
	for (int i = 0; access_is_open && i < 2; i++)
		(void)sigaction(access_signals[i], &access_former[i], NULL);
	access_is_open = false;
}

int access_read(const char *at)
{
	sigjmp_buf escape;
	int sig = sigsetjmp(escape, 0);

	if (!sig) {
		access_escape = &escape;
		(void)*(const volatile char *)at;
	}
	access_escape = NULL;
	return sig;
}

int access_write(char *at, char value)
{
	sigjmp_buf escape;
	int sig = sigsetjmp(escape, 0);

	if (!sig) {
		access_escape = &escape;
		*(volatile char *)at = value;
	}
	access_escape = NULL;
	return sig;
}

int access_kernel_read(const char *at)
{
	int ends[2];
	int r;

	if (pipe2(ends, O_CLOEXEC))
		return -errno;
	r = write(ends[1], at, 1) == 1 ? 0 : -errno;
	(void)close(ends[0]);
	(void)close(ends[1]);
	return r;
}
