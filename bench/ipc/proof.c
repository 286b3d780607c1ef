// SPDX-License-Identifier: MIT
/*
 * Access is tried by system calls on a pipe, whose copies to and from user memory heed page tables and protection keys
 * as any access does, but fail with EFAULT instead of a signal.
 */
#include "proof.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "cleanup.h"
#include "content.h"

#define MARKED_OPS   2
#define COMPARED_OPS 2

/* Return: 1 if the byte could be read (or written), 0 if not, -errno. */
static int try_access(char *addr, bool writing)
{
	_cleanup_(mmlab_closep) int in = -1, out = -1;
	int ends[2];
	ssize_t n;

	if (pipe2(ends, O_CLOEXEC))
		return -errno;
	in = ends[0];
	out = ends[1];
	if (writing && write(out, "", 1) != 1)
		return -errno;
	n = writing ? read(in, addr, 1) : write(out, addr, 1);
	return n == 1 ? 1 : errno == EFAULT ? 0 : -errno;
}

static int expect_refused(struct ipc *p, bool writing)
{
	int r = try_access(p->is_consumer ? p->control->said[p->reader].addr : p->addr, writing);

	if (!r)
		return 0;
	if (r < 0)
		return ipc_blame(p, "trying an access: %s", strerror(-r));
	return ipc_blame(p, "%s of the buffer by the %s after giving it up was not refused",
			 writing ? "writing" : "reading", p->is_consumer ? "consumer" : "producer");
}

int ipc_probe(struct ipc *p)
{
	unsigned int revokes = ipc_ops(p)->revokes;
	int e = 0;

	if (p->is_consumer)
		return revokes & IPC_REVOKES_CONSUMER ? expect_refused(p, false) : 0;
	if (revokes & IPC_REVOKES_WRITE)
		e = expect_refused(p, true);
	if (!e && revokes & IPC_REVOKES_READ)
		e = expect_refused(p, false);
	return e;
}

/* Are @n page faults what @ops transfers must cause? */
static bool is_expected(const struct ipc *p, uint64_t (*faults)(const struct ipc *p), uint64_t n, uint64_t n_ops,
			uint64_t *ret_expected)
{
	uint64_t expected = faults ? faults(p) : 0;

	*ret_expected = expected * n_ops;
	return expected == IPC_UNKNOWN || n == *ret_expected;
}

/* Every transfer until now was one that was measured, or the first one. */
static int check_digests(struct ipc *p)
{
	uint64_t by_seq, base, digest = 0;

	ipc_predict(p, &by_seq, &base);
	for (uint64_t seq = 1; seq <= p->seq; seq++)
		digest = ipc_digest(digest, by_seq * seq + base);
	for (unsigned int i = 0; i < p->n_readers; i++)
		if (p->control->said[i].digest != digest)
			return mmlab_fail(p->c, 0,
					  "sums of %llu transfers as consumer %u read them are not as predicted",
					  (unsigned long long)p->seq, i);
	return 0;
}

static int transfer_marked(struct ipc *p, uint64_t n)
{
	int e;

	p->control->command = IPC_MARK;
	e = ipc_transfer(p, n, NULL);
	p->control->command = IPC_WORK;
	return e;
}

/* CPUs that consumers run on, the producer's included if it is one of them. */
static unsigned int consumer_cpus(const struct ipc *p)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < p->n_readers; i++) {
		unsigned int j = 0;

		while (p->control->said[j].cpu != p->control->said[i].cpu)
			j++;
		n += j == i;
	}
	return n;
}

/* Faults at the same time on one file: a window of pages is mapped without those that somebody else has locked. */
static bool fault_together(const struct ipc *p)
{
	const struct ipc_ops *ops = ipc_ops(p);

	return consumer_cpus(p) > 1 && ops->consumer_faults && ops->consumer_faults(p) > 0;
}

/* The same in every consumer, as each has page tables of its own. */
static int check_consumer_faults(struct ipc *p, const uint64_t *before)
{
	for (unsigned int i = 0; i < p->n_readers; i++) {
		uint64_t n = p->control->said[i].faults - before[i], expected;

		if (fault_together(p) && n >= ipc_ops(p)->consumer_faults(p) * MARKED_OPS &&
		    n <= p->n_pages * MARKED_OPS)
			continue;
		if (!is_expected(p, ipc_ops(p)->consumer_faults, n, MARKED_OPS, &expected))
			return mmlab_fail(p->c, 0, "%llu page faults of consumer %u in %d transfers, expected %llu",
					  (unsigned long long)n, i, MARKED_OPS, (unsigned long long)expected);
	}
	return 0;
}

int ipc_observe(struct mmlab_case *c)
{
	const struct ipc_ops *ops = mmlab_ops(c);
	struct ipc *p = mmlab_state(c);
	uint64_t before[IPC_MAX_READERS];
	int e = check_digests(p);

	if (!e)
		e = transfer_marked(p, 1);
	if (e)
		return e;
	for (unsigned int i = 0; i < p->n_readers; i++)
		before[i] = p->control->said[i].faults;
	if (ops->mark)
		ops->mark(p);
	e = transfer_marked(p, MARKED_OPS);
	if (!e && ops->prove)
		e = ops->prove(p, MARKED_OPS);
	if (!e)
		e = check_consumer_faults(p, before);
	if (e)
		return e;
	if (fault_together(p))
		mmlab_report_missing(c, "consumer-faults", "consumers that fault at the same time take more, by chance");
	else
		mmlab_report(c, "consumer-faults", (double)(p->control->said[0].faults - before[0]) / MARKED_OPS);
	mmlab_report(c, "copied", ops->copied ? (double)ops->copied(p) : 0);
	mmlab_report(c, "fallbacks", p->n_fallbacks);
	mmlab_report(c, "consumer-cpus", consumer_cpus(p));
	if (p->n_flushes < 0)
		mmlab_report_missing(c, "flushes", "only the module counts its flushes");
	else
		mmlab_report(c, "flushes", p->n_flushes);
	return 0;
}

static int check_faults(struct ipc *p)
{
	uint64_t n = mmlab_faults(p->c), n_ops = mmlab_counted_ops(p->c), expected;

	if (is_expected(p, ipc_ops(p)->faults, n, n_ops, &expected))
		return 0;
	return mmlab_fail(p->c, 0, "%llu page faults of the producer in %llu transfers, expected %llu",
			  (unsigned long long)n, (unsigned long long)n_ops, (unsigned long long)expected);
}

int ipc_verify(struct mmlab_case *c)
{
	struct ipc *p = mmlab_state(c);
	int e = check_faults(p);

	p->control->command = IPC_COMPARE;
	if (!e)
		e = ipc_transfer(p, COMPARED_OPS, NULL);
	p->control->command = IPC_PROBE;
	if (!e && ipc_ops(p)->revokes)
		e = ipc_transfer(p, 1, ipc_probe);
	p->control->command = IPC_WORK;
	if (!e && p->control->failed)
		e = ipc_fail(p, 0, "");
	return e;
}
