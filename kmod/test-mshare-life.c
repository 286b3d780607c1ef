// SPDX-License-Identifier: MIT
/*
 * What else happens to mappings with shared page tables: everything works as
 * for shared memory, or is refused with an error.
 */
#include "test-mshare.h"
#include "test-exec.h"

#include <linux/futex.h>
#include <pthread.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#ifndef MADV_COLD
#define MADV_COLD 20
#define MADV_PAGEOUT 21
#endif
#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ 22
#define MADV_POPULATE_WRITE 23
#endif
#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25
#endif

enum { RW = PROT_READ | PROT_WRITE };


/*
 * Processes come and go.
 */

static void fork_inherits(void)
{
	unsigned char *memory = share_new(MB(4));
	unsigned char *reader = share_map(NULL, MB(4), PROT_READ);
	struct mmlab_mshare_info info;
	pid_t pid;

	fill(memory, MB(4), 1);
	EXPECT(is_filled(reader, MB(4), 1));
	pid = fork_child();
	if (pid == 0) {
		pid_t grandchild = fork_child();

		if (grandchild == 0) {
			EXPECT(is_filled(memory, MB(4), 1));
			memory[1] = 'G';
			_exit(0);
		}
		EXPECT_CHILD_OK(grandchild);
		EXPECT(is_filled(reader, MB(4), 1));
		EXPECT(is_filled(memory, MB(4), 1));
		EXPECT_EQ(memory[1], 'G');
		EXPECT_EQ(access_signal(reader, true), SIGSEGV);
		memory[2] = 'C';
		info = share_info(memory);
		/* The parent's two, and one's own. */
		EXPECT_EQ(info.n_guests, 4);
		EXPECT_EQ(info.n_attached, 8);
		EXPECT(munmap(reader, MB(4)) == 0);
		_exit(0);
	}
	EXPECT_CHILD_OK(pid);
	EXPECT_EQ(memory[1], 'G');
	EXPECT_EQ(reader[2], 'C');
	EXPECT_EQ(share_info(memory).n_attached, 4);

	/* A child that never looks. */
	pid = fork_child();
	if (pid == 0)
		_exit(0);
	EXPECT_CHILD_OK(pid);
	/* And one whose first look is by the kernel. */
	pid = fork_child();
	if (pid == 0) {
		int ends[2];

		EXPECT(pipe(ends) == 0);
		EXPECT(write(ends[1], "xyz", 3) == 3);
		EXPECT(read(ends[0], memory + 8, 3) == 3);
		EXPECT_EQ(reader[10], 'z');
		_exit(0);
	}
	EXPECT_CHILD_OK(pid);
	EXPECT(!memcmp(memory + 8, "xyz", 3));
	EXPECT(unlink(SHARE_PATH) == 0);
}

/* A first look by the kernel while a signal waits: neither lost nor endless. */
static void fork_inherits_despite_signal(void)
{
	unsigned char *memory = share_new(MB(2));
	pid_t pid;

	pid = fork_child();
	if (pid == 0) {
		sigset_t set;
		int ends[2];

		EXPECT(signal(SIGUSR1, access_handler) != SIG_ERR);
		EXPECT(pipe(ends) == 0);
		EXPECT(write(ends[1], "xyz", 3) == 3);
		EXPECT(sigemptyset(&set) == 0 && sigaddset(&set, SIGUSR1) == 0);
		EXPECT(sigprocmask(SIG_BLOCK, &set, NULL) == 0);
		EXPECT(raise(SIGUSR1) == 0);
		EXPECT(read(ends[0], memory + 8, 3) == 3);
		if (sigsetjmp(access_jump, 1) == 0) {
			access_expected = true;
			(void)sigprocmask(SIG_UNBLOCK, &set, NULL);
			EXPECT(false);
		}
		_exit(0);
	}
	EXPECT_CHILD_OK(pid);
	EXPECT(!memcmp(memory + 8, "xyz", 3));
	EXPECT(unlink(SHARE_PATH) == 0);
}

static void madvise_dontfork(void)
{
	unsigned char *memory = share_new(MB(2));
	pid_t pid;

	fill(memory, MB(2), 1);
	EXPECT(madvise(memory, MB(2), MADV_DONTFORK) == 0);
	pid = fork_child();
	if (pid == 0) {
		EXPECT_EQ(access_signal(memory, false), SIGSEGV);
		_exit(0);
	}
	EXPECT_CHILD_OK(pid);
	EXPECT(is_filled(memory, MB(2), 1));
	EXPECT(unlink(SHARE_PATH) == 0);
}

