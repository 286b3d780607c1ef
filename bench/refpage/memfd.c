// SPDX-License-Identifier: MIT
/*
 * A memory file as large as the region and full of pattern, mapped private anew each time: reads see the file, writes
 * copy from it.
 */
#include "refpage.h"

static int memfd_open(struct refpage *r)
{
	return refpage_memfd(r, r->bytes);
}

static int memfd_get(struct refpage *r)
{
	return refpage_map(r, 0, r->fd);
}

static const struct mmlab_contender memfd = {
	.name = "memfd",
	.summary = "a full-size pattern file, mapped private each time",
	.needs = { .memory_bytes = refpage_memory_bytes },
	.ops = &(const struct refpage_ops){
		.open = memfd_open,
		.get = memfd_get,
		.put = refpage_unmap,
		.get_faults = refpage_faults_none,
		.touch_faults = refpage_faults_file,
		.hidden_bytes = refpage_file_hidden,
	},
};
