// SPDX-License-Identifier: MIT
/*
 * A real PMU against loops whose instructions are known. It is meant for an emulated arm64 machine in which time is the
 * number of instructions (scripts/vm --kernel 6.1-arm64 --deterministic): there an event counts each, no more and no
 * less. "test-pmu no-instructions" is for the same machine without that, whose PMU has cycles but no instructions.
 *
 * What surrounds a loop, switching counters on and off, is a constant: differences between loops of two lengths are
 * exact.
 */
#include <errno.h>
#include <inttypes.h>
#include <linux/perf_event.h>
#include <perf/core.h>
#include <perf/cpumap.h>
#include <perf/event.h>
#include <perf/evlist.h>
#include <perf/evsel.h>
#include <perf/threadmap.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "counter.h"
#include "test.h"

#define N_PER_ROUND	  2  /* instructions of one round of spin() */
#define N_PER_CALL	  4  /* user instructions of one call of call_kernel() */
#define N_LEAST_IN_KERNEL 50 /* fewer cannot enter the kernel and leave it */
#define PMU_COUNTERS	  6  /* of the emulated Cortex-A57, beside the one for cycles */

static void spin(uint64_t rounds)
{
	__asm__ volatile("1: subs %0, %0, #1\n\t"
			 "b.ne 1b"
			 : "+r"(rounds)
			 :
			 : "cc");
}

/* getppid(2), which does not sleep. */
static void call_kernel(uint64_t calls)
{
	register uint64_t number __asm__("x8") = 173;
	register uint64_t ret __asm__("x0");

	__asm__ volatile("1: mov x8, %2\n\t"
			 "svc #0\n\t"
			 "subs %0, %0, #1\n\t"
			 "b.ne 1b"
			 : "+r"(calls), "=r"(ret)
			 : "r"(number)
			 : "cc", "memory");
}

static struct mmlab_counters *open_or_die(const char *events)
{
	struct mmlab_counters *counters = NULL;
	int r = mmlab_counters_open(&counters, events);

	if (r) {
		check(false, "open %s: %s", events, strerror(-r));
		exit(1);
	}
	return counters;
}

/* The events of a new set of counters around work(n). Return: how many; *ret is theirs until the next call. */
static int count(const struct mmlab_counter **ret, const char *events, void (*work)(uint64_t), uint64_t n)
{
	static struct mmlab_counters *counters;

	counters = mmlab_counters_close(counters);
	counters = open_or_die(events);
	mmlab_counters_enable(counters);
	work(n);
	mmlab_counters_disable(counters);
	return mmlab_counters_read(counters, ret);
}

/* One event that must be exact. */
static uint64_t count_exact(const char *event, void (*work)(uint64_t), uint64_t n)
{
	const struct mmlab_counter *value;
	int n_values = count(&value, event, work, n);

	if (n_values != 1 || value->state != MMLAB_COUNTER_EXACT || value->raw != value->value || value->reason[0] ||
	    value->running_ns != value->enabled_ns) {
		check(false, "%s is exact: %s, %s", event, mmlab_counter_state_name(value->state), value->reason);
		return 0;
	}
	return value->value;
}

static void test_user(void)
{
	static const char *const names[] = { "instructions:u", "arm_ac57::INST_RETIRED:u" };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		uint64_t none, one, two;

		(void)count_exact(names[i], spin, 1); /* what is bound and faulted in once */
		none = count_exact(names[i], spin, 1);
		one = count_exact(names[i], spin, 1 + 1000000);
		two = count_exact(names[i], spin, 1 + 2000000);
		check(one - none == N_PER_ROUND * 1000000 && two - none == N_PER_ROUND * 2000000,
		      "%s: a million rounds are %" PRIu64 ", two million %" PRIu64 ", around them %" PRIu64, names[i],
		      one - none, two - none, none);
		check(none < 1000, "%s: the interface itself takes %" PRIu64, names[i], none);
	}
}

/* A loop without system calls leaves the kernel nothing but interrupts; one with them shows in both scopes, each its
 * own. */
