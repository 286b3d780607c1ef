// SPDX-License-Identifier: MIT
/*
 * libmmlab-patternalloc.so: an allocator shim to preload under a real program. Allocations from a threshold on become
 * mappings of their own, whose content is initialised by nothing, by memset, or by a reference page; smaller ones stay
 * with the C library. calloc still returns zeroes.
 *
 * Environment: MMLAB_SHIM=nothing|memset|refpage (without it, or with something else, the shim stays out of the way),
 * MMLAB_SHIM_THRESHOLD (bytes, 65536), MMLAB_SHIM_PATTERN (a byte, 0xaa), MMLAB_SHIM_REPORT_FD (a descriptor that gets
 * one line when the program ends).
 *
 * A block is recognised by a header of 64 bytes just before it. Blocks lie 64 bytes into a page or at its start; a
 * pointer of the C library at such a place has its own chunk header before it, in the page where ours would be: the
 * look for the header never touches a page that isn't there. There is no lock and no list: nothing to break at fork.
 */
#include <dlfcn.h>
#include <errno.h>
#include <malloc.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "libmmlab.h"

#define HEADER_BYTES 64
#define MAGIC	     UINT64_C(0x6d6d6c6162706174)

/* glibc's own entry points, which a preloaded library may call without looking anything up. */
extern void *__libc_malloc(size_t bytes);
extern void *__libc_calloc(size_t n, size_t bytes);
extern void *__libc_realloc(void *p, size_t bytes);
extern void *__libc_memalign(size_t align, size_t bytes);
extern void __libc_free(void *p);

enum mode { MODE_OFF, MODE_NOTHING, MODE_MEMSET, MODE_REFPAGE };

struct header {
	uint64_t magic; /* MAGIC and the block's address */
	char *base;
	size_t mapped_bytes;
	size_t bytes; /* as asked for */
	uint64_t unused[4];
};

_Static_assert(sizeof(struct header) == HEADER_BYTES, "blocks begin one header into the mapping");

static enum mode mode; /* set once, by the constructor; until then everything goes to the C library */
static size_t threshold = 65536;
static unsigned char pattern = 0xaa;
static int refpage_fd = -1;
static const char *trouble; /* why the shim stays off although asked for */
static size_t page_bytes;
static size_t (*libc_usable_size)(void *p);
static atomic_ulong n_large, n_refused;
static atomic_ullong n_bytes;

static struct header *header_of(const void *p)
{
	return (struct header *)((uintptr_t)p - HEADER_BYTES);
}

static bool is_ours(const void *p)
{
	uintptr_t offset = (uintptr_t)p & 4095;

	return p && (offset == HEADER_BYTES || !offset) && header_of(p)->magic == (MAGIC ^ (uintptr_t)p);
}

static bool is_large(size_t bytes)
{
	return mode != MODE_OFF && bytes >= threshold;
}

/* Bytes of the block that may be used, up to the end of its mapping. */
static size_t room_of(const void *p)
{
	const struct header *header = header_of(p);

	return header->mapped_bytes - (size_t)((const char *)p - header->base);
}

static char *map_block(size_t bytes, bool zeroes)
{
	bool refpage = mode == MODE_REFPAGE && !zeroes;
	void *base = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | (refpage ? 0 : MAP_ANONYMOUS),
			  refpage ? refpage_fd : -1, 0);

	return base == MAP_FAILED ? NULL : base;
}

static void *allocate(size_t bytes, size_t align, bool zeroes)
{
	size_t before = align <= HEADER_BYTES ? HEADER_BYTES : align <= page_bytes ? page_bytes : align + HEADER_BYTES;
	size_t total;
	struct header *header;
	char *base, *p;

	if (__builtin_add_overflow(bytes, before + page_bytes - 1, &total)) {
		errno = ENOMEM;
		return NULL;
	}
	total -= total % page_bytes;
	base = map_block(total, zeroes);
	if (!base) {
		atomic_fetch_add(&n_refused, 1);
		errno = ENOMEM;
		return NULL;
	}
	p = base + before;
	if (align > page_bytes)
		p -= (uintptr_t)p % align;
	header = header_of(p);
	*header = (struct header){
		.magic = MAGIC ^ (uintptr_t)p,
		.base = base,
		.mapped_bytes = total,
		.bytes = bytes,
	};
	if (mode == MODE_MEMSET && !zeroes)
		memset(p, pattern, room_of(p));
	atomic_fetch_add(&n_large, 1);
	atomic_fetch_add(&n_bytes, bytes);
	return p;
}

static void release(void *p)
{
	const struct header *header = header_of(p);
	int saved_errno = errno; /* free() leaves it alone */

	(void)munmap(header->base, header->mapped_bytes);
	errno = saved_errno;
}

void *malloc(size_t bytes)
{
	return is_large(bytes) ? allocate(bytes, 16, false) : __libc_malloc(bytes);
}

void free(void *p)
{
	if (is_ours(p))
		release(p);
	else
		__libc_free(p);
}

