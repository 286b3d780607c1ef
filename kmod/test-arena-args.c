// SPDX-License-Identifier: MIT
/* Arenas: every argument of every call, and the descriptor. */
#include "test-arena.h"

#include <sys/resource.h>

static int device_create(struct mmlab_arena_create *arg)
{
	int device = open(MMLAB_DEVICE, O_RDWR | O_CLOEXEC);
	int result;

	EXPECT(device >= 0);
	result = ioctl(device, MMLAB_IOC_ARENA_CREATE, arg);
	(void)close(device);
	return result;
}

static void create_values_bad(void)
{
	struct mmlab_arena_create arg = {
		.size = sizeof(arg), .bytes = PAGE_BYTES, .reserved = 1,
	};

	EXPECT_ERRNO(mmlab_arena_create(0, 0, 0, 0), EINVAL);
	EXPECT_ERRNO(mmlab_arena_create(1, 0, 0, 0), EINVAL);
	EXPECT_ERRNO(mmlab_arena_create(PAGE_BYTES + 1, 0, 0, 0), EINVAL);
	EXPECT_ERRNO(mmlab_arena_create(MMLAB_ARENA_MAX_BYTES + PAGE_BYTES, 0,
					0, 0), EINVAL);
	EXPECT_ERRNO(mmlab_arena_create(SIZE_MAX & ~4095UL, 0, 0, 0), EINVAL);
	EXPECT_ERRNO(mmlab_arena_create(PAGE_BYTES, 4, 0, 0), EINVAL);
	EXPECT_ERRNO(mmlab_arena_create(PAGE_BYTES, UINT32_MAX, 0, 0), EINVAL);
	EXPECT_ERRNO(mmlab_arena_create(PAGE_BYTES, 0, 4, 0), EINVAL);
	EXPECT_ERRNO(mmlab_arena_create(PAGE_BYTES, 0, UINT32_MAX, 0), EINVAL);
	for (int bit = 1; bit < 32; bit++)
		EXPECT_ERRNO(mmlab_arena_create(PAGE_BYTES, 0, 0, 1U << bit),
			     EOPNOTSUPP);
	EXPECT_ERRNO(device_create(&arg), EINVAL);
	arg.reserved = 0;
	arg.size = sizeof(arg) - 1;
	EXPECT_ERRNO(device_create(&arg), EINVAL);
	EXPECT_EQ(check_stat(MMLAB_ARENA_STAT_LIVE_OBJECTS), 0);
}

static void create_answers(void)
{
	struct mmlab_arena_create arg = {
		.size = sizeof(arg), .bytes = MMLAB_ARENA_MAX_BYTES / 64,
		.fd = 77,
	};
	uint64_t caps = 0;

	EXPECT_EQ(device_create(&arg), 0);
	EXPECT_EQ(arg.bytes, MMLAB_ARENA_MAX_BYTES / 64);
	EXPECT_EQ(fcntl(arg.fd, F_GETFD), FD_CLOEXEC);
	EXPECT_EQ(fcntl(arg.fd, F_GETFL) & O_ACCMODE, O_RDWR);
	EXPECT(mmlab_query(MMLAB_MECH_ARENA, &caps) == 0);
	EXPECT_EQ(caps, 0xF000F);
	EXPECT(close(arg.fd) == 0);
}

static void create_until_limit(void)
{
	const struct rlimit limit = { 200, 200 };
	int n = 0, fd;

	EXPECT(setrlimit(RLIMIT_NOFILE, &limit) == 0);
	while ((fd = mmlab_arena_create(1 << 20, (unsigned int)n % 4,
					(unsigned int)n / 4 % 4, 0)) >= 0)
		n++;
	EXPECT_EQ(errno, EMFILE);
	EXPECT(n > 150 && n < 200);
	EXPECT_EQ(check_stat(MMLAB_ARENA_STAT_LIVE_OBJECTS), n);
	for (int i = 0; i < 200; i++)
		(void)close(i);
	EXPECT_EQ(check_live_objects(), 0);
}

