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

/*
 * Who writes, and in which order.
 */

/* Page 0 nobody, 1 clone, 2 source, 3 clone then source, 4 source then clone. */
static void writes_in_every_order(void)
{
	struct peer peer = source_start(BYTES);
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
	struct peer peer = source_start(BYTES);
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

static void kernel_writes(void)
{
	struct peer peer = source_start(BYTES);
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
	peer = source_start(BYTES);
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
	struct peer peer = source_start(BYTES);
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
	struct peer peer = source_start(BYTES);
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
	struct peer peer = source_start(BYTES);
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
	struct peer peer = source_start(BYTES);
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
};

int main(int argc, char **argv)
{
	check_begin();
	clone_checks_run(checks, sizeof(checks) / sizeof(checks[0]),
			 argc > 1 ? argv[1] : NULL);
	return check_finish();
}
