// SPDX-License-Identifier: MIT
#include "save.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cleanup.h"

static int write_all(int fd, const char *text, size_t size)
{
	while (size) {
		ssize_t n = write(fd, text, size);

		if (n < 0 && errno != EINTR)
			return -errno;
		text += n > 0 ? n : 0;
		size -= n > 0 ? (size_t)n : 0;
	}
	return 0;
}

/* /dev/null, a pipe: renaming would put a file in its place, for everybody. */
static bool is_special(const char *path)
{
	struct stat found;

	return !stat(path, &found) && !S_ISREG(found.st_mode);
}

static int save_special(const char *path, const char *text, size_t size)
{
	_cleanup_(mmlab_closep) int fd = open(path, O_WRONLY | O_CLOEXEC);

	return fd < 0 ? -errno : write_all(fd, text, size);
}

int mmlab_save(const char *path, const char *text, size_t size)
{
	_cleanup_(mmlab_freep) char *temporary = NULL;
	_cleanup_(mmlab_closep) int fd = -1;
	int r;

	if (is_special(path))
		return save_special(path, text, size);
	if (asprintf(&temporary, "%s.tmp.%d", path, (int)getpid()) < 0) {
		temporary = NULL;
		return -ENOMEM;
	}
	fd = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
	if (fd < 0)
		return -errno;
	r = write_all(fd, text, size);
	if (!r && (fsync(fd) < 0 || rename(temporary, path) < 0))
		r = -errno;
	if (r < 0)
		(void)unlink(temporary);
	return r;
}
