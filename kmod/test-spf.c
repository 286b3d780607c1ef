// SPDX-License-Identifier: MIT
/*
 * Speculative page faults: which faults are resolved without a lock, exactly
 * counted, and that such memory is what MAP_ANONYMOUS would have given, whatever
 * is done to it. Each check runs in each mode that it can tell apart.
 */
#include "test-spf.h"

#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <sys/ioctl.h>
#include <sys/uio.h>

static bool speculates;

/* What a counter must have moved by, if this mode speculates here. */
#define EXPECT_SPECULATED(before, stat, value) \
	EXPECT_SINCE(before, stat, speculates ? (value) : 0)

static unsigned long status_kb(const char *name)
{
	unsigned long value = 0;
	char line[256];
	FILE *file = fopen("/proc/self/status", "r");

	EXPECT(file != NULL);
	while (fgets(line, sizeof(line), file))
		if (!strncmp(line, name, strlen(name)))
			value = strtoul(line + strlen(name), NULL, 10);
	(void)fclose(file);
	return value;
}

/* A field of the mapping that begins at an address, in kB. */
static unsigned long smaps_kb(const void *memory, const char *name)
{
	FILE *file = fopen("/proc/self/smaps", "r");
	unsigned long value = 0;
	bool inside = false;
	char line[512], head[64];

	EXPECT(file != NULL);
	(void)snprintf(head, sizeof(head), "%lx-", (unsigned long)memory);
	while (fgets(line, sizeof(line), file)) {
		if (strchr(line, '-') && strtoul(line, NULL, 16) > 4096)
			inside = !strncmp(line, head, strlen(head));
		else if (inside && !strncmp(line, name, strlen(name)))
			value = strtoul(line + strlen(name), NULL, 10);
	}
	(void)fclose(file);
	return value;
}

static void touch_all(unsigned char *memory, size_t bytes, bool write)
{
	for (size_t i = 0; i < bytes; i += PAGE_BYTES) {
		EXPECT_EQ(look(memory + i + i / PAGE_BYTES % PAGE_BYTES), 0);
		if (write)
			set(memory + i, (unsigned char)(i / PAGE_BYTES + 1));
	}
}

static void content_check(unsigned char *memory, size_t bytes)
{
	for (size_t i = 0; i < bytes; i += PAGE_BYTES)
		EXPECT_EQ(look(memory + i), (unsigned char)(i / PAGE_BYTES + 1));
}

/*
 * Checks.
 */

/* The first fault arms, each table needs one of the kernel's, all others none. */
static void first_touch(bool write)
{
	const size_t n_tables = 3, bytes = n_tables * TABLE_BYTES;
	uint64_t before[CHECK_MAX_STATS];
	unsigned char *memory;
	long faults;

	check_stats(before);
	memory = region(bytes);
	EXPECT_SPECULATED(before, LIVE_REGIONS, 1);
	EXPECT_SPECULATED(before, HOOKED, 1);
	faults = minor_faults();
	touch_all(memory, bytes, write);
	faults = minor_faults() - faults;

	EXPECT(faults >= (long)(n_tables * TABLE_PAGES));
	EXPECT(faults < (long)(n_tables * TABLE_PAGES) + 16);
	EXPECT_SINCE(before, NORMAL, speculates ? n_tables :
		     n_tables * TABLE_PAGES);
	EXPECT_SPECULATED(before, FIRST_TOUCH, n_tables * (TABLE_PAGES - 1));
	EXPECT_SPECULATED(before, FALLBACK_DISARMED, 1);
	EXPECT_SPECULATED(before, FALLBACK_TABLE, n_tables - 1);
	EXPECT_SPECULATED(before, ARMED, 1);
	EXPECT_EQ(fallbacks_since(before), speculates ? n_tables : 0);
	EXPECT_EQ(since(before, MMLAB_SPF_STAT_PAGES_ALLOCATED),
		  since(before, MMLAB_SPF_STAT_FIRST_TOUCH));

	EXPECT_EQ(smaps_kb(memory, "Rss:"), bytes / 1024);
	EXPECT_EQ(smaps_kb(memory, "Anonymous:"), bytes / 1024);
	EXPECT_EQ(smaps_kb(memory, "Private_Dirty:"), bytes / 1024);
	/* Threads and CPUs keep a number of pages to be added later. */
	EXPECT(status_kb("RssAnon:") >= bytes / 1024 - 1024);
	if (write)
		content_check(memory, bytes);
	EXPECT(munmap(memory, bytes) == 0);
	EXPECT(access_signal(memory, false) == SIGSEGV);
	EXPECT(access_signal(memory + PAGE_BYTES, true) == SIGSEGV);
	EXPECT_SINCE(before, LIVE_REGIONS, 0);
	EXPECT_SINCE(before, HOOKED, 0);
}

