// SPDX-License-Identifier: MIT
/*
 * The device itself, without libmmlab in between where possible: each wrong
 * number, size, flag and address, one at a time.
 */
#define CHECK_MECH MMLAB_MECH_REFPAGE
#include "test-check.h"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "test-files.h"

static int device;
static size_t page_bytes;

static const unsigned long commands[] = {
	MMLAB_IOC_QUERY,
	MMLAB_IOC_STATS,
	MMLAB_IOC_REFPAGE_CREATE,
	MMLAB_IOC_LOCKBUF_CREATE,
	MMLAB_IOC_MSHARE_FILE,
	MMLAB_IOC_MSHARE_PROTECT,
	MMLAB_IOC_MSHARE_FLUSH,
	MMLAB_IOC_MSHARE_INFO,
	MMLAB_IOC_MSHARE_ADOPT,
	MMLAB_IOC_MSHARE_POPULATE,
	MMLAB_IOC_CLONE_MAP,
	MMLAB_IOC_SPF_CREATE,
	MMLAB_IOC_SPF_HOOK,
	MMLAB_IOC_SPF_HOLD,
	MMLAB_IOC_ARENA_CREATE,
};
enum { N_COMMANDS = sizeof(commands) / sizeof(commands[0]) };

/* Room for any of the structs and for what a longer version might add. */
struct any {
	uint32_t size;
	uint32_t flags;
	unsigned char rest[8184];
};

static const uint32_t struct_bytes[] = {
	sizeof(struct mmlab_query),
	sizeof(struct mmlab_stats),
	sizeof(struct mmlab_refpage_create),
	sizeof(struct mmlab_lockbuf_create),
	sizeof(struct mmlab_mshare_file),
	sizeof(struct mmlab_mshare_protect),
	sizeof(struct mmlab_mshare_flush_set),
	sizeof(struct mmlab_mshare_info),
	sizeof(struct mmlab_mshare_adopt),
	sizeof(struct mmlab_mshare_populate),
	sizeof(struct mmlab_clone_map),
	sizeof(struct mmlab_spf_create),
	sizeof(struct mmlab_spf_hook_set),
	sizeof(struct mmlab_spf_hold),
	sizeof(struct mmlab_arena_create),
};

/* Bits of the mechanisms that the module says it has. */
static uint64_t offered;

/* Numbers go by sixteen: the device's own, then those of each mechanism. */
static bool is_offered(unsigned long command)
{
	unsigned long block = (_IOC_NR(command) -
			       _IOC_NR(MMLAB_IOC_QUERY)) / 16;

	return block == 0 || offered & (1ULL << (block - 1));
}

static void mechanisms_are_there(void)
{
	struct mmlab_query query = { .size = sizeof(query) };
	struct mmlab_stats stats = { .size = sizeof(stats) };
	size_t n_lacking = 0;

	/* The others are for x86-64 alone: MMLAB_HAS_X86_MECHS. */
#ifdef __x86_64__
	EXPECT_EQ(offered, (2ULL << MMLAB_MECH_ARENA) - 1);
#else
	EXPECT_EQ(offered, 1ULL << MMLAB_MECH_REFPAGE |
			   1ULL << MMLAB_MECH_LOCKBUF);
#endif
	for (uint32_t mech = 0; mech <= MMLAB_MECH_ARENA; mech++) {
		int error = offered & (1ULL << mech) ? 0 : EOPNOTSUPP;

		query.mech = stats.mech = mech;
		stats.n_values = 0;
		EXPECT_EQ(ioctl(device, MMLAB_IOC_QUERY, &query) ? errno : 0,
			  error);
		EXPECT_EQ(ioctl(device, MMLAB_IOC_STATS, &stats) ? errno : 0,
			  error);
	}
	/* Their commands are numbers as unknown as any. */
	for (size_t i = 0; i < N_COMMANDS; i++) {
		struct any any = { .size = struct_bytes[i] };

		if (is_offered(commands[i]))
			continue;
		n_lacking++;
		EXPECT_ERRNO(ioctl(device, commands[i], &any), ENOTTY);
		EXPECT_ERRNO(ioctl(device, commands[i], NULL), ENOTTY);
	}
	if (n_lacking > 0)
		SKIP("not tried: %zu of %d commands, whose mechanisms are not "
		     "there on this architecture", n_lacking, N_COMMANDS);
}

