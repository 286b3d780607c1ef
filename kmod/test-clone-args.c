// SPDX-License-Identifier: MIT
/*
 * Clones of mappings: each argument that is wrong, one at a time, and callers
 * who may not. Memory that is refused is in test-clone-refused.c, limits are in
 * test-clone-limits.c.
 */
#include "test-clone-error.h"

#include <pthread.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mount.h>

/* Ends of a user address space with four levels of page tables. */
#define TASK_END 0x7ffffffff000UL

static void length_bad(void)
{
	struct peer peer = source_start(BYTES);

	stats_mark();
	EXPECT_FAILS(map(peer, SOURCE_ADDR, 0), EINVAL);
	EXPECT_FAILS(map(peer, SOURCE_ADDR, TASK_END + PAGE + 1), EINVAL);
	EXPECT_FAILS(map(peer, SOURCE_ADDR, SIZE_MAX), EINVAL);
	EXPECT_FAILS(map(peer, SOURCE_ADDR, SIZE_MAX - PAGE + 2), EINVAL);
	/* Not too long for any mapping, but for this one. */
	EXPECT_FAILS(map(peer, SOURCE_ADDR, TASK_END - PAGE), EFAULT);
	nothing_happened(peer);
	peer_end(peer);
}

static void source_address_bad(void)
{
	struct peer peer = source_start(BYTES);

	stats_mark();
	EXPECT_FAILS(map(peer, NULL, PAGE), EINVAL);
	EXPECT_FAILS(map(peer, (char *)(PAGE - 1), PAGE), EINVAL);
	/* Nothing there, also beyond what there can be. */
	EXPECT_FAILS(map(peer, (char *)PAGE, PAGE), EFAULT);
	EXPECT_FAILS(map(peer, SOURCE_ADDR - PAGE, PAGE), EFAULT);
	EXPECT_FAILS(map(peer, SOURCE_ADDR + BYTES, PAGE), EFAULT);
	EXPECT_FAILS(map(peer, (char *)0xffff888000000000UL, PAGE), EFAULT);
	EXPECT_FAILS(map(peer, (char *)0xffffffffff600000UL, PAGE), EFAULT);
	EXPECT_FAILS(map(peer, (char *)-PAGE, PAGE), EFAULT);
	/* Partly. */
	EXPECT_FAILS(map(peer, SOURCE_ADDR - 1, PAGE), EFAULT);
	EXPECT_FAILS(map(peer, SOURCE_ADDR, BYTES + 1), EFAULT);
	/* In two mappings. */
	EXPECT_EQ(peer_call(peer, protect, (long)(SOURCE_ADDR + 4 * PAGE), PAGE,
			    PROT_READ), 0);
	EXPECT_FAILS(map(peer, SOURCE_ADDR + 3 * PAGE, 2 * PAGE), EFAULT);
	nothing_happened(peer);
	peer_end(peer);
}

static void clone_address_bad(void)
{
	static const unsigned long flags[] = {
		0, PVMMAP_FIXED, PVMMAP_FIXED_NOREPLACE,
	};
	struct peer peer = source_start(BYTES);

	stats_mark();
	for (size_t i = 0; i < 3; i++) {
		EXPECT_FAILS(mmlab_process_vm_mmap(peer.pid, SOURCE_ADDR, PAGE,
						   (void *)-PAGE, flags[i]),
			     EINVAL);
		EXPECT_FAILS(mmlab_process_vm_mmap(peer.pid, SOURCE_ADDR, PAGE,
						   (void *)0xffff888000000000UL,
						   flags[i]), EINVAL);
	}
	nothing_happened(peer);
	peer_end(peer);
}

static void flag_bad(void)
{
	struct peer peer = source_start(BYTES);

	stats_mark();
	for (int bit = 0; bit < 64; bit++) {
		unsigned long flag = 1UL << bit;

		if (flag == PVMMAP_FIXED || flag == PVMMAP_FIXED_NOREPLACE)
			continue;
		/* The proposal has two. */
		EXPECT_FAILS(process_vm_mmap(peer.pid, SOURCE_ADDR, PAGE, NULL,
					     flag), EINVAL);
		if (flag == PVMMAP_POPULATE || flag == PVMMAP_MOVE)
			continue;
		EXPECT_FAILS(mmlab_process_vm_mmap(peer.pid, SOURCE_ADDR, PAGE,
						   NULL, flag), EINVAL);
	}
	nothing_happened(peer);
	peer_end(peer);
}

static int device_open(void)
{
	int fd = open(MMLAB_DEVICE, O_RDWR | O_CLOEXEC);

	EXPECT(fd >= 0);
	return fd;
}

