// SPDX-License-Identifier: MIT
/*
 * Reference pages: arguments, what a mapping does under everything that its own
 * process can do to it, and how long it lives. Faults and counters exactly.
 */
#include "test-refpage.h"
#include "test-exec.h"

#include <sched.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#ifndef MADV_COLD
#define MADV_COLD 20
#define MADV_PAGEOUT 21
#endif
#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ 22
#define MADV_POPULATE_WRITE 23
#endif
#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25
#endif

/*
 * Creation.
 */

static void create_flags_bad(void)
{
	for (int bit = 0; bit < 64; bit++)
		EXPECT_ERRNO(mmlab_refpage_create(pattern, 16, 1UL << bit, form),
			     EINVAL);
	EXPECT_ERRNO(refpage_create(pattern, 16, 1), EINVAL);
}

static void create_size_bad(void)
{
	unsigned char *aligned = aligned_alloc(2 * page_bytes, 2 * page_bytes);

	EXPECT(aligned);
	memset(aligned, 1, 2 * page_bytes);
	for (size_t size = 0; size <= page_bytes; size++)
		if (size == 0 || (size & (size - 1)))
			EXPECT_ERRNO(mmlab_refpage_create(aligned, size, 0,
							  form), EINVAL);
	EXPECT_ERRNO(mmlab_refpage_create(aligned, 2 * page_bytes, 0, form),
		     EINVAL);
	EXPECT_ERRNO(mmlab_refpage_create(NULL, 1UL << 63, 0, form), EINVAL);
	EXPECT_ERRNO(mmlab_refpage_create(aligned, 1UL << 32, 0, form), EINVAL);
	EXPECT_ERRNO(mmlab_refpage_create(aligned, SIZE_MAX, 0, form), EINVAL);
}

static void create_content_unaligned(void)
{
	unsigned char *aligned = aligned_alloc(page_bytes, 2 * page_bytes);

	EXPECT(aligned);
	memset(aligned, 1, 2 * page_bytes);
	for (size_t size = 2; size <= page_bytes; size *= 2) {
		EXPECT_ERRNO(mmlab_refpage_create(aligned + size / 2, size, 0,
						  form), EINVAL);
		EXPECT_ERRNO(mmlab_refpage_create(aligned + 1, size, 0, form),
			     EINVAL);
	}
}

