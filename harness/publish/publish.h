/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * What dashboards ingest. A format is one file, which ends in one const struct; publish.c lists them.
 *
 * Validators of these formats let much pass that is wrong: empty sets, series of the same name, values that are no
 * number. So what is published here is checked before a format sees it, and names by the format itself.
 */
#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "../series.h"

/* One metric of one case that has a number. All is borrowed from the result. */
struct mmlab_point_row {
	const json_t *c, *metric;
	const char *scenario, *contender, *name, *unit, *kind;
	bool higher_is_better, exact, unstable;
	size_t n; /* rounds */
	double value, q1, q3;
	double lo, hi;			 /* 95 % interval of the median; NaN below six rounds */
	char params[MMLAB_SERIES_BYTES]; /* "axis=point axis=point" */
};

struct mmlab_publication {
	const json_t *result, *run, *machine;
	const char *execution;
	const char *emulated; /* what every series of an emulated run says of itself; NULL for others */
	const char *origin;   /* of KCIDB */
	size_t n;
	struct mmlab_point_row *rows; /* owned */
	json_t *names;		      /* those given out, to notice a second one; owned */
	char *message;		      /* MMLAB_MESSAGE_BYTES */
};

/**
 * struct mmlab_publish_format - one thing that can be written
 * @name:    as given to --to
 * @summary: half a line
 * @files:   names of the files it makes, ended by NULL; the first is also what goes to standard output
 * @write:   one of these files; 0; 1: it would be empty, and is not to be made; or -EINVAL with a message
 * @unmeasured: it can carry cases that were skipped or failed; others are only counted on standard error
 */
struct mmlab_publish_format {
	const char *name;
	const char *summary;
	const char *const *files;
	int (*write)(FILE *out, struct mmlab_publication *p, size_t file);
	bool unmeasured;
};

/**
 * mmlab_publish_claim() - a name that must be unique among all that this publication gives out
 * Return: 0; -EINVAL with the publication's message if it is taken, or longer than @max.
 */
int mmlab_publish_claim(struct mmlab_publication *p, const char *name, size_t max);

/** mmlab_publish_fits() - that a text which need not be unique is not longer than @max; otherwise as above. */
int mmlab_publish_fits(struct mmlab_publication *p, const char *text, size_t max);

/** mmlab_publish_title() - "scenario/contender axis=point", and whether it was emulated, of @size bytes. Return: @text.
 */
const char *mmlab_publish_title(const struct mmlab_publication *p, const struct mmlab_point_row *row, char *text,
				size_t size);

/** mmlab_publish_map() - put @by for every character that is no letter, digit or one of @also. Return: @text. */
char *mmlab_publish_map(char *text, const char *also, char by);

/** mmlab_publish_start() - the run's start in nanoseconds since 1970; -EINVAL with a message if it is no time. */
int mmlab_publish_start(struct mmlab_publication *p, long long *ret_ns);

/** mmlab_publish_dump() - JSON with full precision and a line feed at the end; takes over @json. Return: 0 or -EINVAL.
 */
int mmlab_publish_dump(FILE *out, struct mmlab_publication *p, json_t *json);

extern const struct mmlab_publish_format mmlab_publish_github, mmlab_publish_bencher, mmlab_publish_perfherder,
	mmlab_publish_kcidb, mmlab_publish_openmetrics, mmlab_publish_influx, mmlab_publish_benchfmt;