static void descriptor_properties(void)
{
	char path[64], target[64], byte = 0;
	ssize_t n;

	arena_make(16);
	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", arena);
	n = readlink(path, target, sizeof(target) - 1);
	EXPECT(n > 0);
	target[n] = '\0';
	EXPECT(strstr(target, "mmlab-arena"));
	EXPECT_ERRNO(read(arena, &byte, 1), EINVAL);
	EXPECT_ERRNO(write(arena, &byte, 1), EINVAL);
	EXPECT(ftruncate(arena, 4096) == -1);
	EXPECT(open(path, O_RDWR) == -1);
	EXPECT_ERRNO(ioctl(arena, MMLAB_IOC_QUERY, &byte), ENOTTY);
	EXPECT_ERRNO(ioctl(arena, MMLAB_IOC_ARENA_CREATE, &byte), ENOTTY);
	EXPECT_ERRNO(ioctl(arena, _IO(MMLAB_IOC_MAGIC, 0xE7), &byte), ENOTTY);

	/* A mapping keeps the arena. */
	EXPECT_EQ(map_writable(0, 1), 0);
	set(0, 5);
	EXPECT(close(arena) == 0);
	EXPECT_EQ(check_stat(MMLAB_ARENA_STAT_LIVE_OBJECTS), 1);
	EXPECT_EQ(look(0), 5);
	EXPECT(munmap(memory, arena_bytes) == 0);
	EXPECT_EQ(check_live_objects(), 0);
}

static void map_arguments_bad(void)
{
	const size_t bytes = 16 * PAGE_BYTES;
	const int rw = PROT_READ | PROT_WRITE;
	void *place;
	int error;

	arena_make(16);
	EXPECT_ERRNO(mmap(NULL, bytes, rw, MAP_SHARED, arena, 0), EBUSY);
	EXPECT(munmap(memory, bytes) == 0);
	EXPECT_ERRNO(mmap(NULL, bytes, rw, MAP_PRIVATE, arena, 0), EINVAL);
	EXPECT_ERRNO(mmap(NULL, bytes, PROT_READ, MAP_SHARED, arena, 0),
		     EINVAL);
	EXPECT_ERRNO(mmap(NULL, bytes, PROT_WRITE, MAP_SHARED, arena, 0),
		     EINVAL);
	EXPECT_ERRNO(mmap(NULL, bytes, PROT_NONE, MAP_SHARED, arena, 0),
		     EINVAL);
	EXPECT_ERRNO(mmap(NULL, bytes - PAGE_BYTES, rw, MAP_SHARED, arena, 0),
		     EINVAL);
	EXPECT_ERRNO(mmap(NULL, bytes + PAGE_BYTES, rw, MAP_SHARED, arena, 0),
		     EINVAL);
	EXPECT_ERRNO(mmap(NULL, bytes, rw, MAP_SHARED, arena, PAGE_BYTES),
		     EINVAL);
	/* Newer kernels say EPERM before the module is asked. */
	place = mmap(NULL, bytes, rw | PROT_EXEC, MAP_SHARED, arena, 0);
	error = errno;
	EXPECT(place == MAP_FAILED);
	EXPECT(error == EINVAL || error == EPERM);
	EXPECT_EQ(check_stat(MMLAB_ARENA_STAT_LIVE_MAPPINGS), 0);
	EXPECT(mmap(NULL, bytes, rw, MAP_SHARED, arena, 0) != MAP_FAILED);
	EXPECT_EQ(check_stat(MMLAB_ARENA_STAT_LIVE_MAPPINGS), 1);
}

static const unsigned long commands[] = {
	MMLAB_IOC_ARENA_MAP, MMLAB_IOC_ARENA_UNMAP, MMLAB_IOC_ARENA_PROTECT,
	MMLAB_IOC_ARENA_POPULATE, MMLAB_IOC_ARENA_HOLD, MMLAB_IOC_ARENA_NOP,
};
enum { N_COMMANDS = sizeof(commands) / sizeof(commands[0]) };

/* A range that command number @i accepts. */
static struct mmlab_arena_range range_good(unsigned int i)
{
	if (commands[i] == MMLAB_IOC_ARENA_MAP)
		EXPECT_EQ(unmap_pages(1, 2), 0);
	return (struct mmlab_arena_range){
		.size = sizeof(struct mmlab_arena_range),
		.offset = PAGE_BYTES, .bytes = 2 * PAGE_BYTES,
		.prot = i == 0 || i == 2 ? PROT_READ : 0,
	};
}

