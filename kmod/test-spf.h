/* SPDX-License-Identifier: MIT */
/*
 * What the tests of speculative page faults share: regions at places that make
 * counts exact, accesses that may end in a signal, and counters.
 */
#ifndef MMLAB_TEST_SPF_H
#define MMLAB_TEST_SPF_H


#define CHECK_MECH MMLAB_MECH_SPF
#define CHECK_N_LIVE 3
#include "test-access.h"
#include "test-check.h"
#include "test-files.h"

enum { PAGE_BYTES = 4096, TABLE_BYTES = 2 << 20, TABLE_PAGES = 512 };

static const int rw = PROT_READ | PROT_WRITE;

/* The mode under test. */
static enum mmlab_spf_mode mode = MMLAB_SPF_SPECULATIVE;

/* Whether it does here what its name says. */
static bool speculates;

static inline uint64_t capabilities(void)
{
	uint64_t caps;

	EXPECT(mmlab_query(MMLAB_MECH_SPF, &caps) == 0);
	return caps;
}

static inline bool hook_works(void)
{
	return capabilities() & MMLAB_SPF_CAP_HOOK;
}

static inline int create(void)
{
	int fd = mmlab_spf_create(mode);

	EXPECT(fd >= 0);
	return fd;
}

/* Address space at a multiple of what one page table maps, and free. */
static inline unsigned char *place_find(size_t bytes)
{
	unsigned char *place = mmap(NULL, bytes + 2 * TABLE_BYTES, PROT_NONE,
				    MAP_PRIVATE | MAP_ANONYMOUS |
				    MAP_NORESERVE, -1, 0);

	EXPECT(place != MAP_FAILED);
	EXPECT(munmap(place, bytes + 2 * TABLE_BYTES) == 0);
	return place + TABLE_BYTES - (uintptr_t)place % TABLE_BYTES;
}

static inline unsigned char *map_at(void *place, int fd, size_t bytes, int prot)
{
	unsigned char *memory = mmap(place, bytes, prot, MAP_PRIVATE |
				     MAP_FIXED_NOREPLACE | MAP_NORESERVE, fd,
				     0);

	EXPECT(memory == place);
	return memory;
}

/* A region of its own descriptor; no page table is there yet. */
static inline unsigned char *region(size_t bytes)
{
	int fd = create();
	unsigned char *memory = map_at(place_find(bytes), fd, bytes, rw);

	EXPECT(close(fd) == 0);
	return memory;
}

static inline unsigned char look(const volatile unsigned char *byte)
{
	return *byte;
}

static inline void set(volatile unsigned char *byte, unsigned char value)
{
	*byte = value;
}

/* How much a counter moved. */
static inline uint64_t since(const uint64_t before[CHECK_MAX_STATS],
			     unsigned int stat)
{
	return check_stat(stat) - before[stat];
}

#define EXPECT_SINCE(before, stat, value) \
	EXPECT_EQ(since(before, MMLAB_SPF_STAT_##stat), value)

/* What a counter must have moved by, if this mode speculates here. */
#define EXPECT_SPECULATED(before, stat, value) \
	EXPECT_SINCE(before, stat, speculates ? (value) : 0)

/* Faults in a region that were not resolved without a lock. */
static inline uint64_t fallbacks_since(const uint64_t before[CHECK_MAX_STATS])
{
	uint64_t sum = 0;

	for (int i = MMLAB_SPF_STAT_FALLBACK_CONTEXT;
	     i <= MMLAB_SPF_STAT_FALLBACK_UNSTABLE; i++)
		sum += since(before, i);
	return sum;
}

/* Whatever was allocated without a lock is used or was freed: at rest. */
static inline bool pages_balance(void)
{
	uint64_t now[CHECK_MAX_STATS];

	check_stats(now);
	if (now[MMLAB_SPF_STAT_PAGES_ALLOCATED] ==
	    now[MMLAB_SPF_STAT_FIRST_TOUCH] + now[MMLAB_SPF_STAT_COPIED] +
	    now[MMLAB_SPF_STAT_PAGES_FREED] &&
	    now[MMLAB_SPF_STAT_HOOKED] == 0)
		return true;
	printf("not ok - pages allocated are not pages used and pages freed\n");
	return false;
}

static inline void touch_all(unsigned char *memory, size_t bytes, bool write)
{
	for (size_t i = 0; i < bytes; i += PAGE_BYTES) {
		EXPECT_EQ(look(memory + i + i / PAGE_BYTES % PAGE_BYTES), 0);
		if (write)
			set(memory + i, (unsigned char)(i / PAGE_BYTES + 1));
	}
}

static inline void content_check(unsigned char *memory, size_t bytes)
{
	for (size_t i = 0; i < bytes; i += PAGE_BYTES)
		EXPECT_EQ(look(memory + i), (unsigned char)(i / PAGE_BYTES + 1));
}

/* Checks that run in each mode. */
static void (*mode_present)(void);

static inline void mode_run(void)
{
	speculates = mode == MMLAB_SPF_SPECULATIVE && hook_works();
	mode_present();
}

/* Those whose names contain a word. Return: the status to exit with. */
static inline int modes_run(const struct check *checks, size_t n,
			    const char *wanted)
{
	static const char *const names[] = { "normal", "speculative",
					     "mmap-lock" };

	check_begin();
	for (unsigned int m = 0; m < 3; m++) {
		mode = m;
		for (size_t i = 0; i < n; i++) {
			if (!check_is_wanted(checks[i].name, wanted))
				continue;
			mode_present = checks[i].run;
			check_run(checks[i].name, names[m], mode_run);
		}
	}
	if (!pages_balance())
		return 1;
	return check_finish();
}

#endif /* MMLAB_TEST_SPF_H */
