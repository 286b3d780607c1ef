/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * A run as it grows, and the result file made of it. results/schema.json is the contract of that file.
 */
#include <jansson.h>

#include "case.h"

/* One case with what its rounds gave so far. */
struct mmlab_entry {
	struct mmlab_case c;
	enum mmlab_status status;
	char reason[MMLAB_REASON_BYTES];
	uint64_t loops;      /* as calibrated; 0 before */
	unsigned int rounds; /* rounds done */
	json_t *values;      /* metric name -> [[sample, ...] of a round, ...]; owned */
	json_t *missing;     /* metric name -> reason; owned */
	json_t *counters;    /* of the counting round; owned; NULL before */
	json_int_t units, counted_ops;
};

struct mmlab_run {
	char id[48];
	char started[32], finished[32]; /* UTC, ISO 8601 */
	bool complete;
	uint64_t seed;
	const char *profile; /* "quick" or "full" */
	const char *preset;  /* may be NULL */
	json_t *argv;        /* owned */
	json_t *machine;     /* owned */
	json_t *calibration; /* owned */
	unsigned int rounds; /* planned */
	size_t n_entries;
	struct mmlab_entry *entries; /* owned */
};

/** mmlab_run_deinit() - free what a run owns; a half-built one is accepted. */
void mmlab_run_deinit(struct mmlab_run *run);

/**
 * mmlab_entry_add_counts() - take over the answer of the counting round: loop count and counters
 * @entry, @reply: as for mmlab_entry_add()
 */
void mmlab_entry_add_counts(struct mmlab_entry *entry, const json_t *reply);

/**
 * mmlab_entry_add() - take over the answer of one round
 * @entry: its status becomes failed if the answer says so, or if a count that must repeat exactly did not
 * @reply: answer of mmlab_launch(); not consumed
 */
void mmlab_entry_add(struct mmlab_entry *entry, const json_t *reply);

/** mmlab_entry_stop() - the case is skipped or has failed, for this reason; the first reason stays. */
void mmlab_entry_stop(struct mmlab_entry *entry, enum mmlab_status status, const char *reason);

/**
 * mmlab_result_json() - the whole result as it stands now
 * Return: new reference, or NULL without memory.
 */
json_t *mmlab_result_json(const struct mmlab_run *run);

/**
 * mmlab_result_write() - write to a temporary name beside @path, sync, rename
 * Return: 0 or -errno; on failure the former file is untouched.
 */
int mmlab_result_write(const json_t *result, const char *path);

/**
 * mmlab_result_load() - read and check the schema name and version
 * @message: MMLAB_MESSAGE_BYTES; what is wrong with the file
 * Return: 0 or -errno.
 */
int mmlab_result_load(json_t **ret, const char *path, char *message);

/**
 * mmlab_result_resume() - take over into @run the rounds of one that is incomplete, or has fewer than are planned now
 * @run: freshly selected, with the same command line
 * Return: number of cases found again, or -EINVAL with @message if the file is of another machine, kernel or commit.
 */
int mmlab_result_resume(struct mmlab_run *run, const json_t *result, char *message);

/**
 * mmlab_result_rounds() - median of each round of a metric, NaN for a round without a number
 * @ret:    array owned by the caller; NULL without memory
 * @rounds: a metric's "rounds"
 * Return: how many.
 */
size_t mmlab_result_rounds(double **ret, const json_t *rounds);

/** mmlab_status_name() - "ok", "skipped", "failed". */
const char *mmlab_status_name(enum mmlab_status status);
