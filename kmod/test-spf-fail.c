// SPDX-License-Identifier: MIT
/*
 * Speculative page faults, in each mode: every call, where each thing that it
 * asks for fails once. A fault that gets no page without a lock is the kernel's.
 */
#include "test-spf.h"
#include "test-fail.h"

enum { BYTES = 8 * PAGE_BYTES };

static int object;
static unsigned char *place, *memory;

static long create_try(void)
{
	return object = mmlab_spf_create(mode);
}

static void object_end(void)
{
	EXPECT(close(object) == 0);
}

static long hook_try(void)
{
	return mmlab_spf_hook(MMLAB_SPF_HOOK_AUTO, NULL);
}

static long hold_try(void)
{
	return mmlab_spf_hold(1, memory);
}

static void object_new(void)
{
	object = create();
	place = place_find(BYTES);
}

static long map_try(void)
{
	memory = mmap(place, BYTES, rw, MAP_PRIVATE | MAP_FIXED_NOREPLACE,
		      object, 0);
	return memory == MAP_FAILED ? -1 : 0;
}

static long unmap(void)
{
	return munmap(memory, BYTES);
}

static void mapping_new(void)
{
	memory = region(BYTES);
}

/* Every second page is there: the region is armed. */
static void mapping_used(void)
{
	mapping_new();
	for (int i = 0; i < 8; i += 2)
		set(memory + i * PAGE_BYTES, (unsigned char)(i + 1));
}

static void used_end(void)
{
	for (int i = 0; i < 8; i += 2)
		EXPECT_EQ(look(memory + i * PAGE_BYTES), i + 1);
	for (int i = 1; i < 8; i += 2)
		EXPECT_EQ(look(memory + i * PAGE_BYTES), 0);
	set(memory + 7 * PAGE_BYTES, 9);
	EXPECT_EQ(look(memory + 7 * PAGE_BYTES), 9);
	EXPECT(unmap() == 0);
}

static void mapped_end(void)
{
	touch_all(memory, BYTES, true);
	content_check(memory, BYTES);
	EXPECT(unmap() == 0);
	object_end();
}

static void unmapped_end(void)
{
	EXPECT_EQ(access_signal(memory, false), SIGSEGV);
}

static long write_page(void)
{
	set(memory + PAGE_BYTES, 7);
	return 0;
}

static void written_end(void)
{
	EXPECT_EQ(look(memory + PAGE_BYTES), 7);
	EXPECT(unmap() == 0);
}

static long read_page(void)
{
	EXPECT_EQ(look(memory + PAGE_BYTES), 0);
	return 0;
}

static void read_end(void)
{
	EXPECT_EQ(look(memory + PAGE_BYTES), 0);
	EXPECT(unmap() == 0);
}

static long kernel_write(void)
{
	return fail_kernel_write(memory + PAGE_BYTES);
}

static void kernel_prepare(void)
{
	mapping_used();
	fail_pipe_fill();
}

static void kernel_end(void)
{
	EXPECT_EQ(look(memory + PAGE_BYTES), 'k');
	EXPECT(unmap() == 0);
}

/* A child, which waits until it is told to look. */
static pid_t child;
static int child_pipe[2];

static long fork_try(void)
{
	char byte;

	child = fork();
	if (child == 0) {
		EXPECT_EQ(read(child_pipe[0], &byte, 1), 1);
		for (int i = 0; i < 8; i += 2)
			EXPECT_EQ(look(memory + i * PAGE_BYTES), i + 1);
		EXPECT_EQ(look(memory + PAGE_BYTES), 0);
		set(memory, 99);
		_exit(0);
	}
	return child;
}

static void fork_prepare(void)
{
	mapping_used();
	EXPECT(pipe2(child_pipe, O_CLOEXEC) == 0);
}

static void child_end(void)
{
	EXPECT(write(child_pipe[1], "", 1) == 1);
	EXPECT_CHILD_OK(child);
	EXPECT(close(child_pipe[0]) == 0 && close(child_pipe[1]) == 0);
}

static void fork_end(void)
{
	child_end();
	used_end();
}

static void forked(void)
{
	fork_prepare();
	EXPECT(fork_try() > 0);
}

/* A copy, as long as there is the child. */
static long write_shared(void)
{
	set(memory + 2 * PAGE_BYTES, 7);
	return 0;
}

