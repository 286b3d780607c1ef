/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * A set-associative memory of keys, in which the least recently used one of a set makes room: what caches and TLBs have
 * in common. No prefetching, no victim buffers, no latency.
 */
#include <stdbool.h>
#include <stdint.h>

#define MMLAB_CACHE_MAX_WAYS 16

struct mmlab_cache_entry {
	uint64_t key;	/* plus one; 0: empty */
	uint64_t value; /* what the key stands for: the frame of a page; 0 in a cache */
};

struct mmlab_cache {
	uint64_t n_sets; /* a power of two */
	unsigned int n_ways;
	struct mmlab_cache_entry *entries; /* set after set, each with the most recently used first */
};

/**
 * mmlab_cache_access() - look for a key, and have it afterwards
 * @key:   number of the line or page; its lowest bits choose the set
 * @value: a key that is there with another value has become something else, and is missed
 * Return: whether it was there.
 */
bool mmlab_cache_access(struct mmlab_cache *cache, uint64_t key, uint64_t value);

/** mmlab_cache_drop() - forget all keys below @limit; UINT64_MAX: all */
void mmlab_cache_drop(struct mmlab_cache *cache, uint64_t limit);
