// SPDX-License-Identifier: MIT
#include "refpage-app.h"

#include "app.h"

static const struct mmlab_contender app_memset = {
	.name = "memset",
	.summary = "large allocations filled by memset: the baseline",
	.needs = { .command = APP_PROGRAM, .probe = refpage_app_probe },
	.inexact_faults = "the program's memory lies elsewhere in every run",
	.ops = &(const struct refpage_app_ops){ .shim = "memset" },
};
