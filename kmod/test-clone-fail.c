// SPDX-License-Identifier: MIT
/*
 * Clones of mappings, at the same address and at another: every call, where each
 * thing that it asks for fails once. What was made is undone, also for the next
 * call, which wants nothing in its place; and the source is as before.
 */
#include "test-clone.h"
#include "test-fail.h"

enum { N_BYTES = 16 * PAGE };

/* In two page tables. */
static char *const from = SOURCE_ADDR + HUGE - 4 * PAGE;

static struct peer peer;
static size_t bytes;
static char *memory;

static void source_end(void)
{
	EXPECT_EQ(peer_call(peer, unmap_at, (long)SOURCE_ADDR, 2 * HUGE, 0), 0);
}

static void source_small(void)
{
	bytes = N_BYTES;
	source_make(peer, from, bytes, 1);
}

/* Not by small pages, where there is a huge one; both ends split it. */
static void source_huge(void)
{
	EXPECT(peer_call(peer, map_at, (long)SOURCE_ADDR, 2 * HUGE,
			 PROT_READ | PROT_WRITE));
	EXPECT_EQ(peer_call(peer, advise, (long)SOURCE_ADDR, 2 * HUGE,
			    MADV_HUGEPAGE), 0);
	bytes = N_BYTES;
	EXPECT_EQ(peer_call(peer, fill, (long)from, (long)bytes, 1), 0);
}

static long map_shared(long addr, long length, long unused)
{
	(void)unused;
	return (long)mmap((void *)addr, (size_t)length, PROT_READ | PROT_WRITE,
			  MAP_SHARED | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1,
			  0) == addr;
}

static void source_shared(void)
{
	bytes = N_BYTES;
	EXPECT(peer_call(peer, map_shared, (long)from, (long)bytes, 0));
	EXPECT_EQ(peer_call(peer, fill, (long)from, (long)bytes, 1), 0);
}

static long clone_try(unsigned long flags)
{
	memory = mmlab_process_vm_mmap(peer.pid, from, bytes, clone_addr(from),
				       flags);
	return memory == MAP_FAILED ? -1 : 0;
}

static long clone_plain(void)
{
	return clone_try(PVMMAP_FIXED_NOREPLACE);
}

static long clone_populate(void)
{
	return clone_try(PVMMAP_FIXED_NOREPLACE | PVMMAP_POPULATE);
}

static long clone_move(void)
{
	return clone_try(PVMMAP_FIXED_NOREPLACE | PVMMAP_MOVE);
}

static long clone_over(void)
{
	return clone_try(PVMMAP_FIXED);
}

static long clone_by_fd(void)
{
	int fd = (int)syscall(SYS_pidfd_open, peer.pid, 0);
	int error;

	if (fd < 0)
		return -1;
	memory = mmlab_pidfd_vm_mmap(fd, from, bytes, clone_addr(from),
				     PVMMAP_FIXED_NOREPLACE);
	error = errno;
	(void)close(fd);
	errno = error;
	return memory == MAP_FAILED ? -1 : 0;
}

/* Contents of both, neither of whose writes the other sees. */
static void clone_end(void)
{
	EXPECT_HERE(memory, bytes, 1);
	fill((long)memory, (long)bytes, 2);
	EXPECT_THERE(peer, from, bytes, 1);
	EXPECT(munmap(memory, bytes) == 0);
	source_end();
}

static void shared_end(void)
{
	fill((long)memory, (long)bytes, 2);
	EXPECT_THERE(peer, from, bytes, 2);
	EXPECT(munmap(memory, bytes) == 0);
	source_end();
}

static void moved_end(void)
{
	EXPECT_HERE(memory, bytes, 1);
	EXPECT(!is_mapped(peer.pid, from));
	EXPECT(munmap(memory, bytes) == 0);
	source_end();
}

static void source_is_there(int error)
{
	(void)error;
	EXPECT_THERE(peer, from, bytes, 1);
	EXPECT(!is_mapped(getpid(), clone_addr(from)));
}

/* What MOVE unmapped is lost if the struct cannot be written back. */
static void source_may_be_lost(int error)
{
	if (error == EFAULT && !is_mapped(peer.pid, from))
		source_make(peer, from, bytes, 1);
	source_is_there(error);
}

static void source_and_mapping(void)
{
	source_small();
	/*
	 * Memory that is not accounted: if mmap() fails late, 6.12 forgets to
	 * give back what it had accounted for the mapping that is replaced.
	 */
	EXPECT(mmap(clone_addr(from), bytes, PROT_READ,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0) ==
	       clone_addr(from));
}

static void cloned(void)
{
	source_small();
	EXPECT(clone_plain() == 0);
}

static long unmap_try(void)
{
	return munmap(memory, bytes);
}

static void unmapped_end(void)
{
	source_is_there(0);
	source_end();
}

static long write_try(void)
{
	for (size_t i = 0; i < bytes; i += PAGE)
		fill((long)(memory + i), 8, 2);
	return 0;
}

static void written_end(void)
{
	for (size_t i = 0; i < bytes; i += PAGE)
		EXPECT_HERE(memory + i, 8, 2);
	EXPECT_THERE(peer, from, bytes, 1);
	EXPECT(munmap(memory, bytes) == 0);
	source_end();
}

static const struct fail_call calls[] = {
	{ "CLONE_MAP", source_small, clone_plain, clone_end,
	  .again = source_is_there },
	{ "CLONE_MAP, POPULATE", source_small, clone_populate, clone_end,
	  .again = source_is_there },
	{ "CLONE_MAP, MOVE", source_small, clone_move, moved_end,
	  .again = source_may_be_lost },
	{ "CLONE_MAP, FIXED", source_and_mapping, clone_over, clone_end },
	{ "CLONE_MAP, PIDFD", source_small, clone_by_fd, clone_end,
	  .again = source_is_there },
	{ "CLONE_MAP, huge pages", source_huge, clone_plain, clone_end,
	  .again = source_is_there },
	{ "CLONE_MAP, shared memory", source_shared, clone_plain, shared_end,
	  .again = source_is_there },
	{ "munmap", cloned, unmap_try, unmapped_end },
	{ "fault to write", cloned, write_try, written_end, true },
};

static long committed_before;

static void begin(void)
{
	peer = peer_start();
	committed_before = committed();
}

static void end(void)
{
	EXPECT_EQ(committed(), committed_before);
	peer_end(peer);
}

static void calls_run(void)
{
	fail_calls_run(calls, sizeof(calls) / sizeof(calls[0]), begin, end);
}

static void each_call(void)
{
	group_run(calls_run);
}

static const struct clone_check checks[] = {
	{ "each-call", each_call, PLACES_ALL },
};

int main(void)
{
	check_begin();
	fail_begin();
	clone_checks_run(checks, 1, NULL);
	return fail_end() ? check_finish() : 1;
}