static void device_is_private(void)
{
	struct stat stat_buffer;
	int fd;

	EXPECT(stat(MMLAB_DEVICE, &stat_buffer) == 0);
	EXPECT(S_ISCHR(stat_buffer.st_mode));
	EXPECT_EQ(stat_buffer.st_mode & 07777, 0600);
	EXPECT_EQ(stat_buffer.st_uid, 0);

	if (geteuid() != 0)
		SKIP("needs root to drop privileges");
	EXPECT(setresgid(65534, 65534, 65534) == 0);
	EXPECT(setresuid(65534, 65534, 65534) == 0);
	EXPECT_ERRNO(open(MMLAB_DEVICE, O_RDWR), EACCES);
	EXPECT_ERRNO(open(MMLAB_DEVICE, O_RDONLY), EACCES);

	/* The library passes that on; the descriptor it has goes first. */
	for (fd = 3; fd < 64; fd++)
		(void)close(fd);
	EXPECT_ERRNO(mmlab_query(MMLAB_MECH_REFPAGE, NULL), EACCES);
	EXPECT_ERRNO(refpage_create("x", 1, 0), EACCES);
}

static void device_has_no_contents(void)
{
	char byte = 0;

	EXPECT_ERRNO(read(device, &byte, 1), EINVAL);
	EXPECT_ERRNO(write(device, &byte, 1), EINVAL);
	EXPECT_ERRNO(lseek(device, 0, SEEK_SET), ESPIPE);
	EXPECT(mmap(NULL, page_bytes, PROT_READ, MAP_PRIVATE, device, 0) ==
	       MAP_FAILED);
	EXPECT(mmap(NULL, page_bytes, PROT_READ, MAP_SHARED, device, 0) ==
	       MAP_FAILED);
}

static void number_unknown(void)
{
	struct any any = { .size = 32 };

	EXPECT_ERRNO(ioctl(device, 0, &any), ENOTTY);
	EXPECT_ERRNO(ioctl(device, ~0UL, &any), ENOTTY);
	EXPECT_ERRNO(ioctl(device, MMLAB_IOC_REFPAGE_CREATE + 1, &any), ENOTTY);
	/* These belong to other descriptors. */
	EXPECT_ERRNO(ioctl(device, MMLAB_IOC_LOCKBUF_LOCK, &any), ENOTTY);
	EXPECT_ERRNO(ioctl(device, MMLAB_IOC_LOCKBUF_FLUSH, &any), ENOTTY);
	EXPECT_ERRNO(ioctl(device, MMLAB_IOC_QUERY - 1, &any), ENOTTY);
	/* A number with the size encoded is another number. */
	EXPECT_ERRNO(ioctl(device, _IOWR(MMLAB_IOC_MAGIC, 0x80,
					 struct mmlab_query), &any), ENOTTY);
	/* Before the address is looked at. */
	EXPECT_ERRNO(ioctl(device, 0, (void *)1), ENOTTY);
}

