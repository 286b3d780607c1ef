/* SPDX-License-Identifier: MIT */
/*
 * Files of the kernel's that the tests of clones read and write, and a memory
 * control group.
 */
#ifndef MMLAB_TEST_CLONE_MM_H
#define MMLAB_TEST_CLONE_MM_H

#include <sys/stat.h>

#include "test-clone.h"

/* A counter of /proc/vmstat. */
static inline long vmstat(const char *name)
{
	char line[128];
	long value = -1;
	FILE *file = fopen("/proc/vmstat", "re");
	size_t n = strlen(name);

	EXPECT(file);
	while (fgets(line, sizeof(line), file))
		if (!strncmp(line, name, n) && line[n] == ' ')
			value = strtol(line + n, NULL, 10);
	EXPECT(fclose(file) == 0);
	EXPECT(value >= 0);
	return value;
}

static const char group[] = "/sys/fs/cgroup/mmlab-clone";

static inline void group_enter(pid_t pid, bool enter)
{
	char text[16];

	(void)snprintf(text, sizeof(text), "%d", (int)pid);
	file_write_text(enter ? "/sys/fs/cgroup/mmlab-clone/cgroup.procs"
			      : "/sys/fs/cgroup/cgroup.procs", text);
}

static inline void group_make(void)
{
	int fd = open("/sys/fs/cgroup/cgroup.subtree_control",
		      O_WRONLY | O_CLOEXEC);

	if (fd < 0 || write(fd, "+memory", 7) != 7)
		SKIP("no memory control group");
	EXPECT(close(fd) == 0);
	EXPECT(mkdir(group, 0700) == 0 || errno == EEXIST);
	if (access("/sys/fs/cgroup/mmlab-clone/memory.reclaim", W_OK) < 0)
		SKIP("no memory.reclaim");
}

static inline long group_charged(void)
{
	return file_read_number("/sys/fs/cgroup/mmlab-clone/memory.current");
}

static inline void group_reclaim(void)
{
	int fd = open("/sys/fs/cgroup/mmlab-clone/memory.reclaim",
		      O_WRONLY | O_CLOEXEC);

	EXPECT(fd >= 0);
	(void)!write(fd, "4M", 2); /* less is fine */
	EXPECT(close(fd) == 0);
}

#endif /* MMLAB_TEST_CLONE_MM_H */
