// SPDX-License-Identifier: MIT
/*
 * Clones and KSM, which finds the entries of its pages by the address that it
 * merged them at: a clone gets pages of its own, however a merged page came to
 * be in the source, and whatever state its entry is in.
 */
#include "test-clone-mm.h"
#include "test-zram.h"

#include <sys/time.h>

enum { N_PAGES = 32 };
#define BYTES (N_PAGES * PAGE)
#define SWAP_BYTES (64UL << 20)

static int zram_swap = -1;

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
	/* However long: its thread waits for all others. */
	while (file_read_number(scans) < before + 4)
		(void)usleep(10 * 1000);
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


static void merging_needed(void)
{
	if (access("/sys/kernel/mm/ksm/run", W_OK) < 0)
		SKIP("no KSM");
}

/* The peer's pages, filled alike, become one. */
static void merge_all(struct peer peer, char *at, size_t bytes, char byte)
{
	EXPECT_EQ(peer_call(peer, fill_equal, (long)at, (long)bytes, byte), 0);
	EXPECT_EQ(peer_call(peer, advise, (long)at, (long)bytes,
			    MADV_MERGEABLE), 0);
	ksm_run();
	file_write_text("/sys/kernel/mm/ksm/run", "0");
}

/*
 * A merged page in a mapping that never asked for it: its owner found it in the
 * swap cache. What holds it there is a pipe that it was spliced into.
 */

static long splice_page(long addr, long a, long b)
{
	struct iovec page = { (void *)addr, PAGE };
	int fds[2];

	(void)a;
	(void)b;
	EXPECT(pipe(fds) == 0);
	return vmsplice(fds[1], &page, 1, 0);
}

static long clone_of(long pid, long from, long to)
{
	return mmlab_process_vm_mmap((pid_t)pid, (void *)from, BYTES,
				     (void *)to, PVMMAP_FIXED_NOREPLACE) ==
	       (void *)to;
}

static void merged_in_the_swap_cache(void)
{
	struct peer peer, third;
	char *to = clone_addr(SOURCE_ADDR);
	bool is_same = place == PLACE_SAME;
	uint64_t frame;

	merging_needed();
	if (zram_swap < 0)
		SKIP("no zram");
	group_make();
	peer = peer_start();
	third = peer_start();
	group_enter(peer.pid, true);
	source_make(peer, SOURCE_ADDR, BYTES, 1);
	merge_all(peer, SOURCE_ADDR, BYTES, 'm');
	frame = frame_of(peer.pid, SOURCE_ADDR);
	EXPECT(frame);
	EXPECT_EQ(frame_of(peer.pid, SOURCE_ADDR + PAGE), frame);
	EXPECT_EQ(peer_call(peer, splice_page, (long)SOURCE_ADDR, 0, 0), PAGE);
	for (int i = 0; i < 200 && frame_of(peer.pid, SOURCE_ADDR); i++) {
		group_reclaim();
		(void)usleep(1000);
	}
	if (frame_of(peer.pid, SOURCE_ADDR)) {
		peer_end(peer);
		(void)rmdir(group);
		SKIP("the merged page is not reclaimed");
	}

	EXPECT(mmlab_process_vm_mmap(peer.pid, SOURCE_ADDR, BYTES, SOURCE_ADDR,
				     PVMMAP_FIXED_NOREPLACE) == SOURCE_ADDR);
	EXPECT(all_bytes_are(SOURCE_ADDR, BYTES, 'm'));
	EXPECT_EQ(frame_of(getpid(), SOURCE_ADDR), frame);

	stats_mark();
	EXPECT(peer_call(third, clone_of, getpid(), (long)SOURCE_ADDR,
			 (long)to));
	stats_mark();
	/* At the address where KSM looks it may be shared. */
	EXPECT_EQ(frame_of(third.pid, to) == frame, is_same);
	EXPECT_STAT(PAGES_COPIED, is_same ? 0 : N_PAGES);
	EXPECT_STAT(PAGES_SHARED, is_same ? N_PAGES : 0);
	EXPECT_EQ(frame_of(getpid(), SOURCE_ADDR), frame);
	fill((long)SOURCE_ADDR, BYTES, 2);
	EXPECT_EQ(peer_call(third, fill_equal, (long)to, PAGE, 't'), 0);
	EXPECT_HERE(SOURCE_ADDR, BYTES, 2);
	peer_end(third);
	peer_end(peer);
	EXPECT(rmdir(group) == 0);
}

static const char zero_counter[] = "/sys/kernel/mm/ksm/ksm_zero_pages";
static const char zero_setting[] = "/sys/kernel/mm/ksm/use_zero_pages";

/* Zero pages that KSM put there are counted, those of a clone are not. */
static void merged_zero_pages(void)
{
	struct peer peer = peer_start();
	char *memory;
	long n;

	merging_needed();
	if (access(zero_counter, R_OK) < 0)
		SKIP("zero pages of KSM are not told apart here");
	source_make(peer, SOURCE_ADDR, BYTES, 1);
	file_write_text(zero_setting, "1");
	merge_all(peer, SOURCE_ADDR, BYTES, 0);
	file_write_text(zero_setting, "0");
	n = file_read_number(zero_counter);
	EXPECT(n >= N_PAGES);

	memory = clone_to(peer, SOURCE_ADDR, BYTES);
	EXPECT_EQ(file_read_number(zero_counter), n);
	EXPECT(all_bytes_are(memory, BYTES, 0));
	fill((long)memory, BYTES / 2, 2);
	EXPECT_EQ(file_read_number(zero_counter), n);
	EXPECT(munmap(memory, BYTES) == 0);
	EXPECT_EQ(file_read_number(zero_counter), n);
	peer_end(peer);
	EXPECT_EQ(file_read_number(zero_counter), n - N_PAGES);
}

