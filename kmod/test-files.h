/* SPDX-License-Identifier: MIT */
/*
 * What the tests ask the kernel through its files, and write to them.
 */
#ifndef MMLAB_TEST_FILES_H
#define MMLAB_TEST_FILES_H

#include <fcntl.h>
#include <sys/resource.h>

#include "test-check.h"

static inline void file_write_text(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	EXPECT(fd >= 0);
	EXPECT(write(fd, text, strlen(text)) == (ssize_t)strlen(text));
	EXPECT(close(fd) == 0);
}

static inline long file_read_number(const char *path)
{
	char text[32];
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	EXPECT(fd >= 0);
	n = read(fd, text, sizeof(text) - 1);
	EXPECT(n > 0);
	text[n] = '\0';
	EXPECT(close(fd) == 0);
	return strtol(text, NULL, 10);
}

/* Of the system, so whoever changes it puts back what this returns. */
static inline long setting_write(const char *path, long value)
{
	long before = file_read_number(path);
	char text[32];

	(void)snprintf(text, sizeof(text), "%ld", value);
	file_write_text(path, text);
	return before;
}

/* A field of /proc/PID/smaps for the VMA that contains the address, in kB. */
static inline long smaps_kb_of(pid_t pid, const void *address, const char *field)
{
	char path[64], line[512];
	unsigned long start, end;
	bool inside = false;
	long kb = -1;
	FILE *file;

	(void)snprintf(path, sizeof(path), "/proc/%d/smaps", (int)pid);
	file = fopen(path, "re");
	EXPECT(file);
	while (fgets(line, sizeof(line), file)) {
		size_t n = strlen(field);

		if (sscanf(line, "%lx-%lx ", &start, &end) == 2 &&
		    strchr(line, '-') < strchr(line, ' '))
			inside = start <= (uintptr_t)address &&
				 (uintptr_t)address < end;
		else if (inside && !strncmp(line, field, n) && line[n] == ':')
			kb = strtol(line + n + 1, NULL, 10);
	}
	EXPECT(fclose(file) == 0);
	EXPECT(kb >= 0);
	return kb;
}

static inline long smaps_kb(const void *address, const char *field)
{
	return smaps_kb_of(getpid(), address, field);
}

static inline long minor_faults(void)
{
	struct rusage usage;

	EXPECT(getrusage(RUSAGE_THREAD, &usage) == 0);
	return usage.ru_minflt;
}

#endif /* MMLAB_TEST_FILES_H */