static void address_bad(void)
{
	char *two_pages = mmap(NULL, 2 * page_bytes, PROT_READ | PROT_WRITE,
			       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	EXPECT(two_pages != MAP_FAILED);
	EXPECT(mprotect(two_pages + page_bytes, page_bytes, PROT_NONE) == 0);

	for (size_t i = 0; i < N_COMMANDS; i++) {
		uint32_t *size = (uint32_t *)(two_pages + page_bytes - 8);

		if (!is_offered(commands[i]))
			continue;
		EXPECT_ERRNO(ioctl(device, commands[i], NULL), EFAULT);
		EXPECT_ERRNO(ioctl(device, commands[i], (void *)1), EFAULT);
		EXPECT_ERRNO(ioctl(device, commands[i],
				   two_pages + page_bytes), EFAULT);
		EXPECT_ERRNO(ioctl(device, commands[i],
				   (void *)0xffff888000000000UL), EFAULT);
		/* The size can be read, the rest cannot. */
		*size = struct_bytes[i];
		EXPECT_ERRNO(ioctl(device, commands[i], size), EFAULT);
	}
}

static void size_too_small(void)
{
	struct any any = { 0 };

	for (size_t i = 0; i < N_COMMANDS; i++)
		for (any.size = 0; any.size < struct_bytes[i] &&
				   is_offered(commands[i]); any.size++)
			EXPECT_ERRNO(ioctl(device, commands[i], &any), EINVAL);
}

static void size_too_large(void)
{
	struct any any = { 0 };

	for (size_t i = 0; i < N_COMMANDS; i++) {
		if (!is_offered(commands[i]))
			continue;
		any.size = (uint32_t)page_bytes + 1;
		EXPECT_ERRNO(ioctl(device, commands[i], &any), E2BIG);
		any.size = UINT32_MAX;
		EXPECT_ERRNO(ioctl(device, commands[i], &any), E2BIG);

		/* A future caller that uses what we do not know. */
		any.size = struct_bytes[i] + 8;
		((unsigned char *)&any)[struct_bytes[i] + 7] = 1;
		EXPECT_ERRNO(ioctl(device, commands[i], &any), E2BIG);
		((unsigned char *)&any)[struct_bytes[i] + 7] = 0;
	}
}

static void size_of_the_future(void)
{
	struct any any;
	struct mmlab_query query;

	/* A longer struct whose tail is zero works, and the tail stays. */
	memset(&any, 0, sizeof(any));
	any.size = sizeof(query) + 64;
	EXPECT(ioctl(device, MMLAB_IOC_QUERY, &any) == 0);
	memcpy(&query, &any, sizeof(query));
	EXPECT_EQ(query.size, sizeof(query) + 64);
	EXPECT_EQ(query.abi_version, MMLAB_ABI_VERSION);
	for (size_t i = sizeof(query); i < sizeof(any); i++)
		EXPECT_EQ(((unsigned char *)&any)[i], 0);
}

static void flag_unknown(void)
{
	uint64_t arena_caps = 0;

	/* None where arenas are refused, whatever the flags. */
	(void)mmlab_query(MMLAB_MECH_ARENA, &arena_caps);
	for (size_t i = 0; i < N_COMMANDS; i++) {
		/* Two proposals have it so; nor is a zero struct any good. */
		int error = commands[i] == MMLAB_IOC_REFPAGE_CREATE ||
			    commands[i] == MMLAB_IOC_CLONE_MAP
			    ? EINVAL : EOPNOTSUPP;

		for (int bit = 0; bit < 32 && is_offered(commands[i]); bit++) {
			struct any any = {
				.size = struct_bytes[i],
				.flags = UINT32_C(1) << bit,
			};

			/* Known, and the rest of the struct is refused. */
			if ((commands[i] == MMLAB_IOC_LOCKBUF_CREATE &&
			     bit < 2) ||
			    (commands[i] == MMLAB_IOC_ARENA_CREATE &&
			     arena_caps && bit < 1))
				EXPECT_ERRNO(ioctl(device, commands[i], &any),
					     EINVAL);
			else
				EXPECT_ERRNO(ioctl(device, commands[i], &any),
					     error);
		}
	}
}

static void query_answers(void)
{
	struct mmlab_query query = { .size = sizeof(query) };
	uint64_t caps = 0;

	EXPECT(ioctl(device, MMLAB_IOC_QUERY, &query) == 0);
	EXPECT_EQ(query.abi_version, MMLAB_ABI_VERSION);
	EXPECT(query.mechs & (1ULL << MMLAB_MECH_REFPAGE));
	EXPECT(query.mechs & (1ULL << MMLAB_MECH_LOCKBUF));
	EXPECT(query.caps & MMLAB_REFPAGE_CAP_FORM(MMLAB_REFPAGE_COUNTED));
	EXPECT(mmlab_query(MMLAB_MECH_REFPAGE, &caps) == 0);
	EXPECT_EQ(caps, query.caps);

	query.mech = 63;
	EXPECT_ERRNO(ioctl(device, MMLAB_IOC_QUERY, &query), EOPNOTSUPP);
	query.mech = UINT32_MAX;
	EXPECT_ERRNO(ioctl(device, MMLAB_IOC_QUERY, &query), EOPNOTSUPP);
}

static void stats_answer(void)
{
	uint64_t values[64];
	struct mmlab_stats stats = { .size = sizeof(stats) };

	/* No room: only the number of counters. */
	EXPECT(ioctl(device, MMLAB_IOC_STATS, &stats) == 0);
	EXPECT_EQ(stats.n_values, MMLAB_REFPAGE_N_STATS);

	/* Less room than counters: what does not fit is not written. */
	memset(values, 0xff, sizeof(values));
	stats.n_values = 2;
	stats.values = (uintptr_t)values;
	EXPECT(ioctl(device, MMLAB_IOC_STATS, &stats) == 0);
	EXPECT_EQ(stats.n_values, MMLAB_REFPAGE_N_STATS);
	EXPECT_EQ(values[0], 0);
	EXPECT(values[1] != UINT64_MAX);
	EXPECT(values[2] == UINT64_MAX);

	/* More room than counters. */
	memset(values, 0xff, sizeof(values));
	stats.n_values = UINT32_MAX;
	EXPECT(ioctl(device, MMLAB_IOC_STATS, &stats) == 0);
	EXPECT_EQ(stats.n_values, MMLAB_REFPAGE_N_STATS);
	EXPECT(values[MMLAB_REFPAGE_N_STATS - 1] != UINT64_MAX);
	EXPECT(values[MMLAB_REFPAGE_N_STATS] == UINT64_MAX);

	memset(values, 0xff, sizeof(values));
	EXPECT_EQ(mmlab_stats(MMLAB_MECH_REFPAGE, values, 64),
		  MMLAB_REFPAGE_N_STATS);
	EXPECT_EQ(values[63], 0);

	stats.values = 0;
	EXPECT_ERRNO(ioctl(device, MMLAB_IOC_STATS, &stats), EFAULT);
	stats.values = 0xffff888000000000UL;
	EXPECT_ERRNO(ioctl(device, MMLAB_IOC_STATS, &stats), EFAULT);
	stats.mech = 63;
	EXPECT_ERRNO(ioctl(device, MMLAB_IOC_STATS, &stats), EOPNOTSUPP);
	EXPECT_ERRNO(mmlab_stats(63, values, 64), EOPNOTSUPP);
}

/* The struct can be read but not written: nothing may be left behind. */
static void create_is_undone(void)
{
	static const char pattern = 'x';
	struct mmlab_refpage_create *create;
	struct mmlab_lockbuf_create *lockbuf;
	int fd_before, fd_after;

	create = mmap(NULL, page_bytes, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	EXPECT(create != MAP_FAILED);
	create->size = sizeof(*create);
	create->content = (uintptr_t)&pattern;
	create->content_bytes = 1;
	create->form = MMLAB_REFPAGE_COUNTED;
	lockbuf = (struct mmlab_lockbuf_create *)(create + 1);
	lockbuf->size = sizeof(*lockbuf);
	lockbuf->bytes = 1 << 20;
	lockbuf->flags = MMLAB_LOCKBUF_POPULATE;
	lockbuf->flush = MMLAB_LOCKBUF_FLUSH_ALL;
	EXPECT(mprotect(create, page_bytes, PROT_READ) == 0);

	fd_before = dup(0);
	EXPECT(fd_before >= 0 && close(fd_before) == 0);
	for (int i = 0; i < 100; i++) {
		EXPECT_ERRNO(ioctl(device, MMLAB_IOC_REFPAGE_CREATE, create),
			     EFAULT);
		EXPECT_ERRNO(ioctl(device, MMLAB_IOC_LOCKBUF_CREATE, lockbuf),
			     EFAULT);
	}
	fd_after = dup(0);
	EXPECT_EQ(fd_after, fd_before);
	EXPECT_EQ(check_live_objects(), 0);
	{
		uint64_t values[MMLAB_LOCKBUF_N_STATS];

		EXPECT(mmlab_stats(MMLAB_MECH_LOCKBUF, values,
				   MMLAB_LOCKBUF_N_STATS) > 0);
		EXPECT_EQ(values[MMLAB_LOCKBUF_STAT_LIVE_OBJECTS], 0);
		EXPECT_EQ(values[MMLAB_LOCKBUF_STAT_LIVE_PAGES], 0);
	}
}

/* Whatever stands in the out field before the call. */
static void out_field_is_ignored(void)
{
	struct mmlab_refpage_create create = {
		.size = sizeof(create),
		.content = (uintptr_t)"x",
		.content_bytes = 1,
		.form = MMLAB_REFPAGE_COUNTED,
		.fd = -12345,
	};

	EXPECT(ioctl(device, MMLAB_IOC_REFPAGE_CREATE, &create) == 0);
	EXPECT(create.fd > 2);
	EXPECT(close(create.fd) == 0);
}

/* A program that closes everything, and another file in our place. */
static void library_survives_closed_descriptors(void)
{
	int fd;

	EXPECT(mmlab_query(MMLAB_MECH_REFPAGE, NULL) == 0);
	for (fd = 3; fd < 64; fd++)
		(void)close(fd);
	EXPECT(mmlab_query(MMLAB_MECH_REFPAGE, NULL) == 0);

	for (fd = 3; fd < 64; fd++)
		(void)close(fd);
	for (fd = 3; fd < 32; fd++)
		EXPECT_EQ(open("/dev/null", O_RDONLY), fd);
	EXPECT(mmlab_query(MMLAB_MECH_REFPAGE, NULL) == 0);
	EXPECT(mmlab_query(MMLAB_MECH_REFPAGE, NULL) == 0);
	fd = refpage_create("x", 1, 0);
	EXPECT(fd >= 0);
	EXPECT(close(fd) == 0);
}

static void library_without_descriptors(void)
{
	const struct rlimit none = { 0, 0 };
	int fd;

	for (fd = 3; fd < 64; fd++)
		(void)close(fd);
	EXPECT(setrlimit(RLIMIT_NOFILE, &none) == 0);
	EXPECT_ERRNO(refpage_create("x", 1, 0), EMFILE);
}

/* Root may open more, so this is asked by another, who has the device. */
static void expect_no_files(void)
{
	int writer = -1;

	EXPECT(mmlab_query(MMLAB_MECH_REFPAGE, NULL) == 0);
	if (offered & 1ULL << MMLAB_MECH_LOCKBUF) {
		writer = mmlab_lockbuf_create(1, MMLAB_LOCKBUF_WRITER,
					      MMLAB_LOCKBUF_FLUSH_ALL, 0);
		EXPECT(writer >= 0);
	}
	/* More than the processors count on their own. */
	for (int i = 0; i < 400; i++)
		EXPECT(open("/dev/null", O_RDONLY | O_CLOEXEC) >= 0);
	EXPECT(setresuid(65534, 65534, 65534) == 0);
	EXPECT_ERRNO(refpage_create("x", 1, 0), ENFILE);
	if (writer >= 0) {
		EXPECT_ERRNO(mmlab_lockbuf_create(1, MMLAB_LOCKBUF_WRITER,
						  MMLAB_LOCKBUF_FLUSH_ALL, 0),
			     ENFILE);
		EXPECT_ERRNO(mmlab_lockbuf_reader(writer), ENFILE);
	}
	if (offered & 1ULL << MMLAB_MECH_SPF)
		EXPECT_ERRNO(mmlab_spf_create(MMLAB_SPF_NORMAL), ENFILE);
	if (offered & 1ULL << MMLAB_MECH_ARENA)
		EXPECT_ERRNO(mmlab_arena_create(1 << 20, 0, 0, 0), ENFILE);
	_exit(0);
}

static void system_without_files(void)
{
	static const char path[] = "/proc/sys/fs/file-max";
	long before;
	pid_t pid;
	int status;

	if (geteuid() != 0)
		SKIP("needs root to set %s", path);
	before = setting_write(path, 1);
	pid = fork();
	if (pid == 0)
		expect_no_files();
	status = check_wait(pid);
	/* It is everybody's: it goes back whatever happened. */
	(void)setting_write(path, before);
	if (status != 0)
		_exit(status);
	EXPECT_EQ(check_live_objects(), 0);
}

static void debugfs_is_private(void)
{
	static const char path[] = "/sys/kernel/debug/mmlab/refpage";
	struct stat stat_buffer;
	char text[4096];
	ssize_t n;
	int fd;

	if (stat(path, &stat_buffer) < 0)
		SKIP("%s: %s", path, strerror(errno));
	EXPECT_EQ(stat_buffer.st_mode & 0777, 0400);
	fd = open(path, O_RDONLY);
	EXPECT(fd >= 0);
	n = read(fd, text, sizeof(text) - 1);
	EXPECT(n > 0);
	text[n] = '\0';
	EXPECT(strstr(text, "live-objects 0\n"));
	EXPECT(strstr(text, "accessed "));
}

static const struct check checks[] = {
	{ "mechanisms-are-there", mechanisms_are_there },
	{ "device-is-private", device_is_private },
	{ "device-has-no-contents", device_has_no_contents },
	{ "number-unknown", number_unknown },
	{ "address-bad", address_bad },
	{ "size-too-small", size_too_small },
	{ "size-too-large", size_too_large },
	{ "size-of-the-future", size_of_the_future },
	{ "flag-unknown", flag_unknown },
	{ "query-answers", query_answers },
	{ "stats-answer", stats_answer },
	{ "create-is-undone", create_is_undone },
	{ "out-field-is-ignored", out_field_is_ignored },
	{ "library-survives-closed-descriptors", library_survives_closed_descriptors },
	{ "library-without-descriptors", library_without_descriptors },
	{ "system-without-files", system_without_files },
	{ "debugfs-is-private", debugfs_is_private },
};

int main(int argc, char **argv)
{
	struct mmlab_query query = { .size = sizeof(query) };

	check_begin();
	page_bytes = (size_t)sysconf(_SC_PAGESIZE);
	device = open(MMLAB_DEVICE, O_RDWR | O_CLOEXEC);
	if (device < 0) {
		perror(MMLAB_DEVICE);
		return 1;
	}

	if (ioctl(device, MMLAB_IOC_QUERY, &query) == 0)
		offered = query.mechs;

	checks_run(checks, sizeof(checks) / sizeof(checks[0]), NULL,
		   argc == 2 ? argv[1] : NULL);
	return check_finish();
}
