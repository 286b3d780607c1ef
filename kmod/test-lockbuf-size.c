// SPDX-License-Identifier: MIT
/*
 * Lockable buffers: sizes from a byte to beyond two GiB, page tables of each
 * level, memory that comes when it is touched, and exact counters.
 */
#include "test-lockbuf.h"

static void memory_comes_page_by_page(void)
{
	const size_t bytes = 2 * CHUNK_BYTES;
	uint64_t before[CHECK_MAX_STATS];
	int fd = create(bytes);
	unsigned char *memory = map_writer(fd, bytes);

	check_stats(before);
	lock(fd);
	EXPECT_EQ(check_stat(MMLAB_LOCKBUF_STAT_LIVE_PAGES), 0);
	EXPECT_EQ(check_stat(MMLAB_LOCKBUF_STAT_LIVE_TABLES), 0);
	for (unsigned int i = 0; i < 8; i++) {
		set(memory + i * PAGE_BYTES * 3, 1);
		set(memory + i * PAGE_BYTES * 3, 2);
		EXPECT_EQ(check_stat(MMLAB_LOCKBUF_STAT_LIVE_PAGES), i + 1);
		EXPECT_EQ(check_stat(MMLAB_LOCKBUF_STAT_LIVE_TABLES), 1);
	}
	set(memory + CHUNK_BYTES, 1);
	EXPECT_EQ(check_stat(MMLAB_LOCKBUF_STAT_LIVE_TABLES), 2);
	EXPECT_SINCE(before, FAULTS, 9);
	EXPECT_SINCE(before, PTES_FILLED, 9);
	EXPECT_SINCE(before, PMDS_ATTACHED, 2);
	unlock(fd);
	EXPECT_SINCE(before, PMDS_DETACHED, 2);
	lock(fd);
	EXPECT_EQ(look(memory), 2);
	EXPECT_EQ(look(memory + CHUNK_BYTES), 1);
	/* No fault for what is there. */
	EXPECT_SINCE(before, FAULTS, 9);
	EXPECT_SINCE(before, PMDS_ATTACHED, 4);
	unlock(fd);
	EXPECT_SINCE(before, PMDS_DETACHED, 4);
	EXPECT_SINCE(before, LOCKS, 2);
	EXPECT_SINCE(before, UNLOCKS, 2);
	EXPECT_SINCE(before, FLUSH_RANGE, 2);
	EXPECT(munmap(memory, bytes) == 0);
	/* Pages stay with the buffer. */
	EXPECT_EQ(check_stat(MMLAB_LOCKBUF_STAT_LIVE_PAGES), 9);
	memory = map_writer(fd, bytes);
	lock(fd);
	EXPECT_EQ(look(memory + 3 * PAGE_BYTES), 2);
	EXPECT_EQ(look(memory + 6 * PAGE_BYTES), 2);
	/* The first found all pages of its chunk. */
	EXPECT_SINCE(before, FAULTS, 10);
	EXPECT_SINCE(before, PTES_FILLED, 17);
}

static void memory_is_populated(void)
{
	const size_t bytes = CHUNK_BYTES + 5 * PAGE_BYTES;
	uint64_t before[CHECK_MAX_STATS];
	unsigned char *memory;
	int fd;

	create_flags = MMLAB_LOCKBUF_POPULATE;
	fd = create(bytes);
	check_stats(before);
	EXPECT_EQ(before[MMLAB_LOCKBUF_STAT_LIVE_PAGES], 512 + 5);
	memory = map_writer(fd, bytes);
	EXPECT_SINCE(before, PTES_FILLED, 512 + 5);
	EXPECT_EQ(check_stat(MMLAB_LOCKBUF_STAT_LIVE_TABLES), 2);
	EXPECT_SINCE(before, PMDS_ATTACHED, 0);
	for (int round = 0; round < 3; round++) {
		uint64_t faults;

		lock(fd);
		EXPECT_SINCE(before, PMDS_ATTACHED, (uint64_t)(round + 1) * 2);
		/* The first made some, to find the place of the entries. */
		faults = check_stat(MMLAB_LOCKBUF_STAT_FAULTS);
		EXPECT(faults - before[MMLAB_LOCKBUF_STAT_FAULTS] <= 2);
		for (size_t i = 0; i < bytes; i += PAGE_BYTES) {
			EXPECT_EQ(look(memory + i), round);
			set(memory + i, (unsigned char)(round + 1));
		}
		EXPECT_EQ(check_stat(MMLAB_LOCKBUF_STAT_FAULTS), faults);
		unlock(fd);
		EXPECT_SINCE(before, PMDS_DETACHED, (uint64_t)(round + 1) * 2);
	}
}

