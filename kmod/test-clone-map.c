// SPDX-License-Identifier: MIT
/*
 * Clones of mappings as mappings: where they lie, parts of them, their
 * protection, moving and unmapping them, holes, shared memory and files.
 */
#include "test-clone.h"

enum { N_PAGES = 24 };
#define BYTES (N_PAGES * PAGE)

/*
 * What both sides may do to their mapping.
 */

static void part_of_a_mapping(void)
{
	struct peer peer = source_start(BYTES);
	/* From the middle of a page to the middle of one: whole pages. */
	char *memory = mmlab_process_vm_mmap(peer.pid,
					     SOURCE_ADDR + 5 * PAGE + 100,
					     7 * PAGE - 200,
					     clone_addr(SOURCE_ADDR + 5 * PAGE) +
					     17, PVMMAP_FIXED);

	EXPECT(memory == clone_addr(SOURCE_ADDR + 5 * PAGE));
	for (size_t i = 0; i < 7; i++)
		for (size_t word = 0; word < PAGE / 8; word++)
			EXPECT_EQ(((uint64_t *)memory)[i * PAGE / 8 + word],
				  word_at(1, (i + 5) * PAGE / 8 + word));
	EXPECT(!is_mapped(getpid(), memory - 1));
	EXPECT(!is_mapped(getpid(), memory + 7 * PAGE));
	fill((long)memory, 7 * PAGE, 2);
	EXPECT_THERE(peer, SOURCE_ADDR, BYTES, 1);
	peer_end(peer);
	EXPECT_HERE(memory, 7 * PAGE, 2);
}

static void clone_is_unmapped_in_parts(void)
{
	struct peer peer = source_start(BYTES);
	char *memory = clone_to(peer, SOURCE_ADDR, BYTES);

	EXPECT(munmap(memory + 4 * PAGE, 4 * PAGE) == 0);
	EXPECT(!is_mapped(getpid(), memory + 4 * PAGE));
	EXPECT_HERE(memory, 4 * PAGE, 1);
	EXPECT(mprotect(memory + 12 * PAGE, PAGE, PROT_READ) == 0);
	EXPECT(mprotect(memory + 14 * PAGE, PAGE, PROT_NONE) == 0);
	fill((long)memory, 4 * PAGE, 2);
	EXPECT(mprotect(memory + 12 * PAGE, 3 * PAGE, PROT_READ | PROT_WRITE) ==
	       0);
	EXPECT(memory[14 * PAGE] == (char)word_at(1, 14 * PAGE / 8));
	fill((long)memory + 12 * (long)PAGE, 4 * PAGE, 3);
	/* Discarded pages are zero, here only. */
	EXPECT(madvise(memory + 16 * PAGE, 2 * PAGE, MADV_DONTNEED) == 0);
	for (size_t i = 0; i < 2 * PAGE; i++)
		EXPECT(memory[16 * PAGE + i] == 0);
	/* What was unmapped may be mapped again. */
	EXPECT(map_at((long)memory + 4 * (long)PAGE, 4 * PAGE,
		      PROT_READ | PROT_WRITE));
	fill((long)memory + 4 * (long)PAGE, 4 * PAGE, 5);
	EXPECT_THERE(peer, SOURCE_ADDR, BYTES, 1);
	EXPECT_HERE(memory, 4 * PAGE, 2);
	EXPECT_HERE(memory + 12 * PAGE, 4 * PAGE, 3);
	peer_end(peer);
}

static void clone_is_moved(void)
{
	struct peer peer = source_start(BYTES);
	char *memory = clone_to(peer, SOURCE_ADDR, BYTES);
	char *to = OTHER_ADDR + (1UL << 32) + 5 * PAGE;
	char *part;

	/* The end first, then the rest, then larger. */
	part = mremap(memory + 16 * PAGE, 8 * PAGE, 8 * PAGE,
		      MREMAP_MAYMOVE | MREMAP_FIXED, to + (1UL << 24));
	EXPECT(part == to + (1UL << 24));
	memory = mremap(memory, 16 * PAGE, 16 * PAGE,
			MREMAP_MAYMOVE | MREMAP_FIXED, to);
	EXPECT(memory == to);
	memory = mremap(memory, 16 * PAGE, 40 * PAGE, MREMAP_MAYMOVE);
	EXPECT(memory != MAP_FAILED);
	EXPECT_HERE(memory, 16 * PAGE, 1);
	for (size_t word = 0; word < 8 * PAGE / 8; word++)
		EXPECT_EQ(((uint64_t *)part)[word],
			  word_at(1, 16 * PAGE / 8 + word));
	for (size_t i = 16 * PAGE; i < 40 * PAGE; i++)
		EXPECT(memory[i] == 0);
	fill((long)memory, 40 * PAGE, 2);
	EXPECT_THERE(peer, SOURCE_ADDR, BYTES, 1);
	peer_end(peer);
	EXPECT_HERE(memory, 40 * PAGE, 2);
}

