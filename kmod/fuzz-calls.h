/* SPDX-License-Identifier: MIT */
/*
 * What a fuzzed process does, one function for each call. All arguments are
 * numbers, so that a sequence of calls can be made up, written down, and
 * compiled again as a program that repeats it (fuzz-print.c).
 *
 * Places are fixed: memory is mapped in regions at known addresses, and
 * descriptors have known numbers. So no argument depends on the result of a call
 * before. A function returns what its call does: -1 with errno on failure.
 */
#ifndef MMLAB_FUZZ_CALLS_H
#define MMLAB_FUZZ_CALLS_H

#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "libmmlab.h"

#define REGION_BASE 0x100000000000ULL
#define REGION_BYTES (16ULL << 20)
#define PAGE_BYTES 4096ULL

enum {
	N_REGIONS = 32,
	N_SLOTS = 64, /* of descriptors */
	MAX_WORKERS = 8,
	MAX_DEPTH = 2, /* of processes and threads made by each other */
	FD_FIRST = 100, /* the number of the first slot's descriptor */
	FD_DEVICE = 90,
	FD_SHARED = 91,
	FD_SEND = 92,
	FD_RECEIVE = 93,
};

/* What all processes of a round see, in FD_SHARED. */
struct fuzz_shared {
	_Atomic pid_t pids[MAX_WORKERS];
	unsigned int n_workers;
	/* The device that memory is swapped to, or -1. */
	int zram;
};
extern struct fuzz_shared *shared;

/* Runs steps of the worker's sequence, for the calls that make others run. */
extern void (*run_steps)(unsigned int from, unsigned int n);
extern unsigned int worker_number;
extern __thread unsigned int step_now, depth_now;

extern __thread sigjmp_buf access_return;
extern __thread volatile sig_atomic_t access_expected;

/* A signal of a memory access ends the access; the clock's also ends a wait. */
static inline void on_signal(int number)
{
	if (access_expected) {
		access_expected = 0;
		siglongjmp(access_return, number);
	}
	if (number != SIGALRM) {
		(void)signal(number, SIG_DFL);
		(void)raise(number);
	}
}

/* No call lasts for ever, unless the kernel does not listen. */
static inline void signals_begin(void)
{
	const struct itimerval beat = { { 0, 200000 }, { 0, 200000 } };
	struct sigaction action = { .sa_handler = on_signal,
				    .sa_flags = SA_NODEFER };

	(void)sigaction(SIGSEGV, &action, NULL);
	(void)sigaction(SIGBUS, &action, NULL);
	(void)sigaction(SIGALRM, &action, NULL);
	action.sa_handler = SIG_DFL;
	action.sa_flags = SA_NOCLDWAIT;
	(void)sigaction(SIGCHLD, &action, NULL);
	(void)signal(SIGPIPE, SIG_IGN);
	(void)setitimer(ITIMER_REAL, &beat, NULL);
}

/* Copies memory that may not be there. */
static inline bool copy_guarded(void *to, const void *from, size_t bytes)
{
	if (sigsetjmp(access_return, 0) != 0)
		return false;
	access_expected = 1;
	for (size_t i = 0; i < bytes; i++)
		((volatile unsigned char *)to)[i] =
			((const volatile unsigned char *)from)[i];
	access_expected = 0;
	return true;
}

static inline long touch(uint64_t addr, uint64_t n, uint64_t stride, bool write)
{
	volatile long n_touched = 0, n_failed = 0;

	for (volatile uint64_t i = 0; i < n && n_failed < 3; i++) {
		volatile unsigned char *byte =
			(volatile unsigned char *)(addr + i * stride);

		switch (sigsetjmp(access_return, 0)) {
		case 0:
			break;
		case SIGALRM: /* nobody serves its userfaultfd */
			return n_touched ? n_touched : -1;
		default:
			n_failed++;
			continue;
		}
		access_expected = 1;
		if (write)
			*byte = (unsigned char)i;
		else
			(void)*byte;
		access_expected = 0;
		n_touched++;
	}
	if (n_touched > 0)
		return n_touched;
	errno = EFAULT;
	return -1;
}

/* Gives a new descriptor its known number. */
static inline long fd_place(long fd, uint64_t slot)
{
	long placed;

	if (fd < 0)
		return -1;
	placed = dup3((int)fd, (int)slot, O_CLOEXEC);
	(void)close((int)fd);
	return placed;
}

