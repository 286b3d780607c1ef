// SPDX-License-Identifier: MIT
/*
 * Clones of mappings: each error of the table in uapi/mmlab.h, one at a time,
 * and that an error leaves everything as it was.
 */
#include "test-clone.h"

#include <pthread.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <linux/userfaultfd.h>

#ifndef PR_SET_MDWE
#define PR_SET_MDWE 65
#define PR_MDWE_REFUSE_EXEC_GAIN 1
#endif
#ifndef F_SEAL_FUTURE_WRITE
#define F_SEAL_FUTURE_WRITE 0x0010
#endif

enum { N_PAGES = 8 };
#define BYTES (N_PAGES * PAGE)

/* Ends of a user address space with four levels of page tables. */
#define TASK_END 0x7ffffffff000UL

static struct peer source_start(void)
{
	struct peer peer = peer_start();

	source_make(peer, SOURCE_ADDR, BYTES, 1);
	return peer;
}

static void *map(struct peer peer, const char *from, size_t bytes)
{
	return mmlab_process_vm_mmap(peer.pid, from, bytes, NULL, 0);
}

/* The source is whole, and nothing was mapped here. */
static void nothing_happened(struct peer peer)
{
	EXPECT_THERE(peer, SOURCE_ADDR, BYTES, 1);
	stats_mark();
	EXPECT_EQ(stats_delta[MMLAB_CLONE_STAT_CLONES], 0);
}

static void length_bad(void)
{
	struct peer peer = source_start();

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
	struct peer peer = source_start();

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
	struct peer peer = source_start();

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
	struct peer peer = source_start();

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
	struct peer peer = source_start();
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
	struct peer peer = source_start();
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
	struct peer peer = source_start();
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
	struct peer roots = source_start(), nobodys = source_start();
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

/*
 * Memory that is not to be cloned.
 */

/* Start of a mapping of a process by its name, or NULL. */
static char *named_mapping(pid_t pid, const char *name)
{
	char path[64], line[512];
	unsigned long start = 0;
	FILE *file;

	(void)snprintf(path, sizeof(path), "/proc/%d/maps", (int)pid);
	file = fopen(path, "re");
	EXPECT(file);
	while (!start && fgets(line, sizeof(line), file))
		if (strstr(line, name))
			start = strtoul(line, NULL, 16);
	EXPECT(fclose(file) == 0);
	return (char *)start;
}

static void special_mappings(void)
{
	static const char *const names[] = { "[vdso]", "[vvar]" };
	struct peer peer = source_start();

	stats_mark();
	for (size_t i = 0; i < 2; i++) {
		char *start = named_mapping(peer.pid, names[i]);

		EXPECT(start);
		EXPECT_FAILS(map(peer, start, PAGE), EFAULT);
	}
	nothing_happened(peer);
	/* The stack is memory; cloned it does not grow, nor can it be taken. */
	EXPECT_FAILS(mmlab_process_vm_mmap(peer.pid,
					   named_mapping(peer.pid, "[stack]"),
					   PAGE, NULL, PVMMAP_MOVE), EINVAL);
	EXPECT(map(peer, named_mapping(peer.pid, "[stack]"), PAGE) !=
	       MAP_FAILED);
	peer_end(peer);
}

static void kept_from_children(void)
{
	static const int advices[][2] = {
		{ MADV_DONTFORK, MADV_DOFORK },
		{ MADV_WIPEONFORK, MADV_KEEPONFORK },
	};
	struct peer peer = source_start();

	for (size_t i = 0; i < 2; i++) {
		stats_mark();
		EXPECT_EQ(peer_call(peer, advise, (long)SOURCE_ADDR, BYTES,
				    advices[i][0]), 0);
		EXPECT_FAILS(map(peer, SOURCE_ADDR, BYTES), EFAULT);
		nothing_happened(peer);
		EXPECT_EQ(peer_call(peer, advise, (long)SOURCE_ADDR, BYTES,
				    advices[i][1]), 0);
		EXPECT(map(peer, SOURCE_ADDR, BYTES) != MAP_FAILED);
	}
	peer_end(peer);
}

static long watch(long addr, long bytes, long unused)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register range = {
		.range = { (__u64)addr, (__u64)bytes },
		.mode = UFFDIO_REGISTER_MODE_MISSING,
	};
	int fd = (int)syscall(SYS_userfaultfd, 0);

	(void)unused;
	if (fd < 0)
		return -errno;
	EXPECT(ioctl(fd, UFFDIO_API, &api) == 0);
	EXPECT(ioctl(fd, UFFDIO_REGISTER, &range) == 0);
	return fd;
}

