// SPDX-License-Identifier: MIT
/*
 * Speculative page faults: which faults are resolved without a lock, exactly
 * counted. Each check runs in each mode that it can tell apart.
 */
#include "test-spf.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

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

	EXPECT_EQ(smaps_kb(memory, "Rss"), bytes / 1024);
	EXPECT_EQ(smaps_kb(memory, "Anonymous"), bytes / 1024);
	EXPECT_EQ(smaps_kb(memory, "Private_Dirty"), bytes / 1024);
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
 * Demand: while a thread holds mmap_lock for a second, others fault. For longer,
 * where a processor may be away for as long.
 */

static unsigned int hold_ms;
static unsigned char *hold_addr;
static atomic_bool hold_is_over;
static atomic_int holding_after;

static void *hold_main(void *arg)
{
	(void)arg;
	EXPECT(mmlab_spf_hold(hold_ms, hold_addr) == 0);
	atomic_store(&hold_is_over, true);
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

/* Return: whether the lock was seen held. */
static bool holder_start(pthread_t *thread)
{
	atomic_store(&hold_is_over, false);
	EXPECT(pthread_create(thread, NULL, hold_main, NULL) == 0);
	while (!atomic_load(&hold_is_over)) {
		if (check_stat(MMLAB_SPF_STAT_HOLDING))
			return true;
		(void)sched_yield();
	}
	return false;
}

/* Return: whether the lock was held until all was done; if not, nothing is said. */
static bool faults_while_held(unsigned char *memory, const int pipes[2])
{
	static unsigned char buffer[PAGE_BYTES];
	uint64_t before[CHECK_MAX_STATS], after[CHECK_MAX_STATS];
	pthread_t holder;
	bool is_held;

	memset(buffer, 7, sizeof(buffer));
	memset(after, 0, sizeof(after));
	check_stats(before);
	is_held = holder_start(&holder);
	for (size_t i = 1; is_held && i < 64; i++)
		set(memory + i * PAGE_BYTES, 1);
	for (size_t i = 64; is_held && i < 96; i++) {
		EXPECT_EQ(write(pipes[1], buffer, 8), 8);
		EXPECT_EQ(read(pipes[0], memory + i * PAGE_BYTES, 8), 8);
	}
	check_stats(after);
	is_held = is_held && after[MMLAB_SPF_STAT_HOLDING];
	EXPECT(pthread_join(holder, NULL) == 0);
	if (!is_held)
		return false;
	EXPECT_EQ(after[MMLAB_SPF_STAT_FIRST_TOUCH] -
		  before[MMLAB_SPF_STAT_FIRST_TOUCH], 95);
	EXPECT_EQ(fallbacks_since(before), 0);
	return true;
}

static void faults_under(bool with_vma_lock)
{
	const size_t bytes = 256 * PAGE_BYTES;
	pthread_t holder, waiter;
	unsigned char *memory, *other;
	int pipes[2];

	EXPECT(pipe(pipes) == 0);
	/* The kernel's own fault, for comparison. */
	mode = MMLAB_SPF_MMAP_LOCK;
	other = region(bytes);
	mode = MMLAB_SPF_SPECULATIVE;
	set(other, 1);
	/* Both stacks and everything else is touched once before. */
	EXPECT(pthread_create(&waiter, NULL, touch_main, other) == 0);
	EXPECT(pthread_join(waiter, NULL) == 0);

	hold_ms = 1000;
	for (;;) {
		memory = region(bytes);
		set(memory, 1);
		hold_addr = with_vma_lock ? memory : NULL;
		if (faults_while_held(memory, pipes))
			break;
		EXPECT(munmap(memory, bytes) == 0);
		hold_ms *= 2;
		EXPECT(hold_ms <= MMLAB_SPF_HOLD_MAX_MS);
	}

	/* Not so the kernel's fault. */
	atomic_store(&holding_after, -1);
	EXPECT(pthread_create(&waiter, NULL, touch_main, other) == 0);
	EXPECT(pthread_join(waiter, NULL) == 0);
	EXPECT(madvise(other, bytes, MADV_DONTNEED) == 0);
	while (!holder_start(&holder))
		EXPECT(pthread_join(holder, NULL) == 0);
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
	bool is_held = false;
	pthread_t holder;

	if (mode != MMLAB_SPF_NORMAL ||
	    !(capabilities() & MMLAB_SPF_CAP_VMA_LOCK))
		SKIP("there is no lock of a VMA, or it is not what serves");
	set(memory, 1);
	(void)check_stat(0);
	for (hold_ms = 1000; !is_held; hold_ms *= 2) {
		EXPECT(hold_ms <= MMLAB_SPF_HOLD_MAX_MS);
		is_held = holder_start(&holder);
		if (is_held) {
			set(memory + PAGE_BYTES, 1);
			is_held = check_stat(MMLAB_SPF_STAT_HOLDING);
		}
		EXPECT(madvise(memory + PAGE_BYTES, PAGE_BYTES,
			       MADV_DONTNEED) == 0);
		EXPECT(pthread_join(holder, NULL) == 0);
	}
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
	/* That has disarmed it; the first of these faults arms it again. */
	for (int i = 0; i < 32; i++)
		set(memory + i * PAGE_BYTES, (unsigned char)(i + 1));
	EXPECT_SPECULATED(before, REUSED, 32);
	EXPECT_SPECULATED(before, ARMED, 1);
	EXPECT_EQ(fallbacks_since(before), 0);
	content_check(memory, 32 * PAGE_BYTES);
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

/* Somebody traces the function that the hook is in: that comes first. */
static void traced(void)
{
	static const char tracer[] = "/sys/kernel/tracing/current_tracer";
	const size_t bytes = 64 * PAGE_BYTES;
	uint64_t before[CHECK_MAX_STATS];
	unsigned char *memory;

	if (!speculates)
		SKIP("nothing speculates");
	if (!code_may_be_patched() || access(tracer, W_OK) < 0)
		SKIP("there are several CPUs, or no tracers");
	memory = region(bytes);
	file_write_text("/sys/kernel/tracing/set_ftrace_filter",
			"kmmio_handler");
	file_write_text(tracer, "function");
	check_stats(before);
	touch_all(memory, bytes, true);
	EXPECT_SINCE(before, FIRST_TOUCH, 63);
	file_write_text(tracer, "nop");
	touch_all(region(bytes), bytes, true);
	EXPECT_SINCE(before, FIRST_TOUCH, 2 * 63);
}

static const struct check checks[] = {
	{ "first-touch-writes", first_touch_writes },
	{ "first-touch-reads", first_touch_reads },
	{ "faults-of-kernel", faults_of_kernel },
	{ "faults-under-mmap-lock", faults_under_mmap_lock },
	{ "faults-under-vma-lock", faults_under_vma_lock },
	{ "normal-under-vma-lock", normal_under_vma_lock },
	{ "reused", reused },
	{ "hook-out", hook_out },
	{ "traced", traced },
};

int main(int argc, char **argv)
{
	return modes_run(checks, sizeof(checks) / sizeof(checks[0]),
			 argc == 2 ? argv[1] : "");
}
