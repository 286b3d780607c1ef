/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The untimed half of the scenario: what a cycle costs in memory, and the proof that it did what it says.
 */
#include "refpage.h"

/** refpage_of() - the region of a case whose setup has begun; refpage_touch() - touch it as the case's order says. */
struct refpage *refpage_of(const struct mmlab_case *c);
void refpage_touch(const struct refpage *r);

/** refpage_observe(), refpage_verify() - as in struct mmlab_scenario. */
int refpage_observe(struct mmlab_case *c);
int refpage_verify(struct mmlab_case *c);