static long close_fd(long fd, long a, long b)
{
	(void)a;
	(void)b;
	return close((int)fd);
}

static void watched_by_userfaultfd(void)
{
	struct peer peer = source_start();
	long fd = peer_call(peer, watch, (long)SOURCE_ADDR, BYTES, 0);

	if (fd < 0)
		SKIP("userfaultfd: %s", strerror((int)-fd));
	stats_mark();
	EXPECT_FAILS(map(peer, SOURCE_ADDR, BYTES), EOPNOTSUPP);
	nothing_happened(peer);
	EXPECT_EQ(peer_call(peer, close_fd, fd, 0, 0), 0);
	EXPECT(map(peer, SOURCE_ADDR, BYTES) != MAP_FAILED);
	peer_end(peer);
}

static long huge_map(long addr, long a, long b)
{
	(void)a;
	(void)b;
	if (mmap((void *)addr, HUGE, PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB | MAP_FIXED, -1,
		 0) == MAP_FAILED)
		return -errno;
	return fill(addr, HUGE, 2);
}

static void huge_pages_write(const char *number)
{
	int fd = open("/proc/sys/vm/nr_hugepages", O_WRONLY | O_CLOEXEC);

	if (fd < 0)
		SKIP("no huge pages here");
	EXPECT(write(fd, number, strlen(number)) == (ssize_t)strlen(number));
	EXPECT(close(fd) == 0);
}

static void hugetlbfs(void)
{
	struct peer peer = source_start();
	long error;

	huge_pages_write("2");
	error = peer_call(peer, huge_map, (long)(SOURCE_ADDR + HUGE), 0, 0);
	if (error == -ENOMEM) {
		huge_pages_write("0");
		SKIP("no memory for a huge page");
	}
	EXPECT_EQ(error, 0);
	stats_mark();
	EXPECT_FAILS(map(peer, SOURCE_ADDR + HUGE, HUGE), EFAULT);
	EXPECT_FAILS(map(peer, SOURCE_ADDR + HUGE, PAGE), EFAULT);
	nothing_happened(peer);
	peer_end(peer);
	huge_pages_write("0");
}

/* Devices, other mechanisms of the module, files without memory. */
static long driver_map(long addr, long which, long unused)
{
	int fd, prot = PROT_READ | PROT_WRITE, type = MAP_SHARED;
	size_t bytes = BYTES;

	(void)unused;
	switch (which) {
	case 0:
		fd = mmlab_refpage_create("x", 1, 0, MMLAB_REFPAGE_COUNTED);
		type = MAP_PRIVATE;
		break;
	case 1:
		fd = mmlab_refpage_create("x", 1, 0, MMLAB_REFPAGE_UNCOUNTED);
		type = MAP_PRIVATE;
		break;
	case 2:
		fd = mmlab_lockbuf_create(HUGE, MMLAB_LOCKBUF_WRITER,
					  MMLAB_LOCKBUF_FLUSH_ALL, 0);
		bytes = HUGE;
		break;
	default:
		fd = (int)syscall(SYS_memfd_secret, 0);
		EXPECT(fd < 0 || ftruncate(fd, (off_t)bytes) == 0);
		break;
	}
	if (fd < 0)
		return -errno;
	if (mmap((void *)addr, bytes, prot, type | MAP_FIXED, fd, 0) ==
	    MAP_FAILED)
		return -errno;
	return 0;
}

