// SPDX-License-Identifier: MIT
/*
 * Clones and the rest of memory management: huge pages, swap in and out, pages
 * that a device writes to, migration, control groups. Whatever takes pages away
 * has to find them in both processes. For merging see test-clone-merge.c.
 */
#include "test-clone-mm.h"
#include "test-zram.h"

#include <linux/io_uring.h>

#ifndef MADV_PAGEOUT
#define MADV_PAGEOUT 21
#endif

enum { N_PAGES = 32 };
#define BYTES (N_PAGES * PAGE)
#define SWAP_BYTES (64UL << 20)

static int zram_swap = -1;

/*
 * Huge pages.
 */

static long huge_make(long addr, long bytes, long seed)
{
	if (mmap((void *)addr, (size_t)bytes, PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0) !=
	    (void *)addr)
		return -1;
	if (madvise((void *)addr, (size_t)bytes, MADV_HUGEPAGE) != 0)
		return -1;
	return fill(addr, bytes, seed);
}

static struct peer huge_start(char *from, size_t bytes)
{
	struct peer peer = peer_start();

	if (peer_call(peer, huge_make, (long)from, (long)bytes, 1) != 0)
		SKIP("no transparent huge pages here");
	if (smaps_kb_of(peer.pid, from, "AnonHugePages") != (long)bytes / 1024)
		SKIP("%ld kB are huge pages, not %zu",
		     smaps_kb_of(peer.pid, from, "AnonHugePages"), bytes / 1024);
	return peer;
}

static void huge_pages(void)
{
	enum { N_HUGE = 2 };
	struct peer peer = huge_start(SOURCE_ADDR, N_HUGE * HUGE);
	char *memory;

	stats_mark();
	memory = clone_to(peer, SOURCE_ADDR, N_HUGE * HUGE);
	stats_mark();
	EXPECT_STAT(SOURCE_SPLITS, 0);
	EXPECT_STAT(HUGE_SHARED, place == PLACE_ODD ? 0 : N_HUGE);
	EXPECT_STAT(HUGE_MOVED, place == PLACE_EVEN ? N_HUGE : 0);
	EXPECT_STAT(CLONE_SPLITS, place == PLACE_ODD ? N_HUGE : 0);
	EXPECT_STAT(PAGES_SHARED, place == PLACE_ODD ? N_HUGE * 512 : 0);
	EXPECT_EQ(smaps_kb_of(peer.pid, SOURCE_ADDR, "AnonHugePages"),
		  N_HUGE * 2048);
	EXPECT_EQ(smaps_kb(memory, "AnonHugePages"),
		  place == PLACE_ODD ? 0 : N_HUGE * 2048);
	EXPECT_EQ(smaps_kb(memory, "Rss"), N_HUGE * 2048);

	/* One byte here, one there, then everything. */
	EXPECT_HERE(memory, N_HUGE * HUGE, 1);
	memory[HUGE + 5] ^= 1;
	EXPECT_THERE(peer, SOURCE_ADDR, N_HUGE * HUGE, 1);
	memory[HUGE + 5] ^= 1;
	EXPECT_EQ(peer_call(peer, fill, (long)SOURCE_ADDR, HUGE, 2), 0);
	EXPECT_HERE(memory, N_HUGE * HUGE, 1);
	fill((long)memory, N_HUGE * HUGE, 3);
	EXPECT_THERE(peer, SOURCE_ADDR, HUGE, 2);
	peer_end(peer);
	EXPECT_HERE(memory, N_HUGE * HUGE, 3);
}

