// SPDX-License-Identifier: MIT
/*
 * Shared page tables: the contract of the three forms, each way of refusing,
 * what the proposal's own programs do, and that the tables are indeed shared.
 */
#include "test-mshare.h"

#include <sys/syscall.h>
#include <sys/utsname.h>

/*
 * The file system.
 */

static void fs_has_info(void)
{
	char text[32] = "";
	struct stat st;
	int fd = open(MMLAB_MSHARE_DIR "/mshare_info", O_RDONLY);

	EXPECT(fd >= 0);
	EXPECT(read(fd, text, sizeof(text)) == 8);
	EXPECT(!strcmp(text, "2097152\n"));
	EXPECT(fstat(fd, &st) == 0);
	EXPECT(S_ISREG(st.st_mode));
	EXPECT_EQ(st.st_mode & 07777, 0444);
	EXPECT(close(fd) == 0);
	EXPECT_ERRNO(unlink(MMLAB_MSHARE_DIR "/mshare_info"), EPERM);
	EXPECT(mmap(NULL, MB(2), PROT_READ, MAP_SHARED,
		    open(MMLAB_MSHARE_DIR "/mshare_info", O_RDONLY), 0) ==
	       MAP_FAILED);
	EXPECT_EQ(errno, ENODEV);
}

static void fs_is_flat(void)
{
	int fd = open(SHARE_PATH, O_RDWR | O_CREAT | O_EXCL, 0600);
	char byte = 0;

	EXPECT(fd >= 0);
	EXPECT_ERRNO(open(SHARE_PATH, O_RDWR | O_CREAT | O_EXCL, 0600), EEXIST);
	EXPECT_ERRNO(mkdir(MMLAB_MSHARE_DIR "/folder", 0700), EPERM);
	EXPECT_ERRNO(symlink("x", MMLAB_MSHARE_DIR "/symlink"), EPERM);
	EXPECT_ERRNO(link(SHARE_PATH, MMLAB_MSHARE_DIR "/link"), EPERM);
	EXPECT_ERRNO(rename(SHARE_PATH, MMLAB_MSHARE_DIR "/other"), EPERM);
	EXPECT_ERRNO(mknod(MMLAB_MSHARE_DIR "/pipe", S_IFIFO | 0600, 0), EPERM);
	EXPECT_ERRNO(write(fd, &byte, 1), EINVAL);
	EXPECT(ftruncate(fd, 0) == 0);
	EXPECT(unlink(SHARE_PATH) == 0);
	EXPECT_ERRNO(unlink(SHARE_PATH), ENOENT);
	EXPECT(close(fd) == 0);
}

static void fs_first_mapping_fixes_range(void)
{
	enum { RW = PROT_READ | PROT_WRITE };
	struct mmlab_mshare_range range;
	unsigned char *memory;
	int fd = open(SHARE_PATH, O_RDWR | O_CREAT | O_EXCL, 0600);

	EXPECT(fd >= 0);
	EXPECT_EQ(read(fd, &range, sizeof(range)), 0);

	/* Each wrong thing by itself. */
	EXPECT_NO_MMAP(EINVAL, NULL, MB(4), RW, MAP_PRIVATE, fd, 0);
	EXPECT_NO_MMAP(EINVAL, NULL, MB(4), PROT_READ, MAP_SHARED, fd, 0);
	EXPECT_NO_MMAP(EINVAL, NULL, MB(4), PROT_WRITE, MAP_SHARED, fd, 0);
	EXPECT_NO_MMAP(EINVAL, NULL, MB(4), PROT_NONE, MAP_SHARED, fd, 0);
	EXPECT_NO_MMAP(EINVAL, NULL, MB(4), RW | PROT_EXEC, MAP_SHARED, fd, 0);
	EXPECT_NO_MMAP(EINVAL, NULL, MB(4), RW, MAP_SHARED, fd, MB(2));
	EXPECT_NO_MMAP(EINVAL, NULL, MB(3), RW, MAP_SHARED, fd, 0);
	EXPECT_NO_MMAP(EINVAL, NULL, page_bytes, RW, MAP_SHARED, fd, 0);
	EXPECT_NO_MMAP(EINVAL, (void *)(TB(2) + page_bytes), MB(4), RW,
		       MAP_SHARED | MAP_FIXED, fd, 0);
	EXPECT_EQ(read(fd, &range, sizeof(range)), 0);

	memory = mmap((void *)TB(2), MB(4), RW, MAP_SHARED | MAP_FIXED, fd, 0);
	EXPECT(memory == (void *)TB(2));
	EXPECT_EQ(read(fd, &range, sizeof(range)), sizeof(range));
	EXPECT_EQ(range.start, TB(2));
	EXPECT_EQ(range.bytes, MB(4));
	EXPECT_EQ(read(fd, &range, sizeof(range)), 0);

	EXPECT_NO_MMAP(EINVAL, NULL, MB(2), RW, MAP_SHARED, fd, 0);
	EXPECT_NO_MMAP(EINVAL, NULL, MB(6), RW, MAP_SHARED, fd, 0);
	EXPECT_EQ(mmap(NULL, MB(4), RW, MAP_SHARED, fd, 0) == MAP_FAILED, 0);

	EXPECT(unlink(SHARE_PATH) == 0);
	EXPECT(close(fd) == 0);
}

