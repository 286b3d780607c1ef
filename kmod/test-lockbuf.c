// SPDX-License-Identifier: MIT
/*
 * Lockable buffers: what LOCK and UNLOCK promise in each mode and with each way
 * to flush, who owns what when processes come and go, waiting, and threads.
 */
#include "test-lockbuf.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

/*
 * LOCK and UNLOCK.
 */

static void lock_gives_access(void)
{
	int fd = create(3 * PAGE_BYTES);
	unsigned char *memory = map_writer(fd, 3 * PAGE_BYTES);

	EXPECT_EQ((uintptr_t)memory % CHUNK_BYTES, 0);
	EXPECT_EQ(access_signal(memory, false), SIGSEGV);
	EXPECT_EQ(access_signal(memory, true), SIGSEGV);
	lock(fd);
	for (int round = 0; round < 10; round++) {
		for (int i = 0; i < 3 * PAGE_BYTES; i++) {
			EXPECT_EQ(look(memory + i), round);
			set(memory + i, (unsigned char)(round + 1));
		}
		EXPECT_EQ(access_signal(memory + 3 * PAGE_BYTES, false),
			  SIGBUS);
		unlock(fd);
		EXPECT_EQ(access_signal(memory, false), SIGSEGV);
		EXPECT_EQ(access_signal(memory, true), SIGSEGV);
		EXPECT_EQ(access_signal(memory + 3 * PAGE_BYTES, false),
			  SIGSEGV);
		lock(fd);
	}
	EXPECT_ERRNO(mmlab_lockbuf_lock(fd, 0), EPERM);
	EXPECT_ERRNO(mmlab_lockbuf_lock(fd, MMLAB_LOCKBUF_WAIT), EDEADLK);
	unlock(fd);
	EXPECT_ERRNO(mmlab_lockbuf_unlock(fd), EPERM);
}

static void hand_over(void)
{
	const size_t bytes = 5 * CHUNK_BYTES;
	int fd = create(bytes);
	unsigned char *memory = map_writer(fd, bytes);
	struct peer peer = peer_start(fd, bytes);
	const unsigned int n_rounds = check_times(99, 20);

	EXPECT_EQ(peer_do(&peer, PEER_LOCK), -1);
	EXPECT_EQ(errno, ENXIO);
	EXPECT_EQ(peer_do(&peer, PEER_MAP_READER), 0);
	for (unsigned int round = 1; round <= n_rounds; round++) {
		size_t offset = (size_t)round * (bytes / (n_rounds + 1));

		lock(fd);
		set(memory + offset, (unsigned char)round);
		EXPECT_EQ(peer_do(&peer, PEER_LOCK), -1);
		EXPECT_EQ(errno, EPERM);
		EXPECT_EQ(peer_do(&peer, PEER_UNLOCK), -1);
		EXPECT_EQ(errno, EPERM);
		EXPECT_EQ(peer_do(&peer, PEER_READ_ACCESS),
			  mode == MMLAB_LOCKBUF_WRITER ? 0 : SIGSEGV);
		unlock(fd);
		EXPECT_EQ(peer_do(&peer, PEER_READ_ACCESS),
			  mode == MMLAB_LOCKBUF_WRITER ? 0 : SIGSEGV);
		EXPECT_EQ(peer_do(&peer, PEER_LOCK), 0);
		EXPECT_EQ(peer_do(&peer, PEER_WRITE_ACCESS), SIGSEGV);
		peer_send(&peer, PEER_LOOK, offset, 0);
		EXPECT_EQ(peer_answer(&peer), round);
		EXPECT_ERRNO(mmlab_lockbuf_lock(fd, 0), EPERM);
		EXPECT_EQ(access_signal(memory + offset, true), SIGSEGV);
		EXPECT_EQ(peer_do(&peer, PEER_UNLOCK), 0);
	}
	peer_end(&peer);
}