static void first_touch_writes(void)
{
	first_touch(true);
}

static void first_touch_reads(void)
{
	first_touch(false);
}

/* Copying into memory faults in the kernel. */
static void faults_of_kernel(void)
{
	const size_t bytes = 64 * PAGE_BYTES;
	uint64_t before[CHECK_MAX_STATS];
	unsigned char *memory = region(bytes);
	unsigned char buffer[PAGE_BYTES];
	int pipes[2];

	EXPECT(pipe(pipes) == 0);
	memset(buffer, 7, sizeof(buffer));
	set(memory, 1);
	check_stats(before);
	for (size_t i = PAGE_BYTES; i < bytes; i += PAGE_BYTES) {
		EXPECT_EQ(write(pipes[1], buffer, PAGE_BYTES), PAGE_BYTES);
		EXPECT_EQ(read(pipes[0], memory + i, PAGE_BYTES), PAGE_BYTES);
	}
	EXPECT_SPECULATED(before, FIRST_TOUCH, bytes / PAGE_BYTES - 1);
	EXPECT_EQ(fallbacks_since(before), 0);
	for (size_t i = PAGE_BYTES; i < bytes; i++)
		EXPECT_EQ(look(memory + i), 7);

	/* Where nothing is mapped the kernel's answer is the same. */
	EXPECT_EQ(write(pipes[1], buffer, 1), 1);
	EXPECT(munmap(memory + PAGE_BYTES, PAGE_BYTES) == 0);
	EXPECT_ERRNO(read(pipes[0], memory + PAGE_BYTES, 1), EFAULT);
}

/*
 * Demand: while a thread holds mmap_lock for a second, others fault.
 */

static unsigned char *hold_addr;
static atomic_int holding_after;

static void *hold_main(void *arg)
{
	(void)arg;
	EXPECT(mmlab_spf_hold(1000, hold_addr) == 0);
	return NULL;
}

/* Waits for the lock: it is over when nobody holds it any more. */
static void *touch_main(void *arg)
{
	set(arg, 1);
	atomic_store(&holding_after,
		     (int)check_stat(MMLAB_SPF_STAT_HOLDING));
	return NULL;
}

static void holder_start(pthread_t *thread)
{
	EXPECT(pthread_create(thread, NULL, hold_main, NULL) == 0);
	while (!check_stat(MMLAB_SPF_STAT_HOLDING))
		(void)sched_yield();
}

