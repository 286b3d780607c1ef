/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * A comparison as JUnit XML, which continuous-integration servers show as test results.
 */
#include <jansson.h>

/**
 * mmlab_junit_write() - one test for each change: a regression, or a difference without direction, has failed; what
 * cannot be told is skipped; the rest has passed
 * @comparison: of mmlab_comparison_json()
 * Return: 0 or -errno; on failure the former file is untouched.
 */
int mmlab_junit_write(const json_t *comparison, const char *path);