/* The ends lie within huge pages. */
static void huge_pages_in_part(void)
{
	struct peer peer = huge_start(SOURCE_ADDR, 3 * HUGE);
	size_t bytes = 2 * HUGE;
	char *from = SOURCE_ADDR + HUGE / 2, *memory;

	stats_mark();
	memory = clone_to(peer, from, bytes);
	stats_mark();
	EXPECT_STAT(SOURCE_SPLITS, 2);
	EXPECT_STAT(HUGE_SHARED, place == PLACE_ODD ? 0 : 1);
	EXPECT_STAT(PAGES_SHARED, place == PLACE_ODD ? 1024 : 512);
	for (size_t word = 0; word < bytes / 8; word++)
		if (((uint64_t *)memory)[word] !=
		    word_at(1, HUGE / 2 / 8 + word))
			check_end(1, "word %zu differs", word);
	fill((long)memory, (long)bytes, 2);
	EXPECT_THERE(peer, SOURCE_ADDR, 3 * HUGE, 1);
	peer_end(peer);
	EXPECT_HERE(memory, bytes, 2);
}

/*
 * In one process: all mappings of the page are its own once the source has ended,
 * and even so no write may show at the other address.
 */
static void huge_page_mapped_twice(void)
{
	struct peer peer = huge_start(SOURCE_ADDR, HUGE);
	char *memory = clone_to(peer, SOURCE_ADDR, HUGE), *other;

	other = mmlab_process_vm_mmap(peer.pid, SOURCE_ADDR, HUGE,
				      memory + 4 * HUGE + 3 * PAGE,
				      PVMMAP_FIXED_NOREPLACE);
	EXPECT(other != MAP_FAILED);
	peer_end(peer);
	fill((long)memory, HUGE, 2);
	EXPECT_HERE(other, HUGE, 1);
	fill((long)other, HUGE, 3);
	EXPECT_HERE(memory, HUGE, 2);
}

/* A child's into its parent, which forks again. */
static void huge_page_mapped_back(void)
{
	char *memory = SOURCE_ADDR + 16 * HUGE, *other;
	struct peer peer;

	if (huge_make((long)memory, HUGE, 1) != 0 ||
	    smaps_kb(memory, "AnonHugePages") != HUGE / 1024)
		SKIP("no transparent huge pages here");
	place = PLACE_ODD;
	peer = peer_start();
	other = clone_to(peer, memory, HUGE);
	peer_end(peer);
	fill((long)memory, HUGE / 2, 2);
	EXPECT_HERE(other, HUGE, 1);
	peer = peer_start();
	EXPECT_EQ(peer_call(peer, fill, (long)other, HUGE, 3), 0);
	EXPECT_THERE(peer, memory, HUGE / 2, 2);
	EXPECT(munmap(other, HUGE) == 0);
	EXPECT_HERE(memory, HUGE / 2, 2);
	EXPECT(munmap(memory, HUGE) == 0);
	EXPECT_EQ(peer_call(peer, fill, (long)memory, HUGE, 4), 0);
	EXPECT_THERE(peer, other, HUGE, 3);
	peer_end(peer);
}

/* The huge zero page is no page of the source. */
static long huge_zero_make(long addr, long bytes, long unused)
{
	(void)unused;
	if (huge_make(addr, bytes, 1) != 0 ||
	    madvise((void *)addr, (size_t)bytes, MADV_DONTNEED) != 0)
		return -1;
	for (long at = 0; at < bytes; at += (long)HUGE)
		(void)*(volatile char *)(addr + at);
	return 0;
}

static void huge_zero_page(void)
{
	struct peer peer = peer_start();
	char *memory;

	EXPECT_EQ(peer_call(peer, huge_zero_make, (long)SOURCE_ADDR, 2 * HUGE,
			    0), 0);
	memory = clone_to(peer, SOURCE_ADDR, 2 * HUGE);
	peer_end(peer);
	for (size_t i = 0; i < 2 * HUGE; i += 8)
		EXPECT(*(uint64_t *)(memory + i) == 0);
	fill((long)memory, 2 * HUGE, 2);
	EXPECT_HERE(memory, 2 * HUGE, 2);
}

/*
 * Swap.
 */

static void swap_needed(void)
{
	if (zram_swap < 0)
		SKIP("no zram");
}