static void create_content_unreadable(void)
{
	unsigned char *memory = mmap(NULL, page_bytes, PROT_NONE,
				     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	EXPECT(memory != MAP_FAILED);
	EXPECT_ERRNO(mmlab_refpage_create(NULL, 1, 0, form), EFAULT);
	EXPECT_ERRNO(mmlab_refpage_create(memory, 1, 0, form), EFAULT);
	EXPECT_ERRNO(mmlab_refpage_create(memory, page_bytes, 0, form), EFAULT);
	EXPECT_ERRNO(mmlab_refpage_create((void *)0xffff888000000000UL, 1, 0,
					  form), EFAULT);
	EXPECT_ERRNO(mmlab_refpage_create((void *)-page_bytes, page_bytes, 0,
					  form), EFAULT);
	/* Arguments are looked at before memory. */
	EXPECT_ERRNO(mmlab_refpage_create(NULL, 3, 0, form), EINVAL);
	EXPECT_ERRNO(mmlab_refpage_create(NULL, 1, 1, form), EINVAL);
}

static void create_form_bad(void)
{
	EXPECT_ERRNO(mmlab_refpage_create(pattern, 16, 0,
					  (enum mmlab_refpage_form)3), EINVAL);
	EXPECT_ERRNO(mmlab_refpage_create(pattern, 16, 0,
					  (enum mmlab_refpage_form)UINT32_MAX),
		     EINVAL);
}

/* A flood ends at the limit on descriptors, and leaves nothing. */
static void create_until_limit(void)
{
	const struct rlimit limit = { 200, 200 };
	int n = 0, fd;

	EXPECT(setrlimit(RLIMIT_NOFILE, &limit) == 0);
	while ((fd = mmlab_refpage_create(pattern, 16, 0, form)) >= 0)
		n++;
	EXPECT_EQ(errno, EMFILE);
	EXPECT(n > 150 && n < 200);
	EXPECT_EQ(check_stat(MMLAB_REFPAGE_STAT_LIVE_OBJECTS), n);
	for (int i = 0; i < 200; i++)
		(void)close(i);
	EXPECT_EQ(check_live_objects(), 0);
}

/* Pages and bookkeeping are charged to whoever creates. */
static void create_is_charged(void)
{
	static char root[] = "/tmp/mmlab-cgroup-XXXXXX";
	static const _Alignas(1 << 16) char page[1 << 16];
	enum { N = 512 };
	char path[128], control[192];
	long before, grown;
	bool has_control;

	EXPECT(mkdtemp(root));
	EXPECT(unshare(CLONE_NEWNS) == 0);
	if (syscall(SYS_mount, "none", root, "cgroup2", 0, NULL) < 0)
		SKIP("cgroup2: %s", strerror(errno));
	(void)snprintf(control, sizeof(control), "%s/cgroup.subtree_control",
		       root);
	file_write_text(control, "+memory");
	(void)snprintf(path, sizeof(path), "%s/mmlab-test-%d", root, getpid());
	EXPECT(mkdir(path, 0700) == 0);
	(void)snprintf(control, sizeof(control), "%s/memory.current", path);
	has_control = access(control, R_OK) == 0;
	if (has_control) {
		char current[192];

		memcpy(current, control, sizeof(current));
		(void)snprintf(control, sizeof(control), "%s/cgroup.procs",
			       path);
		file_write_text(control, "0");
		before = file_read_number(current);
		for (int i = 0; i < N; i++)
			(void)create(page, page_bytes);
		grown = file_read_number(current) - before;
		/*
		 * The pattern is kept with a header, in twice its size, besides
		 * the shared page; processors charge some 64 pages in advance.
		 */
		EXPECT(grown + 128 * (long)page_bytes >= N * (long)page_bytes *
		       (form == MMLAB_REFPAGE_FILL ? 2 : 3));
		for (int fd = 3; fd < N + 64; fd++)
			(void)close(fd);
		(void)snprintf(control, sizeof(control), "%s/cgroup.procs",
			       root);
		file_write_text(control, "0");
	}
	(void)rmdir(path);
	(void)syscall(SYS_umount2, root, 0);
	(void)rmdir(root);
	if (!has_control)
		SKIP("no memory controller in the cgroup2 hierarchy");
}

static void descriptor_properties(void)
{
	char path[64], target[64];
	char byte = 0;
	int fd = create(pattern, sizeof(pattern));
	ssize_t n;

	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	n = readlink(path, target, sizeof(target) - 1);
	EXPECT(n > 0);
	target[n] = '\0';
	EXPECT(!strcmp(target, "anon_inode:[refpage]"));
	EXPECT_EQ(fcntl(fd, F_GETFD), FD_CLOEXEC);
	EXPECT_EQ(fcntl(fd, F_GETFL) & O_ACCMODE, O_RDONLY);
	EXPECT_ERRNO(read(fd, &byte, 1), EINVAL);
	EXPECT_ERRNO(pread(fd, &byte, 1, 0), ESPIPE);
	EXPECT_ERRNO(write(fd, &byte, 1), EBADF);
	EXPECT_ERRNO(ftruncate(fd, 4096), EINVAL);
	EXPECT_ERRNO(ioctl(fd, MMLAB_IOC_QUERY, &byte), ENOTTY);
	EXPECT(close(fd) == 0);
}

static void content_is_copied(void)
{
	unsigned char content[16] __attribute__((aligned(16)));
	unsigned char *memory;
	int fd;

	memcpy(content, pattern, sizeof(content));
	fd = create(content, sizeof(content));
	memset(content, 'x', sizeof(content));
	memory = map_fd(fd, 4);
	touch_write(memory + page_bytes, 1);
	EXPECT(is_pattern(memory, page_bytes));
	EXPECT(is_pattern_but(memory + page_bytes, 0, 'W'));
}

/* Every size, read first and written first. */
static void pattern_sizes(void)
{
	unsigned char *content = aligned_alloc(page_bytes, page_bytes);

	EXPECT(content);
	for (size_t i = 0; i < page_bytes; i++)
		content[i] = (unsigned char)(i * 7 + i / 256 + 1);

	for (size_t size = 1; size <= page_bytes; size *= 2) {
		int fd = create(content, size);
		unsigned char *memory = map_fd(fd, 4);

		memory[page_bytes + 5] ^= 0xff;
		for (size_t i = 0; i < 4 * page_bytes; i++) {
			unsigned char want = content[i % size];

			if (i == page_bytes + 5)
				want ^= 0xff;
			EXPECT_EQ(((volatile unsigned char *)memory)[i], want);
		}
		EXPECT(munmap(memory, 4 * page_bytes) == 0);
		EXPECT(close(fd) == 0);
	}
}

/*
 * Mapping.
 */

static void map_modes(void)
{
	static const off_t offsets[] = { 0, 1, 3, 1L << 20, 1L << 40 };
	int fd = create(pattern, sizeof(pattern));
	unsigned char *memory;

	EXPECT_ERRNO(mmap(NULL, page_bytes, PROT_READ, MAP_SHARED, fd, 0),
		     EINVAL);
	EXPECT_ERRNO(mmap(NULL, page_bytes, PROT_NONE, MAP_SHARED, fd, 0),
		     EINVAL);
	EXPECT_ERRNO(mmap(NULL, page_bytes, PROT_READ, MAP_SHARED_VALIDATE, fd,
			  0), EINVAL);
	/* The kernel's own check of a read-only descriptor comes first. */
	EXPECT_ERRNO(mmap(NULL, page_bytes, PROT_READ | PROT_WRITE, MAP_SHARED,
			  fd, 0), EACCES);

	for (size_t i = 0; i < sizeof(offsets) / sizeof(offsets[0]); i++) {
		memory = mmap(NULL, 2 * page_bytes, PROT_READ | PROT_WRITE,
			      MAP_PRIVATE, fd,
			      offsets[i] * (off_t)page_bytes);
		EXPECT(memory != MAP_FAILED);
		EXPECT(is_pattern(memory, 2 * page_bytes));
		EXPECT(munmap(memory, 2 * page_bytes) == 0);
	}

	memory = mmap(NULL, N_PAGES * page_bytes, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_POPULATE, fd, 0);
	EXPECT(memory != MAP_FAILED);
	EXPECT(is_pattern(memory, N_PAGES * page_bytes));
	memory = mmap(NULL, N_PAGES * page_bytes, PROT_READ,
		      MAP_PRIVATE | MAP_POPULATE, fd, 0);
	EXPECT(memory != MAP_FAILED);
	EXPECT(is_pattern(memory, N_PAGES * page_bytes));
	EXPECT(faults(memory, true));
}

static void read_faults_exact(void)
{
	unsigned char *memory = map_pattern(N_PAGES);
	bool fill = form == MMLAB_REFPAGE_FILL;
	long faults_before, n_faults;

	stats_mark();
	(void)minor_faults();
	stats_mark();
	faults_before = minor_faults();
	touch_read(memory, N_PAGES);
	n_faults = minor_faults() - faults_before;
	stats_mark();

	EXPECT_EQ(n_faults, N_PAGES);
	EXPECT_EQ(stats_delta[MMLAB_REFPAGE_STAT_READ_SHARED],
		  fill ? 0 : N_PAGES);
	EXPECT_EQ(stats_delta[MMLAB_REFPAGE_STAT_READ_FILLED],
		  fill ? N_PAGES : 0);
	EXPECT_EQ(stats_delta[MMLAB_REFPAGE_STAT_WRITE_KERNEL], 0);
	EXPECT_EQ(stats_delta[MMLAB_REFPAGE_STAT_WRITE_COPIED], 0);
	EXPECT_EQ(stats_delta[MMLAB_REFPAGE_STAT_WRITE_FILLED], 0);
	EXPECT_EQ(stats_delta[MMLAB_REFPAGE_STAT_RACED], 0);

	EXPECT_EQ(smaps_kb(memory, "Rss"),
		  form == MMLAB_REFPAGE_UNCOUNTED
			  ? 0 : N_PAGES * (long)page_bytes / 1024);
	EXPECT_EQ(smaps_kb(memory, "Anonymous"),
		  fill ? N_PAGES * (long)page_bytes / 1024 : 0);
	EXPECT(is_pattern(memory, N_PAGES * page_bytes));

	/* Once read, never again. */
	faults_before = minor_faults();
	touch_read(memory, N_PAGES);
	EXPECT_EQ(minor_faults() - faults_before, 0);

	/* A write then costs a second fault, but not where FILL was. */
	faults_before = minor_faults();
	touch_write(memory, N_PAGES);
	EXPECT_EQ(minor_faults() - faults_before, fill ? 0 : N_PAGES);
	for (size_t i = 0; i < N_PAGES; i++)
		EXPECT(is_pattern_but(memory + i * page_bytes, 0, 'W'));
	EXPECT_EQ(smaps_kb(memory, "Anonymous"),
		  N_PAGES * (long)page_bytes / 1024);
}

static void write_faults_exact_of(const unsigned char *content, bool is_uniform)
{
	enum mmlab_refpage_stat stat = MMLAB_REFPAGE_STAT_WRITE_COPIED;
	int fd = create(content, 16);
	unsigned char *memory = map_fd(fd, N_PAGES);
	long faults_before, n_faults;
	uint64_t caps = 0;

	EXPECT(mmlab_query(MMLAB_MECH_REFPAGE, &caps) == 0);
	if (is_uniform)
		stat = MMLAB_REFPAGE_STAT_WRITE_FILLED;
	else if (form == MMLAB_REFPAGE_COUNTED)
		stat = MMLAB_REFPAGE_STAT_WRITE_KERNEL;
	if (!(caps & MMLAB_REFPAGE_CAP_DIRECT_WRITE))
		stat = MMLAB_REFPAGE_STAT_WRITE_KERNEL;

	stats_mark();
	(void)minor_faults();
	stats_mark();
	faults_before = minor_faults();
	touch_write(memory, N_PAGES);
	n_faults = minor_faults() - faults_before;
	stats_mark();

	EXPECT_EQ(n_faults, N_PAGES);
	EXPECT_EQ(stats_delta[stat], N_PAGES);
	stats_delta[stat] = 0;
	for (size_t i = 0; i < MMLAB_REFPAGE_N_STATS; i++)
		EXPECT_EQ(stats_delta[i], 0);
	for (size_t i = 0; i < N_PAGES * page_bytes; i++)
		EXPECT_EQ(memory[i], i % page_bytes ? content[i % 16] : 'W');
	EXPECT_EQ(smaps_kb(memory, "Rss"), N_PAGES * (long)page_bytes / 1024);
	EXPECT_EQ(smaps_kb(memory, "Anonymous"),
		  N_PAGES * (long)page_bytes / 1024);
}

static void write_faults_exact(void)
{
	write_faults_exact_of(pattern, false);
}

static void write_faults_exact_uniform(void)
{
	write_faults_exact_of(uniform, true);
}

static bool file_try_write(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_TRUNC | O_CLOEXEC);
	bool written;

	if (fd < 0)
		return false;
	written = write(fd, text, strlen(text)) == (ssize_t)strlen(text);
	return close(fd) == 0 && written;
}

