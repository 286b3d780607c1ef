// SPDX-License-Identifier: MIT
/*
 * Nobody waits for the dead: the kernel ends a consumer with its producer, and the producer looks after its consumers
 * whenever it has waited for a long time.
 */
#include "wake.h"

#include <errno.h>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PATIENCE_NS    100000000L
#define PATIENCE_SPINS (1U << 18)

static void relax(void)
{
#if defined(__x86_64__)
	__builtin_ia32_pause();
#else
	atomic_signal_fence(memory_order_seq_cst);
#endif
}

static void futex_wait(atomic_uint *word, unsigned int value, const struct timespec *patience)
{
	(void)syscall(SYS_futex, word, FUTEX_WAIT, value, patience, NULL, 0);
}

static void futex_wake(atomic_uint *word)
{
	(void)syscall(SYS_futex, word, FUTEX_WAKE, INT32_MAX, NULL, NULL, 0);
}

/* Looks without reaping: mmlab_peer_close() does that. */
static int check_consumers(struct ipc *p)
{
	if (p->control->failed)
		return -EPIPE;
	for (unsigned int i = 0; i < p->n_readers; i++) {
		const char *how;
		int code;

		if (mmlab_child_ended(p->peers[i].pid, &how, &code)) {
			(void)ipc_blame(p, "consumer %u is dead: %s %d", i, how, code);
			return -EPIPE;
		}
	}
	return 0;
}

void ipc_tell(struct ipc *p)
{
	struct ipc_control *control = p->control;

	atomic_store_explicit(&control->n_left, p->n_readers, memory_order_relaxed);
	atomic_store(&control->seq, (unsigned int)p->seq);
	if (atomic_load(&control->n_seq_sleepers))
		futex_wake(&control->seq);
}

void ipc_await(struct ipc *p)
{
	struct ipc_control *control = p->control;
	unsigned int seq;

	while ((seq = atomic_load(&control->seq)) != (unsigned int)p->seq) {
		if (p->wake == IPC_WAKE_SPIN) {
			relax();
			continue;
		}
		(void)atomic_fetch_add(&control->n_seq_sleepers, 1);
		futex_wait(&control->seq, seq, NULL);
		(void)atomic_fetch_sub(&control->n_seq_sleepers, 1);
	}
}

int ipc_tell_back(struct ipc *p)
{
	struct ipc_control *control = p->control;

	if (ipc_ops(p)->blocks)
		return write(p->back[p->reader][1], "", 1) == 1 ? 0 : -errno;
	if (atomic_fetch_sub(&control->n_left, 1) == 1 && atomic_load(&control->left_sleeps))
		futex_wake(&control->n_left);
	return 0;
}

/* Until *word is @value. */
static int await_word(struct ipc *p, atomic_uint *word, unsigned int value)
{
	static const struct timespec patience = { .tv_nsec = PATIENCE_NS };
	struct ipc_control *control = p->control;
	unsigned int now, n_spins = 0;
	int e = 0;

	while (!e && (now = atomic_load(word)) != value) {
		if (p->wake == IPC_WAKE_SPIN) {
			relax();
			if (!(++n_spins % PATIENCE_SPINS))
				e = check_consumers(p);
			continue;
		}
		atomic_store(&control->left_sleeps, 1);
		futex_wait(word, now, &patience);
		atomic_store_explicit(&control->left_sleeps, 0, memory_order_relaxed);
		if (atomic_load(word) == now)
			e = check_consumers(p);
	}
	return e;
}

int ipc_await_back(struct ipc *p)
{
	if (!ipc_ops(p)->blocks)
		return await_word(p, &p->control->n_left, 0);
	for (unsigned int i = 0; i < p->n_readers; i++) {
		char byte;
		ssize_t n = read(p->back[i][0], &byte, 1);

		if (n != 1)
			return n ? -errno : -EPIPE;
	}
	return 0;
}

/*
 * Fork leaves every page of its own to be copied at the next write. Each operation writes to most of those it ever
 * needs; but deeper parts of the stack, and errno, only when a wait ends early or late: a page fault that would be
 * counted, once in many runs.
 */
static void touch_own_pages(void)
{
	volatile char stack[4 * 4096];

	for (size_t i = 0; i < sizeof(stack); i += 4096)
		stack[i] = 0;
	(void)stack[0];
	errno = 0;
}

void ipc_tell_ready(struct ipc *p)
{
	touch_own_pages();
	(void)atomic_fetch_add(&p->control->n_ready, 1);
	futex_wake(&p->control->n_ready);
}

/* Looks once without need, for the same reason: its symbols are bound then. */
int ipc_await_ready(struct ipc *p)
{
	int e = await_word(p, &p->control->n_ready, p->n_readers);

	touch_own_pages();
	return e ? e : check_consumers(p);
}
