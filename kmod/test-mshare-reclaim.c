// SPDX-License-Identifier: MIT
/*
 * Shared page tables when memory is taken away: reclaim, swap, writing back, a
 * group's limit; and direct input and output. These need a block device in
 * memory: zram.
 */
#include "test-mshare.h"

#include <linux/futex.h>
#include <sys/swap.h>
#include <sys/syscall.h>
#include <sys/uio.h>

enum { RW = PROT_READ | PROT_WRITE };

/* Ends with the path of a new device of so many bytes. */
static void zram_add(size_t bytes, char path[32], int *ret_number)
{
	char text[64];
	ssize_t n;
	int fd = open("/sys/class/zram-control/hot_add", O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		SKIP("no zram: scripts/vm --kernel-module lzo-rle "
		     "--kernel-module zram");
	n = read(fd, text, sizeof(text) - 1);
	EXPECT(n > 0);
	EXPECT(close(fd) == 0);
	text[n] = '\0';
	*ret_number = atoi(text);
	(void)snprintf(path, 32, "/sys/block/zram%d/disksize", *ret_number);
	(void)snprintf(text, sizeof(text), "%zu", bytes);
	file_write_text(path, text);
	(void)snprintf(path, 32, "/dev/zram%d", *ret_number);
}

static void zram_remove(int number)
{
	char text[16];

	(void)snprintf(text, sizeof(text), "%d", number);
	file_write_text("/sys/class/zram-control/hot_remove", text);
}

/* What mkswap writes, and swapon. */
static void swap_on(const char *path, size_t bytes)
{
	struct {
		char boot[1024];
		uint32_t version, last_page, n_bad_pages;
	} header = { .version = 1,
		     .last_page = (uint32_t)(bytes / page_bytes - 1) };
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	EXPECT(fd >= 0);
	EXPECT(pwrite(fd, &header, sizeof(header), 0) == sizeof(header));
	EXPECT(pwrite(fd, "SWAPSPACE2", 10, (off_t)page_bytes - 10) == 10);
	EXPECT(close(fd) == 0);
	EXPECT(swapon(path, 0) == 0);
}

static const char group[] = "/sys/fs/cgroup/mmlab-mshare";

/* What this process and its children use is accounted apart from now on. */
static void group_enter(void)
{
	int fd = open("/sys/fs/cgroup/cgroup.subtree_control",
		      O_WRONLY | O_CLOEXEC);
	char pid[16];

	if (fd < 0 || write(fd, "+memory", 7) != 7)
		SKIP("no memory control group");
	EXPECT(close(fd) == 0);
	EXPECT(mkdir(group, 0700) == 0);
	(void)snprintf(pid, sizeof(pid), "%d", (int)getpid());
	file_write_text("/sys/fs/cgroup/mmlab-mshare/cgroup.procs", pid);
}

static void group_leave(void)
{
	char pid[16];

	(void)snprintf(pid, sizeof(pid), "%d", (int)getpid());
	file_write_text("/sys/fs/cgroup/cgroup.procs", pid);
	EXPECT(rmdir(group) == 0);
}

static void group_reclaim(void)
{
	int fd = open("/sys/fs/cgroup/mmlab-mshare/memory.reclaim",
		      O_WRONLY | O_CLOEXEC);

	if (fd < 0)
		SKIP("this kernel cannot be told to reclaim");
	(void)!write(fd, "8M", 2); /* less is fine */
	EXPECT(close(fd) == 0);
}

static size_t group_swap_bytes(void)
{
	FILE *file = fopen("/sys/fs/cgroup/mmlab-mshare/memory.swap.current",
			   "re");
	size_t bytes;

	EXPECT(file && fscanf(file, "%zu", &bytes) == 1);
	EXPECT(fclose(file) == 0);
	return bytes;
}

/* Memory mapped into a region. */
static unsigned char *piece_new(size_t bytes)
{
	int fd = open(SHARE_PATH, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	EXPECT(fd >= 0);
	EXPECT(ftruncate(fd, (off_t)bytes) == 0);
	EXPECT(region_create_memory(fd, 0, bytes) == 0);
	EXPECT(close(fd) == 0);
	return share_map(NULL, bytes, RW);
}

/*
 * Pages are found through the host alone, go to swap while guests use them, and
 * come back with what was written last.
 */
static void reclaim_and_swap(bool is_piece)
{
	static const char lru_gen[] = "/sys/kernel/mm/lru_gen/enabled";
	enum { SWAP_BYTES = 32 << 20 };
	/* Each way to flush; debug kernels are slow. */
	unsigned int n_rounds =
		access("/proc/lockdep_stats", F_OK) == 0 ? 3 : 9;
	volatile unsigned char *memory;
	unsigned char *reader;
	char device[32];
	long free_before, n_swapped_kb = 0;
	struct {
		atomic_bool stop;
	} *words = words_new();
	int number;
	pid_t pid;

	zram_add(SWAP_BYTES, device, &number);
	swap_on(device, SWAP_BYTES);
	group_enter();
	memory = is_piece ? piece_new(MB(4)) : share_new(MB(4));
	reader = share_map(NULL, MB(4), PROT_READ);

	/* One that counts all the time in the first page. */
	pid = fork_child();
	if (pid == 0) {
		volatile unsigned int *counter = (void *)(memory + MB(2));
		unsigned int n = 0;

		*counter = 0;
		while (!atomic_load(&words->stop)) {
			if (*counter != n)
				check_end(1, "a write was lost: %u, not %u",
					  *counter, n);
			*counter = ++n;
		}
		_exit(0);
	}
	for (unsigned int round = 0; round < n_rounds; round++) {
		if (code_may_be_patched() && access(lru_gen, W_OK) == 0)
			file_write_text(lru_gen, round % 2 ? "y" : "n");
		EXPECT(mmlab_mshare_flush((void *)memory, round % 3) == 0);
		fill((unsigned char *)memory, MB(2),
		     (unsigned char)(1 + round));
		EXPECT(is_filled(reader, MB(2), (unsigned char)(1 + round)));
		free_before = proc_kb("/proc/meminfo", "SwapFree");
		for (int i = 0; i < 3; i++)
			group_reclaim();
		n_swapped_kb += free_before -
				proc_kb("/proc/meminfo", "SwapFree");
		EXPECT(is_filled(memory, MB(2), (unsigned char)(1 + round)));
		EXPECT(is_filled(reader, MB(2), (unsigned char)(1 + round)));
	}
	EXPECT(n_swapped_kb > 0);
	atomic_store(&words->stop, true);
	EXPECT_CHILD_OK(pid);
	fill((unsigned char *)memory, MB(2), 99);
	group_reclaim();
	EXPECT(swapoff(device) == 0);
	EXPECT(is_filled(reader, MB(2), 99));
	EXPECT(munmap((void *)memory, MB(4)) == 0);
	EXPECT(munmap(reader, MB(4)) == 0);
	EXPECT(unlink(SHARE_PATH) == 0);
	group_leave();
	zram_remove(number);
}

static void reclaim_and_swap_object(void)
{
	reclaim_and_swap(false);
}

static void reclaim_and_swap_piece(void)
{
	reclaim_and_swap(true);
}

/*
 * A file on a disk: the file system learns of every first write after it has
 * written a page back, and what was written last is what the disk has.
 */
static void file_on_disk(void)
{
	static const char folder[] = "/tmp/mshare-disk";
	static const char path[] = "/tmp/mshare-disk/file";
	enum { DISK_BYTES = 16 << 20, N_ROUNDS = 12 };
	unsigned char *shared, *second, *reader, *plain;
	char device[32], command[96];
	int number, fd;
	pid_t pid;

	zram_add(DISK_BYTES, device, &number);
	(void)snprintf(command, sizeof(command), "busybox mke2fs -b 4096 %s >/dev/null 2>&1",
		       device);
	EXPECT(mkdir(folder, 0700) == 0);
	if (system(command) != 0 ||
	    mount(device, folder, "ext4", 0, NULL) < 0) {
		(void)rmdir(folder);
		zram_remove(number);
		SKIP("no file system for a disk here");
	}
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	EXPECT(fd >= 0);
	EXPECT(ftruncate(fd, MB(4)) == 0);
	shared = map_shared_pt(fd, MB(4), RW);
	second = map_shared_pt(fd, MB(4), RW);
	reader = map_shared_pt(fd, MB(4), PROT_READ);

	for (unsigned char round = 1; round <= N_ROUNDS; round++) {
		pid = fork_child();
		if (pid == 0) {
			for (int i = 0; i < 4; i++)
				EXPECT(msync(shared, MB(4), MS_SYNC) == 0);
			_exit(0);
		}
		fill(round % 2 ? shared : second, MB(4), round);
		EXPECT(is_filled(reader, MB(4), round));
		EXPECT_CHILD_OK(pid);
		if (round % 3 == 0)
			EXPECT(fsync(fd) == 0);
		EXPECT(is_filled(second, MB(4), round));
	}
	EXPECT(unlink("/tmp/mshare-disk/file") == 0);
	EXPECT(is_filled(shared, MB(4), N_ROUNDS));

	/* And again one that stays, seen after the cache is gone. */
	EXPECT(munmap(shared, MB(4)) == 0 && munmap(second, MB(4)) == 0 &&
	       munmap(reader, MB(4)) == 0 && close(fd) == 0);
	EXPECT_EQ(check_live_objects(), 0);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	EXPECT(fd >= 0 && ftruncate(fd, MB(4)) == 0);
	shared = map_shared_pt(fd, MB(4), RW);
	fill(shared, MB(4), 1);
	EXPECT(fsync(fd) == 0);
	/* Clean now: only the first write makes the file system aware. */
	fill(shared, MB(4), 2);
	EXPECT(munmap(shared, MB(4)) == 0 && close(fd) == 0);
	EXPECT_EQ(check_live_objects(), 0);
	EXPECT(umount(folder) == 0);
	EXPECT(mount(device, folder, "ext4", 0, NULL) == 0);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	plain = mmap(NULL, MB(4), PROT_READ, MAP_SHARED, fd, 0);
	EXPECT(plain != MAP_FAILED);
	EXPECT(is_filled(plain, MB(4), 2));
	EXPECT(munmap(plain, MB(4)) == 0 && close(fd) == 0);
	EXPECT(umount(folder) == 0 && rmdir(folder) == 0);
	zram_remove(number);
}

/* Into and out of pages that were touched; others are refused. */
static void direct_input_output(void)
{
	unsigned char *memory = share_new(MB(2));
	unsigned char *second = share_map(NULL, MB(2), RW);
	char device[32];
	int number, fd;

	zram_add(1 << 20, device, &number);
	fd = open(device, O_RDWR | O_DIRECT | O_CLOEXEC);
	EXPECT(fd >= 0);
	fill(memory, MB(1), 1);
	EXPECT_EQ(pwrite(fd, memory, MB(1), 0), MB(1));
	EXPECT_ERRNO(pread(fd, memory + MB(1), page_bytes, 0), EFAULT);
	fill(memory + MB(1), MB(1), 77);
	EXPECT_EQ(pread(fd, memory + MB(1), MB(1), 0), MB(1));
	EXPECT(is_filled(second + MB(1), MB(1), 1));
	EXPECT(mmlab_mshare_protect(memory, page_bytes, PROT_READ) == 0);
	EXPECT_ERRNO(pread(fd, memory, page_bytes, 0), EFAULT);
	EXPECT(close(fd) == 0);
	EXPECT(unlink(SHARE_PATH) == 0);
	zram_remove(number);
}

static long futex_wake(void *word)
{
	return syscall(SYS_futex, word, FUTEX_WAKE, 1, NULL, NULL, 0);
}

/*
 * What takes pages by reference works while they are there, and is refused after
 * reclaim took them, until the next access.
 */
static void touched_then_reclaimed(void)
{
	enum { SWAP_BYTES = 32 << 20 };
	char swap_device[32], device[32];
	unsigned char *memory, *gone = NULL;
	int swap_number, number, fd, ends[2];
	struct iovec vec;

	zram_add(SWAP_BYTES, swap_device, &swap_number);
	swap_on(swap_device, SWAP_BYTES);
	zram_add(1 << 20, device, &number);
	fd = open(device, O_RDWR | O_DIRECT | O_CLOEXEC);
	EXPECT(fd >= 0 && pipe(ends) == 0);
	group_enter();
	memory = share_new(MB(2));
	fill(memory, MB(2), 1);
	for (size_t i = 0; i < MB(2); i += page_bytes)
		EXPECT_EQ(futex_wake(memory + i), 0);
	/* To ask page by page would make each look used. */
	for (int i = 0; i < 100 && group_swap_bytes() < MB(1) / 2; i++)
		group_reclaim();
	for (size_t i = 0; i < MB(2) && !gone; i += page_bytes)
		if (futex_wake(memory + i) < 0)
			gone = memory + i;
	EXPECT(gone);
	vec = (struct iovec){ gone, page_bytes };

	EXPECT_ERRNO(futex_wake(gone), EFAULT);
	EXPECT_ERRNO(pwrite(fd, gone, page_bytes, 0), EFAULT);
	EXPECT_ERRNO(pread(fd, gone, page_bytes, 0), EFAULT);
	EXPECT_ERRNO(vmsplice(ends[1], &vec, 1, 0), EFAULT);
	*gone = 'A';
	EXPECT_EQ(futex_wake(gone), 0);
	EXPECT_EQ(pwrite(fd, gone, page_bytes, 0), page_bytes);
	EXPECT_EQ(vmsplice(ends[1], &vec, 1, 0), page_bytes);
	EXPECT_EQ(pread(fd, gone, page_bytes, 0), page_bytes);

	EXPECT(close(ends[0]) == 0 && close(ends[1]) == 0 && close(fd) == 0);
	EXPECT(swapoff(swap_device) == 0);
	EXPECT(munmap(memory, MB(2)) == 0);
	EXPECT(unlink(SHARE_PATH) == 0);
	group_leave();
	zram_remove(number);
	zram_remove(swap_number);
}

/* Beyond the group's limit somebody dies, and the others go on. */
static void out_of_memory(void)
{
	unsigned char *memory;
	int status;
	pid_t pid;

	group_enter();
	file_write_text("/sys/fs/cgroup/mmlab-mshare/memory.max", "16M");
	memory = share_new(MB(64));
	fill(memory, MB(2), 1);
	pid = fork_child();
	if (pid == 0) {
		file_write_text("/proc/self/oom_score_adj", "1000");
		fill(memory + MB(2), MB(62), 2);
		_exit(0);
	}
	EXPECT(waitpid(pid, &status, 0) == pid);
	EXPECT(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	file_write_text("/sys/fs/cgroup/mmlab-mshare/memory.max", "max");
	EXPECT(is_filled(memory, MB(2), 1));
	fill(memory, MB(2), 3);
	EXPECT(munmap(memory, MB(64)) == 0);
	EXPECT(unlink(SHARE_PATH) == 0);
	EXPECT_EQ(check_live_objects(), 0);
	group_leave();
}

/*
 * The group of who made the object is full, and nobody of it is left to be killed:
 * who touches more of it is told so, and does not try for ever.
 */
static void out_of_memory_of_nobody(void)
{
	unsigned char *memory;
	int status;
	pid_t pid;

	group_enter();
	file_write_text("/sys/fs/cgroup/mmlab-mshare/memory.max", "16M");
	pid = fork_child();
	if (pid == 0) {
		fill(share_new(MB(64)), MB(2), 1);
		_exit(0);
	}
	EXPECT_CHILD_OK(pid);
	file_write_text("/sys/fs/cgroup/cgroup.procs", "0");
	memory = share_map(NULL, MB(64), RW);
	EXPECT(is_filled(memory, MB(2), 1));
	pid = fork_child();
	if (pid == 0) {
		fill(memory + MB(2), MB(62), 2);
		_exit(0);
	}
	EXPECT(waitpid(pid, &status, 0) == pid);
	EXPECT(WIFSIGNALED(status) && WTERMSIG(status) == SIGBUS);
	/* What is there stays, and there is more as soon as there may be. */
	EXPECT(is_filled(memory, MB(2), 1));
	file_write_text("/sys/fs/cgroup/mmlab-mshare/memory.max", "max");
	fill(memory, MB(64), 3);
	EXPECT(munmap(memory, MB(64)) == 0);
	EXPECT(unlink(SHARE_PATH) == 0);
	EXPECT_EQ(check_live_objects(), 0);
	EXPECT(rmdir(group) == 0);
}

static long group_bytes(void)
{
	return file_read_number("/sys/fs/cgroup/mmlab-mshare/memory.current");
}

/* What a region's mappings take in the kernel, which a worker makes. */
static void hosts_are_charged(void)
{
	const size_t n = check_times(4000, 2000), least_of_one = 120;
	size_t bytes = (2 * n + 512) * page_bytes / CHUNK_BYTES * CHUNK_BYTES;
	int file, fd;
	pid_t pid;

	file = file_new(page_bytes);
	fd = open(SHARE_PATH, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	EXPECT(fd >= 0 && ftruncate(fd, (off_t)bytes) == 0);
	pid = fork_child();
	if (pid == 0) {
		long before;

		group_enter();
		before = group_bytes();
		for (size_t i = 0; i < n; i++)
			EXPECT(region_create_file(fd, 2 * i * page_bytes,
						  page_bytes, file, 0) == 0);
		EXPECT((size_t)(group_bytes() - before) >= n * least_of_one);
		group_leave();
		_exit(0);
	}
	EXPECT_CHILD_OK(pid);
	EXPECT(close(fd) == 0 && close(file) == 0);
	EXPECT(unlink(SHARE_PATH) == 0);
}

static const struct check checks[] = {
	{ "hosts-are-charged", hosts_are_charged },
	{ "reclaim-and-swap", reclaim_and_swap_object },
	{ "reclaim-and-swap-piece", reclaim_and_swap_piece },
	{ "file-on-disk", file_on_disk },
	{ "direct-input-output", direct_input_output },
	{ "touched-then-reclaimed", touched_then_reclaimed },
	{ "out-of-memory", out_of_memory },
	{ "out-of-memory-of-nobody", out_of_memory_of_nobody },
};

int main(int argc, char **argv)
{
	return mshare_checks_run(checks, sizeof(checks) / sizeof(checks[0]),
				 argc > 1 ? argv[1] : NULL);
}
