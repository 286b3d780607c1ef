// SPDX-License-Identifier: MIT
/*
 * userfaultfd that raises SIGBUS in the toucher, whose handler copies the pattern in: no other thread, but signal
 * delivery and return. The kernel accounts no page fault to the task, as the fault failed; the proof is the handler's
 * own count.
 */
#include "uffd.h"

#include <errno.h>
#include <linux/userfaultfd.h>
#include <signal.h>

static struct {
	const struct refpage *r;
	volatile sig_atomic_t n_handled;
	sig_atomic_t n_before;
	struct sigaction former;
} uffd_sigbus_state; /* a signal handler gets no argument of ours */

/* A page that can't be filled gets the former disposition, and the repeated access ends the process. */
static void uffd_sigbus_handler(int sig, siginfo_t *info, void *context)
{
	int saved_errno = errno;

	(void)context;
	if (refpage_uffd_copy(uffd_sigbus_state.r, (uintptr_t)info->si_addr) < 0)
		(void)sigaction(sig, &uffd_sigbus_state.former, NULL);
	uffd_sigbus_state.n_handled++;
	errno = saved_errno;
}

static int uffd_sigbus_open(struct refpage *r)
{
	struct sigaction action = { .sa_sigaction = uffd_sigbus_handler, .sa_flags = SA_SIGINFO };
	int e = refpage_uffd_open(r, UFFD_FEATURE_SIGBUS);

	if (e)
		return e;
	uffd_sigbus_state.r = r;
	if (sigaction(SIGBUS, &action, &uffd_sigbus_state.former))
		return -errno;
	r->own = &uffd_sigbus_state;
	return 0;
}

static void uffd_sigbus_close(struct refpage *r)
{
	if (r->own)
		(void)sigaction(SIGBUS, &uffd_sigbus_state.former, NULL);
}

static void uffd_sigbus_mark(struct refpage *r)
{
	(void)r;
	uffd_sigbus_state.n_before = uffd_sigbus_state.n_handled;
}

static void uffd_sigbus_prove(struct refpage *r)
{
	size_t n = (size_t)(uffd_sigbus_state.n_handled - uffd_sigbus_state.n_before);

	if (n != r->n_touched)
		refpage_blame(r, "the handler saw %zu faults for %zu touched pages", n, r->n_touched);
}

static const struct mmlab_contender uffd_sigbus = {
	.name = "uffd-sigbus",
	.summary = "userfaultfd, pages filled by a signal handler of the same thread",
	.needs = { .memory_bytes = refpage_memory_bytes, .probe = refpage_uffd_probe },
	.ops = &(const struct refpage_ops){
		.open = uffd_sigbus_open,
		.get = refpage_uffd_get,
		.put = refpage_unmap,
		.close = uffd_sigbus_close,
		.get_faults = refpage_faults_none,
		.touch_faults = refpage_faults_none,
		.mark = uffd_sigbus_mark,
		.prove = uffd_sigbus_prove,
	},
};