/* Neither the flag that says so nor its opposite reaches the tables. */
static void madvise_keeponfork(void)
{
	unsigned char *memory = share_new(MB(2));
	pid_t pid;

	fill(memory, MB(2), 1);
	EXPECT(madvise(memory, MB(2), MADV_KEEPONFORK) == 0);
	for (int i = 0; i < 3; i++) {
		pid = fork_child();
		if (pid == 0) {
			EXPECT(madvise(memory, MB(2), MADV_KEEPONFORK) == 0);
			EXPECT(is_filled(memory, MB(2), 1));
			pid = fork_child();
			if (pid == 0) {
				EXPECT(is_filled(memory, MB(2), 1));
				_exit(0);
			}
			EXPECT_CHILD_OK(pid);
			_exit(0);
		}
		EXPECT_CHILD_OK(pid);
	}
	EXPECT(is_filled(memory, MB(2), 1));
	EXPECT(unlink(SHARE_PATH) == 0);
}

static void exec_drops(void)
{
	unsigned char *memory = share_new(MB(4));
	int ready[2];
	char byte;
	pid_t pid;

	fill(memory, MB(4), 1);
	EXPECT(pipe2(ready, 0) == 0);
	pid = fork_child();
	if (pid == 0) {
		EXPECT(is_filled(memory, MB(4), 1));
		exec_say_ready(ready[1]);
	}
	EXPECT(read(ready[0], &byte, 1) == 1);
	EXPECT_EQ(share_info(memory).n_attached, 2);
	EXPECT(kill(pid, SIGKILL) == 0);
	EXPECT(waitpid(pid, NULL, 0) == pid);
	EXPECT(is_filled(memory, MB(4), 1));
	EXPECT(unlink(SHARE_PATH) == 0);
}

/* The creator may leave first, in whatever way; what it made stays. */
static void creator_leaves_first(void)
{
	for (int how = 0; how < 3; how++) {
		int ready[2], go[2];
		unsigned char *memory;
		char byte;
		pid_t pid;

		EXPECT(pipe(ready) == 0 && pipe(go) == 0);
		pid = fork_child();
		if (pid == 0) {
			memory = share_new(MB(4));
			fill(memory, MB(4), 1);
			EXPECT(write(ready[1], "x", 1) == 1);
			EXPECT(read(go[0], &byte, 1) == 1);
			if (how == 1)
				EXPECT(munmap(memory, MB(4)) == 0);
			if (how == 2)
				(void)kill(getpid(), SIGKILL);
			_exit(0);
		}
		EXPECT(read(ready[0], &byte, 1) == 1);
		memory = share_map(NULL, MB(4), RW);
		EXPECT(is_filled(memory, MB(2), 1));
		EXPECT(write(go[1], "x", 1) == 1);
		EXPECT(waitpid(pid, NULL, 0) == pid);

		EXPECT(is_filled(memory, MB(4), 1));
		/* New pages are still accounted somewhere. */
		fill(memory, MB(4), 2);
		EXPECT(munmap(memory, MB(4)) == 0);
		memory = share_map(NULL, MB(4), RW);
		EXPECT(is_filled(memory, MB(4), 2));
		EXPECT(munmap(memory, MB(4)) == 0);
		EXPECT(unlink(SHARE_PATH) == 0);
		EXPECT(close(ready[0]) == 0 && close(ready[1]) == 0);
		EXPECT(close(go[0]) == 0 && close(go[1]) == 0);
	}
}

static void killed_leaves_nothing(void)
{
	unsigned char *memory = share_new(MB(8));

	fill(memory, MB(8), 1);
	for (int i = 0; i < 10; i++) {
		int ready[2];
		char byte;
		pid_t pid;

		EXPECT(pipe2(ready, 0) == 0);
		pid = fork_child();
		if (pid == 0) {
			for (;;) {
				unsigned char *more =
					share_map(NULL, MB(8), i % 2 ? RW :
						  PROT_READ);

				EXPECT(is_filled(more, MB(8), 1));
				(void)write(ready[1], "x", 1);
				if (i % 3)
					EXPECT(munmap(more, MB(8)) == 0);
			}
		}
		EXPECT(read(ready[0], &byte, 1) == 1);
		EXPECT(kill(pid, SIGKILL) == 0);
		EXPECT(waitpid(pid, NULL, 0) == pid);
		EXPECT(close(ready[0]) == 0 && close(ready[1]) == 0);
	}
	EXPECT(is_filled(memory, MB(8), 1));
	EXPECT(unlink(SHARE_PATH) == 0);
}

