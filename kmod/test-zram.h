/* SPDX-License-Identifier: MIT */
/*
 * Block devices in memory for the module's tests, and swapping to one. Without
 * zram (scripts/vm --kernel-module zram) what needs them is skipped.
 */
#ifndef MMLAB_TEST_ZRAM_H
#define MMLAB_TEST_ZRAM_H

#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { zram_page_bytes = 4096 };

/* Ends with the number of a new device of so many bytes, or -1. */
static inline int zram_add(size_t bytes)
{
	char path[64], text[32];
	int number, fd;
	ssize_t n;

	fd = open("/sys/class/zram-control/hot_add", O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -1;
	n = read(fd, text, sizeof(text) - 1);
	(void)close(fd);
	if (n <= 0)
		return -1;
	text[n] = '\0';
	number = atoi(text);

	(void)snprintf(path, sizeof(path), "/sys/block/zram%d/disksize",
		       number);
	(void)snprintf(text, sizeof(text), "%zu", bytes);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -1;
	n = write(fd, text, strlen(text));
	(void)close(fd);
	return n > 0 ? number : -1;
}

/* What mkswap writes, and swapon. */
static inline int zram_swap_on(int number, size_t bytes)
{
	struct {
		char boot[1024];
		uint32_t version, last_page, n_bad_pages;
	} header = { .version = 1,
		     .last_page = (uint32_t)(bytes / zram_page_bytes - 1) };
	char path[32];
	bool written;
	int fd;

	(void)snprintf(path, sizeof(path), "/dev/zram%d", number);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -1;
	written = pwrite(fd, &header, sizeof(header), 0) ==
			  (ssize_t)sizeof(header) &&
		  pwrite(fd, "SWAPSPACE2", 10, (off_t)zram_page_bytes - 10) == 10;
	if (close(fd) < 0 || !written)
		return -1;
	return (int)syscall(SYS_swapon, path, 0);
}

static inline void zram_remove(int number)
{
	char path[32], text[16];
	int fd;

	if (number < 0)
		return;
	(void)snprintf(path, sizeof(path), "/dev/zram%d", number);
	(void)syscall(SYS_swapoff, path);
	fd = open("/sys/class/zram-control/hot_remove", O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return;
	(void)snprintf(text, sizeof(text), "%d", number);
	(void)!write(fd, text, strlen(text));
	(void)close(fd);
}

#endif /* MMLAB_TEST_ZRAM_H */