static void drivers_memory(void)
{
	struct peer peer = source_start();
	int n_tried = 0;

	stats_mark();
	for (long which = 0; which < 4; which++) {
		char *at = SOURCE_ADDR + (size_t)(which + 1) * HUGE;

		if (peer_call(peer, driver_map, (long)at, which, 0) != 0)
			continue;
		n_tried++;
		EXPECT_FAILS(map(peer, at, PAGE), EFAULT);
	}
	EXPECT(n_tried >= 3);
	nothing_happened(peer);
	peer_end(peer);
}

static long key_set(long addr, long bytes, long unused)
{
	int key = (int)syscall(SYS_pkey_alloc, 0, 0);

	(void)unused;
	if (key < 0)
		return -errno;
	return syscall(SYS_pkey_mprotect, addr, bytes, PROT_READ | PROT_WRITE,
		       key);
}

static void under_a_key(void)
{
	struct peer peer = source_start();

	if (peer_call(peer, key_set, (long)SOURCE_ADDR, BYTES, 0) != 0)
		SKIP("no protection keys here");
	stats_mark();
	EXPECT_FAILS(map(peer, SOURCE_ADDR, BYTES), EFAULT);
	nothing_happened(peer);
	peer_end(peer);
}

static long sealed_map(long addr, long unused, long unused_too)
{
	int fd = (int)syscall(SYS_memfd_create, "sealed", 2);

	(void)unused;
	(void)unused_too;
	EXPECT(fd >= 0);
	EXPECT(ftruncate(fd, BYTES) == 0);
	EXPECT(mmap((void *)addr, BYTES, PROT_READ | PROT_WRITE,
		    MAP_SHARED | MAP_FIXED, fd, 0) == (void *)addr);
	return fcntl(fd, F_ADD_SEALS, F_SEAL_FUTURE_WRITE);
}

static void sealed_file(void)
{
	struct peer peer = source_start();

	EXPECT_EQ(peer_call(peer, sealed_map, (long)(SOURCE_ADDR + HUGE), 0, 0),
		  0);
	stats_mark();
	EXPECT_FAILS(map(peer, SOURCE_ADDR + HUGE, BYTES), EPERM);
	nothing_happened(peer);
	peer_end(peer);
}

/* By mseal(2): it may be cloned, but not taken. */
static long seal(long addr, long bytes, long unused)
{
	(void)unused;
	return syscall(462, addr, bytes, 0) == 0 ? 0 : -errno;
}

static void sealed_mapping(void)
{
	struct peer peer = source_start();

	if (peer_call(peer, seal, (long)SOURCE_ADDR, BYTES, 0) != 0)
		SKIP("no mseal(2)");
	EXPECT(map_at((long)OTHER_ADDR, BYTES, PROT_READ | PROT_WRITE));
	fill((long)OTHER_ADDR, BYTES, 2);
	stats_mark();
	EXPECT_FAILS(mmlab_process_vm_mmap(peer.pid, SOURCE_ADDR, BYTES,
					   OTHER_ADDR,
					   PVMMAP_FIXED | PVMMAP_MOVE), EPERM);
	nothing_happened(peer);
	EXPECT_STAT(UNDONE, 0);
	/* Noticed before anything was unmapped for it. */
	EXPECT_HERE(OTHER_ADDR, BYTES, 2);
	EXPECT(map(peer, SOURCE_ADDR, BYTES) != MAP_FAILED);
	peer_end(peer);
}

/*
 * Programs under uprobes, whose breakpoints must not get into clones.
 */

__attribute__((noinline, used)) static int probed(int x)
{
	__asm__ volatile("" : "+r"(x));
	return x + 1;
}

enum { PROGRAM_BYTES = 64 * 1024 };

