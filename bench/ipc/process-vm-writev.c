// SPDX-License-Identifier: MIT
/* The other direction: the producer copies straight into the consumer's memory, all at once. */
#include "memory.h"

#include <errno.h>
#include <sys/prctl.h>
#include <sys/uio.h>

static int process_vm_writev_open_consumer(struct ipc *p)
{
	(void)prctl(PR_SET_PTRACER, PR_SET_PTRACER_ANY, 0, 0, 0); /* unknown without Yama */
	return ipc_private(p);
}

static int process_vm_writev_release(struct ipc *p)
{
	const struct ipc_said *consumer = &p->control->said[0];
	struct iovec from = { .iov_base = p->addr, .iov_len = p->bytes };
	struct iovec to = { .iov_base = consumer->addr, .iov_len = p->bytes };
	ssize_t n = process_vm_writev(consumer->pid, &from, 1, &to, 1, 0);

	return n == (ssize_t)p->bytes ? 0 : n < 0 ? -errno : -EFAULT;
}

static const struct mmlab_contender process_vm_writev_all = {
	.name = "process-vm-writev",
	.summary = "process_vm_writev, all at once",
	.needs = { .cpus = 2, .memory_bytes = ipc_memory_bytes },
	.unfit = ipc_unfit,
	.full_only = true,
	.ops = &(const struct ipc_ops){
		.open_producer = ipc_private,
		.open_consumer = process_vm_writev_open_consumer,
		.release = process_vm_writev_release,
		.take = ipc_take,
		.copied = ipc_copied_once,
	},
};
