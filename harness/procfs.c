// SPDX-License-Identifier: MIT
/*
 * Files of /proc are read line by line through a buffer on the stack, and page frames are told apart in a hash table
 * that is mapped once and only ever grows: a second reading touches no new memory.
 */
#include "procfs.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "cleanup.h"
#include "map.h"

#define LINE_BUFFER_BYTES 8192 /* longer than any path in smaps */

struct lines {
	int fd;
	size_t start, end;
	char buffer[LINE_BUFFER_BYTES];
};

static void lines_closep(struct lines *lines)
{
	lines->fd = mmlab_close(lines->fd);
}

static int lines_open(struct lines *lines, const char *path)
{
	lines->start = lines->end = 0;
	lines->fd = open(path, O_RDONLY | O_CLOEXEC);
	return lines->fd < 0 ? -errno : 0;
}

/* Return: 1 with *ret_line (ended by NUL, valid until the next call), 0 at the end, or -errno. */
static int lines_next(struct lines *lines, char **ret_line)
{
	for (;;) {
		char *start = lines->buffer + lines->start;
		char *newline = memchr(start, '\n', lines->end - lines->start);
		ssize_t n;

		if (newline) {
			*newline = '\0';
			lines->start = (size_t)(newline + 1 - lines->buffer);
			*ret_line = start;
			return 1;
		}
		memmove(lines->buffer, start, lines->end - lines->start);
		lines->end -= lines->start;
		lines->start = 0;
		if (lines->end == sizeof(lines->buffer) - 1)
			return -EOVERFLOW;
		n = read(lines->fd, lines->buffer + lines->end, sizeof(lines->buffer) - 1 - lines->end);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (!n && lines->end) { /* last line without newline */
			lines->buffer[lines->end] = '\0';
			lines->start = lines->end = 0;
			*ret_line = lines->buffer;
			return 1;
		}
		if (!n)
			return 0;
		lines->end += (size_t)n;
	}
}

/* "   123 kB" in bytes, "123" as it is. */
static int parse_amount(uint64_t *ret, const char *text)
{
	unsigned long long value;
	char *end;

	text += strspn(text, " \t");
	if (*text < '0' || *text > '9')
		return -EINVAL;
	errno = 0;
	value = strtoull(text, &end, 10);
	if (errno)
		return -errno;
	end += strspn(end, " \t");
	if (!strcmp(end, "kB") && __builtin_mul_overflow(value, 1024ULL, &value))
		return -ERANGE;
	*ret = value;
	return 0;
}

int mmlab_field_read(uint64_t *ret, const char *path, const char *field)
{
	_cleanup_(lines_closep) struct lines lines = { .fd = -1 };
	size_t length = strlen(field);
	char *line;
	int r = lines_open(&lines, path);

	if (r)
		return r;
	while ((r = lines_next(&lines, &line)) > 0)
		if (!strncmp(line, field, length) && line[length] == ':')
			return parse_amount(ret, line + length + 1);
	return r ? r : -ENOENT;
}

static const struct {
	const char *name;
	size_t offset;
} smaps_fields[] = {
	{ "Size", offsetof(struct mmlab_smaps, size) },
	{ "Rss", offsetof(struct mmlab_smaps, rss) },
	{ "Pss", offsetof(struct mmlab_smaps, pss) },
	{ "Shared_Clean", offsetof(struct mmlab_smaps, shared_clean) },
	{ "Shared_Dirty", offsetof(struct mmlab_smaps, shared_dirty) },
	{ "Private_Clean", offsetof(struct mmlab_smaps, private_clean) },
	{ "Private_Dirty", offsetof(struct mmlab_smaps, private_dirty) },
	{ "Referenced", offsetof(struct mmlab_smaps, referenced) },
	{ "Anonymous", offsetof(struct mmlab_smaps, anonymous) },
	{ "AnonHugePages", offsetof(struct mmlab_smaps, anon_huge) },
	{ "Swap", offsetof(struct mmlab_smaps, swap) },
	{ "Locked", offsetof(struct mmlab_smaps, locked) },
};

static int add_smaps_field(struct mmlab_smaps *sums, const char *line)
{
	size_t length = strcspn(line, ":");

	for (size_t i = 0; i < sizeof(smaps_fields) / sizeof(smaps_fields[0]); i++) {
		uint64_t value = 0, *sum = (uint64_t *)((char *)sums + smaps_fields[i].offset);
		int r;

		if (line[length] != ':' || strlen(smaps_fields[i].name) != length ||
		    strncmp(smaps_fields[i].name, line, length))
			continue;
		r = parse_amount(&value, line + length + 1);
		if (!r)
			*sum += value;
		return r;
	}
	return 0;
}

/* The line that opens a VMA's entry starts with "5581c0a0-5581c0b0 "; field names start with a capital. */
static bool parse_vma(const char *line, uint64_t *ret_start, uint64_t *ret_end)
{
	uint64_t start, end;
	char *rest;

	if (!strchr("0123456789abcdef", line[0]) || !line[0])
		return false;
	start = strtoull(line, &rest, 16);
	if (*rest != '-')
		return false;
	end = strtoull(rest + 1, &rest, 16);
	if (*rest != ' ')
		return false;
	*ret_start = start;
	*ret_end = end;
	return true;
}

