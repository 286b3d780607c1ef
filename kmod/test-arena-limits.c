// SPDX-License-Identifier: MIT
/*
 * Arenas where something runs out: the memory of a control group, memory that is
 * wanted at once, and the number of ranges.
 */
#include "test-arena.h"
#include "test-fail.h"

static void populate_some(void)
{
	long before;

	arena_make(4096);
	EXPECT_EQ(map_writable(0, 4096), 0);
	before = file_read_number(GROUP "/memory.current");
	EXPECT_EQ(populate_pages(0, 512), 0);
	/* Some is charged ahead, and not seen to go up. */
	EXPECT(file_read_number(GROUP "/memory.current") - before >=
	       384 * PAGE_BYTES);
}

static void charged(void)
{
	group_run(populate_some);
}

/* POPULATE fails at the limit, and nobody is killed for it. */
static void populate_too_much(void)
{
	enum { N = 4096, N_OF_TABLE = 512 };
	const int limit = open(GROUP "/memory.max", O_WRONLY | O_CLOEXEC);
	char text[32];
	int result, error;

	EXPECT(limit >= 0);
	arena_make(N);
	EXPECT_EQ(map_writable(0, N), 0);
	/* Page tables are there: only pages are left to allocate. */
	for (size_t i = 0; i < N; i += N_OF_TABLE)
		set(i, 1);
	EXPECT_EQ(unmap_pages(N - 1, 1), 0);
	EXPECT_EQ(map_writable(N - 1, 1), 0);

	(void)snprintf(text, sizeof(text), "%ld",
		       file_read_number(GROUP "/memory.current") +
		       N / 2 * PAGE_BYTES);
	EXPECT(write(limit, text, strlen(text)) == (ssize_t)strlen(text));
	result = populate_pages(0, N);
	error = errno;
	/* Nothing else may want memory until there is some: not even open(). */
	EXPECT(write(limit, "max", 3) == 3);
	EXPECT_EQ(result, -1);
	EXPECT_EQ(error, ENOMEM);
	EXPECT(check_stat(MMLAB_ARENA_STAT_LIVE_PAGES) > N / 4);
	EXPECT_EQ(look(N_OF_TABLE), 1);
	EXPECT_EQ(populate_pages(0, N), 0);
	EXPECT_EQ(unmap_pages(0, N), 0);
}

static void populate_at_limit(void)
{
	group_run(populate_too_much);
}

/*
 * A node that cannot be had at once makes UNMAP wait for one. What a neighbour
 * has mapped meanwhile stays.
 */
static atomic_bool stop;

static void *neighbour_main(void *arg)
{
	uint64_t value;

	(void)arg;
	while (!atomic_load(&stop)) {
		EXPECT_EQ(map_writable(11, 1), 0);
		EXPECT_EQ(read_signal(11, &value), 0);
		EXPECT_EQ(unmap_pages(11, 1), 0);
	}
	return NULL;
}

/*
 * Unmaps page 10 while each thing of the call in turn cannot be had. Copying the
 * struct in or out is one of them, and fails the call. True if something else was.
 */
static bool unmap_short(void)
{
	bool left = false, was_short = false;

	for (int n = 1; !left; n++) {
		int result, error;

		EXPECT(n < 200);
		fail_nth(n);
		result = unmap_pages(10, 1);
		error = errno;
		left = fail_left_over();
		EXPECT(!result || error == EFAULT);
		was_short |= !result && !left;
	}
	return was_short;
}

static void neighbours_stay(void)
{
	pthread_t neighbour;
	unsigned int n_short = 0;

	fail_prepare(false);
	arena_make(64);
	EXPECT_EQ(map_writable(0, 8), 0);
	EXPECT(pthread_create(&neighbour, NULL, neighbour_main, NULL) == 0);
	for (unsigned int i = 0; i < 300; i++) {
		EXPECT_EQ(map_writable(10, 1), 0);
		n_short += unmap_short();
	}
	atomic_store(&stop, true);
	EXPECT(pthread_join(neighbour, NULL) == 0);
	/* It did happen. */
	EXPECT(n_short > 0);
}

/* As many ranges as an address space has, and what undoes that. */
static void ranges_are_limited(void)
{
	const size_t most = MMLAB_ARENA_MAX_RANGES, n = 2 * most;
	size_t page;

	if (variant)
		SKIP("what is mapped does not depend on the variant");
	arena_make(n);
	EXPECT_EQ(map_writable(0, n - 8), 0);
	/* Each makes two more. */
	for (page = 1; page < most - 1; page += 2)
		if (protect_pages(page, 1, PROT_READ))
			break;
	EXPECT_EQ(page, most - 1);
	/* One more. */
	EXPECT_EQ(map_writable(n - 1, 1), 0);
	EXPECT_ERRNO(map_writable(n - 3, 1), ENOMEM);
	EXPECT_ERRNO(protect_pages(n - 100, 1, PROT_READ), ENOMEM);
	EXPECT_ERRNO(unmap_pages(n - 100, 1), ENOMEM);
	set(n - 100, 1);
	EXPECT_EQ(write_signal(n - 3, 1), SIGSEGV);
	/* What makes none goes on. */
	EXPECT_EQ(protect_pages(1, 1, PROT_NONE), 0);
	EXPECT_EQ(unmap_pages(0, 3), 0);
	EXPECT_EQ(protect_pages(n - 100, 1, PROT_READ), 0);
	EXPECT_EQ(map_writable(n - 3, 1), 0);
	EXPECT_ERRNO(map_writable(n - 5, 1), ENOMEM);
	EXPECT_EQ(unmap_pages(0, n), 0);
	EXPECT_EQ(map_writable(0, n), 0);
}

static const struct check checks[] = {
	{ "charged", charged },
	{ "populate-at-limit", populate_at_limit },
	{ "neighbours-stay", neighbours_stay },
	{ "ranges-are-limited", ranges_are_limited },
};

int main(int argc, char **argv)
{
	check_begin();
	variants_run(checks, sizeof(checks) / sizeof(checks[0]),
		     argc == 2 ? argv[1] : NULL);
	return check_finish();
}
