// SPDX-License-Identifier: MIT
/*
 * Reference pages, in each form: every call, where each thing that it asks for
 * fails once.
 */
#include "test-refpage.h"
#include "test-fail.h"

static int object;
static unsigned char *memory;

static long create_try(const unsigned char *content)
{
	return object = mmlab_refpage_create(content, sizeof(pattern), 0, form);
}

static long create_pattern(void)
{
	return create_try(pattern);
}

static long create_uniform(void)
{
	return create_try(uniform);
}

static void object_end(void)
{
	EXPECT(close(object) == 0);
}

static void object_new(void)
{
	object = create(pattern, sizeof(pattern));
}

static long map_try(void)
{
	memory = mmap(NULL, 4 * page_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE,
		      object, 0);
	return memory == MAP_FAILED ? -1 : 0;
}

static long unmap(void)
{
	return munmap(memory, 4 * page_bytes);
}

static void mapping_end(void)
{
	EXPECT(is_pattern(memory, page_bytes));
	memory[page_bytes] = 'W';
	EXPECT(is_pattern_but(memory + page_bytes, 0, 'W'));
	EXPECT(unmap() == 0);
}

static void mapped_end(void)
{
	mapping_end();
	object_end();
}

static void mapping_new(void)
{
	memory = map_pattern(4);
}

static void mapping_uniform(void)
{
	object = create(uniform, sizeof(uniform));
	EXPECT(map_try() == 0);
	object_end();
}

/* The first page was read, the second written. */
static void mapping_used(void)
{
	mapping_new();
	touch_read(memory, 1);
	touch_write(memory + page_bytes, 1);
}

static void unmapped_end(void)
{
	EXPECT(faults(memory, false));
}

static long read_page(void)
{
	touch_read(memory + 2 * page_bytes, 1);
	return 0;
}

static long write_page(void)
{
	touch_write(memory + 2 * page_bytes, 1);
	return 0;
}

static void written_end(void)
{
	EXPECT(is_pattern_but(memory + 2 * page_bytes, 0, 'W'));
	mapping_end();
}

static void uniform_end(void)
{
	EXPECT_EQ(memory[2 * page_bytes], 'W');
	for (size_t i = 1; i < page_bytes; i++)
		EXPECT_EQ(memory[2 * page_bytes + i], 0xaa);
	EXPECT(unmap() == 0);
}

/* A write where a read was. */
static void page_read(void)
{
	mapping_new();
	touch_read(memory + 2 * page_bytes, 1);
}

static long kernel_read(void)
{
	return fail_kernel_read(memory + 2 * page_bytes + 1);
}

static void kernel_read_end(void)
{
	fail_pipe_drain('1');
	mapping_end();
}

static void kernel_write_new(void)
{
	mapping_new();
	fail_pipe_fill();
}

static long kernel_write(void)
{
	return fail_kernel_write(memory + 2 * page_bytes + 1);
}

static void kernel_write_end(void)
{
	EXPECT(is_pattern_but(memory + 2 * page_bytes, 1, 'k'));
	mapping_end();
}

/* As a debugger does it: where a special entry may be. */
static int memory_file;

static void memory_file_new(void)
{
	page_read();
	memory_file = open("/proc/self/mem", O_RDWR | O_CLOEXEC);
	EXPECT(memory_file >= 0);
}

static long debugger_write(void)
{
	return pwrite(memory_file, "d", 1,
		      (off_t)(uintptr_t)(memory + 2 * page_bytes));
}

static void debugger_write_end(void)
{
	EXPECT(close(memory_file) == 0);
	EXPECT(is_pattern_but(memory + 2 * page_bytes, 0, 'd'));
	mapping_end();
}

static long debugger_read(void)
{
	char byte;

	return pread(memory_file, &byte, 1,
		     (off_t)(uintptr_t)(memory + 2 * page_bytes));
}

static void debugger_read_end(void)
{
	EXPECT(close(memory_file) == 0);
	mapping_end();
}

static long discard(void)
{
	return madvise(memory, 4 * page_bytes, MADV_DONTNEED);
}

static void discarded_end(void)
{
	EXPECT(is_pattern(memory, 4 * page_bytes));
	mapping_end();
}

/* Three mappings of one. */
static long protect_part(void)
{
	return mprotect(memory + 3 * page_bytes, page_bytes, PROT_READ);
}

static const struct fail_call calls[] = {
	{ "REFPAGE_CREATE", NULL, create_pattern, object_end },
	{ "REFPAGE_CREATE, uniform", NULL, create_uniform, object_end },
	{ "mmap", object_new, map_try, mapped_end },
	{ "munmap", mapping_used, unmap, unmapped_end },
	{ "fault to read", mapping_new, read_page, mapping_end, true },
	{ "fault to write", mapping_new, write_page, written_end, true },
	{ "fault to write, uniform", mapping_uniform, write_page, uniform_end,
	  true },
	{ "fault to write what was read", page_read, write_page, written_end,
	  true },
	{ "fault to read in the kernel", mapping_new, kernel_read,
	  kernel_read_end },
	{ "fault to write in the kernel", kernel_write_new, kernel_write,
	  kernel_write_end },
	{ "read by a debugger", memory_file_new, debugger_read,
	  debugger_read_end, .error = EIO },
	{ "write by a debugger", memory_file_new, debugger_write,
	  debugger_write_end, .error = EIO },
	{ "madvise", mapping_used, discard, discarded_end },
	{ "mprotect", mapping_used, protect_part, mapping_end },
};

static void calls_run(void)
{
	fail_calls_run(calls, sizeof(calls) / sizeof(calls[0]), NULL, NULL);
}

static void each_call(void)
{
	group_run(calls_run);
}

static const struct check checks[] = {
	{ "each-call", each_call },
};

int main(void)
{
	page_bytes = (size_t)sysconf(_SC_PAGESIZE);
	check_begin();
	fail_begin();
	refpage_checks_run(checks, 1, NULL);
	return fail_end() ? check_finish() : 1;
}
