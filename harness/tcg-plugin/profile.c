// SPDX-License-Identifier: MIT
#include "profile.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Slot 0 is nobody's. Three quarters are used at most, so that a free one is near. */
static uint64_t addresses[MMLAB_PROFILE_SLOTS];
static uint64_t sums[MMLAB_PROFILE_SLOTS];
static size_t n_used;

size_t mmlab_profile_slot(uint64_t address)
{
	size_t slot = address * UINT64_C(0x9e3779b97f4a7c15) >> (64 - MMLAB_PROFILE_BITS);

	while (slot == 0 || (addresses[slot] && addresses[slot] != address))
		slot = (slot + 1) % MMLAB_PROFILE_SLOTS;
	if (addresses[slot])
		return slot;
	if (n_used == MMLAB_PROFILE_SLOTS / 4 * 3)
		return 0;
	n_used++;
	addresses[slot] = address;
	return slot;
}

void mmlab_profile_clear(void)
{
	memset(sums, 0, sizeof(sums));
}

void mmlab_profile_add(const uint64_t *counts, int64_t sign)
{
	for (size_t slot = 0; slot < MMLAB_PROFILE_SLOTS; slot++)
		sums[slot] += (uint64_t)sign * counts[slot];
}

int mmlab_profile_write(int fd, uint64_t name)
{
	char line[80];

	for (size_t slot = 0; slot < MMLAB_PROFILE_SLOTS; slot++) {
		int n;

		if (!sums[slot])
			continue;
		n = snprintf(line, sizeof(line), "%016" PRIx64 " %016" PRIx64 " %" PRIu64 "\n", name, addresses[slot],
			     sums[slot]);
		if (write(fd, line, (size_t)n) != n)
			return -1;
	}
	return 0;
}
