// SPDX-License-Identifier: MIT
/*
 * Reference pages reached otherwise than by touching them: references for
 * input and output, copies between processes, debuggers, userfaultfd, /proc,
 * swap and page merging.
 */
#include "test-refpage.h"
#include "test-zram.h"

#include <linux/userfaultfd.h>
#include <sys/ioctl.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#ifndef MADV_PAGEOUT
#define MADV_PAGEOUT 21
#endif

static int userfaultfd_open(__u64 features)
{
	struct uffdio_api api = { .api = UFFD_API, .features = features };
	int fd = (int)syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);

	if (fd < 0)
		return -1;
	if (ioctl(fd, UFFDIO_API, &api) < 0) {
		(void)close(fd);
		return -1;
	}
	return fd;
}

static void userfaultfd_refused(void)
{
	unsigned char *memory = map_pattern(4);
	struct uffdio_register request = {
		.range = { (uintptr_t)memory, 4 * page_bytes },
		.mode = UFFDIO_REGISTER_MODE_MISSING,
	};
	int fd = userfaultfd_open(0);

	if (fd < 0)
		SKIP("userfaultfd: %s", strerror(errno));
	EXPECT_ERRNO(ioctl(fd, UFFDIO_REGISTER, &request), EINVAL);
	request.mode = UFFDIO_REGISTER_MODE_WP;
	EXPECT_ERRNO(ioctl(fd, UFFDIO_REGISTER, &request), EINVAL);
	EXPECT(is_pattern(memory, 4 * page_bytes));
}

/* Asynchronous write protection works on any memory, since 6.7. */
static void userfaultfd_wp_async(void)
{
#ifndef UFFD_FEATURE_WP_ASYNC
#define UFFD_FEATURE_WP_ASYNC (1 << 15)
#define UFFD_FEATURE_WP_UNPOPULATED (1 << 13)
#endif
	unsigned char *memory = map_pattern(4);
	struct uffdio_register request = {
		.range = { (uintptr_t)memory, 4 * page_bytes },
		.mode = UFFDIO_REGISTER_MODE_WP,
	};
	struct uffdio_writeprotect protect = {
		.range = { (uintptr_t)memory, 4 * page_bytes },
		.mode = UFFDIO_WRITEPROTECT_MODE_WP,
	};
	int fd = userfaultfd_open(UFFD_FEATURE_WP_ASYNC |
				  UFFD_FEATURE_WP_UNPOPULATED);

	if (fd < 0)
		SKIP("asynchronous write protection: %s", strerror(errno));
	/* Page 0 and 1 untouched, page 2 read, page 3 written. */
	touch_read(memory + 2 * page_bytes, 1);
	touch_write(memory + 3 * page_bytes, 1);
	if (form == MMLAB_REFPAGE_UNCOUNTED) {
		/* VM_MIXEDMAP: not on special mappings. */
		EXPECT_ERRNO(ioctl(fd, UFFDIO_REGISTER, &request), EINVAL);
		return;
	}
	EXPECT(ioctl(fd, UFFDIO_REGISTER, &request) == 0);
	EXPECT(ioctl(fd, UFFDIO_WRITEPROTECT, &protect) == 0);
	/* The markers left on untouched pages must not stop a read. */
	EXPECT(is_pattern(memory, 3 * page_bytes));
	touch_write(memory, 3);
	for (size_t i = 0; i < 4; i++)
		EXPECT(is_pattern_but(memory + i * page_bytes, 0, 'W'));
	EXPECT(madvise(memory, 4 * page_bytes, MADV_DONTNEED) == 0);
	EXPECT(is_pattern(memory, 4 * page_bytes));
}