/* Not what another processor has just made, and keeps in its list for a while. */
static long swap_out(struct peer peer, size_t bytes, long more_than)
{
	long n;

	do {
		lists_drain();
		EXPECT_EQ(peer_call(peer, advise, (long)SOURCE_ADDR,
				    (long)bytes, MADV_PAGEOUT), 0);
		n = smaps_kb_of(peer.pid, SOURCE_ADDR, "Swap") / 4;
	} while (n <= more_than);
	return n;
}

/* A clone of what is in swap reads nothing, and each side finds it later. */
static void swapped_pages(void)
{
	struct peer peer = peer_start();
	long n_swapped, n_read;
	char *memory;

	swap_needed();
	source_make(peer, SOURCE_ADDR, BYTES, 1);
	n_swapped = swap_out(peer, BYTES / 2, N_PAGES / 4);

	n_read = vmstat("pswpin");
	stats_mark();
	memory = clone_to(peer, SOURCE_ADDR, BYTES);
	stats_mark();
	EXPECT_EQ(vmstat("pswpin"), n_read);
	EXPECT_STAT(SWAP_SHARED, n_swapped);
	EXPECT_STAT(PAGES_SHARED, N_PAGES - n_swapped);
	EXPECT_EQ(smaps_kb(memory, "Swap"), n_swapped * 4);
	EXPECT_EQ(smaps_kb_of(peer.pid, SOURCE_ADDR, "Swap"), n_swapped * 4);

	EXPECT_HERE(memory, BYTES, 1);
	fill((long)memory, BYTES / 4, 2);
	EXPECT_THERE(peer, SOURCE_ADDR, BYTES, 1);
	EXPECT_EQ(peer_call(peer, fill, (long)SOURCE_ADDR, BYTES, 3), 0);
	EXPECT_HERE(memory, BYTES / 4, 2);
	for (size_t word = BYTES / 4 / 8; word < BYTES / 8; word++)
		EXPECT_EQ(((uint64_t *)memory)[word], word_at(1, word));
	peer_end(peer);
}

/* Taking them, and swapoff while only the clone is left to know them. */
static void swap_is_switched_off(void)
{
	struct peer peer = peer_start();
	char path[32], *memory;
	long n_swapped;

	swap_needed();
	source_make(peer, SOURCE_ADDR, BYTES, 1);
	n_swapped = swap_out(peer, BYTES, N_PAGES / 2);
	memory = clone_to(peer, SOURCE_ADDR, BYTES);
	peer_end(peer);
	EXPECT_EQ(smaps_kb(memory, "Swap"), n_swapped * 4);

	(void)snprintf(path, sizeof(path), "/dev/zram%d", zram_swap);
	(void)alarm(CHECK_TIMEOUT_S);
	EXPECT(syscall(SYS_swapoff, path) == 0);
	EXPECT_EQ(smaps_kb(memory, "Swap"), 0);
	EXPECT_HERE(memory, BYTES, 1);
	EXPECT(syscall(SYS_swapon, path, 0) == 0);
}

static void swap_is_off(void)
{
	struct peer peer = peer_start();
	char *memory;

	source_make(peer, SOURCE_ADDR, BYTES, 1);
	(void)peer_call(peer, advise, (long)SOURCE_ADDR, BYTES, MADV_PAGEOUT);
	memory = clone_to(peer, SOURCE_ADDR, BYTES);
	(void)madvise(memory, BYTES, MADV_PAGEOUT);
	EXPECT_HERE(memory, BYTES, 1);
	fill((long)memory, BYTES, 2);
	EXPECT_THERE(peer, SOURCE_ADDR, BYTES, 1);
	peer_end(peer);
}

/*
 * A memory control group is told to reclaim: shared pages leave both processes,
 * which takes a reverse map that knows both.
 */