/* Every size: content, entries counted exactly. */
static void sizes(void)
{
	static const size_t all[] = {
		1, 4095, 4096, 4097, 65536, 1 << 20, (2 << 20) - 1, 2 << 20,
		(2 << 20) + 1, 5 << 20, 64 << 20, 100 << 20,
	};

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		const size_t bytes = all[i];
		const size_t map_bytes = mmlab_lockbuf_map_bytes(bytes);
		const size_t n_chunks = map_bytes / CHUNK_BYTES;
		uint64_t before[CHECK_MAX_STATS];
		int fd = create(bytes);
		unsigned char *memory = map_writer(fd, bytes);

		check_stats(before);
		lock(fd);
		for (size_t at = 0; at < bytes; at += PAGE_BYTES * 16)
			set(memory + at, (unsigned char)(at / PAGE_BYTES + 1));
		for (int round = 0; round < 3; round++) {
			unlock(fd);
			EXPECT_SINCE(before, PMDS_DETACHED,
				     n_chunks * (size_t)(round + 1));
			lock(fd);
			EXPECT_SINCE(before, PMDS_ATTACHED,
				     n_chunks * (size_t)(round + 2));
		}
		for (size_t at = 0; at < bytes; at += PAGE_BYTES * 16)
			EXPECT_EQ(look(memory + at),
				  (unsigned char)(at / PAGE_BYTES + 1));
		if (bytes < map_bytes - PAGE_BYTES)
			EXPECT_EQ(access_signal(memory + map_bytes - 1, false),
				  SIGBUS);
		EXPECT(munmap(memory, map_bytes) == 0);
		EXPECT_SINCE(before, PMDS_DETACHED, n_chunks * 4);
		EXPECT(close(fd) == 0);
		EXPECT_EQ(check_live_objects(), 0);
	}
}

/* Blocks that are whole are one entry each, and pages anywhere in them. */
static void whole_blocks(void)
{
	const size_t bytes = 2 * gib + 6 * CHUNK_BYTES;
	static const size_t places[] = {
		0, 12345, CHUNK_BYTES, 511 * (size_t)CHUNK_BYTES,
		(1UL << 30) - 1, 1UL << 30, (1UL << 30) + 77777777,
		(2UL << 30) - 4096, 2UL << 30, (2UL << 30) + 3 * CHUNK_BYTES,
		(2UL << 30) + 6 * CHUNK_BYTES - 1,
	};
	enum { N = sizeof(places) / sizeof(places[0]) };
	uint64_t before[CHECK_MAX_STATS];
	int fd = create(bytes);
	unsigned char *memory = map_writer(fd, bytes);
	struct peer peer = peer_start(fd, bytes);

	EXPECT_EQ((uintptr_t)memory % gib, 0);
	check_stats(before);
	lock(fd);
	for (int i = 0; i < N; i++) {
		EXPECT_EQ(look(memory + places[i]), 0);
		set(memory + places[i], (unsigned char)(i + 1));
	}
	EXPECT_SINCE(before, PUDS_ATTACHED, 2);
	EXPECT_SINCE(before, PMDS_ATTACHED, 3);
	EXPECT_EQ(peer_do(&peer, PEER_MAP_WRITER), 0);
	for (int round = 1; round <= 5; round++) {
		unlock(fd);
		for (int i = 0; i < N; i++)
			EXPECT_EQ(access_signal(memory + places[i], false),
				  SIGSEGV);
		EXPECT_EQ(peer_do(&peer, PEER_LOCK), 0);
		for (int i = 0; i < N; i++) {
			peer_send(&peer, PEER_LOOK, places[i], 0);
			EXPECT_EQ(peer_answer(&peer), i + round);
			peer_send(&peer, PEER_SET, places[i],
				  (unsigned char)(i + round + 1));
			EXPECT_EQ(peer_answer(&peer), 0);
		}
		EXPECT_EQ(peer_do(&peer, PEER_UNLOCK), 0);
		lock(fd);
		for (int i = 0; i < N; i++)
			EXPECT_EQ(look(memory + places[i]), i + round + 1);
	}
	/* Two processes. */
	EXPECT_SINCE(before, PUDS_ATTACHED, 2 * (1 + 5 + 5));
	EXPECT_SINCE(before, PMDS_ATTACHED, 3 * (1 + 5 + 5));
	EXPECT_SINCE(before, PUDS_DETACHED, 2 * (5 + 5));
	/* A new page in a block that is attached, and in one that is not. */
	set(memory + 300 * (size_t)CHUNK_BYTES, 5);
	unlock(fd);
	peer_kill(&peer);
	lock(fd);
	EXPECT_EQ(look(memory + 300 * (size_t)CHUNK_BYTES), 5);
	EXPECT(munmap(memory, mmlab_lockbuf_map_bytes(bytes)) == 0);
	EXPECT_EQ(access_signal(memory, false), SIGSEGV);
}

