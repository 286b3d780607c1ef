// SPDX-License-Identifier: MIT
/*
 * Lockable buffers when everything happens at once: LOCK, UNLOCK and faults
 * against unmapping, moving, forking, exec, walks of page tables from inside
 * and outside, and death at any point.
 *
 * An argument that is a number is how many times two processes are killed; any
 * other chooses the checks whose names contain it.
 */
/* Thousands of deaths on a debug kernel */
#define CHECK_TIMEOUT_S 1800
#include "test-lockbuf.h"

#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/uio.h>

enum { N_THREADS = 3 };

static unsigned int n_kills;
/* Operations of each thread in the other checks. */
static unsigned int n_operations;

static int fd;
static size_t bytes, map_bytes;
/* Where it is mapped, if it is: nothing else ever gets there. */
static unsigned char *place;
static atomic_bool stop;
static atomic_uint n_locks, n_accesses, n_refusals, n_signals, n_walks;

static const size_t all_bytes[] = {
	1, 65536, 3 * CHUNK_BYTES, ((size_t)1 << 30) + CHUNK_BYTES,
};

static unsigned int next_random(volatile unsigned int *state)
{
	*state = *state * 1664525 + 1013904223;
	return *state >> 8;
}

/*
 * Two places of a little more than 1 GiB, 2 GiB apart, after at most 1 GiB for
 * the alignment. New stacks and heaps go to the end of what becomes free here.
 */
static void place_reserve(void)
{
	place = mmap(NULL, 6 * gib, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS |
		     MAP_NORESERVE, -1, 0);
	EXPECT(place != MAP_FAILED);
	EXPECT(munmap(place, 6 * gib) == 0);
	place += gib - (uintptr_t)place % gib;
}

static void buffer_prepare(size_t new_bytes)
{
	bytes = new_bytes;
	map_bytes = mmlab_lockbuf_map_bytes(bytes);
	fd = create(bytes);
}

static bool map_here(int prot)
{
	return mmap(place, map_bytes, prot, MAP_SHARED | MAP_FIXED_NOREPLACE,
		    fd, 0) == place;
}

static unsigned char *random_byte(volatile unsigned int *seed)
{
	/* A few pages of each chunk, so that they are met again. */
	size_t n_chunks = map_bytes / CHUNK_BYTES;
	size_t at = next_random(seed) % n_chunks * CHUNK_BYTES +
		    next_random(seed) % 4 * PAGE_BYTES;

	return place + (at < bytes ? at : 0);
}

static void expect_result(int result)
{
	if (result < 0 && errno != EPERM && errno != ENXIO && errno != EINTR)
		check_end(1, "LOCK or UNLOCK failed: %s", strerror(errno));
	if (result >= 0)
		atomic_fetch_add(&n_locks, 1);
}

static void access_random(volatile unsigned int *seed)
{
	unsigned char *byte = random_byte(seed);

	if (access_signal(byte, next_random(seed) % 2))
		atomic_fetch_add(&n_refusals, 1);
	else
		atomic_fetch_add(&n_accesses, 1);
}

/* Locks, touches, unlocks, and sometimes does one of these out of turn. */
static void *lock_at_random(void *arg)
{
	volatile unsigned int seed = (unsigned int)(uintptr_t)arg;

	while (!atomic_load(&stop)) {
		expect_result(mmlab_lockbuf_lock(fd, 0));
		for (unsigned int i = next_random(&seed) % 4; i; i--)
			access_random(&seed);
		if (next_random(&seed) % 8)
			expect_result(mmlab_lockbuf_unlock(fd));
	}
	return NULL;
}

static void *remap_at_random(void *arg)
{
	volatile unsigned int seed = (unsigned int)(uintptr_t)arg;

	while (!atomic_load(&stop)) {
		(void)map_here(next_random(&seed) % 4
			       ? PROT_READ | PROT_WRITE : PROT_READ);
		for (unsigned int i = next_random(&seed) % 8; i; i--) {
			expect_result(mmlab_lockbuf_lock(fd, 0));
			access_random(&seed);
		}
		(void)munmap(place, map_bytes);
	}
	return NULL;
}

static void threads_start(pthread_t threads[N_THREADS],
			  void *(*run)(void *), unsigned int seed)
{
	for (unsigned int i = 0; i < N_THREADS; i++)
		EXPECT(pthread_create(&threads[i], NULL, run,
				      (void *)(uintptr_t)(seed + i)) == 0);
}

static void threads_end(pthread_t threads[N_THREADS])
{
	atomic_store(&stop, true);
	for (unsigned int i = 0; i < N_THREADS; i++)
		EXPECT(pthread_join(threads[i], NULL) == 0);
	EXPECT(atomic_load(&n_locks) > 0);
	EXPECT(atomic_load(&n_accesses) > 0);
}