static int smaps_parse(struct mmlab_smaps *ret, struct lines *lines, uint64_t first, uint64_t end)
{
	struct mmlab_smaps sums = { 0 };
	bool inside = false;
	char *line = NULL;
	int r;

	while ((r = lines_next(lines, &line)) > 0 && line) {
		uint64_t vma_start, vma_end;

		if (parse_vma(line, &vma_start, &vma_end)) {
			if (vma_start >= end)
				break;
			inside = vma_start >= first && vma_end <= end;
			if (!inside && vma_end > first)
				return -ERANGE;
			sums.n_vmas += inside;
		} else if (inside) {
			r = add_smaps_field(&sums, line);
			if (r)
				return r;
		}
	}
	if (r < 0)
		return r;
	*ret = sums;
	return 0;
}

int mmlab_smaps_read_file(struct mmlab_smaps *ret, const char *path, uint64_t start, uint64_t bytes)
{
	_cleanup_(lines_closep) struct lines lines = { .fd = -1 };
	int r = lines_open(&lines, path);

	return r ? r : smaps_parse(ret, &lines, start, start + bytes);
}

int mmlab_smaps_read(struct mmlab_smaps *ret, const void *addr, size_t bytes)
{
	return mmlab_smaps_read_file(ret, "/proc/self/smaps", (uint64_t)(uintptr_t)addr, bytes);
}

/* Bits of one pagemap entry (Documentation/admin-guide/mm/pagemap.rst). */
#define PAGEMAP_PRESENT (UINT64_C(1) << 63)
#define PAGEMAP_SWAP	(UINT64_C(1) << 62)
#define PAGEMAP_FILE	(UINT64_C(1) << 61)
#define PAGEMAP_PFN	((UINT64_C(1) << 55) - 1)

static pthread_mutex_t frames_lock = PTHREAD_MUTEX_INITIALIZER;
static struct mmlab_map frames_map; /* the table: frame numbers, 0 where empty; at most half full */

static void unlockp(pthread_mutex_t **lock)
{
	(void)pthread_mutex_unlock(*lock);
}

static int frames_reset(size_t n_pages, size_t *ret_slots)
{
	size_t slots = 1024;
	int r;

	while (slots < 2 * n_pages)
		slots *= 2;
	if (frames_map.bytes < slots * sizeof(uint64_t)) {
		mmlab_map_close(&frames_map);
		r = mmlab_map_open(&frames_map, slots * sizeof(uint64_t), PROT_READ | PROT_WRITE,
				   MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
		if (r)
			return r;
		/* Only so that its flags differ: otherwise it could become one VMA with the memory that is watched. */
		(void)madvise(frames_map.base, frames_map.bytes, MADV_DONTDUMP);
	} else {
		memset(frames_map.addr, 0, slots * sizeof(uint64_t));
	}
	*ret_slots = slots;
	return 0;
}

/* Return: true if the frame was not there yet. */
static bool frames_add(size_t slots, uint64_t frame)
{
	uint64_t *table = (uint64_t *)(void *)frames_map.addr;
	size_t slot = (size_t)((frame * UINT64_C(0x9e3779b97f4a7c15)) >> 20) & (slots - 1);

	for (; table[slot]; slot = (slot + 1) & (slots - 1))
		if (table[slot] == frame)
			return false;
	table[slot] = frame;
	return true;
}

static int frames_count(struct mmlab_frames *frames, size_t slots, const uint64_t *entries, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (entries[i] & PAGEMAP_PRESENT) {
			if (!(entries[i] & PAGEMAP_PFN)) /* user space never maps frame 0: the kernel hides it */
				return -EPERM;
			frames->present++;
			if (frames_add(slots, entries[i] & PAGEMAP_PFN)) {
				frames->distinct++;
				frames->file += !!(entries[i] & PAGEMAP_FILE);
			}
		} else if (entries[i] & PAGEMAP_SWAP) {
			frames->swapped++;
		}
	}
	return 0;
}

int mmlab_frames_read(struct mmlab_frames *ret, const void *addr, size_t bytes)
{
	_cleanup_(mmlab_closep) int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	size_t page_bytes = mmlab_page_bytes();
	size_t first = (uintptr_t)addr / page_bytes;
	size_t end = ((uintptr_t)addr + bytes + page_bytes - 1) / page_bytes;
	struct mmlab_frames frames = { 0 };
	uint64_t entries[512];
	size_t slots;
	int r;

	if (fd < 0)
		return -errno;
	(void)pthread_mutex_lock(&frames_lock);
	_cleanup_(unlockp) pthread_mutex_t *locked = &frames_lock;

	r = frames_reset(end - first, &slots);
	while (!r && first < end) {
		size_t n = end - first < 512 ? end - first : 512;
		ssize_t got = pread(fd, entries, n * sizeof(entries[0]), (off_t)(first * sizeof(entries[0])));

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return -errno;
		if (got < (ssize_t)sizeof(entries[0])) /* beyond the address space */
			return -EFAULT;
		r = frames_count(&frames, slots, entries, (size_t)got / sizeof(entries[0]));
		first += (size_t)got / sizeof(entries[0]);
	}
	(void)locked;
	if (!r)
		*ret = frames;
	return r;
}
