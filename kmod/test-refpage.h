/* SPDX-License-Identifier: MIT */
/*
 * What the tests of reference pages share: making, comparing, touching and
 * counting. Contents are always compared as a whole.
 */
#ifndef MMLAB_TEST_REFPAGE_H
#define MMLAB_TEST_REFPAGE_H

#include <fcntl.h>
#include <sys/resource.h>

#define CHECK_MECH MMLAB_MECH_REFPAGE
#include "test-files.h"

static size_t page_bytes;

/* The variant under test. */
static enum mmlab_refpage_form form;

/* 16 bytes: neither uniform nor a whole page. */
static const unsigned char pattern[16] __attribute__((aligned(16))) =
	"0123456789abcdef";
static const unsigned char uniform[16] __attribute__((aligned(16))) = {
	0xaa, 0xaa, 0xaa, 0xaa, 0xaa, 0xaa, 0xaa, 0xaa,
	0xaa, 0xaa, 0xaa, 0xaa, 0xaa, 0xaa, 0xaa, 0xaa,
};

enum { N_PAGES = 64 };

static inline int create(const void *content, size_t bytes)
{
	int fd = mmlab_refpage_create(content, bytes, 0, form);

	EXPECT(fd >= 0);
	return fd;
}

static inline unsigned char *map_fd(int fd, size_t n_pages)
{
	unsigned char *memory = mmap(NULL, n_pages * page_bytes,
				     PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);

	EXPECT(memory != MAP_FAILED);
	return memory;
}

/* A mapping of the pattern that outlives its descriptor. */
static inline unsigned char *map_pattern(size_t n_pages)
{
	int fd = create(pattern, sizeof(pattern));
	unsigned char *memory = map_fd(fd, n_pages);

	EXPECT(close(fd) == 0);
	return memory;
}

static inline bool is_pattern(const volatile unsigned char *memory, size_t bytes)
{
	for (size_t i = 0; i < bytes; i++)
		if (memory[i] != pattern[i % sizeof(pattern)])
			return false;
	return true;
}

/* One page that is the pattern but for one byte. */
static inline bool is_pattern_but(const volatile unsigned char *page, size_t offset,
			   unsigned char byte)
{
	for (size_t i = 0; i < page_bytes; i++)
		if (page[i] != (i == offset ? byte
					    : pattern[i % sizeof(pattern)]))
			return false;
	return true;
}

static inline void touch_read(const volatile unsigned char *memory, size_t n_pages)
{
	for (size_t i = 0; i < n_pages; i++)
		(void)memory[i * page_bytes];
}

static inline void touch_write(volatile unsigned char *memory, size_t n_pages)
{
	for (size_t i = 0; i < n_pages; i++)
		memory[i * page_bytes] = 'W';
}

/*
 * What changed in the counters since the last call. Asking takes no page fault
 * once the stack and the code are there: call it twice before counting.
 */
static uint64_t stats_before[MMLAB_REFPAGE_N_STATS];
static uint64_t stats_delta[MMLAB_REFPAGE_N_STATS];

static inline void stats_mark(void)
{
	uint64_t now[MMLAB_REFPAGE_N_STATS];

	EXPECT_EQ(mmlab_stats(MMLAB_MECH_REFPAGE, now, MMLAB_REFPAGE_N_STATS),
		  MMLAB_REFPAGE_N_STATS);
	for (size_t i = 0; i < MMLAB_REFPAGE_N_STATS; i++)
		stats_delta[i] = now[i] - stats_before[i];
	memcpy(stats_before, now, sizeof(now));
}

static inline pid_t fork_child(void)
{
	pid_t pid = fork();

	EXPECT(pid >= 0);
	if (pid == 0)
		EXPECT(prctl(PR_SET_PDEATHSIG, SIGKILL) == 0);
	return pid;
}

/* Whether an access ends in SIGSEGV. */
static inline bool faults(volatile unsigned char *address, bool write)
{
	int status;
	pid_t pid = fork_child();

	if (pid == 0) {
		if (write)
			*address = 1;
		else
			(void)*address;
		_exit(0);
	}
	EXPECT(waitpid(pid, &status, 0) == pid);
	return WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV;
}

/* Every check in every form; @filter chooses those whose names contain it. */
static inline void refpage_checks_run(const struct check *checks,
				      size_t n_checks, const char *filter)
{
	static const char *const form_names[] = {
		[MMLAB_REFPAGE_UNCOUNTED] = "uncounted",
		[MMLAB_REFPAGE_COUNTED] = "counted",
		[MMLAB_REFPAGE_FILL] = "fill",
	};
	uint64_t caps = 0;

	(void)mmlab_query(MMLAB_MECH_REFPAGE, &caps);
	for (form = MMLAB_REFPAGE_UNCOUNTED; form <= MMLAB_REFPAGE_FILL;
	     form++) {
		if (!(caps & MMLAB_REFPAGE_CAP_FORM(form))) {
			printf("# form %s is not offered here\n",
			       form_names[form]);
			continue;
		}
		checks_run(checks, n_checks, form_names[form], filter);
	}
}

#endif /* MMLAB_TEST_REFPAGE_H */
