// SPDX-License-Identifier: MIT
/*
 * Clones and the rest of memory management: huge pages, swap in and out, pages
 * that a device writes to, merging, migration, control groups. Whatever takes
 * pages away has to find them in both processes.
 */
#include "test-clone.h"
#include "test-zram.h"

#include <sys/stat.h>
#include <linux/io_uring.h>

#ifndef MADV_PAGEOUT
#define MADV_PAGEOUT 21
#endif

enum { N_PAGES = 32 };
#define BYTES (N_PAGES * PAGE)
#define SWAP_BYTES (64UL << 20)

static int zram_swap = -1;

static void file_write_text(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	EXPECT(fd >= 0);
	EXPECT(write(fd, text, strlen(text)) == (ssize_t)strlen(text));
	EXPECT(close(fd) == 0);
}

static long file_read_number(const char *path)
{
	char text[32];
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	EXPECT(fd >= 0);
	n = read(fd, text, sizeof(text) - 1);
	EXPECT(n > 0);
	text[n] = '\0';
	EXPECT(close(fd) == 0);
	return strtol(text, NULL, 10);
}

/* A counter of /proc/vmstat. */
static long vmstat(const char *name)
{
	char line[128];
	long value = -1;
	FILE *file = fopen("/proc/vmstat", "re");
	size_t n = strlen(name);

	EXPECT(file);
	while (fgets(line, sizeof(line), file))
		if (!strncmp(line, name, n) && line[n] == ' ')
			value = strtol(line + n, NULL, 10);
	EXPECT(fclose(file) == 0);
	EXPECT(value >= 0);
	return value;
}

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
	if (smaps_kb(peer.pid, from, "AnonHugePages") != (long)bytes / 1024)
		SKIP("%ld kB are huge pages, not %zu",
		     smaps_kb(peer.pid, from, "AnonHugePages"), bytes / 1024);
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
	EXPECT_EQ(smaps_kb(peer.pid, SOURCE_ADDR, "AnonHugePages"),
		  N_HUGE * 2048);
	EXPECT_EQ(smaps_kb(getpid(), memory, "AnonHugePages"),
		  place == PLACE_ODD ? 0 : N_HUGE * 2048);
	EXPECT_EQ(smaps_kb(getpid(), memory, "Rss"), N_HUGE * 2048);

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

