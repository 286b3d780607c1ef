/* SPDX-License-Identifier: MIT */
/*
 * Accesses to memory that may end in a signal, by any thread.
 */
#ifndef MMLAB_TEST_ACCESS_H
#define MMLAB_TEST_ACCESS_H

#include <setjmp.h>
#include <signal.h>
#include <stdbool.h>

/* Where a signal leads to while access_expected; without, it ends the process. */
static _Thread_local sigjmp_buf access_jump;
static _Thread_local volatile bool access_expected;

static inline void access_handler(int signal)
{
	if (access_expected)
		siglongjmp(access_jump, signal);
	(void)sigaction(signal, &(struct sigaction){ .sa_handler = SIG_DFL },
			NULL);
}

static inline void access_prepare(void)
{
	const struct sigaction action = { .sa_handler = access_handler };

	(void)sigaction(SIGSEGV, &action, NULL);
	(void)sigaction(SIGBUS, &action, NULL);
}

/* The signal that an access ends in; 0 if it succeeds. */
static inline int access_signal(volatile unsigned char *byte, bool write)
{
	int signal;

	access_prepare();
	signal = sigsetjmp(access_jump, 1);
	if (signal == 0) {
		access_expected = true;
		if (write)
			*byte = *byte;
		else
			(void)*byte;
	}
	access_expected = false;
	return signal;
}

#endif /* MMLAB_TEST_ACCESS_H */
