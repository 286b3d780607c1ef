/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * What the module and the memory tell after the work: that the intended path served it, and that nothing is lost.
 */
#include "crew.h"
#include "faultmix.h"

/** proof_counts() - read the module's counters; all 0 where there is no module. */
void proof_counts(struct faultmix_counts *ret);

/** proof_since() - what was added to the counters between two moments. */
struct faultmix_counts proof_since(const struct faultmix_counts *from, const struct faultmix_counts *to);

/** proof_fallbacks() - faults in regions that the hook left to the kernel, for whatever reason. */
uint64_t proof_fallbacks(const struct faultmix_counts *counts);

/** proof_undisturbed() - nothing but a worker's own changes touches its mapping: exact counts can be computed. */
bool proof_undisturbed(const struct faultmix *f);

/**
 * proof_verify() - content, page faults and counters, then gives all memory back
 * Return: 0 or what mmlab_fail() says.
 */
int proof_verify(struct faultmix *f);

/** proof_unmap_areas() - give back what the workers touched. Return: 0 or -errno. */
int proof_unmap_areas(struct faultmix *f);
