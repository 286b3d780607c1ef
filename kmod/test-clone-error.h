/* SPDX-License-Identifier: MIT */
/*
 * What the tests of errors share. An error leaves everything as it was.
 */
#ifndef MMLAB_TEST_CLONE_ERROR_H
#define MMLAB_TEST_CLONE_ERROR_H

#include "test-clone.h"

enum { N_PAGES = 8 };
#define BYTES (N_PAGES * PAGE)

static inline void *map(struct peer peer, const char *from, size_t bytes)
{
	return mmlab_process_vm_mmap(peer.pid, from, bytes, NULL, 0);
}

/* The source is whole, and nothing was mapped here. */
static inline void nothing_happened(struct peer peer)
{
	EXPECT_THERE(peer, SOURCE_ADDR, BYTES, 1);
	stats_mark();
	EXPECT_EQ(stats_delta[MMLAB_CLONE_STAT_CLONES], 0);
}

#endif /* MMLAB_TEST_CLONE_ERROR_H */
