/* SPDX-License-Identifier: MIT */
/*
 * What the tests of lockable buffers share: making them, touching them, and a
 * second process to hand them to.
 */
#ifndef MMLAB_TEST_LOCKBUF_H
#define MMLAB_TEST_LOCKBUF_H

#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#define CHECK_MECH MMLAB_MECH_LOCKBUF
#define CHECK_N_LIVE 4
#include "test-access.h"
#include "test-check.h"

enum { PAGE_BYTES = 4096, CHUNK_BYTES = 2 << 20 };

static const size_t gib = (size_t)1 << 30;

/* The variant under test. */
static enum mmlab_lockbuf_mode mode;
static enum mmlab_lockbuf_flush flush;
static unsigned int create_flags;

static inline int create(size_t bytes)
{
	int fd = mmlab_lockbuf_create(bytes, mode, flush, create_flags);

	EXPECT(fd >= 0);
	return fd;
}

static inline unsigned char *map(int fd, size_t bytes, int prot)
{
	unsigned char *memory = mmlab_lockbuf_map(fd, bytes, prot);

	EXPECT(memory != MAP_FAILED);
	return memory;
}

static inline unsigned char *map_writer(int fd, size_t bytes)
{
	return map(fd, bytes, PROT_READ | PROT_WRITE);
}

static inline unsigned char *map_reader(int fd, size_t bytes)
{
	return map(fd, bytes, PROT_READ);
}

static inline void lock(int fd)
{
	EXPECT_EQ(mmlab_lockbuf_lock(fd, 0), 0);
}

static inline void unlock(int fd)
{
	EXPECT_EQ(mmlab_lockbuf_unlock(fd), 0);
}

static inline unsigned char look(const volatile unsigned char *byte)
{
	return *byte;
}

static inline void set(volatile unsigned char *byte, unsigned char value)
{
	*byte = value;
}

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
		    PEER_WRITE_ACCESS, PEER_CHANGES, PEER_UNMAP, PEER_EXIT };

struct peer_request {
	enum peer_command command;
	size_t offset;
	unsigned char value;
};

/* How many pages somebody else writes to, in their second word, meanwhile. */
static inline int peer_count_changes(unsigned char *memory, size_t bytes)
{
	const struct timespec pause = { .tv_nsec = 1000 * 1000 };
	volatile uint64_t *words = (volatile uint64_t *)(void *)memory;
	uint64_t before[16];
	int n_changed = 0;

	for (size_t i = 0; i < bytes / PAGE_BYTES && i < 16; i++)
		before[i] = words[i * PAGE_BYTES / 8 + 1];
	(void)nanosleep(&pause, NULL);
	for (size_t i = 0; i < bytes / PAGE_BYTES && i < 16; i++)
		n_changed += before[i] != words[i * PAGE_BYTES / 8 + 1];
	return n_changed;
}

__attribute__((noreturn))
static inline void peer_serve(int fd, size_t bytes, int socket)
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
		case PEER_CHANGES:
			reply.result = peer_count_changes(memory, bytes);
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

static inline struct peer peer_start(int fd, size_t bytes)
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

static inline void peer_send(struct peer *peer, enum peer_command command,
		      size_t offset, unsigned char value)
{
	const struct peer_request request = {
		.command = command, .offset = offset, .value = value,
	};

	EXPECT_EQ(write(peer->socket, &request, sizeof(request)),
		  sizeof(request));
}

/* The result; errno is the peer's. */
static inline long peer_answer(struct peer *peer)
{
	struct peer_reply reply;

	EXPECT_EQ(read(peer->socket, &reply, sizeof(reply)), sizeof(reply));
	errno = reply.error;
	return reply.result;
}

static inline long peer_do(struct peer *peer, enum peer_command command)
{
	peer_send(peer, command, 0, 0);
	return peer_answer(peer);
}

static inline void peer_kill(struct peer *peer)
{
	EXPECT(kill(peer->pid, SIGKILL) == 0);
	EXPECT(waitpid(peer->pid, NULL, 0) == peer->pid);
	(void)close(peer->socket);
}

static inline void peer_end(struct peer *peer)
{
	peer_send(peer, PEER_EXIT, 0, 0);
	EXPECT_EQ(check_wait(peer->pid), 0);
	(void)close(peer->socket);
}

/* How much a counter moved. */
static inline uint64_t since(const uint64_t before[CHECK_MAX_STATS],
			     unsigned int stat)
{
	return check_stat(stat) - before[stat];
}

#define EXPECT_SINCE(before, stat, value) \
	EXPECT_EQ(since(before, MMLAB_LOCKBUF_STAT_##stat), value)

/* Whatever went into page tables came out: once no mapping is left. */
static inline bool entries_balance(void)
{
	if (check_stat(MMLAB_LOCKBUF_STAT_PMDS_ATTACHED) ==
	    check_stat(MMLAB_LOCKBUF_STAT_PMDS_DETACHED) &&
	    check_stat(MMLAB_LOCKBUF_STAT_PUDS_ATTACHED) ==
	    check_stat(MMLAB_LOCKBUF_STAT_PUDS_DETACHED))
		return true;
	printf("not ok - entries attached are not entries detached\n");
	return false;
}

#endif /* MMLAB_TEST_LOCKBUF_H */
