// SPDX-License-Identifier: MIT
/* Speculative page faults: every argument of every call, and the descriptors. */
#include "test-spf.h"

#include <fcntl.h>
#include <sys/ioctl.h>

static int device_call(unsigned long command, void *arg)
{
	int device = open(MMLAB_DEVICE, O_RDWR | O_CLOEXEC);
	int result, error;

	EXPECT(device >= 0);
	result = ioctl(device, command, arg);
	error = errno;
	(void)close(device);
	errno = error;
	return result;
}

static void create_values_bad(void)
{
	struct mmlab_spf_create arg = { .size = sizeof(arg) };

	EXPECT_ERRNO(mmlab_spf_create(3), EINVAL);
	EXPECT_ERRNO(mmlab_spf_create(UINT32_MAX), EINVAL);
	for (int bit = 0; bit < 32; bit++) {
		arg.flags = 1U << bit;
		EXPECT_ERRNO(device_call(MMLAB_IOC_SPF_CREATE, &arg),
			     EOPNOTSUPP);
	}
	arg.flags = 0;
	arg.size--;
	EXPECT_ERRNO(device_call(MMLAB_IOC_SPF_CREATE, &arg), EINVAL);
}

static void create_until_limit(void)
{
	const struct rlimit limit = { 200, 200 };
	int n = 0;

	EXPECT(setrlimit(RLIMIT_NOFILE, &limit) == 0);
	while (mmlab_spf_create(MMLAB_SPF_SPECULATIVE) >= 0)
		n++;
	EXPECT_EQ(errno, EMFILE);
	EXPECT(n > 150 && n < 200);
	EXPECT_EQ(check_stat(MMLAB_SPF_STAT_LIVE_OBJECTS), n);
	for (int i = 3; i < 200; i++)
		(void)close(i);
	EXPECT_EQ(check_live_objects(), 0);
}

static void descriptor_properties(void)
{
	char path[64], target[64], byte = 0;
	int fd = mmlab_spf_create(MMLAB_SPF_NORMAL);
	ssize_t n;

	EXPECT(fd >= 0);
	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	n = readlink(path, target, sizeof(target) - 1);
	EXPECT(n > 0);
	target[n] = '\0';
	EXPECT(!strcmp(target, "anon_inode:[spf]"));
	EXPECT_EQ(fcntl(fd, F_GETFD), FD_CLOEXEC);
	EXPECT_EQ(fcntl(fd, F_GETFL) & O_ACCMODE, O_RDWR);
	EXPECT_ERRNO(read(fd, &byte, 1), EINVAL);
	EXPECT_ERRNO(write(fd, &byte, 1), EINVAL);
	EXPECT_ERRNO(ioctl(fd, MMLAB_IOC_QUERY, &byte), ENOTTY);
	EXPECT(ftruncate(fd, 4096) == -1);
}

static void hook_values_bad(void)
{
	struct mmlab_spf_hook_set arg = { .size = sizeof(arg) };
	unsigned int former;

	EXPECT_ERRNO(mmlab_spf_hook(3, NULL), EINVAL);
	EXPECT_ERRNO(mmlab_spf_hook(UINT32_MAX, &former), EINVAL);
	for (int bit = 0; bit < 32; bit++) {
		arg.flags = 1U << bit;
		EXPECT_ERRNO(device_call(MMLAB_IOC_SPF_HOOK, &arg), EOPNOTSUPP);
	}
	arg.flags = 0;
	arg.size--;
	EXPECT_ERRNO(device_call(MMLAB_IOC_SPF_HOOK, &arg), EINVAL);
	if (!hook_works())
		EXPECT_ERRNO(mmlab_spf_hook(MMLAB_SPF_HOOK_IN, NULL),
			     EOPNOTSUPP);
	EXPECT(mmlab_spf_hook(MMLAB_SPF_HOOK_AUTO, &former) == 0);
	EXPECT_EQ(former, MMLAB_SPF_HOOK_AUTO);
}

