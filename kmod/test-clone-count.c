// SPDX-License-Identifier: MIT
/*
 * Clones of mappings: what is moved, populated and shared, counted exactly, by
 * the module and by the kernel.
 */
#include "test-clone.h"

#include <sched.h>

enum { N_PAGES = 24 };
#define BYTES (N_PAGES * PAGE)

/*
 * What compaction puts back goes into the list of this CPU. If this process
 * stays there, the first of its writes that finds too many references empties
 * that as well.
 */
static void pages_are_in_no_list(void)
{
	cpu_set_t cpus;

	CPU_ZERO(&cpus);
	CPU_SET((size_t)sched_getcpu(), &cpus);
	EXPECT(sched_setaffinity(0, sizeof(cpus), &cpus) == 0);
	lists_drain();
}

/* A line of /proc/PID/status, in kB. */
static long status_kb(pid_t pid, const char *field)
{
	char path[64], line[256];
	long kb = -1;
	FILE *file;

	(void)snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	file = fopen(path, "re");
	EXPECT(file);
	while (fgets(line, sizeof(line), file))
		if (!strncmp(line, field, strlen(field)))
			kb = strtol(line + strlen(field) + 1, NULL, 10);
	EXPECT(fclose(file) == 0);
	EXPECT(kb >= 0);
	return kb;
}

/* Each side's account of address space changes by what it lost or got. */
static void taking_is_accounted(void)
{
	static const char *const fields[] = { "VmSize", "VmData", "VmLck" };
	long here[3], there[3], bytes = 8 * PAGE;
	struct peer peer = source_start(BYTES);

	EXPECT_EQ(peer_call(peer, lock_at, (long)SOURCE_ADDR, BYTES, 0), 0);
	for (int i = 0; i < 3; i++) {
		here[i] = status_kb(getpid(), fields[i]);
		there[i] = status_kb(peer.pid, fields[i]);
	}
	(void)clone_with(peer, SOURCE_ADDR + 4 * PAGE, (size_t)bytes,
			 PVMMAP_MOVE);
	for (int i = 0; i < 3; i++) {
		EXPECT_EQ(status_kb(getpid(), fields[i]),
			  here[i] + (i == 2 ? 0 : bytes / 1024));
		EXPECT_EQ(status_kb(peer.pid, fields[i]),
			  there[i] - bytes / 1024);
	}
	peer_end(peer);
}

static void source_is_taken(void)
{
	struct peer peer = source_start(BYTES);
	char *memory;

	pages_are_in_no_list();
	stats_mark();
	memory = clone_with(peer, SOURCE_ADDR + 4 * PAGE, 8 * PAGE,
			    PVMMAP_MOVE);
	stats_mark();
	EXPECT_STAT(MOVES, 1);
	EXPECT_STAT(PAGES_SHARED, 8);
	EXPECT_STAT(FLUSHES, 0);
	for (size_t i = 0; i < N_PAGES; i++)
		EXPECT_EQ(is_mapped(peer.pid, SOURCE_ADDR + i * PAGE),
			  i < 4 || i >= 12);
	EXPECT_THERE(peer, SOURCE_ADDR, 4 * PAGE, 1);
	for (size_t word = 0; word < 8 * PAGE / 8; word++)
		EXPECT_EQ(((uint64_t *)memory)[word],
			  word_at(1, 4 * PAGE / 8 + word));

	/* Nobody else has them: what is written is the same page. */
	for (size_t i = 0; i < 8; i++) {
		uint64_t frame = frame_of(getpid(), memory + i * PAGE);

		EXPECT(frame);
		memory[i * PAGE] = 'x';
		EXPECT_EQ(frame_of(getpid(), memory + i * PAGE), frame);
	}
	peer_end(peer);
}

static void faults_exact(void)
{
	struct peer peer = source_start(BYTES);
	char *memory = clone_to(peer, SOURCE_ADDR, BYTES);
	long faults;

	/* Both calls and what they touch, once before counting. */
	(void)minor_faults();
	faults = minor_faults();
	EXPECT_EQ(minor_faults() - faults, 0);

	faults = minor_faults();
	for (size_t i = 0; i < N_PAGES; i++)
		(void)*(volatile char *)(memory + i * PAGE);
	EXPECT_EQ(minor_faults() - faults, 0);

	faults = minor_faults();
	for (size_t i = 0; i < N_PAGES; i++)
		*(volatile char *)(memory + i * PAGE) = 1;
	EXPECT_EQ(minor_faults() - faults, N_PAGES);
	peer_end(peer);
}

