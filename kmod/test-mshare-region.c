// SPDX-License-Identifier: MIT
/*
 * Regions of msharefs: sized once, and files and memory mapped into them piece
 * by piece for all guests at once. That tables stay where they are is what most
 * can go wrong in: many checks ask whether they do.
 */
#include "test-mshare.h"

#include <sys/syscall.h>

enum { RW = PROT_READ | PROT_WRITE, FLAGS = MAP_SHARED | MAP_FIXED };

static int region_new(size_t bytes)
{
	int fd = open(SHARE_PATH, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	EXPECT(fd >= 0);
	EXPECT(ftruncate(fd, (off_t)bytes) == 0);
	return fd;
}

static unsigned char *region_map(int fd, size_t bytes, int prot)
{
	unsigned char *memory = mmap(NULL, bytes, prot, MAP_SHARED, fd, 0);

	EXPECT(memory != MAP_FAILED);
	return memory;
}

/* A file whose pages begin with @byte, and @byte + 1, and so on. */
static int piece_new(size_t bytes, unsigned char byte)
{
	int fd = memfd_create("piece", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	EXPECT(fd >= 0);
	EXPECT(ftruncate(fd, (off_t)bytes) == 0);
	for (size_t i = 0; i < bytes / page_bytes; i++, byte++)
		EXPECT(pwrite(fd, &byte, 1, (off_t)(i * page_bytes)) == 1);
	return fd;
}

static void size_is_given_once(void)
{
	int fd = open(SHARE_PATH, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	struct mmlab_mshare_range range;
	unsigned char *memory;
	struct stat st;
	int reader;

	EXPECT(fd >= 0);
	EXPECT_ERRNO(region_create_memory(fd, 0, page_bytes), EINVAL);
	EXPECT_ERRNO(region_unmap(fd, 0, page_bytes), EINVAL);
	EXPECT_ERRNO(ftruncate(fd, (off_t)page_bytes), EINVAL);
	EXPECT_ERRNO(ftruncate(fd, MB(3)), EINVAL);
	EXPECT_ERRNO(ftruncate(fd, -1), EINVAL);
	EXPECT_ERRNO(fallocate(fd, 0, 0, MB(3)), EINVAL);
	EXPECT_ERRNO(fallocate(fd, 0, MB(2), MB(2)), EINVAL);
	EXPECT_ERRNO(fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, MB(2)), EOPNOTSUPP);
	/* More than an address space holds. */
	EXPECT_ERRNO(ftruncate(fd, (off_t)TB(128)), ENOMEM);
	reader = open(SHARE_PATH, O_RDONLY | O_CLOEXEC);
	EXPECT_ERRNO(ftruncate(reader, MB(4)), EINVAL);
	EXPECT_ERRNO(fallocate(reader, 0, 0, MB(4)), EBADF);
	EXPECT(fstat(fd, &st) == 0);
	EXPECT_EQ(st.st_size, 0);
	EXPECT_EQ(check_stat(MMLAB_MSHARE_STAT_LIVE_HOSTS), 0);

	EXPECT(ftruncate(fd, MB(4)) == 0);
	EXPECT_ERRNO(ftruncate(fd, MB(4)), EINVAL);
	EXPECT_ERRNO(ftruncate(fd, MB(2)), EINVAL);
	EXPECT_ERRNO(fallocate(fd, 0, 0, MB(4)), EINVAL);
	EXPECT(ftruncate(fd, 0) == 0);
	EXPECT(close(open(SHARE_PATH, O_RDWR | O_TRUNC | O_CLOEXEC)) == 0);
	EXPECT(fstat(fd, &st) == 0);
	EXPECT_EQ(st.st_size, MB(4));

	EXPECT(mmap(NULL, MB(2), RW, MAP_SHARED, fd, 0) == MAP_FAILED);
	EXPECT_EQ(errno, EINVAL);
	EXPECT(mmap(NULL, MB(4), RW, MAP_PRIVATE, fd, 0) == MAP_FAILED);
	EXPECT_EQ(errno, EINVAL);
	EXPECT_EQ(read(fd, &range, sizeof(range)), 0);
	/* Here the first mapping may be for reading. */
	memory = region_map(reader, MB(4), PROT_READ);
	EXPECT_EQ(pread(fd, &range, sizeof(range), 0), sizeof(range));
	EXPECT_EQ(range.start, (uintptr_t)memory);
	EXPECT_EQ(range.bytes, MB(4));
	EXPECT_EQ(access_signal(memory, false), SIGSEGV);
	EXPECT(unlink(SHARE_PATH) == 0);

	/* Without a size before, the first mapping gives it. */
	memory = share_new(MB(2));
	fd = open(SHARE_PATH, O_RDWR | O_CLOEXEC);
	EXPECT_ERRNO(ftruncate(fd, MB(4)), EINVAL);
	EXPECT(fstat(fd, &st) == 0);
	EXPECT_EQ(st.st_size, MB(2));
	EXPECT(unlink(SHARE_PATH) == 0);

	/* By the other call, and more than two gigabytes. */
	fd = open(SHARE_PATH, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	EXPECT(fallocate(fd, 0, 0, (off_t)MB(6 << 10)) == 0);
	memory = region_map(fd, MB(6 << 10), RW);
	EXPECT(region_create_memory(fd, MB(5 << 10), MB(2)) == 0);
	memory[MB(5 << 10)] = 'A';
	EXPECT_EQ(memory[MB(5 << 10)], 'A');
	EXPECT(unlink(SHARE_PATH) == 0);
}

static void create_bad(void)
{
	int fd = region_new(MB(4)), file = piece_new(MB(4), 1);
	int reader = open(SHARE_PATH, O_RDONLY | O_CLOEXEC);
	int read_only, pipes[2];
	char path[64];

	EXPECT_ERRNO(ioctl(fd, _IOW('x', 2, struct mshare_create), NULL), ENOTTY);
	EXPECT_ERRNO(ioctl(fd, 0), ENOTTY);
	EXPECT_ERRNO(ioctl(fd, MSHAREFS_CREATE_MAPPING, NULL), EFAULT);
	EXPECT_ERRNO(ioctl(fd, MSHAREFS_UNMAP, NULL), EFAULT);
	EXPECT_ERRNO(region_create_memory(reader, 0, MB(2)), EACCES);
	EXPECT_ERRNO(region_unmap(reader, 0, MB(2)), EACCES);
	EXPECT_ERRNO(region_create_memory(open(MMLAB_MSHARE_DIR "/mshare_info", O_RDONLY), 0, MB(2)), ENOTTY);

	/* Each wrong number by itself, for each command. */
	EXPECT_ERRNO(region_create_file(fd, 1, page_bytes, file, 0), EINVAL);
	EXPECT_ERRNO(region_create_file(fd, 0, 0, file, 0), EINVAL);
	EXPECT_ERRNO(region_create_file(fd, 0, 1, file, 0), EINVAL);
	EXPECT_ERRNO(region_create_file(fd, 0, page_bytes, file, 1), EINVAL);
	EXPECT_ERRNO(region_create_file(fd, 0, page_bytes, file, -page_bytes), EINVAL);
	EXPECT_ERRNO(region_create_file(fd, MB(4), page_bytes, file, 0), EINVAL);
	EXPECT_ERRNO(region_create_file(fd, MB(2), MB(4), file, 0), EINVAL);
	EXPECT_ERRNO(region_create_file(fd, MB(2), -page_bytes, file, 0), EINVAL);
	EXPECT_ERRNO(region_create_file(fd, -page_bytes, MB(2), file, 0), EINVAL);
	EXPECT_ERRNO(region_unmap(fd, 1, page_bytes), EINVAL);
	EXPECT_ERRNO(region_unmap(fd, 0, 0), EINVAL);
	EXPECT_ERRNO(region_unmap(fd, 0, 1), EINVAL);
	EXPECT_ERRNO(region_unmap(fd, MB(4), page_bytes), EINVAL);
	EXPECT_ERRNO(region_unmap(fd, MB(2), MB(4)), EINVAL);
	EXPECT_ERRNO(region_unmap(fd, MB(2), -page_bytes), EINVAL);

	EXPECT_ERRNO(region_create(fd, 0, MB(2), file, 0, RW, MAP_SHARED), EINVAL);
	EXPECT_ERRNO(region_create(fd, 0, MB(2), file, 0, RW, MAP_FIXED), EINVAL);
	EXPECT_ERRNO(region_create(fd, 0, MB(2), file, 0, RW, MAP_PRIVATE | MAP_FIXED), EINVAL);
	EXPECT_ERRNO(region_create(fd, 0, MB(2), file, 0, RW, FLAGS | MAP_HUGETLB), EINVAL);
	EXPECT_ERRNO(region_create(fd, 0, MB(2), -1, 0, RW, FLAGS | MAP_ANONYMOUS | MAP_HUGETLB), EINVAL);
	EXPECT_ERRNO(region_create(fd, 0, MB(2), file, 0, RW, FLAGS | MAP_LOCKED), EINVAL);
	EXPECT_ERRNO(region_create(fd, 0, MB(2), file, 0, PROT_NONE, FLAGS), EINVAL);
	EXPECT_ERRNO(region_create(fd, 0, MB(2), file, 0, PROT_WRITE, FLAGS), EINVAL);
	EXPECT_ERRNO(region_create(fd, 0, MB(2), file, 0, PROT_READ | PROT_EXEC, FLAGS), EINVAL);

	EXPECT_ERRNO(region_create_file(fd, 0, MB(2), -1, 0), EBADF);
	EXPECT_ERRNO(region_create_file(fd, 0, MB(2), 999, 0), EBADF);
	EXPECT(pipe(pipes) == 0);
	EXPECT_ERRNO(region_create_file(fd, 0, MB(2), pipes[0], 0), EINVAL);
	EXPECT_ERRNO(region_create_file(fd, 0, MB(2), fd, 0), EINVAL);
	EXPECT_ERRNO(region_create(fd, 0, MB(2), open("/proc/self/maps", O_RDONLY), 0, PROT_READ, FLAGS), ENODEV);
	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", file);
	read_only = open(path, O_RDONLY | O_CLOEXEC);
	EXPECT_ERRNO(region_create_file(fd, 0, MB(2), read_only, 0), EACCES);
	EXPECT_ERRNO(region_create(fd, 0, MB(2), open(path, O_WRONLY), 0, PROT_READ, FLAGS), EACCES);
	EXPECT(fcntl(file, F_ADD_SEALS, F_SEAL_WRITE) == 0);
	EXPECT_ERRNO(region_create_file(fd, 0, MB(2), file, 0), EPERM);

	/* None of that has left anything. */
	EXPECT_EQ(access_signal(region_map(fd, MB(4), RW), false), SIGSEGV);
	EXPECT(region_create(fd, 0, MB(2), read_only, 0, PROT_READ, FLAGS) == 0);
	EXPECT(unlink(SHARE_PATH) == 0);
}

static void create_huge_file_refused(void)
{
	int fd = region_new(MB(4)), huge = memfd_create("huge", MFD_HUGETLB);

	EXPECT(unlink(SHARE_PATH) == 0);
	if (huge < 0)
		SKIP("no huge pages: %s", strerror(errno));
	EXPECT(ftruncate(huge, MB(2)) == 0);
	EXPECT_ERRNO(region_create_file(fd, 0, MB(2), huge, 0), EINVAL);
}

/* Errors that show at the end of a range: what was there stays. */
static void create_beyond_the_largest_offset(void)
{
	static const size_t offsets[] = { 0x7fffffffffffe000, 0x7fffffffffff0000, 0xffffffffffff0000 };
	int fd = region_new(MB(4)), file = piece_new(MB(4), 1);
	unsigned char *memory = region_map(fd, MB(4), RW);

	EXPECT(region_create_file(fd, 0, MB(4), file, 0) == 0);
	EXPECT_EQ(memory[0], 1);
	for (size_t i = 0; i < sizeof(offsets) / sizeof(offsets[0]); i++)
		EXPECT_ERRNO(region_create_file(fd, 0, 64 << 10, file, offsets[i]), EINVAL);
	EXPECT_EQ(memory[0], 1);
	EXPECT(unlink(SHARE_PATH) == 0);
}

static void create_secret_memory_refused(void)
{
	int secret = (int)syscall(SYS_memfd_secret, 0), fd;

	if (secret < 0)
		SKIP("no secret memory: %s", strerror(errno));
	fd = region_new(MB(4));
	EXPECT(unlink(SHARE_PATH) == 0);
	EXPECT(ftruncate(secret, MB(2)) == 0);
	EXPECT_ERRNO(region_create_file(fd, 0, MB(2), secret, 0), EINVAL);
	EXPECT(mmlab_mmap_shared_pt(NULL, MB(2), PROT_READ, MAP_SHARED | MAP_SHARED_PT, secret, 0) == MAP_FAILED);
	EXPECT_EQ(errno, EINVAL);
}

/* Who writes may go on, who comes later may not. */
static void sealed_pieces(void)
{
	int fd = region_new(MB(4)), file = piece_new(MB(4), 1);
	unsigned char *memory = region_map(fd, MB(4), RW);

	EXPECT(region_create_file(fd, MB(1), MB(2), file, 0) == 0);
	EXPECT(munmap(region_map(fd, MB(4), RW), MB(4)) == 0);
	EXPECT(fcntl(file, F_ADD_SEALS, F_SEAL_FUTURE_WRITE) == 0);
	EXPECT_EQ(access_signal(memory + MB(1), true), 0);
	/* It could be made writable again. */
	EXPECT(mmlab_mshare_protect(memory + MB(1), MB(2), PROT_READ) == 0);
	EXPECT(mmap(NULL, MB(4), RW, MAP_SHARED, fd, 0) == MAP_FAILED);
	EXPECT_EQ(errno, EPERM);
	EXPECT_EQ(access_signal(region_map(fd, MB(4), PROT_READ) + MB(1), false), 0);
	EXPECT_ERRNO(region_create_file(fd, 0, MB(1), file, 0), EPERM);
	EXPECT(region_unmap(fd, MB(1), MB(2)) == 0);
	EXPECT(region_create(fd, 0, MB(1), file, 0, PROT_READ, FLAGS) == 0);
	EXPECT(munmap(region_map(fd, MB(4), RW), MB(4)) == 0);
	EXPECT(unlink(SHARE_PATH) == 0);
}

/* However many pieces: access can be taken back, and the region changes again. */
static void unmap_at_the_limit(void)
{
	static const char map_limit[] = "/proc/sys/vm/max_map_count";
	enum { LIMIT = 200, BYTES = 8 << 20 };
	int fd = region_new(BYTES), file = piece_new(BYTES, 1);
	unsigned char *memory, *reader;
	size_t end = 0;
	pid_t pid;

	/* The limit is for all processes: it goes back whatever happens here. */
	pid = fork_child();
	if (pid != 0) {
		int status = check_wait(pid);

		(void)setting_write(map_limit, 65530);
		EXPECT(unlink(SHARE_PATH) == 0);
		_exit(status);
	}
	memory = region_map(fd, BYTES, RW);
	reader = region_map(fd, BYTES, PROT_READ);
	(void)setting_write(map_limit, LIMIT);
	while (region_create_file(fd, end, page_bytes, file, end) == 0)
		end += 2 * page_bytes;
	EXPECT_EQ(errno, ENOMEM);
	EXPECT(end > 90 * page_bytes * 2);
	EXPECT_EQ(access_signal(memory + end, false), SIGSEGV);
	for (size_t i = 0; i < end; i += 2 * page_bytes) {
		EXPECT_EQ(memory[i], (unsigned char)(1 + i / page_bytes));
		EXPECT_EQ(reader[i], memory[i]);
	}

	/* It may fail, yet nobody has access. */
	(void)setting_write(map_limit, LIMIT / 2);
	EXPECT_ERRNO(region_unmap(fd, 0, page_bytes), ENOMEM);
	EXPECT_EQ(access_signal(memory, false), SIGSEGV);
	EXPECT_EQ(access_signal(reader, false), SIGSEGV);
	EXPECT_EQ(memory[2 * page_bytes], 3);
	EXPECT_ERRNO(region_unmap(fd, 0, BYTES), ENOMEM);
	for (size_t i = 0; i < end; i += page_bytes) {
		EXPECT_EQ(access_signal(memory + i, false), SIGSEGV);
		EXPECT_EQ(access_signal(reader + i, false), SIGSEGV);
	}

	/* Nothing of that stays. */
	(void)setting_write(map_limit, 65530);
	EXPECT(region_unmap(fd, 0, page_bytes) == 0);
	EXPECT(region_create_file(fd, 0, BYTES, file, 0) == 0);
	EXPECT_EQ(memory[0], 1);
	EXPECT_EQ(reader[end], (unsigned char)(1 + end / page_bytes));
	EXPECT(region_unmap(fd, 0, BYTES) == 0);
	EXPECT_EQ(access_signal(memory + page_bytes, false), SIGSEGV);
	EXPECT_EQ(access_signal(reader + page_bytes, false), SIGSEGV);
	EXPECT(fcntl(file, F_ADD_SEALS, F_SEAL_WRITE) == 0);
	_exit(0);
}

/* Half a million steps, of which few are made. */
static void unmap_is_killed(void)
{
	size_t bytes = (size_t)TB(1), last = bytes - page_bytes;
	int fd = region_new(bytes);
	unsigned char *memory = region_map(fd, bytes, RW);
	unsigned char *reader = region_map(fd, bytes, PROT_READ);
	pid_t pid;

	EXPECT(region_create_memory(fd, 0, page_bytes) == 0);
	EXPECT(region_create_memory(fd, last, page_bytes) == 0);
	memory[0] = 'A';
	memory[last] = 'B';
	EXPECT_EQ(reader[last], 'B');
	pid = fork_child();
	if (pid == 0) {
		(void)region_unmap(fd, 0, bytes);
		_exit(0);
	}
	while (access_signal(memory, false) == 0)
		(void)usleep(100);
	EXPECT(kill(pid, SIGKILL) == 0);
	EXPECT(waitpid(pid, NULL, 0) == pid);
	EXPECT_EQ(access_signal(memory + last, false), SIGSEGV);
	EXPECT_EQ(access_signal(reader + last, false), SIGSEGV);

	/* So it was not made to the end, and can be changed. */
	EXPECT(mmlab_mshare_protect(memory + last, page_bytes, RW) == 0);
	EXPECT_EQ(memory[last], 'B');
	EXPECT_EQ(reader[last], 'B');
	EXPECT(region_unmap(fd, last, page_bytes) == 0);
	EXPECT_EQ(access_signal(memory + last, false), SIGSEGV);
	EXPECT_ERRNO(mmlab_mshare_protect(memory + last, page_bytes, RW), ENOMEM);
	EXPECT(unlink(SHARE_PATH) == 0);
}

/* The program in the proposal's documentation, with a smaller buffer. */
static void program_of_2025(void)
{
	enum { BUF_SIZE = 256 << 20 };
	struct mshare_create mcreate = { 0 };
	struct stat sb;
	char *addr;
	pid_t pid;
	int fd;

	fd = open("/sys/fs/mshare/shareme", O_RDWR | O_CREAT | O_EXCL, 0600);
	EXPECT(fd >= 0);
	EXPECT(ftruncate(fd, BUF_SIZE) == 0);
	mcreate.region_offset = 0;
	mcreate.size = BUF_SIZE;
	mcreate.offset = 0;
	mcreate.prot = PROT_READ | PROT_WRITE;
	mcreate.flags = MAP_ANONYMOUS | MAP_SHARED | MAP_FIXED;
	mcreate.fd = (__u32)-1;
	EXPECT(ioctl(fd, MSHAREFS_CREATE_MAPPING, &mcreate) == 0);
	addr = mmap(NULL, BUF_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	EXPECT(addr != MAP_FAILED);
	strcpy(addr, "Write and read to mshared region normally");

	pid = fork_child();
	if (pid == 0) {
		EXPECT(munmap(addr, BUF_SIZE) == 0);
		fd = open("/sys/fs/mshare/shareme", O_RDWR);
		EXPECT(fstat(fd, &sb) == 0);
		addr = mmap(NULL, (size_t)sb.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
		EXPECT(addr != MAP_FAILED);
		EXPECT(!strcmp(addr, "Write and read to mshared region normally"));
		addr[0] = 'w';
		_exit(0);
	}
	EXPECT_CHILD_OK(pid);
	EXPECT_EQ(addr[0], 'w');
	EXPECT(unlink("/sys/fs/mshare/shareme") == 0);
}

/* Memory and two files, some within the reach of one table. */
static void pieces_are_mapped(void)
{
	int fd = region_new(MB(8)), first = piece_new(MB(4), 1);
	int second = piece_new(MB(4), 101);
	unsigned char *before = region_map(fd, MB(8), RW), *memory, *reader;
	pid_t pid;

	EXPECT(region_create_file(fd, 0, 3 * page_bytes, first, page_bytes) == 0);
	EXPECT(region_create_memory(fd, 3 * page_bytes, 2 * page_bytes) == 0);
	EXPECT(region_create_file(fd, 5 * page_bytes, MB(3), second, 0) == 0);
	memory = region_map(fd, MB(8), RW);
	reader = region_map(fd, MB(8), PROT_READ);
	/* The kernel's own mapping of the same. */
	EXPECT(region_create(fd, MB(6), MB(1), first, 0, PROT_READ, FLAGS) == 0);

	for (int i = 0; i < 3; i++) {
		unsigned char *guest = i == 0 ? before : i == 1 ? memory : reader;

		EXPECT_EQ(guest[0], 2);
		EXPECT_EQ(guest[2 * page_bytes], 4);
		EXPECT_EQ(guest[3 * page_bytes], 0);
		EXPECT_EQ(guest[5 * page_bytes], 101);
		EXPECT_EQ(guest[5 * page_bytes + MB(3) - page_bytes], (unsigned char)(101 + MB(3) / page_bytes - 1));
		EXPECT_EQ(access_signal(guest + 5 * page_bytes + MB(3), false), SIGSEGV);
		EXPECT_EQ(access_signal(guest + MB(8) - 1, false), SIGSEGV);
		EXPECT_EQ(guest[MB(6)], 1);
		EXPECT_EQ(access_signal(guest + MB(6), true), SIGSEGV);
	}
	memory[3 * page_bytes] = 'A';
	before[2 * page_bytes] = 'B';
	EXPECT_EQ(reader[3 * page_bytes], 'A');
	/* The same page by another piece, and by the file itself. */
	EXPECT_EQ(reader[MB(6) + 3 * page_bytes], 'B');
	EXPECT(pwrite(first, "C", 1, (off_t)(3 * page_bytes)) == 1);
	EXPECT_EQ(memory[2 * page_bytes], 'C');

	EXPECT(close(first) == 0 && close(second) == 0 && close(fd) == 0);
	pid = fork_child();
	if (pid == 0) {
		EXPECT_EQ(reader[3 * page_bytes], 'A');
		memory[5 * page_bytes] = 'D';
		EXPECT_EQ(access_signal(memory + MB(7), false), SIGSEGV);
		_exit(0);
	}
	EXPECT_CHILD_OK(pid);
	EXPECT_EQ(before[5 * page_bytes], 'D');
	EXPECT(unlink(SHARE_PATH) == 0);
}

/*
 * Guests keep using their tables while what is mapped goes and comes: whole
 * tables, parts, pieces across their borders.
 */
static void tables_stay(void)
{
	static const struct {
		unsigned int first, n;
	} ranges[] = {
		{ 0, 512 }, { 0, 2048 },  { 512, 1024 }, { 1, 1 },    { 256, 512 },
		{ 0, 256 }, { 256, 256 }, { 511, 2 },	 { 1, 2046 }, { 300, 1500 },
	};
	int fd = region_new(MB(8)), file = piece_new(MB(8), 1);
	unsigned char *memory = region_map(fd, MB(8), RW);
	unsigned char *reader = region_map(fd, MB(8), PROT_READ);
	uint64_t n_attached;

	EXPECT(region_create_file(fd, 0, MB(8), file, 0) == 0);
	for (size_t i = 0; i < MB(8); i += page_bytes)
		EXPECT_EQ(memory[i], reader[i]);
	n_attached = check_stat(MMLAB_MSHARE_STAT_ATTACHED);
	/* Four tables and two above, twice. */
	EXPECT_EQ(share_info(memory).table_bytes, 12 * page_bytes);

	for (size_t r = 0; r < sizeof(ranges) / sizeof(ranges[0]); r++) {
		size_t start = ranges[r].first * page_bytes;
		size_t bytes = ranges[r].n * page_bytes;

		EXPECT(mmlab_mshare_flush(memory, r % 3) == 0);
		EXPECT(region_unmap(fd, start, bytes) == 0);
		for (size_t i = 0; i < MB(8); i += page_bytes * 32) {
			bool gone = i >= start && i < start + bytes;

			EXPECT_EQ(access_signal(memory + i, false), gone ? SIGSEGV : 0);
			EXPECT_EQ(access_signal(reader + i, false), gone ? SIGSEGV : 0);
		}
		EXPECT_EQ(access_signal(memory + start, true), SIGSEGV);
		EXPECT_EQ(access_signal(memory + start + bytes - 1, true), SIGSEGV);
		EXPECT(region_unmap(fd, start, bytes) == 0);

		/* Back: from another place, memory, and as it was. */
		EXPECT(region_create_memory(fd, start, bytes) == 0);
		for (size_t i = start; i < start + bytes; i += page_bytes) {
			EXPECT_EQ(reader[i], 0);
			memory[i] = 'M';
			EXPECT_EQ(reader[i], 'M');
		}
		EXPECT(region_create_file(fd, start, bytes, file, 0) == 0);
		EXPECT_EQ(memory[start], 1);
		EXPECT(region_create_file(fd, start, bytes, file, start) == 0);
		for (size_t i = 0; i < MB(8); i += page_bytes) {
			EXPECT_EQ(memory[i], (unsigned char)(1 + i / page_bytes));
			EXPECT_EQ(reader[i], memory[i]);
		}
	}
	EXPECT_EQ(check_stat(MMLAB_MSHARE_STAT_ATTACHED), n_attached);
	EXPECT_EQ(share_info(memory).n_attached, 8);
	EXPECT_EQ(share_info(memory).table_bytes, 12 * page_bytes);
	EXPECT(unlink(SHARE_PATH) == 0);
}

/* What was zeroes from the first mapping on is a region like any other. */
static void zeroes_are_replaced(void)
{
	unsigned char *memory = share_new(MB(4));
	int fd = open(SHARE_PATH, O_RDWR | O_CLOEXEC);

	memory[0] = 'A';
	memory[MB(2)] = 'B';
	EXPECT(region_create_file(fd, MB(2), MB(2), piece_new(MB(2), 1), 0) == 0);
	EXPECT_EQ(memory[MB(2)], 1);
	EXPECT_EQ(memory[0], 'A');
	EXPECT(region_unmap(fd, 0, MB(2)) == 0);
	EXPECT_EQ(access_signal(memory, false), SIGSEGV);
	EXPECT(unlink(SHARE_PATH) == 0);
}

/* Processes that write all the time, until there is nothing. */
static void unmap_stops_writers(void)
{
	enum { N_WRITERS = 3, N_ROUNDS = 9 };
	int fd = region_new(MB(2)), file = piece_new(MB(2), 0);
	unsigned char *memory = region_map(fd, MB(2), RW);
	unsigned char *plain = mmap(NULL, MB(2), RW, MAP_SHARED, file, 0);
	volatile unsigned long *values = (void *)memory;
	volatile unsigned long *seen = (void *)plain;
	pid_t pids[N_WRITERS];

	for (unsigned int round = 0; round < N_ROUNDS; round++) {
		unsigned long last[N_WRITERS];

		EXPECT(region_create_file(fd, 0, page_bytes * (1 + round % 2), file, 0) == 0);
		EXPECT(mmlab_mshare_flush(memory, round % 3) == 0);
		memset(plain, 0, page_bytes);
		for (int w = 0; w < N_WRITERS; w++) {
			pids[w] = fork_child();
			if (pids[w] == 0)
				write_on(&values[w * 8]);
		}
		for (int w = 0; w < N_WRITERS; w++)
			while (seen[w * 8] == 0)
				(void)usleep(100);
		EXPECT(region_unmap(fd, 0, page_bytes) == 0);
		for (int w = 0; w < N_WRITERS; w++)
			last[w] = seen[w * 8];
		(void)usleep(2000);
		for (int w = 0; w < N_WRITERS; w++)
			EXPECT_EQ(seen[w * 8], last[w]);
		for (int w = 0; w < N_WRITERS; w++)
			EXPECT_CHILD_OK(pids[w]);
	}
	EXPECT(unlink(SHARE_PATH) == 0);
}

/* An unmapped file is nobody's any more. */
static void unmap_releases(void)
{
	int fd = region_new(MB(4)), file = piece_new(MB(4), 1);
	unsigned char *memory = region_map(fd, MB(4), RW);

	EXPECT(region_create_file(fd, 0, MB(4), file, 0) == 0);
	EXPECT_EQ(memory[0], 1);
	EXPECT_ERRNO(fcntl(file, F_ADD_SEALS, F_SEAL_WRITE), EBUSY);
	EXPECT(region_unmap(fd, page_bytes, MB(4) - page_bytes) == 0);
	EXPECT_ERRNO(fcntl(file, F_ADD_SEALS, F_SEAL_WRITE), EBUSY);
	EXPECT(region_create_memory(fd, 0, page_bytes) == 0);
	EXPECT(fcntl(file, F_ADD_SEALS, F_SEAL_WRITE) == 0);
	EXPECT(unlink(SHARE_PATH) == 0);
}

static void protection_of_pieces(void)
{
	int fd = region_new(MB(4)), file = piece_new(MB(2), 1);
	unsigned char *memory = region_map(fd, MB(4), RW), *reader;

	EXPECT(region_create_memory(fd, 0, MB(1)) == 0);
	EXPECT(region_create(fd, MB(1), MB(1), file, 0, PROT_READ, FLAGS) == 0);
	memory[0] = 'A';
	/* A part where there is nothing: nothing changes at all. */
	EXPECT_ERRNO(mmlab_mshare_protect(memory, MB(4), PROT_READ), ENOMEM);
	EXPECT_ERRNO(mmlab_mshare_protect(memory + MB(2), page_bytes, RW), ENOMEM);
	EXPECT_EQ(access_signal(memory, true), 0);
	EXPECT_EQ(access_signal(memory + MB(2), false), SIGSEGV);

	EXPECT(mmlab_mshare_protect(memory, MB(2), PROT_READ) == 0);
	EXPECT_EQ(access_signal(memory, true), SIGSEGV);
	EXPECT(mmlab_mshare_protect(memory, page_bytes, PROT_NONE) == 0);
	/* Who comes later is bound, too, also by tables of its own. */
	reader = region_map(fd, MB(4), PROT_READ);
	EXPECT_EQ(access_signal(reader, false), SIGSEGV);
	EXPECT_EQ(access_signal(reader + page_bytes, false), 0);
	/* The descriptor allowed writing, and so may the region. */
	EXPECT(mmlab_mshare_protect(memory, MB(2), RW) == 0);
	EXPECT_EQ(memory[0], 'A');
	EXPECT_EQ(access_signal(memory + MB(1), true), 0);
	EXPECT_EQ(access_signal(reader, false), 0);
	EXPECT_EQ(access_signal(reader, true), SIGSEGV);

	/* One for reading only: as a whole or not at all. */
	char path[64];

	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", file);
	EXPECT(region_create(fd, MB(1), MB(1), open(path, O_RDONLY), 0, PROT_READ, FLAGS) == 0);
	EXPECT(mmlab_mshare_protect(memory, MB(2), PROT_READ) == 0);
	EXPECT_ERRNO(mmlab_mshare_protect(memory, MB(2), RW), EACCES);
	EXPECT_EQ(access_signal(memory, true), SIGSEGV);
	EXPECT(mmlab_mshare_protect(memory, MB(1), RW) == 0);
	EXPECT(unlink(SHARE_PATH) == 0);
}

static void pieces_are_truncated(void)
{
	int fd = region_new(MB(4)), file = piece_new(MB(2), 1);
	unsigned char *memory = region_map(fd, MB(4), RW);

	EXPECT(region_create_file(fd, MB(1), MB(2), file, 0) == 0);
	for (size_t i = 0; i < MB(2); i += page_bytes)
		EXPECT_EQ(memory[MB(1) + i], (unsigned char)(1 + i / page_bytes));
	EXPECT(ftruncate(file, MB(1)) == 0);
	EXPECT_EQ(access_signal(memory + MB(2) - 1, false), 0);
	EXPECT_EQ(access_signal(memory + MB(2), false), SIGBUS);
	EXPECT_EQ(access_signal(memory + MB(3), false), SIGSEGV);
	EXPECT(ftruncate(file, MB(2)) == 0);
	EXPECT_EQ(memory[MB(2)], 0);
	EXPECT(fallocate(file, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, (off_t)page_bytes) == 0);
	EXPECT_EQ(memory[MB(1)], 0);
	EXPECT_EQ(memory[MB(1) + page_bytes], 2);
	EXPECT(msync(memory, MB(4), MS_SYNC) == 0);
	EXPECT(unlink(SHARE_PATH) == 0);
}

/* What the kernel does by its own means finds the pieces, or nothing. */
static void debuggers_and_system_calls(void)
{
	int fd = region_new(MB(4)), file = piece_new(MB(2), 1);
	unsigned char *memory = region_map(fd, MB(4), RW);
	int self = open("/proc/self/mem", O_RDWR | O_CLOEXEC);
	unsigned char byte = 0;
	int ends[2];

	EXPECT(self >= 0 && pipe(ends) == 0);
	EXPECT(region_create_file(fd, 0, MB(2), file, 0) == 0);
	EXPECT_EQ(pread(self, &byte, 1, (off_t)(uintptr_t)memory), 1);
	EXPECT_EQ(byte, 1);
	EXPECT_ERRNO(pread(self, &byte, 1, (off_t)(uintptr_t)memory + MB(2)), EIO);
	EXPECT_ERRNO(pwrite(self, &byte, 1, (off_t)(uintptr_t)memory + MB(2)), EIO);
	EXPECT_ERRNO(write(ends[1], memory + MB(2), 1), EFAULT);
	EXPECT_EQ(write(ends[1], memory, 1), 1);
	EXPECT_ERRNO(read(ends[0], memory + MB(2), 1), EFAULT);
	EXPECT(unlink(SHARE_PATH) == 0);
}

static void populated(void)
{
	int fd = region_new(MB(8)), file = piece_new(MB(4), 1);
	unsigned char *memory = region_map(fd, MB(8), RW);
	unsigned char *second = region_map(fd, MB(8), RW), *mapped;
	long faults;

	EXPECT(region_create_file(fd, 0, MB(4), file, 0) == 0);
	EXPECT_ERRNO(mmlab_mshare_populate(memory + 1, page_bytes), EINVAL);
	EXPECT_ERRNO(mmlab_mshare_populate(memory, 1), EINVAL);
	EXPECT_ERRNO(mmlab_mshare_populate(memory, 0), EINVAL);
	EXPECT_ERRNO(mmlab_mshare_populate(memory + MB(8), page_bytes), ENOMEM);
	EXPECT_ERRNO(mmlab_mshare_populate(memory + MB(2), MB(8)), ENOMEM);
	EXPECT_ERRNO(mmlab_mshare_populate(memory + MB(2), -(size_t)page_bytes), ENOMEM);
	EXPECT_EQ(share_info(memory).table_bytes, 0);
	/* Half-way: what is there stays. */
	EXPECT_ERRNO(mmlab_mshare_populate(memory, MB(8)), EFAULT);
	EXPECT_EQ(share_info(memory).n_attached, 2);

	(void)minor_faults();
	faults = minor_faults();
	for (size_t i = 0; i < MB(4); i += page_bytes)
		EXPECT_EQ(memory[i], (unsigned char)(1 + i / page_bytes));
	EXPECT_EQ(minor_faults() - faults, 0);
	for (size_t i = 0; i < MB(4); i += page_bytes)
		EXPECT_EQ(second[i], memory[i]);
	EXPECT_EQ(minor_faults() - faults, 2);
	EXPECT(mmlab_mshare_protect(memory, MB(4), PROT_NONE) == 0);
	EXPECT_ERRNO(mmlab_mshare_populate(memory, page_bytes), EFAULT);
	EXPECT(unlink(SHARE_PATH) == 0);

	/* The flag of mmap(2), where the library can see it. */
	mapped = mmlab_mmap_shared_pt(NULL, MB(4), RW, MAP_SHARED | MAP_SHARED_PT | MAP_POPULATE, file, 0);
	EXPECT(mapped != MAP_FAILED);
	faults = minor_faults();
	for (size_t i = 0; i < MB(4); i += page_bytes)
		EXPECT_EQ(mapped[i], (unsigned char)(1 + i / page_bytes));
	EXPECT_EQ(minor_faults() - faults, 0);
	EXPECT_ERRNO(madvise(mapped, MB(4), 22 /* MADV_POPULATE_READ */), EINVAL);
	EXPECT_ERRNO(madvise(mapped, MB(4), 23 /* MADV_POPULATE_WRITE */), EINVAL);
}

static const struct check checks[] = {
	{ "size-is-given-once", size_is_given_once },
	{ "create-bad", create_bad },
	{ "create-huge-file-refused", create_huge_file_refused },
	{ "create-beyond-the-largest-offset", create_beyond_the_largest_offset },
	{ "create-secret-memory-refused", create_secret_memory_refused },
	{ "sealed-pieces", sealed_pieces },
	{ "unmap-at-the-limit", unmap_at_the_limit },
	{ "unmap-is-killed", unmap_is_killed },
	{ "program-of-2025", program_of_2025 },
	{ "pieces-are-mapped", pieces_are_mapped },
	{ "tables-stay", tables_stay },
	{ "zeroes-are-replaced", zeroes_are_replaced },
	{ "unmap-stops-writers", unmap_stops_writers },
	{ "unmap-releases", unmap_releases },
	{ "protection-of-pieces", protection_of_pieces },
	{ "pieces-are-truncated", pieces_are_truncated },
	{ "debuggers-and-system-calls", debuggers_and_system_calls },
	{ "populated", populated },
};

int main(int argc, char **argv)
{
	return mshare_checks_run(checks, sizeof(checks) / sizeof(checks[0]), argc > 1 ? argv[1] : NULL);
}