static void reclaim_takes_from_both(void)
{
	struct peer peer;
	char *memory;

	swap_needed();
	group_make();
	peer = peer_start();
	group_enter(peer.pid, true);
	source_make(peer, SOURCE_ADDR, BYTES, 1);
	memory = clone_to(peer, SOURCE_ADDR, BYTES);

	for (int i = 0; i < 20 && smaps_kb_of(peer.pid, SOURCE_ADDR, "Rss"); i++)
		group_reclaim();
	EXPECT_EQ(smaps_kb_of(peer.pid, SOURCE_ADDR, "Rss"), 0);
	EXPECT_EQ(smaps_kb_of(peer.pid, SOURCE_ADDR, "Swap"), BYTES / 1024);
	EXPECT_EQ(smaps_kb(memory, "Rss"), 0);
	EXPECT_EQ(smaps_kb(memory, "Swap"), BYTES / 1024);
	EXPECT_HERE(memory, BYTES, 1);
	EXPECT_THERE(peer, SOURCE_ADDR, BYTES, 1);

	/* Again, after each has written a part. */
	fill((long)memory, BYTES / 4, 2);
	EXPECT_EQ(peer_call(peer, fill, (long)SOURCE_ADDR + (long)BYTES / 2,
			    BYTES / 2, 3), 0);
	group_reclaim();
	EXPECT_HERE(memory, BYTES / 4, 2);
	EXPECT_THERE(peer, SOURCE_ADDR, BYTES / 2, 1);
	EXPECT_THERE(peer, SOURCE_ADDR + BYTES / 2, BYTES / 2, 3);
	peer_end(peer);
	for (size_t word = BYTES / 4 / 8; word < BYTES / 8; word++)
		EXPECT_EQ(((uint64_t *)memory)[word], word_at(1, word));
	EXPECT(munmap(memory, BYTES) == 0);
	EXPECT(rmdir(group) == 0);
}

/*
 * Cloned twice into one process: what comes back from neighbouring slots of swap
 * as one large folio is still not to be written to at both addresses.
 */
static void swapped_pages_mapped_twice(void)
{
	static const char large[] =
		"/sys/kernel/mm/transparent_hugepage/hugepages-16kB/enabled";
	char *memory, *other, *there = OTHER_ADDR + 16 * HUGE;
	struct peer peer;

	swap_needed();
	if (access(large, W_OK) < 0)
		SKIP("no huge pages of 16 KiB");
	group_make();
	peer = peer_start();
	group_enter(peer.pid, true);
	source_make(peer, SOURCE_ADDR, BYTES, 1);
	group_enter(getpid(), true);
	memory = clone_to(peer, SOURCE_ADDR, BYTES);
	other = mmlab_process_vm_mmap(peer.pid, SOURCE_ADDR, BYTES,
				      there + HUGE, PVMMAP_FIXED_NOREPLACE);
	EXPECT(other != MAP_FAILED);
	for (int i = 0; i < 20 && smaps_kb(other, "Rss"); i++)
		group_reclaim();
	EXPECT_EQ(smaps_kb(memory, "Swap"), BYTES / 1024);
	EXPECT_EQ(smaps_kb(other, "Swap"), BYTES / 1024);
	peer_end(peer);

	/* It takes an address as much out of step as the slot is. */
	there += slot_of(other) % 4 * PAGE;
	other = mremap(other, BYTES, BYTES, MREMAP_MAYMOVE | MREMAP_FIXED,
		       there);
	EXPECT(other == there);
	EXPECT(madvise(other, BYTES, MADV_HUGEPAGE) == 0);
	file_write_text(large, "always");
	EXPECT_HERE(other, BYTES, 1);
	file_write_text(large, "never");
	EXPECT_HERE(memory, BYTES, 1);
	fill((long)memory, BYTES, 2);
	EXPECT_HERE(other, BYTES, 1);
	fill((long)other, BYTES, 3);
	EXPECT_HERE(memory, BYTES, 2);
	group_enter(getpid(), false);
	EXPECT(munmap(memory, BYTES) == 0);
	EXPECT(munmap(other, BYTES) == 0);
	EXPECT(rmdir(group) == 0);
}