/* A race goes on until the threads have met it. */
static bool is_to_go_on(unsigned int i, unsigned int n)
{
	return i < n || !atomic_load(&n_accesses);
}

/* The buffer still works, and who does not own it has no access. */
static void expect_usable(void)
{
	if (map_here(PROT_READ | PROT_WRITE) || errno == EEXIST)
		(void)mmlab_lockbuf_unlock(fd);
	EXPECT(mmlab_lockbuf_lock(fd, 0) >= 0);
	EXPECT_EQ(access_signal(place, true), 0);
	unlock(fd);
	EXPECT_EQ(access_signal(place, true), SIGSEGV);
	EXPECT(munmap(place, map_bytes) == 0);
}

/*
 * Checks: each for every size.
 */

static void lock_against_munmap(void)
{
	pthread_t threads[N_THREADS];

	threads_start(threads, lock_at_random, 1);
	for (unsigned int i = 0; i < n_operations; i++) {
		EXPECT(map_here(PROT_READ | PROT_WRITE));
		for (unsigned int j = i % 4; j; j--)
			(void)sched_yield();
		EXPECT(munmap(place, map_bytes) == 0);
	}
	EXPECT(map_here(PROT_READ | PROT_WRITE));
	while (!atomic_load(&n_accesses))
		(void)sched_yield();
	threads_end(threads);
	expect_usable();
}

static void lock_against_mremap(void)
{
	unsigned char *target = place + 2 * ((size_t)1 << 30);
	pthread_t threads[N_THREADS];

	EXPECT(map_here(PROT_READ | PROT_WRITE));
	threads_start(threads, lock_at_random, 2);
	for (unsigned int i = 0; is_to_go_on(i, n_operations); i++) {
		EXPECT(mremap(place, map_bytes, map_bytes, MREMAP_MAYMOVE |
			      MREMAP_FIXED, target) == MAP_FAILED);
		(void)sched_yield();
	}
	threads_end(threads);
	expect_usable();
}

/* Beside fork, which copies page tables, and the child's own mapping. */
static void lock_against_fork(void)
{
	pthread_t threads[N_THREADS];

	EXPECT(map_here(PROT_READ | PROT_WRITE));
	threads_start(threads, lock_at_random, 3);
	for (unsigned int i = 0; is_to_go_on(i, n_operations / 8 + 1); i++) {
		pid_t pid = fork();

		EXPECT(pid >= 0);
		if (pid == 0) {
			volatile unsigned int seed = i;

			EXPECT(map_here(PROT_READ | PROT_WRITE));
			for (int j = 0; j < 4; j++) {
				expect_result(mmlab_lockbuf_lock(fd, 0));
				access_random(&seed);
				expect_result(mmlab_lockbuf_unlock(fd));
			}
			_exit(0);
		}
		EXPECT_CHILD_OK(pid);
	}
	threads_end(threads);
	expect_usable();
}

static void *walk_own_tables(void *arg)
{
	static const char *const names[] = {
		"/proc/self/smaps_rollup", "/proc/self/numa_maps",
	};
	volatile unsigned int seed = (unsigned int)(uintptr_t)arg;
	unsigned char byte;
	struct iovec local = { &byte, 1 }, remote = { NULL, 1 };
	char buffer[4096], digit;
	int pipes[2], file;

	EXPECT(pipe2(pipes, O_NONBLOCK) == 0);
	while (!atomic_load(&stop)) {
		/* Fast and slow references to pages: always refused. */
		remote.iov_base = random_byte(&seed);
		EXPECT(vmsplice(pipes[1], &remote, 1, 0) == -1);
		EXPECT(process_vm_readv(getpid(), &local, 1, &remote, 1, 0) ==
		       -1);
		EXPECT(syscall(SYS_futex, (uintptr_t)remote.iov_base & ~3UL,
			       FUTEX_WAKE, 1, NULL, NULL, 0) == -1);
		if (next_random(&seed) % 4)
			continue;
		file = open(names[next_random(&seed) % 2], O_RDONLY);
		while (file >= 0 && read(file, buffer, sizeof(buffer)) > 0)
			continue;
		(void)close(file);
		file = open("/proc/self/clear_refs", O_WRONLY);
		digit = (char)('1' + next_random(&seed) % 4);
		(void)!write(file, &digit, 1);
		(void)close(file);
		atomic_fetch_add(&n_walks, 1);
	}
	return NULL;
}

/* Walks of all kinds while tables come and go under them. */
static void walks_against_unlock(void)
{
	pthread_t threads[N_THREADS], walker;
	volatile unsigned int seed = 4;

	EXPECT(map_here(PROT_READ | PROT_WRITE));
	EXPECT(pthread_create(&walker, NULL, walk_own_tables, (void *)9) == 0);
	threads_start(threads, lock_at_random, 4);
	for (unsigned int i = 0;
	     is_to_go_on(i, n_operations) || !atomic_load(&n_walks); i++) {
		if (i % 8 == 7) {
			(void)munmap(place, map_bytes);
			EXPECT(map_here(PROT_READ | PROT_WRITE));
		}
		access_random(&seed);
		(void)sched_yield();
	}
	threads_end(threads);
	EXPECT(pthread_join(walker, NULL) == 0);
	expect_usable();
}

