// SPDX-License-Identifier: MIT
#include "content.h"

#include <unistd.h>

#define BY_SEQ	   UINT64_C(0x9e3779b97f4a7c15)
#define BY_PLACE   UINT64_C(0xc2b2ae3d27d4eb4f)
#define BY_WRITER  UINT64_C(0xd6e8feb86659fd93)
#define LINE_WORDS 8 /* of a cache line of 64 bytes */

static size_t page_words(const struct clone *s)
{
	return s->page_bytes / sizeof(uint64_t);
}

/* In another line of each page, as lines at the same place of all pages would compete for few sets of the cache. */
static size_t stamp_of(const struct clone *s, size_t page)
{
	return page * page_words(s) + page * LINE_WORDS % page_words(s);
}

static uint64_t plain_word(size_t i)
{
	return i * BY_PLACE;
}

static uint64_t stamp_word(const struct clone *s, enum clone_writer writer, size_t i)
{
	return plain_word(i) + s->seq * BY_SEQ + writer * BY_WRITER;
}

void clone_stamp(const struct clone *s, enum clone_writer writer, void *addr, size_t offset, size_t bytes)
{
	uint64_t *words = addr;
	size_t first = offset / s->page_bytes, first_word = offset / sizeof(*words);

	for (size_t page = first; page < first + bytes / s->page_bytes; page++) {
		size_t i = stamp_of(s, page);

		words[i - first_word] = stamp_word(s, writer, i);
	}
}

void clone_fill(const struct clone *s)
{
	uint64_t *words = (uint64_t *)(void *)s->from;

	for (size_t i = 0; i < s->bytes / sizeof(*words); i++)
		words[i] = plain_word(i);
	clone_stamp(s, CLONE_BY_PREPARE, s->from, 0, s->bytes);
}

static uint64_t sum_stamps(const struct clone *s, const uint64_t *words, size_t offset, size_t bytes)
{
	size_t first = offset / s->page_bytes, first_word = offset / sizeof(*words);
	uint64_t sum = 0;

	for (size_t page = first; page < first + bytes / s->page_bytes; page++)
		sum += words[stamp_of(s, page) - first_word];
	return sum;
}

static uint64_t sum_all(const uint64_t *words, size_t bytes)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < bytes / sizeof(*words); i++)
		sum += words[i];
	return sum;
}

uint64_t clone_sum(const struct clone *s, const void *addr, size_t offset, size_t bytes)
{
	switch (s->use) {
	case CLONE_USE_NONE:
		break;
	case CLONE_USE_TOUCH:
		return sum_stamps(s, addr, offset, bytes);
	case CLONE_USE_READ:
		return sum_all(addr, bytes);
	case CLONE_USE_WRITE:
		clone_stamp(s, CLONE_BY_MARK, (void *)(uintptr_t)addr, offset, bytes);
		break;
	}
	return 0;
}

uint64_t clone_sum_expected(const struct clone *s)
{
	uint64_t sum = 0, n_words = s->bytes / sizeof(uint64_t);

	if (s->use == CLONE_USE_READ)
		sum = (n_words / 2 * (n_words - 1)) * BY_PLACE; /* pages have an even number of words */
	for (size_t page = 0; s->use == CLONE_USE_TOUCH && page < s->n_pages; page++)
		sum += plain_word(stamp_of(s, page));
	if (s->use == CLONE_USE_TOUCH || s->use == CLONE_USE_READ)
		sum += s->n_pages * s->seq * BY_SEQ;
	return sum;
}

int clone_compare(struct clone *s, enum clone_writer writer, const void *addr, size_t offset, size_t bytes)
{
	const uint64_t *words = addr;
	size_t first_word = offset / sizeof(*words), stamp = 0;

	for (size_t n = 0; n < bytes / sizeof(*words); n++) {
		size_t i = first_word + n;
		uint64_t expected;

		if (!(i % page_words(s)))
			stamp = stamp_of(s, i / page_words(s));
		expected = i == stamp ? stamp_word(s, writer, i) : plain_word(i);
		if (words[n] != expected)
			return clone_blame(s, "operation %llu: process %d reads 0x%llx in word %zu, expected 0x%llx",
					   (unsigned long long)s->seq, (int)getpid(), (unsigned long long)words[n], i,
					   (unsigned long long)expected);
	}
	return 0;
}
