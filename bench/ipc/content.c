// SPDX-License-Identifier: MIT
#include "content.h"

#include <string.h>

#define BY_SEQ	    UINT64_C(0x9e3779b97f4a7c15)
#define BY_PLACE    UINT64_C(0xc2b2ae3d27d4eb4f)
#define LINE_WORDS  8 /* of a cache line of 64 bytes */
#define MEMSET_BYTE 0x80

/*
 * The line of a page that is written or read where one line of each page is: another one in each page, as lines at the
 * same place of all pages would compete for few sets of the cache.
 */
static size_t line_of(size_t page, size_t page_words)
{
	return page * page_words + page * LINE_WORDS % page_words;
}

static size_t page_words(const struct ipc *p)
{
	return p->page_bytes / sizeof(uint64_t);
}

static void fill_all(const struct ipc *p)
{
	uint64_t *words = (uint64_t *)(void *)p->addr, word = p->seq * BY_SEQ;
	size_t n = p->bytes / sizeof(*words);

	for (size_t i = 0; i < n; i++, word += BY_PLACE)
		words[i] = word;
}

static void fill_lines(const struct ipc *p)
{
	uint64_t *words = (uint64_t *)(void *)p->addr;

	for (size_t page = 0; page < p->n_pages; page++) {
		size_t first = line_of(page, page_words(p));

		for (size_t i = first; i < first + LINE_WORDS; i++)
			words[i] = p->seq * BY_SEQ + i * BY_PLACE;
	}
}

static void fill_memset(const struct ipc *p)
{
	memset(p->addr, MEMSET_BYTE, p->bytes);
}

void ipc_fill(const struct ipc *p)
{
	static void (*const fills[])(const struct ipc *p) = {
		[IPC_WRITE_LINES] = fill_lines,
		[IPC_WRITE_ALL] = fill_all,
		[IPC_WRITE_MEMSET] = fill_memset,
	};

	fills[p->producer](p);
}

static uint64_t sum_none(const struct ipc *p, const uint64_t *words, size_t bytes, size_t first_page)
{
	(void)p;
	(void)words;
	(void)bytes;
	(void)first_page;
	return 0;
}

static uint64_t sum_lines(const struct ipc *p, const uint64_t *words, size_t bytes, size_t first_page)
{
	size_t offset = first_page * page_words(p);
	uint64_t sum = 0;

	for (size_t page = first_page; page < first_page + bytes / p->page_bytes; page++) {
		const uint64_t *line = words + line_of(page, page_words(p)) - offset;

		for (size_t i = 0; i < LINE_WORDS; i++)
			sum += line[i];
	}
	return sum;
}

static uint64_t sum_all(const struct ipc *p, const uint64_t *words, size_t bytes, size_t first_page)
{
	uint64_t sum = 0;

	(void)p;
	(void)first_page;
	for (size_t i = 0; i < bytes / sizeof(*words); i++)
		sum += words[i];
	return sum;
}

static bool is_written(const struct ipc *p, size_t i)
{
	size_t first = line_of(i / page_words(p), page_words(p));

	return p->producer != IPC_WRITE_LINES || (i >= first && i < first + LINE_WORDS);
}

/* Untimed. What the producer leaves alone is as operation 1 wrote it, which wrote everything. */
static void compare(struct ipc *p, const uint64_t *words, size_t bytes, size_t offset)
{
	for (size_t n = 0; n < bytes / sizeof(*words); n++) {
		size_t i = offset / sizeof(*words) + n;
		uint64_t seq = is_written(p, i) ? p->seq : 1, expected = seq * BY_SEQ + i * BY_PLACE;

		if (p->producer == IPC_WRITE_MEMSET)
			memset(&expected, MEMSET_BYTE, sizeof(expected));
		else if (seq != p->seq && ipc_ops(p)->fresh)
			expected = 0;
		if (words[n] != expected)
			(void)ipc_blame(p, "transfer %llu: word %zu is 0x%llx, expected 0x%llx",
					(unsigned long long)p->seq, i, (unsigned long long)words[n],
					(unsigned long long)expected);
	}
}

void ipc_consume(struct ipc *p, const void *addr, size_t offset, size_t bytes)
{
	static uint64_t (*const sums[])(const struct ipc *p, const uint64_t *words, size_t bytes, size_t page) = {
		[IPC_READ_NONE] = sum_none,
		[IPC_READ_LINES] = sum_lines,
		[IPC_READ_ALL] = sum_all,
	};

	if (p->control->command == IPC_COMPARE)
		compare(p, addr, bytes, offset);
	else
		p->sum += sums[p->receiver](p, addr, bytes, offset / p->page_bytes);
}

/* Of the words of one line in each page, or of all words: how many, and the sum of their places. */
static void places(const struct ipc *p, bool lines, uint64_t *ret_n, uint64_t *ret_sum)
{
	uint64_t n = p->bytes / sizeof(uint64_t), sum = 0;

	if (!lines) {
		*ret_n = n;
		*ret_sum = n % 2 ? (n - 1) / 2 * n : n / 2 * (n - 1);
		return;
	}
	for (size_t page = 0; page < p->n_pages; page++)
		sum += LINE_WORDS * line_of(page, page_words(p)) + LINE_WORDS * (LINE_WORDS - 1) / 2;
	*ret_n = LINE_WORDS * p->n_pages;
	*ret_sum = sum;
}

void ipc_predict(const struct ipc *p, uint64_t *ret_by_seq, uint64_t *ret_base)
{
	uint64_t n, sum, n_lines, sum_lines, word;

	*ret_by_seq = *ret_base = 0;
	if (p->receiver == IPC_READ_NONE || ipc_ops(p)->empty)
		return;
	places(p, p->receiver == IPC_READ_LINES, &n, &sum);
	places(p, true, &n_lines, &sum_lines);
	if (p->producer == IPC_WRITE_MEMSET) {
		memset(&word, MEMSET_BYTE, sizeof(word));
		*ret_base = n * word;
	} else if (p->producer == IPC_WRITE_ALL || p->receiver == IPC_READ_LINES) {
		*ret_by_seq = n * BY_SEQ;
		*ret_base = sum * BY_PLACE;
	} else {
		*ret_by_seq = n_lines * BY_SEQ;
		*ret_base = sum_lines * BY_PLACE;
		if (!ipc_ops(p)->fresh) /* the rest is as operation 1 wrote it */
			*ret_base += (n - n_lines) * BY_SEQ + (sum - sum_lines) * BY_PLACE;
	}
}

uint64_t ipc_digest(uint64_t digest, uint64_t sum)
{
	return digest * BY_PLACE + sum;
}