static long move_mapping(long from, long to, long bytes)
{
	return (long)mremap((void *)from, (size_t)bytes, (size_t)bytes,
			    MREMAP_MAYMOVE | MREMAP_FIXED, (void *)to);
}

/* Its pages know another offset than its address tells. */
static void source_was_moved(void)
{
	struct peer peer = peer_start();
	char *before = SOURCE_ADDR + (1UL << 30) + 9 * PAGE;
	char *memory;

	source_make(peer, before, BYTES, 1);
	EXPECT_EQ(peer_call(peer, move_mapping, (long)before, (long)SOURCE_ADDR,
			    BYTES), (long)SOURCE_ADDR);
	memory = clone_to(peer, SOURCE_ADDR, BYTES);
	EXPECT_HERE(memory, BYTES, 1);
	/* And moved again, after. */
	EXPECT_EQ(peer_call(peer, move_mapping, (long)SOURCE_ADDR, (long)before,
			    BYTES), (long)before);
	fill((long)memory, BYTES, 2);
	EXPECT_THERE(peer, before, BYTES, 1);
	EXPECT_EQ(peer_call(peer, unmap_at, (long)before, BYTES, 0), 0);
	EXPECT_HERE(memory, BYTES, 2);
	peer_end(peer);
}

static void protection_is_the_sources(void)
{
	struct peer peer = source_start(BYTES);
	char *memory;

	EXPECT_EQ(peer_call(peer, protect, (long)SOURCE_ADDR, BYTES, PROT_READ),
		  0);
	memory = clone_to(peer, SOURCE_ADDR, BYTES);
	EXPECT_HERE(memory, BYTES, 1);
	EXPECT_ERRNO(read_into((long)memory, 'x', 0), EFAULT);
	EXPECT(mprotect(memory, BYTES, PROT_READ | PROT_WRITE) == 0);
	fill((long)memory, BYTES, 2);
	EXPECT_THERE(peer, SOURCE_ADDR, BYTES, 1);
	EXPECT(munmap(memory, BYTES) == 0);

	EXPECT_EQ(peer_call(peer, protect, (long)SOURCE_ADDR, BYTES, PROT_NONE),
		  0);
	memory = clone_to(peer, SOURCE_ADDR, BYTES);
	EXPECT(!is_mapped(getpid(), memory));
	EXPECT(mprotect(memory, BYTES, PROT_READ | PROT_WRITE) == 0);
	EXPECT_HERE(memory, BYTES, 1);
	fill((long)memory, BYTES, 2);
	EXPECT_EQ(peer_call(peer, protect, (long)SOURCE_ADDR, BYTES,
			    PROT_READ | PROT_WRITE), 0);
	EXPECT_THERE(peer, SOURCE_ADDR, BYTES, 1);
	peer_end(peer);
}

/* Untouched and read-only touched pages, and a mapping never touched at all. */
static void holes_are_zero(void)
{
	struct peer peer = peer_start();
	char *memory;

	EXPECT(peer_call(peer, map_at, (long)SOURCE_ADDR, BYTES,
			 PROT_READ | PROT_WRITE));
	(void)peer_call(peer, advise, (long)SOURCE_ADDR, BYTES,
			MADV_NOHUGEPAGE);
	stats_mark();
	memory = clone_to(peer, SOURCE_ADDR, BYTES);
	stats_mark();
	EXPECT_STAT(EMPTY, 1);
	for (size_t i = 0; i < BYTES; i++)
		EXPECT(memory[i] == 0);
	fill((long)memory, BYTES, 2);
	EXPECT(munmap(memory, BYTES) == 0);

	/* Page 0 written, 1 read, the others untouched. */
	(void)peer_call(peer, write_byte, (long)SOURCE_ADDR, 's', 0);
	(void)peer_call(peer, read_byte, (long)SOURCE_ADDR + (long)PAGE, 0, 0);
	stats_mark();
	memory = clone_to(peer, SOURCE_ADDR, BYTES);
	stats_mark();
	EXPECT_STAT(EMPTY, 0);
	EXPECT_STAT(PAGES_SHARED, 2);
	EXPECT_EQ(memory[0], 's');
	for (size_t i = 1; i < BYTES; i++)
		EXPECT(memory[i] == 0);
	fill((long)memory, BYTES, 2);
	for (size_t i = 1; i < N_PAGES; i++)
		EXPECT_EQ(peer_call(peer, read_byte,
				    (long)(SOURCE_ADDR + i * PAGE), 0, 0), 0);
	peer_end(peer);
	EXPECT_HERE(memory, BYTES, 2);
}

