// SPDX-License-Identifier: MIT
/*
 * Lockable buffers: everything that a process or somebody else can do to a
 * mapping. Each either works or is refused, and LOCK and UNLOCK mean the same
 * afterwards.
 */
#include "test-lockbuf.h"

#include <linux/futex.h>
#include <linux/mempolicy.h>
#include <linux/userfaultfd.h>
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

/* UFFD_FEATURE_WP_ASYNC, which the headers may not have yet. */
enum { WP_ASYNC = 1 << 15 };

/*
 * What is done to a mapping. Each variant runs with the buffer owned and not.
 */

static bool owned;
static int fd;
static unsigned char *memory;
enum { N_PAGES = 1024, BYTES = N_PAGES * PAGE_BYTES };

/* Every third page near the ends of each 2 MiB is written, and looked at. */
static bool is_looked_at(size_t page)
{
	return (page + 32) % 512 < 64;
}

static bool is_written(size_t page)
{
	return page % 3 == 0 && is_looked_at(page);
}

static void prepare(void)
{
	fd = create(BYTES);
	memory = map_writer(fd, BYTES);
	lock(fd);
	for (size_t i = 0; i < N_PAGES; i++)
		if (is_written(i))
			set(memory + i * PAGE_BYTES, (unsigned char)(i + 1));
	if (!owned)
		unlock(fd);
}

static void unlock_if_owned(void)
{
	if (owned)
		unlock(fd);
}

/* It is as prepare() left it. */
static void expect_intact(void)
{
	if (!owned) {
		EXPECT_EQ(access_signal(memory, false), SIGSEGV);
		EXPECT_EQ(access_signal(memory + BYTES - 1, true), SIGSEGV);
		lock(fd);
	}
	for (int round = 0; round < 2; round++) {
		for (size_t i = 0; i < N_PAGES; i++)
			if (is_looked_at(i))
				EXPECT_EQ(look(memory + i * PAGE_BYTES),
					  is_written(i) ? (unsigned char)(i + 1)
							: 0);
		set(memory + 1, 5);
		unlock(fd);
		EXPECT_EQ(access_signal(memory, false), SIGSEGV);
		EXPECT_EQ(access_signal(memory + BYTES - 1, true), SIGSEGV);
		lock(fd);
	}
}

static void unmapped_whole(void)
{
	uint64_t abandoned = check_stat(MMLAB_LOCKBUF_STAT_ABANDONED);

	prepare();
	EXPECT(munmap(memory, BYTES) == 0);
	EXPECT_EQ(check_stat(MMLAB_LOCKBUF_STAT_ABANDONED),
		  abandoned + (owned ? 1 : 0));
	EXPECT_EQ(access_signal(memory, false), SIGSEGV);
	memory = map_writer(fd, BYTES);
	EXPECT_EQ(mmlab_lockbuf_lock(fd, 0),
		  owned ? MMLAB_LOCKBUF_OWNER_DIED : 0);
	owned = true;
	expect_intact();
}

static void unmapped_in_part(void)
{
	prepare();
	EXPECT_ERRNO(munmap(memory, PAGE_BYTES), EINVAL);
	EXPECT_ERRNO(munmap(memory, CHUNK_BYTES), EINVAL);
	EXPECT_ERRNO(munmap(memory + CHUNK_BYTES, CHUNK_BYTES), EINVAL);
	EXPECT_ERRNO(munmap(memory + PAGE_BYTES, PAGE_BYTES), EINVAL);
	/* ENOMEM or EINVAL, by version. */
	EXPECT(mmap(memory + CHUNK_BYTES, CHUNK_BYTES, PROT_NONE,
		    MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) ==
	       MAP_FAILED);
	expect_intact();
}

