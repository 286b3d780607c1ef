// SPDX-License-Identifier: MIT
/* read(2) of /proc/PID/mem, which copies page by page through one of the kernel's own. */
#include "memory.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/types.h>
#include <unistd.h>

static int proc_mem_open(struct clone *s)
{
	char path[40];

	(void)snprintf(path, sizeof(path), "/proc/%d/mem", (int)s->source_pid);
	s->own_fd = open(path, O_RDONLY | O_CLOEXEC);
	return s->own_fd < 0 ? -errno : 0;
}

static int proc_mem_take(struct clone *s)
{
	int e = clone_map_fresh(s);

	for (size_t done = 0; !e && done < s->bytes;) {
		ssize_t n = pread(s->own_fd, s->map.addr + done, s->bytes - done, (off_t)(uintptr_t)(s->from + done));

		if (n <= 0)
			return n < 0 ? -errno : -EFAULT;
		done += (size_t)n;
	}
	return e ? e : clone_use(s, s->map.addr, 0, s->bytes);
}

static const struct mmlab_contender proc_mem = {
	.name = "proc-mem",
	.summary = "read of /proc/PID/mem into new memory",
	.needs = { .cpus = 1, .memory_bytes = clone_memory_bytes },
	.unfit = clone_unfit,
	.full_only = true,
	.ops =
		&(const struct clone_ops){
			.open = proc_mem_open,
			.take = proc_mem_take,
			.give = clone_unmap,
			.faults = clone_faults_fresh,
		},
};
