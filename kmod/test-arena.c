// SPDX-License-Identifier: MIT
/*
 * Arenas: what the commands do to ranges, what accesses find, and counters,
 * exactly, under each scheme and with each way to register faults.
 */
#include "test-arena.h"

#include <sys/resource.h>
#include <sys/stat.h>

static void life_of_a_range(void)
{
	uint64_t before[CHECK_MAX_STATS], value;

	check_stats(before);
	arena_make(64);
	EXPECT_EQ(read_signal(10, &value), SIGSEGV);
	EXPECT_EQ(write_signal(10, 1), SIGSEGV);

	EXPECT_EQ(map_writable(10, 4), 0);
	EXPECT_EQ(look(10), 0);
	set(10, 77);
	set(11, 78);
	EXPECT_EQ(look(10), 77);
	EXPECT_EQ(read_signal(9, &value), SIGSEGV);
	EXPECT_EQ(read_signal(14, &value), SIGSEGV);

	EXPECT_EQ(protect_pages(10, 4, PROT_READ), 0);
	EXPECT_EQ(write_signal(10, 79), SIGSEGV);
	EXPECT_EQ(look(10), 77);
	/* Now there is an entry, for reading. */
	EXPECT_EQ(write_signal(10, 79), SIGSEGV);
	EXPECT_EQ(look(11), 78);
	EXPECT_EQ(look(12), 0);
	EXPECT_EQ(protect_pages(10, 4, PROT_NONE), 0);
	EXPECT_EQ(read_signal(11, &value), SIGSEGV);
	EXPECT_EQ(write_signal(11, 1), SIGSEGV);
	EXPECT_EQ(protect_pages(10, 4, PROT_READ | PROT_WRITE), 0);
	EXPECT_EQ(look(11), 78);
	set(11, 79);

	EXPECT_EQ(unmap_pages(10, 4), 0);
	EXPECT_EQ(read_signal(11, &value), SIGSEGV);
	EXPECT_EQ(map_pages(10, 4, PROT_READ), 0);
	EXPECT_EQ(look(11), 0);

	EXPECT_SINCE(before, CREATED, 1);
	EXPECT_SINCE(before, MMAPS, 1);
	EXPECT_SINCE(before, LIVE_MAPPINGS, 1);
	EXPECT_SINCE(before, MAPS, 2);
	EXPECT_SINCE(before, UNMAPS, 1);
	EXPECT_SINCE(before, PROTECTS, 3);
	/* 10, 11; for reading 10, 11, 12; again 11; at last 11. */
	EXPECT_SINCE(before, FAULTS, 7);
	EXPECT_SINCE(before, VIOLATIONS, 9);
	EXPECT_SINCE(before, RETRIES, 0);
	EXPECT_SINCE(before, PAGES_ALLOCATED, 4);
	EXPECT_SINCE(before, PAGES_FREED, 3);
	EXPECT_SINCE(before, LIVE_PAGES, 1);
	EXPECT_EQ(waits_since(before), 0);
}