/* Neighbours may come and go; tables above are shared with them. */
static void neighbours_go(void)
{
	unsigned char *place, *left, *right;
	const int flags = MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS;

	prepare();
	EXPECT(munmap(memory, BYTES) == 0);
	place = mmap(NULL, 8 * CHUNK_BYTES, PROT_NONE,
		     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	EXPECT(place != MAP_FAILED);
	EXPECT(munmap(place, 8 * CHUNK_BYTES) == 0);
	place += CHUNK_BYTES - (uintptr_t)place % CHUNK_BYTES;
	memory = mmap(place + CHUNK_BYTES, BYTES, PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_FIXED, fd, 0);
	EXPECT(memory == place + CHUNK_BYTES);
	if (owned)
		EXPECT_EQ(mmlab_lockbuf_lock(fd, 0), MMLAB_LOCKBUF_OWNER_DIED);
	for (int i = 0; i < 10; i++) {
		left = mmap(place, CHUNK_BYTES, PROT_READ | PROT_WRITE, flags,
			    -1, 0);
		right = mmap(memory + BYTES, CHUNK_BYTES,
			     PROT_READ | PROT_WRITE, flags, -1, 0);
		EXPECT(left == place && right == memory + BYTES);
		set(left + CHUNK_BYTES - 1, 1);
		set(right, 1);
		if (owned)
			EXPECT_EQ(look(memory), 1);
		EXPECT(munmap(i % 2 ? left : right, CHUNK_BYTES) == 0);
		EXPECT(munmap(i % 2 ? right : left, CHUNK_BYTES) == 0);
	}
	expect_intact();
	/* All at once. */
	left = mmap(place, CHUNK_BYTES, PROT_READ | PROT_WRITE, flags, -1, 0);
	set(left, 1);
	EXPECT(munmap(place, 4 * CHUNK_BYTES) == 0);
	EXPECT_EQ(access_signal(memory, false), SIGSEGV);
}

static unsigned int next_random(unsigned int *state)
{
	*state = *state * 1664525 + 1013904223;
	return *state >> 8;
}

/* Whatever was there before, none of its page tables is in the way. */
static void place_was_used(void)
{
	enum { PLACE_PAGES = 3 * N_PAGES };
	const int flags = MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS;
	unsigned char *place;
	unsigned int seed = owned;

	prepare();
	unlock_if_owned();
	EXPECT(munmap(memory, BYTES) == 0);
	place = mmap(NULL, 4 * BYTES, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS,
		     -1, 0);
	EXPECT(place != MAP_FAILED);
	EXPECT(munmap(place, 4 * BYTES) == 0);
	place += CHUNK_BYTES - (uintptr_t)place % CHUNK_BYTES;
	for (unsigned int round = check_times(100, 20); round; round--) {
		for (int i = 0; i < 8; i++) {
			size_t first = next_random(&seed) % PLACE_PAGES;
			size_t n = 1 + next_random(&seed) %
				   (PLACE_PAGES - first);
			unsigned char *start = place + first * PAGE_BYTES;

			if (next_random(&seed) % 3 == 0) {
				EXPECT(munmap(start, n * PAGE_BYTES) == 0);
				continue;
			}
			EXPECT(mmap(start, n * PAGE_BYTES, PROT_READ |
				    PROT_WRITE, flags, -1, 0) == start);
			for (size_t j = 0; j < n; j += 100)
				set(start + j * PAGE_BYTES, 1);
		}
		memory = mmap(place + next_random(&seed) % 2 * CHUNK_BYTES,
			      BYTES, PROT_READ | PROT_WRITE,
			      MAP_SHARED | MAP_FIXED, fd, 0);
		EXPECT(memory != MAP_FAILED);
		lock(fd);
		set(memory + 3 * PAGE_BYTES, 4);
		EXPECT_EQ(look(memory + BYTES - PAGE_BYTES),
			  is_written(N_PAGES - 1) ? (unsigned char)N_PAGES : 0);
		unlock(fd);
		EXPECT_EQ(access_signal(memory, false), SIGSEGV);
		EXPECT(munmap(memory, BYTES) == 0);
	}
}

static void moved(void)
{
	unsigned char *place;

	prepare();
	place = mmap(NULL, 4 * BYTES, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS,
		     -1, 0);
	EXPECT(place != MAP_FAILED);
	place += CHUNK_BYTES - (uintptr_t)place % CHUNK_BYTES;
	EXPECT_NO_MREMAP(EINVAL, memory, BYTES, BYTES, MREMAP_MAYMOVE |
			 MREMAP_FIXED, place);
	EXPECT_NO_MREMAP(EINVAL, memory, BYTES, BYTES, MREMAP_MAYMOVE |
			 MREMAP_FIXED, place + PAGE_BYTES);
	EXPECT_NO_MREMAP(EFAULT, memory, BYTES, 2 * BYTES, MREMAP_MAYMOVE);
	EXPECT_NO_MREMAP(EINVAL, memory, BYTES, CHUNK_BYTES, 0);
	EXPECT_NO_MREMAP(EINVAL, memory, CHUNK_BYTES, CHUNK_BYTES,
			 MREMAP_MAYMOVE | MREMAP_FIXED, place);
	EXPECT_NO_MREMAP(EFAULT, memory, 0, BYTES, MREMAP_MAYMOVE);
	EXPECT_NO_MREMAP(EINVAL, memory, BYTES, BYTES,
			 MREMAP_MAYMOVE | MREMAP_FIXED | 4 /* MREMAP_DONTUNMAP */,
			 place);
	EXPECT_EQ(check_stat(MMLAB_LOCKBUF_STAT_LIVE_MAPPINGS), 1);
	expect_intact();
}

/* The same where tables above move with the mapping and back. */
static void moved_by_gib(void)
{
	unsigned char *from, *to;
	int big = create(2 * gib);

	from = map_writer(big, 2 * gib);
	EXPECT_EQ((uintptr_t)from % gib, 0);
	lock(big);
	set(from + gib, 1);
	set(from + 5, 2);
	if (!owned)
		unlock(big);
	to = mmap(NULL, 4 * gib, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS |
		  MAP_NORESERVE, -1, 0);
	EXPECT(to != MAP_FAILED);
	to += gib - (uintptr_t)to % gib;
	for (int i = 0; i < 3; i++) {
		EXPECT_NO_MREMAP(EINVAL, from, 2 * gib, 2 * gib,
				 MREMAP_MAYMOVE | MREMAP_FIXED,
				 to + i * PAGE_BYTES);
		if (!owned) {
			EXPECT_EQ(access_signal(from, false), SIGSEGV);
			lock(big);
		}
		EXPECT_EQ(look(from + gib), 1);
		EXPECT_EQ(look(from + 5), 2);
		EXPECT_EQ(look(from + 2 * gib - 1), 0);
		if (!owned)
			unlock(big);
	}
}

static void protected(void)
{
	prepare();
	EXPECT_ERRNO(mprotect(memory, BYTES, PROT_READ), EINVAL);
	EXPECT_ERRNO(mprotect(memory, BYTES, PROT_NONE), EINVAL);
	EXPECT_ERRNO(mprotect(memory, CHUNK_BYTES, PROT_READ), EINVAL);
	EXPECT_ERRNO(mprotect(memory, BYTES, PROT_READ | PROT_WRITE | PROT_EXEC),
		     EACCES);
	EXPECT(syscall(SYS_pkey_mprotect, memory, (size_t)BYTES, PROT_READ,
		       -1) == -1);
	expect_intact();
}

/* A reader's mapping never becomes a writer's. */
static void reader_is_protected(void)
{
	prepare();
	EXPECT(munmap(memory, BYTES) == 0);
	memory = map_reader(fd, BYTES);
	EXPECT(mprotect(memory, BYTES, PROT_READ | PROT_WRITE) == -1);
	EXPECT_EQ(mmlab_lockbuf_lock(fd, 0),
		  owned ? MMLAB_LOCKBUF_OWNER_DIED : 0);
	EXPECT_EQ(look(memory), 1);
	EXPECT_EQ(access_signal(memory, true), SIGSEGV);
	unlock(fd);
}

static void advised(void)
{
	static const struct {
		int advice;
		bool may_succeed;
	} advices[] = {
		{ MADV_DONTNEED }, { 24 /* DONTNEED_LOCKED */ }, { MADV_FREE },
		{ MADV_REMOVE }, { MADV_DOFORK }, { MADV_DODUMP },
		{ MADV_COLD }, { MADV_PAGEOUT }, { MADV_POPULATE_READ },
		{ MADV_POPULATE_WRITE }, { MADV_COLLAPSE },
		{ MADV_WIPEONFORK }, { 18 /* WIPEONFORK */ },
		{ 102 /* GUARD_INSTALL */ },
		{ MADV_MERGEABLE, true }, { MADV_UNMERGEABLE, true },
		{ MADV_HUGEPAGE, true }, { MADV_NOHUGEPAGE, true },
		{ MADV_DONTFORK, true }, { MADV_DONTDUMP, true },
		{ MADV_NORMAL, true }, { MADV_RANDOM, true },
		{ MADV_SEQUENTIAL, true }, { MADV_WILLNEED, true },
		{ 100 /* HWPOISON */ }, { 101 /* SOFT_OFFLINE */ },
	};

	prepare();
	for (size_t i = 0; i < sizeof(advices) / sizeof(advices[0]); i++) {
		int result = madvise(memory, BYTES, advices[i].advice);

		if (result == 0 && !advices[i].may_succeed)
			check_end(1, "madvise %d succeeded", advices[i].advice);
		(void)madvise(memory + PAGE_BYTES, PAGE_BYTES,
			      advices[i].advice);
	}
	EXPECT_EQ(check_stat(MMLAB_LOCKBUF_STAT_LIVE_MAPPINGS), 1);
	expect_intact();
}

static void locked_in_memory(void)
{
	prepare();
	/* Nothing to lock: it never goes. What is said about it varies. */
	(void)mlock(memory, BYTES);
	(void)mlock(memory, PAGE_BYTES);
	(void)mlock2(memory, BYTES, 1 /* MLOCK_ONFAULT */);
	(void)munlock(memory, BYTES);
	(void)mlockall(MCL_CURRENT | MCL_FUTURE);
	(void)munlockall();
	expect_intact();
}

static void bound_to_node(void)
{
	unsigned long nodes = 1;

	prepare();
	(void)syscall(SYS_mbind, memory, (size_t)BYTES, MPOL_BIND, &nodes, 64UL,
		      MPOL_MF_MOVE);
	(void)syscall(SYS_mbind, memory, (size_t)PAGE_BYTES, MPOL_BIND, &nodes,
		      64UL, MPOL_MF_MOVE);
	EXPECT_EQ(check_stat(MMLAB_LOCKBUF_STAT_LIVE_MAPPINGS), 1);
	expect_intact();
}

static void userfault(void)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register range = {
		.mode = UFFDIO_REGISTER_MODE_MISSING,
	};
	int uffd;

	prepare();
	uffd = (int)syscall(SYS_userfaultfd, O_CLOEXEC);
	if (uffd < 0)
		SKIP("userfaultfd: %s", strerror(errno));
	EXPECT(ioctl(uffd, UFFDIO_API, &api) == 0);
	range.range.start = (uintptr_t)memory;
	range.range.len = BYTES;
	EXPECT_ERRNO(ioctl(uffd, UFFDIO_REGISTER, &range), EINVAL);
	range.mode = UFFDIO_REGISTER_MODE_WP;
	EXPECT_ERRNO(ioctl(uffd, UFFDIO_REGISTER, &range), EINVAL);
	EXPECT(close(uffd) == 0);

	/* Since 6.7 this kind can be had for memory of any kind. */
	uffd = (int)syscall(SYS_userfaultfd, O_CLOEXEC);
	EXPECT(uffd >= 0);
	api = (struct uffdio_api){ .api = UFFD_API, .features = WP_ASYNC };
	if (ioctl(uffd, UFFDIO_API, &api) == 0) {
		int result = ioctl(uffd, UFFDIO_REGISTER, &range);
		int error = errno;

		EXPECT(result == -1 && (error == EINVAL || error == EPERM));
	}
	expect_intact();
}

