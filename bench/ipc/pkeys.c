// SPDX-License-Identifier: MIT
/*
 * Shared memory under a protection key on either side: each thread opens and closes it for itself by writing a
 * register. No page table changes and nothing is flushed; but any code of the process may open it again, so it is a
 * safeguard, not a revocation.
 */
#include "memory.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>

static const char *pkeys_probe(void)
{
	int key = pkey_alloc(0, 0);

	if (key < 0)
		return "this CPU or kernel has no protection keys";
	(void)pkey_free(key);
	return NULL;
}

/* p->own: the key. Closed from the start. */
static int pkeys_close_off(struct ipc *p, int prot)
{
	int *key = malloc(sizeof(*key));

	if (!key)
		return -ENOMEM;
	p->own = key;
	*key = pkey_alloc(0, PKEY_DISABLE_ACCESS);
	return *key < 0 || pkey_mprotect(p->map.base, p->map.bytes, prot, *key) ? -errno : 0;
}

static int pkeys_open_producer(struct ipc *p)
{
	int e = ipc_file_producer(p);

	return e ? e : pkeys_close_off(p, PROT_READ | PROT_WRITE);
}

static int pkeys_open_consumer(struct ipc *p)
{
	int e = ipc_file_consumer(p);

	return e ? e : pkeys_close_off(p, PROT_READ);
}

static int pkeys_acquire(struct ipc *p)
{
	return pkey_set(*(const int *)p->own, 0) ? -errno : 0;
}

static int pkeys_release(struct ipc *p)
{
	return pkey_set(*(const int *)p->own, PKEY_DISABLE_ACCESS) ? -errno : 0;
}

static int pkeys_take(struct ipc *p)
{
	int e = pkeys_acquire(p);

	return e ? e : ipc_take(p);
}

static void pkeys_close(struct ipc *p)
{
	free(p->own);
}

static const struct mmlab_contender pkeys = {
	.name = "pkeys",
	.summary = "shared memory under a protection key of each side",
	.needs = { .cpus = 2, .memory_bytes = ipc_memory_bytes, .probe = pkeys_probe },
	.unfit = ipc_unfit,
	.ops = &(const struct ipc_ops){
		.many = true,
		.open_shared = ipc_file,
		.open_producer = pkeys_open_producer,
		.open_consumer = pkeys_open_consumer,
		.acquire = pkeys_acquire,
		.release = pkeys_release,
		.take = pkeys_take,
		.give = pkeys_release,
		.close = pkeys_close,
		.revokes = IPC_REVOKES_WRITE | IPC_REVOKES_READ | IPC_REVOKES_CONSUMER,
	},
};
