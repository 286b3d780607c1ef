// SPDX-License-Identifier: MIT
/*
 * Shared page tables: every call, where each thing that it asks for fails once.
 * What a worker of the kernel does for a call counts as the call's own.
 */
#define CHECK_TIMEOUT_S 7200
#include "test-mshare.h"
#include "test-fail.h"

enum { BYTES = 2 * CHUNK_BYTES };

static int result_fd, file, region;
static unsigned char *memory;

static void close_result(void)
{
	EXPECT(close(result_fd) == 0);
}

/*
 * The file system: nothing else has it mounted.
 */

#define OTHER_DIR "/tmp/mshare-fail"

static long mount_try(void)
{
	return mount("msharefs", OTHER_DIR, "msharefs", 0, NULL);
}

static void mounted_end(void)
{
	EXPECT(access(OTHER_DIR "/mshare_info", R_OK) == 0);
	EXPECT(umount(OTHER_DIR) == 0);
}

static void mounted(void)
{
	EXPECT(mount_try() == 0);
}

static long umount_try(void)
{
	return umount(OTHER_DIR);
}

static const struct fail_call fs_calls[] = {
	{ "mount", NULL, mount_try, mounted_end },
	{ "umount", mounted, umount_try },
};

static void fs_calls_run(void)
{
	fail_calls_run(fs_calls, sizeof(fs_calls) / sizeof(fs_calls[0]), NULL,
		       NULL);
}

/* What is mounted again at the end stays, hence is none of the group's. */
static void each_call_of_the_file_system(void)
{
	EXPECT(umount(MMLAB_MSHARE_DIR) == 0);
	EXPECT(mkdir(OTHER_DIR, 0700) == 0 || errno == EEXIST);
	group_run(fs_calls_run);
	EXPECT(rmdir(OTHER_DIR) == 0);
	EXPECT(mount("msharefs", MMLAB_MSHARE_DIR, "msharefs", 0, NULL) == 0);
}

/*
 * Objects by name.
 */

