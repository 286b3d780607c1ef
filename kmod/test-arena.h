/* SPDX-License-Identifier: MIT */
/*
 * What the tests of arenas share: making them, touching them, and threads that
 * do one thing at a time when told to.
 *
 * Threads are started before anything waits: to start one changes the address
 * space, and on 6.1 a fault that waits for the arena keeps others from that.
 */
#ifndef MMLAB_TEST_ARENA_H
#define MMLAB_TEST_ARENA_H

#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/ioctl.h>

#define CHECK_MECH MMLAB_MECH_ARENA
#define CHECK_N_LIVE 5
#include "test-access.h"
#include "test-check.h"

enum { PAGE_BYTES = 4096, N_SCHEMES = 4, N_PENDINGS = 4, N_WORKERS = 20 };
enum { N_VARIANTS = N_SCHEMES * N_PENDINGS };

static const char *const scheme_names[N_SCHEMES] = { "rwsem", "tree", "list",
						     "split" };
static const char *const pending_names[N_PENDINGS] = { "none", "one-list",
						       "hash", "cpu" };

/* The variant under test. */
static unsigned int scheme, pending;

/* The arena under test, and where it is mapped. */
static int arena;
static unsigned char *memory;
static size_t arena_bytes;

static inline void arena_make(size_t n_pages)
{
	arena_bytes = n_pages * PAGE_BYTES;
	arena = mmlab_arena_create(arena_bytes, scheme, pending,
				   MMLAB_ARENA_CHECK);
	EXPECT(arena >= 0);
	memory = mmlab_arena_mmap(arena, arena_bytes);
	EXPECT(memory != MAP_FAILED);
}

/* The commands, in pages. */
static inline int map_pages(size_t first, size_t n, int prot)
{
	return mmlab_arena_map(arena, first * PAGE_BYTES, n * PAGE_BYTES, prot);
}

static inline int map_writable(size_t first, size_t n)
{
	return map_pages(first, n, PROT_READ | PROT_WRITE);
}

static inline int unmap_pages(size_t first, size_t n)
{
	return mmlab_arena_unmap(arena, first * PAGE_BYTES, n * PAGE_BYTES);
}

static inline int protect_pages(size_t first, size_t n, int prot)
{
	return mmlab_arena_protect(arena, first * PAGE_BYTES, n * PAGE_BYTES,
				   prot);
}

static inline int populate_pages(size_t first, size_t n)
{
	return mmlab_arena_populate(arena, first * PAGE_BYTES, n * PAGE_BYTES);
}

static inline int hold_pages(size_t first, size_t n, uint64_t duration_ns,
			     unsigned int flags)
{
	return mmlab_arena_hold(arena, first * PAGE_BYTES, n * PAGE_BYTES,
				duration_ns, flags);
}

/* One fault on this page will take until delays_end(). */
static inline void delay_page(size_t page)
{
	EXPECT_EQ(hold_pages(page, 1, MMLAB_ARENA_MAX_HOLD_NS,
			     MMLAB_ARENA_HOLD_FAULT), 0);
}

static inline void delays_end(void)
{
	EXPECT_EQ(hold_pages(0, 1, 0, MMLAB_ARENA_HOLD_FAULT), 0);
}

static inline volatile uint64_t *word_of(size_t page)
{
	return (volatile uint64_t *)(void *)(memory + page * PAGE_BYTES);
}

/* The signal that a read ends in, 0 if it gave a value. Any thread. */
static inline int read_signal(size_t page, uint64_t *ret_value)
{
	int signal = sigsetjmp(access_jump, 1);

	if (signal == 0) {
		access_expected = true;
		*ret_value = *word_of(page);
	}
	access_expected = false;
	return signal;
}

static inline int write_signal(size_t page, uint64_t value)
{
	int signal = sigsetjmp(access_jump, 1);

	if (signal == 0) {
		access_expected = true;
		*word_of(page) = value;
	}
	access_expected = false;
	return signal;
}

static inline uint64_t look(size_t page)
{
	uint64_t value = 0;

	EXPECT_EQ(read_signal(page, &value), 0);
	return value;
}

static inline void set(size_t page, uint64_t value)
{
	EXPECT_EQ(write_signal(page, value), 0);
}