static void *touch_all(void *memory)
{
	EXPECT(is_filled(memory, MB(8), 1));
	return NULL;
}

static void threads_attach_together(void)
{
	enum { N_THREADS = 4 };
	unsigned char *memory = share_new(MB(8));
	pthread_t threads[N_THREADS];

	fill(memory, MB(8), 1);
	for (int round = 0; round < 20; round++) {
		unsigned char *more = share_map(NULL, MB(8), RW);

		for (int i = 0; i < N_THREADS; i++)
			EXPECT(pthread_create(&threads[i], NULL, touch_all,
					      more) == 0);
		for (int i = 0; i < N_THREADS; i++)
			EXPECT(pthread_join(threads[i], NULL) == 0);
		EXPECT_EQ(share_info(more).n_attached, 8);
		EXPECT(munmap(more, MB(8)) == 0);
	}
	EXPECT(unlink(SHARE_PATH) == 0);
}

/*
 * What a process does to its own mapping.
 */

static void munmap_partial_refused(void)
{
	unsigned char *memory = share_new(MB(6));

	fill(memory, MB(6), 1);
	EXPECT_ERRNO(munmap(memory, MB(2)), EINVAL);
	EXPECT_ERRNO(munmap(memory + MB(2), MB(2)), EINVAL);
	EXPECT_ERRNO(munmap(memory + MB(4), MB(2)), EINVAL);
	EXPECT_ERRNO(munmap(memory + page_bytes, page_bytes), EINVAL);
	EXPECT(mmap(memory + MB(2), MB(2), RW,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) ==
	       MAP_FAILED);
	EXPECT(is_filled(memory, MB(6), 1));
	EXPECT_EQ(share_info(memory).n_attached, 3);

	/* As a whole it goes, also by being overlaid. */
	EXPECT(mmap(memory, MB(6), RW, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED,
		    -1, 0) == memory);
	EXPECT_EQ(memory[0], 0);
	memory[0] = 'P';
	memory = share_map(NULL, MB(6), RW);
	EXPECT(is_filled(memory, MB(6), 1));
	EXPECT_EQ(check_stat(MMLAB_MSHARE_STAT_LIVE_ATTACHED), 3);
	EXPECT(unlink(SHARE_PATH) == 0);
}