void *calloc(size_t n, size_t size)
{
	size_t bytes;

	if (__builtin_mul_overflow(n, size, &bytes)) {
		errno = ENOMEM;
		return NULL;
	}
	return is_large(bytes) ? allocate(bytes, 16, true) : __libc_calloc(n, size);
}

void *realloc(void *p, size_t bytes)
{
	size_t old;
	void *fresh;

	if (!p)
		return malloc(bytes);
	if (!is_ours(p) && !is_large(bytes))
		return __libc_realloc(p, bytes);
	if (!bytes) {
		free(p);
		return NULL;
	}
	/* In place, unless that would waste more than half. */
	if (is_ours(p) && bytes <= room_of(p) && is_large(bytes) && bytes > room_of(p) / 2) {
		header_of(p)->bytes = bytes;
		return p;
	}
	old = is_ours(p) ? header_of(p)->bytes : libc_usable_size(p);
	fresh = malloc(bytes);
	if (!fresh)
		return NULL;
	memcpy(fresh, p, old < bytes ? old : bytes);
	free(p);
	return fresh;
}

void *reallocarray(void *p, size_t n, size_t size)
{
	size_t bytes;

	if (__builtin_mul_overflow(n, size, &bytes)) {
		errno = ENOMEM;
		return NULL;
	}
	return realloc(p, bytes);
}

void *memalign(size_t align, size_t bytes)
{
	/* Whatever glibc does with an alignment that is none, it may go on doing. */
	return is_large(bytes) && align && !(align & (align - 1)) ? allocate(bytes, align, false) :
								     __libc_memalign(align, bytes);
}

void *aligned_alloc(size_t align, size_t bytes)
{
	return memalign(align, bytes);
}

int posix_memalign(void **ret, size_t align, size_t bytes)
{
	int saved_errno = errno;
	void *p;

	if (!align || align % sizeof(void *) || align & (align - 1))
		return EINVAL;
	p = memalign(align, bytes);
	errno = saved_errno;
	if (!p)
		return ENOMEM;
	*ret = p;
	return 0;
}

void *valloc(size_t bytes)
{
	return memalign((size_t)sysconf(_SC_PAGESIZE), bytes);
}

void *pvalloc(size_t bytes)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE), whole;

	if (__builtin_add_overflow(bytes, page - 1, &whole)) {
		errno = ENOMEM;
		return NULL;
	}
	return memalign(page, whole - whole % page);
}

size_t malloc_usable_size(void *p)
{
	if (is_ours(p))
		return room_of(p);
	return libc_usable_size ? libc_usable_size(p) : 0;
}

/* Does a fresh block read as it must? Through the front door, so that it is the program's path that is tried. */
static const char *canary(void)
{
	unsigned char expected = mode == MODE_NOTHING ? 0 : pattern;
	unsigned char *p = malloc(threshold);
	const char *verdict = p ? "good" : "none";

	for (size_t i = 0; p && i < threshold; i++)
		if (p[i] != expected)
			verdict = "bad";
	free(p);
	return verdict;
}

static void open_refpage(void)
{
	void *content = NULL;

	refpage_fd = refpage_create(memset(&content, pattern, 1), 1, 0);
	if (refpage_fd < 0) {
		trouble = "no-reference-page";
		mode = MODE_OFF;
	}
}

__attribute__((constructor)) static void shim_begin(void)
{
	static const char *const names[] = { "off", "nothing", "memset", "refpage" };
	const char *wanted = getenv("MMLAB_SHIM"), *text;
	enum mode chosen = MODE_OFF;

	libc_usable_size = (size_t (*)(void *))dlsym(RTLD_NEXT, "malloc_usable_size");
	page_bytes = (size_t)sysconf(_SC_PAGESIZE);
	for (enum mode m = MODE_NOTHING; wanted && m <= MODE_REFPAGE; m++)
		if (!strcmp(wanted, names[m]))
			chosen = m;
	text = getenv("MMLAB_SHIM_THRESHOLD");
	if (text)
		threshold = strtoul(text, NULL, 0);
	if (threshold < 4096)
		threshold = 4096;
	text = getenv("MMLAB_SHIM_PATTERN");
	if (text)
		pattern = (unsigned char)strtoul(text, NULL, 0);
	if (chosen == MODE_REFPAGE)
		open_refpage();
	if (!trouble)
		mode = chosen;
}

__attribute__((destructor)) static void shim_end(void)
{
	const char *text = getenv("MMLAB_SHIM_REPORT_FD");
	unsigned long large = atomic_load(&n_large), refused = atomic_load(&n_refused);
	char line[160];
	int n;

	if (!text)
		return;
	n = snprintf(line, sizeof(line), "large=%lu bytes=%llu refused=%lu canary=%s\n", large,
		     (unsigned long long)atomic_load(&n_bytes), refused,
		     trouble ? trouble : mode == MODE_OFF ? "off" : canary());
	(void)!write(atoi(text), line, (size_t)n);
}