static void shared_end(void)
{
	EXPECT_EQ(look(memory + 2 * PAGE_BYTES), 7);
	child_end();
	EXPECT_EQ(look(memory + 2 * PAGE_BYTES), 7);
	EXPECT(unmap() == 0);
}

/* Regions are split in three. */
static long unmap_part(void)
{
	return munmap(memory + 3 * PAGE_BYTES, PAGE_BYTES);
}

static void part_end(void)
{
	EXPECT_EQ(access_signal(memory + 3 * PAGE_BYTES, false), SIGSEGV);
	EXPECT_EQ(look(memory + 4 * PAGE_BYTES), 5);
	set(memory + 7 * PAGE_BYTES, 1);
	EXPECT_EQ(look(memory + 2 * PAGE_BYTES), 3);
	EXPECT(unmap() == 0);
}

static long protect_part(void)
{
	return mprotect(memory + 3 * PAGE_BYTES, PAGE_BYTES, PROT_READ);
}

static void protected_end(void)
{
	EXPECT_EQ(access_signal(memory + 3 * PAGE_BYTES, true), SIGSEGV);
	used_end();
}

static long discard(void)
{
	return madvise(memory, BYTES, MADV_DONTNEED);
}

static void discarded_end(void)
{
	for (int i = 0; i < 8; i++)
		EXPECT_EQ(look(memory + i * PAGE_BYTES), 0);
	EXPECT(unmap() == 0);
}

static unsigned char *moved;

static void move_prepare(void)
{
	mapping_used();
	moved = place_find(BYTES);
}

static long move_try(void)
{
	return mremap(memory, BYTES, BYTES, MREMAP_MAYMOVE | MREMAP_FIXED,
		      moved) == MAP_FAILED ? -1 : 0;
}

static void moved_end(void)
{
	memory = moved;
	used_end();
}

/* The module has no part in the last ones but with regions. */
enum { N_FORKS = 2 };

static const struct fail_call calls[] = {
	{ "SPF_CREATE", NULL, create_try, object_end },
	{ "SPF_HOOK", NULL, hook_try },
	{ "mmap", object_new, map_try, mapped_end },
	{ "SPF_HOLD", mapping_used, hold_try, used_end },
	{ "munmap", mapping_used, unmap, unmapped_end },
	{ "munmap of a part", mapping_used, unmap_part, part_end },
	{ "mprotect of a part", mapping_used, protect_part, protected_end },
	{ "mremap", move_prepare, move_try, moved_end },
	{ "madvise", mapping_used, discard, discarded_end },
	{ "first fault, to write", mapping_new, write_page, written_end, true },
	{ "first fault, to read", mapping_new, read_page, read_end, true },
	{ "fault to write", mapping_used, write_page, written_end, true },
	{ "fault to read", mapping_used, read_page, used_end, true },
	{ "fault in the kernel", kernel_prepare, kernel_write, kernel_end },
	{ "fork", fork_prepare, fork_try, fork_end, .error = EAGAIN },
	{ "fault to write what a child has", forked, write_shared, shared_end,
	  true },
};

/* The first fault of a child makes the region. In each child the next one fails. */
static void join(void)
{
	unsigned int n = 0;
	int status;

	mapping_used();
	do {
		pid_t pid = fork();

		n++;
		EXPECT(pid >= 0);
		if (pid == 0) {
			bool left;

			fail_open();
			fail_nth(n);
			set(memory + PAGE_BYTES, 7);
			left = fail_left_over();
			EXPECT_EQ(look(memory + PAGE_BYTES), 7);
			EXPECT_EQ(look(memory), 1);
			set(memory, 2);
			_exit(left ? EXIT_SKIP : 0);
		}
		status = check_wait(pid);
	} while (status == 0);
	if (status != EXIT_SKIP)
		_exit(status);
	used_end();
	fail_count("first fault of a child", n - 1, 0);
}

static void calls_run(void)
{
	const size_t n = sizeof(calls) / sizeof(calls[0]);

	fail_calls_run(calls, speculates ? n : n - N_FORKS, NULL, NULL);
	if (speculates)
		join();
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
	int status;

	fail_begin();
	status = modes_run(checks, 1, NULL);
	return fail_end() ? status : 1;
}