/* What the library cannot be made to do. */
static void struct_bad(void)
{
	struct peer peer = source_start(BYTES);
	struct mmlab_clone_map *arg;
	int device = device_open();

	stats_mark();
	arg = mmap(NULL, PAGE, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	EXPECT(arg != MAP_FAILED);
	arg->size = sizeof(*arg);
	arg->pid = peer.pid;
	arg->src_addr = (uintptr_t)SOURCE_ADDR;
	arg->bytes = BYTES;
	arg->dst_addr = (uintptr_t)OTHER_ADDR;
	arg->flags = PVMMAP_FIXED_NOREPLACE;
	arg->reserved = 1;
	EXPECT_ERRNO(ioctl(device, MMLAB_IOC_CLONE_MAP, arg), EINVAL);
	arg->reserved = 0;
	for (int bit = 0; bit < 32; bit++) {
		if (bit < 2 || (bit >= 16 && bit <= 18))
			continue;
		arg->flags = PVMMAP_FIXED_NOREPLACE | (1U << bit);
		EXPECT_ERRNO(ioctl(device, MMLAB_IOC_CLONE_MAP, arg), EINVAL);
	}
	nothing_happened(peer);

	/* It worked, but nobody could be told. */
	arg->flags = PVMMAP_FIXED_NOREPLACE;
	EXPECT(mprotect(arg, PAGE, PROT_READ) == 0);
	for (int i = 0; i < 20; i++)
		EXPECT_ERRNO(ioctl(device, MMLAB_IOC_CLONE_MAP, arg), EFAULT);
	EXPECT(!is_mapped(getpid(), OTHER_ADDR));
	EXPECT(mprotect(arg, PAGE, PROT_READ | PROT_WRITE) == 0);
	arg->addr = 12345;
	EXPECT(ioctl(device, MMLAB_IOC_CLONE_MAP, arg) == 0);
	EXPECT_EQ(arg->addr, (uintptr_t)OTHER_ADDR);
	EXPECT_HERE(OTHER_ADDR, BYTES, 1);
	peer_end(peer);
}

static void descriptors_close(void)
{
	for (int fd = 3; fd < 64; fd++)
		(void)close(fd);
}

static long become_nobody(long a, long b, long c);

/* Without the device, and for somebody who may not open it. */
static void device_is_out_of_reach(void)
{
	struct peer peer = source_start(BYTES);
	pid_t pid;

	stats_mark();
	pid = fork();
	EXPECT(pid >= 0);
	if (pid == 0) {
		descriptors_close();
		(void)become_nobody(0, 0, 0);
		EXPECT_FAILS(map(peer, SOURCE_ADDR, BYTES), EACCES);
		_exit(0);
	}
	EXPECT_CHILD_OK(pid);
	pid = fork();
	EXPECT(pid >= 0);
	if (pid == 0) {
		descriptors_close();
		EXPECT(unshare(CLONE_NEWNS) == 0);
		EXPECT(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0);
		EXPECT(mount("none", "/dev", "tmpfs", 0, NULL) == 0);
		EXPECT_FAILS(map(peer, SOURCE_ADDR, BYTES), ENOSYS);
		_exit(0);
	}
	EXPECT_CHILD_OK(pid);
	nothing_happened(peer);
	peer_end(peer);
}

static _Atomic pid_t thread_id;

static void *sleep_forever(void *unused)
{
	thread_id = (pid_t)syscall(SYS_gettid);
	for (;;)
		(void)pause();
	return unused;
}

static long thread_start(long a, long b, long c)
{
	pthread_t thread;

	(void)a;
	(void)b;
	(void)c;
	EXPECT(pthread_create(&thread, NULL, sleep_forever, NULL) == 0);
	while (!thread_id)
		(void)sched_yield();
	return thread_id;
}

static int other_of_vm(void *arg)
{
	/* This shares the address space, but is a process. */
	return mmlab_process_vm_mmap(*(pid_t *)arg, SOURCE_ADDR, PAGE, NULL,
				     0) == MAP_FAILED && errno == EINVAL ? 0 : 1;
}

static void process_bad(void)
{
	static char stack[65536];
	struct peer peer = source_start(BYTES);
	int status, null_fd, pidfd;
	pid_t pid, thread, me = getpid();

	stats_mark();
	EXPECT_FAILS(mmlab_process_vm_mmap(0, SOURCE_ADDR, PAGE, NULL, 0),
		     EINVAL);
	EXPECT_FAILS(mmlab_process_vm_mmap(-1, SOURCE_ADDR, PAGE, NULL, 0),
		     EINVAL);
	EXPECT_FAILS(mmlab_process_vm_mmap(-peer.pid, SOURCE_ADDR, PAGE, NULL,
					   0), EINVAL);
	EXPECT_FAILS(mmlab_process_vm_mmap(INT32_MIN, SOURCE_ADDR, PAGE, NULL,
					   0), EINVAL);
	EXPECT_FAILS(mmlab_process_vm_mmap(INT32_MAX, SOURCE_ADDR, PAGE, NULL,
					   0), ESRCH);
	/* kthreadd */
	EXPECT_FAILS(mmlab_process_vm_mmap(2, SOURCE_ADDR, PAGE, NULL, 0),
		     EINVAL);
	EXPECT_FAILS(mmlab_process_vm_mmap(me, stack, PAGE, NULL, 0), EINVAL);
	pid = clone(other_of_vm, stack + sizeof(stack), CLONE_VM | SIGCHLD,
		    &me);
	EXPECT(pid > 0);
	EXPECT(waitpid(pid, &status, 0) == pid && status == 0);

	/* One that has ended but not been waited for, and one that has. */
	pid = fork();
	EXPECT(pid >= 0);
	if (pid == 0)
		_exit(0);
	pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	EXPECT(pidfd >= 0);
	{
		siginfo_t info;

		EXPECT(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT) == 0);
	}
	EXPECT_FAILS(mmlab_process_vm_mmap(pid, SOURCE_ADDR, PAGE, NULL, 0),
		     ESRCH);
	EXPECT_FAILS(mmlab_pidfd_vm_mmap(pidfd, SOURCE_ADDR, PAGE, NULL, 0),
		     ESRCH);
	EXPECT(waitpid(pid, &status, 0) == pid);
	EXPECT_FAILS(mmlab_process_vm_mmap(pid, SOURCE_ADDR, PAGE, NULL, 0),
		     ESRCH);
	EXPECT_FAILS(mmlab_pidfd_vm_mmap(pidfd, SOURCE_ADDR, PAGE, NULL, 0),
		     ESRCH);

	/* Descriptors that are none, or of something else. */
	null_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	EXPECT(null_fd >= 0);
	for (int i = 0; i < 100; i++) {
		EXPECT_FAILS(mmlab_pidfd_vm_mmap(-1, SOURCE_ADDR, PAGE, NULL,
						 0), EBADF);
		EXPECT_FAILS(mmlab_pidfd_vm_mmap(1000, SOURCE_ADDR, PAGE, NULL,
						 0), EBADF);
		EXPECT_FAILS(mmlab_pidfd_vm_mmap(null_fd, SOURCE_ADDR, PAGE,
						 NULL, 0), EBADF);
	}
	/* The library has not taken a descriptor for each. */
	EXPECT(dup(null_fd) < null_fd + 10);
	nothing_happened(peer);

	/* Any thread stands for its process. */
	thread = (pid_t)peer_call(peer, thread_start, 0, 0, 0);
	EXPECT(thread > 0 && thread != peer.pid);
	EXPECT(mmlab_process_vm_mmap(thread, SOURCE_ADDR, BYTES, NULL, 0) !=
	       MAP_FAILED);
	peer_end(peer);
}

