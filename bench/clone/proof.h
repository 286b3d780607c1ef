/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The untimed half of the scenario: what an operation costs beside time, and the proof that it did what it says.
 */
#include "clone.h"

/** clone_observe(), clone_verify() - as in struct mmlab_scenario. */
int clone_observe(struct mmlab_case *c);
int clone_verify(struct mmlab_case *c);