/* References that would outlive an UNLOCK. */
static void referenced(void)
{
	struct iovec remote = { NULL, 64 };
	unsigned char bytes[64];
	struct iovec local = { bytes, 64 };
	int pipes[2], direct;

	prepare();
	remote.iov_base = memory;
	EXPECT_ERRNO(process_vm_readv(getpid(), &local, 1, &remote, 1, 0),
		     EFAULT);
	EXPECT_ERRNO(process_vm_writev(getpid(), &local, 1, &remote, 1, 0),
		     EFAULT);
	EXPECT(pipe(pipes) == 0);
	EXPECT_ERRNO(vmsplice(pipes[1], &remote, 1, 0), EFAULT);
	EXPECT_ERRNO(syscall(SYS_futex, memory, FUTEX_WAKE, 1, NULL, NULL, 0),
		     EFAULT);
	/* Where a file system without a disk takes the flag at all. */
	direct = open("/tmp/direct", O_RDWR | O_CREAT | O_DIRECT, 0600);
	if (direct >= 0) {
		if (!owned)
			EXPECT_ERRNO(pwrite(direct, memory, PAGE_BYTES, 0),
				     EFAULT);
		(void)close(direct);
		(void)unlink("/tmp/direct");
	}
	expect_intact();
}

static void debugged(void)
{
	char path[64];
	unsigned char byte;
	int status, file;
	pid_t pid;

	prepare();
	pid = fork();
	EXPECT(pid >= 0);
	if (pid == 0) {
		memory = map_writer(fd, BYTES);
		if (owned)
			(void)mmlab_lockbuf_lock(fd, 1);
		(void)ptrace(PTRACE_TRACEME, 0, NULL, NULL);
		(void)raise(SIGSTOP);
		expect_intact();
		_exit(0);
	}
	/* At the same address: nothing else was mapped between. */
	if (owned)
		unlock(fd);
	EXPECT(waitpid(pid, &status, 0) == pid && WIFSTOPPED(status));
	EXPECT_ERRNO(ptrace(PTRACE_PEEKDATA, pid, memory, NULL), EIO);
	EXPECT_ERRNO(ptrace(PTRACE_POKEDATA, pid, memory, NULL), EIO);
	(void)snprintf(path, sizeof(path), "/proc/%d/mem", pid);
	file = open(path, O_RDWR);
	EXPECT(file >= 0);
	EXPECT_ERRNO(pread(file, &byte, 1, (off_t)(uintptr_t)memory), EIO);
	EXPECT_ERRNO(pwrite(file, "x", 1, (off_t)(uintptr_t)memory), EIO);
	EXPECT(ptrace(PTRACE_CONT, pid, NULL, NULL) == 0);
	/* Its accesses without ownership stop it: let each through. */
	while (waitpid(pid, &status, 0) == pid && WIFSTOPPED(status))
		EXPECT(ptrace(PTRACE_CONT, pid, NULL,
			      (long)WSTOPSIG(status)) == 0);
	EXPECT(WIFEXITED(status));
	if (WEXITSTATUS(status))
		_exit(WEXITSTATUS(status));
}