/* Open to merging, and nearly empty: only what is there is looked at. */
static long map_sparsely(long addr, long bytes, long unused)
{
	(void)unused;
	return (long)mmap((void *)addr, (size_t)bytes, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE |
			  MAP_NORESERVE, -1, 0) == addr;
}

static void mergeable_reservation(void)
{
	struct peer peer = peer_start();
	long bytes = 8L << 40;
	char *memory;

	merging_needed();
	EXPECT(peer_call(peer, map_sparsely, (long)SOURCE_ADDR, bytes, 0));
	(void)peer_call(peer, advise, (long)SOURCE_ADDR, bytes,
			MADV_NOHUGEPAGE);
	EXPECT_EQ(peer_call(peer, advise, (long)SOURCE_ADDR, bytes,
			    MADV_MERGEABLE), 0);
	merge_all(peer, SOURCE_ADDR + bytes / 2, 2 * PAGE, 'm');
	stats_mark();
	memory = clone_to(peer, SOURCE_ADDR, (size_t)bytes);
	stats_mark();
	EXPECT_STAT(PAGES_COPIED, 2);
	EXPECT(all_bytes_are(memory + bytes / 2, 2 * PAGE, 'm'));
	peer_end(peer);
}

/* A signal while they are copied, which it ends; nothing is left behind. */

static void nothing(int signal)
{
	(void)signal;
}

/* Clones under a timer until one ends it: what errno was, or 0. */
static int clone_until_signal(struct peer peer, char *to, size_t bytes)
{
	const struct sigaction action = { .sa_handler = nothing };
	const struct sigaction otherwise = { .sa_handler = SIG_DFL };
	const struct itimerval often = { { 0, 1000 }, { 0, 1000 } };
	const struct itimerval never = { { 0, 0 }, { 0, 0 } };
	int error = 0;

	EXPECT(sigaction(SIGALRM, &action, NULL) == 0);
	EXPECT(setitimer(ITIMER_REAL, &often, NULL) == 0);
	for (int i = 0; i < 1000 && !error; i++) {
		if (mmlab_process_vm_mmap(peer.pid, SOURCE_ADDR, bytes, to,
					  PVMMAP_FIXED_NOREPLACE) == MAP_FAILED)
			error = errno;
		else
			EXPECT(munmap(to, bytes) == 0);
	}
	EXPECT(setitimer(ITIMER_REAL, &never, NULL) == 0);
	/* The same timer. */
	EXPECT(sigaction(SIGALRM, &otherwise, NULL) == 0);
	(void)alarm(CHECK_TIMEOUT_S);
	return error;
}

static void signal_ends_copying(void)
{
	struct peer peer = peer_start();
	char *to = clone_addr(SOURCE_ADDR);
	size_t bytes = check_times(1024, 256) * PAGE;

	merging_needed();
	source_make(peer, SOURCE_ADDR, bytes, 1);
	merge_all(peer, SOURCE_ADDR, bytes, 'm');
	EXPECT_EQ(clone_until_signal(peer, to, bytes), EINTR);
	EXPECT(!is_mapped(getpid(), to));
	EXPECT(clone_to(peer, SOURCE_ADDR, bytes) == to);
	EXPECT(all_bytes_are(to, bytes, 'm'));
	peer_end(peer);
}

/* Ended before KSM's zero pages are reached, which must stay as counted. */
static void zero_pages_of_half_a_clone(void)
{
	const size_t half = 4 << 20;
	struct peer peer = peer_start();
	char *to = clone_addr(SOURCE_ADDR);
	long n;

	merging_needed();
	if (access(zero_counter, R_OK) < 0)
		SKIP("zero pages of KSM are not told apart here");
	source_make(peer, SOURCE_ADDR, 2 * half, 1);
	merge_all(peer, SOURCE_ADDR, half, 'm');
	file_write_text(zero_setting, "1");
	merge_all(peer, SOURCE_ADDR + half, half, 0);
	file_write_text(zero_setting, "0");
	n = file_read_number(zero_counter);
	EXPECT(n >= (long)(half / PAGE));
	EXPECT_EQ(clone_until_signal(peer, to, 2 * half), EINTR);
	EXPECT_EQ(file_read_number(zero_counter), n);
	peer_end(peer);
}

static const struct clone_check checks[] = {
	{ "merged-pages", merged_pages, PLACES_SMALL },
	{ "merged-in-the-swap-cache", merged_in_the_swap_cache, PLACES_SMALL },
	{ "merged-zero-pages", merged_zero_pages, PLACES_SMALL },
	{ "mergeable-reservation", mergeable_reservation, PLACES_SMALL },
	{ "signal-ends-copying", signal_ends_copying, PLACES_SMALL },
	{ "zero-pages-of-half-a-clone", zero_pages_of_half_a_clone, PLACES_SMALL },
};

int main(int argc, char **argv)
{
	check_begin();
	zram_swap = zram_add(SWAP_BYTES);
	if (zram_swap >= 0 && zram_swap_on(zram_swap, SWAP_BYTES) < 0) {
		zram_remove(zram_swap);
		zram_swap = -1;
	}
	clone_checks_run(checks, sizeof(checks) / sizeof(checks[0]),
			 argc > 1 ? argv[1] : NULL);
	zram_remove(zram_swap);
	return check_finish();
}