/* At an address that no block is whole at, though it is large. */
static void large_and_unaligned(void)
{
	const size_t bytes = gib + CHUNK_BYTES;
	uint64_t before[CHECK_MAX_STATS];
	unsigned char *place, *memory;
	int fd = create(bytes);

	place = mmap(NULL, 4 * gib, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS |
		     MAP_NORESERVE, -1, 0);
	EXPECT(place != MAP_FAILED);
	place += gib - (uintptr_t)place % gib + CHUNK_BYTES;
	memory = mmap(place, bytes, PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_FIXED, fd, 0);
	EXPECT(memory == place);
	check_stats(before);
	lock(fd);
	for (size_t i = 0; i < bytes; i += 100 * (size_t)CHUNK_BYTES)
		set(memory + i, (unsigned char)(i / CHUNK_BYTES));
	EXPECT_SINCE(before, PMDS_ATTACHED, 6);
	EXPECT_SINCE(before, PUDS_ATTACHED, 0);
	unlock(fd);
	EXPECT_EQ(access_signal(memory + gib, false), SIGSEGV);
	lock(fd);
	for (size_t i = 0; i < bytes; i += 100 * (size_t)CHUNK_BYTES)
		EXPECT_EQ(look(memory + i), (unsigned char)(i / CHUNK_BYTES));
	EXPECT(munmap(place - CHUNK_BYTES, 3 * gib) == 0);
}

static void flushes_are_counted(void)
{
	static const unsigned int stats[] = {
		MMLAB_LOCKBUF_STAT_FLUSH_RANGE,
		MMLAB_LOCKBUF_STAT_FLUSH_CPUMASK,
		MMLAB_LOCKBUF_STAT_FLUSH_ALL, MMLAB_LOCKBUF_STAT_FLUSH_NONE,
	};

	for (flush = MMLAB_LOCKBUF_FLUSH_RANGE;
	     flush <= MMLAB_LOCKBUF_FLUSH_NONE; flush++) {
		int fd = create(PAGE_BYTES);
		uint64_t before[CHECK_MAX_STATS];
		unsigned char *memory = map_writer(fd, PAGE_BYTES);

		check_stats(before);
		for (int i = 0; i < 10; i++) {
			lock(fd);
			set(memory, 1);
			unlock(fd);
		}
		EXPECT_EQ(mmlab_lockbuf_flush(fd), 0);
		for (unsigned int i = 0; i < 4; i++)
			EXPECT_EQ(since(before, stats[i]),
				  i == (unsigned int)flush ? 11 : 0);
		EXPECT(munmap(memory, CHUNK_BYTES) == 0);
		EXPECT(close(fd) == 0);
	}
	flush = MMLAB_LOCKBUF_FLUSH_RANGE;
}

static void caches_are_written_back(void)
{
	uint64_t before[CHECK_MAX_STATS];
	unsigned char *memory;
	struct peer peer;
	int fd;

	create_flags = MMLAB_LOCKBUF_CACHE_FLUSH;
	fd = create(CHUNK_BYTES);
	memory = map_writer(fd, CHUNK_BYTES);
	peer = peer_start(fd, CHUNK_BYTES);
	EXPECT_EQ(peer_do(&peer, PEER_MAP_READER), 0);
	check_stats(before);
	lock(fd);
	for (int i = 0; i < 7; i++)
		set(memory + i * PAGE_BYTES, 1);
	EXPECT_SINCE(before, CACHE_PAGES, 0);
	unlock(fd);
	EXPECT_SINCE(before, CACHE_PAGES, 7);
	EXPECT_EQ(peer_do(&peer, PEER_LOCK), 0);
	EXPECT_SINCE(before, CACHE_PAGES, 14);
	EXPECT_EQ(peer_do(&peer, PEER_UNLOCK), 0);
	EXPECT_SINCE(before, CACHE_PAGES, 14);
	peer_end(&peer);
}

static const struct check checks[] = {
	{ "memory-comes-page-by-page", memory_comes_page_by_page },
	{ "memory-is-populated", memory_is_populated },
	{ "sizes", sizes },
	{ "whole-blocks", whole_blocks },
	{ "large-and-unaligned", large_and_unaligned },
	{ "flushes-are-counted", flushes_are_counted },
	{ "caches-are-written-back", caches_are_written_back },
};

int main(int argc, char **argv)
{
	check_begin();
	checks_run(checks, sizeof(checks) / sizeof(checks[0]), NULL,
		   argc == 2 ? argv[1] : NULL);
	if (!entries_balance())
		return 1;
	return check_finish();
}
