// SPDX-License-Identifier: MIT
/*
 * Clones of mappings: what each side sees after either wrote in every way, at
 * the source's address and at others. Contents are compared as a whole, faults
 * and counters exactly.
 */
#include "test-clone.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

enum { N_PAGES = 24 };
#define BYTES (N_PAGES * PAGE)

static struct peer source_start(void)
{
	struct peer peer = peer_start();

	source_make(peer, SOURCE_ADDR, BYTES, 1);
	return peer;
}

/*
 * Who writes, and in which order.
 */

static long write_byte(long addr, long byte, long unused)
{
	(void)unused;
	*(volatile char *)addr = (char)byte;
	return 0;
}

static long read_byte(long addr, long a, long b)
{
	(void)a;
	(void)b;
	return *(volatile char *)addr;
}

/* Page 0 nobody, 1 clone, 2 source, 3 clone then source, 4 source then clone. */
static void writes_in_every_order(void)
{
	struct peer peer = source_start();
	char *memory;

	memory = clone_to(peer, SOURCE_ADDR, BYTES);
	write_byte((long)memory + 1 * PAGE, 'c', 0);
	(void)peer_call(peer, write_byte, (long)SOURCE_ADDR + 2 * PAGE, 's', 0);
	write_byte((long)memory + 3 * PAGE, 'c', 0);
	(void)peer_call(peer, write_byte, (long)SOURCE_ADDR + 3 * PAGE, 's', 0);
	(void)peer_call(peer, write_byte, (long)SOURCE_ADDR + 4 * PAGE, 's', 0);
	write_byte((long)memory + 4 * PAGE, 'c', 0);

	for (long i = 0; i < 5; i++) {
		char first = (char)word_at(1, (size_t)i * PAGE / 8);
		char *here = memory + i * PAGE, *there = SOURCE_ADDR + i * PAGE;
		bool by_clone = i == 1 || i >= 3, by_source = i >= 2;

		EXPECT_EQ(*here, by_clone ? 'c' : first);
		EXPECT_EQ(peer_call(peer, read_byte, (long)there, 0, 0),
			  by_source ? 's' : first);
		*here = first;
		(void)peer_call(peer, write_byte, (long)there, first, 0);
	}
	EXPECT_HERE(memory, BYTES, 1);
	EXPECT_THERE(peer, SOURCE_ADDR, BYTES, 1);

	/* All of one side, then all of the other. */
	fill((long)memory, BYTES, 2);
	EXPECT_THERE(peer, SOURCE_ADDR, BYTES, 1);
	EXPECT_EQ(peer_call(peer, fill, (long)SOURCE_ADDR, BYTES, 3), 0);
	EXPECT_HERE(memory, BYTES, 2);
	peer_end(peer);
	EXPECT_HERE(memory, BYTES, 2);
}

static void source_writes_first(void)
{
	struct peer peer = source_start();
	char *memory = clone_to(peer, SOURCE_ADDR, BYTES);

	EXPECT_EQ(peer_call(peer, fill, (long)SOURCE_ADDR, BYTES, 3), 0);
	EXPECT_HERE(memory, BYTES, 1);
	fill((long)memory, BYTES, 2);
	EXPECT_THERE(peer, SOURCE_ADDR, BYTES, 3);
	peer_end(peer);
	EXPECT_HERE(memory, BYTES, 2);
}

/* The kernel's writes on behalf of this process, and of others. */

static long write_to(long pid, long addr, long byte)
{
	char value = (char)byte;
	struct iovec local = { &value, 1 };
	struct iovec remote = { (void *)addr, 1 };

	return process_vm_writev((pid_t)pid, &local, 1, &remote, 1, 0);
}

static long write_mem(long pid, long addr, long byte)
{
	char path[64], value = (char)byte;
	long n;
	int fd;

	(void)snprintf(path, sizeof(path), "/proc/%d/mem", (int)pid);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	EXPECT(fd >= 0);
	n = pwrite(fd, &value, 1, addr);
	EXPECT(close(fd) == 0);
	return n;
}

static long read_into(long addr, long byte, long unused)
{
	char value = (char)byte;
	int fds[2], error;
	long n;

	(void)unused;
	EXPECT(pipe(fds) == 0);
	EXPECT(write(fds[1], &value, 1) == 1);
	n = read(fds[0], (void *)addr, 1);
	error = errno;
	EXPECT(close(fds[0]) == 0 && close(fds[1]) == 0);
	errno = error;
	return n;
}

