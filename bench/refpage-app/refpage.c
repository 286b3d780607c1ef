// SPDX-License-Identifier: MIT
#include "refpage-app.h"

#include "app.h"
#include "../module-probe.h"

static const char *app_refpage_probe(void)
{
	const char *lacking = module_lacks(MMLAB_MECH_REFPAGE, 0);

	return lacking ? lacking : refpage_app_probe();
}

static const struct mmlab_contender app_refpage = {
	.name = "refpage",
	.summary = "large allocations from a reference page",
	.needs = { .command = APP_PROGRAM, .probe = app_refpage_probe },
	.inexact_faults = "the program's memory lies elsewhere in every run",
	.ops = &(const struct refpage_app_ops){ .shim = "refpage" },
};
