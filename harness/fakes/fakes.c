// SPDX-License-Identifier: MIT
/*
 * Scenarios that misbehave in every way that a real one could: the harness is tested with them.
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "../map.h"
#include "../peer.h"
#include "../scenario.h"

/* The second build of this program is slower by this, in `calls` only: what a regression looks like. */
#ifndef PLANT_PERCENT
#define PLANT_PERCENT 0
#endif

/* The third build executes one instruction more in each of these. */
#ifdef PLANT_INSTRUCTION
#define PLANTED_INSTRUCTION "nop"
#else
#define PLANTED_INSTRUCTION ""
#endif

enum flaw {
	NO_FLAW, SKIPS, FAILS_SETUP, FAILS_VERIFY, FAILS_SILENTLY, HANGS, DIES, WAVERS, FORGETS_METRIC, LEAVES_PROCESS,
	LACKS_NUMBER, TASK_DIES, NULL_LOOP, CALLS,
};

struct fake_ops {
	enum flaw flaw;
};

static enum flaw flaw_of(const struct mmlab_case *c)
{
	return ((const struct fake_ops *)mmlab_ops(c))->flaw;
}

static int setup(struct mmlab_case *c)
{
	if (flaw_of(c) == SKIPS)
		return mmlab_skip(c, "there is no %s here", "moon");
	if (flaw_of(c) == FAILS_SETUP)
		return mmlab_fail(c, -ENOMEM, "setting up %d things", 3);
	if (flaw_of(c) == LEAVES_PROCESS && !fork()) {
		(void)signal(SIGTERM, SIG_IGN);
		for (;;)
			(void)pause();
	}
	return 0;
}

static bool touches(const struct mmlab_case *c)
{
	return flaw_of(c) != NULL_LOOP && flaw_of(c) != CALLS;
}

static int run_without_faults(struct mmlab_case *c, uint64_t n)
{
	for (n = flaw_of(c) == CALLS ? n + n * PLANT_PERCENT / 100 : n; n; n--)
		if (flaw_of(c) == CALLS) {
			__asm__ volatile(PLANTED_INSTRUCTION);
			(void)syscall(SYS_getppid);
		} else {
			__asm__ volatile("" ::: "memory"); /* or the loop would be deleted */
		}
	return 0;
}

