// SPDX-License-Identifier: MIT
/*
 * Linux before 6.7, and stable kernels without the change, refuse MAP_SHARED of a file that is sealed against writing,
 * even for reading. Whether this one does is tried beforehand; then the mapping is private, which costs the same and
 * counts as a fallback.
 */
#include "memfd.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cleanup.h"

#define SEALS (F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)

static const struct ipc_memfd *plan_of(const struct ipc *p)
{
	return ipc_plan(p);
}

static int make_pair(int ret_pair[2])
{
	return socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ret_pair) ? -errno : 0;
}

static int send_fd(int socket, int fd)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control = { 0 };
	struct iovec iov = { .iov_base = "", .iov_len = 1 };
	struct msghdr msg = {
		.msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control)
	};
	struct cmsghdr *header = CMSG_FIRSTHDR(&msg);

	header->cmsg_level = SOL_SOCKET;
	header->cmsg_type = SCM_RIGHTS;
	header->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(header), &fd, sizeof(fd));
	return sendmsg(socket, &msg, MSG_NOSIGNAL) == 1 ? 0 : -errno;
}

/* Return: the descriptor, or -errno. */
static int receive_fd(int socket)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control;
	char byte;
	struct iovec iov = { .iov_base = &byte, .iov_len = 1 };
	struct msghdr msg = {
		.msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control)
	};
	ssize_t n = recvmsg(socket, &msg, MSG_CMSG_CLOEXEC);
	struct cmsghdr *header = n == 1 ? CMSG_FIRSTHDR(&msg) : NULL;
	int fd;

	if (n < 0)
		return -errno;
	if (!header || header->cmsg_type != SCM_RIGHTS)
		return -EPIPE;
	memcpy(&fd, CMSG_DATA(header), sizeof(fd));
	return fd;
}

static unsigned int memfd_flags(const struct ipc *p)
{
	return plan_of(p)->sealed ? MFD_ALLOW_SEALING : 0;
}

static int try_sealed_shared(struct ipc *p)
{
	_cleanup_(mmlab_closep) int fd = ipc_memfd(p, memfd_flags(p));
	void *at;

	if (fd < 0)
		return fd;
	if (fcntl(fd, F_ADD_SEALS, SEALS))
		return -errno;
	at = mmap(NULL, ipc_map_bytes(p), PROT_READ, MAP_SHARED, fd, 0);
	if (at != MAP_FAILED)
		return munmap(at, ipc_map_bytes(p)) ? -errno : 0;
	p->n_fallbacks = 1;
	return errno == EPERM ? 0 : -errno;
}

int ipc_memfd_open(struct ipc *p)
{
	int e = ipc_pairs(p, make_pair);

	if (!e && ipc_ops(p)->pages == IPC_HUGETLB)
		e = ipc_skip_without_pages(p);
	if (!e && plan_of(p)->sealed)
		e = try_sealed_shared(p);
	if (!e && plan_of(p)->kept)
		e = ipc_file(p);
	return e;
}

/* A kept file reaches the consumer with each transfer anew. */
int ipc_memfd_open_consumer(struct ipc *p)
{
	p->fd = mmlab_close(p->fd);
	return 0;
}

static int populate_flag(const struct ipc *p)
{
	return plan_of(p)->populate ? MAP_POPULATE : 0;
}

int ipc_memfd_acquire(struct ipc *p)
{
	if (!plan_of(p)->kept)
		p->fd = ipc_memfd(p, memfd_flags(p));
	return p->fd < 0 ? p->fd : ipc_map(p, PROT_READ | PROT_WRITE, MAP_SHARED | populate_flag(p));
}

int ipc_memfd_release(struct ipc *p)
{
	int e = ipc_unmap(p);

	if (!e && plan_of(p)->sealed && fcntl(p->fd, F_ADD_SEALS, SEALS))
		e = -errno;
	for (unsigned int i = 0; !e && i < p->n_readers; i++)
		e = send_fd(ipc_there(p, i), p->fd);
	if (!plan_of(p)->kept)
		p->fd = mmlab_close(p->fd);
	return e;
}

int ipc_memfd_take(struct ipc *p)
{
	int e, share = p->n_fallbacks > 0 ? MAP_PRIVATE : MAP_SHARED;

	p->fd = receive_fd(ipc_there(p, p->reader));
	if (p->fd < 0)
		return p->fd;
	if (plan_of(p)->sealed && (fcntl(p->fd, F_GET_SEALS) & SEALS) != SEALS)
		return -EPERM;
	e = ipc_map(p, PROT_READ, share | populate_flag(p));
	if (!e)
		ipc_consume(p, p->addr, 0, p->bytes);
	return e;
}

int ipc_memfd_give(struct ipc *p)
{
	int e = ipc_unmap(p);

	p->fd = mmlab_close(p->fd);
	return e;
}

/*
 * Filling the tables of a shared mapping reads; it takes a fault for each page that is new, and a window else. So what
 * is written then is clean, in each page.
 */
uint64_t ipc_memfd_faults(const struct ipc *p)
{
	const struct ipc_memfd *plan = plan_of(p);

	if (!plan->populate)
		return ipc_faults_pages(p);
	return (plan->kept ? ipc_faults_around(p) : ipc_faults_pages(p)) + ipc_faults_clean(p);
}

uint64_t ipc_memfd_consumer_faults(const struct ipc *p)
{
	return plan_of(p)->populate ? ipc_faults_around(p) : ipc_faults_consumer(p);
}
