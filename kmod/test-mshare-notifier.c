// SPDX-License-Identifier: MIT
/*
 * Shared page tables: a mapping's notifier is called whatever else goes on in
 * the process. It alone takes the shared tables out before the kernel frees
 * tables.
 *
 * While a file is truncated that the process maps, and provided that it has a
 * notifier already, the kernel queues new notifiers from the second on instead
 * of making them known, and munmap does not call them. A mapping must not be
 * used before its notifier is known: one made by mmap(2), and one that a child
 * of fork(2) finds.
 */
#include "test-mshare.h"

#include <pthread.h>
#include <sys/stat.h>

enum { N_TRIES = 6, RW = PROT_READ | PROT_WRITE };

static size_t file_bytes;
static int memory_file;
static atomic_bool may_truncate, is_truncated;
/* How often something was done before the end of the truncation: all processes'. */
static atomic_int *n_met;

static void *truncater(void *unused)
{
	(void)unused;
	while (!atomic_load(&may_truncate))
		;
	EXPECT(ftruncate(memory_file, 0) == 0);
	atomic_store(&is_truncated, true);
	return NULL;
}

/* Returns some time after another thread has begun to truncate. */
static unsigned char *truncation_start(pthread_t *ret_thread, long us)
{
	struct stat status;
	unsigned char *file;

	EXPECT(ftruncate(memory_file, (off_t)file_bytes) == 0);
	file = mmap(NULL, file_bytes, RW, MAP_SHARED | MAP_POPULATE, memory_file, 0);
	EXPECT(file != MAP_FAILED);
	atomic_store(&may_truncate, false);
	atomic_store(&is_truncated, false);
	EXPECT(pthread_create(ret_thread, NULL, truncater, NULL) == 0);
	atomic_store(&may_truncate, true);
	/* It has begun once the file is short: what is mapped goes afterwards. */
	do
		EXPECT(fstat(memory_file, &status) == 0);
	while (status.st_size != 0);
	(void)nanosleep(&(struct timespec){ .tv_nsec = us * 1000 }, NULL);
	return file;
}

static void truncation_end(pthread_t thread, unsigned char *file)
{
	if (!atomic_load(&is_truncated))
		atomic_fetch_add(n_met, 1);
	EXPECT(pthread_join(thread, NULL) == 0);
	EXPECT(munmap(file, file_bytes) == 0);
}

/* Has the tables of both chunks put in, and taken out by munmap. */
static void touch_and_unmap(unsigned char *memory)
{
	uint64_t before;

	(void)*(volatile unsigned char *)memory;
	(void)*(volatile unsigned char *)(memory + CHUNK_BYTES);
	before = check_stat(MMLAB_MSHARE_STAT_DETACHED);
	EXPECT(munmap(memory, MB(4)) == 0);
	EXPECT_EQ(check_stat(MMLAB_MSHARE_STAT_DETACHED) - before, 2);
}

static void files_open(void)
{
	file_bytes = MB(access("/proc/lockdep_stats", F_OK) == 0 ? 4 : 64);
	memory_file = memfd_create("truncated", MFD_CLOEXEC);
	EXPECT(memory_file >= 0);
	n_met = words_new();
}

/* Pauses of many lengths, and until two have met a truncation. */
static bool is_to_go_on(long i)
{
	return i < N_TRIES || atomic_load(n_met) < 2;
}

static void mapping_beside_truncation(void)
{
	unsigned char *memory = share_new(MB(4)), *file;
	pthread_t thread;

	files_open();
	memory[0] = 'A';
	memory[CHUNK_BYTES] = 'B';
	for (long i = 0; is_to_go_on(i); i++) {
		unsigned char *first;

		file = truncation_start(&thread, i % N_TRIES * 500);
		first = share_map(NULL, MB(4), RW);
		touch_and_unmap(share_map(NULL, MB(4), RW));
		touch_and_unmap(first);
		truncation_end(thread, file);
	}
	EXPECT_EQ(memory[CHUNK_BYTES], 'B');
	EXPECT(unlink(SHARE_PATH) == 0);
}

static void joining_beside_truncation(void)
{
	unsigned char *memory = share_new(MB(4)), *file;
	unsigned char *first = share_map(NULL, MB(4), RW);
	unsigned char *second = share_map(NULL, MB(4), RW);
	pthread_t thread;
	pid_t pid;

	files_open();
	memory[0] = 'A';
	memory[CHUNK_BYTES] = 'B';
	for (long i = 0; is_to_go_on(i); i++) {
		pid = fork_child();
		if (pid == 0) {
			EXPECT_EQ(memory[0], 'A');
			file = truncation_start(&thread, i % N_TRIES * 500);
			EXPECT_EQ(first[0], 'A');
			touch_and_unmap(second);
			touch_and_unmap(first);
			truncation_end(thread, file);
			_exit(0);
		}
		EXPECT_CHILD_OK(pid);
	}
	EXPECT_EQ(memory[CHUNK_BYTES], 'B');
	EXPECT(unlink(SHARE_PATH) == 0);
}

static const struct check checks[] = {
	{ "mapping-beside-truncation", mapping_beside_truncation },
	{ "joining-beside-truncation", joining_beside_truncation },
};

int main(int argc, char **argv)
{
	return mshare_checks_run(checks, sizeof(checks) / sizeof(checks[0]), argc > 1 ? argv[1] : NULL);
}