static long name_create(void)
{
	return result_fd = open(SHARE_PATH, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
}

static long name_remove(void)
{
	return unlink(SHARE_PATH);
}

static void name_end(void)
{
	close_result();
	EXPECT(name_remove() == 0);
}

static void name_new(void)
{
	EXPECT(name_create() >= 0);
}

static void name_closed(void)
{
	name_new();
	close_result();
}

static long size_by_ftruncate(void)
{
	return ftruncate(result_fd, BYTES);
}

static long size_by_fallocate(void)
{
	return fallocate(result_fd, 0, 0, BYTES);
}

static void sized_end(void)
{
	struct stat status;

	EXPECT(fstat(result_fd, &status) == 0);
	EXPECT_EQ(status.st_size, BYTES);
	name_end();
}

static long map_result(int prot)
{
	memory = mmap(NULL, BYTES, prot, MAP_SHARED, result_fd, 0);
	return memory == MAP_FAILED ? -1 : 0;
}

static long map_to_write(void)
{
	return map_result(PROT_READ | PROT_WRITE);
}

static long map_to_read(void)
{
	return map_result(PROT_READ);
}

static long unmap(void)
{
	return munmap(memory, BYTES);
}

/* What every mapping for writing can do. */
static void works(void)
{
	EXPECT_EQ(memory[CHUNK_BYTES], 0);
	memory[CHUNK_BYTES + 1] = 3;
	EXPECT_EQ(memory[CHUNK_BYTES + 1], 3);
}

static void mapped_end(void)
{
	works();
	EXPECT(unmap() == 0);
	name_end();
}

static void mapped_new(void)
{
	name_new();
	EXPECT(map_to_write() == 0);
}

/* The first page is written: one table is there, and attached. */
static void used_new(void)
{
	mapped_new();
	memory[0] = 1;
}

static void used_end(void)
{
	EXPECT_EQ(memory[0], 1);
	mapped_end();
}

static void unmapped_end(void)
{
	EXPECT_EQ(access_signal(memory, false), SIGSEGV);
	name_end();
}

static unsigned char *writer;

static void writer_new(void)
{
	used_new();
	writer = memory;
}

static void writer_end(void)
{
	EXPECT(munmap(writer, BYTES) == 0);
	name_end();
}

static void reader_end(void)
{
	EXPECT_EQ(memory[0], 1);
	EXPECT(unmap() == 0);
	writer_end();
}

/* Two mappings; the second one has never been touched. */
static void second_new(void)
{
	writer_new();
	EXPECT(map_to_write() == 0);
}

static void reader_new(void)
{
	writer_new();
	EXPECT(map_to_read() == 0);
}

static long read_range(void)
{
	struct mmlab_mshare_range range;

	return pread(result_fd, &range, sizeof(range), 0);
}

static long sync_try(void)
{
	return fsync(result_fd);
}

/*
 * Commands.
 */

static long protect_none(void)
{
	return mmlab_mshare_protect(memory, page_bytes, PROT_NONE);
}

static long protect_read(void)
{
	return mmlab_mshare_protect(memory, page_bytes, PROT_READ);
}

static void protect_end(void)
{
	EXPECT_EQ(access_signal(memory, true), SIGSEGV);
	works();
	EXPECT(unmap() == 0);
	name_end();
}

static void protected_new(void)
{
	used_new();
	EXPECT(protect_read() == 0);
}

static long protect_write(void)
{
	return mmlab_mshare_protect(memory, page_bytes, PROT_READ | PROT_WRITE);
}

static long flush_try(void)
{
	return mmlab_mshare_flush(memory, MMLAB_MSHARE_FLUSH_UNION);
}

static long info_try(void)
{
	struct mmlab_mshare_info info;

	return mmlab_mshare_info(memory, &info);
}

/* Pages of two tables: more of them would only fail in the same way. */
static long populate_try(void)
{
	return mmlab_mshare_populate(memory + CHUNK_BYTES - 3 * page_bytes,
				     6 * page_bytes);
}

static void adopt_new(void)
{
	name_new();
	writer = mmap((void *)TB(40), BYTES, PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
	EXPECT(writer != MAP_FAILED);
	writer[0] = 1;
}

static long adopt_try(void)
{
	struct mmlab_mshare_adopt arg = {
		.size = sizeof(arg),
		.addr = (uintptr_t)writer,
		.bytes = BYTES,
		.fd = result_fd,
	};
	int device = open(MMLAB_DEVICE, O_RDWR | O_CLOEXEC);
	int result, error;

	if (device < 0)
		return -1;
	result = ioctl(device, MMLAB_IOC_MSHARE_ADOPT, &arg);
	error = errno;
	(void)close(device);
	errno = error;
	return result;
}

static void adopted_end(void)
{
	EXPECT(map_to_write() == 0);
	EXPECT_EQ(memory[0], 1);
	EXPECT(munmap(writer, BYTES) == 0);
	mapped_end();
}

/*
 * Faults.
 */

static long write_try(void)
{
	memory[CHUNK_BYTES] = 7;
	return 0;
}

static void written_end(void)
{
	EXPECT_EQ(memory[CHUNK_BYTES], 7);
	EXPECT(unmap() == 0);
	name_end();
}

static long read_try(void)
{
	(void)*(volatile unsigned char *)memory;
	return 0;
}

static void write_after_read_new(void)
{
	mapped_new();
	(void)*(volatile unsigned char *)(memory + CHUNK_BYTES);
}

static void kernel_prepare(void)
{
	mapped_new();
	fail_pipe_fill();
}

static long kernel_try(void)
{
	return fail_kernel_write(memory + CHUNK_BYTES);
}

static void kernel_end(void)
{
	EXPECT_EQ(memory[CHUNK_BYTES], 'k');
	EXPECT(unmap() == 0);
	name_end();
}

static int memory_file;

static void debugger_prepare(void)
{
	mapped_new();
	memory_file = open("/proc/self/mem", O_RDWR | O_CLOEXEC);
	EXPECT(memory_file >= 0);
}

static long debugger_try(void)
{
	return pwrite(memory_file, "\7", 1,
		      (off_t)(uintptr_t)(memory + CHUNK_BYTES));
}

static void debugger_end(void)
{
	EXPECT(close(memory_file) == 0);
	written_end();
}

static pid_t child;

static long fork_try(void)
{
	child = fork();
	if (child == 0)
		_exit(memory[0] == 1 ? 0 : 1);
	return child;
}

static void fork_end(void)
{
	EXPECT_CHILD_OK(child);
	used_end();
}

/*
 * Parts of files.
 */

static int part_prot;

static void part_new(void)
{
	file = file_new(BYTES);
	part_prot = PROT_READ | PROT_WRITE;
}

static void part_new_to_read(void)
{
	part_new();
	part_prot = PROT_READ;
}

static long part_try(void)
{
	memory = mmlab_mmap_shared_pt(NULL, BYTES, part_prot,
				      MAP_SHARED | MAP_SHARED_PT, file, 0);
	return memory == MAP_FAILED ? -1 : 0;
}

static void part_end(void)
{
	EXPECT_EQ(memory[CHUNK_BYTES], 0);
	if (part_prot & PROT_WRITE)
		works();
	EXPECT(unmap() == 0);
	EXPECT(close(file) == 0);
}

static void part_found(void)
{
	part_new();
	EXPECT(part_try() == 0);
	writer = memory;
}

static void part_found_end(void)
{
	EXPECT(munmap(writer, BYTES) == 0);
	part_end();
}

/*
 * Regions.
 */

/* Both kinds of tables are there, and memory is mapped in all of it. */
static void region_new(void)
{
	name_new();
	EXPECT(size_by_ftruncate() == 0);
	region = result_fd;
	EXPECT(region_create_memory(region, 0, BYTES) == 0);
	EXPECT(map_to_read() == 0);
	writer = memory;
	EXPECT(map_to_write() == 0);
	memory[CHUNK_BYTES] = 5;
	EXPECT_EQ(writer[CHUNK_BYTES], 5);
	file = file_new(BYTES);
}

/* In the middle of a table, over memory that is in use. */
static long create_file_try(void)
{
	return region_create_file(region, CHUNK_BYTES, 3 * page_bytes, file, 0);
}

static long create_memory_try(void)
{
	return region_create_memory(region, CHUNK_BYTES, 3 * page_bytes);
}

static void region_end(void)
{
	EXPECT(close(file) == 0);
	EXPECT(unmap() == 0);
	writer_end();
}

static void created_end(void)
{
	EXPECT_EQ(writer[CHUNK_BYTES], 0);
	memory[CHUNK_BYTES] = 6;
	EXPECT_EQ(writer[CHUNK_BYTES], 6);
	memory[0] = 1;
	region_end();
}

static long region_unmap_try(void)
{
	return region_unmap(region, CHUNK_BYTES, 3 * page_bytes);
}

static void region_unmap_end(void)
{
	EXPECT_EQ(access_signal(memory + CHUNK_BYTES, false), SIGSEGV);
	EXPECT_EQ(access_signal(writer + CHUNK_BYTES, false), SIGSEGV);
	memory[0] = 1;
	region_end();
}

/* After an error there may be nothing, but nothing else, and for both alike. */
static void region_again(int error)
{
	int signal = access_signal(memory + CHUNK_BYTES, false);

	(void)error;
	EXPECT(signal == 0 || signal == SIGSEGV);
	EXPECT_EQ(access_signal(writer + CHUNK_BYTES, false), signal);
	if (!signal) {
		EXPECT_EQ(memory[CHUNK_BYTES], 5);
		EXPECT_EQ(writer[CHUNK_BYTES], 5);
	}
	memory[0] = 1;
}

static long protect_region_try(void)
{
	return mmlab_mshare_protect(memory + CHUNK_BYTES, page_bytes,
				    PROT_NONE);
}

static const struct fail_call name_calls[] = {
	{ "open that creates", NULL, name_create, name_end },
	{ "unlink", name_closed, name_remove },
	{ "ftruncate", name_new, size_by_ftruncate, sized_end },
	{ "fallocate", name_new, size_by_fallocate, sized_end },
	{ "mmap, the first", name_new, map_to_write, mapped_end },
	{ "mmap, one more to read", writer_new, map_to_read, reader_end },
	{ "munmap", used_new, unmap, unmapped_end },
	{ "read of the range", used_new, read_range, used_end },
	{ "fsync", used_new, sync_try, used_end },
};

static const struct fail_call command_calls[] = {
	{ "MSHARE_PROTECT to none", used_new, protect_none, protect_end },
	{ "MSHARE_PROTECT to read", used_new, protect_read, protect_end },
	{ "MSHARE_PROTECT to write", protected_new, protect_write, used_end },
	{ "MSHARE_PROTECT for both kinds", region_new, protect_region_try,
	  region_unmap_end },
	{ "MSHARE_FLUSH", used_new, flush_try, used_end },
	{ "MSHARE_INFO", used_new, info_try, used_end },
	{ "MSHARE_POPULATE", used_new, populate_try, used_end },
	{ "MSHARE_ADOPT", adopt_new, adopt_try, adopted_end },
};

static const struct fail_call part_calls[] = {
	{ "MSHARE_FILE and mmap", part_new, part_try, part_end },
	{ "MSHARE_FILE and mmap to read", part_new_to_read, part_try,
	  part_end },
	{ "MSHARE_FILE and mmap, one more", part_found, part_try,
	  part_found_end },
};

static const struct fail_call region_calls[] = {
	{ "CREATE_MAPPING of a file", region_new, create_file_try, created_end,
	  .again = region_again },
	{ "CREATE_MAPPING of memory", region_new, create_memory_try,
	  created_end, .again = region_again },
	{ "UNMAP", region_new, region_unmap_try, region_unmap_end,
	  .again = region_again },
};

static const struct fail_call fault_calls[] = {
	{ "fault to write", mapped_new, write_try, written_end, true },
	{ "fault to write what was read", write_after_read_new, write_try,
	  written_end, true },
	{ "fault to read", mapped_new, read_try, mapped_end, true },
	{ "fault that attaches", second_new, read_try, reader_end, true },
	{ "fault that attaches, to read", reader_new, read_try, reader_end,
	  true },
	{ "fault in the kernel", kernel_prepare, kernel_try, kernel_end },
	{ "write by a debugger", debugger_prepare, debugger_try, debugger_end,
	  .error = EIO },
	{ "fork", used_new, fork_try, fork_end, .error = EAGAIN },
};

/* The first fault of a child makes a guest of it. In each the next one fails. */
static void join(void)
{
	unsigned int n = 0;
	int status;

	used_new();
	do {
		pid_t pid = fork_child();

		n++;
		if (pid == 0) {
			bool left;

			fail_open();
			fail_nth(n);
			memory[1] = 7;
			left = fail_left_over();
			EXPECT_EQ(memory[0], 1);
			EXPECT_EQ(memory[1], 7);
			_exit(left ? EXIT_SKIP : 0);
		}
		status = check_wait(pid);
	} while (status == 0);
	if (status != EXIT_SKIP)
		_exit(status);
	used_end();
	fail_count("first fault of a child", n - 1, 0);
}

/* What a call that went wrong has left. */
static void name_forget(void)
{
	(void)unlink(SHARE_PATH);
}

#define CALLS_RUN(calls)                                                      \
	fail_calls_run(calls, sizeof(calls) / sizeof((calls)[0]), name_forget, \
		       NULL)

static void names_run(void)
{
	CALLS_RUN(name_calls);
}

static void each_call_by_name(void)
{
	group_run(names_run);
}

static void commands_run(void)
{
	CALLS_RUN(command_calls);
}

static void each_command(void)
{
	group_run(commands_run);
}

static void parts_run(void)
{
	CALLS_RUN(part_calls);
}

static void each_call_for_parts_of_files(void)
{
	group_run(parts_run);
}

static void regions_run(void)
{
	CALLS_RUN(region_calls);
}

static void each_change_of_a_region(void)
{
	group_run(regions_run);
}

static void faults_run(void)
{
	CALLS_RUN(fault_calls);
	join();
}

static void each_fault(void)
{
	group_run(faults_run);
}

static const struct check checks[] = {
	{ "each-call-of-the-file-system", each_call_of_the_file_system },
	{ "each-call-by-name", each_call_by_name },
	{ "each-command", each_command },
	{ "each-call-for-parts-of-files", each_call_for_parts_of_files },
	{ "each-change-of-a-region", each_change_of_a_region },
	{ "each-fault", each_fault },
};

int main(int argc, char **argv)
{
	int status;

	fail_begin();
	status = mshare_checks_run(checks, sizeof(checks) / sizeof(checks[0]),
				   argc > 1 ? argv[1] : NULL);
	return fail_end() ? status : 1;
}
