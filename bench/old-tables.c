// SPDX-License-Identifier: MIT
#include "old-tables.h"

#include <unistd.h>

#include "libmmlab.h"

void await_old_tables(void)
{
	uint64_t n[MMLAB_LOCKBUF_N_STATS];

	for (int i = 0; i < 1000; i++) {
		if (mmlab_stats(MMLAB_MECH_LOCKBUF, n, MMLAB_LOCKBUF_N_STATS) < 0 || !n[MMLAB_LOCKBUF_STAT_LIVE_TABLES])
			return;
		(void)usleep(1000);
	}
}