/*
 * Address space that holds next to nothing: what is not there costs nothing, or
 * this would take minutes on a debug kernel, with nobody able to stop it.
 */
static long map_sparsely(long addr, long bytes, long unused)
{
	(void)unused;
	return (long)mmap((void *)addr, (size_t)bytes, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE |
			  MAP_NORESERVE, -1, 0) == addr;
}

static void sparse_reservation(void)
{
	struct peer peer = peer_start();
	/* The last page of one table, the first of another. */
	long bytes = 15L << 40, at = (7L << 40) - (long)PAGE;
	char *memory;

	EXPECT(peer_call(peer, map_sparsely, (long)SOURCE_ADDR, bytes, 0));
	(void)peer_call(peer, advise, (long)SOURCE_ADDR, bytes,
			MADV_NOHUGEPAGE);
	(void)peer_call(peer, fill, (long)SOURCE_ADDR + at, 2 * PAGE, 1);
	stats_mark();
	memory = clone_to(peer, SOURCE_ADDR, (size_t)bytes);
	stats_mark();
	EXPECT_STAT(PAGES_SHARED, 2);
	EXPECT_HERE(memory + at, 2 * PAGE, 1);
	EXPECT_EQ(memory[0], 0);
	EXPECT_EQ(memory[bytes - 1], 0);
	fill((long)memory + at, 2 * PAGE, 2);
	EXPECT_THERE(peer, SOURCE_ADDR + at, 2 * PAGE, 1);
	peer_end(peer);
	EXPECT_HERE(memory + at, 2 * PAGE, 2);
}

static void replaces_what_was_there(void)
{
	struct peer peer = source_start(BYTES);
	char *wanted = clone_addr(SOURCE_ADDR), *memory;

	/* More than the clone on both sides, with content. */
	EXPECT(map_at((long)wanted - (long)PAGE, BYTES + 2 * PAGE,
		      PROT_READ | PROT_WRITE));
	fill((long)wanted - (long)PAGE, BYTES + 2 * PAGE, 7);
	EXPECT_FAILS(mmlab_process_vm_mmap(peer.pid, SOURCE_ADDR, BYTES, wanted,
					   PVMMAP_FIXED_NOREPLACE), EEXIST);
	EXPECT_HERE(wanted - PAGE, BYTES + 2 * PAGE, 7);
	memory = mmlab_process_vm_mmap(peer.pid, SOURCE_ADDR, BYTES, wanted,
				       PVMMAP_FIXED);
	EXPECT(memory == wanted);
	EXPECT_HERE(memory, BYTES, 1);
	EXPECT_HERE(memory - PAGE, PAGE, 7);
	fill((long)memory, BYTES, 2);
	EXPECT_HERE(memory - PAGE, PAGE, 7);
	EXPECT_THERE(peer, SOURCE_ADDR, BYTES, 1);
	peer_end(peer);
}

/*
 * Shared mappings and files.
 */

static long map_shared(long addr, long bytes, long fd)
{
	return (long)mmap((void *)addr, (size_t)bytes, PROT_READ | PROT_WRITE,
			  MAP_SHARED | MAP_FIXED_NOREPLACE |
			  (fd < 0 ? MAP_ANONYMOUS : 0), (int)fd, 0) == addr;
}

static long map_private(long addr, long bytes, long unused)
{
	int fd = (int)syscall(SYS_memfd_create, "private", 0);

	(void)unused;
	EXPECT(fd >= 0);
	EXPECT(ftruncate(fd, bytes) == 0);
	EXPECT(map_shared((long)SOURCE_ADDR + (1L << 40), bytes, fd));
	fill((long)SOURCE_ADDR + (1L << 40), bytes, 1);
	return (long)mmap((void *)addr, (size_t)bytes, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_FIXED_NOREPLACE, fd, 0) == addr;
}