/* One operation touches as many new pages as the axis says. */
static int run(struct mmlab_case *c, uint64_t n)
{
	size_t bytes = mmlab_param(c, "pages") * mmlab_page_bytes();

	if (!touches(c))
		return run_without_faults(c, n);
	if (flaw_of(c) == HANGS)
		for (;;)
			(void)pause();
	if (flaw_of(c) == DIES || (flaw_of(c) == TASK_DIES && mmlab_task(c) == 1))
		(void)raise(SIGSEGV);
	for (; n; n--) {
		struct mmlab_map map;
		int r = mmlab_map_open(&map, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		if (r < 0)
			return mmlab_fail(c, r, "mmap");
		for (size_t at = 0; at < bytes; at += mmlab_page_bytes())
			((volatile char *)map.addr)[at] = 1;
		mmlab_map_close(&map);
	}
	return 0;
}

static int verify(struct mmlab_case *c)
{
	if (flaw_of(c) == FAILS_VERIFY)
		return mmlab_fail(c, 0, "byte 7 is wrong");
	if (flaw_of(c) == FAILS_SILENTLY)
		return -EIO;
	if (mmlab_faults(c) != mmlab_counted_ops(c) * (touches(c) ? mmlab_param(c, "pages") : 0))
		return mmlab_fail(c, 0, "%llu faults", (unsigned long long)mmlab_faults(c));
	if (flaw_of(c) == LACKS_NUMBER)
		mmlab_report_missing(c, "weight", "no scales");
	else if (flaw_of(c) != FORGETS_METRIC)
		mmlab_report(c, "weight", flaw_of(c) == WAVERS ? (double)(mmlab_seed(c) % 1000000) : 42);
	return 0;
}

#define FAKE(symbol, text, kind) \
	static const struct mmlab_contender symbol = { \
		.name = text, .summary = "a fake", .ops = &(const struct fake_ops){ kind } }
FAKE(good, "good", NO_FLAW);
FAKE(other, "other", NO_FLAW);
FAKE(skips, "skips", SKIPS);
FAKE(fails_setup, "fails-setup", FAILS_SETUP);
FAKE(fails_verify, "fails-verify", FAILS_VERIFY);
FAKE(fails_silently, "fails-silently", FAILS_SILENTLY);
FAKE(hangs, "hangs", HANGS);
FAKE(dies, "dies", DIES);
FAKE(wavers, "wavers", WAVERS);
FAKE(forgets_metric, "forgets-metric", FORGETS_METRIC);
FAKE(leaves_process, "leaves-process", LEAVES_PROCESS);
FAKE(lacks_number, "lacks-number", LACKS_NUMBER);
FAKE(task_dies, "task-dies", TASK_DIES);
FAKE(null_loop, "null", NULL_LOOP);
FAKE(calls, "calls", CALLS);

static const struct mmlab_contender needs_file = {
	.name = "needs-file", .summary = "a fake", .needs = { .path = "/nonexistent" },
	.ops = &(const struct fake_ops){ NO_FLAW },
};

static const struct mmlab_contender needs_cpus = {
	.name = "needs-cpus", .summary = "a fake", .needs = { .cpus = 2 }, .ops = &(const struct fake_ops){ NO_FLAW },
};

static const struct mmlab_contender full = {
	.name = "full", .summary = "a fake", .full_only = true, .ops = &(const struct fake_ops){ NO_FLAW },
};

static const struct mmlab_knob knobs[] = { { "fake-knob", "on" }, { 0 } };
static const struct mmlab_contender turns_knob = {
	.name = "turns-knob", .summary = "a fake", .needs = { .knobs = knobs },
	.ops = &(const struct fake_ops){ NO_FLAW },
};

static const struct mmlab_scenario fake = {
	.name = "fake",
	.question = "Does the harness notice?",
	.op = "touch some pages",
	.axes = (const struct mmlab_axis[]){
		{ "pages", "pages to touch", MMLAB_AXIS_NUMBER, NULL, "2", "2,8", 1, 1000, NULL },
		{ "tasks", "tasks at once", MMLAB_AXIS_NUMBER, NULL, "1", "1,2", 1, 64, NULL },
		{ "mode", "what a task is", MMLAB_AXIS_WORD, "process,thread", "process", "process,thread", 0, 0, NULL },
		{ 0 } },
	.metrics = (const struct mmlab_metric[]){
		{ "weight", "bytes", MMLAB_BYTES, false, true },
		{ 0 } },
	.presets = (const struct mmlab_preset[]){
		{ "pair", "two contenders at two points", "good,other", (const char *const[]){ "pages=1,3", NULL } },
		{ 0 } },
	.contenders = (const struct mmlab_contender *const[]){
		&good, &other, &skips, &fails_setup, &fails_verify, &fails_silently, &hangs, &dies, &wavers,
		&forgets_metric, &leaves_process, &lacks_number, &task_dies, &needs_file, &needs_cpus, &turns_knob, &full,
		&null_loop, &calls, NULL },
	.floor = NULL,
	.baseline = "good",
	.columns = "pages",
	.count_ops = 3,
	.setup = setup,
	.run = run,
	.verify = verify,
};

/* A scenario whose operation is done once, and has parts. */
static int run_once(struct mmlab_case *c, uint64_t n)
{
	static uint64_t n_runs;

	if (n != 1 || n_runs++)
		return mmlab_fail(c, 0, "run for the %lluth time, %llu operations", (unsigned long long)n_runs,
				  (unsigned long long)n);
	(void)usleep(1000);
	(void)mmlab_lap(c, "first", 1);
	(void)usleep(50000);
	(void)mmlab_lap(c, NULL, 1);
	(void)usleep(4000);
	(void)mmlab_lap(c, "second", 4);
	(void)usleep(50000);
	(void)mmlab_lap(c, "aside", 1);
	(void)usleep(50000);
	return 0;
}

FAKE(parts, "parts", NO_FLAW);

static const struct mmlab_scenario once = {
	.name = "once",
	.question = "Are parts told apart?",
	.op = "sleep",
	.metrics = (const struct mmlab_metric[]){
		{ .name = "first", .unit = "ns", .kind = MMLAB_TIME, .part = true },
		{ .name = "second", .unit = "ns", .kind = MMLAB_TIME, .part = true },
		{ .name = "aside", .unit = "ns", .kind = MMLAB_TIME },
		{ 0 } },
	.contenders = (const struct mmlab_contender *const[]){ &parts, NULL },
	.once = true,
	.run = run_once,
};

const struct mmlab_scenario *const mmlab_scenarios[] = { &fake, &once, NULL };