static void fs_mode_decides(void)
{
	unsigned char *memory = share_new(MB(2));
	unsigned char *reader;
	pid_t pid;
	int fd;

	memory[0] = 'A';
	reader = share_map(NULL, MB(2), PROT_READ);
	EXPECT_EQ(reader[0], 'A');
	memory[page_bytes] = 'B';
	EXPECT_EQ(reader[page_bytes], 'B');
	EXPECT_EQ(access_signal(reader, true), SIGSEGV);
	EXPECT_ERRNO(mprotect(reader, MB(2), PROT_READ | PROT_WRITE), EACCES);

	fd = open(SHARE_PATH, O_RDONLY);
	EXPECT(fd >= 0);
	EXPECT_NO_MMAP(EACCES, NULL, MB(2), PROT_READ | PROT_WRITE, MAP_SHARED,
		       fd, 0);
	/* A descriptor for writing may be mapped for reading only. */
	fd = open(SHARE_PATH, O_RDWR);
	EXPECT(fd >= 0);
	reader = mmap(NULL, MB(2), PROT_READ, MAP_SHARED, fd, 0);
	EXPECT(reader != MAP_FAILED);
	EXPECT_EQ(reader[0], 'A');
	EXPECT_EQ(access_signal(reader, true), SIGSEGV);
	EXPECT_ERRNO(mprotect(reader, MB(2), PROT_READ | PROT_WRITE), EINVAL);

	EXPECT(chmod(SHARE_PATH, 0644) == 0);
	pid = fork_child();
	if (pid == 0) {
		EXPECT(setresgid(65534, 65534, 65534) == 0);
		EXPECT(setresuid(65534, 65534, 65534) == 0);
		EXPECT_ERRNO(open(SHARE_PATH, O_RDWR), EACCES);
		EXPECT_ERRNO(open(MMLAB_MSHARE_DIR "/mine", O_RDWR | O_CREAT,
				  0600), EACCES);
		EXPECT_ERRNO(unlink(SHARE_PATH), EACCES);
		EXPECT_EQ(share_map(NULL, MB(2), PROT_READ)[0], 'A');
		_exit(0);
	}
	EXPECT_CHILD_OK(pid);
	EXPECT(chmod(SHARE_PATH, 0600) == 0);
	pid = fork_child();
	if (pid == 0) {
		EXPECT(setresuid(65534, 65534, 65534) == 0);
		EXPECT_ERRNO(open(SHARE_PATH, O_RDONLY), EACCES);
		_exit(0);
	}
	EXPECT_CHILD_OK(pid);
	EXPECT(unlink(SHARE_PATH) == 0);
}

static void fs_unlink_keeps_mappings(void)
{
	unsigned char *memory = share_new(MB(2));
	unsigned char *second = share_map(NULL, MB(2), PROT_READ | PROT_WRITE);

	memory[0] = 'A';
	EXPECT(unlink(SHARE_PATH) == 0);
	EXPECT_ERRNO(open(SHARE_PATH, O_RDWR), ENOENT);
	EXPECT_EQ(second[0], 'A');
	second[page_bytes] = 'B';
	EXPECT(munmap(memory, MB(2)) == 0);
	EXPECT_EQ(second[page_bytes], 'B');
	EXPECT_EQ(check_stat(MMLAB_MSHARE_STAT_LIVE_OBJECTS), 1);
	/* The name is free for another object. */
	memory = share_new(MB(2));
	EXPECT_EQ(memory[0], 0);
	EXPECT(unlink(SHARE_PATH) == 0);
	EXPECT(munmap(memory, MB(2)) == 0);
	EXPECT(munmap(second, MB(2)) == 0);
	EXPECT_EQ(check_live_objects(), 0);
}

/* A name that nobody removed goes with the file system, and so does its memory. */
static void fs_unmount_deletes(void)
{
	static const char folder[] = "/tmp/mshare-second";
	unsigned char *memory = share_new(MB(2));

	memory[0] = 'A';
	/* One instance, wherever it is mounted. */
	EXPECT(mkdir(folder, 0700) == 0);
	EXPECT(mount("msharefs", folder, "msharefs", 0, NULL) == 0);
	EXPECT(access("/tmp/mshare-second/shared", F_OK) == 0);
	EXPECT(umount(folder) == 0);
	EXPECT(rmdir(folder) == 0);

	EXPECT_ERRNO(umount(MMLAB_MSHARE_DIR), EBUSY);
	EXPECT(munmap(memory, MB(2)) == 0);
	EXPECT_EQ(check_stat(MMLAB_MSHARE_STAT_LIVE_OBJECTS), 1);
	EXPECT(umount(MMLAB_MSHARE_DIR) == 0);
	EXPECT_EQ(check_live_objects(), 0);
	EXPECT_ERRNO(mshare_unlink("shared"), ENOENT);
	EXPECT_ERRNO(mshare("shared", (void *)TB(2), MB(2), O_RDWR, 0), ENOENT);
	EXPECT(mount("msharefs", MMLAB_MSHARE_DIR, "msharefs", 0, NULL) == 0);
	EXPECT_ERRNO(mshare("shared", (void *)TB(2), MB(2), O_RDWR, 0), ENOENT);
	EXPECT_ERRNO(mshare_unlink("shared"), EINVAL);
}

/*
 * Sharing.
 */

enum { N_CHUNKS = 4 };