/* The program's file, privately, one page of it changed. */
static long program_map(long addr, long a, long b)
{
	int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);

	(void)a;
	(void)b;
	EXPECT(fd >= 0);
	EXPECT(mmap((void *)addr, PROGRAM_BYTES, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_FIXED, fd, 0) == (void *)addr);
	*(volatile char *)addr = 0;
	return mprotect((void *)addr, PROGRAM_BYTES, PROT_READ | PROT_EXEC);
}

/* Where a function is in the program's file. */
static unsigned long file_offset(const void *function)
{
	unsigned long start, end, offset, found = 0;
	FILE *file = fopen("/proc/self/maps", "re");
	char line[512];

	EXPECT(file);
	while (fgets(line, sizeof(line), file))
		if (sscanf(line, "%lx-%lx %*s %lx", &start, &end, &offset) ==
			    3 && start <= (uintptr_t)function &&
		    (uintptr_t)function < end)
			found = (uintptr_t)function - start + offset;
	EXPECT(fclose(file) == 0);
	EXPECT(found);
	return found;
}

static bool trace_write(const char *file, const char *text)
{
	char path[128];
	bool written;
	int fd;

	(void)snprintf(path, sizeof(path), "/sys/kernel/tracing/%s", file);
	fd = open(path, O_WRONLY | O_APPEND | O_CLOEXEC);
	if (fd < 0)
		return false;
	written = write(fd, text, strlen(text)) == (ssize_t)strlen(text);
	(void)close(fd);
	return written;
}

/* A uprobe on that function, wherever it is mapped. */
static void uprobe_add(void)
{
	unsigned long offset = file_offset((void *)probed);
	ssize_t n;
	char path[256], text[512];

	n = readlink("/proc/self/exe", path, sizeof(path) - 1);
	EXPECT(n > 0 && offset < PROGRAM_BYTES);
	path[n] = '\0';
	(void)snprintf(text, sizeof(text), "p:mmlab_clone %s:%#lx\n", path,
		       offset);
	if (!trace_write("uprobe_events", text))
		SKIP("no uprobes here");
}

static void uprobe_enable(bool enable)
{
	EXPECT(trace_write("events/uprobes/mmlab_clone/enable",
			   enable ? "1" : "0"));
}

static void uprobe_remove(void)
{
	EXPECT(trace_write("uprobe_events", "-:mmlab_clone\n"));
}

static void ignore_trap(int signal)
{
	(void)signal;
}

/* At a breakpoint of nobody's the kernel looks whether there are any left. */
static long trap(long a, long b, long c)
{
	const struct sigaction action = { .sa_handler = ignore_trap };

	(void)a;
	(void)b;
	(void)c;
	EXPECT(sigaction(SIGTRAP, &action, NULL) == 0);
	__asm__ volatile("int3");
	return 0;
}

/* @prot is what the program's memory is while it is cloned. */
static void clone_under_a_uprobe(int prot)
{
	struct peer peer = source_start();
	char *at = SOURCE_ADDR + HUGE;
	void *result;
	int error;

	if (!code_may_be_patched())
		SKIP("tracing is switched on with one CPU only: scripts/vm --cpus 1");
	EXPECT_EQ(peer_call(peer, program_map, (long)at, 0, 0), 0);
	uprobe_add();
	uprobe_enable(true);
	EXPECT_EQ(peer_call(peer, protect, (long)at, PROGRAM_BYTES, prot), 0);
	stats_mark();
	result = mmlab_process_vm_mmap(peer.pid, at, PROGRAM_BYTES, OTHER_ADDR,
				       PVMMAP_FIXED_NOREPLACE);
	error = errno;
	uprobe_enable(false);
	uprobe_remove();
	EXPECT_FAILS((errno = error, result), EFAULT);
	nothing_happened(peer);
	EXPECT(!is_mapped(getpid(), OTHER_ADDR));

	/* Other memory of the program, meanwhile. */
	EXPECT(map(peer, SOURCE_ADDR, BYTES) != MAP_FAILED);
	(void)peer_call(peer, trap, 0, 0, 0);
	EXPECT(mmlab_process_vm_mmap(peer.pid, at, PROGRAM_BYTES, OTHER_ADDR,
				     PVMMAP_FIXED_NOREPLACE) == OTHER_ADDR);
	EXPECT_EQ(OTHER_ADDR[0], 0);
	EXPECT_EQ(OTHER_ADDR[1], 'E');
	peer_end(peer);
}