/* Acquisitions of every lock, one by one. */
static void acquisitions_are_exact(void)
{
	const bool registers = pending != MMLAB_ARENA_PENDING_NONE;
	const bool split = scheme == MMLAB_ARENA_SPLIT;
	const unsigned int n_searched =
		pending == MMLAB_ARENA_PENDING_CPU ?
			(unsigned int)sysconf(_SC_NPROCESSORS_CONF) + 1 : 1;
	uint64_t before[CHECK_MAX_STATS];

	arena_make(64);
	check_stats(before);
	EXPECT_EQ(map_writable(1, 1), 0);
	EXPECT_SINCE(before, EXCLUSIVE, 1);
	EXPECT_SINCE(before, SHORT_WRITES, split);
	EXPECT_SINCE(before, PENDING_LOOKUPS, registers);
	EXPECT_SINCE(before, PENDING_SEARCHED, registers ? n_searched : 0);
	EXPECT_SINCE(before, SHARED, 0);

	check_stats(before);
	set(1, 1);
	EXPECT_SINCE(before, EXCLUSIVE, 0);
	EXPECT_SINCE(before, SHARED, scheme == MMLAB_ARENA_RWSEM ||
		     (!split && !registers));
	EXPECT_SINCE(before, SHORT_READS, split);
	EXPECT_SINCE(before, PENDING_INSERTS, registers);
	EXPECT_SINCE(before, PENDING_OVERFLOWS, 0);
	EXPECT_SINCE(before, PENDING_CONFLICTS, 0);

	check_stats(before);
	EXPECT_EQ(populate_pages(1, 1), 0);
	EXPECT_SINCE(before, SHARED, 1);
	EXPECT_SINCE(before, SHORT_READS, split);
	EXPECT_SINCE(before, PENDING_INSERTS, 0);
	EXPECT_SINCE(before, PENDING_LOOKUPS, 0);

	check_stats(before);
	EXPECT_EQ(hold_pages(1, 1, 0, 0), 0);
	EXPECT_EQ(hold_pages(1, 1, 0, MMLAB_ARENA_HOLD_SHARED), 0);
	EXPECT_EQ(protect_pages(1, 1, PROT_READ), 0);
	EXPECT_EQ(unmap_pages(1, 1), 0);
	EXPECT_SINCE(before, EXCLUSIVE, 3);
	EXPECT_SINCE(before, SHARED, 1);
	EXPECT_SINCE(before, HOLDS, 2);
	EXPECT_SINCE(before, SHORT_WRITES, split ? 3 : 0);
	EXPECT_SINCE(before, PENDING_LOOKUPS, registers ? 3 : 0);
	EXPECT_EQ(waits_since(before), 0);
	EXPECT_SINCE(before, PENDING_WAITS, 0);
	EXPECT_SINCE(before, PENDING_ABORTS, 0);
	EXPECT_SINCE(before, LIST_RESTARTS, 0);
}

/* A large range is searched for in each list once. */
static void searches_are_bounded(void)
{
	uint64_t before[CHECK_MAX_STATS];

	if (pending != MMLAB_ARENA_PENDING_HASH)
		SKIP("only the table of lists has several");
	arena_make(1024);
	for (size_t n = 1; n <= 1024; n *= 2) {
		check_stats(before);
		EXPECT_EQ(hold_pages(0, n, 0, 0), 0);
		EXPECT_SINCE(before, PENDING_SEARCHED, n < 64 ? n : 64);
	}
}

static void ranges_split(void)
{
	uint64_t value;

	arena_make(64);
	EXPECT_EQ(map_writable(0, 30), 0);
	for (size_t i = 0; i < 30; i++)
		set(i, 100 + i);

	/* Overlaps are refused and change nothing. */
	EXPECT_ERRNO(map_pages(29, 2, PROT_READ), EEXIST);
	EXPECT_ERRNO(map_pages(0, 1, PROT_READ), EEXIST);
	EXPECT_EQ(read_signal(30, &value), SIGSEGV);
	set(29, 129);

	/* A hole in the middle; another protection at its left. */
	EXPECT_EQ(unmap_pages(10, 5), 0);
	EXPECT_EQ(protect_pages(8, 2, PROT_READ), 0);
	for (size_t i = 0; i < 30; i++) {
		bool hole = i >= 10 && i < 15;
		bool readable = i == 8 || i == 9;

		EXPECT_EQ(read_signal(i, &value), hole ? SIGSEGV : 0);
		if (!hole)
			EXPECT_EQ(value, 100 + i);
		EXPECT_EQ(write_signal(i, 100 + i),
			  hole || readable ? SIGSEGV : 0);
	}

	/* Protection of a range with a hole changes nothing. */
	EXPECT_ERRNO(protect_pages(5, 20, PROT_NONE), ENOMEM);
	EXPECT_ERRNO(protect_pages(10, 1, PROT_NONE), ENOMEM);
	EXPECT_ERRNO(protect_pages(29, 2, PROT_NONE), ENOMEM);
	EXPECT_EQ(look(5), 105);
	set(20, 120);

	/* Over several ranges at once; holes are no error for UNMAP. */
	EXPECT_EQ(map_pages(10, 5, PROT_NONE), 0);
	EXPECT_EQ(protect_pages(5, 20, PROT_READ), 0);
	EXPECT_EQ(look(12), 0);
	EXPECT_EQ(write_signal(20, 1), SIGSEGV);
	EXPECT_EQ(unmap_pages(0, 64), 0);
	EXPECT_EQ(unmap_pages(0, 64), 0);
	EXPECT_EQ(check_stat(MMLAB_ARENA_STAT_LIVE_PAGES), 0);
	EXPECT_EQ(map_writable(0, 64), 0);
	EXPECT_EQ(look(5), 0);
	set(63, 1);
}

