// SPDX-License-Identifier: MIT
/* Lockable buffers: every argument of every call, and the descriptors. */
#include "test-lockbuf.h"

#include <linux/capability.h>
#include <sys/resource.h>
#include <sys/syscall.h>

static void create_values_bad(void)
{
	EXPECT_ERRNO(mmlab_lockbuf_create(0, mode, flush, 0), EINVAL);
	EXPECT_ERRNO(mmlab_lockbuf_create(MMLAB_LOCKBUF_MAX_BYTES + 1, mode,
					  flush, 0), EINVAL);
	EXPECT_ERRNO(mmlab_lockbuf_create(SIZE_MAX, mode, flush, 0), EINVAL);
	EXPECT_ERRNO(mmlab_lockbuf_create(1, 3, flush, 0), EINVAL);
	EXPECT_ERRNO(mmlab_lockbuf_create(1, UINT32_MAX, flush, 0), EINVAL);
	EXPECT_ERRNO(mmlab_lockbuf_create(1, mode, 4, 0), EINVAL);
	EXPECT_ERRNO(mmlab_lockbuf_create(1, mode, UINT32_MAX, 0), EINVAL);
	for (int bit = 2; bit < 32; bit++)
		EXPECT_ERRNO(mmlab_lockbuf_create(1, mode, flush, 1U << bit),
			     EOPNOTSUPP);
}

static int device_create(struct mmlab_lockbuf_create *arg)
{
	int device = open(MMLAB_DEVICE, O_RDWR | O_CLOEXEC);
	int result;

	EXPECT(device >= 0);
	result = ioctl(device, MMLAB_IOC_LOCKBUF_CREATE, arg);
	(void)close(device);
	return result;
}

static void create_answers(void)
{
	static const struct {
		size_t bytes, map_bytes;
	} sizes[] = {
		{ 1, CHUNK_BYTES }, { 4096, CHUNK_BYTES },
		{ CHUNK_BYTES, CHUNK_BYTES },
		{ CHUNK_BYTES + 1, 2 * CHUNK_BYTES },
		{ MMLAB_LOCKBUF_MAX_BYTES - 4097, MMLAB_LOCKBUF_MAX_BYTES },
	};
	struct mmlab_lockbuf_create arg = {
		.size = sizeof(arg), .bytes = 1, .reserved = 1,
	};

	EXPECT_ERRNO(device_create(&arg), EINVAL);
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		arg = (struct mmlab_lockbuf_create){
			.size = sizeof(arg), .bytes = sizes[i].bytes, .fd = 77,
			.map_bytes = 99,
		};
		EXPECT_EQ(device_create(&arg), 0);
		EXPECT_EQ(arg.map_bytes, sizes[i].map_bytes);
		EXPECT_EQ(arg.map_bytes,
			  mmlab_lockbuf_map_bytes(sizes[i].bytes));
		EXPECT(close(arg.fd) == 0);
	}
	arg.size = sizeof(arg) - 1;
	EXPECT_ERRNO(device_create(&arg), EINVAL);
}

static void flush_none_needs_privilege(void)
{
	struct __user_cap_header_struct header = {
		.version = _LINUX_CAPABILITY_VERSION_3,
	};
	struct __user_cap_data_struct data[2];

	(void)close(mmlab_lockbuf_create(1, mode, MMLAB_LOCKBUF_FLUSH_NONE, 0));
	EXPECT(syscall(SYS_capget, &header, data) == 0);
	data[CAP_SYS_ADMIN / 32].effective &= ~(1U << (CAP_SYS_ADMIN % 32));
	EXPECT(syscall(SYS_capset, &header, data) == 0);
	EXPECT_ERRNO(mmlab_lockbuf_create(1, mode, MMLAB_LOCKBUF_FLUSH_NONE, 0),
		     EPERM);
	EXPECT(mmlab_lockbuf_create(1, mode, MMLAB_LOCKBUF_FLUSH_ALL, 0) >= 0);
}

/* A flood ends at the limit on descriptors, and leaves nothing. */
static void create_until_limit(void)
{
	const struct rlimit limit = { 200, 200 };
	int n = 0, fd;

	EXPECT(setrlimit(RLIMIT_NOFILE, &limit) == 0);
	while ((fd = mmlab_lockbuf_create(1 << 20, mode, flush, 0)) >= 0)
		n++;
	EXPECT_EQ(errno, EMFILE);
	EXPECT(n > 150 && n < 200);
	EXPECT_EQ(check_stat(MMLAB_LOCKBUF_STAT_LIVE_OBJECTS), n);
	EXPECT_ERRNO(mmlab_lockbuf_reader(150), EMFILE);
	for (int i = 0; i < 200; i++)
		(void)close(i);
	EXPECT_EQ(check_live_objects(), 0);
}