static void program_under_a_uprobe(void)
{
	clone_under_a_uprobe(PROT_READ | PROT_EXEC);
}

/* Where the kernel puts no breakpoints, but has put some before. */
static void program_made_writable(void)
{
	clone_under_a_uprobe(PROT_READ | PROT_WRITE);
}

static void writable_and_executable(void)
{
	struct peer peer = source_start();

	EXPECT_EQ(peer_call(peer, protect, (long)SOURCE_ADDR, BYTES,
			    PROT_READ | PROT_WRITE | PROT_EXEC), 0);
	EXPECT(map(peer, SOURCE_ADDR, BYTES) != MAP_FAILED);
	if (prctl(PR_SET_MDWE, PR_MDWE_REFUSE_EXEC_GAIN, 0, 0, 0) != 0)
		SKIP("PR_SET_MDWE: %s", strerror(errno));
	stats_mark();
	EXPECT_FAILS(map(peer, SOURCE_ADDR, BYTES), EACCES);
	nothing_happened(peer);
	peer_end(peer);
}

/*
 * Limits.
 */

static void address_space_limit(void)
{
	struct peer peer = source_start();
	const struct rlimit none = { 0, 0 };

	stats_mark();
	EXPECT(setrlimit(RLIMIT_AS, &none) == 0);
	EXPECT_FAILS(map(peer, SOURCE_ADDR, BYTES), ENOMEM);
	nothing_happened(peer);
	peer_end(peer);
}

/* Writes a setting and returns what it was. */
static long setting_write(const char *path, long value)
{
	char text[32];
	int fd = open(path, O_RDWR | O_CLOEXEC);
	ssize_t n;

	EXPECT(fd >= 0);
	n = read(fd, text, sizeof(text) - 1);
	EXPECT(n > 0);
	text[n] = '\0';
	/* A write is heeded only at the start. */
	EXPECT(lseek(fd, 0, SEEK_SET) == 0);
	EXPECT(dprintf(fd, "%ld", value) > 0);
	EXPECT(close(fd) == 0);
	return strtol(text, NULL, 10);
}

static void mapping_limit(void)
{
	struct peer peer = source_start();
	long before = setting_write("/proc/sys/vm/max_map_count", 1);
	void *result = map(peer, SOURCE_ADDR, BYTES);
	int error = errno;

	(void)setting_write("/proc/sys/vm/max_map_count", before);
	stats_mark();
	EXPECT(result == MAP_FAILED);
	EXPECT_EQ(error, ENOMEM);
	EXPECT_THERE(peer, SOURCE_ADDR, BYTES, 1);
	peer_end(peer);
}

static void commit_limit(void)
{
	struct peer peer = peer_start();
	size_t bytes = 64 * HUGE;
	long mode, kbytes;
	void *result;
	int error;

	EXPECT(peer_call(peer, map_at, (long)SOURCE_ADDR, (long)bytes,
			 PROT_READ | PROT_WRITE));
	mode = setting_write("/proc/sys/vm/overcommit_memory", 2);
	kbytes = setting_write("/proc/sys/vm/overcommit_kbytes", 1);
	result = map(peer, SOURCE_ADDR, bytes);
	error = errno;
	if (kbytes)
		(void)setting_write("/proc/sys/vm/overcommit_kbytes", kbytes);
	else
		(void)setting_write("/proc/sys/vm/overcommit_ratio", 50);
	(void)setting_write("/proc/sys/vm/overcommit_memory", mode);
	EXPECT(result == MAP_FAILED);
	EXPECT_EQ(error, ENOMEM);
	peer_end(peer);
}

