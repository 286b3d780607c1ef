/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * A small seeded generator (splitmix64), so that the same seed gives the same order on every machine.
 */
#include <stddef.h>
#include <stdint.h>

static inline uint64_t mmlab_rng_next(uint64_t *state)
{
	uint64_t z = (*state += UINT64_C(0x9e3779b97f4a7c15));

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

/* Fisher-Yates; the bias of the plain remainder is below 2^-40 for any list that fits here. */
static inline void mmlab_rng_shuffle(uint64_t *state, size_t *items, size_t n)
{
	for (size_t i = n; i > 1; i--) {
		size_t j = mmlab_rng_next(state) % i;
		size_t swap = items[i - 1];

		items[i - 1] = items[j];
		items[j] = swap;
	}
}