/* Shared pages stay charged to who touched them, copies go to who writes. */
static void groups_are_charged(void)
{
	struct peer peer;
	char *memory;
	long before, n, bytes = 8L << 20;

	group_make();
	place = PLACE_ODD;
	peer = peer_start();
	source_make(peer, SOURCE_ADDR, (size_t)bytes, 1);
	group_enter(getpid(), true);
	before = group_charged();
	memory = clone_to(peer, SOURCE_ADDR, (size_t)bytes);
	/* Page tables, and what is charged in advance. */
	n = group_charged() - before;
	if (n >= bytes / 8)
		check_end(1, "%ld bytes were charged for a clone", n);
	fill((long)memory, bytes, 2);
	n = group_charged() - before;
	if (n < bytes - bytes / 8 || n > bytes + bytes / 8)
		check_end(1, "%ld bytes were charged for writing", n);
	EXPECT(munmap(memory, (size_t)bytes) == 0);
	n = group_charged() - before;
	if (n >= bytes / 8)
		check_end(1, "%ld bytes are still charged", n);
	group_enter(getpid(), false);
	peer_end(peer);
	EXPECT(rmdir(group) == 0);
}

/*
 * Pages that a device may be writing to: registered with io_uring.
 */

static long pin(long addr, long bytes, long unused)
{
	struct io_uring_params params = { 0 };
	struct iovec range = { (void *)addr, (size_t)bytes };
	int fd = (int)syscall(SYS_io_uring_setup, 1, &params);

	(void)unused;
	if (fd < 0)
		return -errno;
	if (syscall(SYS_io_uring_register, fd, IORING_REGISTER_BUFFERS, &range,
		    1) != 0)
		return -errno;
	return 0;
}

static void pinned_pages(void)
{
	enum { N_PINNED = 5 };
	struct peer peer = peer_start();
	uint64_t frames[N_PAGES];
	char *memory;
	long error;

	source_make(peer, SOURCE_ADDR, BYTES, 1);
	error = peer_call(peer, pin, (long)SOURCE_ADDR + 2 * (long)PAGE,
			  N_PINNED * PAGE, 0);
	if (error == -ENOSYS || error == -EPERM)
		SKIP("io_uring: %s", strerror((int)-error));
	EXPECT_EQ(error, 0);
	for (size_t i = 0; i < N_PAGES; i++)
		frames[i] = frame_of(peer.pid, SOURCE_ADDR + i * PAGE);

	stats_mark();
	memory = clone_to(peer, SOURCE_ADDR, BYTES);
	stats_mark();
	EXPECT_STAT(PAGES_COPIED, N_PINNED);
	EXPECT_STAT(PAGES_SHARED, N_PAGES - N_PINNED);
	EXPECT_HERE(memory, BYTES, 1);
	/* The source writes to the pages that the device knows. */
	EXPECT_EQ(peer_call(peer, fill, (long)SOURCE_ADDR, BYTES, 2), 0);
	for (size_t i = 0; i < N_PAGES; i++) {
		bool pinned = i >= 2 && i < 2 + N_PINNED;

		EXPECT_EQ(frame_of(peer.pid, SOURCE_ADDR + i * PAGE) ==
			  frames[i], pinned);
		EXPECT_EQ(frame_of(getpid(), memory + i * PAGE) == frames[i],
			  !pinned);
	}
	EXPECT_HERE(memory, BYTES, 1);
	fill((long)memory, BYTES, 3);
	EXPECT_THERE(peer, SOURCE_ADDR, BYTES, 2);
	peer_end(peer);
}

/*
 * Migration: the pages of the clone are at both ends of what was free, with what
 * is free now between them: compaction moves those at one end.
 */
