/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * One contender at one point of the axes: what the callbacks of scenario.h see behind their opaque handle.
 * The steering process uses it to ask about needs; the executed child adds the run-time part.
 */
#include "axis.h"
#include "mmu.h"
#include "scenario.h"

#define MMLAB_MAX_METRICS 32 /* a scenario's own */
#define MMLAB_MAX_TASKS   64
#define MMLAB_REASON_BYTES 256
#define MMLAB_MAX_LOOPS    (INT64_C(1) << 30)

enum mmlab_status { MMLAB_STATUS_OK, MMLAB_STATUS_SKIPPED, MMLAB_STATUS_FAILED };

/* What one task says; lives in memory shared by all tasks of the case. */
struct mmlab_report {
	enum mmlab_status status;
	char reason[MMLAB_REASON_BYTES];
	uint64_t start_ns, end_ns; /* of the last timed run */
	uint64_t lap_ns;           /* when its last part ended; 0 until one does */
	uint64_t parts_ns;         /* of them, those that count */
	uint64_t faults;           /* of the counting pass */
	uint64_t units;
	bool reported[MMLAB_MAX_METRICS];
	double metrics[MMLAB_MAX_METRICS]; /* NaN: missing, and why */
	char missing[MMLAB_MAX_METRICS][MMLAB_REASON_BYTES];
};

struct mmlab_case {
	const struct mmlab_scenario *scenario;
	const struct mmlab_contender *contender;
	struct mmlab_point params[MMLAB_MAX_AXES];

	/* set in the executed child only */
	unsigned int task;
	unsigned int n_peers; /* opened so far */
	unsigned int n_cpus;
	int cpus[2 * MMLAB_MAX_TASKS];
	uint64_t seed;
	uint64_t counted_ops;
	struct mmlab_mmu mmu; /* of the CPU that the task runs on */
	void *state;
	struct mmlab_report *report;
};

/** mmlab_case_name() - "scenario/contender axis=point ..." into @text of @size bytes. Return: @text. */
const char *mmlab_case_name(const struct mmlab_case *c, char *text, size_t size);

/**
 * mmlab_case_cpus() - CPUs chosen for this case: first those of the tasks, then those that their peers take in turn
 * Return: array owned by the case, *ret_n entries.
 */
const int *mmlab_case_cpus(const struct mmlab_case *c, unsigned int *ret_n);

/** mmlab_case_threads() - true if the tasks are threads of one process. */
bool mmlab_case_threads(const struct mmlab_case *c);

/** mmlab_metric_index() - position among the scenario's own metrics, or -ENOENT; mmlab_metrics_count() - how many. */
int mmlab_metric_index(const struct mmlab_scenario *scenario, const char *name);
size_t mmlab_metrics_count(const struct mmlab_scenario *scenario);
