// SPDX-License-Identifier: MIT
/*
 * Arenas: everything that a process or somebody else can do to the mapping.
 * Each either works or is refused, and the arena is as before.
 */
#include "test-arena.h"

#include <linux/futex.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>

enum { N_PAGES = 1100 };

static bool is_mapped(size_t page)
{
	return page / 50 % 2 == 0;
}

static bool is_written(size_t page)
{
	return is_mapped(page) && page % 3 == 0;
}

static void prepare(void)
{
	arena_make(N_PAGES);
	for (size_t i = 0; i < N_PAGES; i += 100)
		EXPECT_EQ(map_writable(i, 50), 0);
	for (size_t i = 0; i < N_PAGES; i++)
		if (is_written(i))
			set(i, i + 1);
}

/* It is as prepare() left it. */
static void expect_intact(void)
{
	uint64_t value;

	for (size_t i = 0; i < N_PAGES; i++) {
		EXPECT_EQ(read_signal(i, &value), is_mapped(i) ? 0 : SIGSEGV);
		if (is_mapped(i))
			EXPECT_EQ(value, is_written(i) ? i + 1 : 0);
	}
	EXPECT_EQ(protect_pages(0, 50, PROT_READ), 0);
	EXPECT_EQ(write_signal(3, 4), SIGSEGV);
	EXPECT_EQ(look(3), 4);
	EXPECT_EQ(protect_pages(0, 50, PROT_READ | PROT_WRITE), 0);
	set(3, 4);
}

static void unmapped_whole(void)
{
	for (int i = 0; i < 3; i++) {
		if (i == 0)
			prepare();
		EXPECT(munmap(memory, arena_bytes) == 0);
		EXPECT_EQ(check_stat(MMLAB_ARENA_STAT_LIVE_MAPPINGS), 0);
		memory = mmlab_arena_mmap(arena, arena_bytes);
		EXPECT(memory != MAP_FAILED);
		expect_intact();
	}
}