/* What all processes may write to at most, in bytes. */
static long committed(void)
{
	char line[128];
	long kbytes = -1;
	FILE *file = fopen("/proc/meminfo", "re");

	EXPECT(file);
	while (fgets(line, sizeof(line), file))
		(void)sscanf(line, "Committed_AS: %ld kB", &kbytes);
	EXPECT(fclose(file) == 0);
	EXPECT(kbytes >= 0);
	return kbytes * 1024;
}

/*
 * Memory that was written and then made read-only takes as much of what may be
 * committed as writable memory does, and gives it back.
 */
static void read_only_is_committed(void)
{
	struct peer peer = peer_start();
	size_t bytes = 8 * HUGE;
	char *memory;
	long before;

	EXPECT(peer_call(peer, map_at, (long)SOURCE_ADDR, (long)bytes,
			 PROT_READ | PROT_WRITE));
	EXPECT_EQ(peer_call(peer, fill, (long)SOURCE_ADDR, PAGE, 1), 0);
	EXPECT_EQ(peer_call(peer, protect, (long)SOURCE_ADDR, (long)bytes,
			    PROT_READ), 0);
	before = committed();
	memory = clone_to(peer, SOURCE_ADDR, bytes);
	EXPECT_EQ(committed(), before + (long)bytes);
	EXPECT(munmap(memory, bytes / 2) == 0);
	EXPECT_EQ(committed(), before + (long)bytes / 2);
	EXPECT(munmap(memory + bytes / 2, bytes / 2) == 0);
	EXPECT_EQ(committed(), before);
	memory = clone_with(peer, SOURCE_ADDR, bytes, PVMMAP_MOVE);
	EXPECT_EQ(committed(), before);
	EXPECT_HERE(memory, PAGE, 1);

	/* Never to be written, never charged. */
	EXPECT(munmap(memory, bytes) == 0);
	EXPECT(peer_call(peer, map_at, (long)SOURCE_ADDR, (long)bytes,
			 PROT_READ));
	before = committed();
	memory = clone_to(peer, SOURCE_ADDR, bytes);
	EXPECT_EQ(committed(), before);
	peer_end(peer);
}

/* The part that is taken would leave two mappings where there was one. */
static void mapping_limit_of_the_source(void)
{
	struct peer peer = source_start();
	char path[64], line[512];
	long n_mappings = 0, before;
	void *result;
	FILE *file;
	int error;

	/* More than there are here. */
	for (long i = 0; i < 64; i++)
		EXPECT(peer_call(peer, map_at,
				 (long)(SOURCE_ADDR + HUGE) + 2 * i * (long)PAGE,
				 PAGE, PROT_READ));
	(void)snprintf(path, sizeof(path), "/proc/%d/maps", (int)peer.pid);
	file = fopen(path, "re");
	EXPECT(file);
	while (fgets(line, sizeof(line), file))
		n_mappings += !strstr(line, "[vsyscall]");
	EXPECT(fclose(file) == 0);

	stats_mark();
	before = setting_write("/proc/sys/vm/max_map_count", n_mappings);
	result = mmlab_process_vm_mmap(peer.pid, SOURCE_ADDR + PAGE, PAGE,
				       OTHER_ADDR,
				       PVMMAP_FIXED_NOREPLACE | PVMMAP_MOVE);
	error = errno;
	(void)setting_write("/proc/sys/vm/max_map_count", before);
	EXPECT_FAILS((errno = error, result), ENOMEM);
	nothing_happened(peer);
	EXPECT_STAT(UNDONE, 1);
	EXPECT_STAT(LEFT, 0);
	EXPECT(!is_mapped(getpid(), OTHER_ADDR));
	EXPECT(mmlab_process_vm_mmap(peer.pid, SOURCE_ADDR + PAGE, PAGE,
				     OTHER_ADDR,
				     PVMMAP_FIXED_NOREPLACE | PVMMAP_MOVE) ==
	       OTHER_ADDR);
	peer_end(peer);
}

