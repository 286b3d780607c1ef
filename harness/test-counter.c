// SPDX-License-Identifier: MIT
/*
 * Software events count what is known to the last one; everything else has a state and a reason. Runs as any user;
 * where kernel-side counting is not permitted, that is what is checked.
 */
#include "counter.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cleanup.h"
#include "map.h"
#include "test.h"

#define N_PAGES 100
#define FAULTS	"page-faults,page-faults:u,page-faults:k"

/* A sanitizer's shadow memory has faults of its own. */
#define UNCHECKED __attribute__((no_sanitize("address", "thread", "undefined")))

static struct mmlab_map memory;

/* Fresh pages, so that each first touch is one fault. */
static char *fresh_pages(void)
{
	mmlab_map_close(&memory);
	if (mmlab_map_open(&memory, N_PAGES * mmlab_page_bytes(), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			   -1, 0))
		abort();
	(void)madvise(memory.base, memory.bytes, MADV_NOHUGEPAGE);
	return memory.addr;
}

UNCHECKED static void touch_pages(volatile char *pages, size_t page_bytes)
{
	for (size_t i = 0; i < N_PAGES; i++)
		pages[i * page_bytes] = 1;
}

static const struct mmlab_counter *find(const struct mmlab_counter *values, int n, const char *event, const char *scope)
{
	for (int i = 0; i < n; i++)
		if (!strcmp(values[i].event, event) && !strcmp(values[i].scope, scope))
			return &values[i];
	return NULL;
}

/* The event must be exact with this value; in kernel scope it may also be not permitted. */
static void expect(struct mmlab_counters *counters, const char *what, const char *event, const char *scope,
		   uint64_t expected)
{
	const struct mmlab_counter *values, *value;
	int n = mmlab_counters_read(counters, &values);

	value = find(values, n, event, scope);
	if (!check(value != NULL, "%s: %s:%s is listed", what, event, scope))
		return;
	if (value->state == MMLAB_COUNTER_NOT_PERMITTED && strcmp(scope, "u"))
		check(geteuid() && value->reason[0], "%s: %s:%s is not permitted: %s", what, event, scope,
		      value->reason);
	else
		check(value->state == MMLAB_COUNTER_EXACT && value->value == expected && value->raw == expected &&
			      value->running_ns == value->enabled_ns && !value->reason[0],
		      "%s: %s:%s is %llu (expected %llu), %s %s", what, event, scope, (unsigned long long)value->value,
		      (unsigned long long)expected, mmlab_counter_state_name(value->state), value->reason);
}

static struct mmlab_counters *open_or_die(const char *events)
{
	struct mmlab_counters *counters = NULL;
	int r = mmlab_counters_open(&counters, events);

	if (!check(!r, "open %s: %s", events, strerror(-r)))
		exit(1);
	return counters;
}

static void test_touch(void)
{
	struct mmlab_counters *counters = open_or_die(FAULTS ",minor-faults,major-faults");
	size_t page_bytes = mmlab_page_bytes();
	char *pages = fresh_pages();

	mmlab_counters_enable(counters); /* once for nothing: so that its own code and data are there */
	mmlab_counters_disable(counters);
	counters = mmlab_counters_close(counters);
	counters = open_or_die(FAULTS ",minor-faults,major-faults");
	mmlab_counters_enable(counters);
	touch_pages(pages, page_bytes);
	mmlab_counters_disable(counters);
	touch_pages(fresh_pages(), page_bytes);
	expect(counters, "touch", "page-faults", "u", N_PAGES);
	expect(counters, "touch", "page-faults", "k", 0);
	expect(counters, "touch", "page-faults", "uk", N_PAGES);
	expect(counters, "touch", "minor-faults", "uk", N_PAGES);
	expect(counters, "touch", "major-faults", "uk", 0);
	mmlab_counters_enable(counters);
	touch_pages(fresh_pages(), page_bytes);
	mmlab_counters_disable(counters);
	expect(counters, "enabled again, values go on", "page-faults", "u", 2 * N_PAGES);
	(void)mmlab_counters_close(counters);
}

static void test_kernel_touch(void)
{
	struct mmlab_counters *counters = open_or_die(FAULTS);
	_cleanup_(mmlab_closep) int fd = open("/dev/zero", O_RDONLY | O_CLOEXEC);
	char *pages = fresh_pages();
	long n;

	mmlab_counters_enable(counters);
	n = syscall(SYS_read, fd, pages, memory.bytes); /* a sanitizer's read() has faults of its own */
	mmlab_counters_disable(counters);
	check(n == (long)memory.bytes, "read zeroes into fresh pages");
	expect(counters, "read(2)", "page-faults", "u", 0);
	expect(counters, "read(2)", "page-faults", "k", N_PAGES);
	expect(counters, "read(2)", "page-faults", "uk", N_PAGES);
	(void)mmlab_counters_close(counters);
}