/* A reference to a page that was only read: the uncounted form has none. */
static void references_by_vmsplice(void)
{
	unsigned char *memory = map_pattern(2);
	unsigned char *copy = malloc(page_bytes);
	struct iovec vector = { memory, page_bytes };
	int ends[2];

	EXPECT(copy && pipe2(ends, O_CLOEXEC) == 0);
	touch_read(memory, 1);
	if (form == MMLAB_REFPAGE_UNCOUNTED) {
		/* The kernel's word for an entry without a page. */
		EXPECT(vmsplice(ends[1], &vector, 1, 0) == -1 &&
		       (errno == EFAULT || errno == EEXIST));
	} else {
		EXPECT_EQ(vmsplice(ends[1], &vector, 1, 0), page_bytes);
		EXPECT_EQ(read(ends[0], copy, page_bytes), page_bytes);
		EXPECT(is_pattern(copy, page_bytes));
	}

	/* A written page is ordinary memory. */
	touch_write(memory + page_bytes, 1);
	vector.iov_base = memory + page_bytes;
	EXPECT_EQ(vmsplice(ends[1], &vector, 1, 0), page_bytes);
	EXPECT_EQ(read(ends[0], copy, page_bytes), page_bytes);
	EXPECT(is_pattern_but(copy, 0, 'W'));

	/* The mapping may end before the reference does. */
	if (form != MMLAB_REFPAGE_UNCOUNTED) {
		vector.iov_base = memory;
		EXPECT_EQ(vmsplice(ends[1], &vector, 1, 0), page_bytes);
		EXPECT(munmap(memory, 2 * page_bytes) == 0);
		EXPECT_EQ(check_live_objects(), 0);
		EXPECT_EQ(read(ends[0], copy, page_bytes), page_bytes);
		EXPECT(is_pattern(copy, page_bytes));
	}
}

/* Copying by the kernel needs no reference: every form is fine. */
static void system_calls_copy(void)
{
	unsigned char *memory = map_pattern(4);
	unsigned char *copy = malloc(page_bytes);
	int ends[2];

	EXPECT(copy && pipe2(ends, O_CLOEXEC) == 0);
	/* Page 0 untouched, page 1 read. */
	touch_read(memory + page_bytes, 1);
	for (size_t i = 0; i < 2; i++) {
		EXPECT_EQ(write(ends[1], memory + i * page_bytes, page_bytes),
			  page_bytes);
		EXPECT_EQ(read(ends[0], copy, page_bytes), page_bytes);
		EXPECT(is_pattern(copy, page_bytes));
	}
	/* Page 2 untouched, page 3 read, both written by the kernel. */
	touch_read(memory + 3 * page_bytes, 1);
	for (size_t i = 2; i < 4; i++) {
		EXPECT_EQ(write(ends[1], "W", 1), 1);
		EXPECT_EQ(read(ends[0], memory + i * page_bytes, 1), 1);
		EXPECT(is_pattern_but(memory + i * page_bytes, 0, 'W'));
	}
}

/* A block device in memory of this number, or -1. */
static int zram_disk = -1, zram_swap = -1;

static void direct_io(void)
{
	char device[32];
	unsigned char *memory = map_pattern(3);
	unsigned char *copy = aligned_alloc(page_bytes, page_bytes);
	int fd;

	if (zram_disk < 0)
		SKIP("no zram");
	(void)snprintf(device, sizeof(device), "/dev/zram%d", zram_disk);
	fd = open(device, O_RDWR | O_DIRECT | O_CLOEXEC);
	EXPECT(fd >= 0 && copy);
	touch_read(memory + page_bytes, 1);
	touch_write(memory + 2 * page_bytes, 1);
	for (size_t i = 0; i < 3; i++) {
		ssize_t n;

		errno = 0;
		n = pwrite(fd, memory + i * page_bytes, page_bytes, 0);
		if (form == MMLAB_REFPAGE_UNCOUNTED && i < 2) {
			EXPECT(n == -1);
			continue;
		}
		EXPECT_EQ(n, page_bytes);
		EXPECT_EQ(pread(fd, copy, page_bytes, 0), page_bytes);
		EXPECT(i == 2 ? is_pattern_but(copy, 0, 'W')
			      : is_pattern(copy, page_bytes));
	}

	/* Reading into untouched, read and written pages. */
	memset(copy, 'D', page_bytes);
	EXPECT_EQ(pwrite(fd, copy, page_bytes, 0), page_bytes);
	EXPECT(madvise(memory, page_bytes, MADV_DONTNEED) == 0);
	for (size_t i = 0; i < 3; i++) {
		EXPECT_EQ(pread(fd, memory + i * page_bytes, page_bytes, 0),
			  page_bytes);
		EXPECT(!memcmp(memory + i * page_bytes, copy, page_bytes));
	}
}