static void text_write(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	EXPECT(fd >= 0);
	EXPECT(write(fd, text, strlen(text)) == (ssize_t)strlen(text));
	EXPECT(close(fd) == 0);
}

/*
 * Memory that runs out on the way, at every place where it can: what was made
 * is undone, also for the next one, which wants nothing in its place; nothing
 * is lost; and the source is as before.
 */
static void memory_runs_out(void)
{
	struct peer peer = peer_start();
	int fd = open("/proc/thread-self/fail-nth", O_RDWR | O_CLOEXEC);
	size_t bytes = 16 * PAGE;
	/* In two page tables. */
	char *from = SOURCE_ADDR + HUGE - 4 * PAGE;
	int n, n_failed = 0;
	long before;

	if (fd < 0)
		SKIP("no fault injection here");
	text_write("/sys/kernel/debug/failslab/ignore-gfp-wait", "N");
	text_write("/sys/kernel/debug/fail_page_alloc/ignore-gfp-wait", "N");
	text_write("/sys/kernel/debug/fail_page_alloc/min-order", "0");
	source_make(peer, from, bytes, 1);
	before = committed();
	for (n = 1; n < 200; n++) {
		char text[16] = "";
		bool left_over;
		void *memory;
		int error;

		(void)snprintf(text, sizeof(text), "%d", n);
		EXPECT(pwrite(fd, text, strlen(text), 0) ==
		       (ssize_t)strlen(text));
		memory = mmlab_process_vm_mmap(peer.pid, from, bytes,
					       clone_addr(from),
					       PVMMAP_FIXED_NOREPLACE);
		error = errno;
		/* What the call has left over may hit this one instead. */
		left_over = pread(fd, text, sizeof(text) - 1, 0) < 0 ||
			    strtol(text, NULL, 10) != 0;
		while (pwrite(fd, "0", 1, 0) != 1)
			;
		if (memory != MAP_FAILED) {
			EXPECT_HERE(memory, bytes, 1);
			fill((long)memory, (long)bytes, 2);
			EXPECT(munmap(memory, bytes) == 0);
			/* Nothing was left to fail. */
			if (left_over)
				break;
		} else {
			/* Also copying the struct in and out can fail. */
			EXPECT(error == ENOMEM || error == EFAULT);
			n_failed++;
		}
		EXPECT_THERE(peer, from, bytes, 1);
	}
	EXPECT(n < 200);
	EXPECT(n_failed > 5);
	EXPECT_EQ(committed(), before);
	peer_end(peer);
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
	{ "special-mappings", special_mappings, PLACES_ONE },
	{ "kept-from-children", kept_from_children, PLACES_ONE },
	{ "watched-by-userfaultfd", watched_by_userfaultfd, PLACES_ONE },
	{ "hugetlbfs", hugetlbfs, PLACES_ONE },
	{ "drivers-memory", drivers_memory, PLACES_ONE },
	{ "under-a-key", under_a_key, PLACES_ONE },
	{ "sealed-file", sealed_file, PLACES_ONE },
	{ "sealed-mapping", sealed_mapping, PLACES_ONE },
	{ "program-under-a-uprobe", program_under_a_uprobe, PLACES_ONE },
	{ "program-made-writable", program_made_writable, PLACES_ONE },
	{ "writable-and-executable", writable_and_executable, PLACES_ONE },
	{ "address-space-limit", address_space_limit, PLACES_ONE },
	{ "mapping-limit", mapping_limit, PLACES_ONE },
	{ "mapping-limit-of-the-source", mapping_limit_of_the_source, PLACES_ONE },
	{ "commit-limit", commit_limit, PLACES_ONE },
	{ "read-only-is-committed", read_only_is_committed, PLACES_ONE },
	{ "memory-runs-out", memory_runs_out, PLACES_SMALL },
};

int main(int argc, char **argv)
{
	check_begin();
	clone_checks_run(checks, sizeof(checks) / sizeof(checks[0]),
			 argc > 1 ? argv[1] : NULL);
	return check_finish();
}