/* Two writers and a reader, in turn, over one buffer. */
static void writers_exclude_each_other(void)
{
	const size_t bytes = CHUNK_BYTES + PAGE_BYTES;
	int fd = create(bytes);
	unsigned char *memory = map_writer(fd, bytes);
	struct peer peer = peer_start(fd, bytes);
	const unsigned int n_rounds = check_times(49, 15);

	EXPECT_EQ(peer_do(&peer, PEER_MAP_WRITER), 0);
	for (unsigned char round = 1; round <= n_rounds; round++) {
		lock(fd);
		EXPECT_EQ(look(memory + CHUNK_BYTES), (round - 1) * 2);
		set(memory + CHUNK_BYTES, (unsigned char)(round * 2 - 1));
		EXPECT_EQ(peer_do(&peer, PEER_LOCK), -1);
		EXPECT_EQ(errno, EPERM);
		EXPECT_EQ(peer_do(&peer, PEER_READ_ACCESS), SIGSEGV);
		EXPECT_EQ(peer_do(&peer, PEER_WRITE_ACCESS), SIGSEGV);
		unlock(fd);
		EXPECT_EQ(peer_do(&peer, PEER_LOCK), 0);
		peer_send(&peer, PEER_LOOK, CHUNK_BYTES, 0);
		EXPECT_EQ(peer_answer(&peer), round * 2 - 1);
		peer_send(&peer, PEER_SET, CHUNK_BYTES,
			  (unsigned char)(round * 2));
		EXPECT_EQ(peer_answer(&peer), 0);
		EXPECT_EQ(access_signal(memory, false), SIGSEGV);
		EXPECT_EQ(peer_do(&peer, PEER_UNLOCK), 0);
	}
	peer_end(&peer);
}

static void readers_and_owners(void)
{
	const bool shared = mode == MMLAB_LOCKBUF_SHARED;
	int fd = create(PAGE_BYTES);
	struct peer first = peer_start(fd, PAGE_BYTES);
	struct peer second = peer_start(fd, PAGE_BYTES);

	(void)map_writer(fd, PAGE_BYTES);
	EXPECT_EQ(peer_do(&first, PEER_MAP_READER), 0);
	EXPECT_EQ(peer_do(&second, PEER_MAP_READER), 0);
	for (int round = 0; round < 20; round++) {
		EXPECT_EQ(peer_do(&first, PEER_LOCK), 0);
		EXPECT_EQ(peer_do(&first, PEER_LOCK), -1);
		EXPECT_EQ(errno, EPERM);
		EXPECT_EQ(peer_do(&first, PEER_WAIT), -1);
		EXPECT_EQ(errno, EDEADLK);
		EXPECT_EQ(peer_do(&second, PEER_LOCK), shared ? 0 : -1);
		EXPECT_EQ(peer_do(&second, PEER_READ_ACCESS),
			  mode == MMLAB_LOCKBUF_BOTH ? SIGSEGV : 0);
		EXPECT_ERRNO(mmlab_lockbuf_lock(fd, 0), EPERM);
		EXPECT_EQ(peer_do(&first, PEER_UNLOCK), 0);
		if (shared) {
			EXPECT_EQ(peer_do(&first, PEER_READ_ACCESS), SIGSEGV);
			EXPECT_EQ(peer_do(&second, PEER_READ_ACCESS), 0);
			EXPECT_ERRNO(mmlab_lockbuf_lock(fd, 0), EPERM);
			EXPECT_EQ(peer_do(&second, PEER_UNLOCK), 0);
		}
		lock(fd);
		EXPECT_EQ(peer_do(&first, PEER_LOCK), -1);
		EXPECT_EQ(errno, EPERM);
		unlock(fd);
	}
	peer_end(&first);
	peer_end(&second);
}

/*
 * Owners that end.
 */

static void owner_is_killed(void)
{
	int fd = create(PAGE_BYTES);
	unsigned char *memory = map_writer(fd, PAGE_BYTES);

	for (int i = 0; i < 10; i++) {
		struct peer peer = peer_start(fd, PAGE_BYTES);
		uint64_t abandoned =
			check_stat(MMLAB_LOCKBUF_STAT_ABANDONED);

		EXPECT_EQ(peer_do(&peer, i % 2 ? PEER_MAP_WRITER
					       : PEER_MAP_READER), 0);
		EXPECT_EQ(peer_do(&peer, PEER_LOCK), 0);
		EXPECT_EQ(peer_do(&peer, PEER_READ_ACCESS), 0);
		peer_kill(&peer);
		/* Waits for whoever releases the dead one's memory. */
		EXPECT_EQ(mmlab_lockbuf_lock(fd, MMLAB_LOCKBUF_WAIT),
			  MMLAB_LOCKBUF_OWNER_DIED);
		EXPECT_EQ(check_stat(MMLAB_LOCKBUF_STAT_ABANDONED),
			  abandoned + 1);
		EXPECT_EQ(look(memory), 0);
		unlock(fd);
		/* Once only. */
		lock(fd);
		unlock(fd);
	}
}

