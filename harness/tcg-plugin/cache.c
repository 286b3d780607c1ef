// SPDX-License-Identifier: MIT
#include "cache.h"

#include <string.h>

bool mmlab_cache_access(struct mmlab_cache *cache, uint64_t key, uint64_t value)
{
	struct mmlab_cache_entry *set = &cache->entries[(key & (cache->n_sets - 1)) * cache->n_ways];
	unsigned int i = 0;
	bool hit;

	/* Where it is, else where it will have to go: an empty place, or the last. */
	while (i < cache->n_ways - 1 && set[i].key != key + 1 && set[i].key)
		i++;
	hit = set[i].key == key + 1 && set[i].value == value;
	memmove(&set[1], &set[0], i * sizeof(*set));
	set[0] = (struct mmlab_cache_entry){ key + 1, value };
	return hit;
}

void mmlab_cache_drop(struct mmlab_cache *cache, uint64_t limit)
{
	for (uint64_t set = 0; set < cache->n_sets; set++) {
		struct mmlab_cache_entry *entries = &cache->entries[set * cache->n_ways];
		unsigned int n = 0;

		/* What stays moves up: the empty places of a set are its last. */
		for (unsigned int i = 0; i < cache->n_ways; i++)
			if (entries[i].key > limit)
				entries[n++] = entries[i];
		memset(&entries[n], 0, (cache->n_ways - n) * sizeof(*entries));
	}
}