static void compaction_moves_in_both(void)
{
	enum { N_MOVING = 1024 };
	struct peer peer = peer_start();
	size_t bytes = N_MOVING * PAGE, spoil;
	uint64_t *frames = calloc(N_MOVING, sizeof(*frames));
	long n_moved = 0;
	char *memory, *spoiled;

	if (access("/proc/sys/vm/compact_memory", W_OK) < 0)
		SKIP("no compaction");
	EXPECT(frames);
	place = PLACE_ODD;
	spoil = (size_t)vmstat("nr_free_pages") * PAGE / 2 / HUGE * HUGE;
	EXPECT(peer_call(peer, map_at, (long)SOURCE_ADDR, (long)bytes,
			 PROT_READ | PROT_WRITE));
	(void)peer_call(peer, advise, (long)SOURCE_ADDR, (long)bytes,
			MADV_NOHUGEPAGE);
	EXPECT_EQ(peer_call(peer, fill, (long)SOURCE_ADDR, (long)bytes, 1), 0);
	spoiled = mmap(NULL, spoil, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	EXPECT(spoiled != MAP_FAILED);
	(void)madvise(spoiled, spoil, MADV_HUGEPAGE);
	for (size_t i = 0; i < spoil; i += HUGE)
		spoiled[i] = 1;
	/* The upper half again, beyond. */
	EXPECT_EQ(peer_call(peer, advise, (long)SOURCE_ADDR + (long)bytes / 2,
			    (long)bytes / 2, MADV_DONTNEED), 0);
	EXPECT_EQ(peer_call(peer, fill, (long)SOURCE_ADDR, (long)bytes, 1), 0);
	EXPECT(munmap(spoiled, spoil) == 0);

	memory = clone_to(peer, SOURCE_ADDR, bytes);
	for (size_t i = 0; i < N_MOVING; i++)
		frames[i] = frame_of(peer.pid, SOURCE_ADDR + i * PAGE);
	for (int round = 0; round < 3; round++)
		file_write_text("/proc/sys/vm/compact_memory", "1");
	for (size_t i = 0; i < N_MOVING; i++) {
		uint64_t frame = frame_of(peer.pid, SOURCE_ADDR + i * PAGE);

		n_moved += frame != frames[i];
		EXPECT_EQ(frame_of(getpid(), memory + i * PAGE), frame);
	}
	EXPECT_HERE(memory, bytes, 1);
	EXPECT_THERE(peer, SOURCE_ADDR, bytes, 1);
	fill((long)memory, (long)bytes, 2);
	EXPECT_THERE(peer, SOURCE_ADDR, bytes, 1);
	peer_end(peer);
	if (n_moved == 0)
		SKIP("compaction found nothing to move");
}

/* One page, for certain: its memory is said to be failing. */
#ifndef MADV_SOFT_OFFLINE
#define MADV_SOFT_OFFLINE 101
#endif

/* Return: an errno. */
static long offline_at(long addr, long bytes, long unused)
{
	(void)unused;
	return madvise((void *)addr, (size_t)bytes, MADV_SOFT_OFFLINE) == 0 ?
	       0 : errno;
}

static void migration_moves_in_both(void)
{
	struct peer peer = peer_start();
	uint64_t before, after;
	char *memory;
	long error;

	source_make(peer, SOURCE_ADDR, BYTES, 1);
	memory = clone_to(peer, SOURCE_ADDR, BYTES);
	before = frame_of(getpid(), memory + 5 * PAGE);
	do
		error = peer_call(peer, offline_at, (long)SOURCE_ADDR +
				  5 * (long)PAGE, PAGE, 0);
	while (error == EBUSY);
	if (error)
		SKIP("memory cannot fail here: %s", strerror((int)error));
	after = frame_of(getpid(), memory + 5 * PAGE);
	EXPECT(after && after != before);
	EXPECT_EQ(frame_of(peer.pid, SOURCE_ADDR + 5 * PAGE), after);
	EXPECT_HERE(memory, BYTES, 1);
	fill((long)memory, BYTES, 2);
	EXPECT_THERE(peer, SOURCE_ADDR, BYTES, 1);
	peer_end(peer);
	EXPECT_HERE(memory, BYTES, 2);
}

/*
 * A caller that has never touched memory which huge pages are wanted for, but
 * has a clone of such: small pages are made huge there as well.
 */
#define KHUGEPAGED "/sys/kernel/mm/transparent_hugepage/khugepaged/"

static void small_pages_become_huge(void)
{
	static const struct {
		const char *path, *text;
	} hurry[] = {
		{ KHUGEPAGED "pages_to_scan", "8192" },
		{ KHUGEPAGED "alloc_sleep_millisecs", "10" },
		{ KHUGEPAGED "scan_sleep_millisecs", "10" },
	};
	struct peer peer = peer_start();
	char before[3][32], *memory;
	long kb = 0;

	if (access(KHUGEPAGED "defrag", F_OK) < 0)
		SKIP("no transparent huge pages here");
	source_make(peer, SOURCE_ADDR, 2 * HUGE, 1);
	EXPECT_EQ(peer_call(peer, advise, (long)SOURCE_ADDR, 2 * HUGE,
			    MADV_HUGEPAGE), 0);
	memory = clone_to(peer, SOURCE_ADDR, 2 * HUGE);
	/* Only pages of one process become a huge one, on 6.1 written ones. */
	peer_end(peer);
	for (size_t i = 0; i < 2 * HUGE; i += HUGE / 2)
		*(volatile char *)(memory + i) = memory[i];
	for (int i = 0; i < 3; i++) {
		(void)snprintf(before[i], sizeof(before[i]), "%ld",
			       file_read_number(hurry[i].path));
		file_write_text(hurry[i].path, hurry[i].text);
	}
	/* Up to five minutes: its thread waits for all others. */
	for (int i = 0; i < 3000 && kb == 0; i++) {
		(void)usleep(100 * 1000);
		kb = smaps_kb(memory, "AnonHugePages");
	}
	for (int i = 0; i < 3; i++)
		file_write_text(hurry[i].path, before[i]);
	EXPECT(kb >= 2048);
	EXPECT_HERE(memory, 2 * HUGE, 1);
}

static const struct clone_check checks[] = {
	{ "huge-pages", huge_pages, PLACES_ALL },
	{ "huge-pages-in-part", huge_pages_in_part, PLACES_ALL },
	{ "huge-page-mapped-twice", huge_page_mapped_twice, PLACES_ALL },
	{ "huge-page-mapped-back", huge_page_mapped_back, PLACES_ONE },
	{ "huge-zero-page", huge_zero_page, PLACES_ALL },
	{ "swapped-pages", swapped_pages, PLACES_SMALL },
	{ "swap-is-switched-off", swap_is_switched_off, PLACES_SMALL },
	{ "reclaim-takes-from-both", reclaim_takes_from_both, PLACES_SMALL },
	{ "swapped-pages-mapped-twice", swapped_pages_mapped_twice,
	  PLACES_SMALL },
	{ "groups-are-charged", groups_are_charged, PLACES_ONE },
	{ "pinned-pages", pinned_pages, PLACES_SMALL },
	{ "compaction-moves-in-both", compaction_moves_in_both, PLACES_ONE },
	{ "migration-moves-in-both", migration_moves_in_both, PLACES_SMALL },
	{ "small-pages-become-huge", small_pages_become_huge, PLACES_ONE },
};

static const struct clone_check checks_without_swap[] = {
	{ "swap-is-off", swap_is_off, PLACES_SMALL },
};

int main(int argc, char **argv)
{
	const char *filter = argc > 1 ? argv[1] : NULL;

	check_begin();
	clone_checks_run(checks_without_swap, 1, filter);
	zram_swap = zram_add(SWAP_BYTES);
	if (zram_swap >= 0 && zram_swap_on(zram_swap, SWAP_BYTES) < 0) {
		zram_remove(zram_swap);
		zram_swap = -1;
	}
	clone_checks_run(checks, sizeof(checks) / sizeof(checks[0]), filter);
	zram_remove(zram_swap);
	return check_finish();
}