static void shared_stays_shared(void)
{
	struct peer peer = peer_start();
	char *memory;

	EXPECT(peer_call(peer, map_shared, (long)SOURCE_ADDR, BYTES, -1));
	(void)peer_call(peer, fill, (long)SOURCE_ADDR, BYTES, 1);
	stats_mark();
	memory = clone_to(peer, SOURCE_ADDR + PAGE, BYTES - PAGE);
	stats_mark();
	EXPECT_STAT(EMPTY, 1);
	EXPECT_STAT(FLUSHES, 0);
	(void)peer_call(peer, fill, (long)SOURCE_ADDR + (long)PAGE,
			BYTES - PAGE, 2);
	EXPECT_HERE(memory, BYTES - PAGE, 2);
	fill((long)memory, BYTES - PAGE, 3);
	EXPECT_THERE(peer, SOURCE_ADDR + PAGE, BYTES - PAGE, 3);
	peer_end(peer);
	EXPECT_HERE(memory, BYTES - PAGE, 3);
}

/* Pages 4 to 7 are the process's own, the others those of the file. */
static void private_file(void)
{
	struct peer peer = peer_start();
	char *memory;

	EXPECT(peer_call(peer, map_private, (long)SOURCE_ADDR, BYTES, 0));
	memory = clone_to(peer, SOURCE_ADDR, BYTES);
	EXPECT_HERE(memory, BYTES, 1);
	EXPECT(munmap(memory, BYTES) == 0);

	(void)peer_call(peer, fill, (long)SOURCE_ADDR + 4 * (long)PAGE,
			4 * PAGE, 2);
	memory = clone_to(peer, SOURCE_ADDR, BYTES);
	EXPECT_HERE(memory, 4 * PAGE, 1);
	EXPECT_HERE(memory + 4 * PAGE, 4 * PAGE, 2);
	/* Written to the file: seen where nobody wrote. */
	(void)peer_call(peer, fill, (long)SOURCE_ADDR + (1L << 40), BYTES, 3);
	EXPECT_HERE(memory, 4 * PAGE, 3);
	EXPECT_HERE(memory + 4 * PAGE, 4 * PAGE, 2);
	fill((long)memory, BYTES, 4);
	EXPECT_THERE(peer, SOURCE_ADDR, 4 * PAGE, 3);
	EXPECT_THERE(peer, SOURCE_ADDR + 4 * PAGE, 4 * PAGE, 2);
	peer_end(peer);
	EXPECT_HERE(memory, BYTES, 4);
}

/* Without a wish, huge pages can be shared: the offset from 2 MiB is kept. */
static void address_is_chosen(void)
{
	struct peer peer = peer_start();
	char *from = SOURCE_ADDR + 5 * PAGE;
	char *memory, *hint;

	source_make(peer, from, 2 * HUGE, 1);
	memory = process_vm_mmap(peer.pid, from, 2 * HUGE, NULL, 0);
	EXPECT(memory != MAP_FAILED);
	EXPECT_EQ(((uintptr_t)memory - (uintptr_t)from) % HUGE, 0);
	EXPECT_HERE(memory, 2 * HUGE, 1);

	/* A hint that is free is taken, one that is not is not. */
	hint = OTHER_ADDR + 11 * PAGE;
	EXPECT(process_vm_mmap(peer.pid, from, PAGE, hint + 5, 0) == hint);
	memory = process_vm_mmap(peer.pid, from, PAGE, hint, 0);
	EXPECT(memory != MAP_FAILED && memory != hint);
	EXPECT_HERE(memory, PAGE, 1);
	/* One that is too low is raised to where mapping is allowed. */
	memory = process_vm_mmap(peer.pid, from, PAGE, (void *)PAGE, 0);
	EXPECT(memory != MAP_FAILED && (uintptr_t)memory >= PAGE);
	peer_end(peer);
}

