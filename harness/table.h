/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Plain-text tables of a result file.
 */
#include <jansson.h>
#include <stdio.h>

/**
 * mmlab_table_print() - print one metric of every scenario, with its ratio to the baseline
 * @out:    where to
 * @result: a loaded result file
 * @metric: name, or NULL for "time"
 *
 * Emulated results say so in the heading. Skipped and failed cases are listed with their reasons, equal ones once.
 */
void mmlab_table_print(FILE *out, const json_t *result, const char *metric);

/** mmlab_table_number() - three significant digits, and for times and sizes the unit that suits. Return: @text. */
const char *mmlab_table_number(char *text, size_t size, double value, const char *unit);
