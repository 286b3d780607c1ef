// SPDX-License-Identifier: MIT
/*
 * Shared page tables: wrong arguments, as far as no other test has them, and
 * calls of the kernel that such mappings refuse, each with its error.
 */
#include "test-mshare.h"

enum { RW = PROT_READ | PROT_WRITE };

static int device;
/* Checks were named. */
static bool is_chosen;

static int adopt(void *addr, size_t bytes, int fd)
{
	struct mmlab_mshare_adopt arg = {
		.size = sizeof(arg), .addr = (uintptr_t)addr, .bytes = bytes,
		.fd = fd,
	};

	return ioctl(device, MMLAB_IOC_MSHARE_ADOPT, &arg);
}

/* What ADOPT could take, at an aligned address. */
static unsigned char *memory_new(size_t bytes, int prot, int type)
{
	unsigned char *memory = mmap((void *)TB(40), bytes, prot,
				     type | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE,
				     -1, 0);

	EXPECT(memory != MAP_FAILED);
	return memory;
}

static void adopt_bad(void)
{
	unsigned char *memory = memory_new(MB(4), RW, MAP_SHARED);
	int fd = open(SHARE_PATH, O_RDWR | O_CREAT | O_CLOEXEC, 0600), other;

	EXPECT(fd >= 0);
	EXPECT_ERRNO(adopt(memory, MB(4), -1), EBADF);
	other = open(SHARE_PATH, O_RDONLY | O_CLOEXEC);
	EXPECT(other >= 0);
	EXPECT_ERRNO(adopt(memory, MB(4), other), EBADF);
	EXPECT(close(other) == 0);
	other = file_new(MB(4));
	EXPECT_ERRNO(adopt(memory, MB(4), other), EINVAL);

	EXPECT_ERRNO(adopt(memory, 0, fd), EINVAL);
	EXPECT_ERRNO(adopt(memory, MB(4) - page_bytes, fd), EINVAL);
	EXPECT_ERRNO(adopt(memory + page_bytes, MB(2), fd), EINVAL);
	/* A part, more than there is, nothing. */
	EXPECT_ERRNO(adopt(memory, MB(2), fd), EINVAL);
	EXPECT_ERRNO(adopt(memory + MB(2), MB(2), fd), EINVAL);
	EXPECT_ERRNO(adopt(memory, MB(6), fd), EINVAL);
	EXPECT_ERRNO(adopt(memory + MB(8), MB(4), fd), EINVAL);

	/* For reading; private. */
	EXPECT(mprotect(memory, MB(4), PROT_READ) == 0);
	EXPECT_ERRNO(adopt(memory, MB(4), fd), EINVAL);
	EXPECT(munmap(memory, MB(4)) == 0);
	memory = memory_new(MB(4), RW, MAP_PRIVATE);
	EXPECT_ERRNO(adopt(memory, MB(4), fd), EINVAL);
	EXPECT(munmap(memory, MB(4)) == 0);

	memory = memory_new(MB(4), RW, MAP_SHARED);
	EXPECT(adopt(memory, MB(4), fd) == 0);
	EXPECT_ERRNO(adopt(memory, MB(4), fd), EEXIST);
	EXPECT(munmap(memory, MB(4)) == 0);
	EXPECT(close(fd) == 0 && close(other) == 0);
	EXPECT(unlink(SHARE_PATH) == 0);
}

