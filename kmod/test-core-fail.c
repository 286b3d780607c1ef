// SPDX-License-Identifier: MIT
/*
 * The device itself: every call that belongs to no mechanism, or to all, where
 * each thing that it asks for fails once.
 */
#include <fcntl.h>
#include <sys/ioctl.h>

#define CHECK_MECH MMLAB_MECH_REFPAGE
#include "test-fail.h"

static int device, result_fd;

static long device_try(void)
{
	return result_fd = open(MMLAB_DEVICE, O_RDWR | O_CLOEXEC);
}

static void close_result(void)
{
	EXPECT(close(result_fd) == 0);
}

static long query(void)
{
	struct mmlab_query arg = { .size = sizeof(arg) };

	return ioctl(device, MMLAB_IOC_QUERY, &arg);
}

static long stats(void)
{
	uint64_t values[CHECK_MAX_STATS];
	struct mmlab_stats arg = {
		.size = sizeof(arg),
		.n_values = CHECK_MAX_STATS,
		.values = (uintptr_t)values,
	};

	return ioctl(device, MMLAB_IOC_STATS, &arg);
}

static long unknown(void)
{
	int result = ioctl(device, _IO(MMLAB_IOC_MAGIC, 0xff), 0);

	return result < 0 && errno == ENOTTY ? 0 : -1;
}

static long debugfs_try(void)
{
	return result_fd = open("/sys/kernel/debug/mmlab/refpage",
				O_RDONLY | O_CLOEXEC);
}

static void debugfs_open(void)
{
	EXPECT(debugfs_try() >= 0);
}

static long debugfs_read(void)
{
	char text[4096];

	return pread(result_fd, text, sizeof(text), 0);
}

static const struct fail_call calls[] = {
	{ "open of the device", NULL, device_try, close_result },
	{ "QUERY", NULL, query },
	{ "STATS", NULL, stats },
	{ "no command", NULL, unknown, .never = true },
	{ "open in debugfs", NULL, debugfs_try, close_result },
	{ "read in debugfs", debugfs_open, debugfs_read, close_result },
};

static void begin(void)
{
	device = open(MMLAB_DEVICE, O_RDWR | O_CLOEXEC);
	EXPECT(device >= 0);
}

static void calls_run(void)
{
	fail_calls_run(calls, sizeof(calls) / sizeof(calls[0]), begin, NULL);
}

static void each_call(void)
{
	group_run(calls_run);
}

int main(void)
{
	check_begin();
	fail_begin();
	check_run("each-call", NULL, each_call);
	return fail_end() ? check_finish() : 1;
}
