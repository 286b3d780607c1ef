// SPDX-License-Identifier: MIT
/*
 * Lockable buffers: what LOCK and UNLOCK promise, in each mode and with each
 * way to flush.
 */
#include "test-lockbuf.h"

/* A process of its own that does as it is told, one command at a time. */
struct peer {
	pid_t pid;
	int socket;
};

struct peer_reply {
	long result;
	int error;
};

enum peer_command { PEER_MAP_WRITER, PEER_MAP_READER, PEER_LOCK, PEER_WAIT,
		    PEER_UNLOCK, PEER_LOOK, PEER_SET, PEER_READ_ACCESS,
		    PEER_WRITE_ACCESS, PEER_UNMAP, PEER_EXIT };

struct peer_request {
	enum peer_command command;
	size_t offset;
	unsigned char value;
};

__attribute__((noreturn))
static void peer_serve(int fd, size_t bytes, int socket)
{
	struct peer_request request;
	unsigned char *memory = NULL;

	while (read(socket, &request, sizeof(request)) == sizeof(request)) {
		struct peer_reply reply = { 0 };

		errno = 0;
		switch (request.command) {
		case PEER_MAP_WRITER:
			memory = mmlab_lockbuf_map(fd, bytes,
						   PROT_READ | PROT_WRITE);
			reply.result = memory == MAP_FAILED ? -1 : 0;
			break;
		case PEER_MAP_READER:
			memory = mmlab_lockbuf_map(fd, bytes, PROT_READ);
			reply.result = memory == MAP_FAILED ? -1 : 0;
			break;
		case PEER_LOCK:
			reply.result = mmlab_lockbuf_lock(fd, 0);
			break;
		case PEER_WAIT:
			reply.result = mmlab_lockbuf_lock(fd,
							  MMLAB_LOCKBUF_WAIT);
			break;
		case PEER_UNLOCK:
			reply.result = mmlab_lockbuf_unlock(fd);
			break;
		case PEER_LOOK:
			reply.result = look(memory + request.offset);
			break;
		case PEER_SET:
			set(memory + request.offset, request.value);
			break;
		case PEER_READ_ACCESS:
			reply.result = access_signal(memory + request.offset,
						     false);
			break;
		case PEER_WRITE_ACCESS:
			reply.result = access_signal(memory + request.offset,
						     true);
			break;
		case PEER_UNMAP:
			reply.result = munmap(memory,
					      mmlab_lockbuf_map_bytes(bytes));
			break;
		case PEER_EXIT:
			_exit(0);
		}
		reply.error = errno;
		if (write(socket, &reply, sizeof(reply)) != sizeof(reply))
			_exit(1);
	}
	_exit(0);
}

static struct peer peer_start(int fd, size_t bytes)
{
	struct peer peer;
	int sockets[2];

	EXPECT(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0,
			  sockets) == 0);
	peer.pid = fork();
	EXPECT(peer.pid >= 0);
	if (peer.pid == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		(void)close(sockets[0]);
		peer_serve(fd, bytes, sockets[1]);
	}
	(void)close(sockets[1]);
	peer.socket = sockets[0];
	return peer;
}

static void peer_send(struct peer *peer, enum peer_command command,
		      size_t offset, unsigned char value)
{
	const struct peer_request request = {
		.command = command, .offset = offset, .value = value,
	};

	EXPECT_EQ(write(peer->socket, &request, sizeof(request)),
		  sizeof(request));
}

/* The result; errno is the peer's. */
static long peer_answer(struct peer *peer)
{
	struct peer_reply reply;

	EXPECT_EQ(read(peer->socket, &reply, sizeof(reply)), sizeof(reply));
	errno = reply.error;
	return reply.result;
}

static long peer_do(struct peer *peer, enum peer_command command)
{
	peer_send(peer, command, 0, 0);
	return peer_answer(peer);
}

static void peer_end(struct peer *peer)
{
	peer_send(peer, PEER_EXIT, 0, 0);
	EXPECT_EQ(check_wait(peer->pid), 0);
	(void)close(peer->socket);
}

/*
 * Checks.
 */