static void faults_under(bool with_vma_lock)
{
	const size_t bytes = 256 * PAGE_BYTES;
	uint64_t before[CHECK_MAX_STATS], after[CHECK_MAX_STATS];
	static unsigned char buffer[PAGE_BYTES];
	unsigned char *memory = region(bytes);
	pthread_t holder, waiter;
	unsigned char *other;
	int pipes[2];

	EXPECT(pipe(pipes) == 0);
	memset(buffer, 7, sizeof(buffer));
	memset(before, 0, sizeof(before));
	memset(after, 0, sizeof(after));
	set(memory, 1);
	hold_addr = with_vma_lock ? memory : NULL;

	/* The kernel's own fault, for comparison. */
	mode = MMLAB_SPF_MMAP_LOCK;
	other = region(bytes);
	mode = MMLAB_SPF_SPECULATIVE;
	set(other, 1);
	/* Both stacks and everything else is touched once before. */
	EXPECT(pthread_create(&waiter, NULL, touch_main, other) == 0);
	EXPECT(pthread_join(waiter, NULL) == 0);
	check_stats(before);

	holder_start(&holder);
	EXPECT_EQ(check_stat(MMLAB_SPF_STAT_HOLDING), 1);
	for (size_t i = 1; i < 64; i++)
		set(memory + i * PAGE_BYTES, 1);
	for (size_t i = 64; i < 96; i++) {
		EXPECT_EQ(write(pipes[1], buffer, 8), 8);
		EXPECT_EQ(read(pipes[0], memory + i * PAGE_BYTES, 8), 8);
	}
	check_stats(after);
	EXPECT_EQ(after[MMLAB_SPF_STAT_HOLDING], 1);
	EXPECT_EQ(after[MMLAB_SPF_STAT_FIRST_TOUCH] -
		  before[MMLAB_SPF_STAT_FIRST_TOUCH], 95);
	EXPECT_EQ(fallbacks_since(before), 0);
	EXPECT(pthread_join(holder, NULL) == 0);

	/* Not so the kernel's fault. */
	atomic_store(&holding_after, -1);
	EXPECT(pthread_create(&waiter, NULL, touch_main, other) == 0);
	EXPECT(pthread_join(waiter, NULL) == 0);
	EXPECT(madvise(other, bytes, MADV_DONTNEED) == 0);
	holder_start(&holder);
	touch_main(other + PAGE_BYTES);
	EXPECT_EQ(atomic_load(&holding_after), 0);
	EXPECT(pthread_join(holder, NULL) == 0);
}

static void faults_under_mmap_lock(void)
{
	if (!speculates)
		SKIP("nothing speculates");
	faults_under(false);
}

static void faults_under_vma_lock(void)
{
	if (!speculates)
		SKIP("nothing speculates");
	faults_under(true);
}

/* What .map_pages is for: on 6.4 and later, NORMAL does not need mmap_lock. */
static void normal_under_vma_lock(void)
{
	unsigned char *memory = region(4 * PAGE_BYTES);
	uint64_t caps;
	pthread_t holder;

	EXPECT(mmlab_query(MMLAB_MECH_SPF, &caps) == 0);
	if (mode != MMLAB_SPF_NORMAL || !(caps & MMLAB_SPF_CAP_VMA_LOCK))
		SKIP("there is no lock of a VMA, or it is not what serves");
	set(memory, 1);
	(void)check_stat(0);
	holder_start(&holder);
	set(memory + PAGE_BYTES, 1);
	EXPECT_EQ(check_stat(MMLAB_SPF_STAT_HOLDING), 1);
	EXPECT(pthread_join(holder, NULL) == 0);
}

static void unmapped_parts(void)
{
	const size_t bytes = 64 * PAGE_BYTES;
	unsigned char *memory = region(bytes);
	uint64_t before[CHECK_MAX_STATS];

	touch_all(memory, bytes / 2, true);
	check_stats(before);
	EXPECT(munmap(memory + 40 * PAGE_BYTES, 8 * PAGE_BYTES) == 0);
	EXPECT(munmap(memory + 8 * PAGE_BYTES, 8 * PAGE_BYTES) == 0);
	for (int i = 0; i < 8; i++) {
		EXPECT_EQ(access_signal(memory + (8 + i) * PAGE_BYTES, i % 2),
			  SIGSEGV);
		EXPECT_EQ(access_signal(memory + (40 + i) * PAGE_BYTES, i % 2),
			  SIGSEGV);
	}
	content_check(memory, 8 * PAGE_BYTES);
	EXPECT_EQ(look(memory + 16 * PAGE_BYTES), 17);
	EXPECT_SPECULATED(before, LIVE_REGIONS, 2);
	check_stats(before);
	/* Each part is armed by a fault of its own. */
	for (int i = 32; i < 40; i++)
		set(memory + i * PAGE_BYTES, 1);
	EXPECT_SPECULATED(before, FIRST_TOUCH, 7);
	for (int i = 48; i < 64; i++)
		set(memory + i * PAGE_BYTES, 1);
	EXPECT_SPECULATED(before, FIRST_TOUCH, 7 + 15);
	EXPECT_SPECULATED(before, FALLBACK_DISARMED, 2);
	EXPECT_SPECULATED(before, ARMED, 2);
}

