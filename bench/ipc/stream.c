// SPDX-License-Identifier: MIT
#include "stream.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "cleanup.h"

int ipc_stream_open(struct ipc *p)
{
	const struct ipc_stream *stream = ipc_plan(p);

	return ipc_pairs(p, stream->make);
}

/* Messages of a fixed size, or as much as a call takes. */
static size_t chunk_at(const struct ipc *p, size_t done)
{
	const struct ipc_stream *stream = ipc_plan(p);
	size_t rest = p->bytes - done;

	return stream->chunk && stream->chunk < rest ? stream->chunk : rest;
}

int ipc_stream_write(struct ipc *p)
{
	for (size_t done = 0; done < p->bytes;) {
		ssize_t n = write(ipc_there(p, 0), p->addr + done, chunk_at(p, done));

		if (n < 0)
			return -errno;
		done += (size_t)n;
	}
	return 0;
}

int ipc_stream_read(struct ipc *p)
{
	for (size_t done = 0; done < p->bytes;) {
		ssize_t n = read(ipc_there(p, 0), p->addr + done, chunk_at(p, done));

		if (n <= 0)
			return n ? -errno : -EPIPE;
		done += (size_t)n;
	}
	ipc_consume(p, p->addr, 0, p->bytes);
	return 0;
}

int ipc_pipe(int ret_pair[2])
{
	int ends[2];

	if (pipe2(ends, O_CLOEXEC))
		return -errno;
	ret_pair[0] = ends[1];
	ret_pair[1] = ends[0];
	return 0;
}

int ipc_pipe_large(int ret_pair[2])
{
	int fd = open("/proc/sys/fs/pipe-max-size", O_RDONLY | O_CLOEXEC), e;
	char text[24] = "";
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);

	(void)mmlab_close(fd);
	if (n <= 0)
		return -EIO;
	e = ipc_pipe(ret_pair);
	return e ? e : fcntl(ret_pair[0], F_SETPIPE_SZ, atoi(text)) < 0 ? -errno : 0;
}