static void unmapped_in_part(void)
{
	prepare();
	EXPECT_ERRNO(munmap(memory, PAGE_BYTES), EINVAL);
	EXPECT_ERRNO(munmap(memory + PAGE_BYTES, PAGE_BYTES), EINVAL);
	EXPECT_ERRNO(munmap(memory + arena_bytes - PAGE_BYTES, PAGE_BYTES),
		     EINVAL);
	/* ENOMEM or EINVAL, by version. */
	EXPECT(mmap(memory + PAGE_BYTES, PAGE_BYTES, PROT_NONE,
		    MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) ==
	       MAP_FAILED);
	expect_intact();
	/* Over all of it something else may be mapped. */
	EXPECT(mmap(memory, arena_bytes, PROT_READ | PROT_WRITE,
		    MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == memory);
	EXPECT_EQ(check_stat(MMLAB_ARENA_STAT_LIVE_MAPPINGS), 0);
	*(volatile unsigned char *)memory = 1;
	EXPECT_EQ(unmap_pages(0, 50), 0);
	EXPECT_EQ(*(volatile unsigned char *)memory, 1);
}

static void moved(void)
{
	unsigned char *place;

	prepare();
	place = mmap(NULL, 4 * arena_bytes, PROT_NONE,
		     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	EXPECT(place != MAP_FAILED);
	EXPECT_NO_MREMAP(EINVAL, memory, arena_bytes, arena_bytes,
			 MREMAP_MAYMOVE | MREMAP_FIXED, place);
	EXPECT_NO_MREMAP(EFAULT, memory, arena_bytes, 2 * arena_bytes,
			 MREMAP_MAYMOVE);
	EXPECT_NO_MREMAP(EINVAL, memory, arena_bytes, PAGE_BYTES, 0);
	EXPECT_NO_MREMAP(EINVAL, memory, PAGE_BYTES, PAGE_BYTES,
			 MREMAP_MAYMOVE | MREMAP_FIXED, place);
	EXPECT_NO_MREMAP(EFAULT, memory, 0, arena_bytes, MREMAP_MAYMOVE);
	EXPECT_NO_MREMAP(EINVAL, memory, arena_bytes, arena_bytes,
			 MREMAP_MAYMOVE | MREMAP_FIXED | 4 /* MREMAP_DONTUNMAP */,
			 place);
	EXPECT_EQ(check_stat(MMLAB_ARENA_STAT_LIVE_MAPPINGS), 1);
	expect_intact();
}

static void protected(void)
{
	prepare();
	EXPECT_ERRNO(mprotect(memory, arena_bytes, PROT_READ), EINVAL);
	EXPECT_ERRNO(mprotect(memory, arena_bytes, PROT_NONE), EINVAL);
	EXPECT_ERRNO(mprotect(memory, PAGE_BYTES, PROT_READ), EINVAL);
	EXPECT_ERRNO(mprotect(memory, arena_bytes,
			PROT_READ | PROT_WRITE | PROT_EXEC),
		     EACCES);
	expect_intact();
}

static void advised(void)
{
	static const int refused[] = {
		MADV_DONTNEED, 24 /* DONTNEED_LOCKED */, MADV_FREE, MADV_REMOVE,
		MADV_DOFORK, MADV_DODUMP, 20 /* COLD */, 21 /* PAGEOUT */,
		22 /* POPULATE_READ */, 23 /* POPULATE_WRITE */,
		25 /* COLLAPSE */, 18 /* WIPEONFORK */, 100 /* HWPOISON */,
		101 /* SOFT_OFFLINE */, 102 /* GUARD_INSTALL */,
	};
	static const int harmless[] = {
		MADV_MERGEABLE, MADV_UNMERGEABLE, MADV_HUGEPAGE,
		MADV_NOHUGEPAGE, MADV_DONTFORK, MADV_DONTDUMP, MADV_NORMAL,
		MADV_RANDOM, MADV_SEQUENTIAL, MADV_WILLNEED,
	};

	prepare();
	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++)
		if (madvise(memory, arena_bytes, refused[i]) == 0 ||
		    madvise(memory + PAGE_BYTES, PAGE_BYTES, refused[i]) == 0)
			check_end(1, "madvise %d succeeded", refused[i]);
	for (size_t i = 0; i < sizeof(harmless) / sizeof(harmless[0]); i++) {
		(void)madvise(memory, arena_bytes, harmless[i]);
		(void)madvise(memory + PAGE_BYTES, PAGE_BYTES, harmless[i]);
	}
	expect_intact();
	EXPECT(mlock(memory, arena_bytes) == 0 || errno == ENOMEM);
	expect_intact();
}

/* References to pages, fast and slow. */
static void referenced(void)
{
	unsigned char byte;
	struct iovec local = { &byte, 1 }, remote = { memory, 1 };
	int pipes[2];

	prepare();
	remote.iov_base = memory;
	EXPECT(pipe(pipes) == 0);
	EXPECT_EQ(look(0), 1);
	EXPECT_ERRNO(vmsplice(pipes[1], &remote, 1, 0), EFAULT);
	EXPECT_ERRNO(process_vm_readv(getpid(), &local, 1, &remote, 1, 0),
		     EFAULT);
	EXPECT_ERRNO(process_vm_writev(getpid(), &local, 1, &remote, 1, 0),
		     EFAULT);
	EXPECT_ERRNO(syscall(SYS_futex, memory, FUTEX_WAKE, 1, NULL, NULL, 0),
		     EFAULT);
	/* A private one goes by the address. */
	EXPECT_EQ(syscall(SYS_futex, memory, FUTEX_WAKE_PRIVATE, 1, NULL, NULL,
			  0), 0);
	EXPECT_ERRNO(syscall(SYS_futex, memory, FUTEX_WAIT_PRIVATE, 2, NULL,
			     NULL, 0), EAGAIN);
	EXPECT_ERRNO(syscall(SYS_futex, memory + 60 * PAGE_BYTES,
			     FUTEX_WAIT_PRIVATE, 2, NULL, NULL, 0), EFAULT);
	expect_intact();
}

static void traced(void)
{
	int file = open("/proc/self/mem", O_RDWR | O_CLOEXEC);
	char bytes[8];

	prepare();
	EXPECT(file >= 0);
	EXPECT_ERRNO(pread(file, bytes, 8, (off_t)(uintptr_t)memory), EIO);
	EXPECT_ERRNO(pwrite(file, bytes, 8, (off_t)(uintptr_t)memory), EIO);
	expect_intact();
}

static void walked(void)
{
	static const char *const names[] = {
		"/proc/self/smaps", "/proc/self/smaps_rollup",
		"/proc/self/numa_maps", "/proc/self/maps",
	};
	char buffer[4096], digit;
	int file;

	prepare();
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		file = open(names[i], O_RDONLY);
		while (file >= 0 && read(file, buffer, sizeof(buffer)) > 0)
			continue;
		(void)close(file);
	}
	for (digit = '1'; digit <= '5'; digit++) {
		file = open("/proc/self/clear_refs", O_WRONLY);
		(void)!write(file, &digit, 1);
		(void)close(file);
		expect_intact();
	}
	file = open("/proc/self/pagemap", O_RDONLY);
	(void)!pread(file, buffer, sizeof(buffer),
		     (off_t)((uintptr_t)memory / PAGE_BYTES * 8));
	(void)close(file);
	expect_intact();
}