/* A parent that copies from and to its child's memory. */
static void process_vm_copies(void)
{
	unsigned char *memory = map_pattern(4);
	unsigned char *copy = malloc(page_bytes);
	struct iovec local = { copy, page_bytes }, remote;
	int go[2], ready[2];
	char byte;
	pid_t pid;

	EXPECT(copy && pipe2(go, 0) == 0 && pipe2(ready, 0) == 0);
	pid = fork_child();
	if (pid == 0) {
		/* Pages: untouched, read, written, read. */
		touch_read(memory + page_bytes, 1);
		touch_write(memory + 2 * page_bytes, 1);
		touch_read(memory + 3 * page_bytes, 1);
		EXPECT(write(ready[1], "x", 1) == 1);
		EXPECT(read(go[0], &byte, 1) == 1);
		EXPECT(is_pattern_but(memory, 7, 'R'));
		EXPECT(is_pattern_but(memory + page_bytes, 7, 'R'));
		EXPECT_EQ(memory[2 * page_bytes], 'W');
		EXPECT_EQ(memory[2 * page_bytes + 7], 'R');
		EXPECT(is_pattern(memory + 3 * page_bytes, page_bytes));
		_exit(0);
	}
	EXPECT(read(ready[0], &byte, 1) == 1);
	/* The same address holds something else here, or nothing. */
	EXPECT(munmap(memory + page_bytes, page_bytes) == 0);
	memset(memory, 'Z', page_bytes);

	remote = (struct iovec){ memory + 3 * page_bytes, page_bytes };
	if (form == MMLAB_REFPAGE_UNCOUNTED) {
		EXPECT_ERRNO(process_vm_readv(pid, &local, 1, &remote, 1, 0),
			     EFAULT);
	} else {
		EXPECT_EQ(process_vm_readv(pid, &local, 1, &remote, 1, 0),
			  page_bytes);
		EXPECT(is_pattern(copy, page_bytes));
	}
	remote.iov_base = memory + 2 * page_bytes;
	EXPECT_EQ(process_vm_readv(pid, &local, 1, &remote, 1, 0), page_bytes);
	EXPECT(is_pattern_but(copy, 0, 'W'));

	stats_mark();
	copy[0] = 'R';
	local.iov_len = 1;
	for (size_t i = 0; i < 3; i++) {
		remote = (struct iovec){ memory + i * page_bytes + 7, 1 };
		EXPECT_EQ(process_vm_writev(pid, &local, 1, &remote, 1, 0), 1);
	}
	stats_mark();
	EXPECT_EQ(stats_delta[MMLAB_REFPAGE_STAT_WITHDRAWN],
		  form == MMLAB_REFPAGE_UNCOUNTED ? 1 : 0);
	EXPECT(write(go[1], "x", 1) == 1);
	EXPECT_CHILD_OK(pid);
}

/* After that, what is read in that mapping is counted; a new one is not. */
static void withdrawal_counts_afterwards(void)
{
	int fd = create(pattern, sizeof(pattern));
	unsigned char *memory = map_fd(fd, N_PAGES);
	struct iovec local = { &(char){ 'R' }, 1 };
	struct iovec remote = { memory + 7, 1 };
	long rss, page_kb = (long)page_bytes / 1024;
	pid_t target = getpid(), pid;

	touch_read(memory, N_PAGES / 2);
	pid = fork_child();
	if (pid == 0) {
		EXPECT_EQ(process_vm_writev(target, &local, 1, &remote, 1, 0),
			  1);
		_exit(0);
	}
	EXPECT_CHILD_OK(pid);
	EXPECT(is_pattern_but(memory, 7, 'R'));
	touch_read(memory, N_PAGES);
	EXPECT(is_pattern(memory + page_bytes, (N_PAGES - 1) * page_bytes));
	rss = smaps_kb(memory, "Rss");
	EXPECT_EQ(rss, form == MMLAB_REFPAGE_UNCOUNTED
			       ? (1 + N_PAGES / 2) * page_kb
			       : N_PAGES * page_kb);
	touch_write(memory, N_PAGES);
	EXPECT(is_pattern_but(memory + page_bytes, 0, 'W'));
	EXPECT(madvise(memory, N_PAGES * page_bytes, MADV_DONTNEED) == 0);
	EXPECT(is_pattern(memory, N_PAGES * page_bytes));

	memory = map_fd(fd, N_PAGES);
	touch_read(memory, N_PAGES);
	EXPECT_EQ(smaps_kb(memory, "Rss"),
		  form == MMLAB_REFPAGE_UNCOUNTED ? 0 : N_PAGES * page_kb);
}