static void test_scopes(void)
{
	uint64_t user[2], kernel[2], spun;

	for (int i = 0; i < 2; i++) {
		uint64_t calls = 1000 * (uint64_t)(i + 1);

		user[i] = count_exact("instructions:u", call_kernel, calls);
		kernel[i] = count_exact("instructions:k", call_kernel, calls);
	}
	check(user[1] - user[0] == N_PER_CALL * 1000, "a thousand calls are %" PRIu64 " instructions in user scope",
	      user[1] - user[0]);
	check(kernel[1] > kernel[0] + N_LEAST_IN_KERNEL * 1000, "and %" PRIu64 " in kernel scope",
	      kernel[1] - kernel[0]);
	spun = count_exact("instructions:k", spin, 1000000);
	check(spun < N_PER_ROUND * 1000000 / 10,
	      "two million instructions of user scope add %" PRIu64 " to the kernel's", spun);
}

/* The same calls cost the kernel the same, but where the timer interrupts; switching the counter takes some ten more or
 * less. */
static void test_kernel_repeats(void)
{
	struct mmlab_counters *counters = open_or_die("instructions:k");
	uint64_t values[20], before = 0, least = UINT64_MAX;
	int n_near = 0, n_values = sizeof(values) / sizeof(values[0]);

	for (int i = 0; i < n_values; i++) {
		const struct mmlab_counter *value;

		mmlab_counters_enable(counters);
		call_kernel(100);
		mmlab_counters_disable(counters);
		(void)mmlab_counters_read(counters, &value);
		values[i] = value->value - before;
		before = value->value;
		least = values[i] < least ? values[i] : least;
	}
	(void)mmlab_counters_close(counters);
	for (int i = 0; i < n_values; i++)
		n_near += values[i] - least <= least / 1000;
	check(least > 100 * N_LEAST_IN_KERNEL && 2 * n_near > n_values,
	      "100 calls are %" PRIu64 " instructions of the kernel, to a thousandth, %d times of %d", least, n_near,
	      n_values);
}

static struct perf_evsel *add_instructions(struct perf_evlist *group, bool leads, bool user, bool kernel)
{
	struct perf_event_attr attr = {
		.size = sizeof(attr),
		.type = PERF_TYPE_HARDWARE,
		.config = PERF_COUNT_HW_INSTRUCTIONS,
		.disabled = leads,
		.exclude_user = !user,
		.exclude_kernel = !kernel,
		.exclude_hv = !kernel,
		.read_format = PERF_FORMAT_TOTAL_TIME_ENABLED | PERF_FORMAT_TOTAL_TIME_RUNNING,
	};
	struct perf_evsel *evsel;

	if (leads)
		attr.read_format |= PERF_FORMAT_GROUP | PERF_FORMAT_ID;
	evsel = perf_evsel__new(&attr);
	if (!evsel)
		abort();
	perf_evlist__add(group, evsel);
	return evsel;
}

/* Members start and stop together, so that parts add up to the last instruction; counters that are opened alone do not.
 */
static void test_group(void)
{
	struct perf_thread_map *self = perf_thread_map__new_dummy();
	struct perf_evlist *group = perf_evlist__new();
	struct perf_counts_values values[3] = { 0 };
	struct perf_evsel *members[3];
	uint64_t alone;
	bool ok;
	int r;

	perf_thread_map__set_pid(self, 0, 0);
	members[0] = add_instructions(group, true, true, true);
	members[1] = add_instructions(group, false, true, false);
	members[2] = add_instructions(group, false, false, true);
	perf_evlist__set_leader(group);
	perf_evlist__set_maps(group, NULL, self);
	r = perf_evlist__open(group);
	check(!r, "a group opens: %s", strerror(-r));
	if (r)
		return;
	(void)perf_evsel__enable(members[0]);
	call_kernel(1000);
	(void)perf_evsel__disable(members[0]);
	ok = true;
	for (int i = 0; i < 3; i++)
		ok &= perf_evsel__read(members[i], 0, 0, &values[i]) >= 0;
	check(ok && values[0].ena && values[0].ena == values[0].run, "a group is read, and counted all the time");
	check(values[1].val && values[2].val && values[0].val == values[1].val + values[2].val,
	      "in a group the scopes add up: %" PRIu64 " = %" PRIu64 " + %" PRIu64, (uint64_t)values[0].val,
	      (uint64_t)values[1].val, (uint64_t)values[2].val);
	alone = count_exact("instructions:u", call_kernel, 1000);
	check(values[1].val >= N_PER_CALL * 1000 && values[1].val < N_PER_CALL * 1000 + 1000 &&
		      alone >= N_PER_CALL * 1000 && alone < N_PER_CALL * 1000 + 1000,
	      "a member and a counter of its own see the same loop: %" PRIu64 ", %" PRIu64, (uint64_t)values[1].val,
	      alone);
	perf_evlist__close(group);
	perf_evlist__delete(group);
	perf_thread_map__put(self);
}

