/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Is what a contender needs there?
 */
#include "case.h"
#include "place.h"

/**
 * mmlab_needs_contender() - what does not depend on the point: user, CPUs, files, programs, probes
 * @pin:    who asks for everything on one CPU needs no other
 * @reason: MMLAB_REASON_BYTES; says what is missing
 * Return: true if everything is there.
 */
bool mmlab_needs_contender(const struct mmlab_contender *contender, const struct mmlab_place *place, enum mmlab_pin pin,
			   char *reason);

/** mmlab_needs_case() - what depends on the point: tasks, memory, fitness. Same arguments and result. */
bool mmlab_needs_case(const struct mmlab_case *c, const struct mmlab_place *place, char *reason);
