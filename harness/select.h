/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * From what the command line asks for to the list of cases.
 */
#include <stdbool.h>

#include "case.h"

#define MMLAB_MESSAGE_BYTES 512

struct mmlab_selection {
	char *const *names; /* "scenario" or "scenario/contender" */
	size_t n_names;     /* 0: everything that the profile holds */
	const char *axes[32]; /* "axis=point,point" */
	size_t n_axes;
	const char *preset; /* may be NULL */
	bool full;          /* points of the full profile, else of the quick one */
};

struct mmlab_cases {
	size_t n;
	struct mmlab_case *cases;
};

/**
 * mmlab_select() - list all cases: every chosen contender at every chosen point
 * @ret:     filled on success; free with mmlab_cases_deinit()
 * @message: MMLAB_MESSAGE_BYTES; on -EINVAL says what is unknown and what there is instead
 * Return: 0, -EINVAL or -ENOMEM.
 */
int mmlab_select(struct mmlab_cases *ret, const struct mmlab_selection *selection, char *message);

/** mmlab_cases_deinit() - free the list; an empty one is accepted. */
void mmlab_cases_deinit(struct mmlab_cases *cases);

/**
 * mmlab_select_exact() - one case from "scenario/contender" and one "axis=point" for each of its axes
 * @argv: ended by NULL
 * Return: 0 or -EINVAL with @message.
 */
int mmlab_select_exact(struct mmlab_case *c, char *const *argv, char *message);

/** mmlab_scenario_find() - by name; NULL if there is none. */
const struct mmlab_scenario *mmlab_scenario_find(const char *name);

/** mmlab_contender_find() - by name; NULL if there is none. */
const struct mmlab_contender *mmlab_contender_find(const struct mmlab_scenario *scenario, const char *name);
