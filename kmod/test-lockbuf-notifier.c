// SPDX-License-Identifier: MIT
/*
 * Lockable buffers: the notifier is called whatever else goes on in the
 * process. It alone takes the module's tables out before the kernel frees
 * tables.
 *
 * While a file is truncated that the process maps, the kernel queues new
 * notifiers from the second on instead of making them known, and munmap does
 * not call them. mmap(2) of a buffer must not return before its notifier is.
 */
#include "test-lockbuf.h"

#include <pthread.h>
#include <stdatomic.h>
#include <sys/stat.h>

enum { N_TRIES = 12 };

static size_t file_bytes;
static int memory_file;
static atomic_bool may_truncate, is_truncated;

static void *truncater(void *unused)
{
	(void)unused;
	while (!atomic_load(&may_truncate))
		;
	EXPECT(ftruncate(memory_file, 0) == 0);
	atomic_store(&is_truncated, true);
	return NULL;
}

static void pause_us(long us)
{
	(void)nanosleep(&(struct timespec){ .tv_nsec = us * 1000 }, NULL);
}

/*
 * Maps two buffers while the file is truncated, and unmaps the second. Return:
 * whether that was done before the end of the truncation.
 */
static bool map_beside_truncation(int first_fd, int second_fd, long us)
{
	unsigned char *file, *first, *second;
	uint64_t before;
	struct stat status;
	pthread_t thread;
	bool met;

	EXPECT(ftruncate(memory_file, (off_t)file_bytes) == 0);
	file = mmap(NULL, file_bytes, PROT_READ | PROT_WRITE,
		    MAP_SHARED | MAP_POPULATE, memory_file, 0);
	EXPECT(file != MAP_FAILED);
	atomic_store(&may_truncate, false);
	atomic_store(&is_truncated, false);
	EXPECT(pthread_create(&thread, NULL, truncater, NULL) == 0);
	atomic_store(&may_truncate, true);
	/* It has begun once the file is short: what is mapped goes afterwards. */
	do
		EXPECT(fstat(memory_file, &status) == 0);
	while (status.st_size != 0);
	pause_us(us);
	first = map_writer(first_fd, CHUNK_BYTES);
	second = map_writer(second_fd, CHUNK_BYTES);
	lock(second_fd);
	set(second, 1);
	before = check_stat(MMLAB_LOCKBUF_STAT_INVALIDATED);
	EXPECT(munmap(second, CHUNK_BYTES) == 0);
	EXPECT_EQ(check_stat(MMLAB_LOCKBUF_STAT_INVALIDATED) - before, 1);
	met = !atomic_load(&is_truncated);
	EXPECT(munmap(first, CHUNK_BYTES) == 0);
	EXPECT(pthread_join(thread, NULL) == 0);
	EXPECT(munmap(file, file_bytes) == 0);
	/* The owner unmapped. */
	second = map_writer(second_fd, CHUNK_BYTES);
	EXPECT_EQ(mmlab_lockbuf_lock(second_fd, 0), MMLAB_LOCKBUF_OWNER_DIED);
	unlock(second_fd);
	EXPECT(munmap(second, CHUNK_BYTES) == 0);
	return met;
}

static void mapping_beside_truncation(void)
{
	int fds[] = { create(CHUNK_BYTES), create(CHUNK_BYTES),
		      create(CHUNK_BYTES) };
	int n_met = 0;

	file_bytes = (size_t)check_times(128, 4) << 20;
	memory_file = memfd_create("truncated", MFD_CLOEXEC);
	EXPECT(memory_file >= 0);
	/* A process's first notifier waits for more. */
	(void)map_writer(fds[2], CHUNK_BYTES);
	for (long i = 0; i < N_TRIES || n_met < N_TRIES / 4; i++)
		n_met += map_beside_truncation(fds[0], fds[1],
					       i % N_TRIES * 500);
}

int main(void)
{
	check_begin();
	check_run("mapping-beside-truncation", NULL, mapping_beside_truncation);
	return check_finish();
}
