// SPDX-License-Identifier: MIT
/*
 * Page tables shared by mappings of a file: others use the file, and shorten,
 * pierce, remove and collapse it meanwhile.
 */
#include "test-mshare.h"

#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25
#endif

enum { RW = PROT_READ | PROT_WRITE };

static void file_is_shared_with_others(void)
{
	int fd = file_new(MB(4));
	unsigned char *shared = map_shared_pt(fd, MB(4), RW);
	unsigned char *reader = map_shared_pt(fd, MB(4), PROT_READ);
	unsigned char *plain = mmap(NULL, MB(4), RW, MAP_SHARED, fd, 0);
	unsigned char byte;

	EXPECT(plain != MAP_FAILED);
	fill(shared, MB(4), 1);
	EXPECT(is_filled(plain, MB(4), 1));
	EXPECT(is_filled(reader, MB(4), 1));
	EXPECT(pread(fd, &byte, 1, (off_t)page_bytes) == 1);
	EXPECT_EQ(byte, 2);
	EXPECT(pwrite(fd, "x", 1, 5) == 1);
	EXPECT_EQ(shared[5], 'x');
	plain[6] = 'y';
	EXPECT_EQ(reader[6], 'y');
	/* A descriptor is not needed once it is mapped. */
	EXPECT(close(fd) == 0);
	shared[7] = 'z';
	EXPECT_EQ(plain[7], 'z');
}

static void file_is_truncated(void)
{
	int fd = file_new(MB(4));
	unsigned char *shared = map_shared_pt(fd, MB(4), RW);
	unsigned char *reader = map_shared_pt(fd, MB(4), PROT_READ);
	pid_t pid;

	for (int round = 0; round < 5; round++) {
		fill(shared, MB(4), 1);
		EXPECT(is_filled(reader, MB(4), 1));
		pid = fork_child();
		if (pid == 0) {
			EXPECT(is_filled(shared, MB(4), 1));
			EXPECT(ftruncate(fd, MB(1)) == 0);
			_exit(0);
		}
		EXPECT_CHILD_OK(pid);
		EXPECT(is_filled(shared, MB(1), 1));
		EXPECT_EQ(access_signal(shared + MB(1), false), SIGBUS);
		EXPECT_EQ(access_signal(shared + MB(3), true), SIGBUS);
		EXPECT_EQ(access_signal(reader + MB(1), false), SIGBUS);
		EXPECT_EQ(access_signal(reader + MB(1) - 1, false), 0);
		EXPECT(ftruncate(fd, MB(4)) == 0);
		EXPECT(is_filled(reader, MB(1), 1));
		EXPECT_EQ(shared[MB(1)], 0);
		EXPECT_EQ(reader[MB(3)], 0);
	}
	/* Longer than the file. */
	EXPECT(ftruncate(fd, MB(2)) == 0);
	shared = map_shared_pt(fd, MB(8), RW);
	EXPECT_EQ(access_signal(shared + MB(1), true), 0);
	EXPECT_EQ(access_signal(shared + MB(5), true), SIGBUS);
}

static void file_gets_holes(void)
{
	int fd = file_new(MB(4));
	unsigned char *shared = map_shared_pt(fd, MB(4), RW);
	unsigned char *second = map_shared_pt(fd, MB(4), RW);
	unsigned char *reader = map_shared_pt(fd, MB(4), PROT_READ);

	for (unsigned int round = 0; round < 6; round++) {
		EXPECT(mmlab_mshare_flush(shared, round % 3) == 0);
		fill(shared, MB(4), 1);
		EXPECT(is_filled(second, MB(4), 1));
		EXPECT(is_filled(reader, MB(4), 1));
		EXPECT(fallocate(fd, FALLOC_FL_PUNCH_HOLE |
				 FALLOC_FL_KEEP_SIZE, MB(1),
				 round < 3 ? page_bytes : MB(2)) == 0);
		EXPECT(is_filled(shared, MB(1), 1));
		EXPECT_EQ(shared[MB(1)], 0);
		EXPECT_EQ(second[MB(1)], 0);
		EXPECT_EQ(reader[MB(1)], 0);
		if (round >= 3)
			EXPECT_EQ(reader[MB(2)], 0);
	}
}