/* n events of which each wants a counter: those that there are go round. */
static void test_sharing(int n_events, enum mmlab_counter_state state)
{
	const uint64_t rounds = 50000000; /* some 25 turns */
	const struct mmlab_counter *values;
	int n, n_in_state = 0, n_near = 0;
	char events[512] = "";

	for (int i = 0; i < n_events; i++)
		strcat(events, i ? ",instructions:u" : "instructions:u");
	n = count(&values, events, spin, rounds);
	for (int i = 0; i < n; i++) {
		const struct mmlab_counter *v = &values[i];
		double ratio = (double)v->value / (double)(N_PER_ROUND * rounds);

		n_in_state += v->state == state && v->raw < v->value && v->running_ns < v->enabled_ns && v->reason[0];
		n_near += ratio > 0.95 && ratio < 1.05;
	}
	check(n == n_events && n_in_state == n, "%d events on %d counters: %d are %s: %s", n, PMU_COUNTERS, n_in_state,
	      mmlab_counter_state_name(state), values->reason);
	check(n_near == n, "%d estimates are near what was executed: %" PRIu64 " of %" PRIu64, n_near, values->value,
	      N_PER_ROUND * rounds);
}

static void test_all_fit(void)
{
	const struct mmlab_counter *values;
	int n = count(
		&values,
		"instructions:u,instructions:u,instructions:u,instructions:u,instructions:u,instructions:u,cycles:u",
		spin, 1000);
	int n_exact = 0;

	for (int i = 0; i < n; i++)
		n_exact += values[i].state == MMLAB_COUNTER_EXACT && values[i].value > N_PER_ROUND * 1000;
	check(n == PMU_COUNTERS + 1 && n_exact == n, "%d events and cycles are all exact", PMU_COUNTERS);
}

/* The PMU opens whatever number it is given, and reads 0 where it has no such event. */
static void test_lacking(void)
{
	static const char *const names[] = {
		"dTLB-load-misses:u",
		"arm_ac57::L1D_TLB_REFILL",
		"arm_ac57::L2D_CACHE_REFILL:u",
		"arm_ac57::BUS_ACCESS:k",
	};
	const struct mmlab_counter *value;

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		int n = count(&value, names[i], call_kernel, 100);

		check(n == 1 && value->state == MMLAB_COUNTER_NOT_SUPPORTED && value->reason[0], "%s: %s, %s", names[i],
		      mmlab_counter_state_name(value->state), value->reason);
	}
}

/* Without a clock of instructions the emulated PMU has no such event. */
static int test_no_instructions(void)
{
	static const char *const names[] = { "instructions:u", "instructions:k", "arm_ac57::INST_RETIRED:u" };
	const struct mmlab_counter *value;

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		int n = count(&value, names[i], spin, 1000000);

		check(n == 1 && value->state == MMLAB_COUNTER_NOT_SUPPORTED && value->reason[0], "%s: %s, %s", names[i],
		      mmlab_counter_state_name(value->state), value->reason);
	}
	check(count(&value, "cycles:u", spin, 1000000) == 1 && value->state == MMLAB_COUNTER_EXACT && value->value,
	      "cycles:u: %s, %s", mmlab_counter_state_name(value->state), value->reason);
	return test_status();
}

static int silent(enum libperf_print_level level, const char *fmt, va_list args)
{
	(void)level;
	(void)fmt;
	(void)args;
	return 0;
}

int main(int argc, char **argv)
{
	if (access("/sys/bus/event_source/devices/armv8_pmuv3_0", F_OK) &&
	    access("/sys/bus/event_source/devices/armv8_pmuv3", F_OK))
		return skip("this is not the emulated PMU that the loops are for");
	libperf_init(silent);
	if (argc > 1 && !strcmp(argv[1], "no-instructions"))
		return test_no_instructions();
	test_user();
	test_scopes();
	test_kernel_repeats();
	test_group();
	test_all_fit();
	test_sharing(9, MMLAB_COUNTER_SCALED);
	test_sharing(15, MMLAB_COUNTER_NOT_COUNTED);
	test_lacking();
	return test_status();
}