static uint64_t user_faults(struct mmlab_counters *counters)
{
	const struct mmlab_counter *values;
	int n = mmlab_counters_read(counters, &values);
	const struct mmlab_counter *value = find(values, n, "page-faults", "u");

	return value && value->state == MMLAB_COUNTER_EXACT ? value->value : 0;
}

/*
 * A child that got the descriptors by fork switches counting on and off around its own touching. After a fork whatever
 * is written first is copied first, so it does all of this once before; the kernel's own write to the child's thread
 * area, whenever it is preempted, remains.
 */
static bool count_in_child(struct mmlab_counters *warm, struct mmlab_counters *counters)
{
	size_t page_bytes = mmlab_page_bytes();
	char *pages = fresh_pages();
	pid_t pid = fork();

	if (!pid) {
		mmlab_counters_enable(warm);
		touch_pages((volatile char[1]){ 0 }, 0);
		mmlab_counters_disable(warm);
		mmlab_counters_enable(counters);
		touch_pages(pages, page_bytes);
		mmlab_counters_disable(counters);
		_exit(0);
	}
	return pid > 0 && waitpid(pid, NULL, 0) == pid;
}

/* Exact unless the child was preempted in between, so it has ten attempts; it must never be less. */
static void test_children(void)
{
	uint64_t faults, previous = 0, least = UINT64_MAX;
	struct mmlab_counters *warm = open_or_die(FAULTS), *counters = open_or_die(FAULTS);

	for (int i = 0; i < 10 && least != 3 * N_PAGES; i++) {
		for (int j = 0; j < 3; j++)
			if (!count_in_child(warm, counters))
				check(false, "a child counts itself");
		faults = user_faults(counters) - previous;
		previous += faults;
		least = faults < least ? faults : least;
	}
	check(least == 3 * N_PAGES, "3 children touch %d pages each: %llu", N_PAGES, (unsigned long long)least);
	(void)mmlab_counters_close(counters);
	(void)mmlab_counters_close(warm);
}

static void *touch_in_thread(void *pages)
{
	touch_pages(pages, mmlab_page_bytes());
	return NULL;
}

static void *start_thread_in_thread(void *pages)
{
	pthread_t thread;

	if (pthread_create(&thread, NULL, touch_in_thread, pages) || pthread_join(thread, NULL))
		abort();
	return NULL;
}

static uint64_t run_thread(struct mmlab_counters *counters, bool fresh)
{
	uint64_t before = user_faults(counters);
	char *pages = fresh_pages();
	pthread_t thread;

	if (!fresh)
		touch_pages(pages, mmlab_page_bytes());
	before = user_faults(counters);
	if (pthread_create(&thread, NULL, start_thread_in_thread, pages) || pthread_join(thread, NULL))
		abort();
	return user_faults(counters) - before;
}

/* Threads of threads, started by the thread that opened; starting one has a few faults of its own. */
static void test_threads(void)
{
	struct mmlab_counters *counters = open_or_die(FAULTS);
	uint64_t without, with, later;

	mmlab_counters_enable(counters);
	(void)run_thread(counters, true); /* makes the stacks that the others use again */
	without = run_thread(counters, false);
	with = run_thread(counters, true);
	mmlab_counters_disable(counters);
	later = run_thread(counters, true);
	check(without < N_PAGES / 2 && with >= N_PAGES && with < 3 * N_PAGES / 2,
	      "threads are counted: %llu, else %llu", (unsigned long long)with, (unsigned long long)without);
	check(!later, "disabled for threads too");
	(void)mmlab_counters_close(counters);
}

/* Every default event has a state, and a reason unless it counts. */
static void test_default(void)
{
	struct mmlab_counters *counters = open_or_die(mmlab_counters_default());
	const struct mmlab_counter *values;
	size_t page_bytes = mmlab_page_bytes();
	int n, n_commas = 0;

	mmlab_counters_enable(counters);
	touch_pages(fresh_pages(), page_bytes);
	(void)sched_yield();
	mmlab_counters_disable(counters);
	n = mmlab_counters_read(counters, &values);
	for (const char *c = mmlab_counters_default(); *c; c++)
		n_commas += *c == ',';
	check(n == n_commas + 1, "%d events", n);
	for (int i = 0; i < n; i++) {
		bool good =
			values[i].state == MMLAB_COUNTER_EXACT ? values[i].enabled_ns > 0 : values[i].reason[0] != '\0';

		check(good, "%s:%s %s %llu %s", values[i].event, values[i].scope,
		      mmlab_counter_state_name(values[i].state), (unsigned long long)values[i].value, values[i].reason);
	}
	(void)mmlab_counters_close(counters);
}

