/* SPDX-License-Identifier: MIT */
/* What the tests of lockable buffers share. */
#ifndef MMLAB_TEST_LOCKBUF_H
#define MMLAB_TEST_LOCKBUF_H

#include <setjmp.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#define CHECK_MECH MMLAB_MECH_LOCKBUF
#define CHECK_N_LIVE 4
#include "test-check.h"

enum { PAGE_BYTES = 4096, CHUNK_BYTES = 2 << 20 };

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

static inline unsigned char look(const volatile unsigned char *byte)
{
	return *byte;
}

static inline void set(volatile unsigned char *byte, unsigned char value)
{
	*byte = value;
}

static _Thread_local sigjmp_buf access_jump;
static _Thread_local volatile bool access_expected;

static inline void access_handler(int signal)
{
	if (access_expected)
		siglongjmp(access_jump, signal);
	(void)sigaction(signal, &(struct sigaction){ .sa_handler = SIG_DFL },
			NULL);
}

/* The signal that an access ends in; 0 if it succeeds. Any thread. */
static inline int access_signal(volatile unsigned char *byte, bool write)
{
	const struct sigaction action = { .sa_handler = access_handler };
	int signal;

	(void)sigaction(SIGSEGV, &action, NULL);
	(void)sigaction(SIGBUS, &action, NULL);
	signal = sigsetjmp(access_jump, 1);
	if (signal == 0) {
		access_expected = true;
		if (write)
			*byte = *byte;
		else
			(void)*byte;
	}
	access_expected = false;
	return signal;
}

#endif /* MMLAB_TEST_LOCKBUF_H */
