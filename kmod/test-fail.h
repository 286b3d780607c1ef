/* SPDX-License-Identifier: MIT */
/*
 * What one call asks for, and does not get: its 1st allocation or copy from or
 * to user space, then its 2nd, and so on, until it asks for no more. On debug
 * kernels.
 *
 * What is right: the call fails with an error that the interface names, or does
 * without; the same call then succeeds undisturbed, and what it is about works.
 * Afterwards nothing is left: no object, no page, no charge.
 */
#ifndef MMLAB_TEST_FAIL_H
#define MMLAB_TEST_FAIL_H

#include <sys/rseq.h>
#include <sys/syscall.h>

#include "test-group.h"

static int fail_file;

/* Without a trace of each in the kernel's log, which takes longer than the call. */
static inline void fail_quietly(void)
{
	static const char *const verbosities[] = {
		"/sys/kernel/debug/failslab/verbose",
		"/sys/kernel/debug/fail_page_alloc/verbose",
		"/sys/kernel/debug/fail_usercopy/verbose",
	};

	for (size_t i = 0; i < sizeof(verbosities) / sizeof(*verbosities); i++)
		if (access(verbosities[i], F_OK) == 0)
			file_write_text(verbosities[i], "0");
}

/*
 * The kernel writes to the thread's area of restartable sequences whenever it has
 * been preempted, and ends the process if it finds no memory for that.
 */
static inline void rseq_end(void)
{
	enum { BYTES_OF_GLIBC = 32 };

	(void)syscall(SYS_rseq,
		      (char *)__builtin_thread_pointer() + __rseq_offset,
		      BYTES_OF_GLIBC, RSEQ_FLAG_UNREGISTER, RSEQ_SIG);
}

/* For the calling thread: a child of fork() wants its own. */
static inline void fail_open(void)
{
	rseq_end();
	fail_file = open("/proc/thread-self/fail-nth", O_RDWR | O_CLOEXEC);
	if (fail_file < 0)
		SKIP("no fault injection here");
}

/* What the kernel's own access reads from, and writes to. */
static int fail_pipe[2];

/* Skips the check where nothing can be told so. */
static inline void fail_prepare(bool blocking)
{
	const char *ignored = blocking ? "N" : "Y";

	fail_open();
	EXPECT(pipe2(fail_pipe, O_CLOEXEC | O_NONBLOCK) == 0);
	fail_quietly();
	/* Those that may wait for memory fail as well, or are not counted. */
	file_write_text("/sys/kernel/debug/failslab/ignore-gfp-wait", ignored);
	file_write_text("/sys/kernel/debug/fail_page_alloc/ignore-gfp-wait",
			ignored);
	/* So do pages for processes. */
	file_write_text("/sys/kernel/debug/fail_page_alloc/ignore-gfp-highmem",
			ignored);
	file_write_text("/sys/kernel/debug/fail_page_alloc/min-order", "0");
}

/* From here on, the calling thread's nth fails. */
static inline void fail_nth(unsigned int n)
{
	char text[16];

	(void)snprintf(text, sizeof(text), "%u", n);
	EXPECT(pwrite(fail_file, text, strlen(text), 0) ==
	       (ssize_t)strlen(text));
}

/* The kernel writes a 'k' there, and does not try again: EFAULT. */
static inline long fail_kernel_write(volatile void *address)
{
	return read(fail_pipe[0], (void *)(uintptr_t)address, 1);
}

/* The kernel reads a byte there, likewise. */
static inline long fail_kernel_read(const volatile void *address)
{
	return write(fail_pipe[1], (const void *)(uintptr_t)address, 1);
}

/* For the first of these; and after the second. */
static inline void fail_pipe_fill(void)
{
	EXPECT(write(fail_pipe[1], "k", 1) == 1);
}

static inline void fail_pipe_drain(char expected)
{
	char byte;

	EXPECT(read(fail_pipe[0], &byte, 1) == 1);
	EXPECT_EQ(byte, expected);
}

/* No longer; true if there were not so many. */
static inline bool fail_left_over(void)
{
	char text[16] = "";
	/* What is left over may hit this call. */
	bool left = pread(fail_file, text, sizeof(text) - 1, 0) < 0 ||
		    strtol(text, NULL, 10) != 0;

	while (pwrite(fail_file, "0", 1, 0) != 1)
		continue;
	return left;
}

/**
 * struct fail_call - a call in which each thing fails once
 * @name: what it is
 * @prepare: undisturbed, before each time; or NULL
 * @run: the call: -1 and errno, or anything else
 * @finish: looks at what a success has made and ends it; or NULL
 * @never: it succeeds whatever fails: the kernel tries again, or does without
 * @error: may be the error, beside ENOMEM and EFAULT
 * @again: after an error, before the call that must succeed; or NULL
 */
struct fail_call {
	const char *name;
	void (*prepare)(void);
	long (*run)(void);
	void (*finish)(void);
	bool never;
	int error;
	void (*again)(int error);
};

/* Seen by all processes of the test. */
static struct {
	unsigned int n_calls, n_injected, n_errors;
	size_t n_text;
	char text[32768];
} *fail_sum;

/*
 * Said at the end: who prints is charged for a page of the pipe that the output
 * may be, which outlives it.
 */
