// SPDX-License-Identifier: MIT
/*
 * Lockable buffers: every call, where each thing that it asks for fails once.
 */
#include "test-lockbuf.h"
#include "test-fail.h"

enum { BYTES = 3 * CHUNK_BYTES };

static int buffer, result_fd;
static unsigned char *memory;

static void close_result(void)
{
	EXPECT(close(result_fd) == 0);
}

static long create_one(void)
{
	return result_fd = mmlab_lockbuf_create(10 * PAGE_BYTES, mode, flush, 0);
}

static long create_populated(void)
{
	return result_fd = mmlab_lockbuf_create(10 * PAGE_BYTES, mode, flush,
						MMLAB_LOCKBUF_POPULATE);
}

/* Nothing is mapped, nothing is there. */
static void buffer_new(void)
{
	create_flags = 0;
	buffer = create(BYTES);
}

static void buffer_new_populated(void)
{
	create_flags = MMLAB_LOCKBUF_POPULATE;
	buffer = create(BYTES);
}

static void buffer_end(void)
{
	EXPECT(close(buffer) == 0);
}

static long reader(void)
{
	return result_fd = mmlab_lockbuf_reader(buffer);
}

static void reader_end(void)
{
	close_result();
	buffer_end();
}

static long map_try(int prot)
{
	memory = mmlab_lockbuf_map(buffer, BYTES, prot);
	return memory == MAP_FAILED ? -1 : 0;
}

static long map_to_write(void)
{
	return map_try(PROT_READ | PROT_WRITE);
}

static long map_to_read(void)
{
	return map_try(PROT_READ);
}

static long unmap(void)
{
	return munmap(memory, BYTES);
}

/* What every mapping can do, however it came into being. */
static void works(void)
{
	lock(buffer);
	EXPECT_EQ(look(memory + 5 * PAGE_BYTES), 0);
	unlock(buffer);
}

static void mapping_end(void)
{
	works();
	EXPECT(unmap() == 0);
	buffer_end();
}

static void mapping_new(void)
{
	buffer_new();
	EXPECT(map_to_write() == 0);
}

static void mapping_locked(void)
{
	mapping_new();
	lock(buffer);
}

static void locked_end(void)
{
	unlock(buffer);
	mapping_end();
}

/* One page is there, in one table of three. */
static void mapping_used(void)
{
	mapping_locked();
	set(memory, 1);
	unlock(buffer);
}

static void populated_new(void)
{
	buffer_new_populated();
	EXPECT(map_to_write() == 0);
}

static long lock_try(void)
{
	return mmlab_lockbuf_lock(buffer, 0);
}

static long lock_wait(void)
{
	return mmlab_lockbuf_lock(buffer, MMLAB_LOCKBUF_WAIT);
}

static long unlock_try(void)
{
	return mmlab_lockbuf_unlock(buffer);
}

static long nop(void)
{
	return mmlab_lockbuf_nop(buffer);
}

static long flush_try(void)
{
	return mmlab_lockbuf_flush(buffer);
}

static long write_page(void)
{
	set(memory + CHUNK_BYTES, 7);
	return 0;
}

static void written_end(void)
{
	EXPECT_EQ(look(memory + CHUNK_BYTES), 7);
	unlock(buffer);
	EXPECT(unmap() == 0);
	buffer_end();
}

static long read_page(void)
{
	EXPECT_EQ(look(memory + CHUNK_BYTES), 0);
	return 0;
}

static void kernel_prepare(void)
{
	mapping_locked();
	fail_pipe_fill();
}

static long kernel_write(void)
{
	return fail_kernel_write(memory + CHUNK_BYTES);
}

static void read_end(void)
{
	EXPECT_EQ(look(memory + CHUNK_BYTES), 'k');
	unlock(buffer);
	EXPECT(unmap() == 0);
	buffer_end();
}

static void unmapped_end(void)
{
	EXPECT_EQ(access_signal(memory, false), SIGSEGV);
	buffer_end();
}

static const struct fail_call calls[] = {
	{ "LOCKBUF_CREATE", NULL, create_one, close_result },
	{ "LOCKBUF_CREATE, POPULATE", NULL, create_populated, close_result },
	{ "LOCKBUF_READER", buffer_new, reader, reader_end },
	{ "mmap to write", buffer_new, map_to_write, mapping_end },
	{ "mmap to read", buffer_new, map_to_read, mapping_end },
	{ "mmap, POPULATE", buffer_new_populated, map_to_write, mapping_end },
	{ "munmap", mapping_used, unmap, unmapped_end },
	{ "LOCK", mapping_new, lock_try, locked_end },
	{ "LOCK, in use", mapping_used, lock_try, locked_end },
	{ "LOCK, POPULATE", populated_new, lock_try, locked_end, true },
	{ "LOCK, WAIT", mapping_new, lock_wait, locked_end },
	{ "UNLOCK", mapping_locked, unlock_try, mapping_end },
	{ "NOP", mapping_new, nop, mapping_end },
	{ "FLUSH", mapping_new, flush_try, mapping_end },
	{ "fault to write", mapping_locked, write_page, written_end, true },
	{ "fault to read", mapping_locked, read_page, locked_end, true },
	{ "fault in the kernel", kernel_prepare, kernel_write, read_end },
};

static void calls_run(void)
{
	fail_calls_run(calls, sizeof(calls) / sizeof(calls[0]), NULL, NULL);
}

static void each_call(void)
{
	group_run(calls_run);
}

int main(void)
{
	check_begin();
	fail_begin();
	mode = MMLAB_LOCKBUF_BOTH;
	check_run("each-call", NULL, each_call);
	return entries_balance() && fail_end() ? check_finish() : 1;
}