/* exceptions:page_fault_user, where tracefs is mounted: another witness for the same faults. */
static void test_tracepoint(void)
{
	struct mmlab_counters *counters = open_or_die("exceptions:page_fault_user");
	const struct mmlab_counter *values;
	size_t page_bytes = mmlab_page_bytes();
	char *pages = fresh_pages();

	mmlab_counters_enable(counters);
	touch_pages(pages, page_bytes);
	mmlab_counters_disable(counters);
	check(mmlab_counters_read(counters, &values) == 1, "one event");
	if (values->state == MMLAB_COUNTER_EXACT)
		check(values->value == N_PAGES, "a tracepoint counts %llu faults", (unsigned long long)values->value);
	else
		check(values->reason[0], "tracepoint: %s, %s", mmlab_counter_state_name(values->state), values->reason);
	(void)mmlab_counters_close(counters);
}

static void expect_state(const char *event, enum mmlab_counter_state state)
{
	struct mmlab_counters *counters = open_or_die(event);
	const struct mmlab_counter *values;
	int n;

	mmlab_counters_enable(counters);
	mmlab_counters_disable(counters);
	n = mmlab_counters_read(counters, &values);
	check(n == 1 && values->state == state && values->reason[0] && !values->value, "%s: %s, %s", event,
	      mmlab_counter_state_name(values->state), values->reason);
	(void)mmlab_counters_close(counters);
}

static void test_names(bool built)
{
	struct mmlab_counters *counters = NULL;
	const char *bad = NULL;

	check(mmlab_counters_check("page-faults,no-such-event,cycles", &bad) == -ENOENT && bad &&
		      !strcmp(bad, "no-such-event"),
	      "the unknown name is named");
	check(mmlab_counters_check("no-such-event:u", &bad) == -ENOENT && !strcmp(bad, "no-such-event"),
	      "without its scope");
	check(mmlab_counters_open(&counters, "no-such-event") == -ENOENT && !counters, "and not opened");
	check(!mmlab_counters_check("PAGE-FAULTS:u, cycles:k,instructions:uk,dtlb-load-misses", &bad),
	      "case does not matter");
	check(!mmlab_counters_check(mmlab_counters_default(), &bad),
	      "the default is known, also where it can't be counted");
	check(mmlab_counters_check("a-name-that-is-far-longer-than-any-event-that-libpfm4-or-a-kernel-has-ever-known",
				   &bad) < 0,
	      "a name that is too long");
	check(!mmlab_counters_open(&counters, "") && !mmlab_counters_close(counters), "no events at all");
	check(!mmlab_counters_close(NULL), "nothing to close");
	expect_state("task-clock:u", MMLAB_COUNTER_NOT_SUPPORTED);
	expect_state("context-switches:u", MMLAB_COUNTER_NOT_SUPPORTED);
	if (built)
		check(!mmlab_counters_check("perf::PERF_COUNT_HW_CACHE_REFERENCES:u", &bad), "libpfm4's own spelling");
}

static void test_not_enabled(void)
{
	struct mmlab_counters *counters = open_or_die("page-faults:u");
	const struct mmlab_counter *values;
	int n = mmlab_counters_read(counters, &values);

	check(n == 1 && values->state == MMLAB_COUNTER_NOT_COUNTED && values->reason[0], "never enabled: %s",
	      values->reason);
	(void)mmlab_counters_close(counters);
}

/* Descriptors: none is left, and none is handed to other programs. */
static int count_descriptors(bool *ret_all_closed_on_exec)
{
	int n = 0;

	*ret_all_closed_on_exec = true;
	for (int fd = 3; fd < 256; fd++) {
		int flags = fcntl(fd, F_GETFD);

		n += flags >= 0;
		*ret_all_closed_on_exec &= flags < 0 || (flags & FD_CLOEXEC);
	}
	return n;
}

static void test_descriptors(void)
{
	bool on_exec, unused;
	int before = count_descriptors(&on_exec), open_count;
	struct mmlab_counters *counters;

	if (!on_exec) { /* what the test itself was given */
		(void)close_range(3, 255, 0);
		before = count_descriptors(&on_exec);
	}
	counters = open_or_die(mmlab_counters_default());
	open_count = count_descriptors(&on_exec);
	check(open_count > before && on_exec, "%d descriptors, all closed on exec", open_count - before);
	(void)mmlab_counters_close(counters);
	check(count_descriptors(&unused) == before, "all are closed");
}

int main(void)
{
	bool built = strncmp(mmlab_counter_library(), "none", 4);

	(void)printf("%s\n", mmlab_counter_library());
	test_names(built);
	if (!built) {
		expect_state("page-faults", MMLAB_COUNTER_NOT_SUPPORTED);
		test_default();
		return test_status();
	}
	test_not_enabled();
	test_touch();
	test_kernel_touch();
	test_children();
	test_threads();
	test_default();
	test_tracepoint();
	test_descriptors();
	return test_status();
}
