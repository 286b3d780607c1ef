// SPDX-License-Identifier: MIT
/*
 * Building blocks of the contenders: mapping, filling, backing files, and how many faults they must take.
 */
#include "refpage.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cleanup.h"

#define FAULT_AROUND_BYTES 65536 /* the kernel's default */

int refpage_map(struct refpage *r, int flags, int fd)
{
	void *base = mmap(r->addr, r->bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_FIXED_NOREPLACE | flags, fd, 0);

	return base == MAP_FAILED ? -errno : 0;
}

int refpage_unmap(struct refpage *r)
{
	return munmap(r->addr, r->bytes) ? -errno : 0;
}

/* Written with write(2): a mapping of the file would leave its page tables and accessed bits behind. */
int refpage_memfd(struct refpage *r, size_t bytes)
{
	r->fd = memfd_create("mmlab-pattern", MFD_CLOEXEC);
	if (r->fd < 0)
		return -errno;
	for (size_t done = 0; done < bytes; done += r->page_bytes)
		if (write(r->fd, r->pattern, r->page_bytes) != (ssize_t)r->page_bytes)
			return -errno;
	return 0;
}

void refpage_write_pattern(const struct refpage *r, char *to, size_t bytes)
{
	if (r->pattern_bytes == 1) {
		memset(to, r->pattern[0], bytes);
		return;
	}
	for (size_t done = 0; done < bytes; done += r->page_bytes)
		memcpy(to + done, r->pattern, r->page_bytes);
}

uint64_t refpage_faults_none(const struct refpage *r)
{
	(void)r;
	return 0;
}

uint64_t refpage_faults_once(const struct refpage *r)
{
	return r->n_touched;
}

uint64_t refpage_faults_twice(const struct refpage *r)
{
	return r->order == REFPAGE_READWRITE ? 2 * r->n_touched : r->n_touched;
}

uint64_t refpage_faults_written(const struct refpage *r)
{
	return r->order == REFPAGE_READ ? 0 : r->n_touched;
}

static uint64_t read_number(const char *path, uint64_t fallback)
{
	_cleanup_(mmlab_fclosep) FILE *file = fopen(path, "re");
	unsigned long long value;

	return file && fscanf(file, "%llu", &value) == 1 ? value : fallback;
}

static size_t huge_bytes(const struct refpage *r)
{
	return r->thp ? read_number("/sys/kernel/mm/transparent_hugepage/hpage_pmd_size", 2 << 20) : 0;
}

/* Touched windows of an aligned size, as far as they lie in the region's first @limit bytes; beyond, touched pages. */
static uint64_t count_windows(const struct refpage *r, size_t window_bytes, size_t limit)
{
	struct refpage_walk walk = { 0 };
	size_t last = SIZE_MAX;
	uint64_t n = 0;

	refpage_for_each_touched(r, &walk) {
		size_t offset = walk.page * r->page_bytes;
		size_t window = offset / window_bytes;

		n += offset >= limit || window != last;
		last = window;
	}
	return n;
}

uint64_t refpage_faults_anon(const struct refpage *r)
{
	size_t huge = huge_bytes(r), huge_end = huge ? r->bytes / huge * huge : 0;

	if (!huge_end)
		return refpage_faults_twice(r);
	/* Writing where the huge zero page is: kernels differ (a huge page since 6.13, small ones before). */
	if (r->order == REFPAGE_READWRITE)
		return REFPAGE_UNKNOWN;
	return count_windows(r, huge, huge_end);
}

uint64_t refpage_faults_fill(const struct refpage *r)
{
	size_t huge = huge_bytes(r), n_huge = huge ? r->bytes / huge : 0;

	return n_huge + (r->bytes - n_huge * huge) / r->page_bytes;
}

uint64_t refpage_faults_file(const struct refpage *r)
{
	uint64_t window = read_number("/sys/kernel/debug/fault_around_bytes", FAULT_AROUND_BYTES);

	return (r->order == REFPAGE_WRITE ? 0 : count_windows(r, window, r->bytes)) + refpage_faults_written(r);
}

uint64_t refpage_file_hidden(const struct refpage *r, const struct mmlab_frames *frames)
{
	struct stat st;

	if (fstat(r->fd, &st))
		return 0;
	return (uint64_t)st.st_blocks * 512 - frames->file * r->page_bytes;
}

uint64_t refpage_memory_bytes(const struct mmlab_case *c)
{
	return 4 * mmlab_param(c, "size");
}