static void kernel_writes(void)
{
	struct peer peer = source_start();
	struct peer other = peer_start();
	char *memory = clone_to(peer, SOURCE_ADDR, BYTES);
	long here = (long)memory, there = (long)SOURCE_ADDR, me = getpid();

	/* To the clone: pages 0 to 3. */
	EXPECT_EQ(write_to(me, here, 'c'), 1);
	EXPECT_EQ(peer_call(other, write_to, me, here + (long)PAGE, 'c'), 1);
	EXPECT_EQ(peer_call(other, write_mem, me, here + 2 * (long)PAGE, 'c'),
		  1);
	EXPECT_EQ(read_into(here + 3 * (long)PAGE, 'c', 0), 1);
	EXPECT_THERE(peer, SOURCE_ADDR, BYTES, 1);

	/* To the source: pages 2 to 5. */
	EXPECT_EQ(write_to(peer.pid, there + 2 * (long)PAGE, 's'), 1);
	EXPECT_EQ(peer_call(other, write_to, peer.pid, there + 3 * (long)PAGE,
			    's'), 1);
	EXPECT_EQ(write_mem(peer.pid, there + 4 * (long)PAGE, 's'), 1);
	EXPECT_EQ(peer_call(peer, read_into, there + 5 * (long)PAGE, 's', 0),
		  1);

	for (long i = 0; i < N_PAGES; i++) {
		char first = (char)word_at(1, (size_t)i * PAGE / 8);
		long at = i * (long)PAGE;

		EXPECT_EQ(read_byte(here + at, 0, 0), i < 4 ? 'c' : first);
		EXPECT_EQ(peer_call(peer, read_byte, there + at, 0, 0),
			  i >= 2 && i < 6 ? 's' : first);
		write_byte(here + at, first, 0);
	}
	EXPECT_HERE(memory, BYTES, 1);
	peer_end(peer);
	peer_end(other);
}

/*
 * A thread that writes all the time: the clone is of one moment, also where the
 * thread's CPU remembers that it may write. It counts its rounds in memory that
 * both see, so that the clone is compared after it has been everywhere.
 */
static atomic_ulong *n_written;

static void *write_forever(void *addr)
{
	volatile uint64_t *words = addr;

	for (uint64_t n = 1;; n++) {
		for (size_t i = 0; i < N_PAGES; i++)
			words[i * PAGE / 8] = n;
		atomic_fetch_add(n_written, 1);
	}
	return NULL;
}

static long writer_start(long addr, long a, long b)
{
	pthread_t thread;

	(void)a;
	(void)b;
	return pthread_create(&thread, NULL, write_forever, (void *)addr);
}

static void wait_for_writer(void)
{
	unsigned long before = atomic_load(n_written);

	while (atomic_load(n_written) < before + 2)
		(void)sched_yield();
}