/* One who ends without owning leaves nothing to report. */
static void other_is_killed(void)
{
	int fd = create(PAGE_BYTES);
	struct peer peer = peer_start(fd, PAGE_BYTES);

	(void)map_writer(fd, PAGE_BYTES);
	EXPECT_EQ(peer_do(&peer, PEER_MAP_WRITER), 0);
	EXPECT_EQ(peer_do(&peer, PEER_LOCK), 0);
	EXPECT_EQ(peer_do(&peer, PEER_UNLOCK), 0);
	lock(fd);
	peer_kill(&peer);
	unlock(fd);
	lock(fd);
}

static void owner_unmaps(void)
{
	int fd = create(PAGE_BYTES);
	unsigned char *memory = map_writer(fd, PAGE_BYTES);

	lock(fd);
	set(memory, 42);
	EXPECT(munmap(memory, CHUNK_BYTES) == 0);
	EXPECT_EQ(access_signal(memory, false), SIGSEGV);
	EXPECT_ERRNO(mmlab_lockbuf_lock(fd, 0), ENXIO);
	EXPECT_ERRNO(mmlab_lockbuf_unlock(fd), ENXIO);
	memory = map_reader(fd, PAGE_BYTES);
	EXPECT_EQ(mmlab_lockbuf_lock(fd, 0), MMLAB_LOCKBUF_OWNER_DIED);
	EXPECT_EQ(look(memory), 42);
	unlock(fd);
	EXPECT(munmap(memory, CHUNK_BYTES) == 0);
	/* Without owning it. */
	memory = map_writer(fd, PAGE_BYTES);
	lock(fd);
	EXPECT_EQ(look(memory), 42);
}

/* The mapping owns, not the descriptor. */
static void descriptor_is_closed(void)
{
	int fd = create(PAGE_BYTES), copy = dup(fd);
	unsigned char *memory = map_writer(fd, PAGE_BYTES);

	lock(fd);
	EXPECT(close(fd) == 0);
	set(memory, 1);
	EXPECT_ERRNO(mmlab_lockbuf_lock(copy, 0), EPERM);
	EXPECT_EQ(mmlab_lockbuf_unlock(copy), 0);
	EXPECT_EQ(access_signal(memory, true), SIGSEGV);
	lock(copy);
	EXPECT(close(copy) == 0);
	EXPECT_EQ(look(memory), 1);
	EXPECT_EQ(check_stat(MMLAB_LOCKBUF_STAT_LIVE_OBJECTS), 1);
	EXPECT(munmap(memory, CHUNK_BYTES) == 0);
	EXPECT_EQ(check_live_objects(), 0);
}

static void fork_inherits_nothing(void)
{
	int fd = create(PAGE_BYTES);
	unsigned char *memory = map_writer(fd, PAGE_BYTES);
	pid_t pid;

	lock(fd);
	set(memory, 1);
	pid = fork();
	EXPECT(pid >= 0);
	if (pid == 0) {
		EXPECT_EQ(access_signal(memory, false), SIGSEGV);
		EXPECT_ERRNO(mmlab_lockbuf_lock(fd, 0), ENXIO);
		EXPECT_ERRNO(mmlab_lockbuf_unlock(fd), ENXIO);
		memory = map_writer(fd, PAGE_BYTES);
		EXPECT_ERRNO(mmlab_lockbuf_lock(fd, 0), EPERM);
		EXPECT_ERRNO(mmlab_lockbuf_unlock(fd), EPERM);
		EXPECT_EQ(access_signal(memory, false), SIGSEGV);
		_exit(0);
	}
	EXPECT_CHILD_OK(pid);
	set(memory, 2);
	unlock(fd);
}

/* A child of vfork is the same address space, hence the same owner. */
static void vfork_is_the_owner(void)
{
	int fd = create(PAGE_BYTES);
	unsigned char *memory = map_writer(fd, PAGE_BYTES);
	pid_t pid;

	lock(fd);
	pid = vfork();
	EXPECT(pid >= 0);
	if (pid == 0)
		_exit(mmlab_lockbuf_unlock(fd) == 0 ? 0 : 1);
	EXPECT_CHILD_OK(pid);
	EXPECT_EQ(access_signal(memory, false), SIGSEGV);
}

