// SPDX-License-Identifier: MIT
/*
 * Arenas, with each lock: every call, where each thing that it asks for fails
 * once. A command that fails has changed nothing, wherever it failed.
 */
#include "test-arena.h"
#include "test-fail.h"

enum { N_PAGES = 1024 };

static int other;

static long create_try(void)
{
	return other = mmlab_arena_create(1 << 20, scheme, pending,
					  MMLAB_ARENA_CHECK);
}

static void other_end(void)
{
	EXPECT(close(other) == 0);
}

static long mmap_try(void)
{
	memory = mmlab_arena_mmap(arena, arena_bytes);
	return memory == MAP_FAILED ? -1 : 0;
}

static long munmap_try(void)
{
	return munmap(memory, arena_bytes);
}

static void unmapped(void)
{
	EXPECT(munmap_try() == 0);
}

/* What was there still is, and nothing else. */
static void unchanged(void)
{
	EXPECT_EQ(look(102), 102);
	set(102, 102);
	EXPECT_EQ(write_signal(N_PAGES - 1, 1), SIGSEGV);
}

static void mapped_end(void)
{
	unchanged();
}

static void unmapped_end(void)
{
	EXPECT(mmap_try() == 0);
	unchanged();
}

/* After an error of a command. */
static void still(int error)
{
	(void)error;
	unchanged();
	EXPECT_EQ(write_signal(700, 1), SIGSEGV);
}

/* Many ranges, so that nodes of the tree are split. */
static void ranges_make(void)
{
	EXPECT_EQ(unmap_pages(0, N_PAGES), 0);
	for (size_t i = 0; i < 700; i += 20)
		EXPECT_EQ(map_writable(i, 10), 0);
	set(102, 102);
}

static long map_try(void)
{
	return map_writable(700, 5);
}

static void map_end(void)
{
	unchanged();
	set(704, 1);
}

static long unmap_try(void)
{
	return unmap_pages(101, 3);
}

static void unmap_end(void)
{
	EXPECT_EQ(write_signal(102, 1), SIGSEGV);
	set(104, 1);
}

static long protect_try(void)
{
	return protect_pages(101, 3, PROT_READ);
}

static void protect_end(void)
{
	EXPECT_EQ(look(102), 102);
	EXPECT_EQ(write_signal(102, 1), SIGSEGV);
}

static long populate_try(void)
{
	return populate_pages(100, 10);
}

static long hold_try(void)
{
	return hold_pages(0, N_PAGES, 0, 0);
}

static long share_try(void)
{
	return hold_pages(0, N_PAGES, 0, MMLAB_ARENA_HOLD_SHARED);
}

static long delay_try(void)
{
	return hold_pages(0, 1, 0, MMLAB_ARENA_HOLD_FAULT);
}

static long nop_try(void)
{
	return mmlab_arena_nop(arena, 0, arena_bytes);
}

/* Without expecting a signal: that would be requests of its own. */
static long write_try(void)
{
	*word_of(645) = 7;
	return 0;
}

static void write_end(void)
{
	EXPECT_EQ(look(645), 7);
	unchanged();
}

static long read_try(void)
{
	(void)*word_of(645);
	return 0;
}

static void page_read(void)
{
	ranges_make();
	EXPECT_EQ(look(645), 0);
}

/* The entry is for reading, what is mapped allows writing. */
static void page_protected(void)
{
	page_read();
	EXPECT_EQ(protect_pages(640, 10, PROT_READ), 0);
	EXPECT_EQ(look(645), 0);
	EXPECT_EQ(protect_pages(640, 10, PROT_READ | PROT_WRITE), 0);
}

static void kernel_prepare(void)
{
	ranges_make();
	fail_pipe_fill();
}

static long kernel_try(void)
{
	return fail_kernel_write(word_of(645));
}

static void kernel_end(void)
{
	EXPECT_EQ(look(645), 'k');
	unchanged();
}

static const struct fail_call calls[] = {
	{ "ARENA_CREATE", NULL, create_try, other_end },
	{ "mmap", unmapped, mmap_try, mapped_end },
	{ "munmap", NULL, munmap_try, unmapped_end },
	{ "ARENA_MAP", ranges_make, map_try, map_end, .again = still },
	{ "ARENA_UNMAP", ranges_make, unmap_try, unmap_end, .again = still },
	{ "ARENA_PROTECT", ranges_make, protect_try, protect_end,
	  .again = still },
	{ "ARENA_POPULATE", ranges_make, populate_try, unchanged },
	{ "ARENA_HOLD", ranges_make, hold_try, unchanged, .again = still },
	{ "ARENA_HOLD, shared", NULL, share_try, unchanged, .again = still },
	{ "ARENA_HOLD, fault", NULL, delay_try, unchanged, .again = still },
	{ "ARENA_NOP", NULL, nop_try, unchanged },
	{ "fault to write", ranges_make, write_try, write_end, true },
	{ "fault to read", ranges_make, read_try, unchanged, true },
	{ "fault to write what was read", page_read, write_try, write_end,
	  true },
	{ "fault to write what was protected", page_protected, write_try,
	  write_end, true },
	{ "fault in the kernel", kernel_prepare, kernel_try, kernel_end },
};

static void begin(void)
{
	arena_make(N_PAGES);
	ranges_make();
}

static void end(void)
{
	EXPECT_EQ(check_stat(MMLAB_ARENA_STAT_LIVE_OBJECTS), 1);
}

static void calls_run(void)
{
	fail_calls_run(calls, sizeof(calls) / sizeof(calls[0]), begin, end);
}

static void each_call(void)
{
	group_run(calls_run);
}

int main(void)
{
	check_begin();
	fail_begin();
	check_variants("each-call", each_call);
	return fail_end() ? check_finish() : 1;
}