static void descriptor_properties(void)
{
	char path[64], target[64];
	int fds[2] = { create(1), 0 };
	char byte = 0;
	ssize_t n;

	fds[1] = mmlab_lockbuf_reader(fds[0]);
	EXPECT(fds[1] >= 0);
	EXPECT_EQ(check_stat(MMLAB_LOCKBUF_STAT_LIVE_OBJECTS), 1);
	for (int i = 0; i < 2; i++) {
		(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fds[i]);
		n = readlink(path, target, sizeof(target) - 1);
		EXPECT(n > 0);
		target[n] = '\0';
		EXPECT(!strcmp(target, "anon_inode:[lockbuf]"));
		EXPECT_EQ(fcntl(fds[i], F_GETFD), FD_CLOEXEC);
		EXPECT_EQ(fcntl(fds[i], F_GETFL) & O_ACCMODE,
			  i ? O_RDONLY : O_RDWR);
		EXPECT_ERRNO(read(fds[i], &byte, 1), EINVAL);
		EXPECT_ERRNO(write(fds[i], &byte, 1), i ? EBADF : EINVAL);
		EXPECT_ERRNO(ioctl(fds[i], MMLAB_IOC_QUERY, &byte), ENOTTY);
		EXPECT_ERRNO(ioctl(fds[i], _IO(MMLAB_IOC_MAGIC, 0xA6), 0),
			     ENOTTY);
	}
	EXPECT(ftruncate(fds[0], 4096) == -1);
	/* A reader's descriptor keeps the buffer. */
	EXPECT(close(fds[0]) == 0);
	EXPECT_EQ(check_stat(MMLAB_LOCKBUF_STAT_LIVE_OBJECTS), 1);
	EXPECT(close(fds[1]) == 0);
}

static void command_arguments_bad(void)
{
	static const unsigned long commands[] = {
		MMLAB_IOC_LOCKBUF_UNLOCK, MMLAB_IOC_LOCKBUF_READER,
		MMLAB_IOC_LOCKBUF_NOP, MMLAB_IOC_LOCKBUF_FLUSH,
	};
	int fd = create(1), device = open(MMLAB_DEVICE, O_RDWR | O_CLOEXEC);

	for (int bit = 1; bit < 64; bit++)
		EXPECT_ERRNO(ioctl(fd, MMLAB_IOC_LOCKBUF_LOCK, 1UL << bit),
			     EINVAL);
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		for (int bit = 0; bit < 64; bit++)
			EXPECT_ERRNO(ioctl(fd, commands[i], 1UL << bit),
				     EINVAL);
	/* Not mapped. */
	EXPECT_ERRNO(mmlab_lockbuf_lock(fd, 0), ENXIO);
	EXPECT_ERRNO(mmlab_lockbuf_lock(fd, MMLAB_LOCKBUF_WAIT), ENXIO);
	EXPECT_ERRNO(mmlab_lockbuf_unlock(fd), ENXIO);
	EXPECT_ERRNO(mmlab_lockbuf_flush(fd), ENXIO);
	EXPECT_EQ(mmlab_lockbuf_nop(fd), 0);
	/* The wrong descriptor, and one that is closed. */
	EXPECT_ERRNO(mmlab_lockbuf_lock(device, 0), ENOTTY);
	EXPECT(close(fd) == 0);
	EXPECT_ERRNO(mmlab_lockbuf_lock(fd, 0), EBADF);
	EXPECT_ERRNO(mmlab_lockbuf_unlock(fd), EBADF);
	EXPECT_ERRNO(mmlab_lockbuf_reader(fd), EBADF);
}