static void kernel_copies(void)
{
	char path[] = "/tmp/copy-XXXXXX";
	int file;

	prepare();
	file = mkstemp(path);
	EXPECT(file >= 0);
	(void)unlink(path);
	EXPECT(write(file, "0123456789", 10) == 10);
	if (!owned) {
		EXPECT_ERRNO(pwrite(file, memory, 10, 0), EFAULT);
		EXPECT_ERRNO(pread(file, memory, 10, 0), EFAULT);
		lock(fd);
	}
	EXPECT_EQ(pread(file, memory + 100, 10, 0), 10);
	EXPECT(!memcmp(memory + 100, "0123456789", 10));
	/* A page that was not there. */
	EXPECT_EQ(pread(file, memory + PAGE_BYTES, 10, 0), 10);
	EXPECT_EQ(pwrite(file, memory + PAGE_BYTES, 10, 0), 10);
	unlock(fd);
	EXPECT_ERRNO(pwrite(file, memory, 10, 0), EFAULT);
	EXPECT_ERRNO(pread(file, memory, 10, 0), EFAULT);
}

static void read_whole(const char *name)
{
	char buffer[65536];
	int file = open(name, O_RDONLY);

	EXPECT(file >= 0);
	while (read(file, buffer, sizeof(buffer)) > 0)
		continue;
	(void)close(file);
}

