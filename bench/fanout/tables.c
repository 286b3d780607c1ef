// SPDX-License-Identifier: MIT
/*
 * What the sources count differs in three ways, all of them exact:
 *
 * - VmPTE charges each process for tables of the second level that hugetlb shares; PageTables counts them once.
 * - PageTables of older kernels leaves out tables of the third level (PUD); whether this one does is tried.
 * - The hosts of the module are address spaces without a process: in PageTables, in no VmPTE, counted by the module.
 *
 * PageTables is of the whole machine. It is asked for when guests do nothing. Where it disagrees and others were at
 * work, it is no source: they started processes, or it is not the same after the guests' end as before, or it goes on
 * changing. Else it is wrong.
 */
#include "tables.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "../old-tables.h"
#include "cleanup.h"
#include "guest.h"
#include "procfs.h"

/* A place where nothing is, not even a table of the third level. */
#define LONELY_PLACE ((char *)0x280000000000)

#define MAX_TRIES 10

/* How long PageTables must stay as it is for a machine to be at rest. */
#define REST_READS 20
#define REST_NS	   10000000

/* Each CPU keeps a part of the count to itself, unless asked to give it up. */
static int refresh(void)
{
	_cleanup_(mmlab_closep) int fd = open("/proc/sys/vm/stat_refresh", O_WRONLY | O_CLOEXEC);

	return fd >= 0 && write(fd, "1", 1) == 1 ? 0 : -errno;
}

static int read_system(uint64_t *ret)
{
	int r = refresh();

	return r ? r : mmlab_field_read(ret, "/proc/meminfo", "PageTables");
}

static int read_process(uint64_t *ret, int pid)
{
	char path[40];

	(void)snprintf(path, sizeof(path), "/proc/%d/status", pid);
	return mmlab_field_read(ret, path, "VmPTE");
}

/* Processes and threads that were ever started. */
static int read_forks(uint64_t *ret)
{
	_cleanup_(mmlab_fclosep) FILE *file = fopen("/proc/stat", "re");
	char line[4096];

	while (file && fgets(line, sizeof(line), file))
		if (sscanf(line, "processes %lu", ret) == 1)
			return 0;
	return file ? -ENOENT : -errno;
}

/* By how much PageTables grows with one page in a place of its own. */
static int try_page(const struct fanout *f, uint64_t *ret)
{
	uint64_t before, after;
	char *page;
	int r = read_system(&before);

	if (r)
		return r;
	page = mmap(LONELY_PLACE, f->page_bytes, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE | MAP_POPULATE, -1, 0);
	if (page == MAP_FAILED)
		return -errno;
	r = read_system(&after);
	(void)munmap(page, f->page_bytes);
	*ret = after - before;
	return r;
}

int fanout_tables_init(struct fanout *f)
{
	uint64_t grown = 0, last = 1;

	await_old_tables();
	/* Others may be at work: the same answer twice in a row is believed. */
	for (int i = 0; i < MAX_TRIES && grown != last; i++) {
		int r;

		last = grown;
		r = try_page(f, &grown);
		if (r == -EACCES || r == -EPERM) {
			f->no_system = "needs root: else each CPU keeps a part of PageTables to itself";
			return 0;
		}
		if (r)
			return r;
	}
	f->counts_puds = grown == 3 * f->page_bytes;
	if (!f->counts_puds && grown != 2 * f->page_bytes)
		f->no_system = "it is not clear what PageTables counts; other processes change it all the time";
	return 0;
}

int fanout_tables_read(const struct fanout *f, struct fanout_tables *ret)
{
	struct fanout_tables now = { 0 };
	int r = read_process(&now.creator, getpid());

	for (unsigned int i = 0; !r && f->crowd && !fanout_ops(f)->threads && i < f->n; i++) {
		uint64_t bytes;

		r = read_process(&bytes, mmlab_crowd_pid(f->crowd, i));
		now.guests += r ? 0 : bytes;
	}
	if (!r && !f->no_system)
		r = read_system(&now.system);
	if (!r)
		r = read_forks(&now.n_forks);
	if (!r)
		*ret = now;
	return r;
}

static uint64_t second_level(const struct fanout *f)
{
	size_t before = (uintptr_t)fanout_creator_place(f) % FANOUT_GIB;

	return (before + f->bytes + FANOUT_GIB - 1) / FANOUT_GIB * f->page_bytes;
}

