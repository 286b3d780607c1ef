// SPDX-License-Identifier: MIT
#include "process-vm.h"

#include <errno.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/uio.h>

int ipc_vm_open_producer(struct ipc *p)
{
	(void)prctl(PR_SET_PTRACER, PR_SET_PTRACER_ANY, 0, 0, 0); /* unknown without Yama */
	p->control->producer_addr = p->place;
	return ipc_private(p);
}

static size_t part_bytes(const struct ipc *p)
{
	const size_t *part = ipc_plan(p);

	return *part && *part < p->bytes ? *part : p->bytes;
}

int ipc_vm_open_consumer(struct ipc *p)
{
	int e = mmlab_map_open(&p->map, part_bytes(p), PROT_READ | PROT_WRITE,
			       MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);

	p->addr = p->map.addr;
	return e;
}

int ipc_vm_take(struct ipc *p)
{
	size_t part = part_bytes(p), n;

	for (size_t done = 0; done < p->bytes; done += n) {
		struct iovec from = { .iov_base = p->control->producer_addr + done };
		struct iovec to = { .iov_base = p->addr };
		ssize_t r;

		n = part < p->bytes - done ? part : p->bytes - done;
		from.iov_len = to.iov_len = n;
		r = process_vm_readv(p->control->producer_pid, &to, 1, &from, 1, 0);
		if (r != (ssize_t)n)
			return r < 0 ? -errno : -EFAULT;
		ipc_consume(p, p->addr, done, n);
	}
	return 0;
}

const char *ipc_vm_unfit(const struct mmlab_case *c)
{
	const struct ipc_ops *ops = mmlab_ops(c);
	const size_t *part = ops->plan;

	return mmlab_param(c, "size") <= *part ? "one part is all: the same as process-vm-readv" : ipc_unfit(c);
}
