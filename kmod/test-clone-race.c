// SPDX-License-Identifier: MIT
/*
 * Clones while everything else goes on: sources that change, fork, execute and
 * are killed, two that clone from each other, callers that are killed. All of it
 * at once, and at random, is in test-clone-random.c.
 */
#include "test-clone.h"
#include "test-zram.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

#ifndef MADV_PAGEOUT
#define MADV_PAGEOUT 21
#endif

enum { N_PAGES = 32 };
#define BYTES (N_PAGES * PAGE)
#define SWAP_BYTES (64UL << 20)

static bool is_slow;

static int rounds(int n)
{
	return is_slow ? n / 8 + 1 : n;
}

static uint32_t random_state = 1;

static uint32_t random_below(uint32_t n)
{
	random_state = random_state * 1664525 + 1013904223;
	return (uint32_t)(((uint64_t)random_state * n) >> 32);
}

/*
 * A source that never comes to rest. Each page says where it belongs; a clone
 * may have any page or a hole, but every page in its place, and for good.
 */

static uint64_t tag_of(size_t page)
{
	return 0x5a5a000000000000UL | ((uint64_t)page << 32);
}

/* Rounds of the writer, which both sides see; NULL without one. */
static atomic_ulong *n_written;

static void *tag_writer(void *unused)
{
	for (uint64_t n = 1;; n++) {
		for (size_t i = 0; i < N_PAGES / 2; i++)
			*(volatile uint64_t *)(SOURCE_ADDR + i * PAGE) =
				tag_of(i) | (uint32_t)n;
		atomic_fetch_add(n_written, 1);
	}
	return unused;
}

/* Until it has been everywhere, but it may be dead. */
static void wait_for_writer(void)
{
	unsigned long before = n_written ? atomic_load(n_written) : 0;

	for (int i = 0; n_written && i < 100 &&
	     atomic_load(n_written) < before + 2; i++)
		(void)usleep(100);
}

static void tag_all(size_t from, size_t to)
{
	for (size_t i = from; i < to; i++)
		*(volatile uint64_t *)(SOURCE_ADDR + i * PAGE) = tag_of(i);
}

static void source_map(int extra)
{
	if (mmap(SOURCE_ADDR, BYTES, PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | extra, -1, 0) !=
	    SOURCE_ADDR)
		_exit(1);
}

/* The upper half is unmapped, moved away and back, protected, discarded. */
static void *mapping_changer(void *unused)
{
	char *half = SOURCE_ADDR + BYTES / 2;
	char *away = SOURCE_ADDR + (1UL << 32);
	size_t bytes = BYTES / 2;

	for (uint32_t n = 0;; n++) {
		switch (n % 5) {
		case 0:
			(void)munmap(half, bytes);
			(void)mmap(half, bytes, PROT_READ | PROT_WRITE,
				   MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1,
				   0);
			break;
		case 1:
			(void)mremap(half, bytes, bytes,
				     MREMAP_MAYMOVE | MREMAP_FIXED, away);
			(void)mremap(away, bytes, bytes,
				     MREMAP_MAYMOVE | MREMAP_FIXED, half);
			break;
		case 2:
			(void)mprotect(half, bytes, PROT_READ);
			(void)mprotect(half, bytes, PROT_READ | PROT_WRITE);
			break;
		case 3:
			(void)madvise(half, bytes, MADV_DONTNEED);
			break;
		default:
			(void)madvise(half, bytes, MADV_PAGEOUT);
			break;
		}
		tag_all(N_PAGES / 2, N_PAGES);
	}
	return unused;
}

static void *forker(void *unused)
{
	for (;;) {
		pid_t pid = fork();

		if (pid == 0) {
			*(volatile char *)SOURCE_ADDR = 0;
			_exit(0);
		}
		if (pid > 0)
			(void)waitpid(pid, NULL, 0);
	}
	return unused;
}