static inline long write_text(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		return -1;
	n = write(fd, text, strlen(text));
	(void)close(fd);
	return n < 0 ? -1 : 0;
}

static inline long write_number(const char *path, uint64_t number)
{
	char text[32];

	(void)snprintf(text, sizeof(text), "%llu", (unsigned long long)number);
	return write_text(path, text);
}

static inline pid_t peer_pid(uint64_t peer)
{
	return atomic_load(&shared->pids[peer % shared->n_workers]);
}

static inline int peer_open(uint64_t peer, const char *name, int flags)
{
	char path[64];

	(void)snprintf(path, sizeof(path), "/proc/%d/%s", (int)peer_pid(peer),
		       name);
	return open(path, flags | O_CLOEXEC);
}

/* Memory. */

static inline long map_anon(uint64_t addr, uint64_t len, uint64_t prot,
			    uint64_t flags)
{
	return mmap((void *)addr, len, (int)prot, (int)flags | MAP_ANONYMOUS,
		    -1, 0) == MAP_FAILED ? -1 : 0;
}

static inline long map_fd(uint64_t fd, uint64_t addr, uint64_t len,
			  uint64_t prot, uint64_t flags, uint64_t offset)
{
	return mmap((void *)addr, len, (int)prot, (int)flags, (int)fd,
		    (off_t)offset) == MAP_FAILED ? -1 : 0;
}

static inline long unmap(uint64_t addr, uint64_t len)
{
	return munmap((void *)addr, len);
}

static inline long remap(uint64_t addr, uint64_t len, uint64_t new_len,
			 uint64_t flags, uint64_t new_addr)
{
	return mremap((void *)addr, len, new_len, (int)flags,
		      (void *)new_addr) == MAP_FAILED ? -1 : 0;
}

static inline long protect(uint64_t addr, uint64_t len, uint64_t prot)
{
	return mprotect((void *)addr, len, (int)prot);
}

static inline long advise(uint64_t addr, uint64_t len, uint64_t advice)
{
	return madvise((void *)addr, len, (int)advice);
}

static inline long advise_pidfd(uint64_t fd, uint64_t addr, uint64_t len,
				uint64_t advice)
{
	struct iovec range = { (void *)addr, len };

	return syscall(SYS_process_madvise, fd, &range, 1, advice, 0);
}

static inline long lock_pages(uint64_t addr, uint64_t len, uint64_t flags)
{
	return mlock2((void *)addr, len, (unsigned int)flags);
}

static inline long unlock_pages(uint64_t addr, uint64_t len)
{
	return munlock((void *)addr, len);
}

static inline long sync_pages(uint64_t addr, uint64_t len, uint64_t flags)
{
	return msync((void *)addr, len, (int)flags);
}

static inline long resident_pages(uint64_t addr, uint64_t len)
{
	static unsigned char pages[4096];

	return mincore((void *)addr, len < sizeof(pages) * PAGE_BYTES ?
					     len : sizeof(pages) * PAGE_BYTES,
		       pages);
}

static inline long remap_pages(uint64_t addr, uint64_t len, uint64_t page)
{
	return syscall(SYS_remap_file_pages, addr, len, 0, page, 0);
}

static inline long seal(uint64_t addr, uint64_t len)
{
	return syscall(462 /* mseal */, addr, len, 0);
}

static inline long touch_read(uint64_t addr, uint64_t n, uint64_t stride)
{
	return touch(addr, n, stride, false);
}

static inline long touch_write(uint64_t addr, uint64_t n, uint64_t stride)
{
	return touch(addr, n, stride, true);
}

static inline long futex_wake(uint64_t addr, uint64_t flags)
{
	return syscall(SYS_futex, addr & ~3ULL, 1 | flags, 1, NULL, NULL, 0);
}

/* Pages stay in a pipe while it is open, as under a device. */
static inline long splice_pages(uint64_t addr, uint64_t len)
{
	struct iovec range = { (void *)addr, len };
	int ends[2];
	long n;

	if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) < 0)
		return -1;
	n = vmsplice(ends[1], &range, 1, SPLICE_F_NONBLOCK);
	(void)touch(addr, 1, 0, true);
	(void)close(ends[0]);
	(void)close(ends[1]);
	return n;
}

/* Files. */

