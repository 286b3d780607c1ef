// SPDX-License-Identifier: MIT
#include "save.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "cleanup.h"

int mmlab_save(const char *path, const char *text, size_t size)
{
	_cleanup_(mmlab_freep) char *temporary = NULL;
	_cleanup_(mmlab_closep) int fd = -1;
	int r = 0;

	if (asprintf(&temporary, "%s.tmp.%d", path, (int)getpid()) < 0) {
		temporary = NULL;
		return -ENOMEM;
	}
	fd = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
	if (fd < 0)
		return -errno;
	while (size && !r) {
		ssize_t n = write(fd, text, size);

		if (n < 0 && errno != EINTR)
			r = -errno;
		text += n > 0 ? n : 0;
		size -= n > 0 ? (size_t)n : 0;
	}
	if (!r && (fsync(fd) < 0 || rename(temporary, path) < 0))
		r = -errno;
	if (r < 0)
		(void)unlink(temporary);
	return r;
}
