// SPDX-License-Identifier: MIT
/* No buffer at all: the sides only tell each other. */
#include "ipc.h"

static const struct mmlab_contender wakeup = {
	.name = "wakeup",
	.summary = "no buffer: the price of telling each other",
	.needs = { .cpus = 2 },
	.unfit = ipc_unfit,
	.ops = &(const struct ipc_ops){ .many = true, .empty = true },
};