static inline long memfd_new(uint64_t fd, uint64_t len, uint64_t flags)
{
	long made = fd_place(memfd_create("fuzz", (unsigned int)flags), fd);

	return made < 0 ? -1 : ftruncate((int)fd, (off_t)len);
}

static inline long secret_new(uint64_t fd, uint64_t len)
{
	long made = fd_place(syscall(SYS_memfd_secret, 0), fd);

	return made < 0 ? -1 : ftruncate((int)fd, (off_t)len);
}

static inline long file_truncate(uint64_t fd, uint64_t len)
{
	return ftruncate((int)fd, (off_t)len);
}

static inline long file_allocate(uint64_t fd, uint64_t mode, uint64_t offset,
				 uint64_t len)
{
	return fallocate((int)fd, (int)mode, (off_t)offset, (off_t)len);
}

static inline long file_seal(uint64_t fd, uint64_t seals)
{
	return fcntl((int)fd, F_ADD_SEALS, (int)seals);
}

static inline long file_read(uint64_t fd, uint64_t addr, uint64_t len)
{
	return pread((int)fd, (void *)addr, len, 0);
}

static inline long file_write(uint64_t fd, uint64_t addr, uint64_t len)
{
	return pwrite((int)fd, (void *)addr, len, 0);
}

static inline long fd_close(uint64_t fd)
{
	return close((int)fd);
}

static inline long fd_dup(uint64_t fd, uint64_t to)
{
	return dup3((int)fd, (int)to, O_CLOEXEC);
}

/* All processes of a round send and receive through one socket. */
static inline long fd_send(uint64_t fd)
{
	union {
		struct cmsghdr head;
		char room[CMSG_SPACE(sizeof(int))];
	} control = { .head = { .cmsg_len = CMSG_LEN(sizeof(int)),
				.cmsg_level = SOL_SOCKET,
				.cmsg_type = SCM_RIGHTS } };
	struct iovec byte = { "", 1 };
	struct msghdr message = { .msg_iov = &byte, .msg_iovlen = 1,
				  .msg_control = &control,
				  .msg_controllen = sizeof(control.room) };
	int sent = (int)fd;

	memcpy(CMSG_DATA(&control.head), &sent, sizeof(sent));
	return sendmsg(FD_SEND, &message, MSG_DONTWAIT);
}

static inline long fd_receive(uint64_t to)
{
	union {
		struct cmsghdr head;
		char room[CMSG_SPACE(sizeof(int))];
	} control;
	char text[1];
	struct iovec byte = { text, 1 };
	struct msghdr message = { .msg_iov = &byte, .msg_iovlen = 1,
				  .msg_control = &control,
				  .msg_controllen = sizeof(control.room) };
	int received;

	if (recvmsg(FD_RECEIVE, &message, MSG_DONTWAIT) < 0)
		return -1;
	if (!CMSG_FIRSTHDR(&message)) {
		errno = EMFILE;
		return -1;
	}
	memcpy(&received, CMSG_DATA(&control.head), sizeof(received));
	return fd_place(received, to);
}

/* Processes. */

static inline long pidfd_new(uint64_t fd, uint64_t peer)
{
	return fd_place(syscall(SYS_pidfd_open, peer_pid(peer), 0), fd);
}

static inline long fork_run(uint64_t n)
{
	pid_t pid;

	if (depth_now >= MAX_DEPTH) {
		errno = EAGAIN;
		return -1;
	}
	pid = fork();
	if (pid == 0) {
		const struct itimerval beat = { { 0, 200000 }, { 0, 200000 } };

		(void)setitimer(ITIMER_REAL, &beat, NULL);
		depth_now++;
		run_steps(step_now + 1, (unsigned int)n);
		_exit(0);
	}
	return pid;
}

/* A child in the same address space, which ends before this goes on. */
static inline long vfork_read(uint64_t addr)
{
	pid_t pid = vfork();

	if (pid == 0) {
		(void)syscall(SYS_futex, addr & ~3ULL, 1, 1, NULL, NULL, 0);
		_exit(0);
	}
	return pid;
}

static inline void *thread_main(void *data)
{
	uint64_t place = (uint64_t)data;

	depth_now = MAX_DEPTH;
	run_steps((unsigned int)(place >> 32), (unsigned int)place);
	return NULL;
}

