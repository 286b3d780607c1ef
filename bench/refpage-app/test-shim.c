// SPDX-License-Identifier: MIT
/*
 * The shim, from inside a program that runs under it. Without MMLAB_SHIM in its environment the test starts itself once
 * for each way of initialising, with the shim (its first argument) preloaded.
 */
#include <errno.h>
#include <malloc.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define LARGE (64 * 1024)

static int n_wrong;

static void check(bool right, const char *what)
{
	if (right)
		return;
	(void)fprintf(stderr, "%s: %s\n", getenv("MMLAB_SHIM"), what);
	n_wrong++;
}

static bool all_bytes(const void *p, unsigned char value, size_t bytes)
{
	for (size_t i = 0; i < bytes; i++)
		if (((const unsigned char *)p)[i] != value)
			return false;
	return true;
}

static unsigned char fresh_byte(void)
{
	return strcmp(getenv("MMLAB_SHIM"), "nothing") ? 0xaa : 0;
}

static void test_malloc(void)
{
	unsigned char *p = malloc(LARGE + 5), *small = malloc(100);

	check(p && all_bytes(p, fresh_byte(), LARGE + 5), "malloc: not the pattern");
	check(((uintptr_t)p & 4095) == 64, "the shim is not loaded"); /* its blocks begin after a header of 64 bytes */
	check(malloc_usable_size(p) >= LARGE + 5, "malloc_usable_size: too small");
	check(small && malloc_usable_size(small) >= 100, "small block");
	memset(p, 1, LARGE + 5);
	free(p);
	p = malloc(LARGE + 5);
	check(all_bytes(p, fresh_byte(), LARGE + 5), "malloc: what was written before survived");
	free(p);
	free(small);
	free(NULL);
}

static void test_free_keeps_errno(void)
{
	void *p = malloc(LARGE);

	errno = 4711;
	free(p);
	check(errno == 4711, "free changed errno");
}

static void test_calloc(void)
{
	/* volatile: the compiler would know the answer */
	volatile size_t huge = SIZE_MAX / 2;
	unsigned char *p = calloc(LARGE, 3);

	check(p && all_bytes(p, 0, LARGE * 3), "calloc: not zeroes");
	free(p);
	check(!calloc(huge, 3), "calloc: product overflows");
	check(!reallocarray(NULL, huge, 3), "reallocarray: product overflows");
	check(!malloc(huge * 2 - 100), "malloc: sum overflows");
}

static bool counts_up(const unsigned char *p, size_t bytes)
{
	for (size_t i = 0; i < bytes; i++)
		if (p[i] != (unsigned char)(i % 251))
			return false;
	return true;
}

/* Through all sizes: small to small, to large, to larger, back to small. */
static void test_realloc(void)
{
	static const size_t sizes[] = { 10, 1000, LARGE - 1, LARGE, LARGE + 1, 4 * LARGE, 40 * LARGE, 39 * LARGE, LARGE, 50 };
	unsigned char *p = NULL;
	size_t before = 0;

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		size_t kept = before < sizes[i] ? before : sizes[i];

		p = realloc(p, sizes[i]);
		check(p && counts_up(p, kept), "realloc: content lost");
		for (size_t j = 0; j < sizes[i]; j++)
			p[j] = (unsigned char)(j % 251);
		before = sizes[i];
	}
	p = realloc(p, LARGE);
	check(!realloc(p, 0), "realloc to nothing");
}

static void test_memalign(void)
{
	static const size_t aligns[] = { 8, 16, 64, 128, 4096, 8192, 2 << 20 };

	for (size_t i = 0; i < sizeof(aligns) / sizeof(aligns[0]); i++) {
		void *p = NULL, *q, *small = NULL;

		check(!posix_memalign(&p, aligns[i], LARGE) && !((uintptr_t)p % aligns[i]), "posix_memalign");
		check(all_bytes(p, fresh_byte(), LARGE), "posix_memalign: not the pattern");
		q = aligned_alloc(aligns[i], LARGE + 1);
		check(q && !((uintptr_t)q % aligns[i]), "aligned_alloc");
		check(!posix_memalign(&small, aligns[i], 24) && !((uintptr_t)small % aligns[i]), "small posix_memalign");
		free(small);
		q = realloc(q, 8 * LARGE);
		check(q != NULL, "realloc of an aligned block");
		free(q);
		free(p);
	}
	check(posix_memalign(&(void *){ NULL }, 24, LARGE) == EINVAL, "posix_memalign: no power of two");
	free(valloc(LARGE));
	free(pvalloc(LARGE + 1));
}

static void *churn(void *arg)
{
	unsigned char mine = (unsigned char)(uintptr_t)arg;

	for (int i = 0; i < 200; i++) {
		unsigned char *p = malloc(LARGE + (size_t)i * 100);

		memset(p, mine, LARGE);
		p = realloc(p, 3 * LARGE);
		if (!all_bytes(p, mine, LARGE))
			return p;
		free(p);
	}
	return NULL;
}

static void test_threads_and_fork(void)
{
	pthread_t threads[4];
	void *wrong;
	int status = -1;
	pid_t pid;

	for (uintptr_t i = 0; i < 4; i++)
		(void)pthread_create(&threads[i], NULL, churn, (void *)(i + 1));
	pid = fork();
	if (!pid)
		_exit(!!churn((void *)9));
	(void)waitpid(pid, &status, 0);
	check(!status, "allocating in a forked child");
	for (int i = 0; i < 4; i++) {
		(void)pthread_join(threads[i], &wrong);
		check(!wrong, "threads disturb each other");
	}
}

static int run_under(const char *self, const char *shim, const char *mode)
{
	int status;
	pid_t pid = fork();

	if (!pid) {
		(void)setenv("LD_PRELOAD", shim, 1);
		(void)setenv("MMLAB_SHIM", mode, 1);
		(void)execl(self, self, shim, (char *)NULL);
		_exit(99);
	}
	if (waitpid(pid, &status, 0) != pid)
		return 99;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}

int main(int argc, char **argv)
{
	int r;

	if (getenv("MMLAB_SHIM")) {
		test_malloc();
		test_free_keeps_errno();
		test_calloc();
		test_realloc();
		test_memalign();
		test_threads_and_fork();
		return !!n_wrong;
	}
	if (argc < 2)
		return 99;
	r = run_under("/proc/self/exe", argv[1], "nothing");
	if (!r)
		r = run_under("/proc/self/exe", argv[1], "memset");
	if (!r && access("/dev/mmlab", R_OK | W_OK))
		(void)printf("SKIP refpage: no /dev/mmlab\n");
	else if (!r)
		r = run_under("/proc/self/exe", argv[1], "refpage");
	return r;
}
