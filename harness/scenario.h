/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * What a benchmark is made of: scenarios, contenders, axes, metrics, needs.
 *
 * A scenario asks one question and owns the operation that is timed. A contender is one way of doing that
 * operation. Both are const structs; nothing registers itself. All callbacks run in a freshly executed child
 * process (in each of its tasks, where a case has several), never in the process that steers the run.
 * A callback never prints, exits, parses options or reads a clock: it says what went wrong with mmlab_fail().
 */
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "mmu.h"

#define MMLAB_SKIP 1 /* positive outcome of setup: not possible here, reason given by mmlab_skip() */

struct mmlab_case;

/* How the text of an axis point is read, and how it stands in the result file. */
enum mmlab_axis_kind {
	MMLAB_AXIS_BYTES,   /* 4096, 64K, 1M, 2G; an integer in the file */
	MMLAB_AXIS_NUMBER,  /* a plain integer */
	MMLAB_AXIS_PERCENT, /* 0.1, 100; a number in the file; mmlab_param() gives parts per million */
	MMLAB_AXIS_WORD,    /* one of words; mmlab_param() gives its index there */
};

/**
 * struct mmlab_axis - one dimension of a scenario's parameter space
 * @name:    as written on the command line and in the result file
 * @summary: what it means, half a sentence
 * @kind:    how points are read
 * @words:   MMLAB_AXIS_WORD only: all legal words, comma-separated
 * @quick:   points of the quick profile, comma-separated
 * @full:    points of the full profile
 * @min:     smallest legal value (not for words)
 * @max:     largest legal value (not for words)
 * @knob:    a sysfs or sysctl file into which the steering process writes the word before the case, and whose
 *           former value it restores afterwards; NULL if the axis is no knob
 *
 * Two axes are known to the harness itself: "tasks" (NUMBER: how many tasks do the operation at once, each on a
 * CPU of its own) and "mode" (WORD "process,thread": what a task is).
 */
struct mmlab_axis {
	const char *name;
	const char *summary;
	enum mmlab_axis_kind kind;
	const char *words;
	const char *quick;
	const char *full;
	uint64_t min;
	uint64_t max;
	const char *knob;
};

enum mmlab_metric_kind { MMLAB_TIME, MMLAB_RATE, MMLAB_BYTES, MMLAB_COUNT };

/**
 * struct mmlab_metric - one figure that a scenario reports besides the ones that every case has
 * @name:   name in the result file
 * @unit:   "ns", "bytes", "pages", ...
 * @kind:   time, rate, bytes or count
 * @higher_is_better: direction; lower is better unless set
 * @exact:  the value must be the same in every round, to the last unit; otherwise the case has failed
 *
 * @part:   a time that mmlab_lap() measures, and that belongs to "time": then "time" is the sum of such parts
 *
 * Every case has "time" (ns for one unit of one operation) and "faults" (page faults for one operation, exact)
 * without asking.
 */
struct mmlab_metric {
	const char *name;
	const char *unit;
	enum mmlab_metric_kind kind;
	bool higher_is_better;
	bool exact;
	bool part;
};

/* A kernel setting that a contender needs: the steering process saves, sets and restores it. */
struct mmlab_knob {
	const char *path;
	const char *value;
};

/**
 * struct mmlab_needs - what must be there; checked by the harness before anything runs
 * @root:        effective user 0
 * @cpus:        processors that the process may use
 * @nodes:       NUMA nodes with memory
 * @path:        a file that must exist (a device, a sysfs file)
 * @command:     a program that must be on PATH
 * @knobs:       settings, ended by a NULL path
 * @memory_bytes: free memory that one case takes, by its parameters; may be NULL
 * @probe:       anything else: NULL when available, else the reason as static text; no side effects; may be NULL
 */
struct mmlab_needs {
	bool root;
	unsigned int cpus;
	unsigned int nodes;
	const char *path;
	const char *command;
	const struct mmlab_knob *knobs;
	uint64_t (*memory_bytes)(const struct mmlab_case *c);
	const char *(*probe)(void);
};

