/* SPDX-License-Identifier: MIT */
/*
 * Allocations of one call that fail because they are told to: debug kernels.
 */
#ifndef MMLAB_TEST_FAIL_H
#define MMLAB_TEST_FAIL_H

#include "test-files.h"

static int fail_file;

/* Without a trace of each in the kernel's log, which takes longer than the call. */
static inline void fail_quietly(void)
{
	static const char *const verbosities[] = {
		"/sys/kernel/debug/failslab/verbose",
		"/sys/kernel/debug/fail_page_alloc/verbose",
		"/sys/kernel/debug/fail_usercopy/verbose",
	};

	for (size_t i = 0; i < sizeof(verbosities) / sizeof(*verbosities); i++)
		if (access(verbosities[i], F_OK) == 0)
			file_write_text(verbosities[i], "0");
}

/* Skips the check where nothing can be told so. */
static inline void fail_prepare(bool blocking)
{
	const char *ignored = blocking ? "N" : "Y";

	fail_file = open("/proc/thread-self/fail-nth", O_RDWR | O_CLOEXEC);
	if (fail_file < 0)
		SKIP("no fault injection here");
	fail_quietly();
	/* Those that may wait for memory fail as well, or are not counted. */
	file_write_text("/sys/kernel/debug/failslab/ignore-gfp-wait", ignored);
	file_write_text("/sys/kernel/debug/fail_page_alloc/ignore-gfp-wait",
			ignored);
	file_write_text("/sys/kernel/debug/fail_page_alloc/min-order", "0");
}

/* From here on, the calling thread's nth fails. */
static inline void fail_nth(int n)
{
	char text[16];

	(void)snprintf(text, sizeof(text), "%d", n);
	EXPECT(pwrite(fail_file, text, strlen(text), 0) ==
	       (ssize_t)strlen(text));
}

/* No longer; true if there were not so many. */
static inline bool fail_left_over(void)
{
	char text[16] = "";
	/* What is left over may hit this call. */
	bool left = pread(fail_file, text, sizeof(text) - 1, 0) < 0 ||
		    strtol(text, NULL, 10) != 0;

	while (pwrite(fail_file, "0", 1, 0) != 1)
		continue;
	return left;
}

#endif /* MMLAB_TEST_FAIL_H */