static void populated_never_faults(void)
{
	struct peer peer = source_start(BYTES);
	char *memory;
	long faults;

	/* Some were never there. */
	EXPECT_EQ(peer_call(peer, advise, (long)SOURCE_ADDR + 20 * (long)PAGE,
			    4 * PAGE, MADV_DONTNEED), 0);
	stats_mark();
	memory = clone_with(peer, SOURCE_ADDR, BYTES, PVMMAP_POPULATE);
	stats_mark();
	EXPECT_STAT(POPULATED, 1);
	EXPECT_STAT(PAGES_SHARED, N_PAGES - 4);
	(void)minor_faults();
	faults = minor_faults();
	for (size_t i = 0; i < N_PAGES; i++)
		*(volatile char *)(memory + i * PAGE) += 1;
	EXPECT_EQ(minor_faults() - faults, 0);
	EXPECT_THERE(peer, SOURCE_ADDR, 20 * PAGE, 1);
	EXPECT(munmap(memory, BYTES) == 0);

	/* Taken and populated: not one page is copied. */
	uint64_t frame;

	pages_are_in_no_list();
	frame = frame_of(peer.pid, SOURCE_ADDR);
	memory = clone_with(peer, SOURCE_ADDR, BYTES,
			    PVMMAP_POPULATE | PVMMAP_MOVE);
	EXPECT(frame);
	EXPECT_EQ(frame_of(getpid(), memory), frame);
	faults = minor_faults();
	for (size_t i = 0; i < N_PAGES; i++)
		*(volatile char *)(memory + i * PAGE) += 1;
	EXPECT_EQ(minor_faults() - faults, 0);
	peer_end(peer);
}

static void counts_exact(void)
{
	struct peer peer = source_start(BYTES);
	char *memory;

	stats_mark();
	memory = clone_to(peer, SOURCE_ADDR, BYTES);
	stats_mark();
	EXPECT_STAT(CLONES, 1);
	EXPECT_STAT(UNDONE, 0);
	EXPECT_STAT(DIRECT, place == PLACE_SAME);
	EXPECT_STAT(STAGED, place != PLACE_SAME);
	EXPECT_STAT(PAGES_SHARED, N_PAGES);
	EXPECT_STAT(PAGES_COPIED, 0);
	EXPECT_STAT(SWAP_SHARED, 0);
	EXPECT_STAT(OTHER_SHARED, 0);
	EXPECT_STAT(HUGE_SHARED, 0);
	EXPECT_STAT(SOURCE_SPLITS, 0);
	EXPECT_STAT(TABLES_MOVED, 0);
	EXPECT_STAT(PTES_MOVED, place == PLACE_SAME ? 0 : N_PAGES);
	EXPECT_STAT(FLUSHES, 1);

	/* Resident on both sides, shared, and accounted as anonymous. */
	EXPECT_EQ(smaps_kb(memory, "Rss"), BYTES / 1024);
	EXPECT_EQ(smaps_kb(memory, "Anonymous"), BYTES / 1024);
	EXPECT_EQ(smaps_kb(memory, "Pss"), BYTES / 2048);
	EXPECT_EQ(smaps_kb_of(peer.pid, SOURCE_ADDR, "Rss"), BYTES / 1024);
	EXPECT_EQ(smaps_kb_of(peer.pid, SOURCE_ADDR, "Pss"), BYTES / 2048);
	for (size_t i = 0; i < N_PAGES; i++)
		EXPECT_EQ(frame_of(getpid(), memory + i * PAGE),
			  frame_of(peer.pid, SOURCE_ADDR + i * PAGE));
	EXPECT(munmap(memory, BYTES) == 0);
	EXPECT_EQ(smaps_kb_of(peer.pid, SOURCE_ADDR, "Pss"), BYTES / 1024);
	peer_end(peer);
}

/* Whole page tables, and what sticks out at both ends. */
static void tables_are_moved(void)
{
	struct peer peer = peer_start();
	size_t bytes = 2 * HUGE;
	char *from = SOURCE_ADDR + HUGE / 2;
	long rss_before;
	char *memory;

	source_make(peer, from, bytes, 1);
	rss_before = smaps_kb_of(peer.pid, from, "Rss");
	stats_mark();
	memory = clone_to(peer, from, bytes);
	stats_mark();
	EXPECT_STAT(PAGES_SHARED, bytes / PAGE);
	EXPECT_STAT(TABLES_MOVED, place == PLACE_EVEN ? 1 : 0);
	EXPECT_STAT(PTES_MOVED, place == PLACE_SAME ? 0 :
		    place == PLACE_EVEN ? HUGE / PAGE : bytes / PAGE);
	EXPECT_HERE(memory, bytes, 1);
	EXPECT_EQ(smaps_kb(memory, "Rss"), bytes / 1024);
	EXPECT_EQ(smaps_kb_of(peer.pid, from, "Rss"), rss_before);
	fill((long)memory, (long)bytes, 2);
	EXPECT_THERE(peer, from, bytes, 1);
	peer_end(peer);
	EXPECT_HERE(memory, bytes, 2);
}

static const struct clone_check checks[] = {
	{ "source-is-taken", source_is_taken, PLACES_SMALL },
	{ "taking-is-accounted", taking_is_accounted, PLACES_SMALL },
	{ "faults-exact", faults_exact, PLACES_SMALL },
	{ "populated-never-faults", populated_never_faults, PLACES_SMALL },
	{ "counts-exact", counts_exact, PLACES_SMALL },
	{ "tables-are-moved", tables_are_moved, PLACES_ALL },
};

int main(int argc, char **argv)
{
	check_begin();
	clone_checks_run(checks, sizeof(checks) / sizeof(checks[0]),
			 argc > 1 ? argv[1] : NULL);
	return check_finish();
}
