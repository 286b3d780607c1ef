// SPDX-License-Identifier: MIT
/*
 * Reference pages when everything happens at once: faults against unmapping,
 * moving, protecting, discarding, paging out, forking, a second process that
 * writes from outside, and death. A byte may only ever be the pattern's or one
 * that was written; a write that was seen to succeed is not lost.
 */
#define CHECK_MECH MMLAB_MECH_REFPAGE
#include "test-check.h"

#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdatomic.h>
#include <sys/uio.h>

#ifndef MADV_PAGEOUT
#define MADV_PAGEOUT 21
#endif

enum {
	N_PAGES = 128,
	N_THREADS = 3,
	N_KILLS = 12,
	N_MEETINGS = 20,
	N_SIGHTINGS = 200,
	PATTERN_BYTES = 64,
	/* Offsets in a page: one for each thread, one for the other process. */
	OFFSET_THREAD = 8,
	OFFSET_REMOTE = 4,
};

static size_t page_bytes;
static enum mmlab_refpage_form form;
static unsigned char pattern[PATTERN_BYTES]
	__attribute__((aligned(PATTERN_BYTES)));

static unsigned char *memory;
static size_t memory_bytes;
static atomic_bool stop;
static atomic_uint n_segv, n_accesses;

static __thread sigjmp_buf segv_return;
static __thread volatile bool segv_expected;

static void on_segv(int signal_number)
{
	if (!segv_expected) {
		(void)signal(signal_number, SIG_DFL);
		return;
	}
	siglongjmp(segv_return, 1);
}