static void populate_fills(void)
{
	uint64_t before[CHECK_MAX_STATS], value;

	arena_make(2048);
	EXPECT_EQ(map_writable(100, 1500), 0);
	EXPECT_EQ(protect_pages(600, 100, PROT_READ), 0);
	set(100, 5);
	check_stats(before);
	EXPECT_EQ(populate_pages(100, 1500), 0);
	EXPECT_SINCE(before, POPULATES, 1);
	EXPECT_SINCE(before, POPULATED, 1500);
	EXPECT_SINCE(before, PAGES_ALLOCATED, 1499);
	for (size_t i = 100; i < 1600; i++)
		EXPECT_EQ(look(i), i == 100 ? 5 : 0);
	set(101, 1);
	EXPECT_EQ(write_signal(650, 1), SIGSEGV);
	EXPECT_SINCE(before, FAULTS, 0);

	/* Neither where nothing is mapped, nor where nobody may look. */
	EXPECT_ERRNO(populate_pages(99, 2), ENOMEM);
	EXPECT_ERRNO(populate_pages(1599, 2), ENOMEM);
	EXPECT_ERRNO(populate_pages(0, 2048), ENOMEM);
	EXPECT_EQ(protect_pages(700, 1, PROT_NONE), 0);
	EXPECT_ERRNO(populate_pages(699, 3), EACCES);
	EXPECT_EQ(read_signal(700, &value), SIGSEGV);
	EXPECT_SINCE(before, POPULATED, 1500);
}

/* System calls get EFAULT where the processor gets a signal. */
static void system_calls_fault(void)
{
	char bytes[8];
	int pipes[2];

	EXPECT(pipe(pipes) == 0);
	arena_make(8);
	EXPECT_ERRNO(write(pipes[1], memory, 8), EFAULT);
	EXPECT_EQ(map_pages(0, 1, PROT_READ), 0);
	EXPECT_EQ(write(pipes[1], memory, 8), 8);
	EXPECT_ERRNO(read(pipes[0], memory, 8), EFAULT);
	EXPECT_EQ(read(pipes[0], bytes, 8), 8);
	EXPECT_EQ(unmap_pages(0, 1), 0);
	EXPECT_EQ(map_writable(0, 1), 0);
	EXPECT_EQ(write(pipes[1], "mmlabmm", 8), 8);
	EXPECT_EQ(read(pipes[0], memory, 8), 8);
	EXPECT(!memcmp(memory, "mmlabmm", 8));
}