static void tables_are_shared(void)
{
	enum { N_GUESTS = 8 };
	size_t bytes = N_CHUNKS * (size_t)CHUNK_BYTES;
	unsigned char *memory = share_new(bytes);
	struct mmlab_mshare_info info;
	pid_t pids[N_GUESTS];
	int ready[2], go[2];
	char byte;

	EXPECT(pipe(ready) == 0 && pipe(go) == 0);
	for (size_t i = 0; i < bytes; i += page_bytes)
		memory[i] = (unsigned char)(i / page_bytes);
	info = share_info(memory);
	EXPECT_EQ(info.start, (uintptr_t)memory);
	EXPECT_EQ(info.bytes, bytes);
	EXPECT_EQ(info.n_guests, 1);
	EXPECT_EQ(info.n_attached, N_CHUNKS);
	/* A table for each chunk, and one on each of the two levels above. */
	EXPECT_EQ(info.table_bytes, (N_CHUNKS + 2) * page_bytes);

	for (int g = 0; g < N_GUESTS; g++) {
		pids[g] = fork_child();
		if (pids[g] != 0)
			continue;

		/* At the same address, and at others. */
		unsigned char *mine = g % 2 ? memory : (unsigned char *)TB(2);
		long faults;

		if (g % 2)
			EXPECT(munmap(memory, bytes) == 0);
		mine = share_map(mine, bytes, PROT_READ | PROT_WRITE);
		/* Upper levels are the process's own: there from now on. */
		(void)*(volatile unsigned char *)mine;
		long table_kb = proc_kb("/proc/self/status", "VmPTE");

		(void)minor_faults();
		faults = minor_faults();
		for (size_t i = 0; i < bytes; i += page_bytes)
			if (mine[i] != (unsigned char)(i / page_bytes))
				check_end(1, "page %zu is wrong",
					  i / page_bytes);
		/* One for each chunk but the first. */
		EXPECT_EQ(minor_faults() - faults, N_CHUNKS - 1);
		EXPECT_EQ(proc_kb("/proc/self/status", "VmPTE"), table_kb);
		mine[(size_t)(g + 1) * page_bytes + 1] = 'W';
		EXPECT(write(ready[1], "x", 1) == 1);
		EXPECT(read(go[0], &byte, 1) == 1);
		_exit(0);
	}
	for (int g = 0; g < N_GUESTS; g++)
		EXPECT(read(ready[0], &byte, 1) == 1);
	for (int g = 0; g < N_GUESTS; g++)
		EXPECT_EQ(memory[(size_t)(g + 1) * page_bytes + 1], 'W');
	info = share_info(memory);
	EXPECT_EQ(info.n_guests, N_GUESTS + 1);
	EXPECT_EQ(info.n_attached, (N_GUESTS + 1) * N_CHUNKS);
	EXPECT_EQ(info.table_bytes, (N_CHUNKS + 2) * page_bytes);
	for (int g = 0; g < N_GUESTS; g++)
		EXPECT(write(go[1], "x", 1) == 1);
	for (int g = 0; g < N_GUESTS; g++)
		EXPECT_CHILD_OK(pids[g]);
	EXPECT_EQ(share_info(memory).n_attached, N_CHUNKS);
	EXPECT(unlink(SHARE_PATH) == 0);
}

/* "PageTables" of the whole system, whatever CPUs still have to add. */
static long page_tables_kb(void)
{
	FILE *refresh = fopen("/proc/sys/vm/stat_refresh", "we");

	EXPECT(refresh);
	EXPECT(fputs("1", refresh) >= 0 && fclose(refresh) == 0);
	return proc_kb("/proc/meminfo", "PageTables");
}

static bool kernel_is_before(unsigned int major, unsigned int minor)
{
	unsigned int is_major, is_minor;
	struct utsname name;

	EXPECT(uname(&name) == 0);
	EXPECT(sscanf(name.release, "%u.%u", &is_major, &is_minor) == 2);
	return is_major < major || (is_major == major && is_minor < minor);
}

/*
 * Three sources for the same: what the module says, what the process's upper
 * levels are, and what the system counts, which leaves out the third level until
 * 6.8. See docs/mshare.md.
 */
static void tables_are_counted(void)
{
	size_t bytes = N_CHUNKS * (size_t)CHUNK_BYTES;
	long kb = (long)page_bytes / 1024;
	unsigned char *memory = share_new(bytes);
	struct mmlab_mshare_info info;
	long own_kb, system_kb;

	/* Nothing of this is used for the first time below. */
	(void)share_info(memory);
	(void)proc_kb("/proc/self/status", "VmPTE");
	(void)page_tables_kb();
	EXPECT(munmap(memory, bytes) == 0);

	/* Upper levels of its own: nothing else is near. */
	memory = share_map((void *)TB(2), bytes, PROT_READ | PROT_WRITE);
	own_kb = proc_kb("/proc/self/status", "VmPTE");
	system_kb = page_tables_kb();
	for (size_t i = 0; i < bytes; i += CHUNK_BYTES)
		memory[i] = 'A';
	own_kb = proc_kb("/proc/self/status", "VmPTE") - own_kb;
	system_kb = page_tables_kb() - system_kb;
	info = share_info(memory);

	EXPECT_EQ(info.pte_bytes, N_CHUNKS * page_bytes);
	EXPECT_EQ(info.table_bytes, (N_CHUNKS + 2) * page_bytes);
	/* A table of the second level and one of the third. */
	EXPECT_EQ(own_kb, 2 * kb);
	/* The host's and the process's, third levels as the kernel likes. */
	EXPECT_EQ(system_kb, (long)info.table_bytes / 1024 + own_kb -
		  (kernel_is_before(6, 8) ? 2 * kb : 0));
	EXPECT(unlink(SHARE_PATH) == 0);
}

/* One fault for a chunk that others have filled, one for each new page. */
static void faults_exact(void)
{
	unsigned char *memory = share_new(MB(4));
	unsigned char *second = share_map(NULL, MB(4), PROT_READ | PROT_WRITE);
	long faults;

	(void)minor_faults();
	faults = minor_faults();
	for (size_t i = 0; i < 10; i++)
		memory[i * page_bytes] = 'A';
	EXPECT_EQ(minor_faults() - faults, 10);
	faults = minor_faults();
	for (size_t i = 0; i < 10; i++)
		EXPECT_EQ(second[i * page_bytes], 'A');
	EXPECT_EQ(minor_faults() - faults, 1);
	/* What one fills the other need not. */
	memory[10 * page_bytes] = 'B';
	faults = minor_faults();
	EXPECT_EQ(second[10 * page_bytes], 'B');
	EXPECT_EQ(minor_faults() - faults, 0);
	EXPECT(unlink(SHARE_PATH) == 0);
}

