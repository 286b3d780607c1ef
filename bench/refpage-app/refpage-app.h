/* SPDX-License-Identifier: MIT */
#pragma once
#include "scenario.h"

/* A contender of this scenario is what the shim puts into large allocations: its MMLAB_SHIM. */
struct refpage_app_ops {
	const char *shim;
};

/* All contenders, ended by NULL: contenders.c. */
extern const struct mmlab_contender *const refpage_app_contenders[];

/** refpage_app_probe() - for needs.probe: are the shim and a document there? */
const char *refpage_app_probe(void);
