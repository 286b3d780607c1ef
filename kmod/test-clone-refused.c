// SPDX-License-Identifier: MIT
/*
 * Clones of mappings: memory that is not to be cloned, or not to be taken.
 */
#include "test-clone-error.h"

#include <sys/ioctl.h>
#include <linux/userfaultfd.h>

#ifndef MADV_GUARD_INSTALL /* since Linux 6.13 */
#define MADV_GUARD_INSTALL 102
#endif
#ifndef PR_SET_MDWE
#define PR_SET_MDWE 65
#define PR_MDWE_REFUSE_EXEC_GAIN 1
#endif
#ifndef F_SEAL_FUTURE_WRITE
#define F_SEAL_FUTURE_WRITE 0x0010
#endif

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
	struct peer peer = source_start(BYTES);

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
	struct peer peer = source_start(BYTES);

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
	struct peer peer = source_start(BYTES);
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
	struct peer peer = source_start(BYTES);
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
	default:
		fd = mmlab_lockbuf_create(HUGE, MMLAB_LOCKBUF_WRITER,
					  MMLAB_LOCKBUF_FLUSH_ALL, 0);
		bytes = HUGE;
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
	struct peer peer = source_start(BYTES);

	stats_mark();
	for (long which = 0; which < 3; which++) {
		char *at = SOURCE_ADDR + (size_t)(which + 1) * HUGE;

		EXPECT_EQ(peer_call(peer, driver_map, (long)at, which, 0), 0);
		EXPECT_FAILS(map(peer, at, PAGE), EFAULT);
	}
	nothing_happened(peer);
	peer_end(peer);
}

/* What not even the kernel has a mapping of. */
static long secret_map(long addr, long unused, long unused_too)
{
	int fd = (int)syscall(SYS_memfd_secret, 0);

	(void)unused;
	(void)unused_too;
	if (fd < 0)
		return -errno;
	EXPECT(ftruncate(fd, PAGE) == 0);
	EXPECT(mmap((void *)addr, PAGE, PROT_READ | PROT_WRITE,
		    MAP_SHARED | MAP_FIXED, fd, 0) == (void *)addr);
	*(volatile char *)addr = 1;
	return 0;
}

static void secret_memory(void)
{
	struct peer peer = source_start(BYTES);
	long result = peer_call(peer, secret_map, (long)(SOURCE_ADDR + HUGE), 0,
				0);

	if (result < 0)
		SKIP("no memfd_secret here: %s", strerror((int)-result));
	stats_mark();
	EXPECT_FAILS(map(peer, SOURCE_ADDR + HUGE, PAGE), EFAULT);
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
	struct peer peer = source_start(BYTES);

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
	struct peer peer = source_start(BYTES);

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
	struct peer peer = source_start(BYTES);

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

static long map_memory_file(long addr, long bytes, long flags)
{
	int fd = memfd_create("source", MFD_CLOEXEC);

	if (fd < 0 || ftruncate(fd, bytes) != 0 ||
	    mmap((void *)addr, (size_t)bytes, PROT_READ | PROT_WRITE,
		 (int)flags | MAP_FIXED_NOREPLACE, fd, 0) != (void *)addr)
		return -errno;
	return close(fd);
}

/* Fork copies them: a clone has them as well, or is refused. */
static void guard_pages(void)
{
	static const int flags[] = { MAP_SHARED, MAP_PRIVATE };
	char *const file = SOURCE_ADDR + 4 * HUGE;
	struct peer peer = source_start(BYTES);
	char *memory;

	if (peer_call(peer, advise, (long)SOURCE_ADDR + (long)PAGE, PAGE,
		      MADV_GUARD_INSTALL) != 0)
		SKIP("no guard pages");
	memory = map(peer, SOURCE_ADDR, BYTES);
	EXPECT(memory != MAP_FAILED);
	EXPECT(is_mapped(getpid(), memory));
	EXPECT(!is_mapped(getpid(), memory + PAGE));
	EXPECT(is_mapped(getpid(), memory + 2 * PAGE));

	for (size_t i = 0; i < 2; i++) {
		EXPECT_EQ(peer_call(peer, map_memory_file, (long)file, BYTES,
				    flags[i]), 0);
		if (peer_call(peer, advise, (long)file + (long)PAGE, PAGE,
			      MADV_GUARD_INSTALL) != 0)
			SKIP("no guard pages in files");
		EXPECT_FAILS(map(peer, file, BYTES), EFAULT);
		if (i == 0)
			EXPECT_EQ(peer_call(peer, unmap_at, (long)file, BYTES,
					    0), 0);
	}
	/* With a page of its own it has tables that are copied. */
	EXPECT_EQ(peer_call(peer, write_byte, (long)file, 1, 0), 0);
	memory = map(peer, file, BYTES);
	EXPECT(memory != MAP_FAILED && *memory == 1);
	EXPECT(!is_mapped(getpid(), memory + PAGE));
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
	struct peer peer = source_start(BYTES);
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
	struct peer peer = source_start(BYTES);

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

static const struct clone_check checks[] = {
	{ "special-mappings", special_mappings, PLACES_ONE },
	{ "kept-from-children", kept_from_children, PLACES_ONE },
	{ "watched-by-userfaultfd", watched_by_userfaultfd, PLACES_ONE },
	{ "hugetlbfs", hugetlbfs, PLACES_ONE },
	{ "drivers-memory", drivers_memory, PLACES_ONE },
	{ "secret-memory", secret_memory, PLACES_ONE },
	{ "under-a-key", under_a_key, PLACES_ONE },
	{ "sealed-file", sealed_file, PLACES_ONE },
	{ "sealed-mapping", sealed_mapping, PLACES_ONE },
	{ "guard-pages", guard_pages, PLACES_ONE },
	{ "program-under-a-uprobe", program_under_a_uprobe, PLACES_ONE },
	{ "program-made-writable", program_made_writable, PLACES_ONE },
	{ "writable-and-executable", writable_and_executable, PLACES_ONE },
};

int main(int argc, char **argv)
{
	check_begin();
	clone_checks_run(checks, sizeof(checks) / sizeof(checks[0]),
			 argc > 1 ? argv[1] : NULL);
	return check_finish();
}