static void exec_releases(void)
{
	int fd = create(PAGE_BYTES), pipes[2];
	char byte;
	pid_t pid;

	(void)map_writer(fd, PAGE_BYTES);
	EXPECT(pipe(pipes) == 0);
	pid = fork();
	EXPECT(pid >= 0);
	if (pid == 0) {
		(void)map_writer(fd, PAGE_BYTES);
		lock(fd);
		(void)close(pipes[0]);
		EXPECT(dup2(pipes[1], 1) == 1);
		/* Keeps the descriptor of the buffer, too. */
		EXPECT(fcntl(fd, F_SETFD, 0) == 0);
		(void)execl("/bin/sh", "sh", "-c", "echo; read x",
			    (char *)NULL);
		_exit(1);
	}
	(void)close(pipes[1]);
	EXPECT(read(pipes[0], &byte, 1) == 1);
	EXPECT_EQ(mmlab_lockbuf_lock(fd, 0), MMLAB_LOCKBUF_OWNER_DIED);
	EXPECT(kill(pid, SIGKILL) == 0);
	EXPECT(waitpid(pid, NULL, 0) == pid);
	unlock(fd);
}

static void passed_over_a_socket(void)
{
	int fd = create(PAGE_BYTES), sockets[2];
	union {
		struct cmsghdr header;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control = { 0 };
	char byte = 'x';
	struct iovec iov = { &byte, 1 };
	struct msghdr message = {
		.msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control,
		.msg_controllen = sizeof(control),
	};
	unsigned char *memory;
	pid_t pid;

	EXPECT(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, sockets) == 0);
	pid = fork();
	EXPECT(pid >= 0);
	if (pid == 0) {
		(void)close(fd);
		EXPECT(recvmsg(sockets[1], &message, 0) == 1);
		memcpy(&fd, CMSG_DATA(&control.header), sizeof(fd));
		memory = map_reader(fd, PAGE_BYTES);
		EXPECT_EQ(mmlab_lockbuf_lock(fd, MMLAB_LOCKBUF_WAIT), 0);
		EXPECT_EQ(look(memory), 99);
		_exit(0);
	}
	memory = map_writer(fd, PAGE_BYTES);
	lock(fd);
	set(memory, 99);
	unlock(fd);
	control.header.cmsg_level = SOL_SOCKET;
	control.header.cmsg_type = SCM_RIGHTS;
	control.header.cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(&control.header), &fd, sizeof(fd));
	EXPECT(sendmsg(sockets[0], &message, 0) == 1);
	EXPECT_CHILD_OK(pid);
}

/*
 * Waiting.
 */

static void wait_until_stat(unsigned int stat, uint64_t value)
{
	while (check_stat(stat) < value)
		(void)sched_yield();
}

static void wait_gets_it(void)
{
	int fd = create(PAGE_BYTES);
	struct peer peer = peer_start(fd, PAGE_BYTES);
	unsigned char *memory = map_writer(fd, PAGE_BYTES);

	EXPECT_EQ(peer_do(&peer, PEER_MAP_WRITER), 0);
	for (int i = 0; i < 20; i++) {
		uint64_t waited = check_stat(MMLAB_LOCKBUF_STAT_WAITED);

		EXPECT_EQ(mmlab_lockbuf_lock(fd, MMLAB_LOCKBUF_WAIT), 0);
		peer_send(&peer, PEER_WAIT, 0, 0);
		wait_until_stat(MMLAB_LOCKBUF_STAT_WAITED, waited + 1);
		set(memory, (unsigned char)i);
		unlock(fd);
		EXPECT_EQ(peer_answer(&peer), 0);
		peer_send(&peer, PEER_LOOK, 0, 0);
		EXPECT_EQ(peer_answer(&peer), i);
		EXPECT_EQ(peer_do(&peer, PEER_UNLOCK), 0);
	}
	peer_end(&peer);
}

static void wait_ends_with_the_owner(void)
{
	int fd = create(PAGE_BYTES);
	struct peer owner = peer_start(fd, PAGE_BYTES);
	struct peer waiter = peer_start(fd, PAGE_BYTES);
	uint64_t waited = check_stat(MMLAB_LOCKBUF_STAT_WAITED);

	EXPECT_EQ(peer_do(&owner, PEER_MAP_WRITER), 0);
	EXPECT_EQ(peer_do(&owner, PEER_LOCK), 0);
	EXPECT_EQ(peer_do(&waiter, PEER_MAP_READER), 0);
	peer_send(&waiter, PEER_WAIT, 0, 0);
	wait_until_stat(MMLAB_LOCKBUF_STAT_WAITED, waited + 1);
	peer_kill(&owner);
	EXPECT_EQ(peer_answer(&waiter), MMLAB_LOCKBUF_OWNER_DIED);
	peer_end(&waiter);
}

