// SPDX-License-Identifier: MIT
/*
 * Speculative page faults: what a child of fork gets, who copies a page that it
 * shares with its parent, and memory that others write to. Each check runs in
 * each mode.
 */
#include "test-spf.h"

#include <sched.h>
#include <sys/uio.h>

static void forked(void)
{
	const size_t bytes = 64 * PAGE_BYTES;
	unsigned char *memory = region(bytes);
	uint64_t before[CHECK_MAX_STATS];
	pid_t pid;

	touch_all(memory, 16 * PAGE_BYTES, true);
	check_stats(before);
	pid = fork();
	EXPECT(pid >= 0);
	if (pid == 0) {
		content_check(memory, 16 * PAGE_BYTES);
		set(memory, 99);
		for (int i = 16; i < 64; i++) {
			EXPECT_EQ(look(memory + i * PAGE_BYTES), 0);
			set(memory + i * PAGE_BYTES, 99);
		}
		EXPECT_SPECULATED(before, JOINED, 1);
		EXPECT_SPECULATED(before, FIRST_TOUCH, 47);
		_exit(0);
	}
	EXPECT_CHILD_OK(pid);
	content_check(memory, 16 * PAGE_BYTES);
	for (int i = 16; i < 64; i++)
		EXPECT_EQ(look(memory + i * PAGE_BYTES), 0);
	EXPECT_SPECULATED(before, FIRST_TOUCH, 47 + 47);
	/*
	 * The child has gone: there is nobody to copy for, but the kernel may
	 * still have a page in a list of those it has just seen.
	 */
	check_stats(before);
	for (int i = 0; i < 16; i++)
		set(memory + i * PAGE_BYTES, (unsigned char)(i + 1));
	if (speculates) {
		EXPECT(since(before, MMLAB_SPF_STAT_REUSED) > 0);
		EXPECT_EQ(since(before, MMLAB_SPF_STAT_REUSED) +
			  since(before, MMLAB_SPF_STAT_COPIED) +
			  since(before, MMLAB_SPF_STAT_FALLBACK_PRESENT), 16);
	}
	content_check(memory, 16 * PAGE_BYTES);
}

/* As long as there is a child, each has its own copy from the first write on. */
static void shared_with_child(void)
{
	const size_t bytes = 64 * PAGE_BYTES;
	unsigned char *memory = region(bytes), byte;
	uint64_t before[CHECK_MAX_STATS];
	int to[2], from[2];
	pid_t pid;

	touch_all(memory, 32 * PAGE_BYTES, true);
	touch_all(region(bytes), bytes, true);
	EXPECT(pipe(to) == 0 && pipe(from) == 0);
	pid = fork();
	EXPECT(pid >= 0);
	if (pid == 0) {
		EXPECT_EQ(read(to[0], &byte, 1), 1);
		content_check(memory, 32 * PAGE_BYTES);
		for (int i = 0; i < 32; i++)
			set(memory + i * PAGE_BYTES, 200);
		EXPECT_EQ(write(from[1], "", 1), 1);
		EXPECT_EQ(read(to[0], &byte, 1), 1);
		for (int i = 0; i < 32; i++)
			EXPECT_EQ(look(memory + i * PAGE_BYTES), 200);
		_exit(0);
	}
	check_stats(before);
	for (int i = 0; i < 16; i++)
		set(memory + i * PAGE_BYTES, 100);
	/* All pages are there: the first of these faults arms it. */
	EXPECT_SPECULATED(before, ARMED, 1);
	EXPECT_SPECULATED(before, FALLBACK_DISARMED, 0);
	EXPECT_SINCE(before, REUSED, 0);
	EXPECT_EQ(since(before, MMLAB_SPF_STAT_COPIED) +
		  since(before, MMLAB_SPF_STAT_FALLBACK_PRESENT),
		  speculates ? 16 : 0);
	/* The kernel copies what it has just seen; the list is not that long. */
	if (speculates && (capabilities() & MMLAB_SPF_CAP_COPY))
		EXPECT(since(before, MMLAB_SPF_STAT_COPIED) > 0);
	EXPECT_EQ(write(to[1], "", 1), 1);
	EXPECT_EQ(read(from[0], &byte, 1), 1);
	for (int i = 0; i < 32; i++)
		EXPECT_EQ(look(memory + i * PAGE_BYTES),
			  i < 16 ? 100 : (unsigned char)(i + 1));
	for (int i = 0; i < 32; i++)
		set(memory + i * PAGE_BYTES, 50);
	EXPECT_EQ(write(to[1], "", 1), 1);
	EXPECT_CHILD_OK(pid);
	for (int i = 0; i < 32; i++)
		EXPECT_EQ(look(memory + i * PAGE_BYTES), 50);
}