static inline long thread_run(uint64_t n)
{
	pthread_t thread;
	int err;

	if (depth_now >= MAX_DEPTH) {
		errno = EAGAIN;
		return -1;
	}
	err = pthread_create(&thread, NULL, thread_main,
			     (void *)((uint64_t)(step_now + 1) << 32 | n));
	if (err == 0)
		return pthread_detach(thread);
	errno = err;
	return -1;
}

/* Goes on after this step: fuzz-worker.c knows these arguments. */
static inline long exec_self(void)
{
	char number[16], step[16], depth[16];
	char *args[] = { "fuzz", "--go-on", number, step, depth, NULL };

	(void)snprintf(number, sizeof(number), "%u", worker_number);
	(void)snprintf(step, sizeof(step), "%u", step_now + 1);
	(void)snprintf(depth, sizeof(depth), "%u", depth_now);
	return execv("/proc/self/exe", args);
}

static inline long exit_now(void)
{
	_exit(0);
}

static inline long kill_peer(uint64_t peer)
{
	pid_t pid = peer_pid(peer);

	return pid > 0 ? kill(pid, SIGKILL) : -1;
}

static inline long vm_read(uint64_t peer, uint64_t addr, uint64_t len,
			   uint64_t to)
{
	struct iovec here = { (void *)to, len }, there = { (void *)addr, len };

	return process_vm_readv(peer_pid(peer), &here, 1, &there, 1, 0);
}

static inline long vm_write(uint64_t peer, uint64_t addr, uint64_t len,
			    uint64_t from)
{
	struct iovec here = { (void *)from, len }, there = { (void *)addr, len };

	return process_vm_writev(peer_pid(peer), &here, 1, &there, 1, 0);
}

static inline long mem_access(uint64_t peer, uint64_t addr, uint64_t len,
			      bool write)
{
	static char buffer[65536];
	int fd = peer_open(peer, "mem", O_RDWR);
	long n;

	if (fd < 0)
		return -1;
	if (len > sizeof(buffer))
		len = sizeof(buffer);
	n = write ? pwrite(fd, buffer, len, (off_t)addr)
		  : pread(fd, buffer, len, (off_t)addr);
	(void)close(fd);
	return n;
}

static inline long mem_read(uint64_t peer, uint64_t addr, uint64_t len)
{
	return mem_access(peer, addr, len, false);
}

static inline long mem_write(uint64_t peer, uint64_t addr, uint64_t len)
{
	return mem_access(peer, addr, len, true);
}

/* What cannot be stopped in time is let go when this process ends. */
static inline long trace_word(uint64_t peer, uint64_t addr, bool write)
{
	const struct timespec pause = { 0, 5000000 };
	pid_t pid = peer_pid(peer);
	int status, error;
	long result;

	if (pid <= 0 || ptrace(PTRACE_SEIZE, pid, NULL, NULL) < 0)
		return -1;
	(void)ptrace(PTRACE_INTERRUPT, pid, NULL, NULL);
	for (int i = 0; i < 40; i++) {
		if (waitpid(pid, &status, WNOHANG | __WALL) != 0)
			break;
		(void)nanosleep(&pause, NULL);
	}
	errno = 0;
	if (write)
		result = ptrace(PTRACE_POKEDATA, pid, (void *)addr, 1L);
	else
		result = ptrace(PTRACE_PEEKDATA, pid, (void *)addr, NULL);
	error = errno;
	(void)ptrace(PTRACE_DETACH, pid, NULL, NULL);
	errno = error;
	return error ? -1 : (write ? result : 0);
}

static inline long trace_peek(uint64_t peer, uint64_t addr)
{
	return trace_word(peer, addr, false);
}

static inline long trace_poke(uint64_t peer, uint64_t addr)
{
	return trace_word(peer, addr, true);
}

/* Files of /proc whose reader goes through page tables. */
static inline long proc_read(uint64_t peer, uint64_t which)
{
	static const char *const names[] = { "smaps", "numa_maps", "maps",
					     "smaps_rollup", "pagemap" };
	static char buffer[65536];
	int fd = peer_open(peer, names[which % 5], O_RDONLY);
	long n, sum = 0;

	if (fd < 0)
		return -1;
	if (which % 5 == 4) {
		sum = pread(fd, buffer, sizeof(buffer),
			    (off_t)(REGION_BASE / PAGE_BYTES * 8 +
				    which / 5 % N_REGIONS *
					    (REGION_BYTES / PAGE_BYTES * 8)));
	} else {
		while ((n = read(fd, buffer, sizeof(buffer))) > 0)
			sum += n;
		if (n < 0)
			sum = -1;
	}
	(void)close(fd);
	return sum;
}