static void trace_stop_wait(pid_t pid)
{
	int status;

	EXPECT(waitpid(pid, &status, 0) == pid);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 1)
		_exit(1);
	EXPECT(WIFSTOPPED(status));
}

/* A debugger reads and writes, whatever the protection. */
static void ptrace_peeks_and_pokes_with(int advice)
{
	unsigned char *memory = map_pattern(4);
	long word;
	pid_t pid = fork_child();

	if (pid == 0) {
		EXPECT(madvise(memory, 4 * page_bytes, advice) == 0);
		touch_read(memory + page_bytes, 1);
		touch_write(memory + 2 * page_bytes, 1);
		touch_read(memory + 3 * page_bytes, 1);
		EXPECT(mprotect(memory + 3 * page_bytes, page_bytes,
				PROT_NONE) == 0);
		EXPECT(ptrace(PTRACE_TRACEME, 0, 0, 0) == 0);
		EXPECT(raise(SIGSTOP) == 0);
		EXPECT(mprotect(memory + 3 * page_bytes, page_bytes,
				PROT_READ) == 0);
		for (size_t i = 0; i < 4; i++) {
			unsigned char *page = memory + i * page_bytes;

			EXPECT(!memcmp(page + 8, "POKEPOKE", 8));
			memcpy(page + 8, pattern + 8, i == 3 ? 0 : 8);
			EXPECT(i == 3 ? is_pattern(page, 8)
				      : i == 2 ? is_pattern_but(page, 0, 'W')
					       : is_pattern(page, page_bytes));
			EXPECT(is_pattern(page + 16, page_bytes - 16));
		}
		_exit(0);
	}
	trace_stop_wait(pid);
	/* Nothing here to copy from by mistake. */
	EXPECT(munmap(memory, 4 * page_bytes) == 0);

	stats_mark();
	for (size_t i = 0; i < 4; i++) {
		errno = 0;
		word = ptrace(PTRACE_PEEKDATA, pid, memory + i * page_bytes + 8,
			      0);
		EXPECT(errno == 0 && !memcmp(&word, pattern + 8, 8));
	}
	stats_mark();
	EXPECT_EQ(stats_delta[MMLAB_REFPAGE_STAT_ACCESSED],
		  form == MMLAB_REFPAGE_UNCOUNTED ? 3 : 0);

	memcpy(&word, "POKEPOKE", 8);
	for (size_t i = 0; i < 4; i++)
		EXPECT(ptrace(PTRACE_POKEDATA, pid,
			      memory + i * page_bytes + 8, word) == 0);
	stats_mark();
	EXPECT_EQ(stats_delta[MMLAB_REFPAGE_STAT_WITHDRAWN],
		  form == MMLAB_REFPAGE_UNCOUNTED ? 3 : 0);
	EXPECT(ptrace(PTRACE_DETACH, pid, 0, 0) == 0);
	EXPECT_CHILD_OK(pid);
}

static void ptrace_peeks_and_pokes(void)
{
	ptrace_peeks_and_pokes_with(MADV_NORMAL);
}

/* Advice that hides the fault from current->in_lru_fault. */
static void ptrace_peeks_and_pokes_random(void)
{
	ptrace_peeks_and_pokes_with(MADV_RANDOM);
}

/*
 * Whether /proc/self/mem lets a process write where it has no access. Since 6.12
 * ("proc: add config & param to block forcing mem writes") a kernel may be
 * configured to grant that to tracers only, as Debian's 7.3 is.
 */