/* The same from outside, through the files of another process. */
static void others_look_on(void)
{
	pthread_t threads[N_THREADS];
	char path[64], buffer[4096];
	pid_t pid, parent = getpid();
	atomic_uint *n_looks = mmap(NULL, PAGE_BYTES, PROT_READ | PROT_WRITE,
				    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int file;

	EXPECT(n_looks != MAP_FAILED);
	EXPECT(map_here(PROT_READ | PROT_WRITE));
	pid = fork();
	EXPECT(pid >= 0);
	if (pid == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (int i = 0;; i++) {
			(void)snprintf(path, sizeof(path), "/proc/%d/%s",
				       parent, i % 2 ? "smaps" : "numa_maps");
			file = open(path, O_RDONLY);
			while (read(file, buffer, sizeof(buffer)) > 0)
				continue;
			(void)close(file);
			(void)snprintf(path, sizeof(path), "/proc/%d/pagemap",
				       parent);
			file = open(path, O_RDONLY);
			(void)!pread(file, buffer, sizeof(buffer),
				     (off_t)((uintptr_t)place / PAGE_BYTES *
					     8));
			(void)close(file);
			(void)snprintf(path, sizeof(path),
				       "/proc/%d/clear_refs", parent);
			file = open(path, O_WRONLY);
			(void)!write(file, "4", 1);
			(void)close(file);
			atomic_fetch_add(n_looks, 1);
		}
	}
	threads_start(threads, lock_at_random, 5);
	for (unsigned int i = 0; is_to_go_on(i, n_operations * 4) ||
				 !atomic_load(n_looks); i++)
		(void)sched_yield();
	threads_end(threads);
	EXPECT(kill(pid, SIGKILL) == 0);
	EXPECT(waitpid(pid, NULL, 0) == pid);
	expect_usable();
}

static void exec_against_lock(void)
{
	static char *const arguments[] = { "true", NULL };
	pthread_t threads[N_THREADS];

	EXPECT(map_here(PROT_READ | PROT_WRITE));
	for (unsigned int i = 0; i < n_operations / 16 + 1; i++) {
		volatile unsigned int seed = i * 31;
		pid_t pid = fork();

		EXPECT(pid >= 0);
		if (pid == 0) {
			EXPECT(map_here(PROT_READ | PROT_WRITE));
			threads_start(threads, lock_at_random, i);
			/* Some at any point, some in the midst of it. */
			while (i % 2 && !atomic_load(&n_locks))
				(void)sched_yield();
			for (unsigned int j = next_random(&seed) % 16; j; j--)
				(void)sched_yield();
			(void)execv("/bin/true", arguments);
			_exit(1);
		}
		EXPECT_CHILD_OK(pid);
		EXPECT(mmlab_lockbuf_lock(fd, 0) >= 0);
		unlock(fd);
	}
	expect_usable();
}

/* One after the other, but not for ever: a slow kernel would never map. */
static void *signal_main(void *arg)
{
	const unsigned int n = check_times(2000, 100);

	while (atomic_load(&n_signals) < n)
		(void)pthread_kill(*(pthread_t *)arg, SIGUSR1);
	return NULL;
}

static void count_signal(int signal)
{
	(void)signal;
	(void)atomic_fetch_add(&n_signals, 1);
}

/* A process's first mapping cannot be made while a signal is pending. */
static void map_against_signals(void)
{
	const struct sigaction action = { .sa_handler = count_signal };
	pthread_t self = pthread_self(), thread;

	EXPECT(sigaction(SIGUSR1, &action, NULL) == 0);
	for (unsigned int i = 0; i < n_operations / 16 + 1; i++) {
		pid_t pid = fork();

		EXPECT(pid >= 0);
		if (pid == 0) {
			EXPECT(pthread_create(&thread, NULL, signal_main,
					      &self) == 0);
			while (atomic_load(&n_signals) < 3)
				continue;
			EXPECT(map_here(PROT_READ | PROT_WRITE));
			EXPECT(munmap(place, map_bytes) == 0);
			_exit(0);
		}
		EXPECT_CHILD_OK(pid);
	}
	EXPECT(map_here(PROT_READ | PROT_WRITE));
	expect_usable();
}

/*
 * What a process of the check below does until it is killed. It makes way for
 * the one that makes and kills such processes, and brings a stack for its
 * thread: a round is mostly what the kernel does for processes.
 */
__attribute__((noreturn))
static void live(unsigned int seed, bool writer)
{
	static char stack[65536] __attribute__((aligned(4096)));
	pthread_attr_t attributes;
	pthread_t thread;

	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	(void)setpriority(PRIO_PROCESS, 0, 19);
	(void)map_here(writer ? PROT_READ | PROT_WRITE : PROT_READ);
	(void)pthread_attr_init(&attributes);
	(void)pthread_attr_setstack(&attributes, stack, sizeof(stack));
	(void)pthread_create(&thread, &attributes,
			     writer ? remap_at_random : lock_at_random,
			     (void *)(uintptr_t)seed);
	(void)(writer ? lock_at_random : remap_at_random)(
		(void *)(uintptr_t)(seed + 1));
	_exit(0);
}

/*
 * An owner and a reader, each with two threads that lock, fault, unmap and map
 * again, are killed at random points: what they held is free at once.
 */
static void killed_at_random(void)
{
	volatile unsigned int seed = (unsigned int)bytes;
	unsigned int n_died = 0, n_free = 0;
	long max_ns = 500000;

	EXPECT(map_here(PROT_READ | PROT_WRITE));
	/* Many are to be killed owning it, and many not: both must happen. */
	for (unsigned int i = 0;
	     i < n_kills || (n_kills >= 100 && (!n_died || !n_free)); i++) {
		struct timespec pause = {
			.tv_nsec = next_random(&seed) % max_ns,
		};
		pid_t pids[2];
		int result;

		for (int j = 0; j < 2; j++) {
			pids[j] = fork();
			EXPECT(pids[j] >= 0);
			if (pids[j] == 0)
				live(next_random(&seed) + (unsigned int)j,
				     j == 0);
		}
		(void)nanosleep(&pause, NULL);
		for (int j = 0; j < 2; j++)
			EXPECT(kill(pids[j ^ (int)(i & 1)], SIGKILL) == 0);
		for (int j = 0; j < 2; j++)
			EXPECT(waitpid(pids[j], NULL, 0) == pids[j]);

		result = mmlab_lockbuf_lock(fd, 0);
		if (result < 0)
			check_end(1, "round %u: LOCK: %s", i, strerror(errno));
		if (result == MMLAB_LOCKBUF_OWNER_DIED)
			n_died++;
		else
			n_free++;
		if (access_signal(place, true))
			check_end(1, "round %u: no access", i);
		unlock(fd);
		/* A machine on which nobody gets that far. */
		if (i >= n_kills && !n_died && max_ns < 400 * 1000 * 1000)
			max_ns *= 2;
	}
	EXPECT(munmap(place, map_bytes) == 0);
}

static const struct check checks[] = {
	{ "lock-against-munmap", lock_against_munmap },
	{ "lock-against-mremap", lock_against_mremap },
	{ "lock-against-fork", lock_against_fork },
	{ "walks-against-unlock", walks_against_unlock },
	{ "others-look-on", others_look_on },
	{ "exec-against-lock", exec_against_lock },
	{ "map-against-signals", map_against_signals },
	{ "killed-at-random", killed_at_random },
};
enum { N_CHECKS = sizeof(checks) / sizeof(checks[0]) };
enum { N_SIZES = sizeof(all_bytes) / sizeof(all_bytes[0]) };

static struct {
	unsigned int check, size;
} present;

static void run_present(void)
{
	place_reserve();
	buffer_prepare(all_bytes[present.size]);
	checks[present.check].run();
}

int main(int argc, char **argv)
{
	static const char *const size_names[] = { "1", "64K", "6M", "1G" };
	const bool debugged = access("/proc/lockdep_stats", F_OK) == 0;
	unsigned int n_all = debugged ? 200 : 1600;
	const char *wanted = NULL;

	for (int i = 1; i < argc; i++) {
		if (strtoul(argv[i], NULL, 10))
			n_all = (unsigned int)strtoul(argv[i], NULL, 10);
		else
			wanted = argv[i];
	}

	check_begin();
	n_operations = debugged ? 50 : 200;
	n_kills = (n_all + N_SIZES - 1) / N_SIZES;
	flush = MMLAB_LOCKBUF_FLUSH_RANGE;
	for (unsigned int i = 0; i < N_CHECKS * N_SIZES; i++) {
		char variant[64];

		present.check = i / N_SIZES;
		present.size = i % N_SIZES;
		mode = (enum mmlab_lockbuf_mode)(i % 3);
		if (!check_is_wanted(checks[present.check].name, wanted))
			continue;
		(void)snprintf(variant, sizeof(variant), "%s-%s",
			       size_names[present.size],
			       (const char *const[]){ "writer", "both",
						      "shared" }[mode]);
		check_run(checks[present.check].name, variant, run_present);
	}
	if (!entries_balance())
		return 1;
	return check_finish();
}