static inline long clear_refs(uint64_t peer, uint64_t what)
{
	char path[64];

	(void)snprintf(path, sizeof(path), "/proc/%d/clear_refs",
		       (int)peer_pid(peer));
	return write_number(path, what);
}

/* userfaultfd(2). */

static inline long uffd_new(uint64_t fd, uint64_t flags, uint64_t features)
{
	struct uffdio_api api = { .api = UFFD_API, .features = features };
	long made = fd_place(syscall(SYS_userfaultfd, flags), fd);

	return made < 0 ? -1 : ioctl((int)fd, UFFDIO_API, &api);
}

static inline long uffd_register(uint64_t fd, uint64_t addr, uint64_t len,
				 uint64_t mode)
{
	struct uffdio_register args = { .range = { addr, len }, .mode = mode };

	return ioctl((int)fd, UFFDIO_REGISTER, &args);
}

static inline long uffd_unregister(uint64_t fd, uint64_t addr, uint64_t len)
{
	struct uffdio_range range = { addr, len };

	return ioctl((int)fd, UFFDIO_UNREGISTER, &range);
}

static inline long uffd_zero(uint64_t fd, uint64_t addr, uint64_t len)
{
	struct uffdio_zeropage args = { .range = { addr, len } };

	return ioctl((int)fd, UFFDIO_ZEROPAGE, &args);
}

static inline long uffd_copy(uint64_t fd, uint64_t addr, uint64_t len,
			     uint64_t from, uint64_t mode)
{
	struct uffdio_copy args = { .dst = addr, .src = from, .len = len,
				    .mode = mode };

	return ioctl((int)fd, UFFDIO_COPY, &args);
}

static inline long uffd_protect(uint64_t fd, uint64_t addr, uint64_t len,
				uint64_t mode)
{
	struct uffdio_writeprotect args = { .range = { addr, len },
					    .mode = mode };

	return ioctl((int)fd, UFFDIO_WRITEPROTECT, &args);
}

/* From nothing to one page of a range that is served: alone these seldom meet. */
static inline long uffd_serve(uint64_t fd, uint64_t addr, uint64_t len,
			      uint64_t from, uint64_t how)
{
	uint64_t at = addr + how % 4 * 4096;

	if (uffd_new(fd, O_CLOEXEC | O_NONBLOCK, UFFD_FEATURE_SIGBUS) < 0 ||
	    (uffd_register(fd, addr, len, UFFDIO_REGISTER_MODE_MISSING |
			   UFFDIO_REGISTER_MODE_WP) < 0 &&
	     uffd_register(fd, addr, len, UFFDIO_REGISTER_MODE_MISSING) < 0))
		return -1;
	(void)madvise((void *)at, 4096, MADV_DONTNEED);
	if (how & 4 ? uffd_zero(fd, at, 4096) :
		       uffd_copy(fd, at, 4096, from, how >> 3 & 3))
		return -1;
	return how & 32 ? uffd_protect(fd, at, 4096, how >> 6) : 0;
}

/* The whole system. */

static inline long group_reclaim(uint64_t bytes)
{
	return write_number("/sys/fs/cgroup/mmlab-fuzz/memory.reclaim", bytes);
}

static inline long group_high(uint64_t bytes)
{
	return write_number("/sys/fs/cgroup/mmlab-fuzz/memory.high", bytes);
}

static inline long merge_pages(uint64_t run)
{
	return write_number("/sys/kernel/mm/ksm/run", run);
}

static inline long huge_pages(uint64_t when)
{
	static const char *const names[] = { "never", "madvise", "always" };

	return write_text("/sys/kernel/mm/transparent_hugepage/enabled",
			  names[when % 3]);
}

static inline long compact(void)
{
	return write_number("/proc/sys/vm/compact_memory", 1);
}

/* All that is swapped out comes back. */
static inline long swap_cycle(void)
{
	char path[32];
	long result;

	(void)snprintf(path, sizeof(path), "/dev/zram%d", shared->zram);
	result = syscall(SYS_swapoff, path);
	(void)syscall(SYS_swapon, path, 0);
	return result;
}

/* The device. */

/*
 * Gives a command a struct as a caller would who is careless (twist 1 to 8), or
 * has it in memory of a region (from 9 on); 0 is an ordinary caller.
 */
