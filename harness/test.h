/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Checks of a test program: each says "ok" or "not ok" with its name; main() ends with test_status().
 */
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>

static int test_failures;

__attribute__((format(printf, 2, 3))) static inline bool check(bool ok, const char *fmt, ...)
{
	va_list args;

	(void)printf(ok ? "ok " : "not ok ");
	va_start(args, fmt);
	(void)vprintf(fmt, args);
	va_end(args);
	(void)printf("\n");
	test_failures += !ok;
	return ok;
}

__attribute__((format(printf, 1, 2))) static inline int skip(const char *fmt, ...)
{
	va_list args;

	(void)printf("skipped: ");
	va_start(args, fmt);
	(void)vprintf(fmt, args);
	va_end(args);
	(void)printf("\n");
	return 77;
}

static inline int test_status(void)
{
	return test_failures ? 1 : 0;
}