static void overlaid(void)
{
	const size_t bytes = 64 * PAGE_BYTES;
	unsigned char *memory = region(bytes), *over;
	uint64_t before[CHECK_MAX_STATS];

	touch_all(memory, 8 * PAGE_BYTES, true);
	over = mmap(memory + 16 * PAGE_BYTES, 8 * PAGE_BYTES, PROT_READ,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	EXPECT(over != MAP_FAILED);
	check_stats(before);
	for (int i = 0; i < 8; i++) {
		EXPECT_EQ(access_signal(over + i * PAGE_BYTES, false), 0);
		EXPECT_EQ(access_signal(over + i * PAGE_BYTES, true), SIGSEGV);
	}
	EXPECT_SINCE(before, FIRST_TOUCH, 0);
	EXPECT_SINCE(before, NORMAL, 0);
	for (int i = 24; i < 64; i++)
		set(memory + i * PAGE_BYTES, 1);
	EXPECT_SPECULATED(before, FIRST_TOUCH, 39);
	content_check(memory, 8 * PAGE_BYTES);
}

static void moved(void)
{
	const size_t bytes = 64 * PAGE_BYTES;
	unsigned char *memory = region(bytes), *place = place_find(bytes);
	uint64_t before[CHECK_MAX_STATS];

	touch_all(memory, 32 * PAGE_BYTES, true);
	EXPECT(mremap(memory, bytes, bytes, MREMAP_MAYMOVE | MREMAP_FIXED,
		      place) == place);
	content_check(place, 32 * PAGE_BYTES);
	for (int i = 0; i < 64; i++)
		EXPECT_EQ(access_signal(memory + i * PAGE_BYTES, i % 2),
			  SIGSEGV);
	check_stats(before);
	for (int i = 32; i < 64; i++)
		set(place + i * PAGE_BYTES, 1);
	EXPECT_SPECULATED(before, FIRST_TOUCH, 31);
	EXPECT_SPECULATED(before, FALLBACK_DISARMED, 1);

	/* A part moves; the rest is two. */
	memory = place_find(bytes);
	EXPECT(mremap(place + 16 * PAGE_BYTES, 8 * PAGE_BYTES, 8 * PAGE_BYTES,
		      MREMAP_MAYMOVE | MREMAP_FIXED, memory) == memory);
	EXPECT_EQ(look(memory), 17);
	EXPECT_EQ(access_signal(place + 16 * PAGE_BYTES, true), SIGSEGV);
	EXPECT_EQ(look(place + 24 * PAGE_BYTES), 25);
	/* Smaller, but not larger. */
	EXPECT(mremap(memory, 8 * PAGE_BYTES, 4 * PAGE_BYTES, 0) == memory);
	EXPECT_EQ(access_signal(memory + 4 * PAGE_BYTES, true), SIGSEGV);
	errno = 0;
	EXPECT(mremap(memory, 4 * PAGE_BYTES, 8 * PAGE_BYTES,
		      MREMAP_MAYMOVE) == MAP_FAILED);
	EXPECT_EQ(look(memory), 17);
}

static void protections(void)
{
	const size_t bytes = 64 * PAGE_BYTES;
	unsigned char *memory = region(bytes);
	uint64_t before[CHECK_MAX_STATS];

	touch_all(memory, 8 * PAGE_BYTES, true);
	EXPECT(mprotect(memory, bytes, PROT_READ) == 0);
	/* Touched, not touched, and touched for reading after that. */
	EXPECT_EQ(access_signal(memory, true), SIGSEGV);
	EXPECT_EQ(access_signal(memory + 9 * PAGE_BYTES, true), SIGSEGV);
	EXPECT_EQ(access_signal(memory + 10 * PAGE_BYTES, false), 0);
	EXPECT_EQ(access_signal(memory + 10 * PAGE_BYTES, true), SIGSEGV);
	EXPECT_EQ(access_signal(memory + 11 * PAGE_BYTES, false), 0);
	EXPECT_EQ(access_signal(memory + 11 * PAGE_BYTES, true), SIGSEGV);
	EXPECT(mprotect(memory, bytes, PROT_NONE) == 0);
	for (int i = 0; i < 16; i++)
		EXPECT_EQ(access_signal(memory + i * PAGE_BYTES, i % 2),
			  SIGSEGV);

	EXPECT(mprotect(memory, bytes, PROT_READ) == 0);
	EXPECT_EQ(access_signal(memory + 20 * PAGE_BYTES, false), 0);
	EXPECT(mprotect(memory, bytes, rw) == 0);
	set(memory + 21 * PAGE_BYTES, 1);
	check_stats(before);
	/* Its own pages, read-only until now. */
	set(memory + 20 * PAGE_BYTES, 1);
	set(memory, 1);
	EXPECT(since(before, MMLAB_SPF_STAT_REUSED) <= 2);
	content_check(memory, 8 * PAGE_BYTES);
	for (int i = 32; i < 64; i++)
		set(memory + i * PAGE_BYTES, 1);
	EXPECT_SPECULATED(before, FIRST_TOUCH, 32);

	/* Of a part: two regions, three after another. */
	EXPECT(mprotect(memory + 24 * PAGE_BYTES, 4 * PAGE_BYTES, PROT_READ) ==
	       0);
	EXPECT_EQ(access_signal(memory + 24 * PAGE_BYTES, true), SIGSEGV);
	EXPECT_EQ(access_signal(memory + 23 * PAGE_BYTES, true), 0);
	EXPECT_EQ(access_signal(memory + 28 * PAGE_BYTES, true), 0);
	EXPECT_ERRNO(mprotect(memory, bytes, rw | PROT_EXEC), EACCES);
}

/* The process's own pages, and entries that are read-only to see who writes. */
static void reused(void)
{
	const size_t bytes = 64 * PAGE_BYTES;
	unsigned char *memory = region(bytes);
	uint64_t before[CHECK_MAX_STATS];
	int file = open("/proc/self/clear_refs", O_WRONLY);

	touch_all(memory, 32 * PAGE_BYTES, true);
	EXPECT(file >= 0);
	EXPECT_EQ(write(file, "4", 1), 1);
	check_stats(before);
	/* That has disarmed it. */
	set(memory + 40 * PAGE_BYTES, 1);
	EXPECT_SPECULATED(before, FALLBACK_DISARMED, 1);
	for (int i = 0; i < 32; i++)
		set(memory + i * PAGE_BYTES, (unsigned char)(i + 1));
	EXPECT_SPECULATED(before, REUSED, 32);
	EXPECT_SPECULATED(before, FALLBACK_PRESENT, 0);
	content_check(memory, 32 * PAGE_BYTES);
}

static void discarded(void)
{
	const size_t bytes = 64 * PAGE_BYTES;
	unsigned char *memory = region(bytes);
	uint64_t before[CHECK_MAX_STATS];

	touch_all(memory, bytes, true);
	EXPECT(madvise(memory, bytes, MADV_DONTNEED) == 0);
	EXPECT_EQ(smaps_kb(memory, "Rss:"), 0);
	check_stats(before);
	touch_all(memory, bytes, true);
	/* Tables stay, and nothing was disarmed. */
	EXPECT_SPECULATED(before, FIRST_TOUCH, 64);
	EXPECT_EQ(fallbacks_since(before), 0);
	EXPECT_ERRNO(madvise(memory, bytes, MADV_FREE), EINVAL);
	content_check(memory, bytes);
}

static void forked(void)
{
	const size_t bytes = 64 * PAGE_BYTES;
	unsigned char *memory = region(bytes);
	uint64_t before[CHECK_MAX_STATS];
	pid_t pid;

	touch_all(memory, 16 * PAGE_BYTES, true);
	check_stats(before);
	pid = fork();
	EXPECT(pid >= 0);
	if (pid == 0) {
		content_check(memory, 16 * PAGE_BYTES);
		set(memory, 99);
		for (int i = 16; i < 64; i++) {
			EXPECT_EQ(look(memory + i * PAGE_BYTES), 0);
			set(memory + i * PAGE_BYTES, 99);
		}
		EXPECT_SPECULATED(before, JOINED, 1);
		EXPECT_SPECULATED(before, FIRST_TOUCH, 47);
		_exit(0);
	}
	EXPECT_CHILD_OK(pid);
	content_check(memory, 16 * PAGE_BYTES);
	for (int i = 16; i < 64; i++)
		EXPECT_EQ(look(memory + i * PAGE_BYTES), 0);
	EXPECT_SPECULATED(before, FIRST_TOUCH, 47 + 47);
	/*
	 * The child has gone: there is nobody to copy for, but the kernel may
	 * still have a page in a list of those it has just seen.
	 */
	check_stats(before);
	for (int i = 0; i < 16; i++)
		set(memory + i * PAGE_BYTES, (unsigned char)(i + 1));
	if (speculates) {
		EXPECT(since(before, MMLAB_SPF_STAT_REUSED) > 0);
		EXPECT_EQ(since(before, MMLAB_SPF_STAT_REUSED) +
			  since(before, MMLAB_SPF_STAT_FALLBACK_PRESENT), 16);
	}
	content_check(memory, 16 * PAGE_BYTES);
}

/* As long as there is a child, each has its own copy from the first write on. */
static void shared_with_child(void)
{
	const size_t bytes = 64 * PAGE_BYTES;
	unsigned char *memory = region(bytes), byte;
	uint64_t before[CHECK_MAX_STATS];
	int to[2], from[2];
	pid_t pid;

	touch_all(memory, 32 * PAGE_BYTES, true);
	EXPECT(pipe(to) == 0 && pipe(from) == 0);
	pid = fork();
	EXPECT(pid >= 0);
	if (pid == 0) {
		EXPECT_EQ(read(to[0], &byte, 1), 1);
		content_check(memory, 32 * PAGE_BYTES);
		for (int i = 0; i < 32; i++)
			set(memory + i * PAGE_BYTES, 200);
		EXPECT_EQ(write(from[1], "", 1), 1);
		EXPECT_EQ(read(to[0], &byte, 1), 1);
		for (int i = 0; i < 32; i++)
			EXPECT_EQ(look(memory + i * PAGE_BYTES), 200);
		_exit(0);
	}
	set(memory + 40 * PAGE_BYTES, 1);
	check_stats(before);
	for (int i = 0; i < 16; i++)
		set(memory + i * PAGE_BYTES, 100);
	/* The kernel copies. */
	EXPECT_SINCE(before, REUSED, 0);
	EXPECT_SPECULATED(before, FALLBACK_PRESENT, 16);
	EXPECT_EQ(write(to[1], "", 1), 1);
	EXPECT_EQ(read(from[0], &byte, 1), 1);
	for (int i = 0; i < 32; i++)
		EXPECT_EQ(look(memory + i * PAGE_BYTES),
			  i < 16 ? 100 : (unsigned char)(i + 1));
	for (int i = 0; i < 32; i++)
		set(memory + i * PAGE_BYTES, 50);
	EXPECT_EQ(write(to[1], "", 1), 1);
	EXPECT_CHILD_OK(pid);
	for (int i = 0; i < 32; i++)
		EXPECT_EQ(look(memory + i * PAGE_BYTES), 50);
}

static void not_forked(void)
{
	const size_t bytes = 16 * PAGE_BYTES;
	unsigned char *memory = region(bytes), *wiped = region(bytes);
	pid_t pid;

	touch_all(memory, bytes, true);
	touch_all(wiped, bytes, true);
	EXPECT(madvise(memory, bytes, MADV_DONTFORK) == 0);
	EXPECT(madvise(wiped, bytes, MADV_WIPEONFORK) == 0 || errno == EINVAL);
	pid = fork();
	EXPECT(pid >= 0);
	if (pid == 0) {
		EXPECT_EQ(access_signal(memory, true), SIGSEGV);
		EXPECT_EQ(access_signal(memory + PAGE_BYTES, false), SIGSEGV);
		_exit(0);
	}
	EXPECT_CHILD_OK(pid);
	content_check(memory, bytes);
}

/* Others look at it, and write to it, page by page. */
static void accessed_by_others(void)
{
	const size_t bytes = 32 * PAGE_BYTES;
	unsigned char *memory = region(bytes), byte = 77;
	struct iovec local = { &byte, 1 }, remote = { NULL, 1 };
	int sockets[2];
	pid_t pid;

	EXPECT(pipe(sockets) == 0);
	pid = fork();
	EXPECT(pid >= 0);
	if (pid == 0) {
		EXPECT_EQ(read(sockets[0], &byte, 1), 1);
		for (size_t i = 0; i < bytes; i += PAGE_BYTES)
			EXPECT_EQ(look(memory + i), 77);
		_exit(0);
	}
	for (size_t i = 0; i < bytes; i += PAGE_BYTES) {
		remote.iov_base = memory + i;
		EXPECT_EQ(process_vm_writev(pid, &local, 1, &remote, 1, 0), 1);
	}
	EXPECT_EQ(write(sockets[1], "", 1), 1);
	EXPECT_CHILD_OK(pid);
	EXPECT_EQ(look(memory), 0);
}

static void populated(void)
{
	const size_t bytes = 64 * PAGE_BYTES;
	uint64_t before[CHECK_MAX_STATS];
	int fd = create();
	unsigned char *memory;

	check_stats(before);
	memory = mmap(place_find(bytes), bytes, rw, MAP_PRIVATE | MAP_POPULATE,
		      fd, 3 * PAGE_BYTES);
	EXPECT(memory != MAP_FAILED);
	EXPECT_SINCE(before, NORMAL, 64);
	touch_all(memory, bytes, true);
	EXPECT_SINCE(before, FIRST_TOUCH, 0);
	EXPECT_SINCE(before, NORMAL, 64);
	/* A descriptor is mapped as often as wanted, and each is its own. */
	memory = mmap(NULL, bytes, PROT_READ, MAP_PRIVATE, fd, 0);
	EXPECT(memory != MAP_FAILED);
	touch_all(memory, bytes, false);
	EXPECT_EQ(access_signal(memory, true), SIGSEGV);
	EXPECT(close(fd) == 0);
}

static void hook_out(void)
{
	const size_t bytes = 64 * PAGE_BYTES;
	unsigned char *memory = region(bytes);
	uint64_t before[CHECK_MAX_STATS];
	unsigned int former = 99;

	if (!speculates)
		SKIP("nothing speculates");
	touch_all(memory, 8 * PAGE_BYTES, true);
	check_stats(before);
	EXPECT(mmlab_spf_hook(MMLAB_SPF_HOOK_OUT, &former) == 0);
	EXPECT_EQ(former, MMLAB_SPF_HOOK_AUTO);
	touch_all(memory + 8 * PAGE_BYTES, 8 * PAGE_BYTES, true);
	EXPECT_SINCE(before, FIRST_TOUCH, 0);
	EXPECT_SINCE(before, NORMAL, 8);
	EXPECT_SINCE(before, HOOK_OUT, 1);
	EXPECT(mmlab_spf_hook(MMLAB_SPF_HOOK_AUTO, NULL) == 0);
	touch_all(memory + 16 * PAGE_BYTES, 8 * PAGE_BYTES, true);
	EXPECT_SINCE(before, FIRST_TOUCH, 8);
	EXPECT_SINCE(before, HOOK_IN, 1);
	EXPECT(munmap(memory, bytes) == 0);
	EXPECT_EQ(check_stat(MMLAB_SPF_STAT_HOOKED), 0);
	EXPECT(mmlab_spf_hook(MMLAB_SPF_HOOK_IN, &former) == 0);
	EXPECT_EQ(former, MMLAB_SPF_HOOK_AUTO);
	EXPECT_EQ(check_stat(MMLAB_SPF_STAT_HOOKED), 1);
	EXPECT(mmlab_spf_hook(MMLAB_SPF_HOOK_AUTO, &former) == 0);
	EXPECT_EQ(former, MMLAB_SPF_HOOK_IN);
	EXPECT_EQ(check_stat(MMLAB_SPF_STAT_HOOKED), 0);
}

static void executed_and_killed(void)
{
	char *const arguments[] = { (char *)"true", NULL };
	const size_t bytes = 64 * PAGE_BYTES;
	unsigned char *memory = region(bytes);

	touch_all(memory, bytes / 2, true);
	for (int i = 0; i < 3; i++) {
		pid_t pid = fork();

		EXPECT(pid >= 0);
		if (pid == 0) {
			touch_all(region(bytes), bytes, true);
			set(memory + 40 * PAGE_BYTES, 1);
			if (i == 0)
				(void)execv("/bin/true", arguments);
			if (i == 1)
				(void)raise(SIGKILL);
			_exit(0);
		}
		EXPECT(waitpid(pid, NULL, 0) == pid);
		EXPECT_SPECULATED((uint64_t[CHECK_MAX_STATS]){ 0 },
				  LIVE_REGIONS, 1);
	}
	content_check(memory, bytes / 2);
}

static const struct {
	const char *name;
	void (*run)(void);
} checks[] = {
	{ "first-touch-writes", first_touch_writes },
	{ "first-touch-reads", first_touch_reads },
	{ "faults-of-kernel", faults_of_kernel },
	{ "faults-under-mmap-lock", faults_under_mmap_lock },
	{ "faults-under-vma-lock", faults_under_vma_lock },
	{ "normal-under-vma-lock", normal_under_vma_lock },
	{ "unmapped-parts", unmapped_parts },
	{ "overlaid", overlaid },
	{ "moved", moved },
	{ "protections", protections },
	{ "reused", reused },
	{ "discarded", discarded },
	{ "forked", forked },
	{ "shared-with-child", shared_with_child },
	{ "not-forked", not_forked },
	{ "accessed-by-others", accessed_by_others },
	{ "populated", populated },
	{ "hook-out", hook_out },
	{ "executed-and-killed", executed_and_killed },
};

static unsigned int present;

static void run_present(void)
{
	speculates = mode == MMLAB_SPF_SPECULATIVE && hook_works();
	checks[present].run();
}

int main(int argc, char **argv)
{
	static const char *const names[] = { "normal", "speculative",
					     "mmap-lock" };

	check_begin();
	for (unsigned int m = 0; m < 3; m++) {
		mode = m;
		for (present = 0; present < sizeof(checks) / sizeof(checks[0]);
		     present++) {
			if (argc == 2 && !strstr(checks[present].name, argv[1]))
				continue;
			check_run(checks[present].name, names[m], run_present);
		}
	}
	if (!pages_balance())
		return 1;
	return check_finish();
}
