/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * An unrelated process that is busy on a CPU of its own and counts its progress; it has no part of the memory.
 */
#include "scenario.h"

struct beside;

/** beside_open() - start it, asleep; before there is a memory that it could inherit. Return: 0 or -errno. */
int beside_open(struct beside **ret, struct mmlab_case *c);

/** beside_missing() - why there is nothing to measure with it, as static text; or NULL. */
const char *beside_missing(const struct beside *beside);

/** beside_run() - be busy, or sleep again; returns when it does. Return: 0, or -ESRCH if it has ended. */
int beside_run(struct beside *beside, bool on);

/** beside_progress() - turns of its loop so far. */
uint64_t beside_progress(const struct beside *beside);

/** beside_interrupts() - calls by other CPUs to its CPU since the machine started. Return: 0 or -errno. */
int beside_interrupts(const struct beside *beside, uint64_t *ret);

/** beside_close() - NULL is accepted. Return: NULL. */
struct beside *beside_close(struct beside *beside);