static void lock_gives_access(void)
{
	int fd = create(3 * PAGE_BYTES);
	unsigned char *memory = map_writer(fd, 3 * PAGE_BYTES);

	EXPECT_EQ((uintptr_t)memory % CHUNK_BYTES, 0);
	EXPECT_EQ(access_signal(memory, false), SIGSEGV);
	EXPECT_EQ(access_signal(memory, true), SIGSEGV);
	EXPECT_EQ(mmlab_lockbuf_lock(fd, 0), 0);
	for (int round = 0; round < 10; round++) {
		for (int i = 0; i < 3 * PAGE_BYTES; i++) {
			EXPECT_EQ(look(memory + i), round);
			set(memory + i, (unsigned char)(round + 1));
		}
		EXPECT_EQ(mmlab_lockbuf_unlock(fd), 0);
		if (flush != MMLAB_LOCKBUF_FLUSH_NONE) {
			EXPECT_EQ(access_signal(memory, false), SIGSEGV);
			EXPECT_EQ(access_signal(memory, true), SIGSEGV);
		}
		EXPECT_EQ(mmlab_lockbuf_lock(fd, 0), 0);
	}
	EXPECT_EQ(access_signal(memory + 3 * PAGE_BYTES, false), SIGBUS);
	EXPECT_ERRNO(mmlab_lockbuf_lock(fd, 0), EPERM);
	EXPECT_ERRNO(mmlab_lockbuf_lock(fd, MMLAB_LOCKBUF_WAIT), EDEADLK);
	EXPECT_EQ(mmlab_lockbuf_unlock(fd), 0);
	EXPECT_ERRNO(mmlab_lockbuf_unlock(fd), EPERM);
}

static void hand_over(void)
{
	int fd = create(5 * CHUNK_BYTES);
	unsigned char *memory = map_writer(fd, 5 * CHUNK_BYTES);
	struct peer peer = peer_start(fd, 5 * CHUNK_BYTES);

	EXPECT_EQ(peer_do(&peer, PEER_LOCK), -1);
	EXPECT_EQ(errno, ENXIO);
	EXPECT_EQ(peer_do(&peer, PEER_MAP_READER), 0);
	for (int round = 1; round < 100; round++) {
		size_t offset = (size_t)round * 100000;

		EXPECT_EQ(mmlab_lockbuf_lock(fd, 0), 0);
		set(memory + offset, (unsigned char)round);
		EXPECT_EQ(peer_do(&peer, PEER_LOCK), -1);
		EXPECT_EQ(errno, EPERM);
		EXPECT_EQ(peer_do(&peer, PEER_UNLOCK), -1);
		EXPECT_EQ(errno, EPERM);
		EXPECT_EQ(mmlab_lockbuf_unlock(fd), 0);
		EXPECT_EQ(peer_do(&peer, PEER_READ_ACCESS),
			  mode == MMLAB_LOCKBUF_WRITER ? 0 : SIGSEGV);
		EXPECT_EQ(peer_do(&peer, PEER_LOCK), 0);
		EXPECT_EQ(peer_do(&peer, PEER_WRITE_ACCESS), SIGSEGV);
		peer_send(&peer, PEER_LOOK, offset, 0);
		EXPECT_EQ(peer_answer(&peer), round);
		EXPECT_ERRNO(mmlab_lockbuf_lock(fd, 0), EPERM);
		EXPECT_EQ(access_signal(memory + offset, true), SIGSEGV);
		EXPECT_EQ(peer_do(&peer, PEER_UNLOCK), 0);
	}
	peer_end(&peer);
}

static const struct {
	const char *name;
	void (*run)(void);
} checks[] = {
	{ "lock-gives-access", lock_gives_access },
	{ "hand-over", hand_over },
};

int main(int argc, char **argv)
{
	static const char *const mode_names[] = { "writer", "both", "shared" };

	check_begin();
	for (mode = MMLAB_LOCKBUF_WRITER; mode <= MMLAB_LOCKBUF_SHARED; mode++)
		for (size_t i = 0; i < sizeof(checks) / sizeof(checks[0]); i++) {
			/* An argument chooses the checks that contain it. */
			if (argc == 2 && !strstr(checks[i].name, argv[1]))
				continue;
			check_run(checks[i].name, mode_names[mode],
				  checks[i].run);
		}
	return check_finish();
}
