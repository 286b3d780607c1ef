// SPDX-License-Identifier: MIT
/*
 * What of the module is executed: kcov, of a module built with KCOV_INSTRUMENT=y
 * for a kernel with CONFIG_KCOV. The set of places is in memory of all processes.
 */
#include "fuzz.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#define KCOV_PATH "/sys/kernel/debug/kcov"
#define KCOV_INIT_TRACE _IOR('c', 1, unsigned long)
#define KCOV_ENABLE _IO('c', 100)

enum { TRACE_WORDS = 64 << 10, N_PLACES = 1 << 16 };

static struct places {
	uint64_t text; /* where the module's code is */
	_Atomic uint32_t n;
	_Atomic uint64_t at[N_PLACES]; /* a hash table */
} *places;
static __thread _Atomic uint64_t *trace;
static __thread pid_t trace_owner;

static uint64_t module_text(void)
{
	FILE *file = fopen("/sys/module/mmlab/sections/.text", "re");
	char line[32] = "";

	if (!file)
		return 0;
	if (!fgets(line, sizeof(line), file))
		line[0] = '\0';
	(void)fclose(file);
	return strtoull(line, NULL, 16);
}

bool fuzz_cover_open(int fd, bool create)
{
	if (create) {
		int made;

		if (access(KCOV_PATH, R_OK | W_OK) < 0 || module_text() == 0)
			return false;
		made = memfd_create("fuzz-places", 0);
		if (made < 0 || ftruncate(made, sizeof(*places)) < 0 ||
		    dup2(made, fd) < 0)
			return false;
		(void)close(made);
	}
	places = mmap(NULL, sizeof(*places), PROT_READ | PROT_WRITE, MAP_SHARED,
		      fd, 0);
	if (places == MAP_FAILED) {
		places = NULL;
		return false;
	}
	if (create)
		places->text = module_text();
	return true;
}

void fuzz_cover_begin(void)
{
	int fd;

	if (trace && trace_owner == gettid())
		return;
	/* One that a parent has is not the child's. */
	trace = NULL;
	trace_owner = gettid();
	fd = open(KCOV_PATH, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return;
	if (ioctl(fd, KCOV_INIT_TRACE, (unsigned long)TRACE_WORDS) == 0) {
		void *memory = mmap(NULL, TRACE_WORDS * sizeof(*trace),
				    PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

		if (memory != MAP_FAILED && ioctl(fd, KCOV_ENABLE, 0UL) == 0)
			trace = memory;
	}
	/* The memory keeps it. */
	(void)close(fd);
	if (trace)
		atomic_store(&trace[0], 0);
}

static void place_add(uint64_t at)
{
	uint32_t slot = (uint32_t)(at * 2654435761U >> 8) % N_PLACES;

	for (unsigned int tries = 0; tries < N_PLACES; tries++) {
		uint64_t there = 0;

		if (atomic_load(&places->at[slot]) == at)
			return;
		if (atomic_compare_exchange_strong(&places->at[slot], &there,
						   at)) {
			atomic_fetch_add(&places->n, 1);
			return;
		}
		if (there == at)
			return;
		slot = (slot + 1) % N_PLACES;
	}
}

void fuzz_cover_collect(void)
{
	uint64_t n;

	if (!trace || trace_owner != gettid())
		return;
	n = atomic_load(&trace[0]);
	for (uint64_t i = 1; i <= n && i < TRACE_WORDS; i++) {
		uint64_t pc = atomic_load(&trace[i]);

		/* Of the module alone, should the kernel be watched, too. */
		if (pc - places->text < 16 << 20)
			place_add(pc - places->text);
	}
	atomic_store(&trace[0], 0);
}

unsigned int fuzz_cover_n(void)
{
	return places ? atomic_load(&places->n) : 0;
}

int fuzz_cover_write(const char *path)
{
	FILE *file = fopen(path, "we");

	if (!file)
		return -errno;
	for (unsigned int i = 0; places && i < N_PLACES; i++)
		if (atomic_load(&places->at[i]))
			fprintf(file, "0x%llx\n", (unsigned long long)
				atomic_load(&places->at[i]));
	return fclose(file) == 0 ? 0 : -errno;
}