static void looked_at(void)
{
	uint64_t entries[N_PAGES];
	int pagemap;

	prepare();
	read_whole("/proc/self/smaps");
	read_whole("/proc/self/smaps_rollup");
	read_whole("/proc/self/numa_maps");
	pagemap = open("/proc/self/pagemap", O_RDONLY);
	EXPECT(pagemap >= 0);
	EXPECT_EQ(pread(pagemap, entries, sizeof(entries),
			(off_t)((uintptr_t)memory / PAGE_BYTES * 8)),
		  sizeof(entries));
	/* Walks leave such mappings out, whatever is in them. */
	for (size_t i = 0; i < N_PAGES; i++)
		EXPECT_EQ(entries[i] >> 63, 0);
	expect_intact();
}

static void bits_are_cleared(void)
{
	int file = open("/proc/self/clear_refs", O_WRONLY);
	uint64_t before[CHECK_MAX_STATS];
	char byte;

	prepare();
	check_stats(before);
	for (byte = '1'; byte <= '4'; byte++) {
		ssize_t n = write(file, &byte, 1);

		EXPECT(n == 1 || byte == '4');
		if (owned)
			EXPECT_EQ(look(memory), 1);
		/* Twice with entries known, once without. */
		for (int i = 0; i < 3; i++) {
			if (owned)
				unlock(fd);
			lock(fd);
			EXPECT_EQ(look(memory + 3 * PAGE_BYTES), 4);
			set(memory + 3 * PAGE_BYTES, 4);
			if (!owned)
				unlock(fd);
		}
		if (byte == '4' && n == 1 && owned)
			EXPECT_SINCE(before, INVALIDATED, 1);
	}
	expect_intact();
}

static const struct check checks[] = {
	{ "unmapped-whole", unmapped_whole },
	{ "unmapped-in-part", unmapped_in_part },
	{ "neighbours-go", neighbours_go },
	{ "place-was-used", place_was_used },
	{ "moved", moved },
	{ "moved-by-gib", moved_by_gib },
	{ "protected", protected },
	{ "reader-is-protected", reader_is_protected },
	{ "advised", advised },
	{ "locked-in-memory", locked_in_memory },
	{ "bound-to-node", bound_to_node },
	{ "userfault", userfault },
	{ "referenced", referenced },
	{ "debugged", debugged },
	{ "kernel-copies", kernel_copies },
	{ "looked-at", looked_at },
	{ "bits-are-cleared", bits_are_cleared },
};

int main(int argc, char **argv)
{
	check_begin();
	for (int i = 0; i < 2; i++) {
		owned = i;
		checks_run(checks, sizeof(checks) / sizeof(checks[0]),
			   owned ? "owned" : "unowned",
			   argc == 2 ? argv[1] : NULL);
	}
	if (!entries_balance())
		return 1;
	return check_finish();
}