static void map_arguments_bad(void)
{
	const size_t bytes = 2 * CHUNK_BYTES;
	const int rw = PROT_READ | PROT_WRITE;
	int fd = create(CHUNK_BYTES + 1);
	int reader = mmlab_lockbuf_reader(fd);
	unsigned char *place, *memory;
	int error;

	EXPECT_ERRNO(mmap(NULL, bytes, rw, MAP_PRIVATE, fd, 0), EINVAL);
	EXPECT_ERRNO(mmap(NULL, bytes, PROT_READ, MAP_PRIVATE, fd, 0), EINVAL);
	EXPECT_ERRNO(mmap(NULL, bytes, PROT_NONE, MAP_SHARED, fd, 0), EINVAL);
	/* Newer kernels say EPERM before the module is asked. */
	memory = mmap(NULL, bytes, PROT_READ | PROT_EXEC, MAP_SHARED, fd, 0);
	error = errno;
	EXPECT(memory == MAP_FAILED);
	EXPECT(error == EINVAL || error == EPERM);
	EXPECT_ERRNO(mmap(NULL, bytes - PAGE_BYTES, rw, MAP_SHARED, fd, 0),
		     EINVAL);
	EXPECT_ERRNO(mmap(NULL, CHUNK_BYTES, rw, MAP_SHARED, fd, 0), EINVAL);
	EXPECT_ERRNO(mmap(NULL, bytes + CHUNK_BYTES, rw, MAP_SHARED, fd, 0),
		     EINVAL);
	EXPECT_ERRNO(mmap(NULL, bytes, rw, MAP_SHARED, fd, PAGE_BYTES), EINVAL);
	EXPECT_ERRNO(mmap(NULL, bytes, rw, MAP_SHARED, fd, CHUNK_BYTES),
		     EINVAL);
	EXPECT_ERRNO(mmap(NULL, bytes, rw, MAP_SHARED, reader, 0), EACCES);
	EXPECT_ERRNO(mmap(NULL, bytes, PROT_WRITE, MAP_SHARED, reader, 0),
		     EACCES);
	EXPECT_EQ(check_stat(MMLAB_LOCKBUF_STAT_LIVE_MAPPINGS), 0);

	place = mmap(NULL, 8 * CHUNK_BYTES, PROT_NONE,
		     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	EXPECT(place != MAP_FAILED);
	place += CHUNK_BYTES - (uintptr_t)place % CHUNK_BYTES;
	EXPECT_ERRNO(mmap(place + PAGE_BYTES, bytes, rw, MAP_SHARED | MAP_FIXED,
			  fd, 0), EINVAL);
	EXPECT_EQ(check_stat(MMLAB_LOCKBUF_STAT_LIVE_MAPPINGS), 0);

	/* Wherever there is a choice, the kernel's is aligned. */
	memory = mmap(place + 4 * CHUNK_BYTES + PAGE_BYTES, bytes, rw,
		      MAP_SHARED, fd, 0);
	EXPECT(memory != MAP_FAILED);
	EXPECT_EQ((uintptr_t)memory % CHUNK_BYTES, 0);
	EXPECT_ERRNO(mmap(NULL, bytes, rw, MAP_SHARED, fd, 0), EBUSY);
	EXPECT_ERRNO(mmap(NULL, bytes, PROT_READ, MAP_SHARED, reader, 0),
		     EBUSY);
	EXPECT(munmap(memory, bytes) == 0);

	memory = mmap(place, bytes, PROT_READ, MAP_SHARED | MAP_FIXED, reader,
		      0);
	EXPECT(memory == place);
	EXPECT_EQ(mmlab_lockbuf_lock(fd, 0), 0);
	EXPECT_EQ(look(memory), 0);
	/* Mapping over it unmaps it first. */
	memory = mmap(place, bytes, rw, MAP_SHARED | MAP_FIXED, fd, 0);
	EXPECT(memory == place);
	EXPECT_EQ(mmlab_lockbuf_lock(fd, 0), MMLAB_LOCKBUF_OWNER_DIED);
	set(memory, 1);
	EXPECT_EQ(check_stat(MMLAB_LOCKBUF_STAT_LIVE_MAPPINGS), 1);
}

static const struct check checks[] = {
	{ "create-values-bad", create_values_bad },
	{ "create-answers", create_answers },
	{ "flush-none-needs-privilege", flush_none_needs_privilege },
	{ "create-until-limit", create_until_limit },
	{ "descriptor-properties", descriptor_properties },
	{ "command-arguments-bad", command_arguments_bad },
	{ "map-arguments-bad", map_arguments_bad },
};

int main(int argc, char **argv)
{
	check_begin();
	flush = MMLAB_LOCKBUF_FLUSH_ALL;
	checks_run(checks, sizeof(checks) / sizeof(checks[0]), NULL,
		   argc == 2 ? argv[1] : NULL);
	return check_finish();
}