static void reserved_bad(void)
{
	unsigned char *memory = share_new(MB(2));
	int file = file_new(MB(2));
	struct mmlab_mshare_file part = {
		.size = sizeof(part), .file_fd = file, .prot = PROT_READ,
		.bytes = MB(2), .reserved = 1,
	};
	struct mmlab_mshare_protect protect = {
		.size = sizeof(protect), .addr = (uintptr_t)memory,
		.bytes = MB(2), .prot = PROT_READ, .reserved = 1,
	};
	struct mmlab_mshare_flush_set flush = {
		.size = sizeof(flush), .addr = (uintptr_t)memory, .reserved = 1,
	};
	struct mmlab_mshare_info info = {
		.size = sizeof(info), .addr = (uintptr_t)memory, .reserved = 1,
	};
	struct mmlab_mshare_adopt taken = {
		.size = sizeof(taken), .addr = (uintptr_t)memory,
		.bytes = MB(2), .fd = file, .reserved = 1,
	};

	EXPECT_ERRNO(ioctl(device, MMLAB_IOC_MSHARE_FILE, &part), EINVAL);
	EXPECT_ERRNO(ioctl(device, MMLAB_IOC_MSHARE_PROTECT, &protect), EINVAL);
	EXPECT_ERRNO(ioctl(device, MMLAB_IOC_MSHARE_FLUSH, &flush), EINVAL);
	EXPECT_ERRNO(ioctl(device, MMLAB_IOC_MSHARE_INFO, &info), EINVAL);
	EXPECT_ERRNO(ioctl(device, MMLAB_IOC_MSHARE_ADOPT, &taken), EINVAL);
	EXPECT(munmap(memory, MB(2)) == 0);
	EXPECT(close(file) == 0);
	EXPECT(unlink(SHARE_PATH) == 0);
}

static int part_of(int file, unsigned int prot)
{
	struct mmlab_mshare_file part = {
		.size = sizeof(part), .file_fd = file, .prot = prot,
		.bytes = MB(4),
	};

	EXPECT(ioctl(device, MMLAB_IOC_MSHARE_FILE, &part) == 0);
	return part.fd;
}

static void part_mmap_bad(void)
{
	int file = file_new(MB(4)), fd = part_of(file, RW);
	int reader = part_of(file, PROT_READ);
	char *at = (char *)TB(41);

	EXPECT_NO_MMAP(EINVAL, NULL, MB(4), RW, MAP_PRIVATE, fd, 0);
	/* Newer kernels refuse it before the module is asked. */
	EXPECT(mmap(NULL, MB(4), RW | PROT_EXEC, MAP_SHARED, fd, 0) ==
		       MAP_FAILED && (errno == EINVAL || errno == EPERM));
	EXPECT_NO_MMAP(EINVAL, NULL, MB(4), PROT_NONE, MAP_SHARED, fd, 0);
	EXPECT_NO_MMAP(EINVAL, NULL, MB(2), RW, MAP_SHARED, fd, 0);
	EXPECT_NO_MMAP(EINVAL, NULL, MB(6), RW, MAP_SHARED, fd, 0);
	EXPECT_NO_MMAP(EINVAL, NULL, MB(4), RW, MAP_SHARED, fd, MB(2));
	EXPECT_NO_MMAP(EINVAL, at + page_bytes, MB(4), RW,
		       MAP_SHARED | MAP_FIXED_NOREPLACE, fd, 0);
	EXPECT_NO_MMAP(EACCES, NULL, MB(4), RW, MAP_SHARED, reader, 0);
	EXPECT(close(fd) == 0 && close(reader) == 0 && close(file) == 0);
}

static void mremap_errors(void)
{
	unsigned char *memory = share_new(MB(4));

	/* The kernel refuses to make any such mapping longer. */
	EXPECT_NO_MREMAP(EFAULT, memory, MB(4), MB(8), MREMAP_MAYMOVE);
	EXPECT_NO_MREMAP(EFAULT, memory, MB(4), MB(8), 0);
	EXPECT_NO_MREMAP(EFAULT, memory, 0, MB(4), MREMAP_MAYMOVE);
	EXPECT_NO_MREMAP(EINVAL, memory, MB(4), MB(2), 0);
	EXPECT_NO_MREMAP(EINVAL, memory, MB(4), MB(4),
			 MREMAP_MAYMOVE | MREMAP_FIXED, (void *)TB(41));
	EXPECT_NO_MREMAP(EINVAL, memory, MB(2), MB(2),
			 MREMAP_MAYMOVE | MREMAP_FIXED, (void *)TB(41));
	EXPECT_NO_MREMAP(EINVAL, memory, MB(4), MB(4),
			 MREMAP_MAYMOVE | MREMAP_DONTUNMAP, NULL);
	EXPECT(munmap(memory, MB(4)) == 0);
	EXPECT(unlink(SHARE_PATH) == 0);
}