static void ignore_signal(int signal)
{
	(void)signal;
}

static void wait_is_interrupted(void)
{
	int fd = create(PAGE_BYTES);
	struct sigaction action = { .sa_handler = ignore_signal };
	uint64_t waited = check_stat(MMLAB_LOCKBUF_STAT_WAITED);
	pid_t pid;

	(void)map_writer(fd, PAGE_BYTES);
	lock(fd);
	for (int i = 0; i < 3; i++) {
		pid = fork();
		EXPECT(pid >= 0);
		if (pid == 0) {
			action.sa_flags = i == 1 ? SA_RESTART : 0;
			EXPECT(sigaction(SIGUSR1, &action, NULL) == 0);
			(void)map_writer(fd, PAGE_BYTES);
			if (i == 1)
				EXPECT_EQ(mmlab_lockbuf_lock(fd, 1), 0);
			else
				EXPECT_ERRNO(mmlab_lockbuf_lock(fd, 1), EINTR);
			_exit(0);
		}
		wait_until_stat(MMLAB_LOCKBUF_STAT_WAITED, ++waited);
		EXPECT(kill(pid, i == 2 ? SIGKILL : SIGUSR1) == 0);
		if (i == 2) {
			EXPECT(waitpid(pid, NULL, 0) == pid);
			break;
		}
		if (i == 1) {
			/* Sleeps again: that counts again. */
			wait_until_stat(MMLAB_LOCKBUF_STAT_WAITED, ++waited);
			unlock(fd);
		}
		EXPECT_CHILD_OK(pid);
		if (i == 1)
			EXPECT_EQ(mmlab_lockbuf_lock(fd, 1),
				  MMLAB_LOCKBUF_OWNER_DIED);
	}
}

/*
 * Threads.
 */

static struct {
	int fd;
	unsigned char *memory;
	size_t bytes;
	atomic_int stage;
	atomic_ulong n_writes;
} shared;

static void *thread_unlocks(void *unused)
{
	EXPECT_EQ(look(shared.memory), 7);
	unlock(shared.fd);
	EXPECT_EQ(access_signal(shared.memory, false), SIGSEGV);
	return unused;
}

static void threads_are_one_owner(void)
{
	pthread_t thread;

	shared.fd = create(PAGE_BYTES);
	shared.memory = map_writer(shared.fd, PAGE_BYTES);
	for (int i = 0; i < 20; i++) {
		lock(shared.fd);
		set(shared.memory, 7);
		EXPECT(pthread_create(&thread, NULL, thread_unlocks, NULL) ==
		       0);
		EXPECT(pthread_join(thread, NULL) == 0);
		EXPECT_EQ(access_signal(shared.memory, false), SIGSEGV);
		EXPECT_ERRNO(mmlab_lockbuf_unlock(shared.fd), EPERM);
	}
}

/* Writes counters until that ends in SIGSEGV, round after round. */
static void *thread_writes(void *arg)
{
	volatile uint64_t *words = (void *)shared.memory;
	const size_t step = 128, n = shared.bytes / 8 / step;
	size_t offset = (size_t)(uintptr_t)arg;

	while (atomic_load(&shared.stage) == 0) {
		if (sigsetjmp(access_jump, 1) == 0) {
			access_expected = true;
			for (;;)
				for (size_t i = 0; i < n; i++)
					words[i * step + offset]++;
		}
		access_expected = false;
		(void)atomic_fetch_add(&shared.n_writes, 1);
	}
	return NULL;
}

/*
 * How many of 16 pages change, over some rounds, between two looks of the next
 * owner, while two threads write whenever they can.
 */