/* A clone of what is in swap reads nothing, and each side finds it later. */
static void swapped_pages(void)
{
	struct peer peer = peer_start();
	long n_swapped, n_read;
	char *memory;

	swap_needed();
	source_make(peer, SOURCE_ADDR, BYTES, 1);
	EXPECT_EQ(peer_call(peer, advise, (long)SOURCE_ADDR, BYTES / 2,
			    MADV_PAGEOUT), 0);
	n_swapped = smaps_kb(peer.pid, SOURCE_ADDR, "Swap") / 4;
	EXPECT(n_swapped > N_PAGES / 4);

	n_read = vmstat("pswpin");
	stats_mark();
	memory = clone_to(peer, SOURCE_ADDR, BYTES);
	stats_mark();
	EXPECT_EQ(vmstat("pswpin"), n_read);
	EXPECT_STAT(SWAP_SHARED, n_swapped);
	EXPECT_STAT(PAGES_SHARED, N_PAGES - n_swapped);
	EXPECT_EQ(smaps_kb(getpid(), memory, "Swap"), n_swapped * 4);
	EXPECT_EQ(smaps_kb(peer.pid, SOURCE_ADDR, "Swap"), n_swapped * 4);

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
	EXPECT_EQ(peer_call(peer, advise, (long)SOURCE_ADDR, BYTES,
			    MADV_PAGEOUT), 0);
	n_swapped = smaps_kb(peer.pid, SOURCE_ADDR, "Swap") / 4;
	EXPECT(n_swapped > N_PAGES / 2);
	memory = clone_to(peer, SOURCE_ADDR, BYTES);
	peer_end(peer);
	EXPECT_EQ(smaps_kb(getpid(), memory, "Swap"), n_swapped * 4);

	(void)snprintf(path, sizeof(path), "/dev/zram%d", zram_swap);
	(void)alarm(60);
	EXPECT(syscall(SYS_swapoff, path) == 0);
	EXPECT_EQ(smaps_kb(getpid(), memory, "Swap"), 0);
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

static const char group[] = "/sys/fs/cgroup/mmlab-clone";

static void group_enter(pid_t pid, bool enter)
{
	char text[16];

	(void)snprintf(text, sizeof(text), "%d", (int)pid);
	file_write_text(enter ? "/sys/fs/cgroup/mmlab-clone/cgroup.procs"
			      : "/sys/fs/cgroup/cgroup.procs", text);
}

static void group_make(void)
{
	int fd = open("/sys/fs/cgroup/cgroup.subtree_control",
		      O_WRONLY | O_CLOEXEC);

	if (fd < 0 || write(fd, "+memory", 7) != 7)
		SKIP("no memory control group");
	EXPECT(close(fd) == 0);
	EXPECT(mkdir(group, 0700) == 0 || errno == EEXIST);
	if (access("/sys/fs/cgroup/mmlab-clone/memory.reclaim", W_OK) < 0)
		SKIP("no memory.reclaim");
}

static long group_charged(void)
{
	return file_read_number("/sys/fs/cgroup/mmlab-clone/memory.current");
}

static void group_reclaim(void)
{
	int fd = open("/sys/fs/cgroup/mmlab-clone/memory.reclaim",
		      O_WRONLY | O_CLOEXEC);

	EXPECT(fd >= 0);
	(void)!write(fd, "4M", 2); /* less is fine */
	EXPECT(close(fd) == 0);
}

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

	for (int i = 0; i < 20 && smaps_kb(peer.pid, SOURCE_ADDR, "Rss"); i++)
		group_reclaim();
	EXPECT_EQ(smaps_kb(peer.pid, SOURCE_ADDR, "Rss"), 0);
	EXPECT_EQ(smaps_kb(peer.pid, SOURCE_ADDR, "Swap"), BYTES / 1024);
	EXPECT_EQ(smaps_kb(getpid(), memory, "Rss"), 0);
	EXPECT_EQ(smaps_kb(getpid(), memory, "Swap"), BYTES / 1024);
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
 * Merging.
 */

static long fill_equal(long addr, long bytes, long byte)
{
	memset((void *)addr, (int)byte, (size_t)bytes);
	return 0;
}

static bool all_bytes_are(const char *memory, size_t bytes, char byte)
{
	for (size_t i = 0; i < bytes; i++)
		if (memory[i] != byte)
			return false;
	return true;
}

static void ksm_run(void)
{
	static const char scans[] = "/sys/kernel/mm/ksm/full_scans";
	long before = file_read_number(scans);

	file_write_text("/sys/kernel/mm/ksm/pages_to_scan", "10000");
	file_write_text("/sys/kernel/mm/ksm/sleep_millisecs", "1");
	if (access("/sys/kernel/mm/ksm/smart_scan", W_OK) == 0)
		file_write_text("/sys/kernel/mm/ksm/smart_scan", "0");
	file_write_text("/sys/kernel/mm/ksm/run", "1");
	for (int i = 0; i < 1000; i++) {
		(void)usleep(10 * 1000);
		if (file_read_number(scans) >= before + 4)
			break;
	}
}

static void merged_pages(void)
{
	struct peer peer = peer_start();
	uint64_t frame;
	char *memory;
	long n_merged = 0;

	if (access("/sys/kernel/mm/ksm/run", W_OK) < 0)
		SKIP("no KSM");
	source_make(peer, SOURCE_ADDR, BYTES, 1);
	EXPECT_EQ(peer_call(peer, fill_equal, (long)SOURCE_ADDR, BYTES / 2,
			    'm'), 0);
	EXPECT_EQ(peer_call(peer, advise, (long)SOURCE_ADDR, BYTES,
			    MADV_MERGEABLE), 0);
	ksm_run();
	file_write_text("/sys/kernel/mm/ksm/run", "0");
	frame = frame_of(peer.pid, SOURCE_ADDR);
	for (size_t i = 0; i < N_PAGES / 2; i++)
		n_merged += frame_of(peer.pid, SOURCE_ADDR + i * PAGE) == frame;
	EXPECT_EQ(n_merged, N_PAGES / 2);

	stats_mark();
	memory = clone_to(peer, SOURCE_ADDR, BYTES);
	stats_mark();
	EXPECT_STAT(PAGES_COPIED, n_merged);
	EXPECT_STAT(PAGES_SHARED, N_PAGES - n_merged);
	/* The source stays merged; the clone has nothing to do with it. */
	for (size_t i = 0; i < N_PAGES / 2; i++) {
		EXPECT_EQ(frame_of(peer.pid, SOURCE_ADDR + i * PAGE), frame);
		EXPECT(frame_of(getpid(), memory + i * PAGE) != frame);
	}
	EXPECT(all_bytes_are(memory, BYTES / 2, 'm'));
	memory[0] = 'x';
	(void)peer_call(peer, fill_equal, (long)SOURCE_ADDR, PAGE, 's');
	EXPECT_EQ(memory[0], 'x');
	EXPECT(all_bytes_are(memory + 1, BYTES / 2 - 1, 'm'));

	/* Merged after, in both, and parted again. */
	EXPECT(madvise(memory, BYTES, MADV_MERGEABLE) == 0);
	ksm_run();
	EXPECT(all_bytes_are(memory + 1, BYTES / 2 - 1, 'm'));
	EXPECT_EQ(frame_of(getpid(), memory + PAGE),
		  frame_of(getpid(), memory + 2 * PAGE));
	fill((long)memory, BYTES, 3);
	(void)peer_call(peer, fill, (long)SOURCE_ADDR, BYTES, 4);
	file_write_text("/sys/kernel/mm/ksm/run", "2");
	file_write_text("/sys/kernel/mm/ksm/run", "0");
	EXPECT_HERE(memory, BYTES, 3);
	EXPECT_THERE(peer, SOURCE_ADDR, BYTES, 4);
	peer_end(peer);
}

/*
 * Migration: every second page of a large piece of memory is given back, so
 * that compaction has something to do, then pages must have moved, and in both.
 */
static void compaction_moves_in_both(void)
{
	enum { N_MOVING = 1024 };
	struct peer peer = peer_start();
	size_t bytes = N_MOVING * PAGE, spoil = 64UL << 20;
	uint64_t *frames = calloc(N_MOVING, sizeof(*frames));
	long n_moved = 0;
	char *memory, *spoiled;

	if (access("/proc/sys/vm/compact_memory", W_OK) < 0)
		SKIP("no compaction");
	EXPECT(frames);
	place = PLACE_ODD;
	/* Taken in turns, so that holes are between the pages of the clone. */
	EXPECT(peer_call(peer, map_at, (long)SOURCE_ADDR, (long)bytes,
			 PROT_READ | PROT_WRITE));
	(void)peer_call(peer, advise, (long)SOURCE_ADDR, (long)bytes,
			MADV_NOHUGEPAGE);
	spoiled = mmap(NULL, spoil, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	EXPECT(spoiled != MAP_FAILED);
	EXPECT(madvise(spoiled, spoil, MADV_NOHUGEPAGE) == 0);
	for (size_t i = 0; i < spoil; i += PAGE)
		spoiled[i] = 1;
	for (size_t i = 0; i < spoil; i += 2 * PAGE)
		EXPECT(madvise(spoiled + i, PAGE, MADV_DONTNEED) == 0);
	EXPECT_EQ(peer_call(peer, fill, (long)SOURCE_ADDR, (long)bytes, 1), 0);
	for (size_t i = 0; i < spoil; i += 2 * PAGE)
		EXPECT(madvise(spoiled + i + PAGE, PAGE, MADV_DONTNEED) == 0);

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

static const struct clone_check checks[] = {
	{ "huge-pages", huge_pages, PLACES_ALL },
	{ "huge-pages-in-part", huge_pages_in_part, PLACES_ALL },
	{ "huge-zero-page", huge_zero_page, PLACES_ALL },
	{ "swapped-pages", swapped_pages, PLACES_SMALL },
	{ "swap-is-switched-off", swap_is_switched_off, PLACES_SMALL },
	{ "reclaim-takes-from-both", reclaim_takes_from_both, PLACES_SMALL },
	{ "groups-are-charged", groups_are_charged, PLACES_ONE },
	{ "pinned-pages", pinned_pages, PLACES_SMALL },
	{ "merged-pages", merged_pages, PLACES_SMALL },
	{ "compaction-moves-in-both", compaction_moves_in_both, PLACES_ONE },
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
