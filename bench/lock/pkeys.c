// SPDX-License-Identifier: MIT
/*
 * Protection keys: one unprivileged instruction each way, and no flush, as the right is a register of the thread. That
 * is also its limit: only the calling thread loses access, and it can take it back whenever it likes.
 */
#include "file.h"

#include <errno.h>
#include <sys/mman.h>

static const char *pkeys_probe(void)
{
	int key = pkey_alloc(0, 0);

	if (key < 0)
		return "no protection keys: this processor or kernel lacks them (pku), or none is free";
	(void)pkey_free(key);
	return NULL;
}

static int pkeys_grant(struct lock *l)
{
	return pkey_set(l->own_number, 0) ? -errno : 0;
}

static int pkeys_revoke(struct lock *l)
{
	return pkey_set(l->own_number, PKEY_DISABLE_ACCESS) ? -errno : 0;
}

static int pkeys_open(struct lock *l)
{
	int r;

	l->own_number = pkey_alloc(0, 0);
	r = l->own_number < 0 ? -errno : file_open_mapped(l);
	if (!r && pkey_mprotect(l->map.base, l->map.bytes, PROT_READ | PROT_WRITE, l->own_number))
		r = -errno;
	return r ? r : pkeys_revoke(l);
}

static void pkeys_close(struct lock *l)
{
	if (l->own_number > 0)
		(void)pkey_free(l->own_number);
}

static const struct mmlab_contender pkeys = {
	.name = "pkeys",
	.summary = "protection keys: the calling thread gives up its access by itself",
	.needs = { .memory_bytes = lock_memory_bytes, .probe = pkeys_probe },
	.ops =
		&(const struct lock_ops){
			.revokes = LOCK_REVOKES_THREAD,
			.single = true,
			.open = pkeys_open,
			.grant = pkeys_grant,
			.revoke = pkeys_revoke,
			.close = pkeys_close,
			.faults = lock_faults_none,
		},
};