static inline long command(int fd, unsigned long cmd, void *arg, size_t bytes,
			   uint64_t twist)
{
	unsigned char copy[256] = { 0 };
	unsigned char *place = copy, *pages = NULL;
	uint32_t size = (uint32_t)bytes;
	long result;
	int error;

	memcpy(copy, arg, bytes);
	switch (twist) {
	case 0:
		break;
	case 1:
		size = 0;
		break;
	case 2:
		size -= 8;
		break;
	case 3:
		size += 8;
		break;
	case 4:
		size += 8;
		copy[bytes] = 1;
		break;
	case 5:
		copy[7] |= 0x80;
		break;
	case 6:
		return ioctl(fd, cmd, NULL);
	case 7:
	case 8:
		pages = mmap(NULL, 2 * PAGE_BYTES, PROT_READ | PROT_WRITE,
			     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (pages == MAP_FAILED)
			return -1;
		place = pages + PAGE_BYTES - (twist == 8 ? 8 : sizeof(copy));
		break;
	default:
		place = (unsigned char *)(REGION_BASE +
					  twist % N_REGIONS * REGION_BYTES);
	}
	memcpy(copy, &size, sizeof(size));
	if (place != copy && !copy_guarded(place, copy, sizeof(copy)))
		place = copy;
	if (pages)
		(void)mprotect(pages + (twist == 8 ? PAGE_BYTES : 0),
			       PAGE_BYTES, twist == 8 ? PROT_NONE : PROT_READ);
	result = ioctl(fd, cmd, place);
	error = errno;
	if (place == copy)
		memcpy(arg, copy, bytes);
	else if (result >= 0)
		(void)copy_guarded(arg, place, bytes);
	if (pages)
		(void)munmap(pages, 2 * PAGE_BYTES);
	errno = error;
	return result;
}

/* Any command on any descriptor, with a number for an argument. */
static inline long any_command(uint64_t fd, uint64_t nr, uint64_t arg)
{
	return ioctl((int)fd, _IO(MMLAB_IOC_MAGIC, nr), arg);
}

static inline long query(uint64_t mech, uint64_t twist)
{
	struct mmlab_query args = { .mech = (uint32_t)mech };

	return command(FD_DEVICE, MMLAB_IOC_QUERY, &args, sizeof(args), twist);
}

static inline long stats(uint64_t mech, uint64_t addr, uint64_t n,
			 uint64_t twist)
{
	struct mmlab_stats args = { .mech = (uint32_t)mech,
				    .n_values = (uint32_t)n, .values = addr };

	return command(FD_DEVICE, MMLAB_IOC_STATS, &args, sizeof(args), twist);
}

static inline long refpage_new(uint64_t fd, uint64_t addr, uint64_t bytes,
			       uint64_t form, uint64_t twist)
{
	static const unsigned char pattern[PAGE_BYTES]
		__attribute__((aligned(4096))) = { 1, 2, 3 };
	struct mmlab_refpage_create args = {
		.content = addr ? addr : (uintptr_t)pattern,
		.content_bytes = bytes, .form = (uint32_t)form, .fd = -1,
	};

	if (command(FD_DEVICE, MMLAB_IOC_REFPAGE_CREATE, &args, sizeof(args),
		    twist) < 0)
		return -1;
	return fd_place(args.fd, fd);
}

static inline long lockbuf_new(uint64_t fd, uint64_t bytes, uint64_t mode,
			       uint64_t flush, uint64_t flags, uint64_t twist)
{
	struct mmlab_lockbuf_create args = {
		.flags = (uint32_t)flags, .bytes = bytes,
		.mode = (uint32_t)mode, .flush = (uint32_t)flush, .fd = -1,
	};

	if (command(FD_DEVICE, MMLAB_IOC_LOCKBUF_CREATE, &args, sizeof(args),
		    twist) < 0)
		return -1;
	return fd_place(args.fd, fd);
}

static inline long lockbuf_lock(uint64_t fd, uint64_t flags)
{
	return ioctl((int)fd, MMLAB_IOC_LOCKBUF_LOCK, flags);
}

static inline long lockbuf_unlock(uint64_t fd, uint64_t arg)
{
	return ioctl((int)fd, MMLAB_IOC_LOCKBUF_UNLOCK, arg);
}

static inline long lockbuf_reader(uint64_t fd, uint64_t to)
{
	return fd_place(ioctl((int)fd, MMLAB_IOC_LOCKBUF_READER, 0), to);
}

static inline long lockbuf_nop(uint64_t fd, uint64_t arg)
{
	return ioctl((int)fd, MMLAB_IOC_LOCKBUF_NOP, arg);
}

static inline long lockbuf_flush(uint64_t fd, uint64_t arg)
{
	return ioctl((int)fd, MMLAB_IOC_LOCKBUF_FLUSH, arg);
}

static inline long mshare_file(uint64_t fd, uint64_t bytes, uint64_t offset,
			       uint64_t prot, uint64_t file, uint64_t twist)
{
	struct mmlab_mshare_file args = {
		.file_fd = (int32_t)file, .prot = (uint32_t)prot,
		.offset = offset, .bytes = bytes, .fd = -1,
	};

	if (command(FD_DEVICE, MMLAB_IOC_MSHARE_FILE, &args, sizeof(args),
		    twist) < 0)
		return -1;
	return fd_place(args.fd, fd);
}

static inline long mshare_protect(uint64_t addr, uint64_t len, uint64_t prot,
				  uint64_t twist)
{
	struct mmlab_mshare_protect args = { .addr = addr, .bytes = len,
					     .prot = (uint32_t)prot };

	return command(FD_DEVICE, MMLAB_IOC_MSHARE_PROTECT, &args, sizeof(args),
		       twist);
}

static inline long mshare_flush(uint64_t addr, uint64_t flush, uint64_t twist)
{
	struct mmlab_mshare_flush_set args = { .addr = addr,
					       .flush = (uint32_t)flush };

	return command(FD_DEVICE, MMLAB_IOC_MSHARE_FLUSH, &args, sizeof(args),
		       twist);
}

static inline long mshare_info(uint64_t addr, uint64_t twist)
{
	struct mmlab_mshare_info args = { .addr = addr };

	return command(FD_DEVICE, MMLAB_IOC_MSHARE_INFO, &args, sizeof(args),
		       twist);
}

static inline long mshare_adopt(uint64_t fd, uint64_t addr, uint64_t len,
				uint64_t twist)
{
	struct mmlab_mshare_adopt args = { .addr = addr, .bytes = len,
					   .fd = (int32_t)fd };

	return command(FD_DEVICE, MMLAB_IOC_MSHARE_ADOPT, &args, sizeof(args),
		       twist);
}

static inline long mshare_populate(uint64_t addr, uint64_t len, uint64_t twist)
{
	struct mmlab_mshare_populate args = { .addr = addr, .bytes = len };

	return command(FD_DEVICE, MMLAB_IOC_MSHARE_POPULATE, &args,
		       sizeof(args), twist);
}

static inline long region_open(uint64_t fd, uint64_t name, uint64_t flags)
{
	char path[64];

	(void)snprintf(path, sizeof(path), MMLAB_MSHARE_DIR "/fuzz-%u",
		       (unsigned int)name);
	return fd_place(open(path, (int)flags | O_CLOEXEC, 0600), fd);
}

static inline long region_remove(uint64_t name)
{
	char path[64];

	(void)snprintf(path, sizeof(path), MMLAB_MSHARE_DIR "/fuzz-%u",
		       (unsigned int)name);
	return unlink(path);
}

static inline long region_read(uint64_t fd)
{
	struct mmlab_mshare_range range;

	return pread((int)fd, &range, sizeof(range), 0);
}

static inline long region_map(uint64_t fd, uint64_t offset, uint64_t len,
			      uint64_t prot, uint64_t flags, uint64_t file,
			      uint64_t from)
{
	struct mshare_create args = {
		.region_offset = offset, .size = len, .offset = from,
		.prot = (uint32_t)prot, .flags = (uint32_t)flags,
		.fd = (uint32_t)file,
	};

	return ioctl((int)fd, MSHAREFS_CREATE_MAPPING, &args);
}

static inline long region_unmap(uint64_t fd, uint64_t offset, uint64_t len)
{
	struct mshare_unmap args = { .region_offset = offset, .size = len };

	return ioctl((int)fd, MSHAREFS_UNMAP, &args);
}

static inline long clone_map(uint64_t peer, uint64_t addr, uint64_t len,
			     uint64_t to, uint64_t flags, uint64_t twist)
{
	struct mmlab_clone_map args = {
		.flags = (uint32_t)flags, .pid = peer_pid(peer),
		.src_addr = addr, .bytes = len, .dst_addr = to,
	};

	return command(FD_DEVICE, MMLAB_IOC_CLONE_MAP, &args, sizeof(args),
		       twist);
}

static inline long clone_pidfd(uint64_t fd, uint64_t addr, uint64_t len,
			       uint64_t to, uint64_t flags)
{
	struct mmlab_clone_map args = {
		.flags = (uint32_t)flags | PVMMAP_PIDFD, .pid = (int32_t)fd,
		.src_addr = addr, .bytes = len, .dst_addr = to,
	};

	return command(FD_DEVICE, MMLAB_IOC_CLONE_MAP, &args, sizeof(args), 0);
}

static inline long spf_new(uint64_t fd, uint64_t mode, uint64_t twist)
{
	struct mmlab_spf_create args = { .mode = (uint32_t)mode, .fd = -1 };

	if (command(FD_DEVICE, MMLAB_IOC_SPF_CREATE, &args, sizeof(args),
		    twist) < 0)
		return -1;
	return fd_place(args.fd, fd);
}

static inline long spf_hook(uint64_t hook, uint64_t twist)
{
	struct mmlab_spf_hook_set args = { .hook = (uint32_t)hook };

	return command(FD_DEVICE, MMLAB_IOC_SPF_HOOK, &args, sizeof(args),
		       twist);
}

static inline long spf_hold(uint64_t ms, uint64_t addr, uint64_t twist)
{
	struct mmlab_spf_hold args = { .ms = (uint32_t)ms, .addr = addr };

	return command(FD_DEVICE, MMLAB_IOC_SPF_HOLD, &args, sizeof(args),
		       twist);
}

static inline long arena_new(uint64_t fd, uint64_t bytes, uint64_t scheme,
			     uint64_t pending, uint64_t flags, uint64_t twist)
{
	struct mmlab_arena_create args = {
		.flags = (uint32_t)flags, .bytes = bytes,
		.scheme = (uint32_t)scheme, .pending = (uint32_t)pending,
		.fd = -1,
	};

	if (command(FD_DEVICE, MMLAB_IOC_ARENA_CREATE, &args, sizeof(args),
		    twist) < 0)
		return -1;
	return fd_place(args.fd, fd);
}

static inline long arena_range(uint64_t fd, unsigned long cmd, uint64_t offset,
			       uint64_t len, uint64_t prot, uint64_t ns,
			       uint64_t flags, uint64_t twist)
{
	struct mmlab_arena_range args = {
		.flags = (uint32_t)flags, .offset = offset, .bytes = len,
		.prot = (uint32_t)prot, .duration_ns = ns,
	};

	return command((int)fd, cmd, &args, sizeof(args), twist);
}

static inline long arena_map(uint64_t fd, uint64_t offset, uint64_t len,
			     uint64_t prot, uint64_t twist)
{
	return arena_range(fd, MMLAB_IOC_ARENA_MAP, offset, len, prot, 0, 0,
			   twist);
}

static inline long arena_unmap(uint64_t fd, uint64_t offset, uint64_t len,
			       uint64_t twist)
{
	return arena_range(fd, MMLAB_IOC_ARENA_UNMAP, offset, len, 0, 0, 0,
			   twist);
}

static inline long arena_protect(uint64_t fd, uint64_t offset, uint64_t len,
				 uint64_t prot, uint64_t twist)
{
	return arena_range(fd, MMLAB_IOC_ARENA_PROTECT, offset, len, prot, 0, 0,
			   twist);
}

static inline long arena_populate(uint64_t fd, uint64_t offset, uint64_t len,
				  uint64_t twist)
{
	return arena_range(fd, MMLAB_IOC_ARENA_POPULATE, offset, len, 0, 0, 0,
			   twist);
}

static inline long arena_hold(uint64_t fd, uint64_t offset, uint64_t len,
			      uint64_t ns, uint64_t flags, uint64_t twist)
{
	return arena_range(fd, MMLAB_IOC_ARENA_HOLD, offset, len, 0, ns, flags,
			   twist);
}

static inline long arena_nop(uint64_t fd, uint64_t offset, uint64_t len,
			     uint64_t twist)
{
	return arena_range(fd, MMLAB_IOC_ARENA_NOP, offset, len, 0, 0, 0,
			   twist);
}

#endif /* MMLAB_FUZZ_CALLS_H */
