// SPDX-License-Identifier: MIT
/*
 * What docs/security.md promises, as far as no other test shows it: who reaches
 * what once the device's mode is wider, what answers contain, who pays.
 */
#define CHECK_MECH MMLAB_MECH_LOCKBUF
#define CHECK_N_LIVE 4
#include "test-check.h"

#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "test-files.h"

#define LOCKDOWN "/sys/kernel/security/lockdown"
#define GROUP "/sys/fs/cgroup/mmlab-security"
#define MB(n) ((size_t)(n) << 20)

static size_t page_bytes;

/* On this architecture, and not refused on this kernel. */
static bool is_there(uint32_t mech)
{
	uint64_t caps;

	return mmlab_query(mech, &caps) == 0 && caps;
}

/*
 * A wider mode.
 */

static void become_nobody(void)
{
	/* The library's descriptor is root's. */
	for (int fd = 3; fd < 64; fd++)
		(void)close(fd);
	EXPECT(setresgid(65534, 65534, 65534) == 0);
	EXPECT(setresuid(65534, 65534, 65534) == 0);
}

/* Everything that would reach beyond the caller is refused, nothing else is. */
static void reach_of_nobody(pid_t root, const char *roots)
{
	uint64_t caps;
	int fd;

	become_nobody();
	EXPECT(mmlab_query(MMLAB_MECH_CLONE, &caps) == 0);
	fd = refpage_create("x", 1, 0);
	EXPECT(fd >= 0);
	EXPECT(close(fd) == 0);
	fd = mmlab_lockbuf_create(MB(1), MMLAB_LOCKBUF_WRITER,
				  MMLAB_LOCKBUF_FLUSH_CPUMASK, 0);
	EXPECT(fd >= 0);
	EXPECT(close(fd) == 0);
	if (is_there(MMLAB_MECH_SPF)) {
		fd = mmlab_spf_create(MMLAB_SPF_SPECULATIVE);
		EXPECT(fd >= 0);
		EXPECT(close(fd) == 0);
		EXPECT_ERRNO(mmlab_spf_hook(MMLAB_SPF_HOOK_OUT, NULL), EPERM);
	}
	if (is_there(MMLAB_MECH_ARENA)) {
		fd = mmlab_arena_create(MB(1), MMLAB_ARENA_TREE,
					MMLAB_ARENA_PENDING_LIST, 0);
		EXPECT(fd >= 0);
		EXPECT(close(fd) == 0);
	}

	EXPECT_ERRNO(mmlab_lockbuf_create(MB(1), MMLAB_LOCKBUF_WRITER,
					  MMLAB_LOCKBUF_FLUSH_NONE, 0), EPERM);
	if (caps & MMLAB_CLONE_CAP_MAP) {
		EXPECT_ERRNO((intptr_t)process_vm_mmap(root, roots, page_bytes,
						       NULL, 0), EPERM);
		EXPECT_ERRNO((intptr_t)process_vm_mmap(1, roots, page_bytes,
						       NULL, 0), EPERM);
	}
	EXPECT_ERRNO(mount("msharefs", "/sys/fs/mshare", "msharefs", 0, NULL),
		     EPERM);
	EXPECT_ERRNO(open("/sys/kernel/debug/mmlab/refpage", O_RDONLY), EACCES);
	_exit(0);
}