/* Readers have tables of their own, which readers share. */
static void readers_share_too(void)
{
	unsigned char *memory = share_new(MB(4));
	unsigned char *first = share_map(NULL, MB(4), PROT_READ);
	unsigned char *second = share_map(NULL, MB(4), PROT_READ);
	struct mmlab_mshare_info info;
	long faults;

	for (size_t i = 0; i < MB(4); i += page_bytes)
		memory[i] = 'A';
	for (size_t i = 0; i < MB(4); i += page_bytes)
		EXPECT_EQ(first[i], 'A');
	(void)minor_faults();
	faults = minor_faults();
	for (size_t i = 0; i < MB(4); i += page_bytes)
		(void)*(volatile unsigned char *)(second + i);
	EXPECT_EQ(minor_faults() - faults, 2);
	EXPECT_EQ(check_stat(MMLAB_MSHARE_STAT_LIVE_HOSTS), 2);
	info = share_info(second);
	EXPECT_EQ(info.n_guests, 3);
	EXPECT_EQ(info.n_attached, 6);
	EXPECT_EQ(info.table_bytes, 8 * page_bytes);
	EXPECT(unlink(SHARE_PATH) == 0);
}

/*
 * The programs of the proposal. Sizes are smaller, and mshare_info[] is read as
 * its text says: 16 bytes.
 */

enum { PROGRAM_BYTES = 256 << 20 };

/* In order: address, then size. */
struct mshare_info {
	unsigned long start;
	unsigned long size;
};

static void program_donor(void)
{
	static const char text[] = "Some random shared text";
	int err;
	char *addr = mmap((void *)TB(2), PROGRAM_BYTES, PROT_READ | PROT_WRITE,
			  MAP_SHARED | MAP_ANONYMOUS, 0, 0);

	/* The proposal leaves the address to chance. */
	EXPECT(addr == (void *)TB(2));
	strcpy(addr + page_bytes, "There before it was shared");
	err = mshare("testregion", (void *)TB(2), PROGRAM_BYTES,
		     O_CREAT | O_RDWR | O_EXCL, 600);
	EXPECT(err == 0);
	strcpy(addr, text);
}

static void program_consumer(void)
{
	unsigned long mshare_info[2];
	char *addr;
	int fd, count, err;

	fd = open(MMLAB_MSHARE_DIR "/testregion", O_RDONLY);
	EXPECT(fd >= 0);
	count = (int)read(fd, &mshare_info, sizeof(mshare_info));
	EXPECT(count > 0);
	EXPECT_EQ(mshare_info[0], TB(2));
	EXPECT_EQ(mshare_info[1], PROGRAM_BYTES);
	EXPECT(close(fd) == 0);

	addr = (char *)opaque(mshare_info[0]);
	err = mshare("testregion", (void *)mshare_info[0], mshare_info[1],
		     O_RDWR, 600);
	EXPECT(err == 0);
	EXPECT(!strcmp(addr, "Some random shared text"));
	EXPECT(!strcmp(addr + page_bytes, "There before it was shared"));
	err = mshare_unlink("testregion");
	EXPECT(err == 0);
	EXPECT_ERRNO(mshare_unlink("testregion"), EINVAL);
}

static void programs_of_first_form(void)
{
	int ready[2], go[2];
	char byte;
	pid_t pid;

	EXPECT(pipe(ready) == 0 && pipe(go) == 0);
	pid = fork_child();
	if (pid == 0) {
		program_donor();
		EXPECT(write(ready[1], "x", 1) == 1);
		EXPECT(read(go[0], &byte, 1) == 1);
		_exit(0);
	}
	EXPECT(read(ready[0], &byte, 1) == 1);
	program_consumer();
	/* The donor's mapping is one of the object, too. */
	EXPECT_EQ(share_info((void *)TB(2)).n_guests, 2);
	EXPECT(write(go[1], "x", 1) == 1);
	EXPECT_CHILD_OK(pid);
	EXPECT(!strcmp((char *)TB(2), "Some random shared text"));
}