static int count_changes(unsigned int n_rounds)
{
	pthread_t threads[2];
	struct peer peer;
	int n_changed = 0;

	shared.bytes = 16 * PAGE_BYTES;
	shared.fd = create(shared.bytes);
	peer = peer_start(shared.fd, shared.bytes);
	EXPECT_EQ(peer_do(&peer, PEER_MAP_READER), 0);
	shared.memory = map_writer(shared.fd, shared.bytes);
	access_prepare();
	for (uintptr_t i = 0; i < 2; i++)
		EXPECT(pthread_create(&threads[i], NULL, thread_writes,
				      (void *)(i + 1)) == 0);

	for (unsigned int round = 0; round < n_rounds; round++) {
		volatile uint64_t *words = (void *)shared.memory;
		uint64_t first, second;

		lock(shared.fd);
		first = words[1];
		second = words[2];
		while (words[1] == first || words[2] == second)
			(void)sched_yield();
		unlock(shared.fd);
		EXPECT_EQ(peer_do(&peer, PEER_LOCK), 0);
		n_changed += (int)peer_do(&peer, PEER_CHANGES);
		EXPECT_EQ(peer_do(&peer, PEER_UNLOCK), 0);
	}
	atomic_store(&shared.stage, 1);
	/* Without a flush a writer may not have noticed yet. */
	EXPECT(munmap(shared.memory, CHUNK_BYTES) == 0);
	for (int i = 0; i < 2; i++)
		EXPECT(pthread_join(threads[i], NULL) == 0);
	peer_end(&peer);
	return n_changed;
}

/* When UNLOCK returns nobody writes any more, whatever threads are at. */
static void unlock_freezes(void)
{
	uint64_t violations = check_stat(MMLAB_LOCKBUF_STAT_VIOLATIONS);
	const unsigned int n_rounds = check_times(30, 15);

	EXPECT_EQ(count_changes(n_rounds), 0);
	EXPECT(check_stat(MMLAB_LOCKBUF_STAT_VIOLATIONS) >=
	       violations + n_rounds);
}

/* The check above can fail: it does without a flush. */
static void unlock_without_flush(void)
{
	flush = MMLAB_LOCKBUF_FLUSH_NONE;
	if (count_changes(30) == 0)
		SKIP("no stale translation showed");
	flush = MMLAB_LOCKBUF_FLUSH_RANGE;
}

static const struct {
	const char *name;
	void (*run)(void);
	bool once;
} checks[] = {
	{ "lock-gives-access", lock_gives_access },
	{ "hand-over", hand_over },
	{ "writers-exclude-each-other", writers_exclude_each_other },
	{ "readers-and-owners", readers_and_owners },
	{ "owner-is-killed", owner_is_killed },
	{ "other-is-killed", other_is_killed },
	{ "owner-unmaps", owner_unmaps },
	{ "descriptor-is-closed", descriptor_is_closed },
	{ "fork-inherits-nothing", fork_inherits_nothing },
	{ "vfork-is-the-owner", vfork_is_the_owner },
	{ "exec-releases", exec_releases },
	{ "passed-over-a-socket", passed_over_a_socket },
	{ "wait-gets-it", wait_gets_it },
	{ "wait-ends-with-the-owner", wait_ends_with_the_owner },
	{ "wait-is-interrupted", wait_is_interrupted },
	{ "threads-are-one-owner", threads_are_one_owner },
	{ "unlock-freezes", unlock_freezes },
	{ "unlock-without-flush", unlock_without_flush, true },
};

static void run_checks(const char *variant, const char *wanted)
{
	const bool first = mode == MMLAB_LOCKBUF_WRITER &&
			   flush == MMLAB_LOCKBUF_FLUSH_RANGE;

	for (size_t i = 0; i < sizeof(checks) / sizeof(checks[0]); i++) {
		if (!check_is_wanted(checks[i].name, wanted))
			continue;
		if (checks[i].once && !first)
			continue;
		/* What flushes differ in shows in these alone. */
		if (flush != MMLAB_LOCKBUF_FLUSH_RANGE &&
		    checks[i].run != unlock_freezes &&
		    checks[i].run != hand_over)
			continue;
		check_run(checks[i].name, variant, checks[i].run);
	}
}

int main(int argc, char **argv)
{
	static const char *const mode_names[] = { "writer", "both", "shared" };
	static const char *const flush_names[] = { "range", "cpumask", "all" };
	char variant[32];
	uint64_t caps = 0;

	check_begin();
	if (mmlab_query(MMLAB_MECH_LOCKBUF, &caps) < 0)
		return 1;
	for (flush = MMLAB_LOCKBUF_FLUSH_RANGE;
	     flush <= MMLAB_LOCKBUF_FLUSH_ALL; flush++) {
		if (!(caps & MMLAB_LOCKBUF_CAP_FLUSH(flush)))
			continue;
		for (mode = MMLAB_LOCKBUF_WRITER; mode <= MMLAB_LOCKBUF_SHARED;
		     mode++) {
			(void)snprintf(variant, sizeof(variant), "%s-%s",
				       mode_names[mode], flush_names[flush]);
			run_checks(variant, argc == 2 ? argv[1] : NULL);
		}
	}
	return check_finish();
}
