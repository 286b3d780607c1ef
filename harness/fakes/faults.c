// SPDX-License-Identifier: MIT
/*
 * Preloaded into `mmlab run` by test-faults.py: what the kernel could do to it, at a point that can be chosen.
 *
 *   FAULT=kill:N    SIGKILL before the N-th call that touches a file which is written
 *   FAULT=ERRNO:N   that call fails with this errno, and so do all after it
 *   FAULT=ERRNO:N:once  that call alone
 *   FAULT_MEMORY=N        N allocations after the result file is first written there is no more memory
 *   FAULT_CLOCK=BEGIN:STEP  the time of day begins at BEGIN seconds and steps by STEP at each look at it
 *   FAULT_WARNING=TEXT      hwloc writes TEXT to standard error before it looks at the machine, as it may
 *
 * Only the steering process is meant, neither its cases nor what it forks.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static pid_t steering;
static int fault, calls_left; /* 0: none is to fail */
static bool once, wrong_clock, little_memory, has_written;
static long allocations_left;
static long long now, step;

__attribute__((constructor)) static void begin(int argc, char **argv)
{
	const char *at = getenv("FAULT"), *clock = getenv("FAULT_CLOCK"), *memory = getenv("FAULT_MEMORY");
	char kind[16];

	if (argc < 2 || strcmp(argv[1], "run"))
		return;
	if (at && sscanf(at, "%15[^:]:%d", kind, &calls_left) == 2) {
		steering = getpid();
		once = strstr(at, ":once") != NULL;
		fault = atoi(kind); /* 0: kill */
	}
	if (memory) {
		steering = getpid();
		little_memory = true;
		allocations_left = atol(memory);
	}
	wrong_clock = clock && sscanf(clock, "%lld:%lld", &now, &step) == 2;
}

static bool strikes(void)
{
	if (!calls_left || getpid() != steering || --calls_left > 0)
		return false;
	if (!fault)
		(void)kill(steering, SIGKILL);
	calls_left = once ? 0 : 1; /* and so does what follows */
	errno = fault;
	return true;
}

#ifndef SANITIZED /* sanitizers have an allocator of their own */
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *memory, size_t size);

static bool no_memory(void)
{
	if (!little_memory || !has_written || getpid() != steering || --allocations_left >= 0)
		return false;
	errno = ENOMEM;
	return true;
}

void *malloc(size_t size)
{
	return no_memory() ? NULL : __libc_malloc(size);
}

void *calloc(size_t n, size_t size)
{
	return no_memory() ? NULL : __libc_calloc(n, size);
}

void *realloc(void *memory, size_t size)
{
	return no_memory() ? NULL : __libc_realloc(memory, size);
}
#endif

ssize_t write(int fd, const void *data, size_t size);
ssize_t write(int fd, const void *data, size_t size)
{
	ssize_t (*real)(int, const void *, size_t) = dlsym(RTLD_NEXT, "write");

	return fd > STDERR_FILENO && strikes() ? -1 : real(fd, data, size);
}

int fsync(int fd)
{
	int (*real)(int) = dlsym(RTLD_NEXT, "fsync");

	return strikes() ? -1 : real(fd);
}

int rename(const char *from, const char *to)
{
	int (*real)(const char *, const char *) = dlsym(RTLD_NEXT, "rename");

	return strikes() ? -1 : real(from, to);
}

int open64(const char *path, int flags, ...)
{
	int (*real)(const char *, int, ...) = dlsym(RTLD_NEXT, "open64");
	mode_t mode = 0;
	va_list args;

	va_start(args, flags);
	if (flags & O_CREAT)
		mode = va_arg(args, mode_t);
	va_end(args);
	has_written = has_written || flags & O_CREAT;
	return (flags & O_ACCMODE) == O_WRONLY && strikes() ? -1 : real(path, flags, mode);
}

time_t time(time_t *ret)
{
	time_t (*real)(time_t *) = dlsym(RTLD_NEXT, "time");
	time_t value = wrong_clock ? (time_t)now : real(NULL);

	now += step;
	if (ret)
		*ret = value;
	return value;
}

int hwloc_topology_load(void *topology);
int hwloc_topology_load(void *topology)
{
	int (*real)(void *) = dlsym(RTLD_NEXT, "hwloc_topology_load");
	const char *warning = getenv("FAULT_WARNING");

	if (warning)
		(void)fprintf(stderr, "%s\n", warning);
	return real(topology);
}