static void program_of_second_form(void)
{
	struct mshare_info m_info;
	char *addr;
	pid_t pid;
	int fd;

	/* For the process creating mshare region */
	fd = open("/sys/fs/mshare/shareme", O_RDWR | O_CREAT | O_EXCL, 0600);
	EXPECT(fd >= 0);
	addr = mmap((void *)TB(2), PROGRAM_BYTES, PROT_READ | PROT_WRITE,
		    MAP_SHARED, fd, 0);
	EXPECT(addr == (void *)TB(2));
	strcpy(addr, "Write and read to mshared region normally");

	/* For processes attaching to mshare'd region */
	pid = fork_child();
	if (pid == 0) {
		EXPECT(munmap(addr, PROGRAM_BYTES) == 0);
		fd = open("/sys/fs/mshare/shareme", O_RDWR);
		EXPECT(fd >= 0);
		EXPECT(read(fd, &m_info, sizeof(m_info)) == sizeof(m_info));
		addr = mmap((void *)m_info.start, m_info.size,
			    PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
		EXPECT(addr == (void *)TB(2));
		EXPECT(!strcmp(addr,
			       "Write and read to mshared region normally"));
		addr[0] = 'w';
		_exit(0);
	}
	EXPECT_CHILD_OK(pid);
	EXPECT_EQ(addr[0], 'w');

	/* To delete the mshare region */
	EXPECT(unlink("/sys/fs/mshare/shareme") == 0);
}

static void program_of_third_form(void)
{
	int fd = memfd_create("ptshare", 0);
	char *addr, *second;

	EXPECT(fd >= 0);
	EXPECT(ftruncate(fd, PROGRAM_BYTES) == 0);
	addr = mmlab_mmap_shared_pt((void *)TB(2), PROGRAM_BYTES,
				    PROT_READ | PROT_WRITE,
				    MAP_SHARED | MAP_SHARED_PT, fd, 0);
	EXPECT(addr == (void *)TB(2));
	strcpy(addr, "text");
	second = mmlab_mmap_shared_pt(NULL, PROGRAM_BYTES,
				      PROT_READ | PROT_WRITE,
				      MAP_SHARED | MAP_SHARED_PT, fd, 0);
	EXPECT(second != MAP_FAILED && second != addr);
	EXPECT(!strcmp(second, "text"));
	EXPECT_EQ(share_info(addr).n_guests, 2);
	EXPECT_EQ(share_info(addr).n_attached, 2);
}

/*
 * mshare()
 */

static void mshare_bad(void)
{
	enum { RW = PROT_READ | PROT_WRITE };
	unsigned char *memory = mmap((void *)TB(2), MB(4), RW,
				     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int flags = O_CREAT | O_RDWR | O_EXCL;
	char *text = (char *)memory;

	EXPECT(memory == (void *)TB(2));
	EXPECT_ERRNO(mshare("a", memory + page_bytes, MB(2), flags, 0600),
		     EINVAL);
	EXPECT_ERRNO(mshare("a", memory, page_bytes, flags, 0600), EINVAL);
	EXPECT_ERRNO(mshare("a", memory, 0, flags, 0600), EINVAL);
	EXPECT_ERRNO(mshare("a", memory, MB(4), O_CREAT | O_WRONLY, 0600),
		     EINVAL);
	EXPECT_ERRNO(mshare("a", memory, MB(4), flags | O_APPEND, 0600),
		     EINVAL);
	EXPECT_ERRNO(mshare("a/b", memory, MB(4), flags, 0600), EINVAL);
	EXPECT_ERRNO(mshare("", memory, MB(4), flags, 0600), EINVAL);
	/* Not the whole mapping, more than it, and none. */
	EXPECT_ERRNO(mshare("a", memory, MB(2), flags, 0600), EINVAL);
	EXPECT_ERRNO(mshare("a", memory, MB(6), flags, 0600), EINVAL);
	EXPECT_ERRNO(mshare("a", (void *)TB(3), MB(4), flags, 0600), EINVAL);
	/* A failed call leaves no name. */
	EXPECT_ERRNO(mshare("a", memory, MB(4), O_RDWR, 0600), ENOENT);
	EXPECT_ERRNO(mshare_unlink("a"), EINVAL);

	EXPECT(mshare("a", memory, MB(4), flags, 0600) == 0);
	strcpy(text, "text");
	EXPECT_ERRNO(mshare("a", memory, MB(4), flags, 0600), EEXIST);
	/* Something is in the way: the mapping itself. */
	EXPECT_ERRNO(mshare("a", memory, MB(4), O_RDWR, 0600), EINVAL);
	EXPECT(munmap(memory, MB(4)) == 0);
	EXPECT_ERRNO(mshare("a", memory, MB(2), O_RDWR, 0600), EINVAL);
	EXPECT_ERRNO(mshare("a", memory + MB(2), MB(4), O_RDWR, 0600), EINVAL);
	EXPECT(mshare("a", memory, MB(4), O_RDONLY, 0600) == 0);
	EXPECT(!strcmp(text, "text"));
	EXPECT_EQ(access_signal(memory, true), SIGSEGV);
	EXPECT(munmap(memory, MB(4)) == 0);
	/* O_CREAT without O_EXCL attaches to what exists. */
	EXPECT(mshare("a", memory, MB(4), O_RDWR | O_CREAT, 0600) == 0);
	EXPECT(!strcmp(text, "text"));
	EXPECT(mshare_unlink("a") == 0);
}

static void mshare_of_private_refused(void)
{
	enum { RW = PROT_READ | PROT_WRITE };
	int flags = O_CREAT | O_RDWR | O_EXCL;

	EXPECT(mmap((void *)TB(2), MB(4), RW, MAP_PRIVATE | MAP_ANONYMOUS, -1,
		    0) == (void *)TB(2));
	EXPECT_ERRNO(mshare("a", (void *)TB(2), MB(4), flags, 0600), EINVAL);
	EXPECT(mmap((void *)TB(2), MB(4), PROT_READ,
		    MAP_SHARED | MAP_ANONYMOUS | MAP_FIXED, -1, 0) ==
	       (void *)TB(2));
	EXPECT_ERRNO(mshare("a", (void *)TB(2), MB(4), flags, 0600), EINVAL);
	/* What is shared already. */
	EXPECT(munmap((void *)TB(2), MB(4)) == 0);
	(void)share_new(MB(4));
	share_map((void *)TB(2), MB(4), RW);
	EXPECT_ERRNO(mshare("a", (void *)TB(2), MB(4), flags, 0600), EINVAL);
	EXPECT(unlink(SHARE_PATH) == 0);
}

/*
 * MAP_SHARED_PT
 */

#define EXPECT_NO_SHARED_PT(error, ...)                                     \
	do {                                                                \
		errno = 0;                                                  \
		EXPECT_EQ((intptr_t)mmlab_mmap_shared_pt(__VA_ARGS__), -1); \
		EXPECT_EQ(errno, error);                                    \
	} while (0)

static void shared_pt_bad(void)
{
	enum {
		RW = PROT_READ | PROT_WRITE,
		FLAGS = MAP_SHARED | MAP_SHARED_PT,
	};
	int fd = memfd_create("file", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	int pipes[2], read_only;
	char path[64];

	EXPECT(fd >= 0);
	EXPECT(ftruncate(fd, MB(4)) == 0);
	EXPECT_NO_SHARED_PT(EINVAL, NULL, MB(4), RW, MAP_SHARED, fd, 0);
	EXPECT_NO_SHARED_PT(EINVAL, NULL, MB(4), RW,
			    MAP_PRIVATE | MAP_SHARED_PT, fd, 0);
	EXPECT_NO_SHARED_PT(EINVAL, NULL, MB(4), RW, FLAGS | MAP_ANONYMOUS, -1,
			    0);
	EXPECT_NO_SHARED_PT(EINVAL, (void *)(TB(2) + page_bytes), MB(4), RW,
			    FLAGS, fd, 0);
	EXPECT_NO_SHARED_PT(EINVAL, NULL, MB(3), RW, FLAGS, fd, 0);
	EXPECT_NO_SHARED_PT(EINVAL, NULL, 0, RW, FLAGS, fd, 0);
	EXPECT_NO_SHARED_PT(EINVAL, NULL, MB(2), RW, FLAGS, fd, 1);
	EXPECT_NO_SHARED_PT(EINVAL, NULL, MB(2), RW, FLAGS, fd,
			    (off_t)((1ULL << 63) - MB(2)));
	EXPECT_NO_SHARED_PT(EINVAL, NULL, MB(4), PROT_NONE, FLAGS, fd, 0);
	EXPECT_NO_SHARED_PT(EINVAL, NULL, MB(4), PROT_WRITE, FLAGS, fd, 0);
	EXPECT_NO_SHARED_PT(EINVAL, NULL, MB(4), RW | PROT_EXEC, FLAGS, fd, 0);
	EXPECT_NO_SHARED_PT(EBADF, NULL, MB(4), RW, FLAGS, 999, 0);
	EXPECT_NO_SHARED_PT(EBADF, NULL, MB(4), RW, FLAGS, -1, 0);

	EXPECT(pipe(pipes) == 0);
	EXPECT_NO_SHARED_PT(EINVAL, NULL, MB(4), PROT_READ, FLAGS, pipes[0], 0);
	EXPECT_NO_SHARED_PT(EINVAL, NULL, MB(2), PROT_READ, FLAGS,
			    open("/", O_RDONLY), 0);
	EXPECT_NO_SHARED_PT(EINVAL, NULL, MB(2), PROT_READ, FLAGS,
			    open("/dev/zero", O_RDONLY), 0);
	/* What mmap(2) says of a file that cannot be mapped. */
	EXPECT_NO_SHARED_PT(ENODEV, NULL, MB(2), PROT_READ, FLAGS,
			    open("/proc/self/maps", O_RDONLY), 0);
	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	read_only = open(path, O_RDONLY);
	EXPECT(read_only >= 0);
	EXPECT_NO_SHARED_PT(EACCES, NULL, MB(4), RW, FLAGS, read_only, 0);
	EXPECT_NO_SHARED_PT(EACCES, NULL, MB(4), PROT_READ, FLAGS,
			    open(path, O_WRONLY), 0);
	EXPECT_NO_SHARED_PT(EEXIST, share_new(MB(4)), MB(4), RW,
			    FLAGS | MAP_FIXED_NOREPLACE, fd, 0);
	/* An object of the mechanism itself. */
	EXPECT_NO_SHARED_PT(EINVAL, NULL, MB(4), RW, FLAGS,
			    open(SHARE_PATH, O_RDWR), 0);
	EXPECT(unlink(SHARE_PATH) == 0);

	EXPECT(mmlab_mmap_shared_pt(NULL, MB(4), PROT_READ, FLAGS, read_only,
				    0) != MAP_FAILED);
	EXPECT(fcntl(fd, F_ADD_SEALS, F_SEAL_FUTURE_WRITE) == 0);
	EXPECT_NO_SHARED_PT(EPERM, NULL, MB(4), RW, FLAGS, fd, 0);
}

static void shared_pt_huge_file_refused(void)
{
	int fd = memfd_create("huge", MFD_HUGETLB);

	if (fd < 0)
		SKIP("no huge pages: %s", strerror(errno));
	EXPECT(ftruncate(fd, MB(2)) == 0);
	EXPECT_NO_SHARED_PT(EINVAL, NULL, MB(2), PROT_READ | PROT_WRITE,
			    MAP_SHARED | MAP_SHARED_PT, fd, 0);
}

/* A seal that comes after a writer: the writer stays the last one. */
static void shared_pt_sealed_later(void)
{
	enum { RW = PROT_READ | PROT_WRITE };
	int fd = memfd_create("file", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	unsigned char *memory;
	pid_t pid;

	EXPECT(fd >= 0);
	EXPECT(ftruncate(fd, MB(2)) == 0);
	memory = mmlab_mmap_shared_pt(NULL, MB(2), RW,
				      MAP_SHARED | MAP_SHARED_PT, fd, 0);
	EXPECT(memory != MAP_FAILED);
	EXPECT_ERRNO(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE), EBUSY);
	EXPECT(fcntl(fd, F_ADD_SEALS, F_SEAL_FUTURE_WRITE) == 0);
	EXPECT_NO_SHARED_PT(EPERM, NULL, MB(2), RW, MAP_SHARED | MAP_SHARED_PT,
			    fd, 0);
	memory[0] = 'A';
	pid = fork_child();
	if (pid == 0) {
		memory[1] = 'B';
		_exit(0);
	}
	EXPECT_CHILD_OK(pid);
	EXPECT_EQ(memory[1], 'B');
	EXPECT_EQ(*(unsigned char *)mmlab_mmap_shared_pt(NULL, MB(2), PROT_READ,
			MAP_SHARED | MAP_SHARED_PT, fd, 0), 'A');
}

/* A command that the library makes one ioctl of. */
static int protect_raw(struct mmlab_mshare_protect *arg)
{
	int fd = open(MMLAB_DEVICE, O_RDWR | O_CLOEXEC);
	int r = ioctl(fd, MMLAB_IOC_MSHARE_PROTECT, arg);
	int error = errno;

	(void)close(fd);
	errno = error;
	return r;
}

static void protect_bad(void)
{
	uint64_t n_before = check_stat(MMLAB_MSHARE_STAT_PROTECTS);
	unsigned char *memory = share_new(MB(4));
	unsigned char *reader = share_map(NULL, MB(4), PROT_READ);
	unsigned char *other = mmap(NULL, MB(4), PROT_READ, MAP_SHARED |
				    MAP_ANONYMOUS, -1, 0);
	struct mmlab_mshare_protect arg = {
		.size = sizeof(arg), .addr = (uintptr_t)memory,
		.bytes = page_bytes, .prot = PROT_READ, .reserved = 1,
	};

	EXPECT_ERRNO(mmlab_mshare_protect(memory + 1, page_bytes, PROT_READ),
		     EINVAL);
	EXPECT_ERRNO(mmlab_mshare_protect(memory, 1, PROT_READ), EINVAL);
	EXPECT_ERRNO(mmlab_mshare_protect(memory, 0, PROT_READ), EINVAL);
	EXPECT_ERRNO(mmlab_mshare_protect(memory, page_bytes, PROT_WRITE),
		     EINVAL);
	EXPECT_ERRNO(mmlab_mshare_protect(memory, page_bytes,
					  PROT_READ | PROT_EXEC), EINVAL);
	EXPECT_ERRNO(mmlab_mshare_protect(memory, page_bytes, 0x1000), EINVAL);
	EXPECT_ERRNO(mmlab_mshare_protect(memory, MB(6), PROT_READ), ENOMEM);
	EXPECT_ERRNO(mmlab_mshare_protect(memory + MB(2), MB(4), PROT_READ),
		     ENOMEM);
	EXPECT_ERRNO(mmlab_mshare_protect(memory + MB(2),
					  -(size_t)page_bytes, PROT_READ),
		     ENOMEM);
	EXPECT_ERRNO(mmlab_mshare_protect(other, page_bytes, PROT_READ),
		     ENOMEM);
	EXPECT_ERRNO(mmlab_mshare_protect(NULL, page_bytes, PROT_READ), ENOMEM);
	EXPECT_ERRNO(mmlab_mshare_protect(reader, page_bytes, PROT_READ),
		     EACCES);
	EXPECT_ERRNO(protect_raw(&arg), EINVAL);
	EXPECT_ERRNO(mmlab_mshare_flush(memory, 3), EINVAL);
	EXPECT_ERRNO(mmlab_mshare_flush(other, 0), ENOMEM);
	EXPECT_ERRNO(mmlab_mshare_flush(reader, 0), EACCES);
	EXPECT_ERRNO(mmlab_mshare_info(other, &(struct mmlab_mshare_info){ 0 }),
		     ENOMEM);
	EXPECT_EQ(check_stat(MMLAB_MSHARE_STAT_PROTECTS), n_before);
	EXPECT(unlink(SHARE_PATH) == 0);
}

static void protect_applies_to_all(void)
{
	enum { RW = PROT_READ | PROT_WRITE };
	unsigned char *memory = share_new(MB(4));
	unsigned char *writer = share_map(NULL, MB(4), RW);
	unsigned char *reader = share_map(NULL, MB(4), PROT_READ);

	for (unsigned int flush = MMLAB_MSHARE_FLUSH_ALL;
	     flush <= MMLAB_MSHARE_FLUSH_EACH; flush++) {
		EXPECT(mmlab_mshare_flush(memory, flush) == 0);
		EXPECT_EQ(share_info(reader).flush, flush);
		memory[page_bytes] = 'A';
		EXPECT_EQ(writer[page_bytes], 'A');
		EXPECT_EQ(reader[page_bytes], 'A');

		EXPECT(mmlab_mshare_protect(memory + page_bytes, page_bytes,
					    PROT_READ) == 0);
		EXPECT_EQ(access_signal(writer + page_bytes, false), 0);
		EXPECT_EQ(access_signal(memory + page_bytes, true), SIGSEGV);
		EXPECT_EQ(access_signal(writer + page_bytes, true), SIGSEGV);
		EXPECT_EQ(access_signal(reader + page_bytes, false), 0);
		/* Neighbours are as before. */
		EXPECT_EQ(access_signal(writer, true), 0);
		EXPECT_EQ(access_signal(writer + 2 * page_bytes, true), 0);

		EXPECT(mmlab_mshare_protect(writer + page_bytes, page_bytes,
					    PROT_NONE) == 0);
		EXPECT_EQ(access_signal(memory + page_bytes, false), SIGSEGV);
		EXPECT_EQ(access_signal(writer + page_bytes, true), SIGSEGV);
		EXPECT_EQ(access_signal(reader + page_bytes, false), SIGSEGV);
		EXPECT_EQ(access_signal(reader, false), 0);

		EXPECT(mmlab_mshare_protect(memory, MB(4), RW) == 0);
		EXPECT_EQ(memory[page_bytes], 'A');
		EXPECT_EQ(reader[page_bytes], 'A');
		writer[page_bytes] = 'B';
		EXPECT_EQ(memory[page_bytes], 'B');
		EXPECT_EQ(access_signal(reader + page_bytes, true), SIGSEGV);
	}

	/* What was never touched, and all of it. */
	EXPECT(mmlab_mshare_protect(memory, MB(4), PROT_NONE) == 0);
	EXPECT_EQ(access_signal(memory + MB(2), false), SIGSEGV);
	EXPECT_EQ(access_signal(writer, false), SIGSEGV);
	EXPECT(mmlab_mshare_protect(memory, MB(4), PROT_READ) == 0);
	EXPECT_EQ(writer[page_bytes], 'B');
	EXPECT_EQ(writer[MB(2)], 0);
	EXPECT_EQ(access_signal(memory + MB(2), true), SIGSEGV);
	EXPECT(unlink(SHARE_PATH) == 0);
}

/* The other processes' TLBs: each writes until it cannot. */
static void protect_stops_writers(void)
{
	enum { N_WRITERS = 3, N_ROUNDS = 10 };
	unsigned char *memory = share_new(MB(2));
	pid_t pids[N_WRITERS];

	for (unsigned int round = 0; round < N_ROUNDS; round++) {
		volatile unsigned long *values = (void *)memory;
		unsigned long seen[N_WRITERS];

		EXPECT(mmlab_mshare_flush(memory, round % 3) == 0);
		memset(memory, 0, page_bytes);
		for (int w = 0; w < N_WRITERS; w++) {
			pids[w] = fork_child();
			if (pids[w] == 0)
				write_on(&values[w * 8]);
		}
		for (int w = 0; w < N_WRITERS; w++)
			while (values[w * 8] == 0)
				(void)usleep(100);
		EXPECT(mmlab_mshare_protect(memory, page_bytes,
					    round % 2 ? PROT_READ : PROT_NONE)
		       == 0);
		if (round % 2) {
			for (int w = 0; w < N_WRITERS; w++)
				seen[w] = values[w * 8];
			(void)usleep(2000);
			for (int w = 0; w < N_WRITERS; w++)
				EXPECT_EQ(values[w * 8], seen[w]);
		}
		for (int w = 0; w < N_WRITERS; w++)
			EXPECT_CHILD_OK(pids[w]);
		EXPECT(mmlab_mshare_protect(memory, page_bytes,
					    PROT_READ | PROT_WRITE) == 0);
	}
	EXPECT(unlink(SHARE_PATH) == 0);
}

enum { N_WORK_STATS = 8 };

static const unsigned int work_stats[N_WORK_STATS] = {
	MMLAB_MSHARE_STAT_FLUSH_ALL, MMLAB_MSHARE_STAT_FLUSH_UNION,
	MMLAB_MSHARE_STAT_FLUSH_EACH, MMLAB_MSHARE_STAT_FLUSHED_GUESTS,
	MMLAB_MSHARE_STAT_FAULTS, MMLAB_MSHARE_STAT_ATTACHED,
	MMLAB_MSHARE_STAT_DETACHED, MMLAB_MSHARE_STAT_TABLES,
};

/*
 * The work of one change, counted: the same for any number of guests, but that
 * two of the three ways to flush go through them.
 */
static void protect_work_exact(void)
{
	static const unsigned int counts[] = { 1, 4, 16 };
	uint64_t before[CHECK_MAX_STATS], after[CHECK_MAX_STATS];
	unsigned char *memory = share_new(MB(4));
	unsigned int n_guests = 1;
	/* Until 6.6 the end of the change says it again. */
	unsigned int n_flushes = kernel_is_before(6, 6) ? 2 : 1;

	memset(memory, 1, MB(4));
	for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
		for (; n_guests < counts[i]; n_guests++) {
			unsigned char *more = share_map(NULL, MB(4), PROT_READ |
							PROT_WRITE);

			(void)*(volatile unsigned char *)more;
			(void)*(volatile unsigned char *)(more + MB(2));
		}
		for (unsigned int flush = 0; flush < 3; flush++) {
			uint64_t wanted[N_WORK_STATS] = { 0 };

			wanted[flush] = n_flushes;
			if (flush != MMLAB_MSHARE_FLUSH_ALL)
				wanted[3] = (uint64_t)n_flushes * n_guests;
			EXPECT(mmlab_mshare_flush(memory, flush) == 0);
			check_stats(before);
			EXPECT(mmlab_mshare_protect(memory, MB(4), PROT_READ) ==
			       0);
			check_stats(after);
			for (int s = 0; s < N_WORK_STATS; s++)
				EXPECT_EQ(after[work_stats[s]] -
					  before[work_stats[s]], wanted[s]);
			EXPECT(mmlab_mshare_protect(memory, MB(4), PROT_READ |
						    PROT_WRITE) == 0);
			memset(memory, 1, MB(4));
		}
	}
	EXPECT(unlink(SHARE_PATH) == 0);
}

/* A mapping alone keeps the module. */
static void module_stays_while_mapped(void)
{
	(void)share_new(MB(2));
	EXPECT(unlink(SHARE_PATH) == 0);
	EXPECT(syscall(SYS_delete_module, "mmlab", O_NONBLOCK) == -1);
}

static const struct check checks[] = {
	{ "fs-has-info", fs_has_info },
	{ "fs-is-flat", fs_is_flat },
	{ "fs-first-mapping-fixes-range", fs_first_mapping_fixes_range },
	{ "fs-mode-decides", fs_mode_decides },
	{ "fs-unlink-keeps-mappings", fs_unlink_keeps_mappings },
	{ "fs-unmount-deletes", fs_unmount_deletes },
	{ "tables-are-shared", tables_are_shared },
	{ "tables-are-counted", tables_are_counted },
	{ "faults-exact", faults_exact },
	{ "readers-share-too", readers_share_too },
	{ "programs-of-first-form", programs_of_first_form },
	{ "program-of-second-form", program_of_second_form },
	{ "program-of-third-form", program_of_third_form },
	{ "mshare-bad", mshare_bad },
	{ "mshare-of-private-refused", mshare_of_private_refused },
	{ "shared-pt-bad", shared_pt_bad },
	{ "shared-pt-sealed-later", shared_pt_sealed_later },
	{ "shared-pt-huge-file-refused", shared_pt_huge_file_refused },
	{ "protect-bad", protect_bad },
	{ "protect-applies-to-all", protect_applies_to_all },
	{ "protect-stops-writers", protect_stops_writers },
	{ "protect-work-exact", protect_work_exact },
	{ "module-stays-while-mapped", module_stays_while_mapped },
};

int main(int argc, char **argv)
{
	return mshare_checks_run(checks, sizeof(checks) / sizeof(checks[0]),
				 argc > 1 ? argv[1] : NULL);
}
