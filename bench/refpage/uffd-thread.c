// SPDX-License-Identifier: MIT
/*
 * userfaultfd with a handler thread on a CPU of its own: each first touch of a page wakes the thread, which copies the
 * pattern in and wakes the toucher. Proof: the thread handled one message for each touched page.
 */
#include "uffd.h"

#include <errno.h>
#include <linux/userfaultfd.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

#include "peer.h"

struct uffd_thread {
	struct refpage *r;
	pthread_t thread;
	atomic_ulong n_handled;
	unsigned long n_before;
};

/* Ends by cancellation, for which read() is the place; polling for an end as well would cost a call per fault. */
static void *uffd_thread_main(void *arg)
{
	struct uffd_thread *own = arg;
	struct uffd_msg msg;

	(void)mmlab_pin_peer_thread(own->r->c);
	while (read(own->r->fd, &msg, sizeof(msg)) == sizeof(msg)) {
		atomic_fetch_add(&own->n_handled, 1);
		if (refpage_uffd_copy(own->r, msg.arg.pagefault.address) < 0)
			_exit(EXIT_FAILURE); /* nobody else can wake who touched the page */
	}
	return NULL;
}

static int uffd_thread_open(struct refpage *r)
{
	struct uffd_thread *own = calloc(1, sizeof(*own));
	int e = own ? refpage_uffd_open(r, 0) : -ENOMEM;

	if (!e) {
		own->r = r;
		e = -pthread_create(&own->thread, NULL, uffd_thread_main, own);
	}
	if (e)
		free(own);
	else
		r->own = own;
	return e;
}

static void uffd_thread_close(struct refpage *r)
{
	struct uffd_thread *own = r->own;

	if (!own)
		return;
	(void)pthread_cancel(own->thread);
	(void)pthread_join(own->thread, NULL);
	free(own);
}

static void uffd_thread_mark(struct refpage *r)
{
	struct uffd_thread *own = r->own;

	own->n_before = atomic_load(&own->n_handled);
}

static void uffd_thread_prove(struct refpage *r)
{
	struct uffd_thread *own = r->own;
	unsigned long n = atomic_load(&own->n_handled) - own->n_before;

	if (n != r->n_touched)
		refpage_blame(r, "the handler saw %lu faults for %zu touched pages", n, r->n_touched);
}

static const struct mmlab_contender uffd_thread = {
	.name = "uffd-thread",
	.summary = "userfaultfd, pages filled by a handler thread",
	.needs = { .memory_bytes = refpage_memory_bytes, .probe = refpage_uffd_probe },
	.ops = &(const struct refpage_ops){
		.open = uffd_thread_open,
		.get = refpage_uffd_get,
		.put = refpage_unmap,
		.close = uffd_thread_close,
		.get_faults = refpage_faults_none,
		.touch_faults = refpage_faults_once,
		.mark = uffd_thread_mark,
		.prove = uffd_thread_prove,
	},
};