/* Commands work before mmap, after munmap, and by others; POPULATE does not. */
static void commands_without_mapping(void)
{
	uint64_t before[CHECK_MAX_STATS];
	pid_t pid;

	arena_make(64);
	EXPECT(munmap(memory, arena_bytes) == 0);
	EXPECT_EQ(map_writable(0, 8), 0);
	EXPECT_ERRNO(populate_pages(0, 8), ENXIO);
	memory = mmlab_arena_mmap(arena, arena_bytes);
	EXPECT(memory != MAP_FAILED);
	set(3, 33);
	EXPECT(munmap(memory, arena_bytes) == 0);
	check_stats(before);
	memory = mmlab_arena_mmap(arena, arena_bytes);
	EXPECT(memory != MAP_FAILED);
	EXPECT_EQ(look(3), 33);
	EXPECT_SINCE(before, FAULTS, 1);

	pid = fork();
	EXPECT(pid >= 0);
	if (pid == 0) {
		EXPECT(mmlab_arena_mmap(arena, arena_bytes) == MAP_FAILED);
		EXPECT_EQ(errno, EBUSY);
		EXPECT_ERRNO(populate_pages(0, 8), ENXIO);
		EXPECT_EQ(unmap_pages(3, 1), 0);
		EXPECT_EQ(protect_pages(4, 1, PROT_READ), 0);
		_exit(0);
	}
	EXPECT_CHILD_OK(pid);
	EXPECT_EQ(write_signal(3, 1), SIGSEGV);
	EXPECT_EQ(write_signal(4, 1), SIGSEGV);
	set(5, 1);
}

/* As many ranges as pages, every other one mapped, in no order. */
static void many_ranges(void)
{
	const size_t n = check_times(4096, 512);
	uint64_t value;

	arena_make(n);
	for (size_t i = 0; i < n; i += 2)
		EXPECT_EQ(map_writable(i * 1031 % n & ~(size_t)1, 1), 0);
	for (size_t i = 0; i < n; i += 2)
		set(i, i);
	for (size_t i = 0; i < n; i += 4)
		EXPECT_EQ(protect_pages(i, 1, PROT_READ), 0);
	for (size_t i = 0; i < n; i++) {
		EXPECT_EQ(read_signal(i, &value), i % 2 ? SIGSEGV : 0);
		if (i % 2 == 0)
			EXPECT_EQ(value, i);
		EXPECT_EQ(write_signal(i, i), i % 4 == 2 ? 0 : SIGSEGV);
	}
	EXPECT_EQ(check_stat(MMLAB_ARENA_STAT_LIVE_PAGES), n / 2);
	EXPECT_EQ(unmap_pages(1, n - 2), 0);
	EXPECT_EQ(check_stat(MMLAB_ARENA_STAT_LIVE_PAGES), 1);
	EXPECT_EQ(look(0), 0);
}

/* An arena much larger than memory, touched at its ends. */
static void large_arena(void)
{
	const size_t n = MMLAB_ARENA_MAX_BYTES / PAGE_BYTES / 64;

	arena_make(n);
	EXPECT_EQ(map_writable(0, n), 0);
	set(0, 1);
	set(n - 1, 2);
	EXPECT_EQ(protect_pages(1, n - 2, PROT_READ), 0);
	EXPECT_EQ(look(0), 1);
	EXPECT_EQ(look(n / 2), 0);
	EXPECT_EQ(unmap_pages(0, n), 0);
	EXPECT_EQ(check_stat(MMLAB_ARENA_STAT_LIVE_PAGES), 0);
}

static const struct check checks[] = {
	{ "life-of-a-range", life_of_a_range },
	{ "acquisitions-are-exact", acquisitions_are_exact },
	{ "searches-are-bounded", searches_are_bounded },
	{ "ranges-split", ranges_split },
	{ "populate-fills", populate_fills },
	{ "system-calls-fault", system_calls_fault },
	{ "commands-without-mapping", commands_without_mapping },
	{ "many-ranges", many_ranges },
	{ "large-arena", large_arena },
};

int main(int argc, char **argv)
{
	check_begin();
	variants_run(checks, sizeof(checks) / sizeof(checks[0]),
		     argc == 2 ? argv[1] : NULL);
	return check_finish();
}