static void mprotect_and_madvise_errors(void)
{
	unsigned char *memory = share_new(MB(4));
	unsigned char *reader = share_map(NULL, MB(4), PROT_READ);

	EXPECT_ERRNO(munmap(memory, MB(2)), EINVAL);
	EXPECT_ERRNO(mprotect(memory, MB(4), PROT_READ), EINVAL);
	EXPECT_ERRNO(mprotect(memory, MB(4), RW | PROT_EXEC), EACCES);
	EXPECT_ERRNO(mprotect(reader, MB(4), RW), EACCES);
	EXPECT_ERRNO(madvise(memory, MB(4), MADV_DONTNEED), EINVAL);
	EXPECT_ERRNO(madvise(memory, MB(4), MADV_FREE), EINVAL);
	EXPECT_ERRNO(madvise(memory, MB(4), MADV_POPULATE_WRITE), EINVAL);
	EXPECT_ERRNO(madvise(memory, MB(4), MADV_REMOVE), EOPNOTSUPP);
	EXPECT_ERRNO(madvise(reader, MB(4), MADV_REMOVE), EACCES);
	EXPECT(munmap(memory, MB(4)) == 0 && munmap(reader, MB(4)) == 0);
	EXPECT(unlink(SHARE_PATH) == 0);
}

static void size_too_large(void)
{
	int fd = open(SHARE_PATH, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

	EXPECT(fd >= 0);
	EXPECT_ERRNO(ftruncate(fd, (off_t)TB(4096)), ENOMEM);
	EXPECT_ERRNO(fallocate(fd, 0, 0, (off_t)TB(4096)), ENOMEM);
	EXPECT(close(fd) == 0);
	EXPECT(unlink(SHARE_PATH) == 0);
}

/* Differences of access cost mappings of the object: two for each page here. */
static void differences_too_many(void)
{
	enum { MAX = 65530 / 2 };
	unsigned char *memory;
	unsigned int n = 0;

	if (!is_chosen)
		SKIP("takes a minute: ./test-mshare-args differences runs it");
	memory = share_new(MB(272));
	while (n <= MAX && mmlab_mshare_protect(memory + 2 * n * page_bytes,
						page_bytes, PROT_READ) == 0)
		n++;
	EXPECT_EQ(errno, ENOMEM);
	EXPECT(n > MAX - 100 && n < MAX);
	/* Access can be taken all the same, even in the midst of one. */
	EXPECT(mmlab_mshare_protect(memory + MB(271), page_bytes, PROT_NONE) ==
	       0);
	EXPECT_EQ(access_signal(memory + MB(271), false), SIGSEGV);
	EXPECT_EQ(access_signal(memory + 2 * page_bytes, false), 0);
	EXPECT_EQ(access_signal(memory + 2 * page_bytes, true), SIGSEGV);
	EXPECT_EQ(access_signal(memory + page_bytes, true), 0);
	/* As can the differences. */
	EXPECT_ERRNO(mmlab_mshare_protect(memory, page_bytes, RW), ENOMEM);
	EXPECT(mmlab_mshare_protect(memory, MB(272), PROT_NONE) == 0);
	EXPECT(mmlab_mshare_protect(memory, MB(272), RW) == 0);
	EXPECT_EQ(access_signal(memory, true), 0);
	EXPECT(munmap(memory, MB(272)) == 0);
	EXPECT(unlink(SHARE_PATH) == 0);
}

static const struct check checks[] = {
	{ "adopt-bad", adopt_bad },
	{ "reserved-bad", reserved_bad },
	{ "part-mmap-bad", part_mmap_bad },
	{ "mremap-errors", mremap_errors },
	{ "mprotect-and-madvise-errors", mprotect_and_madvise_errors },
	{ "size-too-large", size_too_large },
	{ "differences-too-many", differences_too_many },
};

int main(int argc, char **argv)
{
	is_chosen = argc > 1;
	device = open(MMLAB_DEVICE, O_RDWR | O_CLOEXEC);
	return mshare_checks_run(checks, sizeof(checks) / sizeof(checks[0]),
				 argc > 1 ? argv[1] : NULL);
}
