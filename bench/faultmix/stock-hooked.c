// SPDX-License-Identifier: MIT
/*
 * What all processes pay while the module looks at their faults: this minus stock is the tax. The module does as long
 * as some process has a region, and so a neighbour has one, which dies with the case. Proof: the hook is in for all of
 * the operation, and no region serves a fault.
 */
#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

#include "vma.h"

struct neighbour {
	size_t page_bytes;
	int ready[2];
};

/* A region is one from the first touch on. */
static int neighbour_main(void *arg)
{
	const struct neighbour *n = arg;
	int fd = mmlab_spf_create(MMLAB_SPF_SPECULATIVE);
	char *page = fd < 0 ? MAP_FAILED : mmap(NULL, n->page_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);

	if (page == MAP_FAILED)
		return -errno;
	*(volatile char *)page = 1;
	if (write(n->ready[1], "", 1) != 1)
		return -errno;
	(void)pause();
	return 0;
}

static int hooked_open(struct faultmix *f)
{
	struct neighbour n = { .page_bytes = f->page_bytes };
	char byte;
	int r;

	if (pipe(n.ready) < 0)
		return -errno;
	r = mmlab_peer_open(&f->neighbour, f->c, neighbour_main, &n);
	(void)close(n.ready[1]);
	if (!r && read(n.ready[0], &byte, 1) != 1)
		r = mmlab_peer_close(&f->neighbour, false);
	(void)close(n.ready[0]);
	return r ? r : vma_open_anon(f);
}

static const struct mmlab_contender faultmix_hooked = {
	.name = "stock-hooked",
	.summary = "as stock, while the module looks at all faults: what those pay who do not use it",
	.needs = { .memory_bytes = faultmix_memory_bytes, .probe = vma_probe_hook },
	.unfit = faultmix_unfit,
	.inexact_faults = FAULTMIX_INEXACT,
	.ops =
		&(const struct faultmix_ops){
			.kind = KIND_ANON,
			.hooked = true,
			.open = hooked_open,
			.map = vma_map,
			.unmap = vma_unmap,
			.change = vma_change,
			.populate = vma_populate,
			.hold = vma_hold,
			.no_hold = vma_no_hold,
		},
};