static uint64_t last_level(const struct fanout *f)
{
	return (f->bytes + FANOUT_CHUNK_BYTES - 1) / FANOUT_CHUNK_BYTES * f->page_bytes;
}

uint64_t fanout_tables_own(const struct fanout *f)
{
	uint64_t third_level = f->page_bytes;

	return third_level + second_level(f) + (fanout_ops(f)->leaf == FANOUT_PTES ? last_level(f) : 0);
}

/* What the module should say: its tables, and one of the third level above them. */
static uint64_t module_expected(const struct fanout *f)
{
	return fanout_ops(f)->module ? last_level(f) + second_level(f) + f->page_bytes : 0;
}

/* Of the bytes that @n address spaces have, those that PageTables does not count. */
static uint64_t uncounted_puds(const struct fanout *f, uint64_t n)
{
	return f->counts_puds ? 0 : n * f->page_bytes;
}

/* How PageTables grew by the memory: when it was made, and when guests attached and touched it. */
static uint64_t system_grown(const struct fanout *f)
{
	return f->filled.system - f->before.system + f->touched.system - f->started.system;
}

static uint64_t vmpte_grown(const struct fanout *f)
{
	return f->filled.creator - f->before.creator + f->touched.guests - f->started.guests;
}

/* How PageTables should have grown by what the other sources say. */
static uint64_t system_expected(const struct fanout *f)
{
	const struct fanout_ops *ops = fanout_ops(f);
	uint64_t n = ops->threads ? 0 : f->n;
	uint64_t shared = ops->shares_pmds ? n * second_level(f) : 0;

	return vmpte_grown(f) - shared + module_expected(f) - uncounted_puds(f, n + 1 + ops->module) +
	       f->touched.creator - f->started.creator;
}

/* Does PageTables change now, when this process does nothing about it? */
static bool is_restless(void)
{
	uint64_t first, now;

	if (read_system(&first))
		return true;
	for (int i = 0; i < REST_READS; i++) {
		(void)nanosleep(&(struct timespec){ .tv_nsec = REST_NS }, NULL);
		if (read_system(&now) || now != first)
			return true;
	}
	return false;
}

/* Others may be at work where the sources disagree; where they agree, there is nothing to explain. */
static bool is_disturbed(const struct fanout *f)
{
	if (system_grown(f) == system_expected(f))
		return false;
	return f->ended.n_forks - f->before.n_forks != f->n + FANOUT_FORKS ||
	       f->ended.system - f->filled.system != f->ended.creator - f->filled.creator || is_restless();
}

void fanout_tables_observe(struct fanout *f)
{
	static const char disturbed[] = "page tables of other processes changed meanwhile";
	const char *missing;

	if (!f->no_system && is_disturbed(f))
		f->no_system = disturbed;
	missing = f->no_system;

	mmlab_report(f->c, "tables-vmpte", (double)vmpte_grown(f));
	if (missing) {
		mmlab_report_missing(f->c, "tables-system", missing);
		mmlab_report_missing(f->c, "tables-each", missing);
	} else {
		mmlab_report(f->c, "tables-system", (double)system_grown(f));
		mmlab_report(f->c, "tables-each", (double)(f->touched.system - f->started.system) / f->n);
	}
	if (fanout_ops(f)->module)
		mmlab_report(f->c, "tables-module", (double)f->info.table_bytes);
	else
		mmlab_report_missing(f->c, "tables-module", "the module has no part in it");
}

static int expect(const struct fanout *f, const char *what, uint64_t found, uint64_t expected)
{
	if (found == expected)
		return 0;
	return mmlab_fail(f->c, 0, "%s: %llu bytes, expected %llu", what, (unsigned long long)found,
			  (unsigned long long)expected);
}

int fanout_tables_verify(struct fanout *f)
{
	const struct fanout_ops *ops = fanout_ops(f);
	uint64_t own = fanout_tables_own(f), n = ops->threads ? 0 : f->n;
	int r = expect(f, "VmPTE of the creator grew by", f->filled.creator - f->before.creator, own);

	if (!r)
		r = expect(f, "VmPTE of all guests grew by", f->touched.guests - f->started.guests, n * own);
	if (!r && ops->threads)
		r = expect(f, "VmPTE of the process with all threads grew by", f->touched.creator - f->started.creator,
			   0);
	if (!r && ops->module)
		r = expect(f, "the module counts", f->info.table_bytes, module_expected(f));
	if (!r && !f->no_system)
		r = expect(f, "PageTables grew by", system_grown(f), system_expected(f));
	return r;
}