static long become_nobody(long a, long b, long c)
{
	(void)a;
	(void)b;
	(void)c;
	EXPECT(setresgid(65534, 65534, 65534) == 0);
	EXPECT(setresuid(65534, 65534, 65534) == 0);
	EXPECT(prctl(PR_SET_DUMPABLE, 1) == 0);
	return 0;
}

static void others_are_refused(void)
{
	struct peer roots = source_start(BYTES), nobodys = source_start(BYTES);
	pid_t pid;

	EXPECT_EQ(peer_call(nobodys, become_nobody, 0, 0, 0), 0);
	stats_mark();
	pid = fork();
	EXPECT(pid >= 0);
	if (pid == 0) {
		/* The device is open already. */
		EXPECT(mmlab_query(MMLAB_MECH_CLONE, NULL) == 0);
		(void)become_nobody(0, 0, 0);
		EXPECT_FAILS(map(roots, SOURCE_ADDR, BYTES), EPERM);
		EXPECT_FAILS(mmlab_process_vm_mmap(1, SOURCE_ADDR, PAGE, NULL,
						   0), EPERM);
		EXPECT_FAILS(mmlab_process_vm_mmap(roots.pid, SOURCE_ADDR,
						   BYTES, NULL, PVMMAP_MOVE),
			     EPERM);
		EXPECT_FAILS(map(roots, NULL, BYTES), EINVAL);
		/* What it may trace it may clone. */
		EXPECT(map(nobodys, SOURCE_ADDR, BYTES) != MAP_FAILED);
		/* Below vm.mmap_min_addr. */
		EXPECT_FAILS(mmlab_process_vm_mmap(nobodys.pid, SOURCE_ADDR,
						   PAGE, NULL, PVMMAP_FIXED),
			     EPERM);
		_exit(0);
	}
	EXPECT_CHILD_OK(pid);
	EXPECT_THERE(roots, SOURCE_ADDR, BYTES, 1);
	peer_end(roots);
	peer_end(nobodys);
}

static const struct clone_check checks[] = {
	{ "length-bad", length_bad, PLACES_ONE },
	{ "source-address-bad", source_address_bad, PLACES_ONE },
	{ "clone-address-bad", clone_address_bad, PLACES_ONE },
	{ "flag-bad", flag_bad, PLACES_ONE },
	{ "struct-bad", struct_bad, PLACES_ONE },
	{ "device-is-out-of-reach", device_is_out_of_reach, PLACES_ONE },
	{ "process-bad", process_bad, PLACES_ONE },
	{ "others-are-refused", others_are_refused, PLACES_ONE },
};

int main(int argc, char **argv)
{
	check_begin();
	clone_checks_run(checks, sizeof(checks) / sizeof(checks[0]),
			 argc > 1 ? argv[1] : NULL);
	return check_finish();
}