static pid_t busy_start(bool writing, bool changing, bool forking)
{
	pid_t pid;

	if (writing && !n_written) {
		n_written = mmap(NULL, PAGE, PROT_READ | PROT_WRITE,
				 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
		EXPECT(n_written != MAP_FAILED);
	}
	pid = fork();
	EXPECT(pid >= 0);
	if (pid == 0) {
		pthread_t thread;

		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		source_map(0);
		tag_all(0, N_PAGES);
		if (writing)
			(void)pthread_create(&thread, NULL, tag_writer, NULL);
		if (changing)
			(void)pthread_create(&thread, NULL, mapping_changer,
					     NULL);
		if (forking)
			(void)pthread_create(&thread, NULL, forker, NULL);
		for (;;)
			(void)pause();
	}
	return pid;
}

static void busy_end(pid_t pid)
{
	(void)kill(pid, SIGKILL);
	EXPECT(waitpid(pid, NULL, 0) == pid);
}

/* Everything a snapshot must be; then it is written to. */
static void snapshot_check(char *memory, size_t first, size_t n)
{
	uint64_t seen[N_PAGES];

	for (size_t i = 0; i < n; i++) {
		seen[i] = *(volatile uint64_t *)(memory + i * PAGE);
		if (seen[i] && (seen[i] & ~0xffffffffUL) != tag_of(first + i))
			check_end(1, "page %zu holds %#llx", first + i,
				  (unsigned long long)seen[i]);
	}
	if (random_below(4) == 0)
		wait_for_writer();
	for (size_t i = 0; i < n; i++)
		if (*(volatile uint64_t *)(memory + i * PAGE) != seen[i])
			check_end(1, "page %zu changes", first + i);
	/* Would be found in the source by its own clones. */
	EXPECT(mprotect(memory, n * PAGE, PROT_READ | PROT_WRITE) == 0);
	for (size_t i = 0; i < n; i++)
		*(volatile uint64_t *)(memory + i * PAGE) = ~0UL;
}

/* Clones that this process made and found whole. */
static unsigned int n_cloned;

static void clone_and_check(pid_t pid, unsigned long flags, bool must)
{
	size_t first = random_below(N_PAGES);
	size_t n = 1 + random_below((uint32_t)(N_PAGES - first));
	char *from = SOURCE_ADDR + first * PAGE;
	char *memory = mmlab_process_vm_mmap(pid, from, n * PAGE,
					     clone_addr(from),
					     PVMMAP_FIXED | flags);

	if (memory == MAP_FAILED) {
		if (must || (errno != EFAULT && errno != ESRCH &&
			     errno != EINTR))
			check_end(1, "cloning: %s", strerror(errno));
		return;
	}
	snapshot_check(memory, first, n);
	EXPECT(munmap(memory, n * PAGE) == 0);
	n_cloned++;
}

static void source_changes(void)
{
	pid_t pid = busy_start(true, true, true);

	for (int round = 0; round < rounds(250) || n_cloned == 0; round++)
		clone_and_check(pid, random_below(8) ? 0 : PVMMAP_POPULATE,
				false);
	busy_end(pid);
}

/* What is taken is gone there, and was whole. */
static void source_is_taken_away(void)
{
	for (int round = 0; round < rounds(24) || n_cloned == 0; round++) {
		pid_t pid = busy_start(false, false, round % 2);

		for (int i = 0; i < 4; i++)
			clone_and_check(pid, PVMMAP_MOVE, false);
		busy_end(pid);
	}
}

/*
 * Death.
 */

static void source_is_killed(void)
{
	for (int round = 0; round < rounds(24) || n_cloned == 0; round++) {
		pid_t pid = busy_start(true, round % 2, false);
		pid_t killer = fork();

		EXPECT(killer >= 0);
		if (killer == 0) {
			(void)usleep(random_below(4000));
			(void)kill(pid, SIGKILL);
			_exit(0);
		}
		for (int i = 0; i < 40; i++)
			clone_and_check(pid, 0, false);
		EXPECT(waitpid(killer, NULL, 0) == killer);
		EXPECT(waitpid(pid, NULL, 0) == pid);
		(void)random_below(2);
	}
}

static void source_executes(void)
{
	for (int round = 0; round < rounds(24) || n_cloned == 0; round++) {
		pid_t pid = fork();

		EXPECT(pid >= 0);
		if (pid == 0) {
			source_map(0);
			tag_all(0, N_PAGES);
			(void)usleep(random_below(2000));
			(void)execl("/bin/busybox", "sleep", "10",
				    (char *)NULL);
			_exit(1);
		}
		for (int i = 0; i < 30; i++)
			clone_and_check(pid, 0, false);
		busy_end(pid);
	}
}

/* In the call, whatever it is doing; the source must not notice. */
static void caller_is_killed(void)
{
	pid_t pid = busy_start(true, false, false);

	while (!atomic_load(n_written))
		(void)usleep(1000);
	for (int round = 0; round < rounds(80); round++) {
		pid_t caller = fork();

		EXPECT(caller >= 0);
		if (caller == 0) {
			for (;;)
				(void)mmlab_process_vm_mmap(
					pid, SOURCE_ADDR, BYTES,
					clone_addr(SOURCE_ADDR), PVMMAP_FIXED);
		}
		(void)usleep(random_below(3000));
		EXPECT(kill(caller, SIGKILL) == 0);
		EXPECT(waitpid(caller, NULL, 0) == caller);
	}
	clone_and_check(pid, 0, true);
	busy_end(pid);
}

/*
 * Two that clone from each other, threads of each, which is where an order of
 * locks matters, and one that is killed while it waits for one.
 */

struct pair {
	_Atomic pid_t pids[2];
	atomic_uint n_clones;
	atomic_bool stop;
};

static struct pair *pair;
static int pair_self;

static void *pair_thread(void *arg)
{
	char *at = OTHER_ADDR + (1UL << 36) + (size_t)(uintptr_t)arg * BYTES;

	while (!atomic_load(&pair->stop)) {
		char *memory = mmlab_process_vm_mmap(
			atomic_load(&pair->pids[!pair_self]), SOURCE_ADDR,
			BYTES, at, PVMMAP_FIXED);

		if (memory == MAP_FAILED) {
			int error = errno;

			EXPECT(error == ESRCH || error == EFAULT);
			continue;
		}
		snapshot_check(memory, 0, N_PAGES);
		atomic_fetch_add(&pair->n_clones, 1);
	}
	return NULL;
}

static void pair_run(int self)
{
	pthread_t threads[2];

	pair_self = self;
	source_map(0);
	tag_all(0, N_PAGES);
	atomic_store(&pair->pids[self], getpid());
	while (!atomic_load(&pair->pids[!self]))
		(void)sched_yield();
	for (uintptr_t i = 0; i < 2; i++)
		EXPECT(pthread_create(&threads[i], NULL, pair_thread,
				      (void *)i) == 0);
	for (int i = 0; i < 2; i++)
		EXPECT(pthread_join(threads[i], NULL) == 0);
	_exit(0);
}

static void clone_from_each_other(void)
{
	pid_t pids[2];

	pair = mmap(NULL, PAGE, PROT_READ | PROT_WRITE,
		    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	EXPECT(pair != MAP_FAILED);
	for (int self = 0; self < 2; self++) {
		pids[self] = fork();
		EXPECT(pids[self] >= 0);
		if (pids[self] == 0) {
			(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
			pair_run(self);
		}
	}
	while (atomic_load(&pair->n_clones) < (unsigned int)rounds(400)) {
		int status;

		(void)usleep(1000);
		if (waitpid(pids[0], &status, WNOHANG) == pids[0] ||
		    waitpid(pids[1], &status, WNOHANG) == pids[1])
			_exit(1);
	}
	/* One dies without a word, the other ends when told. */
	EXPECT(kill(pids[1], SIGKILL) == 0);
	EXPECT(waitpid(pids[1], NULL, 0) == pids[1]);
	(void)usleep(5000);
	atomic_store(&pair->stop, true);
	EXPECT_CHILD_OK(pids[0]);
}

static const struct clone_check checks[] = {
	{ "source-changes", source_changes, PLACES_SMALL },
	{ "source-is-taken-away", source_is_taken_away, PLACES_SMALL },
	{ "source-is-killed", source_is_killed, PLACES_SMALL },
	{ "source-executes", source_executes, PLACES_SMALL },
	{ "caller-is-killed", caller_is_killed, PLACES_SMALL },
	{ "clone-from-each-other", clone_from_each_other, PLACES_ONE },
};

int main(int argc, char **argv)
{
	int zram;

	is_slow = access("/proc/lockdep_stats", F_OK) == 0;
	check_begin();
	zram = zram_add(SWAP_BYTES);
	if (zram >= 0)
		(void)zram_swap_on(zram, SWAP_BYTES);
	clone_checks_run(checks, sizeof(checks) / sizeof(checks[0]),
			 argc > 1 ? argv[1] : NULL);
	zram_remove(zram);
	return check_finish();
}
