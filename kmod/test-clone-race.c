// SPDX-License-Identifier: MIT
/*
 * Clones while everything else goes on: sources that change, fork, execute and
 * are killed, two that clone from each other, callers that are killed, and many
 * processes doing all of it at random with known contents.
 *
 * Arguments: a part of a check's name, and for "stress" the seconds it lasts.
 */
#define CHECK_TIMEOUT_S 1800
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
static long stress_seconds;

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
}

static void source_changes(void)
{
	pid_t pid = busy_start(true, true, true);

	(void)usleep(20 * 1000);
	for (int round = 0; round < rounds(250); round++)
		clone_and_check(pid, random_below(8) ? 0 : PVMMAP_POPULATE,
				false);
	busy_end(pid);
}

/* What is taken is gone there, and was whole. */
static void source_is_taken_away(void)
{
	for (int round = 0; round < rounds(24); round++) {
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
	for (int round = 0; round < rounds(24); round++) {
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
	for (int round = 0; round < rounds(24); round++) {
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

	(void)usleep(20 * 1000);
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

/*
 * Everything at random. Each process has slots; a table that all share says what
 * a slot holds, and counts what its owner does to it, so that whoever cloned a
 * slot knows whether it may have changed meanwhile. What the owner finds in its
 * own slots it knows at all times.
 */

enum { N_PROCESSES = 8, N_SLOTS = 6, SLOT_PAGES = 24, N_HUGE_SLOTS = 1 };
#define SLOT_BYTES(s) ((s) < N_HUGE_SLOTS ? HUGE : SLOT_PAGES * PAGE)

struct slot {
	/* Odd while the owner changes it. */
	atomic_uint sequence;
	/* 0: not mapped. */
	_Atomic uint64_t seed;
};

struct table {
	_Atomic pid_t pids[N_PROCESSES];
	struct slot slots[N_PROCESSES][N_SLOTS];
	atomic_ulong n_clones, n_exact, n_refused, n_restarts;
	atomic_bool stop;
};

static struct table *table;
static int self;

static char *slot_addr(int s)
{
	return SOURCE_ADDR + (size_t)s * 4 * HUGE +
	       (s < N_HUGE_SLOTS ? 0 : (size_t)s * 3 * PAGE);
}

/* Where a slot goes in another process: often elsewhere. */
static char *slot_addr_of(int p, int s)
{
	if (s < N_HUGE_SLOTS)
		return slot_addr(s) + (p % 2 ? HUGE : 0);
	return slot_addr(s) + (size_t)(p % 3) * 5 * PAGE;
}

/* Four words of each page. */
static uint64_t slot_word(uint64_t seed, size_t page, size_t i)
{
	return seed * 0x9e3779b97f4a7c15UL + page * 8 + i;
}

static void slot_write(char *at, size_t bytes, uint64_t seed)
{
	for (size_t page = 0; page < bytes / PAGE; page++)
		for (size_t i = 0; i < 4; i++)
			*(volatile uint64_t *)(at + page * PAGE + i * 1016) =
				slot_word(seed, page, i);
}

static void slot_expect(const char *at, size_t bytes, uint64_t seed,
			const char *what)
{
	for (size_t page = 0; page < bytes / PAGE; page++)
		for (size_t i = 0; i < 4; i++) {
			uint64_t word = *(const volatile uint64_t *)
				(at + page * PAGE + i * 1016);

			if (word != slot_word(seed, page, i))
				check_end(1, "%s: page %zu, word %zu is %#llx, "
					  "not %#llx", what, page, i,
					  (unsigned long long)word,
					  (unsigned long long)
					  slot_word(seed, page, i));
		}
}

static struct slot *slot_of(int s)
{
	return &table->slots[self][s];
}

static void slot_begin(int s)
{
	atomic_fetch_add(&slot_of(s)->sequence, 1);
}

static void slot_end(int s, uint64_t seed)
{
	atomic_store(&slot_of(s)->seed, seed);
	atomic_fetch_add(&slot_of(s)->sequence, 1);
}

static void slots_expect(const char *what)
{
	for (int s = 0; s < N_SLOTS; s++) {
		uint64_t seed = atomic_load(&slot_of(s)->seed);

		if (seed)
			slot_expect(slot_addr_of(self, s), SLOT_BYTES(s), seed,
				    what);
	}
}

static void slot_renew(int s)
{
	char *at = slot_addr_of(self, s);
	uint64_t seed = 1 + (uint64_t)random_below(1U << 30);

	slot_begin(s);
	if (mmap(at, SLOT_BYTES(s), PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) != at)
		check_end(1, "mmap: %s", strerror(errno));
	if (s < N_HUGE_SLOTS)
		(void)madvise(at, SLOT_BYTES(s), MADV_HUGEPAGE);
	slot_write(at, SLOT_BYTES(s), seed);
	slot_end(s, seed);
}

static void slot_overwrite(int s)
{
	uint64_t seed = 1 + (uint64_t)random_below(1U << 30);

	if (!atomic_load(&slot_of(s)->seed))
		return;
	slot_begin(s);
	slot_write(slot_addr_of(self, s), SLOT_BYTES(s), seed);
	slot_end(s, seed);
}

static void slot_clone(int s)
{
	int other = (int)random_below(N_PROCESSES);
	struct slot *from = &table->slots[other][s];
	size_t bytes = SLOT_BYTES(s);
	unsigned int before, after;
	char *at = slot_addr_of(self, s);
	pid_t pid;
	uint64_t seed;
	void *memory;

	if (other == self)
		return;
	/* In any order with the owner's: exact only if nothing came between. */
	before = atomic_load(&from->sequence);
	seed = atomic_load(&from->seed);
	pid = atomic_load(&table->pids[other]);
	if (!seed || pid <= 0)
		return;
	slot_begin(s);
	memory = mmlab_process_vm_mmap(pid, slot_addr_of(other, s), bytes, at,
				       PVMMAP_FIXED |
				       (random_below(8) ? 0 : PVMMAP_POPULATE));
	if (memory == MAP_FAILED) {
		int error = errno;

		/* FIXED may have unmapped what was there. */
		EXPECT(error == ESRCH || error == EFAULT);
		atomic_fetch_add(&table->n_refused, 1);
		(void)munmap(at, bytes);
		slot_end(s, 0);
		return;
	}
	after = atomic_load(&from->sequence);
	atomic_fetch_add(&table->n_clones, 1);
	if (before == after && !(before & 1)) {
		atomic_fetch_add(&table->n_exact, 1);
		slot_expect(at, bytes, seed, "a clone");
		slot_end(s, seed);
		return;
	}
	/* Of an unknown moment, but one moment: make it known. */
	seed = 1 + (uint64_t)random_below(1U << 30);
	slot_write(at, bytes, seed);
	slot_end(s, seed);
}

static void fork_once(void)
{
	pid_t pid = fork();

	if (pid < 0)
		return;
	if (pid == 0) {
		slots_expect("a child");
		for (int s = 0; s < N_SLOTS; s++)
			if (atomic_load(&slot_of(s)->seed))
				slot_write(slot_addr_of(self, s), SLOT_BYTES(s),
					   3);
		_exit(0);
	}
	EXPECT_CHILD_OK(pid);
	slots_expect("a parent");
}

static void split_and_move(int s)
{
	char *at = slot_addr_of(self, s), *away = at + (1UL << 40);
	size_t bytes = SLOT_BYTES(s);

	if (!atomic_load(&slot_of(s)->seed))
		return;
	/* Others may find it gone: that is no error of theirs. */
	(void)mprotect(at + bytes / 2, bytes / 4, PROT_READ);
	(void)mprotect(at + bytes / 2, bytes / 4, PROT_READ | PROT_WRITE);
	/* Only one mapping can be moved at a time. */
	if (mremap(at, bytes, bytes, MREMAP_MAYMOVE | MREMAP_FIXED, away) ==
	    away)
		EXPECT(mremap(away, bytes, bytes,
			      MREMAP_MAYMOVE | MREMAP_FIXED, at) == at);
}

static void stress_process(void)
{
	for (int s = 0; s < N_SLOTS; s++)
		slot_renew(s);
	atomic_store(&table->pids[self], getpid());
	while (!atomic_load(&table->stop)) {
		int s = (int)random_below(N_SLOTS);

		switch (random_below(12)) {
		case 0:
			slot_renew(s);
			break;
		case 1:
		case 2:
			slot_overwrite(s);
			break;
		case 3:
			fork_once();
			break;
		case 4:
			split_and_move(s);
			break;
		case 5:
			(void)madvise(slot_addr_of(self, s), SLOT_BYTES(s),
				      MADV_PAGEOUT);
			break;
		case 6:
			slots_expect("a slot");
			if (random_below(20) == 0)
				_exit(0);
			break;
		default:
			slot_clone(s);
			break;
		}
	}
	slots_expect("a slot at the end");
	_exit(0);
}

static pid_t stress_start(int p, uint32_t seed)
{
	pid_t pid = fork();

	EXPECT(pid >= 0);
	if (pid == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		self = p;
		random_state = seed * 2654435761U + 12345;
		stress_process();
	}
	return pid;
}

/* Nobody may take what a dead process's slots say for true. */
static void stress_forget(int p)
{
	atomic_store(&table->pids[p], 0);
	for (int s = 0; s < N_SLOTS; s++) {
		struct slot *slot = &table->slots[p][s];

		atomic_store(&slot->seed, 0);
		atomic_store(&slot->sequence,
			     (atomic_load(&slot->sequence) | 1) + 1);
	}
}

/* By itself, or killed by us; the check's reason is there otherwise. */
static void stress_ended(int status, bool killed)
{
	if (status == 0 || (killed && WIFSIGNALED(status) &&
			    WTERMSIG(status) == SIGKILL))
		return;
	if (check_reason[0] == '\0')
		check_end(1, "a process ended with status %#x", status);
	_exit(1);
}

static void everything_at_random(void)
{
	bool killed[N_PROCESSES] = { false };
	pid_t pids[N_PROCESSES];
	uint32_t seed = (uint32_t)time(NULL);
	time_t end = time(NULL) + stress_seconds;

	printf("# stress: seed %u, %ld s\n", seed, stress_seconds);
	table = mmap(NULL, sizeof(*table), PROT_READ | PROT_WRITE,
		     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	EXPECT(table != MAP_FAILED);
	for (int p = 0; p < N_PROCESSES; p++)
		pids[p] = stress_start(p, seed++);
	while (time(NULL) < end) {
		int status, p;
		pid_t pid;

		(void)usleep(20 * 1000);
		if (random_below(40) == 0) {
			p = (int)random_below(N_PROCESSES);
			(void)kill(pids[p], SIGKILL);
			killed[p] = true;
		}
		while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
			for (p = 0; p < N_PROCESSES && pids[p] != pid; p++)
				;
			if (p == N_PROCESSES)
				continue;
			stress_ended(status, killed[p]);
			killed[p] = false;
			stress_forget(p);
			atomic_fetch_add(&table->n_restarts, 1);
			pids[p] = stress_start(p, seed++);
		}
	}
	atomic_store(&table->stop, true);
	for (int p = 0; p < N_PROCESSES; p++) {
		int status;

		EXPECT(waitpid(pids[p], &status, 0) == pids[p]);
		stress_ended(status, killed[p]);
	}
	printf("# stress: %lu clones, %lu of them exact, %lu refused, %lu "
	       "restarts\n", atomic_load(&table->n_clones),
	       atomic_load(&table->n_exact), atomic_load(&table->n_refused),
	       atomic_load(&table->n_restarts));
	(void)fflush(stdout);
	EXPECT(atomic_load(&table->n_exact) > 0);
}

static const struct clone_check checks[] = {
	{ "source-changes", source_changes, PLACES_SMALL },
	{ "source-is-taken-away", source_is_taken_away, PLACES_SMALL },
	{ "source-is-killed", source_is_killed, PLACES_SMALL },
	{ "source-executes", source_executes, PLACES_SMALL },
	{ "caller-is-killed", caller_is_killed, PLACES_SMALL },
	{ "clone-from-each-other", clone_from_each_other, PLACES_ONE },
	{ "stress", everything_at_random, PLACES_ONE },
};

int main(int argc, char **argv)
{
	int zram;

	is_slow = access("/proc/lockdep_stats", F_OK) == 0;
	stress_seconds = argc > 2 ? atol(argv[2]) : 10;
	check_begin();
	zram = zram_add(SWAP_BYTES);
	if (zram >= 0)
		(void)zram_swap_on(zram, SWAP_BYTES);
	clone_checks_run(checks, sizeof(checks) / sizeof(checks[0]),
			 argc > 1 ? argv[1] : NULL);
	zram_remove(zram);
	return check_finish();
}