/* How much a counter moved. */
static inline uint64_t since(const uint64_t before[CHECK_MAX_STATS],
			     unsigned int stat)
{
	return check_stat(stat) - before[stat];
}

#define EXPECT_SINCE(before, stat, value) \
	EXPECT_EQ(since(before, MMLAB_ARENA_STAT_##stat), value)

/* Until a counter has moved so far; the check's alarm ends it otherwise. */
static inline void wait_since(const uint64_t before[CHECK_MAX_STATS],
			      unsigned int stat, uint64_t value)
{
	const struct timespec pause = { .tv_nsec = 1000 * 1000 };

	while (since(before, stat) < value)
		(void)nanosleep(&pause, NULL);
}

/* Commands that found a lock taken, and waited: of whatever lock. */
static inline uint64_t waits_since(const uint64_t before[CHECK_MAX_STATS])
{
	return since(before, MMLAB_ARENA_STAT_EXCLUSIVE_WAITS) +
	       since(before, MMLAB_ARENA_STAT_SHARED_WAITS) +
	       since(before, MMLAB_ARENA_STAT_SHORT_READ_WAITS) +
	       since(before, MMLAB_ARENA_STAT_SHORT_WRITE_WAITS);
}

static inline void wait_for_waits(const uint64_t before[CHECK_MAX_STATS],
				  uint64_t n)
{
	const struct timespec pause = { .tv_nsec = 1000 * 1000 };

	while (waits_since(before) < n)
		(void)nanosleep(&pause, NULL);
}

/*
 * Workers.
 */

enum work_kind { WORK_HOLD, WORK_HOLD_SHARED, WORK_LOCK, WORK_LOCK_SHARED,
		 WORK_MAP, WORK_UNMAP, WORK_PROTECT, WORK_POPULATE, WORK_READ,
		 WORK_WRITE, WORK_END };

struct work {
	enum work_kind kind;
	size_t first, n;
};

struct worker {
	pthread_t thread;
	int pipe[2];
	struct work work;
	int result, error;
	atomic_int tid;
	atomic_bool done;
};

static struct worker workers[N_WORKERS];

static inline int work_do(const struct work *work)
{
	uint64_t value;

	switch (work->kind) {
	case WORK_HOLD:
		return hold_pages(work->first, work->n,
				  MMLAB_ARENA_MAX_HOLD_NS, 0);
	case WORK_HOLD_SHARED:
		return hold_pages(work->first, work->n,
				  MMLAB_ARENA_MAX_HOLD_NS,
				  MMLAB_ARENA_HOLD_SHARED);
	case WORK_LOCK:
		return hold_pages(work->first, work->n, 0, 0);
	case WORK_LOCK_SHARED:
		return hold_pages(work->first, work->n, 0,
				  MMLAB_ARENA_HOLD_SHARED);
	case WORK_MAP:
		return map_writable(work->first, work->n);
	case WORK_UNMAP:
		return unmap_pages(work->first, work->n);
	case WORK_PROTECT:
		return protect_pages(work->first, work->n, PROT_READ);
	case WORK_POPULATE:
		return populate_pages(work->first, work->n);
	case WORK_READ:
		return read_signal(work->first, &value);
	case WORK_WRITE:
		return write_signal(work->first, 1);
	case WORK_END:
		break;
	}
	return 0;
}

static inline void *worker_main(void *arg)
{
	struct worker *worker = arg;
	struct work work;

	atomic_store(&worker->tid, gettid());
	while (read(worker->pipe[0], &work, sizeof(work)) == sizeof(work) &&
	       work.kind != WORK_END) {
		errno = 0;
		worker->result = work_do(&work);
		worker->error = errno;
		atomic_store(&worker->done, true);
	}
	return NULL;
}

static inline void ignore_signal(int signal)
{
	(void)signal;
}

static inline void workers_start(unsigned int n)
{
	/* Not restarted: a HOLD that it meets ends. */
	const struct sigaction action = { .sa_handler = ignore_signal };

	access_prepare();
	EXPECT(sigaction(SIGUSR1, &action, NULL) == 0);
	for (unsigned int i = 0; i < n; i++) {
		EXPECT(pipe2(workers[i].pipe, O_CLOEXEC) == 0);
		atomic_store(&workers[i].done, true);
		EXPECT(pthread_create(&workers[i].thread, NULL, worker_main,
				      &workers[i]) == 0);
	}
}

static inline void work_start(unsigned int i, enum work_kind kind, size_t first,
			      size_t n)
{
	struct worker *worker = &workers[i];

	EXPECT(atomic_load(&worker->done));
	worker->work = (struct work){ kind, first, n };
	atomic_store(&worker->done, false);
	EXPECT_EQ(write(worker->pipe[1], &worker->work, sizeof(worker->work)),
		  sizeof(worker->work));
}

static inline bool work_done(unsigned int i)
{
	return atomic_load(&workers[i].done);
}

static inline int work_wait(unsigned int i)
{
	const struct timespec pause = { .tv_nsec = 1000 * 1000 };

	while (!work_done(i))
		(void)nanosleep(&pause, NULL);
	return workers[i].result;
}

/* What the kernel says a thread does: 'R', 'S', 'D'. */
static inline char thread_state(pid_t tid)
{
	char path[64], text[512], *end;
	ssize_t n;
	int file;

	(void)snprintf(path, sizeof(path), "/proc/self/task/%d/stat", tid);
	file = open(path, O_RDONLY | O_CLOEXEC);
	EXPECT(file >= 0);
	n = read(file, text, sizeof(text) - 1);
	EXPECT(n > 0);
	(void)close(file);
	text[n] = '\0';
	/* Behind the name, which may contain anything. */
	end = strrchr(text, ')');
	EXPECT(end && end[1] == ' ');
	return end[2];
}

/*
 * Until the worker, whose wait is counted, is in the lock's queue: a wait for
 * an rwsem is counted before, and until it sleeps there readers pass it.
 */
static inline void wait_queued(unsigned int i)
{
	const struct timespec pause = { .tv_nsec = 1000 * 1000 };

	while (thread_state(atomic_load(&workers[i].tid)) != 'D')
		(void)nanosleep(&pause, NULL);
}

/* A worker holds the range when this returns. */
static inline void hold_start(unsigned int i, size_t first, size_t n,
			      bool shared)
{
	uint64_t before[CHECK_MAX_STATS];

	check_stats(before);
	work_start(i, shared ? WORK_HOLD_SHARED : WORK_HOLD, first, n);
	wait_since(before, MMLAB_ARENA_STAT_LIVE_HOLDS, 1);
}

static inline void hold_end(unsigned int i)
{
	EXPECT(!work_done(i));
	EXPECT(pthread_kill(workers[i].thread, SIGUSR1) == 0);
	EXPECT_EQ(work_wait(i), -1);
	EXPECT_EQ(workers[i].error, EINTR);
}

/* A worker's fault on the page is being delayed when this returns. */
static inline void delayed_fault_start(unsigned int i, size_t page)
{
	uint64_t before[CHECK_MAX_STATS];

	check_stats(before);
	delay_page(page);
	work_start(i, WORK_WRITE, page, 1);
	wait_since(before, MMLAB_ARENA_STAT_LIVE_HOLDS, 1);
}

/*
 * Checks for all variants.
 */

static void (*variant_check)(void);
static unsigned int variant;

static inline void variant_run(void)
{
	const uint64_t n_overlaps = check_stat(MMLAB_ARENA_STAT_OVERLAPS);

	scheme = variant / N_PENDINGS;
	pending = variant % N_PENDINGS;
	access_prepare();
	variant_check();
	EXPECT_EQ(check_stat(MMLAB_ARENA_STAT_OVERLAPS), n_overlaps);
}

static inline void check_variants(const char *name, void (*run)(void))
{
	char text[64];

	variant_check = run;
	for (variant = 0; variant < N_VARIANTS; variant++) {
		/* There, each lock with another way to register. */
		if (check_times(0, 1) &&
		    variant / N_PENDINGS != variant % N_PENDINGS)
			continue;
		(void)snprintf(text, sizeof(text), "%s-%s",
			       scheme_names[variant / N_PENDINGS],
			       pending_names[variant % N_PENDINGS]);
		check_run(name, text, variant_run);
	}
}

/* The checks of a table that an argument chooses, in all variants. */
static inline void variants_run(const struct check *checks, size_t n,
				const char *argument)
{
	for (size_t i = 0; i < n; i++)
		if (check_is_wanted(checks[i].name, argument))
			check_variants(checks[i].name, checks[i].run);
}

#endif /* MMLAB_TEST_ARENA_H */