static void mremap_refused(void)
{
	unsigned char *memory = share_new(MB(4));
	unsigned char *target = mmap((void *)TB(3), MB(8), PROT_NONE,
				     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	EXPECT(target != MAP_FAILED);
	fill(memory, MB(4), 1);
	for (int i = 0; i < 2; i++) {
		EXPECT_ERRNO((intptr_t)mremap(memory, MB(4), MB(4),
					      MREMAP_MAYMOVE | MREMAP_FIXED,
					      target), EINVAL);
		EXPECT(is_filled(memory, MB(4), 1));
		EXPECT(mremap(memory, MB(4), MB(8), MREMAP_MAYMOVE) ==
		       MAP_FAILED);
		EXPECT(mremap(memory, MB(4), MB(8), 0) == MAP_FAILED);
		EXPECT(mremap(memory, MB(4), MB(2), 0) == MAP_FAILED);
		EXPECT(mremap(memory, MB(2), MB(2),
			      MREMAP_MAYMOVE | MREMAP_FIXED, target) ==
		       MAP_FAILED);
		EXPECT(mremap(memory, 0, MB(4), MREMAP_MAYMOVE) == MAP_FAILED);
		EXPECT(mremap(memory, MB(4), MB(4),
			      MREMAP_MAYMOVE | MREMAP_DONTUNMAP, NULL) ==
		       MAP_FAILED);
		EXPECT(is_filled(memory, MB(4), 1));
	}
	EXPECT_EQ(share_info(memory).n_guests, 1);
	EXPECT_EQ(share_info(memory).n_attached, 2);
	EXPECT(unlink(SHARE_PATH) == 0);
}

static void mprotect_refused(void)
{
	unsigned char *memory = share_new(MB(4));

	fill(memory, MB(4), 1);
	EXPECT_ERRNO(mprotect(memory, MB(4), PROT_READ), EINVAL);
	EXPECT_ERRNO(mprotect(memory, MB(4), PROT_NONE), EINVAL);
	EXPECT_ERRNO(mprotect(memory, MB(4), RW), EINVAL);
	EXPECT_ERRNO(mprotect(memory, page_bytes, PROT_READ), EINVAL);
	EXPECT(mprotect(memory, MB(4), RW | PROT_EXEC) == -1);
	EXPECT(is_filled(memory, MB(4), 1));
	fill(memory, MB(4), 2);
	EXPECT(unlink(SHARE_PATH) == 0);
}

static void madvise_all(void)
{
	static const int advice[] = {
		MADV_NORMAL, MADV_RANDOM, MADV_SEQUENTIAL, MADV_WILLNEED,
		MADV_DONTNEED, MADV_FREE, MADV_REMOVE, MADV_HUGEPAGE,
		MADV_NOHUGEPAGE, MADV_MERGEABLE, MADV_UNMERGEABLE,
		MADV_DONTDUMP, MADV_DODUMP, MADV_COLD, MADV_PAGEOUT,
		MADV_POPULATE_READ, MADV_POPULATE_WRITE, MADV_WIPEONFORK,
		MADV_COLLAPSE, 24 /* MADV_DONTNEED_LOCKED */,
	};
	unsigned char *memory = share_new(MB(4));
	unsigned char *other = share_map(NULL, MB(4), RW);

	fill(memory, MB(4), 1);
	EXPECT(is_filled(other, MB(4), 1));
	for (size_t i = 0; i < sizeof(advice) / sizeof(advice[0]); i++) {
		(void)madvise(memory, MB(4), advice[i]);
		EXPECT(is_filled(memory, MB(4), 1));
		(void)madvise(memory + MB(2), page_bytes, advice[i]);
		EXPECT(is_filled(memory, MB(4), 1));
		EXPECT(is_filled(other, MB(4), 1));
	}
	EXPECT_ERRNO(madvise(memory, MB(4), MADV_DONTNEED), EINVAL);
	EXPECT_ERRNO(madvise(memory, MB(4), MADV_FREE), EINVAL);
	EXPECT(madvise(memory, MB(4), MADV_REMOVE) == -1);
	EXPECT(madvise(memory, MB(4), MADV_POPULATE_WRITE) == -1);
	EXPECT_EQ(share_info(memory).n_guests, 2);
	EXPECT(unlink(SHARE_PATH) == 0);
}

static void mlock_has_no_effect(void)
{
	unsigned char *memory = share_new(MB(4));

	fill(memory, MB(4), 1);
	EXPECT(mlock(memory, MB(4)) == 0);
	EXPECT_EQ(proc_kb("/proc/self/status", "VmLck"), 0);
	EXPECT(is_filled(memory, MB(4), 1));
	EXPECT(munlock(memory, MB(4)) == 0);
	EXPECT(mlockall(MCL_CURRENT | MCL_FUTURE) == 0);
	(void)share_map(NULL, MB(4), RW);
	EXPECT(munlockall() == 0);
	EXPECT(is_filled(memory, MB(4), 1));
	EXPECT(unlink(SHARE_PATH) == 0);
}

/*
 * What others do to it.
 */

static void read_all(const char *path)
{
	char buffer[4096];
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	EXPECT(fd >= 0);
	while (read(fd, buffer, sizeof(buffer)) > 0)
		;
	EXPECT(close(fd) == 0);
}

static void proc_readers(void)
{
	unsigned char *memory = share_new(MB(4));
	uint64_t entry = 1;
	unsigned char present[2];
	int fd;

	fill(memory, MB(4), 1);
	read_all("/proc/self/maps");
	read_all("/proc/self/smaps");
	read_all("/proc/self/smaps_rollup");
	if (access("/proc/self/numa_maps", R_OK) == 0)
		read_all("/proc/self/numa_maps");
	/* Not this process's pages; but on 6.12 smaps looks into tables. */
	EXPECT(smaps_kb(memory, "Rss") == 0 ||
	       smaps_kb(memory, "Rss") == MB(4) / 1024);
	EXPECT_EQ(smaps_kb(memory, "Size"), MB(4) / 1024);

	fd = open("/proc/self/pagemap", O_RDONLY);
	EXPECT(fd >= 0);
	EXPECT(pread(fd, &entry, sizeof(entry),
		     (off_t)((uintptr_t)memory / page_bytes * 8)) == 8);
	EXPECT_EQ(entry >> 63, 0);
	EXPECT(close(fd) == 0);
	(void)mincore(memory, 2 * page_bytes, present);

	fd = open("/proc/self/clear_refs", O_WRONLY);
	if (fd >= 0) {
		for (const char *what = "1234"; *what; what++)
			(void)write(fd, what, 1);
		EXPECT(close(fd) == 0);
	}
	EXPECT(is_filled(memory, MB(4), 1));
	fill(memory, MB(4), 2);
	EXPECT(is_filled(memory, MB(4), 2));
	EXPECT(unlink(SHARE_PATH) == 0);
}

/* Another process's memory, as /proc/PID/mem and ptrace see it. */
static void debuggers_access(void)
{
	unsigned char *memory = share_new(MB(4));
	unsigned char *reader = share_map(NULL, MB(4), PROT_READ);
	pid_t pid = fork_child();
	unsigned char bytes[16];
	char path[64];
	long word;
	int fd;

	if (pid == 0)
		for (;;)
			(void)pause();

	fill(memory, MB(4), 1);
	memcpy(memory + MB(2) + page_bytes - 8, "0123456789abcdef", 16);
	(void)snprintf(path, sizeof(path), "/proc/%d/mem", (int)pid);
	fd = open(path, O_RDWR | O_CLOEXEC);
	EXPECT(fd >= 0);
	/* The child has not touched any of it. Across pages: */
	EXPECT_EQ(pread(fd, bytes, 16,
			(off_t)(uintptr_t)(memory + MB(2) + page_bytes - 8)),
		  16);
	EXPECT(!memcmp(bytes, "0123456789abcdef", 16));
	EXPECT_EQ(pwrite(fd, "fedcba9876543210", 16,
			 (off_t)(uintptr_t)(memory + page_bytes - 8)), 16);
	EXPECT(!memcmp(reader + page_bytes - 8, "fedcba9876543210", 16));
	EXPECT_EQ(pread(fd, bytes, 16,
			(off_t)(uintptr_t)(reader + page_bytes - 8)), 16);
	EXPECT(!memcmp(bytes, "fedcba9876543210", 16));
	/* Not where the process itself could not. */
	EXPECT_EQ(pwrite(fd, "x", 1, (off_t)(uintptr_t)reader), -1);
	EXPECT_EQ(memory[0], 1);

	EXPECT(ptrace(PTRACE_ATTACH, pid, NULL, NULL) == 0);
	EXPECT(waitpid(pid, NULL, 0) == pid);
	errno = 0;
	word = ptrace(PTRACE_PEEKDATA, pid, memory + page_bytes - 8, NULL);
	EXPECT_EQ(errno, 0);
	EXPECT(!memcmp(&word, "fedcba98", 8));
	EXPECT(ptrace(PTRACE_POKEDATA, pid, memory + 64, 0x41424344L) == 0);
	EXPECT_EQ(memory[64], 'D');
	EXPECT(ptrace(PTRACE_POKEDATA, pid, reader + 64, 0L) == -1);
	EXPECT(ptrace(PTRACE_DETACH, pid, NULL, NULL) == 0);

	/* Protection holds for them, too. */
	EXPECT(mmlab_mshare_protect(memory, page_bytes, PROT_READ) == 0);
	EXPECT_EQ(pwrite(fd, "x", 1, (off_t)(uintptr_t)memory), -1);
	EXPECT_EQ(pread(fd, bytes, 1, (off_t)(uintptr_t)memory), 1);
	EXPECT(mmlab_mshare_protect(memory, page_bytes, PROT_NONE) == 0);
	EXPECT_EQ(pread(fd, bytes, 1, (off_t)(uintptr_t)memory), -1);

	/* By page references: refused. */
	struct iovec local = { bytes, 1 };
	struct iovec remote = { memory + MB(2), 1 };

	EXPECT_ERRNO(process_vm_readv(pid, &local, 1, &remote, 1, 0), EFAULT);
	EXPECT_ERRNO(process_vm_writev(pid, &local, 1, &remote, 1, 0), EFAULT);
	EXPECT(kill(pid, SIGKILL) == 0);
	EXPECT(waitpid(pid, NULL, 0) == pid);
	EXPECT(unlink(SHARE_PATH) == 0);
}

static long futex(void *word, int operation, unsigned int value,
		  const struct timespec *timeout)
{
	return syscall(SYS_futex, word, operation, value, timeout, NULL, 0);
}

/* A futex is found by what is mapped: at different addresses it is the same. */
static void futexes_wake(void)
{
	unsigned char *memory = share_new(MB(2));
	const struct timespec timeout = { .tv_sec = 300 };
	pid_t pid;

	*(atomic_uint *)memory = 1;
	pid = fork_child();
	if (pid == 0) {
		unsigned char *mine = share_map(NULL, MB(2), RW);

		(void)*(volatile unsigned char *)mine;
		atomic_store((atomic_uint *)(mine + 64), 1);
		EXPECT(futex(mine, FUTEX_WAIT, 1, &timeout) == 0 ||
		       errno == EAGAIN);
		EXPECT_EQ(atomic_load((atomic_uint *)mine), 2);
		_exit(0);
	}
	while (atomic_load((atomic_uint *)(memory + 64)) == 0)
		(void)usleep(1000);
	(void)usleep(50000);
	atomic_store((atomic_uint *)memory, 2);
	EXPECT(futex(memory, FUTEX_WAKE, 1, NULL) >= 0);
	EXPECT_CHILD_OK(pid);

	/* What nobody has touched is no futex yet. */
	EXPECT_ERRNO(futex(memory + page_bytes, FUTEX_WAIT, 1, &timeout),
		     EFAULT);
	memory[page_bytes] = 0;
	EXPECT_ERRNO(futex(memory + page_bytes, FUTEX_WAIT, 1, &timeout),
		     EAGAIN);
	EXPECT(unlink(SHARE_PATH) == 0);
}

/* System calls that copy; into memory that was touched and that was not. */
static void system_calls_copy(void)
{
	unsigned char *memory = share_new(MB(4));
	int fd = memfd_create("file", 0);

	EXPECT(fd >= 0);
	EXPECT(ftruncate(fd, MB(4)) == 0);
	fill(memory, MB(2), 1);
	EXPECT_EQ(write(fd, memory, MB(4)), MB(4));
	EXPECT_EQ(pread(fd, memory + MB(2), MB(2), 0), MB(2));
	EXPECT(is_filled(memory + MB(2), MB(2), 1));
	EXPECT(mmlab_mshare_protect(memory, page_bytes, PROT_READ) == 0);
	EXPECT_ERRNO(pread(fd, memory, page_bytes, 0), EFAULT);
	EXPECT(mmlab_mshare_protect(memory, page_bytes, PROT_NONE) == 0);
	EXPECT_ERRNO(pwrite(fd, memory, page_bytes, 0), EFAULT);
	EXPECT(unlink(SHARE_PATH) == 0);
}

static const struct check checks[] = {
	{ "fork-inherits", fork_inherits },
	{ "fork-inherits-despite-signal", fork_inherits_despite_signal },
	{ "madvise-dontfork", madvise_dontfork },
	{ "madvise-keeponfork", madvise_keeponfork },
	{ "exec-drops", exec_drops },
	{ "creator-leaves-first", creator_leaves_first },
	{ "killed-leaves-nothing", killed_leaves_nothing },
	{ "threads-attach-together", threads_attach_together },
	{ "munmap-partial-refused", munmap_partial_refused },
	{ "mremap-refused", mremap_refused },
	{ "mprotect-refused", mprotect_refused },
	{ "madvise-all", madvise_all },
	{ "mlock-has-no-effect", mlock_has_no_effect },
	{ "proc-readers", proc_readers },
	{ "debuggers-access", debuggers_access },
	{ "futexes-wake", futexes_wake },
	{ "system-calls-copy", system_calls_copy },
};

int main(int argc, char **argv)
{
	exec_main(argc, argv);
	return mshare_checks_run(checks, sizeof(checks) / sizeof(checks[0]),
				 argc > 1 ? argv[1] : NULL);
}