static void setup(void)
{
	struct sigaction action = { .sa_handler = on_segv,
				    .sa_flags = SA_NODEFER };
	int fd;

	EXPECT(sigaction(SIGSEGV, &action, NULL) == 0);
	memory_bytes = N_PAGES * page_bytes;
	fd = mmlab_refpage_create(pattern, PATTERN_BYTES, 0, form);
	EXPECT(fd >= 0);
	/* With room behind it for a page that moves away and back. */
	memory = mmap(NULL, memory_bytes + 8 * page_bytes, PROT_NONE,
		      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	EXPECT(memory != MAP_FAILED);
	EXPECT(mmap(memory, memory_bytes, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_FIXED, fd, 0) == memory);
	/* Kept as descriptor 99, for mapping anew. */
	EXPECT(dup2(fd, 99) == 99);
	EXPECT(close(fd) == 0);
}

static unsigned int next_random(volatile unsigned int *state)
{
	*state = *state * 1664525 + 1013904223;
	return *state >> 8;
}

/* The offset of the first byte that neither the pattern nor a writer made. */
static int page_wrong_at(const volatile unsigned char *page)
{
	for (size_t i = 0; i < page_bytes; i++) {
		unsigned char byte = page[i];

		if (byte == pattern[i % PATTERN_BYTES])
			continue;
		if (i >= OFFSET_THREAD && i < OFFSET_THREAD + N_THREADS + 2 &&
		    byte == 'W')
			continue;
		if (i == OFFSET_REMOTE && byte == 'R')
			continue;
		return (int)i;
	}
	return -1;
}

static void *access_at_random(void *arg)
{
	unsigned int thread = (unsigned int)(uintptr_t)arg;
	/* Volatile, for siglongjmp(). */
	volatile unsigned int seed = thread * 7919 + 1;

	while (!atomic_load(&stop)) {
		size_t page = next_random(&seed) % N_PAGES;
		volatile unsigned char *p = memory + page * page_bytes;
		volatile int wrong_at = -1;

		if (sigsetjmp(segv_return, 1)) {
			segv_expected = false;
			atomic_fetch_add(&n_segv, 1);
			continue;
		}
		segv_expected = true;
		if (next_random(&seed) % 2)
			p[OFFSET_THREAD + thread] = 'W';
		else
			wrong_at = page_wrong_at(p);
		segv_expected = false;
		if (wrong_at >= 0)
			check_end(1, "page %zu is wrong at %d", page, wrong_at);
		atomic_fetch_add(&n_accesses, 1);
	}
	return NULL;
}

/* Everything that can happen to a mapping, at random. */
static void operate(unsigned int *seed, bool may_fork)
{
	size_t first = next_random(seed) % N_PAGES;
	size_t n = 1 + next_random(seed) % (N_PAGES - first);
	unsigned char *start = memory + first * page_bytes;
	size_t bytes = n * page_bytes;
	unsigned char *away;
	pid_t pid;

	switch (next_random(seed) % (may_fork ? 8 : 7)) {
	case 0:
		EXPECT(munmap(start, bytes) == 0);
		EXPECT(mmap(start, bytes, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_FIXED, 99,
			    (off_t)(first * page_bytes)) == start);
		break;
	case 1:
		EXPECT(mmap(start, bytes, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_FIXED, 99,
			    (off_t)(first * page_bytes)) == start);
		break;
	case 2:
		EXPECT(mprotect(start, bytes, PROT_NONE) == 0);
		(void)sched_yield();
		EXPECT(mprotect(start, bytes, PROT_READ) == 0);
		EXPECT(mprotect(start, bytes, PROT_READ | PROT_WRITE) == 0);
		break;
	case 3:
	case 4:
		EXPECT(madvise(start, bytes, MADV_DONTNEED) == 0);
		break;
	case 5:
		(void)madvise(start, bytes, MADV_PAGEOUT);
		break;
	case 6:
		/* One page there and back: a range would span several VMAs. */
		away = mremap(start, page_bytes, page_bytes,
			      MREMAP_MAYMOVE | MREMAP_FIXED,
			      memory + memory_bytes + 4 * page_bytes);
		EXPECT(away != MAP_FAILED);
		EXPECT(page_wrong_at(away) < 0);
		EXPECT(mremap(away, page_bytes, page_bytes,
			      MREMAP_MAYMOVE | MREMAP_FIXED, start) == start);
		break;
	case 7:
		pid = fork();
		EXPECT(pid >= 0);
		if (pid == 0) {
			for (size_t i = 0; i < N_PAGES; i++) {
				unsigned char *page = memory + i * page_bytes;

				if (page_wrong_at(page) >= 0)
					check_end(1, "a child's page is wrong");
				page[OFFSET_THREAD + N_THREADS] = 'W';
				if (page_wrong_at(page) >= 0)
					check_end(1, "a child's page is wrong");
			}
			_exit(0);
		}
		EXPECT_EQ(check_wait(pid), 0);
		break;
	}
}

/* Writes into the other process until it is gone. */
static void write_from_outside(pid_t pid)
{
	unsigned int seed = 4711;
	char byte = 'R';
	struct iovec local = { &byte, 1 };

	/* What the kernel must not copy by mistake is not even there. */
	(void)munmap(memory, memory_bytes);
	for (;;) {
		size_t page = next_random(&seed) % N_PAGES;
		struct iovec remote = {
			memory + page * page_bytes + OFFSET_REMOTE, 1,
		};

		if (process_vm_writev(pid, &local, 1, &remote, 1, 0) < 0 &&
		    errno == ESRCH)
			_exit(0);
	}
}

static void threads_start(pthread_t *threads, void *(*run)(void *))
{
	for (uintptr_t i = 0; i < N_THREADS; i++)
		EXPECT(pthread_create(&threads[i], NULL, run, (void *)i) == 0);
}

static void threads_join(pthread_t *threads)
{
	for (int i = 0; i < N_THREADS; i++)
		EXPECT(pthread_join(threads[i], NULL) == 0);
}

static void everything_at_once(void)
{
	const unsigned int n_operations = check_times(200, 80);
	pthread_t threads[N_THREADS];
	unsigned int seed = 12345;
	pid_t target = getpid(), outside;

	setup();
	outside = fork();
	EXPECT(outside >= 0);
	if (outside == 0) {
		EXPECT(prctl(PR_SET_PDEATHSIG, SIGKILL) == 0);
		write_from_outside(target);
	}

	threads_start(threads, access_at_random);
	/* And until the threads have met it. */
	for (unsigned int i = 0; i < n_operations || !atomic_load(&n_accesses);
	     i++)
		operate(&seed, i % 16 == 0);
	atomic_store(&stop, true);
	threads_join(threads);
	EXPECT(kill(outside, SIGKILL) == 0);
	EXPECT(waitpid(outside, NULL, 0) == outside);
	for (size_t i = 0; i < N_PAGES; i++)
		EXPECT_EQ(page_wrong_at(memory + i * page_bytes), -1);
}

/* Death at any point, and in the middle of it all. */
static void killed_at_random(void)
{
	unsigned int seed = 99;

	for (int i = 0; i < N_KILLS; i++) {
		int status, ready[2];
		char byte;
		pid_t pid;

		EXPECT(pipe(ready) == 0);
		pid = fork();
		EXPECT(pid >= 0);
		if (pid == 0) {
			pthread_t threads[N_THREADS];
			unsigned int own_seed = (unsigned int)i + 1;

			EXPECT(prctl(PR_SET_PDEATHSIG, SIGKILL) == 0);
			setup();
			threads_start(threads, access_at_random);
			while (!atomic_load(&n_accesses))
				operate(&own_seed, false);
			EXPECT(write(ready[1], "", 1) == 1);
			for (;;)
				operate(&own_seed, false);
		}
		EXPECT(close(ready[1]) == 0);
		if (i % 2)
			EXPECT(read(ready[0], &byte, 1) == 1);
		EXPECT(close(ready[0]) == 0);
		(void)usleep(2000 + next_random(&seed) % 60000);
		EXPECT(kill(pid, SIGKILL) == 0);
		EXPECT(waitpid(pid, &status, 0) == pid);
		EXPECT(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
		EXPECT_EQ(check_live_objects(), 0);
	}
}

static pthread_barrier_t barrier;

static void *meet_on_every_page(void *arg)
{
	uintptr_t thread = (uintptr_t)arg;

	(void)pthread_barrier_wait(&barrier);
	for (size_t i = 0; i < N_PAGES; i++) {
		volatile unsigned char *page = memory + i * page_bytes;

		/* Every other page is read before it is written. */
		if (i % 2 && page_wrong_at(page) >= 0)
			check_end(1, "page %zu is wrong", i);
		page[OFFSET_THREAD + thread] = 'W';
	}
	return NULL;
}

/* All threads touch the same new page at once: no write is lost. */
static void first_touches_meet(void)
{
	pthread_t threads[N_THREADS];

	setup();
	EXPECT(pthread_barrier_init(&barrier, NULL, N_THREADS) == 0);
	for (int round = 0; round < N_MEETINGS; round++) {
		threads_start(threads, meet_on_every_page);
		threads_join(threads);
		for (size_t i = 0; i < N_PAGES; i++) {
			unsigned char *page = memory + i * page_bytes;

			for (int t = 0; t < N_THREADS; t++)
				EXPECT_EQ(page[OFFSET_THREAD + t], 'W');
			EXPECT_EQ(page_wrong_at(page), -1);
		}
		EXPECT(madvise(memory, memory_bytes, MADV_DONTNEED) == 0);
	}
}

/* Shared by the two processes: pages that were read, and written, so far. */
struct sightings {
	atomic_int n_read;
	atomic_int n_written;
};

static void see_writes(struct sightings *sightings)
{
	for (int i = 0; i < N_SIGHTINGS; i++) {
		volatile unsigned char *p =
			memory + (size_t)i * page_bytes + OFFSET_REMOTE;
		bool written;

		do {
			/* This order: what is written by now must be seen. */
			written = atomic_load(&sightings->n_written) > i;
			if (*p != 'R' && written)
				check_end(1, "page %d is stale after a write",
					  i);
			atomic_store(&sightings->n_read, i + 1);
		} while (!written);
	}
	_exit(0);
}

/*
 * A process that has the entry of the shared page in its TLB sees a write from
 * outside as soon as the writer's system call is over.
 */
static void writes_from_outside_are_seen(void)
{
	struct iovec local = { &(char){ 'R' }, 1 };
	struct sightings *sightings;
	pid_t pid;

	setup();
	sightings = mmap(NULL, page_bytes, PROT_READ | PROT_WRITE,
			 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	EXPECT(sightings != MAP_FAILED);
	memory_bytes = N_SIGHTINGS * page_bytes;
	memory = mmap(NULL, memory_bytes, PROT_NONE,
		      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	EXPECT(memory != MAP_FAILED);
	/* A mapping each: only the first write to one finds an entry. */
	for (size_t i = 0; i < N_SIGHTINGS; i++)
		EXPECT(mmap(memory + i * page_bytes, page_bytes,
			    PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_FIXED, 99,
			    0) != MAP_FAILED);

	pid = fork();
	EXPECT(pid >= 0);
	if (pid == 0) {
		EXPECT(prctl(PR_SET_PDEATHSIG, SIGKILL) == 0);
		see_writes(sightings);
	}
	EXPECT(munmap(memory, memory_bytes) == 0);
	for (int i = 0; i < N_SIGHTINGS; i++) {
		struct iovec remote = {
			memory + (size_t)i * page_bytes + OFFSET_REMOTE, 1,
		};

		while (atomic_load(&sightings->n_read) <= i)
			if (waitpid(pid, NULL, WNOHANG) == pid)
				_exit(1);
		EXPECT_EQ(process_vm_writev(pid, &local, 1, &remote, 1, 0), 1);
		atomic_store(&sightings->n_written, i + 1);
	}
	EXPECT_EQ(check_wait(pid), 0);
}

static const struct check checks[] = {
	{ "first-touches-meet", first_touches_meet },
	{ "writes-from-outside-are-seen", writes_from_outside_are_seen },
	{ "everything-at-once", everything_at_once },
	{ "killed-at-random", killed_at_random },
};

static const char *const form_names[] = {
	[MMLAB_REFPAGE_UNCOUNTED] = "uncounted",
	[MMLAB_REFPAGE_COUNTED] = "counted",
	[MMLAB_REFPAGE_FILL] = "fill",
};

int main(int argc, char **argv)
{
	uint64_t caps = 0;

	page_bytes = (size_t)sysconf(_SC_PAGESIZE);
	for (size_t i = 0; i < PATTERN_BYTES; i++)
		pattern[i] = (unsigned char)(i + 128);
	check_begin();
	if (mmlab_query(MMLAB_MECH_REFPAGE, &caps) < 0)
		return 1;

	for (form = MMLAB_REFPAGE_UNCOUNTED; form <= MMLAB_REFPAGE_FILL;
	     form++) {
		if (!(caps & MMLAB_REFPAGE_CAP_FORM(form)))
			continue;
		checks_run(checks, sizeof(checks) / sizeof(checks[0]),
			   form_names[form], argc == 2 ? argv[1] : NULL);
	}
	return check_finish();
}
