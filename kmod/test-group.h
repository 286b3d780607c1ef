/* SPDX-License-Identifier: MIT */
/*
 * A memory control group for a part of a check, to which what it allocates is
 * charged.
 */
#ifndef MMLAB_TEST_GROUP_H
#define MMLAB_TEST_GROUP_H

#include <sys/stat.h>

#include "test-files.h"

#define GROUP "/sys/fs/cgroup/mmlab-check"

static inline void group_make(void)
{
	int file = open("/sys/fs/cgroup/cgroup.subtree_control", O_WRONLY);

	if (file < 0 || write(file, "+memory", 7) != 7)
		SKIP("no memory control groups");
	(void)close(file);
	EXPECT(mkdir(GROUP, 0755) == 0 || errno == EEXIST);
}

/*
 * What is charged to a group without processes, in bytes, once nothing of it can
 * be reclaimed: 0 if all that was charged was freed.
 */
static inline long group_charges(void)
{
	const struct timespec pause = { .tv_nsec = 20 * 1000 * 1000 };
	long bytes = -1;

	for (int i = 0; i < 50 && bytes != 0; i++) {
		if (i)
			(void)nanosleep(&pause, NULL);
		/* Also returns what processors have charged in advance. */
		file_write_text(GROUP "/memory.high", "0");
		bytes = file_read_number(GROUP "/memory.current");
	}
	return bytes;
}

/* In a process of its own, which enters the group; then it goes. */
static inline void group_run(void (*run)(void))
{
	pid_t pid;

	group_make();
	pid = fork();
	EXPECT(pid >= 0);
	if (pid == 0) {
		file_write_text(GROUP "/cgroup.procs", "0");
		run();
		_exit(0);
	}
	EXPECT_CHILD_OK(pid);
	EXPECT_EQ(check_live_objects(), 0);
	EXPECT_EQ(group_charges(), 0);
	EXPECT(rmdir(GROUP) == 0);
}

#endif /* MMLAB_TEST_GROUP_H */
