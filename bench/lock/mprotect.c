// SPDX-License-Identifier: MIT
/*
 * A populated shared mapping toggles between PROT_NONE and reading and writing: each entry of the last level is
 * rewritten, twice. No faults: entries of a shared mapping become writable at once.
 */
#include "file.h"

static int mprotect_open(struct lock *l)
{
	int r = file_open_mapped(l);

	return r ? r : file_revoke_access(l);
}

static const struct mmlab_contender mprotect_toggle = {
	.name = "mprotect",
	.summary = "mprotect between nothing and reading and writing",
	.needs = { .memory_bytes = lock_memory_bytes },
	.ops =
		&(const struct lock_ops){
			.revokes = LOCK_REVOKES_ALL,
			.open = mprotect_open,
			.grant = file_grant_access,
			.revoke = file_revoke_access,
			.faults = lock_faults_none,
		},
};