static void forked(void)
{
	pid_t pid;

	prepare();
	for (int i = 0; i < 3; i++) {
		pid = fork();
		EXPECT(pid >= 0);
		if (pid == 0) {
			uint64_t value;

			EXPECT_EQ(read_signal(0, &value), SIGSEGV);
			EXPECT_EQ(munmap(memory, arena_bytes), 0);
			_exit(0);
		}
		EXPECT_CHILD_OK(pid);
	}
	EXPECT_EQ(check_stat(MMLAB_ARENA_STAT_LIVE_MAPPINGS), 1);
	expect_intact();
}

/* The arena goes with the process, and with its memory. */
static void executed(void)
{
	pid_t pid = fork();

	EXPECT(pid >= 0);
	if (pid == 0) {
		static char *const arguments[] = { "true", NULL };

		prepare();
		(void)execv("/bin/true", arguments);
		_exit(1);
	}
	EXPECT_CHILD_OK(pid);
	EXPECT_EQ(check_live_objects(), 0);
}

static void killed(void)
{
	uint64_t before[CHECK_MAX_STATS];
	pid_t pid;

	check_stats(before);
	pid = fork();
	EXPECT(pid >= 0);
	if (pid == 0) {
		prepare();
		EXPECT_EQ(raise(SIGKILL), 0);
		_exit(1);
	}
	EXPECT(waitpid(pid, NULL, 0) == pid);
	EXPECT_EQ(check_live_objects(), 0);
	EXPECT_EQ(since(before, MMLAB_ARENA_STAT_PAGES_ALLOCATED),
		  since(before, MMLAB_ARENA_STAT_PAGES_FREED));
}

/* Sent to a process that has nothing else of it. */
static void sent_over_a_socket(void)
{
	int sockets[2];
	char control[CMSG_SPACE(sizeof(int))] = { 0 }, byte = 0;
	struct iovec vector = { &byte, 1 };
	struct msghdr message = {
		.msg_iov = &vector, .msg_iovlen = 1,
		.msg_control = control, .msg_controllen = sizeof(control),
	};
	struct cmsghdr *header = CMSG_FIRSTHDR(&message);
	pid_t pid;

	EXPECT(socketpair(AF_UNIX, SOCK_DGRAM, 0, sockets) == 0);
	pid = fork();
	EXPECT(pid >= 0);
	if (pid == 0) {
		prepare();
		EXPECT(munmap(memory, arena_bytes) == 0);
		header->cmsg_level = SOL_SOCKET;
		header->cmsg_type = SCM_RIGHTS;
		header->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(header), &arena, sizeof(arena));
		EXPECT_EQ(sendmsg(sockets[0], &message, 0), 1);
		_exit(0);
	}
	EXPECT_CHILD_OK(pid);
	EXPECT_EQ(recvmsg(sockets[1], &message, 0), 1);
	memcpy(&arena, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof(arena));
	arena_bytes = (size_t)N_PAGES * PAGE_BYTES;
	memory = mmlab_arena_mmap(arena, arena_bytes);
	EXPECT(memory != MAP_FAILED);
	expect_intact();
}

static const struct check checks[] = {
	{ "unmapped-whole", unmapped_whole },
	{ "unmapped-in-part", unmapped_in_part },
	{ "moved", moved },
	{ "protected", protected },
	{ "advised", advised },
	{ "referenced", referenced },
	{ "traced", traced },
	{ "walked", walked },
	{ "forked", forked },
	{ "executed", executed },
	{ "killed", killed },
	{ "sent-over-a-socket", sent_over_a_socket },
};

int main(int argc, char **argv)
{
	check_begin();
	variants_run(checks, sizeof(checks) / sizeof(checks[0]),
		     argc == 2 ? argv[1] : NULL);
	return check_finish();
}