static void wider_mode(void)
{
	char *roots = mmap(NULL, page_bytes, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	pid_t root = getpid(), pid;
	int status;

	if (geteuid() != 0)
		SKIP("needs root to drop privileges");
	EXPECT(roots != MAP_FAILED);
	*roots = 'r';
	EXPECT(chmod(MMLAB_DEVICE, 0666) == 0);
	pid = fork();
	if (pid == 0)
		reach_of_nobody(root, roots);
	status = pid < 0 ? 1 : check_wait(pid);
	EXPECT(chmod(MMLAB_DEVICE, 0600) == 0);
	if (status != 0)
		_exit(status);
}

/*
 * Answers.
 */

static void expect_no_kernel_address(const char *what, const void *answer,
				     size_t bytes)
{
	for (size_t i = 0; i + 8 <= bytes; i++) {
		uint64_t value;

		memcpy(&value, (const char *)answer + i, sizeof(value));
		if (value >= UINT64_C(0xffff800000000000))
			check_end(1, "%s, byte %zu: %#llx", what, i,
				  (unsigned long long)value);
	}
}

static void expect_no_address_in_text(const char *path)
{
	char text[8192];
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		SKIP("%s: %s", path, strerror(errno));
	n = read(fd, text, sizeof(text) - 1);
	EXPECT(n > 0);
	text[n] = '\0';
	EXPECT(close(fd) == 0);
	EXPECT(!strstr(text, "ffff8") && !strstr(text, "ffffffff"));
	/* As large a number could only be an address, or one less than none. */
	for (char *at = strpbrk(text, "0123456789"); at && *at;
	     at = strpbrk(at, "0123456789"))
		EXPECT(strtoull(at, &at, 10) < UINT64_C(0xffff800000000000));
}

static int device;

static void ask(const char *what, unsigned long command, void *arg,
		size_t bytes)
{
	errno = 0;
	if (ioctl(device, command, arg) < 0)
		check_end(1, "%s: %s", what, strerror(errno));
	expect_no_kernel_address(what, arg, bytes);
}

/* The same, where this mechanism is there; ends the object. */
static void ask_if_there(uint32_t mech, const char *what, unsigned long command,
			 void *arg, size_t bytes, const __s32 *fd)
{
	if (!is_there(mech))
		return;
	ask(what, command, arg, bytes);
	EXPECT(close(*fd) == 0);
}

static int file_new(size_t bytes)
{
	int fd = memfd_create("security", MFD_CLOEXEC);

	EXPECT(fd >= 0 && ftruncate(fd, (off_t)bytes) == 0);
	return fd;
}

static void answers_hold_no_address(void)
{
	static const char *const names[] = { "refpage", "lockbuf", "mshare",
					     "clone", "spf", "arena" };
	enum { N_NAMES = sizeof(names) / sizeof(names[0]) };
	struct mmlab_refpage_create refpage = {
		.size = sizeof(refpage),
		.content = (uintptr_t)"x",
		.content_bytes = 1,
	};
	struct mmlab_lockbuf_create lockbuf = {
		.size = sizeof(lockbuf), .bytes = MB(1),
		.flags = MMLAB_LOCKBUF_POPULATE,
		.flush = MMLAB_LOCKBUF_FLUSH_CPUMASK,
	};
	struct mmlab_mshare_file part = {
		.size = sizeof(part), .prot = PROT_READ, .bytes = MB(2),
		.file_fd = file_new(MB(2)),
	};
	struct mmlab_spf_create spf = { .size = sizeof(spf) };
	struct mmlab_arena_create arena = { .size = sizeof(arena),
					    .bytes = MB(1) };
	char path[64];

	device = open(MMLAB_DEVICE, O_RDWR | O_CLOEXEC);
	EXPECT(device >= 0);
	_Static_assert(N_NAMES == MMLAB_MECH_ARENA + 1, "a name for each");
	for (uint32_t mech = 0; mech < N_NAMES; mech++) {
		struct mmlab_query query = { .size = sizeof(query),
					     .mech = mech };
		uint64_t values[64] = { 0 };
		struct mmlab_stats stats = {
			.size = sizeof(stats), .mech = mech, .n_values = 64,
			.values = (uintptr_t)values,
		};

		/* Not on this architecture. */
		if (mmlab_query(mech, NULL) < 0)
			continue;
		ask("QUERY", MMLAB_IOC_QUERY, &query, sizeof(query));
		ask("STATS", MMLAB_IOC_STATS, &stats, sizeof(stats));
		expect_no_kernel_address("counters", values, sizeof(values));
		(void)snprintf(path, sizeof(path), "/sys/kernel/debug/mmlab/%s",
			       names[mech]);
		expect_no_address_in_text(path);
	}
	ask("REFPAGE_CREATE", MMLAB_IOC_REFPAGE_CREATE, &refpage,
	    sizeof(refpage));
	ask("LOCKBUF_CREATE", MMLAB_IOC_LOCKBUF_CREATE, &lockbuf,
	    sizeof(lockbuf));
	EXPECT(close(refpage.fd) == 0 && close(lockbuf.fd) == 0);
	ask_if_there(MMLAB_MECH_MSHARE, "MSHARE_FILE", MMLAB_IOC_MSHARE_FILE,
		     &part, sizeof(part), &part.fd);
	ask_if_there(MMLAB_MECH_SPF, "SPF_CREATE", MMLAB_IOC_SPF_CREATE, &spf,
		     sizeof(spf), &spf.fd);
	ask_if_there(MMLAB_MECH_ARENA, "ARENA_CREATE", MMLAB_IOC_ARENA_CREATE,
		     &arena, sizeof(arena), &arena.fd);
	EXPECT(close(part.file_fd) == 0);
}

static void shared_tables_hold_no_address(void)
{
	struct mmlab_mshare_info info = { 0 };
	char *shared;
	int fd = file_new(MB(2));

	shared = mmlab_mmap_shared_pt(NULL, MB(2), PROT_READ | PROT_WRITE,
				      MAP_SHARED | MAP_SHARED_PT, fd, 0);
	if (shared == MAP_FAILED && errno == EOPNOTSUPP)
		SKIP("this kernel cannot share page tables");
	EXPECT(shared != MAP_FAILED);
	shared[0] = 1;
	EXPECT(mmlab_mshare_info(shared, &info) == 0);
	expect_no_kernel_address("MSHARE_INFO", &info, sizeof(info));
	EXPECT(munmap(shared, MB(2)) == 0);
}

/* All zero; and then not. */
static void expect_fresh(const char *what, unsigned char *memory, size_t bytes)
{
	for (size_t at = 0; at < bytes; at++)
		if (memory[at])
			check_end(1, "byte %zu of a new %s is %#x", at, what,
				  memory[at]);
	memset(memory, 0xa5, bytes);
}

static void fresh_arena(void)
{
	int fd = mmlab_arena_create(MB(4), MMLAB_ARENA_TREE,
				    MMLAB_ARENA_PENDING_NONE, 0);
	unsigned char *memory;

	EXPECT(fd >= 0);
	memory = mmlab_arena_mmap(fd, MB(4));
	EXPECT(memory != MAP_FAILED);
	EXPECT(mmlab_arena_map(fd, 0, MB(4), PROT_READ | PROT_WRITE) == 0);
	expect_fresh("arena", memory, MB(4));
	EXPECT(munmap(memory, MB(4)) == 0 && close(fd) == 0);
}

/* Written first, for reading alone would find the kernel's page of zeroes. */
static void fresh_region(void)
{
	int fd = mmlab_spf_create(MMLAB_SPF_SPECULATIVE);
	unsigned char *memory;

	EXPECT(fd >= 0);
	memory = mmap(NULL, MB(4), PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	EXPECT(memory != MAP_FAILED);
	for (size_t at = 0; at < MB(4); at += page_bytes) {
		memory[at] = 1;
		memory[at] = 0;
	}
	expect_fresh("region of speculative faults", memory, MB(4));
	EXPECT(munmap(memory, MB(4)) == 0 && close(fd) == 0);
}

/*
 * What somebody else wrote is in no new memory. Most kernels clear all that is
 * allocated, whoever asks: init_on_alloc=0 makes them not.
 */
static void memory_is_fresh(void)
{
	for (int i = 0; i < 4; i++) {
		int fd = mmlab_lockbuf_create(MB(4), MMLAB_LOCKBUF_WRITER,
					      MMLAB_LOCKBUF_FLUSH_CPUMASK, 0);
		unsigned char *memory;

		EXPECT(fd >= 0);
		memory = mmlab_lockbuf_map(fd, MB(4), PROT_READ | PROT_WRITE);
		EXPECT(memory != MAP_FAILED);
		EXPECT(mmlab_lockbuf_lock(fd, 0) >= 0);
		expect_fresh("buffer", memory, MB(4));
		EXPECT(mmlab_lockbuf_unlock(fd) == 0);
		EXPECT(munmap(memory, MB(4)) == 0 && close(fd) == 0);
		if (is_there(MMLAB_MECH_ARENA))
			fresh_arena();
		if (is_there(MMLAB_MECH_SPF))
			fresh_region();
	}
}

/*
 * Who pays.
 */

static bool group_open(void)
{
	if (mkdir(GROUP, 0700) < 0 && errno != EEXIST)
		return false;
	if (access(GROUP "/memory.max", W_OK) == 0)
		return true;
	(void)rmdir(GROUP);
	return false;
}

static int populated(size_t bytes)
{
	return mmlab_lockbuf_create(bytes, MMLAB_LOCKBUF_WRITER,
				    MMLAB_LOCKBUF_FLUSH_CPUMASK,
				    MMLAB_LOCKBUF_POPULATE);
}

/* In the group: what is made is charged to it, and given back. */
static void pay(void)
{
	long before, with, after;
	int fd;

	file_write_text(GROUP "/cgroup.procs", "0");
	before = file_read_number(GROUP "/memory.current");
	fd = populated(MB(16));
	EXPECT(fd >= 0);
	with = file_read_number(GROUP "/memory.current");
	EXPECT(close(fd) == 0);
	after = file_read_number(GROUP "/memory.current");
	/* Processors charge some 64 pages in advance. */
	EXPECT(with - before >= (long)MB(15));
	EXPECT(with - after >= (long)MB(15));
	_exit(0);
}

/* An object of the most bytes is a list of pages that are not there yet. */
static void pay_for_list(int fd, long before, const char *what)
{
	long least = MMLAB_LOCKBUF_MAX_BYTES / (long)page_bytes * 8;
	long with = file_read_number(GROUP "/memory.current");

	EXPECT(fd >= 0);
	EXPECT(close(fd) == 0);
	if (with - before < least - (long)MB(1))
		check_end(1, "%s: %ld bytes charged, not %ld", what,
			  with - before, least);
	EXPECT(with - file_read_number(GROUP "/memory.current") >=
	       least - (long)MB(1));
}

static void pay_for_lists(void)
{
	_Static_assert(MMLAB_LOCKBUF_MAX_BYTES == MMLAB_ARENA_MAX_BYTES, "");
	long before;

	file_write_text(GROUP "/cgroup.procs", "0");
	before = file_read_number(GROUP "/memory.current");
	pay_for_list(mmlab_lockbuf_create(MMLAB_LOCKBUF_MAX_BYTES,
					  MMLAB_LOCKBUF_WRITER,
					  MMLAB_LOCKBUF_FLUSH_CPUMASK, 0),
		     before, "a buffer");
	if (is_there(MMLAB_MECH_ARENA)) {
		before = file_read_number(GROUP "/memory.current");
		pay_for_list(mmlab_arena_create(MMLAB_ARENA_MAX_BYTES,
						MMLAB_ARENA_TREE,
						MMLAB_ARENA_PENDING_NONE, 0),
			     before, "an arena");
	}
	_exit(0);
}

/* In the group, with 8 MiB: an error, or the group's own end; never the memory. */
static void pay_too_much(void)
{
	file_write_text(GROUP "/cgroup.procs", "0");
	_exit(populated(MB(64)) < 0 && errno == ENOMEM ? 0 : 1);
}

static void group_require(void)
{
	if (access("/sys/fs/cgroup/cgroup.subtree_control", W_OK) < 0)
		SKIP("no unified hierarchy of control groups");
	file_write_text("/sys/fs/cgroup/cgroup.subtree_control", "+memory");
	if (!group_open())
		SKIP("no memory controller");
}

static void lists_are_charged(void)
{
	pid_t pid;

	group_require();
	pid = fork();
	if (pid == 0)
		pay_for_lists();
	EXPECT_CHILD_OK(pid);
	EXPECT(rmdir(GROUP) == 0);
}

static void buffers_are_charged(void)
{
	int status;
	pid_t pid;

	group_require();
	pid = fork();
	if (pid == 0)
		pay();
	EXPECT_CHILD_OK(pid);

	file_write_text(GROUP "/memory.max", "8M");
	pid = fork();
	if (pid == 0)
		pay_too_much();
	EXPECT(waitpid(pid, &status, 0) == pid);
	EXPECT((WIFEXITED(status) && WEXITSTATUS(status) == 0) ||
	       (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL));
	EXPECT(rmdir(GROUP) == 0);
}

/*
 * Lockdown, which only a new boot takes back: not among the others.
 */

static void lockdown(void)
{
	int fd;

	(void)mount("securityfs", "/sys/kernel/security", "securityfs", 0, NULL);
	if (access(LOCKDOWN, W_OK) < 0)
		SKIP("%s: %s", LOCKDOWN, strerror(errno));
	fd = open(MMLAB_DEVICE, O_RDWR | O_CLOEXEC);
	EXPECT(fd >= 0);
	EXPECT(close(fd) == 0);
	file_write_text(LOCKDOWN, "integrity");
	EXPECT_ERRNO(open(MMLAB_DEVICE, O_RDWR), EPERM);
	EXPECT_ERRNO(open(MMLAB_DEVICE, O_RDONLY), EPERM);
	/* Opened before. */
	EXPECT(mmlab_query(MMLAB_MECH_LOCKBUF, NULL) == 0);
}

static const struct check checks[] = {
	{ "wider-mode", wider_mode },
	{ "answers-hold-no-address", answers_hold_no_address },
	{ "shared-tables-hold-no-address", shared_tables_hold_no_address },
	{ "memory-is-fresh", memory_is_fresh },
	{ "buffers-are-charged", buffers_are_charged },
	{ "lists-are-charged", lists_are_charged },
};

int main(int argc, char **argv)
{
	check_begin();
	page_bytes = (size_t)sysconf(_SC_PAGESIZE);
	if (argc == 2 && !strcmp(argv[1], "lockdown")) {
		check_run("lockdown", NULL, lockdown);
		return check_finish();
	}
	checks_run(checks, sizeof(checks) / sizeof(checks[0]), NULL,
		   argc == 2 ? argv[1] : NULL);
	return check_finish();
}