static bool may_write_by_force(int fd)
{
	char *memory = mmap(NULL, page_bytes, PROT_NONE,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ssize_t n;
	int error;

	EXPECT(memory != MAP_FAILED);
	n = pwrite(fd, "M", 1, (off_t)memory);
	error = errno;
	EXPECT(n == 1 || (n == -1 && error == EIO));
	EXPECT(munmap(memory, page_bytes) == 0);
	return n == 1;
}

/* A process that writes to itself where it has no access. */
static void proc_self_mem(void)
{
	unsigned char *memory = map_pattern(3);
	unsigned char *copy = malloc(2 * page_bytes);
	int fd = open("/proc/self/mem", O_RDWR | O_CLOEXEC);

	EXPECT(fd >= 0 && copy);
	touch_read(memory, 2);
	/* Across a page boundary, too. */
	EXPECT_EQ(pread(fd, copy, page_bytes, (off_t)(memory + 16)), page_bytes);
	EXPECT(is_pattern(copy, page_bytes));

	EXPECT(mprotect(memory, 3 * page_bytes, PROT_NONE) == 0);
	if (!may_write_by_force(fd)) {
		for (size_t i = 0; i < 3; i++)
			EXPECT_ERRNO(pwrite(fd, "M", 1,
					    (off_t)(memory + i * page_bytes)),
				     EIO);
		EXPECT(mprotect(memory, 3 * page_bytes, PROT_READ) == 0);
		EXPECT(is_pattern(memory, 3 * page_bytes));
		return;
	}
	for (size_t i = 0; i < 3; i++) {
		EXPECT_EQ(pwrite(fd, "M", 1,
				 (off_t)(memory + i * page_bytes + 3)), 1);
		EXPECT_EQ(pread(fd, copy, page_bytes,
				(off_t)(memory + i * page_bytes)), page_bytes);
		EXPECT(is_pattern_but(copy, 3, 'M'));
	}
	EXPECT(mprotect(memory, 3 * page_bytes, PROT_READ) == 0);
	for (size_t i = 0; i < 3; i++)
		EXPECT(is_pattern_but(memory + i * page_bytes, 3, 'M'));
}

/* Protection keys that forbid writing, and everything. */
static void protection_keys(void)
{
	unsigned char *memory = map_pattern(4);
	unsigned char *copy = malloc(page_bytes);
	int fd = open("/proc/self/mem", O_RDWR | O_CLOEXEC);
	int key = pkey_alloc(0, 0);

	if (key < 0)
		SKIP("pkey_alloc: %s", strerror(errno));
	EXPECT(fd >= 0 && copy);
	EXPECT(pkey_mprotect(memory, 4 * page_bytes, PROT_READ | PROT_WRITE,
			     key) == 0);
	EXPECT(pkey_set(key, PKEY_DISABLE_WRITE) == 0);
	EXPECT(is_pattern(memory, 2 * page_bytes));
	EXPECT(faults(memory, true));

	EXPECT(pkey_set(key, PKEY_DISABLE_ACCESS) == 0);
	EXPECT(faults(memory, false));
	EXPECT(faults(memory + 3 * page_bytes, false));
	EXPECT_EQ(pwrite(fd, "M", 1, (off_t)(memory + 3)), 1);
	EXPECT_EQ(pwrite(fd, "M", 1, (off_t)(memory + 2 * page_bytes + 3)), 1);
	EXPECT(pkey_set(key, 0) == 0);
	EXPECT(is_pattern_but(memory, 3, 'M'));
	EXPECT(is_pattern_but(memory + 2 * page_bytes, 3, 'M'));
	EXPECT(is_pattern(memory + page_bytes, page_bytes));
}

static void proc_files_show_it(void)
{
	unsigned char *memory = map_pattern(4);
	char line[512];
	bool shown = false;
	uint64_t entry[4];
	FILE *file;
	int fd;

	touch_read(memory, 1);
	touch_write(memory + page_bytes, 1);

	file = fopen("/proc/self/maps", "re");
	EXPECT(file);
	while (fgets(line, sizeof(line), file))
		if (strtoul(line, NULL, 16) == (uintptr_t)memory)
			shown = strstr(line, "anon_inode:[refpage]") &&
				strstr(line, " rw-p ");
	EXPECT(fclose(file) == 0);
	EXPECT(shown);

	fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	EXPECT(fd >= 0);
	EXPECT_EQ(pread(fd, entry, sizeof(entry),
			(off_t)((uintptr_t)memory / page_bytes * 8)),
		  sizeof(entry));
	EXPECT(entry[0] >> 63 && entry[1] >> 63);
	EXPECT(!(entry[2] >> 63) && !(entry[3] >> 63));

	/* Reading every file must do no harm. */
	file = fopen("/proc/self/numa_maps", "re");
	while (file && fgets(line, sizeof(line), file))
		;
	if (file)
		EXPECT(fclose(file) == 0);
	fd = open("/proc/self/clear_refs", O_WRONLY | O_CLOEXEC);
	if (fd >= 0)
		for (char c = '1'; c <= '4'; c++)
			(void)write(fd, &c, 1);
	EXPECT(is_pattern(memory, page_bytes));
	EXPECT(is_pattern_but(memory + page_bytes, 0, 'W'));
}

/* Somebody else's look at smaps changes nothing. */
static void smaps_of_another_process(void)
{
	unsigned char *memory = map_pattern(N_PAGES);
	int ready[2];
	char byte;
	pid_t pid;

	EXPECT(pipe2(ready, 0) == 0);
	pid = fork_child();
	if (pid == 0) {
		touch_read(memory, N_PAGES);
		EXPECT(write(ready[1], "x", 1) == 1);
		for (;;)
			(void)pause();
	}
	EXPECT(read(ready[0], &byte, 1) == 1);
	stats_mark();
	for (int i = 0; i < 3; i++)
		EXPECT_EQ(smaps_kb_of(pid, memory, "Rss"),
			  form == MMLAB_REFPAGE_UNCOUNTED
				  ? 0 : N_PAGES * (long)page_bytes / 1024);
	stats_mark();
	EXPECT_EQ(stats_delta[MMLAB_REFPAGE_STAT_WITHDRAWN], 0);
	EXPECT(kill(pid, SIGKILL) == 0);
	EXPECT(waitpid(pid, NULL, 0) == pid);
}

/* Pages that were written go to swap and come back. */
static void swap_round_trip(void)
{
	unsigned char *memory = map_pattern(N_PAGES);
	size_t bytes = N_PAGES * page_bytes;

	if (zram_swap < 0)
		SKIP("no zram");
	touch_read(memory, N_PAGES / 2);
	touch_write(memory, N_PAGES);
	EXPECT(madvise(memory, bytes, MADV_PAGEOUT) == 0);
	EXPECT(smaps_kb(memory, "Swap") > 0);
	for (size_t i = 0; i < N_PAGES; i++)
		EXPECT(is_pattern_but(memory + i * page_bytes, 0, 'W'));
	EXPECT(madvise(memory, bytes, MADV_PAGEOUT) == 0);
	EXPECT(madvise(memory, bytes, MADV_DONTNEED) == 0);
	EXPECT(is_pattern(memory, bytes));
}

/*
 * Reclaim that looks around a written page finds special entries beside it: the
 * multi-generational LRU warns about them unless the VMA says what it holds.
 */
static void reclaim_looks_around(void)
{
	static const char group[] = "/sys/fs/cgroup/mmlab-reclaim";
	static const char lru_gen[] = "/sys/kernel/mm/lru_gen/enabled";
	const size_t n_pages = check_times(2048, 768);
	unsigned char *memory;
	char pid[16];
	int fd;

	if (zram_swap < 0)
		SKIP("no zram");
	fd = open("/sys/fs/cgroup/cgroup.subtree_control", O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, "+memory", 7) != 7)
		SKIP("no memory control group");
	EXPECT(close(fd) == 0);
	if (code_may_be_patched() && access(lru_gen, W_OK) == 0)
		file_write_text(lru_gen, "y");
	EXPECT(mkdir(group, 0700) == 0);
	(void)snprintf(pid, sizeof(pid), "%d", (int)getpid());
	file_write_text("/sys/fs/cgroup/mmlab-reclaim/cgroup.procs", pid);

	memory = map_pattern(n_pages);
	for (unsigned int round = check_times(4, 2); round; round--) {
		for (size_t i = 0; i < n_pages; i += 2) {
			touch_read(memory + i * page_bytes, 1);
			touch_write(memory + (i + 1) * page_bytes, 1);
		}
		fd = open("/sys/fs/cgroup/mmlab-reclaim/memory.reclaim",
			  O_WRONLY | O_CLOEXEC);
		EXPECT(fd >= 0);
		(void)write(fd, "4M", 2); /* less is fine */
		EXPECT(close(fd) == 0);
	}
	EXPECT(smaps_kb(memory, "Swap") > 0);
	for (size_t i = 0; i < n_pages; i += 2) {
		EXPECT(is_pattern(memory + i * page_bytes, page_bytes));
		EXPECT(is_pattern_but(memory + (i + 1) * page_bytes, 0, 'W'));
	}
	EXPECT(munmap(memory, n_pages * page_bytes) == 0);
	file_write_text("/sys/fs/cgroup/cgroup.procs", pid);
	EXPECT(rmdir(group) == 0);
}