/* A neighbour that would fit, and one that is a clone as well. */
static void neighbours_stay_apart(void)
{
	struct peer peer = source_start(BYTES);
	char *memory = clone_addr(SOURCE_ADDR);

	EXPECT(map_at((long)memory - 4 * (long)PAGE, 4 * PAGE,
		      PROT_READ | PROT_WRITE));
	fill((long)memory - 4 * (long)PAGE, 4 * PAGE, 7);
	EXPECT(map_at((long)memory + (long)BYTES, 4 * PAGE,
		      PROT_READ | PROT_WRITE));
	fill((long)memory + (long)BYTES, 4 * PAGE, 8);
	/* Two halves that would fit together. */
	EXPECT(clone_to(peer, SOURCE_ADDR, BYTES / 2) == memory);
	EXPECT(clone_to(peer, SOURCE_ADDR + BYTES / 2, BYTES / 2) ==
	       memory + BYTES / 2);
	EXPECT_HERE(memory, BYTES, 1);
	/* One call over all of them. */
	EXPECT(mprotect(memory - 4 * PAGE, BYTES + 8 * PAGE, PROT_READ) == 0);
	EXPECT(mprotect(memory - 4 * PAGE, BYTES + 8 * PAGE,
			PROT_READ | PROT_WRITE) == 0);
	EXPECT_HERE(memory - 4 * PAGE, 4 * PAGE, 7);
	EXPECT_HERE(memory + BYTES, 4 * PAGE, 8);
	fill((long)memory, BYTES, 2);
	EXPECT_THERE(peer, SOURCE_ADDR, BYTES, 1);
	peer_end(peer);
	EXPECT_HERE(memory, BYTES, 2);
	EXPECT(munmap(memory - 4 * PAGE, BYTES + 8 * PAGE) == 0);
}

/* Locks are not inherited, and do no harm. */
static void locked_memory(void)
{
	struct peer peer = source_start(BYTES);
	char *memory;

	EXPECT_EQ(peer_call(peer, lock_at, (long)SOURCE_ADDR, BYTES, 0), 0);
	EXPECT(mlockall(MCL_FUTURE) == 0);
	memory = clone_to(peer, SOURCE_ADDR, BYTES);
	EXPECT_EQ(smaps_kb(memory, "Locked"), 0);
	EXPECT_HERE(memory, BYTES, 1);
	EXPECT(mlock(memory, BYTES) == 0);
	fill((long)memory, BYTES, 2);
	EXPECT_THERE(peer, SOURCE_ADDR, BYTES, 1);
	EXPECT(munmap(memory, BYTES) == 0);
	EXPECT_EQ(smaps_kb_of(peer.pid, SOURCE_ADDR, "Locked"), BYTES / 2048 * 2);
	peer_end(peer);
}

static void by_pidfd(void)
{
	struct peer peer = source_start(BYTES);
	int pidfd = (int)syscall(SYS_pidfd_open, peer.pid, 0);
	char *memory;

	EXPECT(pidfd >= 0);
	memory = mmlab_pidfd_vm_mmap(pidfd, SOURCE_ADDR, BYTES, NULL, 0);
	EXPECT(memory != MAP_FAILED);
	EXPECT_HERE(memory, BYTES, 1);
	peer_end(peer);
	EXPECT_FAILS(mmlab_pidfd_vm_mmap(pidfd, SOURCE_ADDR, BYTES, NULL, 0),
		     ESRCH);
}

static const struct clone_check checks[] = {
	{ "part-of-a-mapping", part_of_a_mapping, PLACES_SMALL },
	{ "clone-is-unmapped-in-parts", clone_is_unmapped_in_parts, PLACES_SMALL },
	{ "clone-is-moved", clone_is_moved, PLACES_SMALL },
	{ "source-was-moved", source_was_moved, PLACES_SMALL },
	{ "protection-is-the-sources", protection_is_the_sources, PLACES_SMALL },
	{ "holes-are-zero", holes_are_zero, PLACES_SMALL },
	{ "sparse-reservation", sparse_reservation, PLACES_SMALL },
	{ "replaces-what-was-there", replaces_what_was_there, PLACES_SMALL },
	{ "shared-stays-shared", shared_stays_shared, PLACES_SMALL },
	{ "private-file", private_file, PLACES_SMALL },
	{ "address-is-chosen", address_is_chosen, PLACES_ONE },
	{ "neighbours-stay-apart", neighbours_stay_apart, PLACES_SMALL },
	{ "locked-memory", locked_memory, PLACES_SMALL },
	{ "by-pidfd", by_pidfd, PLACES_ONE },
};

int main(int argc, char **argv)
{
	check_begin();
	clone_checks_run(checks, sizeof(checks) / sizeof(checks[0]),
			 argc > 1 ? argv[1] : NULL);
	return check_finish();
}