static void not_forked(void)
{
	const size_t bytes = 16 * PAGE_BYTES;
	unsigned char *memory = region(bytes), *wiped = region(bytes);
	pid_t pid;

	touch_all(memory, bytes, true);
	touch_all(wiped, bytes, true);
	EXPECT(madvise(memory, bytes, MADV_DONTFORK) == 0);
	EXPECT(madvise(wiped, bytes, MADV_WIPEONFORK) == 0 || errno == EINVAL);
	pid = fork();
	EXPECT(pid >= 0);
	if (pid == 0) {
		EXPECT_EQ(access_signal(memory, true), SIGSEGV);
		EXPECT_EQ(access_signal(memory + PAGE_BYTES, false), SIGSEGV);
		_exit(0);
	}
	EXPECT_CHILD_OK(pid);
	content_check(memory, bytes);
}

/* Others look at it, and write to it, page by page. */
static void accessed_by_others(void)
{
	const size_t bytes = 32 * PAGE_BYTES;
	unsigned char *memory = region(bytes), byte = 77;
	struct iovec local = { &byte, 1 }, remote = { NULL, 1 };
	int sockets[2];
	pid_t pid;

	EXPECT(pipe(sockets) == 0);
	pid = fork();
	EXPECT(pid >= 0);
	if (pid == 0) {
		EXPECT_EQ(read(sockets[0], &byte, 1), 1);
		for (size_t i = 0; i < bytes; i += PAGE_BYTES)
			EXPECT_EQ(look(memory + i), 77);
		_exit(0);
	}
	for (size_t i = 0; i < bytes; i += PAGE_BYTES) {
		remote.iov_base = memory + i;
		EXPECT_EQ(process_vm_writev(pid, &local, 1, &remote, 1, 0), 1);
	}
	EXPECT_EQ(write(sockets[1], "", 1), 1);
	EXPECT_CHILD_OK(pid);
	EXPECT_EQ(look(memory), 0);
}

static void executed_and_killed(void)
{
	char *const arguments[] = { (char *)"true", NULL };
	const size_t bytes = 64 * PAGE_BYTES;
	unsigned char *memory = region(bytes);

	touch_all(memory, bytes / 2, true);
	for (int i = 0; i < 3; i++) {
		pid_t pid = fork();

		EXPECT(pid >= 0);
		if (pid == 0) {
			touch_all(region(bytes), bytes, true);
			set(memory + 40 * PAGE_BYTES, 1);
			if (i == 0)
				(void)execv("/bin/true", arguments);
			if (i == 1)
				(void)raise(SIGKILL);
			_exit(0);
		}
		EXPECT(waitpid(pid, NULL, 0) == pid);
		EXPECT_SPECULATED((uint64_t[CHECK_MAX_STATS]){ 0 },
				  LIVE_REGIONS, 1);
	}
	content_check(memory, bytes / 2);
}

static const struct check checks[] = {
	{ "forked", forked },
	{ "shared-with-child", shared_with_child },
	{ "not-forked", not_forked },
	{ "accessed-by-others", accessed_by_others },
	{ "executed-and-killed", executed_and_killed },
};

int main(int argc, char **argv)
{
	cpu_set_t cpus;

	/*
	 * Each processor lists a few pages that it has just seen, and these are
	 * left to the kernel: of other processors nobody knows for how long.
	 */
	CPU_ZERO(&cpus);
	CPU_SET(0, &cpus);
	(void)sched_setaffinity(0, sizeof(cpus), &cpus);
	return modes_run(checks, sizeof(checks) / sizeof(checks[0]),
			 argc == 2 ? argv[1] : "");
}