#define TRACEFS "/sys/kernel/tracing/"

/* How often this process took its mmap_lock while it touched new pages. */
static long mmap_locks_of(unsigned char *memory, bool write_first)
{
	char line[1024];
	long n = 0;
	FILE *file;

	EXPECT(file_try_write(TRACEFS "trace", "\n"));
	EXPECT(file_try_write(TRACEFS "tracing_on", "1"));
	if (write_first)
		touch_write(memory, N_PAGES);
	else
		touch_read(memory, N_PAGES);
	EXPECT(file_try_write(TRACEFS "tracing_on", "0"));

	file = fopen(TRACEFS "trace", "re");
	EXPECT(file);
	while (fgets(line, sizeof(line), file))
		n += strstr(line, "mmap_lock_acquire_returned:") != NULL;
	EXPECT(fclose(file) == 0);
	return n;
}

/* Where anonymous memory is faulted in under the VMA's lock, so are we. */
static void faults_leave_mmap_lock(void)
{
	static const char event[] =
		TRACEFS "events/mmap_lock/mmap_lock_acquire_returned/enable";
	unsigned char *anonymous;
	long n_anonymous, n_read, n_write;
	char pid[16];

	if (!code_may_be_patched())
		SKIP("tracing is switched on with one CPU only: scripts/vm --cpus 1");
	/* Mounting happens on access to debugfs, if that is mounted. */
	(void)access("/sys/kernel/debug/tracing/trace", F_OK);
	if (access(event, W_OK) < 0)
		(void)syscall(SYS_mount, "none", "/sys/kernel/tracing",
			      "tracefs", 0, NULL);
	(void)snprintf(pid, sizeof(pid), "%d", getpid());
	if (!file_try_write(TRACEFS "set_event_pid", pid) ||
	    !file_try_write(event, "1"))
		SKIP("no mmap_lock events");

	anonymous = mmap(NULL, N_PAGES * page_bytes, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	EXPECT(anonymous != MAP_FAILED);
	EXPECT(madvise(anonymous, N_PAGES * page_bytes, MADV_NOHUGEPAGE) == 0 ||
	       errno == EINVAL);
	n_anonymous = mmap_locks_of(anonymous, false);
	n_read = mmap_locks_of(map_pattern(N_PAGES), false);
	n_write = mmap_locks_of(map_pattern(N_PAGES), true);
	(void)file_try_write(event, "0");
	(void)file_try_write(TRACEFS "set_event_pid", "\n");
	(void)file_try_write(TRACEFS "tracing_on", "1");

	if (n_anonymous >= N_PAGES)
		SKIP("this kernel has no locks for VMAs");
	/* The first new page of a VMA needs the lock, for its anon_vma. */
	EXPECT(n_read <= 1);
	EXPECT(n_write <= 1);
}

static void dontneed_returns_to_pattern(void)
{
	unsigned char *memory = map_pattern(N_PAGES);

	for (int round = 0; round < 3; round++) {
		touch_read(memory, N_PAGES / 2);
		touch_write(memory, N_PAGES);
		EXPECT(madvise(memory, N_PAGES * page_bytes, MADV_DONTNEED) ==
		       0);
		EXPECT_EQ(smaps_kb(memory, "Rss"), 0);
		EXPECT(is_pattern(memory, N_PAGES * page_bytes));
	}
}

static void fork_isolates(void)
{
	unsigned char *memory = map_pattern(3);
	int go[2];
	char byte;
	pid_t pid;

	/* Page 0 untouched, page 1 read, page 2 written. */
	touch_read(memory + page_bytes, 1);
	touch_write(memory + 2 * page_bytes, 1);
	EXPECT(pipe2(go, O_CLOEXEC) == 0);

	pid = fork_child();
	if (pid == 0) {
		/* After the parent's writes, none of which shows. */
		EXPECT(read(go[0], &byte, 1) == 1);
		EXPECT(is_pattern(memory, 2 * page_bytes));
		EXPECT(is_pattern_but(memory + 2 * page_bytes, 0, 'W'));
		for (size_t i = 0; i < 3; i++)
			memory[i * page_bytes + 1] = 'C';
		EXPECT(is_pattern_but(memory, 1, 'C'));
		EXPECT(madvise(memory, 3 * page_bytes, MADV_DONTNEED) == 0);
		EXPECT(is_pattern(memory, 3 * page_bytes));
		_exit(0);
	}
	for (size_t i = 0; i < 3; i++)
		memory[i * page_bytes + 2] = 'P';
	EXPECT(write(go[1], "x", 1) == 1);
	EXPECT_CHILD_OK(pid);
	EXPECT(is_pattern_but(memory, 2, 'P'));
	EXPECT(is_pattern_but(memory + page_bytes, 2, 'P'));
	EXPECT_EQ(memory[2 * page_bytes], 'W');
	EXPECT_EQ(memory[2 * page_bytes + 1], pattern[1]);
	EXPECT_EQ(memory[2 * page_bytes + 2], 'P');
}

static void mremap_moves_grows_shrinks(void)
{
	unsigned char *memory = map_pattern(4);
	unsigned char *target;

	touch_read(memory, 2);
	touch_write(memory + page_bytes, 1);
	target = mmap(NULL, 16 * page_bytes, PROT_NONE,
		      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	EXPECT(target != MAP_FAILED);

	memory = mremap(memory, 4 * page_bytes, 4 * page_bytes,
			MREMAP_MAYMOVE | MREMAP_FIXED, target);
	EXPECT(memory == target);
	EXPECT(is_pattern(memory, page_bytes));
	EXPECT(is_pattern_but(memory + page_bytes, 0, 'W'));
	EXPECT(is_pattern(memory + 2 * page_bytes, 2 * page_bytes));

	memory = mremap(memory, 4 * page_bytes, 32 * page_bytes,
			MREMAP_MAYMOVE);
	EXPECT(memory != MAP_FAILED);
	EXPECT(is_pattern_but(memory + page_bytes, 0, 'W'));
	EXPECT(is_pattern(memory + 2 * page_bytes, 30 * page_bytes));
	memory[31 * page_bytes] = 'W';

	EXPECT(mremap(memory, 32 * page_bytes, 2 * page_bytes, 0) == memory);
	EXPECT(is_pattern(memory, page_bytes));
	EXPECT(is_pattern_but(memory + page_bytes, 0, 'W'));

	/* What the move leaves behind starts afresh. */
	target = mremap(memory, 2 * page_bytes, 2 * page_bytes,
			MREMAP_MAYMOVE | MREMAP_DONTUNMAP, NULL);
	EXPECT(target != MAP_FAILED);
	EXPECT(is_pattern(memory, 2 * page_bytes));
	EXPECT(is_pattern_but(target + page_bytes, 0, 'W'));

	/* Duplicating by an old length of 0 is for shared mappings. */
	EXPECT_ERRNO(mremap(memory, 0, page_bytes, MREMAP_MAYMOVE), EINVAL);
}

static void mprotect_modes(void)
{
	unsigned char *memory = map_pattern(3);
	size_t bytes = 3 * page_bytes;

	touch_read(memory + page_bytes, 1);
	touch_write(memory + 2 * page_bytes, 1);

	EXPECT(mprotect(memory, bytes, PROT_NONE) == 0);
	for (size_t i = 0; i < 3; i++)
		EXPECT(faults(memory + i * page_bytes, false));
	EXPECT(mprotect(memory, bytes, PROT_READ) == 0);
	EXPECT(is_pattern(memory, 2 * page_bytes));
	for (size_t i = 0; i < 3; i++)
		EXPECT(faults(memory + i * page_bytes, true));
	EXPECT(mprotect(memory, bytes, PROT_READ | PROT_WRITE) == 0);
	touch_write(memory, 3);
	for (size_t i = 0; i < 3; i++)
		EXPECT(is_pattern_but(memory + i * page_bytes, 0, 'W'));
	EXPECT(mprotect(memory + page_bytes, page_bytes, PROT_NONE) == 0);
	EXPECT(mprotect(memory + page_bytes, page_bytes,
			PROT_READ | PROT_WRITE) == 0);
	EXPECT(is_pattern_but(memory + page_bytes, 0, 'W'));
}

/*
 * Since some release after 6.12 the kernel lets nobody execute what is in a file
 * that no file system has: its own event descriptors, which cannot be mapped
 * anyhow, are refused for that.
 */
static bool files_may_be_executable(void)
{
	int fd = eventfd(0, 0);
	int error;

	EXPECT(fd >= 0);
	EXPECT(mmap(NULL, page_bytes, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd,
		    0) == MAP_FAILED);
	error = errno;
	EXPECT(error == ENODEV || error == EPERM);
	EXPECT(close(fd) == 0);
	return error == ENODEV;
}

/* Mapped read-only, made writable later. */
static void mprotect_upgrades(void)
{
	int fd = create(pattern, sizeof(pattern));
	unsigned char *memory = mmap(NULL, 2 * page_bytes, PROT_READ,
				     MAP_PRIVATE, fd, 0);

	EXPECT(memory != MAP_FAILED);
	touch_read(memory, 1);
	EXPECT(faults(memory, true));
	EXPECT(faults(memory + page_bytes, true));
	EXPECT(mprotect(memory, 2 * page_bytes, PROT_READ | PROT_WRITE) == 0);
	touch_write(memory, 2);
	EXPECT(is_pattern_but(memory, 0, 'W'));
	EXPECT(is_pattern_but(memory + page_bytes, 0, 'W'));

	/* And executable: bytes are bytes. */
	if (files_may_be_executable()) {
		EXPECT(mprotect(memory, 2 * page_bytes,
				PROT_READ | PROT_EXEC) == 0);
	} else {
		EXPECT_ERRNO(mprotect(memory, 2 * page_bytes,
				      PROT_READ | PROT_EXEC), EACCES);
		EXPECT(mmap(NULL, page_bytes, PROT_READ | PROT_EXEC,
			    MAP_PRIVATE, fd, 0) == MAP_FAILED && errno == EPERM);
	}
	EXPECT(is_pattern_but(memory, 0, 'W'));
}

static void munmap_partial(void)
{
	unsigned char *memory = map_pattern(9);

	touch_read(memory, 9);
	touch_write(memory + 6 * page_bytes, 1);
	EXPECT(munmap(memory + 3 * page_bytes, 3 * page_bytes) == 0);
	EXPECT(faults(memory + 3 * page_bytes, false));
	EXPECT(faults(memory + 5 * page_bytes, false));
	EXPECT(is_pattern(memory, 3 * page_bytes));
	EXPECT(is_pattern_but(memory + 6 * page_bytes, 0, 'W'));
	EXPECT(is_pattern(memory + 7 * page_bytes, 2 * page_bytes));
	EXPECT(munmap(memory, 3 * page_bytes) == 0);
	EXPECT_EQ(check_stat(MMLAB_REFPAGE_STAT_LIVE_OBJECTS), 1);
	EXPECT(munmap(memory + 6 * page_bytes, 3 * page_bytes) == 0);
	EXPECT_EQ(check_live_objects(), 0);
}

static void overlay_fixed(void)
{
	unsigned char *memory = map_pattern(4);
	int fd = create(uniform, 1);
	unsigned char *middle = memory + page_bytes;

	touch_read(memory, 4);
	touch_write(middle, 2);
	/* Anonymous memory over it, and a reference page over that. */
	EXPECT(mmap(middle, page_bytes, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == middle);
	EXPECT_EQ(middle[0], 0);
	EXPECT(mmap(middle, page_bytes, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_FIXED, fd, 0) == middle);
	EXPECT_EQ(middle[0], uniform[0]);
	EXPECT_EQ(middle[page_bytes - 1], uniform[0]);
	EXPECT(is_pattern(memory, page_bytes));
	EXPECT(is_pattern_but(memory + 2 * page_bytes, 0, 'W'));
}

static void mlock_modes(void)
{
	unsigned char *memory = map_pattern(N_PAGES);
	size_t bytes = N_PAGES * page_bytes;
	unsigned char *read_only;
	long faults_before;
	int fd;

	touch_read(memory, N_PAGES / 4);
	touch_write(memory + N_PAGES / 2 * page_bytes, N_PAGES / 4);
	EXPECT(mlock(memory, bytes) == 0);
	if (form == MMLAB_REFPAGE_UNCOUNTED) {
		/* VM_MIXEDMAP: the kernel accepts the call and locks nothing. */
		EXPECT_EQ(smaps_kb(memory, "Locked"), 0);
		EXPECT(munlock(memory, bytes) == 0);
		EXPECT(is_pattern(memory, bytes / 2));
		EXPECT(mlockall(MCL_CURRENT | MCL_FUTURE) == 0);
		EXPECT(is_pattern(map_pattern(N_PAGES), bytes));
		EXPECT(munlockall() == 0);
		return;
	}
	EXPECT_EQ(smaps_kb(memory, "Locked"), bytes / 1024);
	/* Locked writable memory is there to be written. */
	(void)minor_faults();
	faults_before = minor_faults();
	for (size_t i = 0; i < N_PAGES; i++)
		((volatile unsigned char *)memory)[i * page_bytes] = 'W';
	EXPECT_EQ(minor_faults() - faults_before, 0);
	EXPECT(is_pattern_but(memory, 0, 'W'));
	EXPECT(munlock(memory, bytes) == 0);
	EXPECT_EQ(smaps_kb(memory, "Locked"), 0);

	fd = create(pattern, sizeof(pattern));
	read_only = mmap(NULL, bytes, PROT_READ, MAP_PRIVATE, fd, 0);
	EXPECT(read_only != MAP_FAILED);
	EXPECT(mlock(read_only, bytes) == 0);
	faults_before = minor_faults();
	touch_read(read_only, N_PAGES);
	EXPECT_EQ(minor_faults() - faults_before, 0);
	EXPECT(is_pattern(read_only, bytes));
	EXPECT(munmap(read_only, bytes) == 0);

	EXPECT(mlockall(MCL_CURRENT | MCL_FUTURE) == 0);
	read_only = mmap(NULL, bytes, PROT_READ, MAP_PRIVATE, fd, 0);
	EXPECT(read_only != MAP_FAILED);
	EXPECT(is_pattern(read_only, bytes));
	EXPECT(munmap(memory, bytes) == 0);
	EXPECT(munlockall() == 0);
	EXPECT(is_pattern(read_only, bytes));
}

static void madvise_all(void)
{
	static const int harmless[] = {
		MADV_NORMAL, MADV_RANDOM, MADV_SEQUENTIAL, MADV_WILLNEED,
		MADV_HUGEPAGE, MADV_NOHUGEPAGE, MADV_MERGEABLE,
		MADV_UNMERGEABLE, MADV_DONTDUMP, MADV_DODUMP, MADV_COLD,
		MADV_PAGEOUT, MADV_POPULATE_READ,
	};
	unsigned char *memory = map_pattern(N_PAGES);
	size_t bytes = N_PAGES * page_bytes;

	touch_read(memory, 2);
	touch_write(memory + page_bytes, 1);
	for (size_t i = 0; i < sizeof(harmless) / sizeof(harmless[0]); i++) {
		EXPECT(madvise(memory, bytes, harmless[i]) == 0 ||
		       errno == EINVAL);
		EXPECT(is_pattern(memory, page_bytes));
		EXPECT(is_pattern_but(memory + page_bytes, 0, 'W'));
	}
	/* For anonymous memory only; ours is not, unlike the proposal's. */
	EXPECT_ERRNO(madvise(memory, bytes, MADV_FREE), EINVAL);
	EXPECT_ERRNO(madvise(memory, bytes, MADV_WIPEONFORK), EINVAL);
	EXPECT(madvise(memory, bytes, MADV_REMOVE) == -1);
	EXPECT(madvise(memory, bytes, MADV_COLLAPSE) == -1);
	EXPECT(is_pattern_but(memory + page_bytes, 0, 'W'));

	EXPECT(madvise(memory, bytes, MADV_DONTNEED) == 0);
	EXPECT(madvise(memory, bytes, MADV_POPULATE_READ) == 0);
	EXPECT_EQ(smaps_kb(memory, "Anonymous"),
		  form == MMLAB_REFPAGE_FILL ? (long)bytes / 1024 : 0);
	EXPECT(is_pattern(memory, bytes));
	EXPECT(madvise(memory, bytes, MADV_POPULATE_WRITE) == 0);
	EXPECT_EQ(smaps_kb(memory, "Anonymous"), bytes / 1024);
	EXPECT(is_pattern(memory, bytes));

	EXPECT(madvise(memory, bytes, MADV_DONTFORK) == 0);
	EXPECT(faults(memory, false));
}

static void never_huge(void)
{
	size_t huge_bytes = 2 * 1024 * 1024;
	unsigned char *memory = map_pattern(4 * huge_bytes / page_bytes);

	(void)madvise(memory, 4 * huge_bytes, MADV_HUGEPAGE);
	touch_read(memory, huge_bytes / page_bytes);
	touch_write(memory + huge_bytes, 2 * huge_bytes / page_bytes);
	EXPECT_EQ(smaps_kb(memory, "AnonHugePages"), 0);
	EXPECT_EQ(smaps_kb(memory, "FilePmdMapped"), 0);
	EXPECT(is_pattern(memory, huge_bytes));
	EXPECT(is_pattern_but(memory + huge_bytes, 0, 'W'));
}

/*
 * Lifetime.
 */

static void descriptor_may_close_first(void)
{
	int fd = create(pattern, sizeof(pattern));
	unsigned char *first = map_fd(fd, 2);
	unsigned char *second;
	int copy = dup(fd);

	EXPECT(copy >= 0);
	touch_read(first, 1);
	EXPECT(close(fd) == 0);
	second = map_fd(copy, 2);
	EXPECT(close(copy) == 0);
	touch_write(second, 1);
	EXPECT(is_pattern(first, 2 * page_bytes));
	EXPECT(is_pattern_but(second, 0, 'W'));
	EXPECT_EQ(check_stat(MMLAB_REFPAGE_STAT_LIVE_OBJECTS), 1);
	EXPECT(munmap(first, 2 * page_bytes) == 0);
	EXPECT_EQ(check_stat(MMLAB_REFPAGE_STAT_LIVE_OBJECTS), 1);
	EXPECT(is_pattern_but(second, 0, 'W'));
	EXPECT(munmap(second, 2 * page_bytes) == 0);
	EXPECT_EQ(check_live_objects(), 0);
}

static void descriptor_is_passed(void)
{
	int ends[2];
	pid_t pid;

	EXPECT(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, ends) == 0);
	pid = fork_child();

	union {
		struct cmsghdr header;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control = { 0 };
	struct iovec vector = { &(char){ 'x' }, 1 };
	struct msghdr message = {
		.msg_iov = &vector, .msg_iovlen = 1,
		.msg_control = &control, .msg_controllen = sizeof(control),
	};

	if (pid == 0) {
		int fd = create(pattern, sizeof(pattern));

		control.header = (struct cmsghdr){
			.cmsg_len = CMSG_LEN(sizeof(int)),
			.cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS,
		};
		memcpy(CMSG_DATA(&control.header), &fd, sizeof(fd));
		EXPECT(sendmsg(ends[1], &message, 0) == 1);
		_exit(0);
	}

	unsigned char *memory;
	int fd;

	EXPECT_CHILD_OK(pid);
	EXPECT_EQ(check_stat(MMLAB_REFPAGE_STAT_LIVE_OBJECTS), 1);
	EXPECT(recvmsg(ends[0], &message, MSG_CMSG_CLOEXEC) == 1);
	memcpy(&fd, CMSG_DATA(&control.header), sizeof(fd));
	memory = map_fd(fd, 4);
	touch_write(memory, 1);
	EXPECT(is_pattern_but(memory, 0, 'W'));
	EXPECT(is_pattern(memory + page_bytes, 3 * page_bytes));
}

static void exec_drops_all(void)
{
	int ready[2];
	char byte;
	pid_t pid;

	EXPECT(pipe2(ready, 0) == 0);
	pid = fork_child();
	if (pid == 0) {
		unsigned char *memory;

		memory = map_fd(create(pattern, sizeof(pattern)), 4);
		touch_read(memory, 2);
		touch_write(memory, 1);
		exec_say_ready(ready[1]);
	}
	EXPECT(read(ready[0], &byte, 1) == 1);
	EXPECT_EQ(check_live_objects(), 0);
	EXPECT(kill(pid, SIGKILL) == 0);
	EXPECT(waitpid(pid, NULL, 0) == pid);
}

static void killed_process_leaves_nothing(void)
{
	for (int i = 0; i < 10; i++) {
		int ready[2];
		char byte;
		pid_t pid;

		EXPECT(pipe2(ready, 0) == 0);
		pid = fork_child();
		if (pid == 0) {
			for (;;) {
				unsigned char *memory = map_pattern(N_PAGES);

				touch_read(memory, N_PAGES);
				touch_write(memory, N_PAGES / 2);
				(void)write(ready[1], "x", 1);
				if (i % 2)
					(void)munmap(memory,
						     N_PAGES * page_bytes);
			}
		}
		EXPECT(read(ready[0], &byte, 1) == 1);
		EXPECT(kill(pid, SIGKILL) == 0);
		EXPECT(waitpid(pid, NULL, 0) == pid);
		EXPECT_EQ(check_live_objects(), 0);
		EXPECT(close(ready[0]) == 0 && close(ready[1]) == 0);
	}
}

/* Neighbouring mappings become one, as the proposal's anonymous ones do. */
static void neighbours_merge(void)
{
	int fd = create(pattern, sizeof(pattern));
	unsigned char *memory = map_fd(fd, 4);

	EXPECT(mprotect(memory + page_bytes, page_bytes, PROT_READ) == 0);
	EXPECT_EQ(smaps_kb(memory, "Size"), page_bytes / 1024);
	EXPECT(mprotect(memory + page_bytes, page_bytes,
			PROT_READ | PROT_WRITE) == 0);
	/* The kernel merges no VMAs with VM_MIXEDMAP. */
	EXPECT_EQ(smaps_kb(memory, "Size"),
		  (form == MMLAB_REFPAGE_UNCOUNTED ? 1 : 4) * page_bytes / 1024);
	EXPECT(is_pattern(memory, 4 * page_bytes));
}

/* A mapping alone keeps the module, even with the device closed. */
static void module_stays_while_mapped(void)
{
	unsigned char *memory = map_pattern(1);

	if (geteuid() != 0)
		SKIP("needs root");
	for (int fd = 3; fd < 64; fd++)
		(void)close(fd);
	EXPECT(syscall(SYS_delete_module, "mmlab", O_NONBLOCK) == -1);
	EXPECT(is_pattern(memory, page_bytes));
}

static const struct check checks[] = {
	{ "create-flags-bad", create_flags_bad },
	{ "create-size-bad", create_size_bad },
	{ "create-content-unaligned", create_content_unaligned },
	{ "create-content-unreadable", create_content_unreadable },
	{ "create-form-bad", create_form_bad },
	{ "create-until-limit", create_until_limit },
	{ "create-is-charged", create_is_charged },
	{ "descriptor-properties", descriptor_properties },
	{ "content-is-copied", content_is_copied },
	{ "pattern-sizes", pattern_sizes },
	{ "map-modes", map_modes },
	{ "read-faults-exact", read_faults_exact },
	{ "write-faults-exact", write_faults_exact },
	{ "write-faults-exact-uniform", write_faults_exact_uniform },
	{ "faults-leave-mmap-lock", faults_leave_mmap_lock },
	{ "dontneed-returns-to-pattern", dontneed_returns_to_pattern },
	{ "fork-isolates", fork_isolates },
	{ "mremap-moves-grows-shrinks", mremap_moves_grows_shrinks },
	{ "mprotect-modes", mprotect_modes },
	{ "mprotect-upgrades", mprotect_upgrades },
	{ "munmap-partial", munmap_partial },
	{ "overlay-fixed", overlay_fixed },
	{ "mlock-modes", mlock_modes },
	{ "madvise-all", madvise_all },
	{ "never-huge", never_huge },
	{ "descriptor-may-close-first", descriptor_may_close_first },
	{ "descriptor-is-passed", descriptor_is_passed },
	{ "exec-drops-all", exec_drops_all },
	{ "killed-process-leaves-nothing", killed_process_leaves_nothing },
	{ "neighbours-merge", neighbours_merge },
	{ "module-stays-while-mapped", module_stays_while_mapped },
};

int main(int argc, char **argv)
{
	exec_main(argc, argv);
	page_bytes = (size_t)sysconf(_SC_PAGESIZE);
	check_begin();
	refpage_checks_run(checks, sizeof(checks) / sizeof(checks[0]), argv[1]);
	return check_finish();
}
