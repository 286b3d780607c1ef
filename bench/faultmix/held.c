// SPDX-License-Identifier: MIT
/*
 * Order is proved, not time: the lock is held before the touch, and the module says whether it still is afterwards.
 * Only who waited finds it free. Who passed may find it free as well, if it was late: then it is held again, for
 * longer.
 */
#include "held.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

#include "proof.h"

#define FIRST_MS 20
#define N_TRIES	 6

struct held {
	struct faultmix *f;
	unsigned int ms;
	int result;
	atomic_bool ended;
};

static void *held_main(void *arg)
{
	struct held *held = arg;

	held->result = faultmix_ops(held->f)->hold(held->f, held->ms);
	atomic_store(&held->ended, true);
	return NULL;
}

static bool is_held(const struct faultmix *f, struct faultmix_counts *counts)
{
	proof_counts(counts);
	return faultmix_ops(f)->kind == KIND_ARENA ? counts->arena[MMLAB_ARENA_STAT_LIVE_HOLDS]
						   : counts->spf[MMLAB_SPF_STAT_HOLDING];
}

/* Whether a fault of user mode takes a lock that is not the one that is held. */
static bool should_pass(const struct faultmix *f)
{
	const struct faultmix_ops *ops = faultmix_ops(f);
	uint64_t caps = 0;

	(void)mmlab_query(MMLAB_MECH_SPF, &caps);
	if (ops->kind == KIND_ARENA)
		return ops->scheme != MMLAB_ARENA_RWSEM;
	if (ops->kind == KIND_REGION && ops->mode != MMLAB_SPF_NORMAL)
		return ops->mode == MMLAB_SPF_SPECULATIVE;
	return caps & MMLAB_SPF_CAP_VMA_LOCK;
}

/* Return: 0 or -errno; -EAGAIN if nobody held the lock when the page was touched. */
static int touch_while_held(struct faultmix *f, volatile char *page, unsigned int ms, bool *ret_passed, bool *ret_nodes)
{
	struct held held = { .f = f, .ms = ms };
	struct faultmix_counts counts;
	bool was_held = false;
	pthread_t thread;
	int r = -pthread_create(&thread, NULL, held_main, &held);

	if (r)
		return r;
	while (!was_held && !atomic_load(&held.ended)) {
		was_held = is_held(f, &counts);
		(void)sched_yield();
	}
	*ret_nodes = counts.arena[MMLAB_ARENA_STAT_LIVE_NODES];
	*page = 1;
	*ret_passed = is_held(f, &counts);
	(void)pthread_join(thread, NULL);
	return held.result ? held.result : was_held ? 0 : -EAGAIN;
}

int held_verify(struct faultmix *f)
{
	const struct faultmix_ops *ops = faultmix_ops(f);
	bool expected = should_pass(f), passed = false, has_nodes = false;
	size_t slot = faultmix_slot(f, 0);
	char *page = f->base + slot;
	int r;

	if (ops->no_hold && ops->no_hold())
		return 0;
	r = ops->map(f, slot, FAULTMIX_SLOT_BYTES);
	if (r)
		return mmlab_fail(f->c, r, "mapping");
	*page = 1; /* the table, and what a region needs of the kernel before it speculates */
	for (unsigned int i = 0; i < N_TRIES; i++) {
		page += f->page_bytes;
		r = touch_while_held(f, page, FIRST_MS << i, &passed, &has_nodes);
		if (r != -EAGAIN && (r || passed || !expected))
			break;
	}
	if (r)
		return mmlab_fail(f->c, r, "holding the lock");
	if (passed != expected)
		return mmlab_fail(f->c, 0, "a fault %s for who holds the lock, and should%s",
				  passed ? "does not wait" : "waits", passed ? "" : " not");
	if (ops->kind == KIND_ARENA && has_nodes != (ops->scheme == MMLAB_ARENA_LIST))
		return mmlab_fail(f->c, 0, "the module %s a list of ranges", has_nodes ? "has" : "has not");
	r = ops->unmap(f, slot, FAULTMIX_SLOT_BYTES);
	return r ? mmlab_fail(f->c, r, "unmapping") : 0;
}
