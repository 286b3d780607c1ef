// SPDX-License-Identifier: MIT
#include "readv.h"

#include <errno.h>
#include <sys/mman.h>
#include <sys/uio.h>

static const struct clone_readv *plan_of(const struct clone *s)
{
	return clone_plan(s);
}

static size_t part_bytes(const struct clone *s)
{
	size_t part = plan_of(s)->part;

	return part && part < s->bytes ? part : s->bytes;
}

int clone_readv_open(struct clone *s)
{
	const struct clone_readv *plan = plan_of(s);
	int e = 0;

	if (plan->kept)
		e = clone_map(s, part_bytes(s), MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1);
	if (!e && plan->locked && mlock(s->map.base, s->map.bytes))
		e = errno == ENOMEM || errno == EPERM ? mmlab_skip(s->c, "RLIMIT_MEMLOCK is too low") : -errno;
	return e;
}

int clone_readv_take(struct clone *s)
{
	size_t part = part_bytes(s), n;
	int e = plan_of(s)->kept ? 0 : clone_map_fresh(s);

	for (size_t done = 0; !e && done < s->bytes; done += n) {
		struct iovec from = { .iov_base = s->from + done }, to = { .iov_base = s->map.addr };
		ssize_t r;

		n = part < s->bytes - done ? part : s->bytes - done;
		from.iov_len = to.iov_len = n;
		r = process_vm_readv(s->source_pid, &to, 1, &from, 1, 0);
		if (r != (ssize_t)n)
			return r < 0 ? -errno : -EFAULT;
		e = clone_use(s, s->map.addr, done, n);
	}
	return e;
}

int clone_readv_give(struct clone *s)
{
	return plan_of(s)->kept ? 0 : clone_unmap(s);
}

uint64_t clone_readv_faults(const struct clone *s)
{
	return plan_of(s)->kept ? clone_faults_swapped(s) : clone_faults_fresh(s);
}

const char *clone_readv_unfit(const struct mmlab_case *c)
{
	const struct clone_ops *ops = mmlab_ops(c);
	const struct clone_readv *plan = ops->plan;

	return mmlab_param(c, "size") <= plan->part ? "one part is all" : clone_unfit(c);
}
