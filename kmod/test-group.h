/* SPDX-License-Identifier: MIT */
/*
 * A memory control group for a part of a check, to which what it allocates is
 * charged.
 */
#ifndef MMLAB_TEST_GROUP_H
#define MMLAB_TEST_GROUP_H

#include <sys/stat.h>

#include "test-files.h"

#define GROUP_PARENT "/sys/fs/cgroup/mmlab-check"
#define GROUP GROUP_PARENT "/one"

static inline void group_make(void)
{
	int file = open("/sys/fs/cgroup/cgroup.subtree_control", O_WRONLY);

	if (file < 0 || write(file, "+memory", 7) != 7)
		SKIP("no memory control groups");
	(void)close(file);
	EXPECT(mkdir(GROUP_PARENT, 0755) == 0 || errno == EEXIST);
	file_write_text(GROUP_PARENT "/cgroup.subtree_control", "+memory");
	EXPECT(mkdir(GROUP, 0755) == 0 || errno == EEXIST);
}

/* What is charged for what, for whoever wants to know why. */
static inline void group_print_charges(void)
{
	FILE *file = fopen(GROUP_PARENT "/memory.stat", "re");
	char name[64];
	long value;

	while (file && fscanf(file, "%63s %ld", name, &value) == 2 &&
	       strncmp(name, "workingset", 10) != 0)
		if (value != 0)
			(void)fprintf(stderr, "# still charged: %s %ld\n",
				      name, value);
	if (file)
		(void)fclose(file);
}

/*
 * Removes a group without processes. Return: what of its charges stays, in bytes,
 * once nothing can be reclaimed, or for so many seconds: 0 if all that was charged
 * was freed. That is asked of the parent, which inherits it: as long as there is a
 * group, parts of pages from which its objects were cut may stay charged.
 */
static inline long group_end(int seconds)
{
	const struct timespec pause = { .tv_nsec = 20 * 1000 * 1000 };
	struct timespec now, end;
	long bytes;

	EXPECT(rmdir(GROUP) == 0);
	EXPECT(clock_gettime(CLOCK_MONOTONIC, &end) == 0);
	end.tv_sec += seconds;
	do {
		(void)nanosleep(&pause, NULL);
		/*
		 * Also returns what processors have charged in advance. Takes
		 * long where something stays.
		 */
		file_write_text(GROUP_PARENT "/memory.high", "0");
		bytes = file_read_number(GROUP_PARENT "/memory.current");
		EXPECT(clock_gettime(CLOCK_MONOTONIC, &now) == 0);
	} while (bytes != 0 && now.tv_sec < end.tv_sec);
	if (bytes != 0)
		group_print_charges();
	EXPECT(rmdir(GROUP_PARENT) == 0);
	return bytes;
}

/*
 * In a process of its own, which enters the group; then it goes. What the kernel
 * makes once and keeps, as names of files that were looked up, is charged to who
 * was first: what stays after that, stays again when all is done again.
 */
static inline void group_run(void (*run)(void))
{
	/* The kernel gathers what is to be freed for 5 s, and may then be busy. */
	static const int seconds[] = { 8, 30 };
	long bytes;

	for (int i = 0; i < 2; i++) {
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
		bytes = group_end(seconds[i]);
		if (bytes == 0)
			return;
	}
	EXPECT_EQ(bytes, 0);
}

#endif /* MMLAB_TEST_GROUP_H */