static void clone_is_frozen(void)
{
	int n_rounds = (int)check_times(50, 10);
	struct peer peer;

	n_written = mmap(NULL, PAGE, PROT_READ | PROT_WRITE,
			 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	EXPECT(n_written != MAP_FAILED);
	peer = source_start();
	EXPECT_EQ(peer_call(peer, writer_start, (long)SOURCE_ADDR, 0, 0), 0);
	for (int round = 0; round < n_rounds; round++) {
		volatile uint64_t *words;
		uint64_t seen[N_PAGES];

		wait_for_writer();
		words = (uint64_t *)clone_to(peer, SOURCE_ADDR, BYTES);
		for (size_t i = 0; i < N_PAGES; i++)
			seen[i] = words[i * PAGE / 8];
		wait_for_writer();
		for (size_t i = 0; i < N_PAGES; i++)
			if (words[i * PAGE / 8] != seen[i])
				check_end(1, "round %d: page %zu went on "
					  "changing", round, i);
		EXPECT(munmap((void *)words, BYTES) == 0);
	}
	peer_kill(peer);
}

/*
 * Forks, clones of clones, and the ends of processes.
 */

static long fork_and_fill(long addr, long bytes, long seed)
{
	pid_t pid = fork();

	EXPECT(pid >= 0);
	if (pid == 0) {
		if (differs(addr, bytes, seed))
			_exit(1);
		fill(addr, bytes, seed + 100);
		_exit((int)differs(addr, bytes, seed + 100));
	}
	EXPECT_CHILD_OK(pid);
	return 0;
}

static void both_fork(void)
{
	struct peer peer = source_start();
	char *memory = clone_to(peer, SOURCE_ADDR, BYTES);

	EXPECT_EQ(fork_and_fill((long)memory, BYTES, 1), 0);
	EXPECT_HERE(memory, BYTES, 1);
	EXPECT_EQ(peer_call(peer, fork_and_fill, (long)SOURCE_ADDR, BYTES, 1),
		  0);
	EXPECT_HERE(memory, BYTES, 1);
	EXPECT_THERE(peer, SOURCE_ADDR, BYTES, 1);
	fill((long)memory, BYTES, 2);
	EXPECT_EQ(fork_and_fill((long)memory, BYTES, 2), 0);
	EXPECT_EQ(peer_call(peer, fork_and_fill, (long)SOURCE_ADDR, BYTES, 1),
		  0);
	EXPECT_HERE(memory, BYTES, 2);
	EXPECT_THERE(peer, SOURCE_ADDR, BYTES, 1);
	peer_end(peer);
}

static void second_clone(void)
{
	struct peer peer = source_start();
	char *first = clone_to(peer, SOURCE_ADDR, BYTES);
	char *second;

	second = mmlab_process_vm_mmap(peer.pid, SOURCE_ADDR, BYTES, NULL, 0);
	EXPECT(second != MAP_FAILED && second != first);
	fill((long)first, BYTES / 2, 2);
	fill((long)second + (long)BYTES / 2, BYTES / 2, 3);
	EXPECT_HERE(first, BYTES / 2, 2);
	EXPECT_HERE(second + BYTES / 2, BYTES / 2, 3);
	EXPECT_HERE(second, BYTES / 2, 1);
	EXPECT_THERE(peer, SOURCE_ADDR, BYTES, 1);

	/* The source wrote in between: a third one shows it. */
	EXPECT_EQ(peer_call(peer, fill, (long)SOURCE_ADDR, BYTES, 4), 0);
	EXPECT(munmap(first, BYTES) == 0);
	first = clone_to(peer, SOURCE_ADDR, BYTES);
	EXPECT_HERE(first, BYTES, 4);
	EXPECT_HERE(second, BYTES / 2, 1);
	peer_end(peer);
}

/* A clone of a clone of a clone, each written by its owner. */

static long clone_here(long pid, long from, long to)
{
	return mmlab_process_vm_mmap((pid_t)pid, (void *)from, BYTES,
				     (void *)to, PVMMAP_FIXED_NOREPLACE) ==
	       (void *)to;
}

static void chain_of_clones(void)
{
	enum { N = 6 };
	struct peer peers[N];
	char *at[N];

	for (int i = 0; i < N; i++)
		peers[i] = peer_start();
	at[0] = SOURCE_ADDR;
	source_make(peers[0], at[0], BYTES, 1);
	for (int i = 1; i < N; i++) {
		at[i] = place == PLACE_SAME ? at[0] :
			at[0] + (size_t)i * (place == PLACE_EVEN ? HUGE
							       : 7 * PAGE);
		EXPECT(peer_call(peers[i], clone_here, peers[i - 1].pid,
				 (long)at[i - 1], (long)at[i]));
		/* One page of its own each, seen by those that follow. */
		(void)peer_call(peers[i], fill,
				(long)at[i] + i * (long)PAGE, PAGE, 10 + i);
	}
	/* From the middle outwards, so that parents go before children. */
	for (int i = 2; i < N; i++) {
		peer_end(peers[i - 2]);
		for (int j = i - 1; j < N; j++) {
			for (int page = 1; page <= j; page++)
				EXPECT_THERE(peers[j], at[j] + page * (long)PAGE,
					     PAGE, 10 + page);
			EXPECT_THERE(peers[j], at[j], PAGE, 1);
		}
	}
	peer_end(peers[N - 2]);
	peer_end(peers[N - 1]);
}

/* What a child has of its parent, mapped back into the parent. */
static void mapped_back_from_child(void)
{
	struct peer peer;
	char *memory;

	EXPECT(map_at((long)SOURCE_ADDR, BYTES, PROT_READ | PROT_WRITE));
	EXPECT(madvise(SOURCE_ADDR, BYTES, MADV_NOHUGEPAGE) == 0);
	fill((long)SOURCE_ADDR, BYTES, 1);
	peer = peer_start();
	(void)peer_call(peer, fill, (long)SOURCE_ADDR, 4 * PAGE, 2);
	if (place == PLACE_SAME) {
		memory = mmlab_process_vm_mmap(peer.pid, SOURCE_ADDR, BYTES,
					       SOURCE_ADDR, PVMMAP_FIXED);
		EXPECT(memory == SOURCE_ADDR);
	} else {
		memory = clone_to(peer, SOURCE_ADDR, BYTES);
		EXPECT_HERE(SOURCE_ADDR, BYTES, 1);
	}
	EXPECT_HERE(memory, 4 * PAGE, 2);
	fill((long)memory, BYTES, 3);
	if (place != PLACE_SAME)
		EXPECT_HERE(SOURCE_ADDR, BYTES, 1);
	EXPECT_THERE(peer, SOURCE_ADDR, 4 * PAGE, 2);
	fill((long)SOURCE_ADDR, BYTES, 4);
	if (place != PLACE_SAME)
		EXPECT_HERE(memory, BYTES, 3);
	peer_end(peer);
	if (place != PLACE_SAME)
		EXPECT_HERE(memory, BYTES, 3);
}

static void source_ends_first(void)
{
	struct peer peer = source_start();
	char *memory = clone_to(peer, SOURCE_ADDR, BYTES);

	peer_end(peer);
	EXPECT_HERE(memory, BYTES, 1);
	fill((long)memory, BYTES, 2);
	EXPECT_EQ(fork_and_fill((long)memory, BYTES, 2), 0);
	EXPECT_HERE(memory, BYTES, 2);
}

static long clone_and_exec(long pid, long from, long to)
{
	if (!clone_here(pid, from, to) || differs(to, BYTES, 1))
		return 1;
	(void)execl("/bin/true", "true", (char *)NULL);
	(void)execl("/bin/busybox", "true", (char *)NULL);
	return 2;
}

static void clone_ends_first(void)
{
	struct peer peer = source_start();
	struct peer other = peer_start();
	struct peer third = peer_start();

	EXPECT(peer_call(other, clone_here, peer.pid, (long)SOURCE_ADDR,
			 (long)clone_addr(SOURCE_ADDR)));
	peer_kill(other);
	EXPECT_THERE(peer, SOURCE_ADDR, BYTES, 1);

	/* exec takes the whole address space away. */
	peer_begin(third, clone_and_exec, peer.pid, (long)SOURCE_ADDR,
		   (long)clone_addr(SOURCE_ADDR));
	EXPECT_EQ(check_wait(third.pid), 0);
	EXPECT_EQ(peer_call(peer, fill, (long)SOURCE_ADDR, BYTES, 2), 0);
	EXPECT_THERE(peer, SOURCE_ADDR, BYTES, 2);
	peer_end(peer);
}

/*
 * What both sides may do to their mapping.
 */

static void part_of_a_mapping(void)
{
	struct peer peer = source_start();
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
	struct peer peer = source_start();
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
	struct peer peer = source_start();
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
	struct peer peer = source_start();
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
	struct peer peer = source_start();
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

/*
 * Moving, populating, and exact counts.
 */

/*
 * Pages that were allocated just now wait in lists of each CPU, and a write by
 * another process copies them because these lists hold them as well.
 */
static void lists_drain(void)
{
	int fd = open("/proc/sys/vm/compact_memory", O_WRONLY | O_CLOEXEC);

	EXPECT(fd >= 0);
	EXPECT(write(fd, "1", 1) == 1);
	EXPECT(close(fd) == 0);
}

static long lock_at(long addr, long bytes, long unused)
{
	(void)unused;
	return mlock((void *)addr, (size_t)bytes);
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
	struct peer peer = source_start();

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
	struct peer peer = source_start();
	char *memory;

	lists_drain();
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
	struct peer peer = source_start();
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
	struct peer peer = source_start();
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

	lists_drain();
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
	struct peer peer = source_start();
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
	EXPECT_EQ(smaps_kb(getpid(), memory, "Rss"), BYTES / 1024);
	EXPECT_EQ(smaps_kb(getpid(), memory, "Anonymous"), BYTES / 1024);
	EXPECT_EQ(smaps_kb(getpid(), memory, "Pss"), BYTES / 2048);
	EXPECT_EQ(smaps_kb(peer.pid, SOURCE_ADDR, "Rss"), BYTES / 1024);
	EXPECT_EQ(smaps_kb(peer.pid, SOURCE_ADDR, "Pss"), BYTES / 2048);
	for (size_t i = 0; i < N_PAGES; i++)
		EXPECT_EQ(frame_of(getpid(), memory + i * PAGE),
			  frame_of(peer.pid, SOURCE_ADDR + i * PAGE));
	EXPECT(munmap(memory, BYTES) == 0);
	EXPECT_EQ(smaps_kb(peer.pid, SOURCE_ADDR, "Pss"), BYTES / 1024);
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
	rss_before = smaps_kb(peer.pid, from, "Rss");
	stats_mark();
	memory = clone_to(peer, from, bytes);
	stats_mark();
	EXPECT_STAT(PAGES_SHARED, bytes / PAGE);
	EXPECT_STAT(TABLES_MOVED, place == PLACE_EVEN ? 1 : 0);
	EXPECT_STAT(PTES_MOVED, place == PLACE_SAME ? 0 :
		    place == PLACE_EVEN ? HUGE / PAGE : bytes / PAGE);
	EXPECT_HERE(memory, bytes, 1);
	EXPECT_EQ(smaps_kb(getpid(), memory, "Rss"), bytes / 1024);
	EXPECT_EQ(smaps_kb(peer.pid, from, "Rss"), rss_before);
	fill((long)memory, (long)bytes, 2);
	EXPECT_THERE(peer, from, bytes, 1);
	peer_end(peer);
	EXPECT_HERE(memory, bytes, 2);
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
	struct peer peer = source_start();
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
	struct peer peer = source_start();
	char *memory;

	EXPECT_EQ(peer_call(peer, lock_at, (long)SOURCE_ADDR, BYTES, 0), 0);
	EXPECT(mlockall(MCL_FUTURE) == 0);
	memory = clone_to(peer, SOURCE_ADDR, BYTES);
	EXPECT_EQ(smaps_kb(getpid(), memory, "Locked"), 0);
	EXPECT_HERE(memory, BYTES, 1);
	EXPECT(mlock(memory, BYTES) == 0);
	fill((long)memory, BYTES, 2);
	EXPECT_THERE(peer, SOURCE_ADDR, BYTES, 1);
	EXPECT(munmap(memory, BYTES) == 0);
	EXPECT_EQ(smaps_kb(peer.pid, SOURCE_ADDR, "Locked"), BYTES / 2048 * 2);
	peer_end(peer);
}

static void by_pidfd(void)
{
	struct peer peer = source_start();
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
	{ "writes-in-every-order", writes_in_every_order, PLACES_SMALL },
	{ "source-writes-first", source_writes_first, PLACES_SMALL },
	{ "kernel-writes", kernel_writes, PLACES_SMALL },
	{ "clone-is-frozen", clone_is_frozen, PLACES_SMALL },
	{ "both-fork", both_fork, PLACES_SMALL },
	{ "second-clone", second_clone, PLACES_SMALL },
	{ "chain-of-clones", chain_of_clones, PLACES_SMALL },
	{ "mapped-back-from-child", mapped_back_from_child, PLACES_SMALL },
	{ "source-ends-first", source_ends_first, PLACES_SMALL },
	{ "clone-ends-first", clone_ends_first, PLACES_SMALL },
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
	{ "source-is-taken", source_is_taken, PLACES_SMALL },
	{ "taking-is-accounted", taking_is_accounted, PLACES_SMALL },
	{ "faults-exact", faults_exact, PLACES_SMALL },
	{ "populated-never-faults", populated_never_faults, PLACES_SMALL },
	{ "counts-exact", counts_exact, PLACES_SMALL },
	{ "tables-are-moved", tables_are_moved, PLACES_ALL },
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
