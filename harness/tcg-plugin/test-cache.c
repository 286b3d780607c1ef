// SPDX-License-Identifier: MIT
#undef NDEBUG
#include <assert.h>

#include "cache.h"

#define N_SETS 2
#define N_WAYS 3

static struct mmlab_cache_entry entries[N_SETS * N_WAYS];
static struct mmlab_cache cache = { N_SETS, N_WAYS, entries };

static bool hits(uint64_t key)
{
	return mmlab_cache_access(&cache, key, 0);
}

static void test_least_recent_makes_room(void)
{
	mmlab_cache_drop(&cache, UINT64_MAX);
	assert(!hits(0) && !hits(2) && !hits(4)); /* one set */
	assert(hits(0) && hits(2) && hits(4));
	assert(hits(0));
	assert(!hits(6)); /* 2 makes room */
	assert(hits(0) && hits(4) && hits(6));
	assert(!hits(2)); /* 0 makes room */
	assert(hits(4) && hits(6) && hits(2) && !hits(0));
}

static void test_sets_are_apart(void)
{
	mmlab_cache_drop(&cache, UINT64_MAX);
	assert(!hits(1));
	for (uint64_t key = 0; key < 20; key += 2)
		assert(!hits(key));
	assert(hits(1));
}

static void test_other_value_is_missed(void)
{
	mmlab_cache_drop(&cache, UINT64_MAX);
	assert(!mmlab_cache_access(&cache, 5, 1) && mmlab_cache_access(&cache, 5, 1));
	assert(!mmlab_cache_access(&cache, 5, 2) && mmlab_cache_access(&cache, 5, 2));
	assert(!mmlab_cache_access(&cache, 5, 1));
	/* It took the place of the former one, and nobody else's. */
	assert(!hits(7) && !hits(9) && hits(7) && mmlab_cache_access(&cache, 5, 1) && hits(9));
}

static void test_drop_below(void)
{
	mmlab_cache_drop(&cache, UINT64_MAX);
	assert(!hits(10) && !hits(100) && !hits(12) && !hits(11));
	mmlab_cache_drop(&cache, 100);
	assert(hits(100) && !hits(10) && !hits(12) && !hits(11));
	assert(hits(100));
	mmlab_cache_drop(&cache, UINT64_MAX);
	assert(!hits(100));
}

int main(void)
{
	test_least_recent_makes_room();
	test_sets_are_apart();
	test_other_value_is_missed();
	test_drop_below();
	return 0;
}