__attribute__((format(printf, 1, 2)))
static inline void fail_say(const char *format, ...)
{
	size_t room = sizeof(fail_sum->text) - fail_sum->n_text;
	va_list args;
	int n;

	va_start(args, format);
	n = vsnprintf(fail_sum->text + fail_sum->n_text, room, format, args);
	va_end(args);
	if (n > 0 && (size_t)n < room)
		fail_sum->n_text += (size_t)n;
}

enum { FAIL_MOST = 2000 };

static inline void fail_expected(const struct fail_call *call, unsigned int n,
				 long result, int error)
{
	if (result != -1 || (!call->never &&
			     (error == ENOMEM || error == EFAULT ||
			      (call->error && error == call->error))))
		return;
	check_end(1, "%s: when its request %u fails: errno %d (%s)", call->name,
		  n, error, strerror(error));
}

static inline void fail_count(const char *name, unsigned int n_injected,
			      unsigned int n_errors)
{
	fail_sum->n_calls++;
	fail_sum->n_injected += n_injected;
	fail_sum->n_errors += n_errors;
	fail_say("# %s: %u failures, %u errors\n", name, n_injected, n_errors);
}

static inline void fail_call_run(const struct fail_call *call)
{
	unsigned int n = 0, n_errors = 0;
	bool left = false;

	while (!left) {
		long result;
		int error;

		EXPECT(++n < FAIL_MOST);
		if (call->prepare)
			call->prepare();
		fail_nth(n);
		errno = 0;
		result = call->run();
		error = errno;
		left = fail_left_over();
		fail_expected(call, n, result, error);
		if (result == -1) {
			n_errors++;
			if (call->again)
				call->again(error);
			if (call->run() == -1)
				check_end(1, "%s: undisturbed, after its request %u failed: errno %d (%s)",
					  call->name, n, errno, strerror(errno));
		}
		if (call->finish)
			call->finish();
	}
	fail_count(call->name, n - 1, n_errors);
}

/* In a process of its own, so that one that goes wrong is one. */
static inline int fail_child(const struct fail_call *call, void (*begin)(void),
			     void (*end)(void))
{
	pid_t pid = fork();

	EXPECT(pid >= 0);
	if (pid == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (begin)
			begin();
		fail_prepare(true);
		fail_call_run(call);
		if (end)
			end();
		_exit(0);
	}
	return check_wait(pid);
}

/**
 * fail_calls_run() - a whole table
 * @calls: the calls
 * @n: how many
 * @begin: before each of them, or NULL
 * @end: after each of them, or NULL
 */
static inline void fail_calls_run(const struct fail_call *calls, size_t n,
				  void (*begin)(void), void (*end)(void))
{
	unsigned int n_wrong = 0;

	for (size_t i = 0; i < n; i++) {
		int status = fail_child(&calls[i], begin, end);

		if (status == EXIT_SKIP)
			_exit(EXIT_SKIP);
		if (status == 0)
			continue;
		fail_say("# wrong: %s: %s\n", calls[i].name, check_reason);
		check_reason[0] = '\0';
		n_wrong++;
	}
	if (n_wrong)
		check_end(1, "%u calls of %zu go wrong", n_wrong, n);
}

/*
 * Pages that the module's code allocated, and that are not free: those of slabs
 * belong to the kernel. -1 where the kernel does not keep account.
 */
static inline long fail_pages(void)
{
	FILE *file = fopen("/sys/kernel/debug/page_owner_stacks/show_stacks",
			   "re");
	bool ours = false, slab = false;
	char line[512];
	long n, sum = 0;

	if (!file)
		return -1;
	while (fgets(line, sizeof(line), file)) {
		ours |= strstr(line, "[mmlab]") != NULL;
		slab |= strstr(line, "_slab") != NULL ||
			strstr(line, "stack_depot") != NULL;
		if (sscanf(line, "nr_base_pages: %ld", &n) != 1)
			continue;
		if (ours && !slab)
			sum += n;
		ours = slab = false;
	}
	EXPECT(fclose(file) == 0);
	return sum;
}

static long fail_pages_before;

static inline void fail_begin(void)
{
	fail_sum = mmap(NULL, sizeof(*fail_sum), PROT_READ | PROT_WRITE,
			MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (fail_sum == MAP_FAILED) {
		perror("mmap");
		exit(1);
	}
	/* Whoever writes first is charged for it. */
	memset(fail_sum, 0, sizeof(*fail_sum));
	fail_pages_before = fail_pages();
}

/* The pages that were there at the beginning are those that are left. */
static inline bool fail_end(void)
{
	const struct timespec pause = { .tv_sec = 1 };
	long n_left = fail_pages() - fail_pages_before;

	for (int i = 0; i < 60 && n_left != 0; i++) {
		(void)nanosleep(&pause, NULL);
		n_left = fail_pages() - fail_pages_before;
	}
	printf("%.*s", (int)fail_sum->n_text, fail_sum->text);
	printf("# %u calls, %u failures injected, %u errors, %ld pages left\n",
	       fail_sum->n_calls, fail_sum->n_injected, fail_sum->n_errors,
	       n_left);
	if (n_left == 0)
		return true;
	printf("not ok - pages of the module are left\n");
	return false;
}

#endif /* MMLAB_TEST_FAIL_H */
