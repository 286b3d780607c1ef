// SPDX-License-Identifier: MIT
#undef NDEBUG
#include <assert.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "profile.h"

#define N_MANY (MMLAB_PROFILE_SLOTS / 2)

static uint64_t counts[MMLAB_PROFILE_SLOTS];

static void test_slots_are_apart(void)
{
	static unsigned char taken[MMLAB_PROFILE_SLOTS];

	for (uint64_t i = 1; i <= N_MANY; i++) {
		size_t slot = mmlab_profile_slot(i << 2 | UINT64_C(0xffffffff) << 32);

		assert(slot && slot < MMLAB_PROFILE_SLOTS && !taken[slot]++);
		assert(mmlab_profile_slot(i << 2 | UINT64_C(0xffffffff) << 32) == slot);
	}
}

static void test_what_is_between_is_written(void)
{
	FILE *file = tmpfile();
	char text[256] = "";
	size_t slot = mmlab_profile_slot(0xffffffff00001000), other = mmlab_profile_slot(0xffffffff00001004);

	assert(file);
	mmlab_profile_clear();
	counts[slot] = 5;
	counts[other] = 7;
	mmlab_profile_add(counts, -1);
	counts[slot] += 3;
	mmlab_profile_add(counts, 1);
	counts[slot] += 100; /* outside */
	assert(!mmlab_profile_write(fileno(file), 0xab));
	rewind(file);
	assert(fread(text, 1, sizeof(text) - 1, file));
	assert(!strcmp(text, "00000000000000ab ffffffff00001000 3\n"));
	(void)fclose(file);
	assert(mmlab_profile_write(-1, 0xab));
}

static void test_full(void)
{
	uint64_t address = 1;

	while (mmlab_profile_slot(address << 40))
		assert(++address < MMLAB_PROFILE_SLOTS);
	assert(mmlab_profile_slot(0xffffffff00001000)); /* those that are there stay */
}

int main(void)
{
	test_slots_are_apart();
	test_what_is_between_is_written();
	test_full();
	return 0;
}