/* It is everybody's. */
static void hook_needs_privilege(void)
{
	unsigned int former;
	pid_t pid;

	if (geteuid() != 0)
		SKIP("needs root to drop privileges");
	EXPECT(mmlab_spf_hook(MMLAB_SPF_HOOK_AUTO, NULL) == 0);
	pid = fork();
	if (pid == 0) { /* with root's descriptor of the device */
		EXPECT(setresuid(65534, 65534, 65534) == 0);
		EXPECT_ERRNO(mmlab_spf_hook(3, NULL), EINVAL);
		for (unsigned int hook = MMLAB_SPF_HOOK_AUTO;
		     hook <= MMLAB_SPF_HOOK_IN; hook++)
			EXPECT_ERRNO(mmlab_spf_hook(hook, NULL), EPERM);
		_exit(0);
	}
	EXPECT_CHILD_OK(pid);
	EXPECT(mmlab_spf_hook(MMLAB_SPF_HOOK_AUTO, &former) == 0);
	EXPECT_EQ(former, MMLAB_SPF_HOOK_AUTO);
}

/* What was asked for has been set all the same. */
static void hook_cannot_answer(void)
{
	size_t page_bytes = (size_t)sysconf(_SC_PAGESIZE);
	struct mmlab_spf_hook_set *arg = mmap(NULL, page_bytes,
					      PROT_READ | PROT_WRITE,
					      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	unsigned int former;

	EXPECT(arg != MAP_FAILED);
	arg->size = sizeof(*arg);
	arg->hook = MMLAB_SPF_HOOK_OUT;
	EXPECT(mprotect(arg, page_bytes, PROT_READ) == 0);
	EXPECT_ERRNO(device_call(MMLAB_IOC_SPF_HOOK, arg), EFAULT);
	EXPECT(mmlab_spf_hook(MMLAB_SPF_HOOK_AUTO, &former) == 0);
	EXPECT_EQ(former, MMLAB_SPF_HOOK_OUT);
	EXPECT(munmap(arg, page_bytes) == 0);
}

/* Loaded with spf_hook=0, or not to be had here: speculation is as normal. */
static void hook_absent(void)
{
	uint64_t before[CHECK_MAX_STATS];
	unsigned char *memory;

	if (hook_works())
		SKIP("the hook is there");
	EXPECT(!(capabilities() & MMLAB_SPF_CAP_COPY));
	EXPECT_ERRNO(mmlab_spf_hook(MMLAB_SPF_HOOK_IN, NULL), EOPNOTSUPP);
	if (!(capabilities() & MMLAB_SPF_CAP_REGIONS))
		return;
	mode = MMLAB_SPF_SPECULATIVE;
	check_stats(before);
	memory = region(TABLE_BYTES);
	for (int i = 0; i < 8; i++)
		memory[i * PAGE_BYTES] = 1;
	EXPECT_SINCE(before, NORMAL, 8);
	EXPECT_SINCE(before, FIRST_TOUCH, 0);
	EXPECT_SINCE(before, ARMED, 0);
	EXPECT_SINCE(before, HOOK_IN, 0);
	EXPECT_EQ(check_stat(MMLAB_SPF_STAT_LIVE_REGIONS), 0);
	EXPECT_EQ(check_stat(MMLAB_SPF_STAT_HOOKED), 0);
	EXPECT(munmap(memory, TABLE_BYTES) == 0);
}

static void hold_values_bad(void)
{
	struct mmlab_spf_hold arg = { .size = sizeof(arg), .ms = 1 };
	unsigned char *hole = place_find(TABLE_BYTES);

	EXPECT_ERRNO(mmlab_spf_hold(0, NULL), EINVAL);
	EXPECT_ERRNO(mmlab_spf_hold(MMLAB_SPF_HOLD_MAX_MS + 1, NULL), EINVAL);
	EXPECT_ERRNO(mmlab_spf_hold(UINT32_MAX, NULL), EINVAL);
	EXPECT_ERRNO(mmlab_spf_hold(1, hole), EFAULT);
	EXPECT_ERRNO(mmlab_spf_hold(1, (void *)-4096), EFAULT);
	arg.reserved = 1;
	EXPECT_ERRNO(device_call(MMLAB_IOC_SPF_HOLD, &arg), EINVAL);
	arg.reserved = 0;
	for (int bit = 0; bit < 32; bit++) {
		arg.flags = 1U << bit;
		EXPECT_ERRNO(device_call(MMLAB_IOC_SPF_HOLD, &arg), EOPNOTSUPP);
	}
	arg.flags = 0;
	arg.size--;
	EXPECT_ERRNO(device_call(MMLAB_IOC_SPF_HOLD, &arg), EINVAL);
	/* The lock is free after each. */
	EXPECT(mmlab_spf_hold(1, NULL) == 0);
	EXPECT(mmlab_spf_hold(1, &arg) == 0);
	EXPECT_EQ(check_stat(MMLAB_SPF_STAT_HOLDING), 0);
}

/* Nothing in the struct is for the caller, who may keep it where nobody writes. */
static void hold_from_constant(void)
{
	static const struct mmlab_spf_hold arg = { .size = sizeof(arg), .ms = 1 };

	EXPECT(device_call(MMLAB_IOC_SPF_HOLD, (void *)(uintptr_t)&arg) == 0);
}

/* Who holds it can be killed. */
static void hold_killed(void)
{
	pid_t pid = fork();

	EXPECT(pid >= 0);
	if (pid == 0) {
		(void)mmlab_spf_hold(MMLAB_SPF_HOLD_MAX_MS, NULL);
		_exit(0);
	}
	while (!check_stat(MMLAB_SPF_STAT_HOLDING))
		(void)usleep(1000);
	EXPECT(kill(pid, SIGKILL) == 0);
	EXPECT(waitpid(pid, NULL, 0) == pid);
	EXPECT_EQ(check_stat(MMLAB_SPF_STAT_HOLDING), 0);
}

static void map_arguments_bad(void)
{
	for (mode = MMLAB_SPF_NORMAL; mode <= MMLAB_SPF_MMAP_LOCK; mode++) {
		int fd = create(), error;
		void *memory;

		EXPECT_ERRNO(mmap(NULL, PAGE_BYTES, rw, MAP_SHARED, fd, 0),
			     EINVAL);
		EXPECT_ERRNO(mmap(NULL, PAGE_BYTES, PROT_READ, MAP_SHARED, fd,
				  0), EINVAL);
		/* Newer kernels say EPERM before the module is asked. */
		memory = mmap(NULL, PAGE_BYTES, rw | PROT_EXEC, MAP_PRIVATE, fd,
			      0);
		error = errno;
		EXPECT(memory == MAP_FAILED);
		EXPECT(error == EINVAL || error == EPERM);
		EXPECT_EQ(check_stat(MMLAB_SPF_STAT_LIVE_REGIONS), 0);
		EXPECT_EQ(check_stat(MMLAB_SPF_STAT_HOOKED), 0);

		memory = mmap(NULL, 1, PROT_NONE, MAP_PRIVATE, fd,
			      PAGE_BYTES);
		EXPECT(memory != MAP_FAILED);
		EXPECT_EQ(access_signal(memory, false), SIGSEGV);
		EXPECT_EQ(access_signal(memory, true), SIGSEGV);
		EXPECT(munmap(memory, 1) == 0);
		EXPECT(close(fd) == 0);
	}
}

static const struct check checks[] = {
	{ "create-values-bad", create_values_bad },
	{ "create-until-limit", create_until_limit },
	{ "descriptor-properties", descriptor_properties },
	{ "hook-values-bad", hook_values_bad },
	{ "hook-needs-privilege", hook_needs_privilege },
	{ "hook-cannot-answer", hook_cannot_answer },
	{ "hook-absent", hook_absent },
	{ "hold-values-bad", hold_values_bad },
	{ "hold-from-constant", hold_from_constant },
	{ "hold-killed", hold_killed },
	{ "map-arguments-bad", map_arguments_bad },
};

int main(int argc, char **argv)
{
	check_begin();
	checks_run(checks, sizeof(checks) / sizeof(checks[0]), NULL,
		   argc == 2 ? argv[1] : NULL);
	return check_finish();
}
