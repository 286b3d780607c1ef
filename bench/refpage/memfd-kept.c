// SPDX-License-Identifier: MIT
/*
 * A full-size pattern file that stays mapped private; MADV_DONTNEED drops the written pages, so that the region reads
 * as the file again.
 */
#include "refpage.h"

#include <errno.h>
#include <sys/mman.h>

static int memfd_kept_open(struct refpage *r)
{
	int e = refpage_memfd(r, r->bytes);

	return e ? e : refpage_map(r, 0, r->fd);
}

static int memfd_kept_get(struct refpage *r)
{
	(void)r;
	return 0;
}

static int memfd_kept_put(struct refpage *r)
{
	if (madvise(r->addr, r->bytes, MADV_DONTNEED) && errno != ENOMEM) /* ENOMEM: look_tables() unmapped it */
		return -errno;
	return 0;
}

static void memfd_kept_close(struct refpage *r)
{
	(void)refpage_unmap(r);
}

static const struct mmlab_contender memfd_kept = {
	.name = "memfd-kept",
	.summary = "a full-size pattern file that stays mapped private, given up by MADV_DONTNEED",
	.needs = { .memory_bytes = refpage_memory_bytes },
	.ops = &(const struct refpage_ops){
		.kept = true,
		.open = memfd_kept_open,
		.get = memfd_kept_get,
		.put = memfd_kept_put,
		.close = memfd_kept_close,
		.get_faults = refpage_faults_none,
		.touch_faults = refpage_faults_file,
		.hidden_bytes = refpage_file_hidden,
	},
};
