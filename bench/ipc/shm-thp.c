// SPDX-License-Identifier: MIT
/* As shm, of transparent huge pages. */
#include "memory.h"

static const struct mmlab_contender shm_thp = {
	.name = "shm-thp",
	.summary = "shm with transparent huge pages",
	.needs = { .cpus = 2, .memory_bytes = ipc_memory_bytes, .knobs = ipc_thp_knobs },
	.unfit = ipc_unfit_mostly_unused,
	.ops = &(const struct ipc_ops){ IPC_SHM_OPS, .pages = IPC_THP, .prove = ipc_prove_pages },
};
