// SPDX-License-Identifier: MIT
#include "refpage-app.h"

#include "app.h"
#include "libmmlab.h"

static const char *app_refpage_probe(void)
{
	uint64_t caps;

	if (mmlab_query(MMLAB_MECH_REFPAGE, &caps) < 0)
		return "no reference pages: the module is not loaded, lacks them, or /dev/mmlab is closed to this user";
	return refpage_app_probe();
}

static const struct mmlab_contender app_refpage = {
	.name = "refpage",
	.summary = "large allocations from a reference page",
	.needs = { .command = APP_PROGRAM, .probe = app_refpage_probe },
	.inexact_faults = "the program's memory lies elsewhere in every run",
	.ops = &(const struct refpage_app_ops){ .shim = "refpage" },
};