/**
 * struct mmlab_contender - one way of doing the scenario's operation
 * @name:    short, says the technique
 * @summary: one line for lists and reports
 * @needs:   what must be there
 * @unfit:   says why the contender makes no sense at this point of the axes, as static text, or NULL if it does;
 *           such cases are reported as skipped; may be NULL
 * @inexact_faults: why this contender's fault count may differ between rounds; NULL when it repeats exactly
 * @full_only: left out of a quick run for which nobody named the scenario; nothing else leaves it out
 * @ops:     the callbacks that its scenario asks for: a struct that the scenario's own header declares
 */
struct mmlab_contender {
	const char *name;
	const char *summary;
	struct mmlab_needs needs;
	const char *(*unfit)(const struct mmlab_case *c);
	const char *inexact_faults;
	bool full_only;
	const void *ops;
};

/**
 * struct mmlab_preset - a named choice of contenders and points, for example to reproduce a published table
 * @name:       as in --preset NAME
 * @summary:    what it reproduces, with its source
 * @contenders: names, comma-separated; NULL for all
 * @axes:       "name=point,point" strings ended by NULL; axes not named keep their profile's points
 */
struct mmlab_preset {
	const char *name;
	const char *summary;
	const char *contenders;
	const char *const *axes;
};

/**
 * struct mmlab_scenario - a question and the operation that answers it
 * @name:       name of the scenario and of its folder
 * @question:   the question, one sentence
 * @op:         what one operation is
 * @excluded:   what is deliberately outside the timed region
 * @proof:      which count proves that the intended path ran
 * @axes:       ended by an entry without name; may be NULL
 * @metrics:    ended by an entry without name; may be NULL
 * @presets:    ended by an entry without name; may be NULL
 * @contenders: ended by NULL
 * @floor:      name of the contender that does the least that could be done, or NULL
 * @baseline:   name of the contender that ratios refer to, or NULL
 * @columns:    the axis that tables lay out as columns, or NULL
 * @full_only:  runs in the full profile or when named, not in the quick profile
 * @count_ops:  operations in the counting pass (exact counts are divided by it); 0 means 1
 * @once:       an operation is so long that one, or @count_ops, must do in each round: no calibration, no warming up;
 *              page faults, and in the counting round events, are those of the operations that are timed
 * @unmeant:    true for combinations that are meaningless for every contender; they are not cases at all
 * @setup:      untimed; builds what the operation needs and may set mmlab_set_state(); 0, -errno or MMLAB_SKIP
 * @run:        timed; does the operation @n times in a row; the loop stays in here so that its cost is that of a
 *              plain loop; 0 or -errno
 * @observe:    untimed; called once after the samples, and may report metrics; may be NULL
 * @verify:     untimed; last; proves that content is right and that the intended path ran: 0, or mmlab_fail();
 *              a case whose verification fails is never a number
 * @teardown:   releases everything; accepts half-built state
 */
struct mmlab_scenario {
	const char *name;
	const char *question;
	const char *op;
	const char *excluded;
	const char *proof;
	const struct mmlab_axis *axes;
	const struct mmlab_metric *metrics;
	const struct mmlab_preset *presets;
	const struct mmlab_contender *const *contenders;
	const char *floor;
	const char *baseline;
	const char *columns;
	bool full_only;
	uint64_t count_ops;
	bool once;
	bool (*unmeant)(const struct mmlab_case *c);
	int (*setup)(struct mmlab_case *c);
	int (*run)(struct mmlab_case *c, uint64_t n);
	int (*observe)(struct mmlab_case *c);
	int (*verify)(struct mmlab_case *c);
	void (*teardown)(struct mmlab_case *c);
};

/* All scenarios, ended by NULL; defined by the program that is linked from harness/ and its benchmarks. */
extern const struct mmlab_scenario *const mmlab_scenarios[];

/**
 * mmlab_param() - value of an axis at this case's point
 * @c:    the case
 * @axis: name of one of the scenario's axes; asking for another one is a programming error (aborts)
 *
 * Return: bytes, the number, parts per million (percent), or the index of the word.
 */