/* Different parts, lengths and files are different objects. */
static void files_are_told_apart(void)
{
	int fd = file_new(MB(8)), other = file_new(MB(8));
	unsigned char *whole = map_shared_pt(fd, MB(8), RW);
	unsigned char *half = map_shared_pt(fd, MB(4), RW);
	unsigned char *offset, *again;

	(void)map_shared_pt(other, MB(8), RW);
	offset = mmlab_mmap_shared_pt(NULL, MB(4), RW,
				      MAP_SHARED | MAP_SHARED_PT, fd,
				      (off_t)page_bytes);
	EXPECT(offset != MAP_FAILED);
	EXPECT_EQ(check_stat(MMLAB_MSHARE_STAT_LIVE_OBJECTS), 4);
	again = map_shared_pt(dup(fd), MB(8), PROT_READ);
	EXPECT_EQ(check_stat(MMLAB_MSHARE_STAT_LIVE_OBJECTS), 4);
	EXPECT_EQ(check_stat(MMLAB_MSHARE_STAT_LIVE_HOSTS), 5);
	fill(whole, MB(8), 1);
	EXPECT(is_filled(half, MB(4), 1));
	EXPECT(is_filled(again, MB(8), 1));
	EXPECT(is_filled(offset, MB(4), 2));
	EXPECT(munmap(whole, MB(8)) == 0);
	EXPECT(munmap(again, MB(8)) == 0);
	EXPECT_EQ(check_stat(MMLAB_MSHARE_STAT_LIVE_OBJECTS), 3);
	EXPECT(is_filled(half, MB(4), 1));
}

static void file_on_tmpfs_removed(void)
{
	static const char path[] = "/tmp/mshare-file";
	int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	unsigned char *shared;

	EXPECT(fd >= 0);
	EXPECT(ftruncate(fd, MB(4)) == 0);
	shared = map_shared_pt(fd, MB(4), RW);
	fill(shared, MB(4), 1);
	EXPECT(unlink(path) == 0);
	EXPECT(close(fd) == 0);
	EXPECT(is_filled(shared, MB(4), 1));
	fill(shared, MB(4), 2);
	EXPECT(is_filled(shared, MB(4), 2));
}

/* The kernel makes one huge page of the file's, while tables are in use. */
static void file_collapses(void)
{
	int fd = file_new(MB(4));
	unsigned char *shared = map_shared_pt(fd, MB(4), RW);
	unsigned char *plain = mmap(NULL, MB(4), RW, MAP_SHARED, fd, 0);
	bool collapsed;

	EXPECT(plain != MAP_FAILED);
	fill(shared, MB(4), 1);
	EXPECT(is_filled(plain, MB(4), 1));
	collapsed = madvise(plain, MB(4), MADV_COLLAPSE) == 0;
	EXPECT(is_filled(shared, MB(4), 1));
	fill(shared, MB(4), 2);
	EXPECT(is_filled(plain, MB(4), 2));
	fill(plain, MB(4), 3);
	EXPECT(is_filled(shared, MB(4), 3));
	/* Split again by a hole in the middle. */
	EXPECT(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, MB(1),
			 (off_t)page_bytes) == 0);
	EXPECT_EQ(shared[MB(1)], 0);
	EXPECT_EQ(share_info(shared).n_attached, 2);
	if (!collapsed)
		SKIP("MADV_COLLAPSE did nothing: fine otherwise");
}

/* A file whose pages are huge from the start. */
static void file_is_huge(void)
{
	static const char folder[] = "/tmp/mshare-huge";
	unsigned char *shared, *plain;
	int fd;

	EXPECT(mkdir(folder, 0700) == 0);
	EXPECT(mount("tmpfs", folder, "tmpfs", 0, "huge=always") == 0);
	fd = open("/tmp/mshare-huge/file", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	EXPECT(fd >= 0);
	EXPECT(ftruncate(fd, MB(4)) == 0);
	plain = mmap((void *)TB(3), MB(4), RW, MAP_SHARED, fd, 0);
	EXPECT(plain != MAP_FAILED);
	fill(plain, MB(4), 1);
	shared = map_shared_pt(fd, MB(4), RW);
	EXPECT(is_filled(shared, MB(4), 1));
	fill(shared, MB(4), 2);
	EXPECT(is_filled(plain, MB(4), 2));
	EXPECT_EQ(share_info(shared).table_bytes, 4 * page_bytes);
	EXPECT(munmap(shared, MB(4)) == 0 && munmap(plain, MB(4)) == 0);
	EXPECT(close(fd) == 0);
	EXPECT_EQ(check_live_objects(), 0);
	EXPECT(umount(folder) == 0);
	EXPECT(rmdir(folder) == 0);
}

static const struct check checks[] = {
	{ "file-is-shared-with-others", file_is_shared_with_others },
	{ "file-is-truncated", file_is_truncated },
	{ "file-gets-holes", file_gets_holes },
	{ "files-are-told-apart", files_are_told_apart },
	{ "file-on-tmpfs-removed", file_on_tmpfs_removed },
	{ "file-collapses", file_collapses },
	{ "file-is-huge", file_is_huge },
};

int main(int argc, char **argv)
{
	return mshare_checks_run(checks, sizeof(checks) / sizeof(checks[0]),
				 argc > 1 ? argv[1] : NULL);
}
