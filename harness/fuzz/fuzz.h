/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * What all fuzz targets use: the input as a file that has a path, and nothing printed to standard output.
 */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* Called by libFuzzer for each input. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A file in memory. */
struct fuzz_file {
	int fd;
	char path[32];
};

static inline void fuzz_file_open(struct fuzz_file *ret, const void *data, size_t size)
{
	ret->fd = memfd_create("fuzz", MFD_CLOEXEC);
	assert(ret->fd >= 0 && write(ret->fd, data, size) == (ssize_t)size);
	(void)snprintf(ret->path, sizeof(ret->path), "/proc/self/fd/%d", ret->fd);
}

static inline void fuzz_file_close(struct fuzz_file *file)
{
	(void)close(file->fd);
}

/* A copy that ends with NUL, so that reading past the end is seen. */
static inline char *fuzz_text(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1);

	assert(text);
	memcpy(text, data, size);
	text[size] = '\0';
	return text;
}
