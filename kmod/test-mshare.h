/* SPDX-License-Identifier: MIT */
/*
 * What the tests of shared page tables have in common. msharefs is mounted for
 * the whole program; every check removes the names that it made.
 */
#ifndef MMLAB_TEST_MSHARE_H
#define MMLAB_TEST_MSHARE_H

#define CHECK_MECH MMLAB_MECH_MSHARE
#define CHECK_N_LIVE 4
/* What most checks name their object. */
#define SHARE_PATH MMLAB_MSHARE_DIR "/shared"
#define CHECK_TIDY() ((void)unlink(SHARE_PATH))
/* Thousands of operations on a debug kernel */
#ifndef CHECK_TIMEOUT_S
#define CHECK_TIMEOUT_S 1800
#endif

#include <fcntl.h>
#include <stdatomic.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "test-access.h"
#include "test-files.h"

#define TB(n) ((size_t)opaque(n) << 40)
#define MB(n) ((size_t)(n) << 20)

enum { CHUNK_BYTES = 2 << 20 };

static size_t page_bytes;

/*
 * A number that the compiler knows nothing of. gcc 12 takes memory at a constant
 * address, or at one read from an array, for an object of little or no size, in
 * which a longer string cannot be.
 */
static inline uintptr_t opaque(uintptr_t n)
{
	__asm__ volatile("" : "+r"(n));
	return n;
}

static inline pid_t fork_child(void)
{
	pid_t pid = fork();

	EXPECT(pid >= 0);
	if (pid == 0)
		EXPECT(prctl(PR_SET_PDEATHSIG, SIGKILL) == 0);
	return pid;
}

/* A mapping that must fail. */
#define EXPECT_NO_MMAP(error, ...)                                  \
	do {                                                        \
		errno = 0;                                          \
		EXPECT_EQ((intptr_t)mmap(__VA_ARGS__), -1);         \
		EXPECT_EQ(errno, error);                            \
	} while (0)

/* A new object by name, mapped for writing where it fits. */
static inline unsigned char *share_new(size_t bytes)
{
	unsigned char *memory;
	int fd = open(SHARE_PATH, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	EXPECT(fd >= 0);
	memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	EXPECT(memory != MAP_FAILED);
	EXPECT(close(fd) == 0);
	return memory;
}

/* One more mapping of it, at @addr or anywhere. */
static inline unsigned char *share_map(void *addr, size_t bytes, int prot)
{
	unsigned char *memory;
	int fd = open(SHARE_PATH,
		      (prot & PROT_WRITE ? O_RDWR : O_RDONLY) | O_CLOEXEC);

	EXPECT(fd >= 0);
	memory = mmap(addr, bytes, prot,
		      MAP_SHARED | (addr ? MAP_FIXED_NOREPLACE : 0), fd, 0);
	EXPECT(memory != MAP_FAILED);
	EXPECT(close(fd) == 0);
	return memory;
}

static inline struct mmlab_mshare_info share_info(const void *memory)
{
	struct mmlab_mshare_info info;

	EXPECT(mmlab_mshare_info(memory, &info) == 0);
	return info;
}

/* A field of a file such as /proc/self/status, in kB. */
static inline long proc_kb(const char *path, const char *field)
{
	FILE *file = fopen(path, "re");
	size_t n = strlen(field);
	char line[512];
	long kb = -1;

	EXPECT(file);
	while (kb < 0 && fgets(line, sizeof(line), file))
		if (!strncmp(line, field, n) && line[n] == ':')
			kb = strtol(line + n + 1, NULL, 10);
	EXPECT(fclose(file) == 0);
	EXPECT(kb >= 0);
	return kb;
}

/* Writes until it cannot. */
static inline void write_on(volatile unsigned long *value)
{
	access_prepare();
	if (sigsetjmp(access_jump, 1) == 0) {
		access_expected = true;
		for (;;)
			(*value)++;
	}
	_exit(0);
}

/* Memory for words between a check's processes. */
static inline void *words_new(void)
{
	void *words = mmap(NULL, page_bytes, PROT_READ | PROT_WRITE,
			   MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	EXPECT(words != MAP_FAILED);
	return words;
}

/* Pages that begin with @byte, and @byte + 1, and so on. */
static inline void fill(unsigned char *memory, size_t bytes, unsigned char byte)
{
	for (size_t i = 0; i < bytes; i += page_bytes)
		memory[i] = (unsigned char)(byte + i / page_bytes);
}

static inline bool is_filled(const volatile unsigned char *memory, size_t bytes,
		      unsigned char byte)
{
	for (size_t i = 0; i < bytes; i += page_bytes)
		if (memory[i] != (unsigned char)(byte + i / page_bytes))
			return false;
	return true;
}

static inline unsigned char *map_shared_pt(int fd, size_t bytes, int prot)
{
	unsigned char *memory =
		mmlab_mmap_shared_pt(NULL, bytes, prot,
				     MAP_SHARED | MAP_SHARED_PT, fd, 0);

	EXPECT(memory != MAP_FAILED);
	return memory;
}

static inline int file_new(size_t bytes)
{
	int fd = memfd_create("file", MFD_CLOEXEC);

	EXPECT(fd >= 0);
	EXPECT(ftruncate(fd, (off_t)bytes) == 0);
	return fd;
}

/* The commands of a region. */
static inline int region_create(int region, size_t region_offset, size_t bytes, int fd,
		  size_t offset, int prot, unsigned int flags)
{
	struct mshare_create arg = {
		.region_offset = region_offset,
		.size = bytes,
		.offset = offset,
		.prot = (__u32)prot,
		.flags = flags,
		.fd = (__u32)fd,
	};

	return ioctl(region, MSHAREFS_CREATE_MAPPING, &arg);
}

static inline int region_create_file(int region, size_t region_offset, size_t bytes, int fd,
		       size_t offset)
{
	return region_create(region, region_offset, bytes, fd, offset, PROT_READ | PROT_WRITE,
			     MAP_SHARED | MAP_FIXED);
}

static inline int region_create_memory(int region, size_t region_offset, size_t bytes)
{
	return region_create(region, region_offset, bytes, -1, 0, PROT_READ | PROT_WRITE,
			     MAP_SHARED | MAP_FIXED | MAP_ANONYMOUS);
}

static inline int region_unmap(int region, size_t region_offset, size_t bytes)
{
	struct mshare_unmap arg = {
		.region_offset = region_offset,
		.size = bytes,
	};

	return ioctl(region, MSHAREFS_UNMAP, &arg);
}

static inline int mshare_checks_run(const struct check *checks,
				    size_t n_checks, const char *filter)
{
	page_bytes = (size_t)sysconf(_SC_PAGESIZE);
	check_begin();
	if (geteuid() != 0) {
		printf("1..0 # SKIP mounting msharefs needs root\n");
		return EXIT_SKIP;
	}
	if (mount("msharefs", MMLAB_MSHARE_DIR, "msharefs", 0, NULL) < 0) {
		perror("mount msharefs");
		return 1;
	}
	checks_run(checks, n_checks, NULL, filter);
	if (umount(MMLAB_MSHARE_DIR) < 0) {
		perror("umount msharefs");
		return 1;
	}
	return check_finish();
}

#endif /* MMLAB_TEST_MSHARE_H */