uint64_t mmlab_param(const struct mmlab_case *c, const char *axis);

/**
 * mmlab_param_word() - the point as text, as it stands on the command line
 * Return: text owned by the case.
 */
const char *mmlab_param_word(const struct mmlab_case *c, const char *axis);

/** mmlab_ops() - the contender's callbacks, as the scenario's own type. */
const void *mmlab_ops(const struct mmlab_case *c);

/** mmlab_set_state() - hang the scenario's (or contender's) own data on the case; each task has its own. */
void mmlab_set_state(struct mmlab_case *c, void *state);

/** mmlab_state() - what mmlab_set_state() stored, or NULL. */
void *mmlab_state(const struct mmlab_case *c);

/** mmlab_task() - number of this task, 0 up to mmlab_tasks() - 1. */
unsigned int mmlab_task(const struct mmlab_case *c);

/** mmlab_tasks() - how many tasks run this case. */
unsigned int mmlab_tasks(const struct mmlab_case *c);

/** mmlab_seed() - a number that depends on the run's seed, the case and the task alone. */
uint64_t mmlab_seed(const struct mmlab_case *c);

/** mmlab_set_units() - one operation counts as @units (pages, say): "time" is given per unit. Call it in setup. */
void mmlab_set_units(struct mmlab_case *c, uint64_t units);

/**
 * mmlab_faults() - page faults of the counting pass, all of its operations, in this task
 *
 * Valid in observe and verify. Counts the task itself and, with processes as tasks, its threads and reaped children.
 */
uint64_t mmlab_faults(const struct mmlab_case *c);

/** mmlab_counted_ops() - operations that the counting pass did in each task. */
uint64_t mmlab_counted_ops(const struct mmlab_case *c);

/**
 * mmlab_mmu() - does the processor set accessed and dirty bits, or does that take a page fault?
 *
 * Whoever reads what a fork gave it, or writes what was populated in a shared mapping, expects one more fault for each
 * page where it does not: mmu.h says when exactly. Measured for each task before its setup.
 */
const struct mmlab_mmu *mmlab_mmu(const struct mmlab_case *c);

/**
 * mmlab_lap() - in run, of a scenario that does its operation once, by task 0: a part of the operation ends here
 * @metric: one of the scenario's own times; gets the time since the last lap, or since run began. NULL: nobody gets
 *          it; so what has to be done between parts, but belongs to none, is left out
 * @n:      the part was done so many times; the metric is given for one
 *
 * Once there was a lap, "time" is the sum of the parts whose metric says so, and nothing else.
 * Return: the time since the last lap in ns, for metrics that are derived from it.
 */
uint64_t mmlab_lap(struct mmlab_case *c, const char *metric, uint64_t n);

/** mmlab_lap_took() - the same where the tasks of the scenario's own, and not the call, tell how long the part was. */
void mmlab_lap_took(struct mmlab_case *c, const char *metric, uint64_t n, uint64_t elapsed_ns);

/**
 * mmlab_report() - value of one of the scenario's own metrics; only task 0's reports are kept
 * @c:      the case, in observe or verify
 * @metric: name as declared by the scenario (another one aborts)
 * @value:  in the metric's unit
 */
void mmlab_report(struct mmlab_case *c, const char *metric, double value);

/** mmlab_report_missing() - the metric can't be had here; @reason is kept in the result file beside a null. */
void mmlab_report_missing(struct mmlab_case *c, const char *metric, const char *reason);

/**
 * mmlab_fail() - say what went wrong, and with what
 * @c:   the case
 * @err: negative errno; its text is appended; 0 for failures without an errno (a wrong content, a wrong count)
 * @fmt: printf format, no newline
 *
 * Only the first reason of a task is kept.
 * Return: @err, or -EIO for 0, so that it can end a callback: return mmlab_fail(c, -errno, "mmap %zu bytes", n);
 */
int mmlab_fail(struct mmlab_case *c, int err, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/** mmlab_skip() - like mmlab_fail(), for setup: not possible here and not an error. Return: MMLAB_SKIP. */
int mmlab_skip(struct mmlab_case *c, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