/* Written pages with equal contents merge and part again. */
static void ksm_merges_written(void)
{
	static const char run[] = "/sys/kernel/mm/ksm/run";
	unsigned char *memory = map_pattern(N_PAGES), *other;
	size_t bytes = N_PAGES * page_bytes;
	long before;

	if (access(run, W_OK) < 0)
		SKIP("no KSM");
	touch_write(memory, N_PAGES / 2);
	touch_read(memory + bytes / 2, N_PAGES / 2);
	EXPECT(madvise(memory, bytes, MADV_MERGEABLE) == 0);
	/* Without anything that it may merge it would not look. */
	other = mmap(NULL, page_bytes, PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	EXPECT(other != MAP_FAILED);
	EXPECT(madvise(other, page_bytes, MADV_MERGEABLE) == 0);
	other[0] = 'O';
	file_write_text("/sys/kernel/mm/ksm/pages_to_scan", "10000");
	file_write_text("/sys/kernel/mm/ksm/sleep_millisecs", "1");
	before = file_read_number("/sys/kernel/mm/ksm/full_scans");
	file_write_text(run, "1");
	/* However long: its thread waits for all others. */
	while (file_read_number("/sys/kernel/mm/ksm/full_scans") < before + 4)
		(void)usleep(10 * 1000);
	/* VM_MIXEDMAP keeps KSM out of the uncounted form. */
	if (form != MMLAB_REFPAGE_UNCOUNTED)
		EXPECT(file_read_number("/sys/kernel/mm/ksm/pages_sharing") >=
		       N_PAGES / 4);
	EXPECT(is_pattern_but(memory, 0, 'W'));
	EXPECT(is_pattern(memory + bytes / 2, bytes / 2));
	memory[page_bytes + 1] = 'K';
	EXPECT_EQ(memory[page_bytes + 1], 'K');
	EXPECT(is_pattern_but(memory, 0, 'W'));
	EXPECT(madvise(memory, bytes, MADV_DONTNEED) == 0);
	EXPECT(is_pattern(memory, bytes));
	file_write_text(run, "2");
	file_write_text(run, "0");
}

static const struct check checks[] = {
	{ "userfaultfd-refused", userfaultfd_refused },
	{ "userfaultfd-wp-async", userfaultfd_wp_async },
	{ "references-by-vmsplice", references_by_vmsplice },
	{ "system-calls-copy", system_calls_copy },
	{ "direct-io", direct_io },
	{ "process-vm-copies", process_vm_copies },
	{ "withdrawal-counts-afterwards", withdrawal_counts_afterwards },
	{ "ptrace-peeks-and-pokes", ptrace_peeks_and_pokes },
	{ "ptrace-peeks-and-pokes-random", ptrace_peeks_and_pokes_random },
	{ "proc-self-mem", proc_self_mem },
	{ "protection-keys", protection_keys },
	{ "proc-files-show-it", proc_files_show_it },
	{ "smaps-of-another-process", smaps_of_another_process },
	{ "swap-round-trip", swap_round_trip },
	{ "reclaim-looks-around", reclaim_looks_around },
	{ "ksm-merges-written", ksm_merges_written },
};

int main(int argc, char **argv)
{
	(void)argc;
	page_bytes = (size_t)sysconf(_SC_PAGESIZE);
	check_begin();

	zram_disk = zram_add(1 << 20);
	zram_swap = zram_add(8 << 20);
	if (zram_swap >= 0 && zram_swap_on(zram_swap, 8 << 20) < 0) {
		zram_remove(zram_swap);
		zram_swap = -1;
	}
	refpage_checks_run(checks, sizeof(checks) / sizeof(checks[0]), argv[1]);
	zram_remove(zram_swap);
	zram_remove(zram_disk);
	return check_finish();
}