static void ranges_prepare(void)
{
	arena_make(16);
	EXPECT_EQ(map_pages(1, 2, PROT_READ), 0);
}

#define EXPECT_RANGE_ERRNO(i, error, ...)                                  \
	do {                                                               \
		struct mmlab_arena_range arg_ = range_good(i);             \
		EXPECT_EQ(ioctl(arena, commands[i], &arg_), 0);            \
		EXPECT_EQ(unmap_pages(1, 2), 0);                           \
		EXPECT_EQ(map_pages(1, 2, PROT_READ), 0);                  \
		arg_ = range_good(i);                                      \
		__VA_ARGS__;                                               \
		EXPECT_ERRNO(ioctl(arena, commands[i], &arg_), error);     \
	} while (0)

static void range_structs_bad(void)
{
	struct {
		struct mmlab_arena_range range;
		uint64_t more[2];
	} longer = { .range = { .size = sizeof(longer) } };
	unsigned char *page = mmap(NULL, 2 * PAGE_BYTES, PROT_READ | PROT_WRITE,
				   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	EXPECT(page != MAP_FAILED);
	EXPECT(munmap(page + PAGE_BYTES, PAGE_BYTES) == 0);
	ranges_prepare();
	for (unsigned int i = 0; i < N_COMMANDS; i++) {
		EXPECT_RANGE_ERRNO(i, EINVAL, arg_.size--);
		EXPECT_RANGE_ERRNO(i, EINVAL, arg_.size = 0);
		EXPECT_RANGE_ERRNO(i, EINVAL, arg_.size = 4);
		EXPECT_RANGE_ERRNO(i, E2BIG, arg_.size = PAGE_BYTES + 1);
		EXPECT_ERRNO(ioctl(arena, commands[i], NULL), EFAULT);
		/* It ends beyond what can be read, or is beyond it. */
		*(uint64_t *)(void *)(page + PAGE_BYTES - 8) =
			sizeof(struct mmlab_arena_range);
		EXPECT_ERRNO(ioctl(arena, commands[i], page + PAGE_BYTES - 8),
			     EFAULT);
		EXPECT_ERRNO(ioctl(arena, commands[i], page + PAGE_BYTES),
			     EFAULT);
	}
	for (unsigned int i = 0; i < N_COMMANDS; i++) {
		longer.range = range_good(i);
		longer.range.size = sizeof(longer);
		longer.more[1] = 1;
		EXPECT_ERRNO(ioctl(arena, commands[i], &longer), E2BIG);
		longer.more[1] = 0;
		EXPECT_EQ(ioctl(arena, commands[i], &longer), 0);
		EXPECT_EQ(unmap_pages(1, 2), 0);
		EXPECT_EQ(map_pages(1, 2, PROT_READ), 0);
	}
}

static void range_values_bad(void)
{
	const uint64_t bytes = 16 * PAGE_BYTES;

	ranges_prepare();
	for (unsigned int i = 0; i < N_COMMANDS; i++) {
		bool hold = commands[i] == MMLAB_IOC_ARENA_HOLD;
		bool has_prot = i == 0 || i == 2;

		EXPECT_RANGE_ERRNO(i, EINVAL, arg_.bytes = 0);
		EXPECT_RANGE_ERRNO(i, EINVAL, arg_.bytes++);
		EXPECT_RANGE_ERRNO(i, EINVAL, arg_.bytes = 1);
		EXPECT_RANGE_ERRNO(i, EINVAL, arg_.offset++);
		EXPECT_RANGE_ERRNO(i, EINVAL, arg_.bytes = bytes);
		EXPECT_RANGE_ERRNO(i, EINVAL, arg_.offset = bytes);
		EXPECT_RANGE_ERRNO(i, EINVAL,
				   arg_.offset = bytes - PAGE_BYTES);
		EXPECT_RANGE_ERRNO(i, EINVAL,
				   arg_.bytes = -(uint64_t)PAGE_BYTES);
		EXPECT_RANGE_ERRNO(i, EINVAL,
				   arg_.offset = -(uint64_t)PAGE_BYTES);
		EXPECT_RANGE_ERRNO(i, EINVAL, arg_.reserved = 1);
		EXPECT_RANGE_ERRNO(i, EINVAL, arg_.prot = PROT_EXEC);
		EXPECT_RANGE_ERRNO(i, EINVAL, arg_.prot = PROT_WRITE);
		EXPECT_RANGE_ERRNO(i, EINVAL, arg_.prot = 8);
		if (!has_prot)
			EXPECT_RANGE_ERRNO(i, EINVAL, arg_.prot = PROT_READ);
		EXPECT_RANGE_ERRNO(i, EINVAL, arg_.duration_ns = hold ?
				   MMLAB_ARENA_MAX_HOLD_NS + 1 : 1);
		for (unsigned int bit = hold ? 2 : 0; bit < 32; bit++)
			EXPECT_RANGE_ERRNO(i, EOPNOTSUPP,
					   arg_.flags = 1U << bit);
		if (hold)
			EXPECT_RANGE_ERRNO(i, EINVAL, arg_.flags = 3);
	}
	/* Nothing of that has left anything. */
	EXPECT_EQ(hold_pages(0, 16, 0, 0), 0);
}

static void hold_ends_by_itself(void)
{
	ranges_prepare();
	EXPECT_EQ(hold_pages(0, 16, 1000 * 1000, 0), 0);
	EXPECT_EQ(hold_pages(0, 16, 1000 * 1000, MMLAB_ARENA_HOLD_SHARED), 0);
	/* A delayed fault as well. */
	EXPECT_EQ(unmap_pages(1, 2), 0);
	EXPECT_EQ(map_writable(0, 4), 0);
	EXPECT_EQ(hold_pages(2, 2, 1000 * 1000, MMLAB_ARENA_HOLD_FAULT), 0);
	set(1, 1);
	set(2, 1);
	set(3, 1);
	EXPECT_EQ(check_stat(MMLAB_ARENA_STAT_LIVE_HOLDS), 0);
}

static void hold_ends_by_signal(void)
{
	workers_start(1);
	ranges_prepare();
	hold_start(0, 0, 16, false);
	hold_end(0);
	hold_start(0, 0, 16, true);
	hold_end(0);
	EXPECT_EQ(hold_pages(0, 16, 0, 0), 0);
}

static void descriptor_bad(void)
{
	int device = open(MMLAB_DEVICE, O_RDWR | O_CLOEXEC);

	ranges_prepare();
	EXPECT(close(arena) == 0);
	EXPECT_ERRNO(map_writable(0, 1), EBADF);
	EXPECT_ERRNO(unmap_pages(0, 1), EBADF);
	EXPECT_ERRNO(protect_pages(0, 1, 0), EBADF);
	EXPECT_ERRNO(populate_pages(0, 1), EBADF);
	EXPECT_ERRNO(hold_pages(0, 1, 0, 0), EBADF);
	EXPECT_ERRNO(mmlab_arena_nop(arena, 0, PAGE_BYTES), EBADF);
	EXPECT_EQ(mmlab_arena_nop(device, 0, PAGE_BYTES), -1);
	EXPECT_EQ(errno, ENOTTY);
}

static const struct check checks[] = {
	{ "create-values-bad", create_values_bad },
	{ "create-answers", create_answers },
	{ "create-until-limit", create_until_limit },
	{ "descriptor-properties", descriptor_properties },
	{ "map-arguments-bad", map_arguments_bad },
	{ "range-structs-bad", range_structs_bad },
	{ "range-values-bad", range_values_bad },
	{ "hold-ends-by-itself", hold_ends_by_itself },
	{ "hold-ends-by-signal", hold_ends_by_signal },
	{ "descriptor-bad", descriptor_bad },
};

int main(int argc, char **argv)
{
	check_begin();
	access_prepare();
	checks_run(checks, sizeof(checks) / sizeof(checks[0]), NULL,
		   argc == 2 ? argv[1] : NULL);
	return check_finish();
}
