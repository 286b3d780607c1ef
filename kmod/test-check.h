/* SPDX-License-Identifier: MIT */
/*
 * What the module's tests share: every check runs in a process of its own, so
 * that it may crash, change limits or be killed, and is reported as one line
 * of TAP. After each, all objects must be gone.
 *
 * A test says before including this what it is about: CHECK_MECH is a mechanism,
 * whose first CHECK_N_LIVE counters are amounts that must return to 0.
 */
#ifndef MMLAB_TEST_CHECK_H
#define MMLAB_TEST_CHECK_H

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "libmmlab.h"
#include "test-leak-wait.h"

#ifndef CHECK_MECH
#error "CHECK_MECH says which mechanism is tested"
#endif
#ifndef CHECK_N_LIVE
#define CHECK_N_LIVE 1
#endif

/* What a check that failed may have left, but for processes. */
#ifndef CHECK_TIDY
#define CHECK_TIDY() ((void)0)
#endif

#define EXIT_SKIP 77

/*
 * Whether the kernel may be made to patch its code, as it does when a tracepoint
 * or a way of reclaiming is switched: several CPUs that QEMU emulates may crash.
 */
static inline bool code_may_be_patched(void)
{
	return sysconf(_SC_NPROCESSORS_ONLN) == 1;
}

#ifndef CHECK_TIMEOUT_S
#define CHECK_TIMEOUT_S 600
#endif

/* Written by the process that runs the check, read by the reporting one. */
static char *check_reason;
enum { CHECK_REASON_BYTES = 4096, CHECK_MAX_STATS = 64 };

static struct {
	unsigned int n, n_failed, n_skipped;
} check_sum;

__attribute__((noreturn, format(printf, 2, 3)))
static void check_end(int status, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	(void)vsnprintf(check_reason, CHECK_REASON_BYTES, format, args);
	va_end(args);
	_exit(status);
}

/* Ends the check unless the condition holds. Always evaluates it. */
#define EXPECT(condition)                                                  \
	do {                                                               \
		errno = 0;                                                 \
		if (!(condition))                                          \
			check_end(1, "line %d: %s (errno %d: %s)",         \
				  __LINE__, #condition, errno,             \
				  strerror(errno));                        \
	} while (0)

/* The same for two numbers that must be equal. */
#define EXPECT_EQ(got, wanted)                                              \
	do {                                                                \
		long long got_ = (long long)(got);                          \
		long long wanted_ = (long long)(wanted);                    \
		if (got_ != wanted_)                                        \
			check_end(1, "line %d: %s is %lld, not %s = %lld",  \
				  __LINE__, #got, got_, #wanted, wanted_);  \
	} while (0)

/* The same for a call that must fail with one error. */
#define EXPECT_ERRNO(call, error)                                          \
	do {                                                               \
		errno = 0;                                                 \
		long long result_ = (long long)(call);                     \
		int errno_ = errno;                                        \
		if (result_ != -1 || errno_ != (error))                    \
			check_end(1, "line %d: %s gave %lld, errno %d (%s)" \
				  ", not %s", __LINE__, #call, result_,    \
				  errno_, strerror(errno_), #error);       \
	} while (0)

/* A move or a change of size that must fail. */
#define EXPECT_NO_MREMAP(error, ...) \
	EXPECT_ERRNO((intptr_t)mremap(__VA_ARGS__), error)

#define SKIP(...) check_end(EXIT_SKIP, __VA_ARGS__)

/* Ends the process that forked for a part of a check. */
#define EXPECT_CHILD_OK(pid)                                               \
	do {                                                               \
		int status_ = check_wait(pid);                             \
		if (status_ != 0)                                          \
			_exit(status_);                                    \
	} while (0)

/* The exit status; a signal becomes 1 and a reason. */
static int check_wait(pid_t pid)
{
	int status;

	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			check_end(1, "waitpid: %s", strerror(errno));

	if (WIFEXITED(status))
		return WEXITSTATUS(status);
	/* One that waits for another is ended after the other's failure. */
	if (check_reason[0] == '\0')
		(void)snprintf(check_reason, CHECK_REASON_BYTES,
			       "a process was ended by signal %d (%s)",
			       WTERMSIG(status), strsignal(WTERMSIG(status)));
	return 1;
}

/* How many times something is done: fewer on a debug kernel, ten times slower. */
static inline unsigned int check_times(unsigned int stock, unsigned int debug)
{
	return access("/proc/lockdep_stats", F_OK) == 0 ? debug : stock;
}

static void check_stats(uint64_t ret_values[CHECK_MAX_STATS])
{
	if (mmlab_stats(CHECK_MECH, ret_values, CHECK_MAX_STATS) < 0)
		check_end(1, "mmlab_stats: %s", strerror(errno));
}

static inline uint64_t check_stat(unsigned int stat)
{
	uint64_t values[CHECK_MAX_STATS];

	check_stats(values);
	return values[stat];
}

/* Objects and whatever else is still there. */
static uint64_t check_live_now(void)
{
	uint64_t values[CHECK_MAX_STATS], live = 0;

	check_stats(values);
	for (int i = 0; i < CHECK_N_LIVE; i++)
		live += values[i];
	return live;
}

static uint64_t check_live_objects(void)
{
	uint64_t live = check_live_now();

	for (unsigned int n = leak_wait_steps(); live != 0 && n > 0; n--) {
		leak_wait();
		live = check_live_now();
	}
	return live;
}

static void check_run(const char *name, const char *variant, void (*run)(void))
{
	uint64_t live;
	pid_t pid;
	int status;

	check_reason[0] = '\0';
	(void)fflush(stdout);
	pid = fork();
	if (pid == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		(void)setpgid(0, 0);
		(void)alarm(CHECK_TIMEOUT_S);
		run();
		_exit(0);
	}
	status = pid < 0 ? 1 : check_wait(pid);
	/* What its killed children left behind. */
	if (pid > 0)
		(void)kill(-pid, SIGKILL);
	while (wait(NULL) > 0)
		continue;
	CHECK_TIDY();
	/* What a child found that nobody asked for its status. */
	if (status == 0 && check_reason[0] != '\0')
		status = 1;

	live = check_live_objects();
	if (status == 0 && live != 0) {
		(void)snprintf(check_reason, CHECK_REASON_BYTES,
			       "%llu live objects are left",
			       (unsigned long long)live);
		status = 1;
	}

	check_sum.n++;
	printf("%sok %u - %s%s%s", status == 0 || status == EXIT_SKIP ? "" : "not ",
	       check_sum.n, name, variant ? "/" : "", variant ? variant : "");
	if (status == EXIT_SKIP) {
		check_sum.n_skipped++;
		printf(" # SKIP %s", check_reason);
	} else if (status != 0) {
		check_sum.n_failed++;
		printf(": %s", check_reason);
	}
	printf("\n");
	/* Every later check would be blamed for it, after a long wait. */
	if (live != 0) {
		printf("Bail out! objects leak\n");
		exit(1);
	}
	(void)fflush(stdout);
}

/* What a test consists of: a table of these. */
struct check {
	const char *name;
	void (*run)(void);
};

/* Whether an argument of the test, or NULL, chooses it: by a part of its name. */
static inline bool check_is_wanted(const char *name, const char *argument)
{
	return !argument || strstr(name, argument);
}

/* The checks of a table that an argument chooses; @variant may be NULL. */
static inline void checks_run(const struct check *checks, size_t n,
			      const char *variant, const char *argument)
{
	for (size_t i = 0; i < n; i++)
		if (check_is_wanted(checks[i].name, argument))
			check_run(checks[i].name, variant, checks[i].run);
}

/* Whether docs/kernels.md and docs/arm64.md say that the mechanism works here. */
static bool check_mech_is_expected(void)
{
	static const char *const releases[] = { "6.1.", "6.12.", "7.3." };
	struct utsname name;

	if (uname(&name) < 0)
		return true;
	for (size_t i = 0; i < sizeof(releases) / sizeof(releases[0]); i++) {
		if (strncmp(name.release, releases[i], strlen(releases[i])))
			continue;
		if (strcmp(name.machine, "x86_64"))
			return name.release[0] == '6' &&
			       (CHECK_MECH == MMLAB_MECH_REFPAGE ||
				CHECK_MECH == MMLAB_MECH_LOCKBUF);
		return CHECK_MECH != MMLAB_MECH_ARENA || name.release[0] != '7';
	}
	return false;
}

/* Skips the whole program without the module, or if that refuses the mechanism. */
static void check_begin(void)
{
	uint64_t caps;

	(void)prctl(PR_SET_CHILD_SUBREAPER, 1);
	check_reason = mmap(NULL, CHECK_REASON_BYTES, PROT_READ | PROT_WRITE,
			    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (check_reason == MAP_FAILED) {
		perror("mmap");
		exit(1);
	}
	if (mmlab_query(CHECK_MECH, &caps) < 0) {
		/* Without the module there is no device. */
		if (errno == EOPNOTSUPP && check_mech_is_expected()) {
			printf("1..1\nnot ok 1 - the module has the mechanism on this kernel\n");
			exit(1);
		}
		printf("1..0 # SKIP %s: %s\n", MMLAB_DEVICE, strerror(errno));
		exit(EXIT_SKIP);
	}
	if (caps == 0 && check_mech_is_expected()) {
		printf("1..1\nnot ok 1 - the mechanism is not refused on this kernel\n");
		exit(1);
	}
	if (caps == 0) {
		printf("1..0 # SKIP the mechanism is refused: it was not tried on this kernel\n");
		exit(EXIT_SKIP);
	}
}

static int check_finish(void)
{
	printf("1..%u\n# %u passed, %u failed, %u skipped\n", check_sum.n,
	       check_sum.n - check_sum.n_failed - check_sum.n_skipped,
	       check_sum.n_failed, check_sum.n_skipped);
	return check_sum.n_failed ? 1 : 0;
}

#endif /* MMLAB_TEST_CHECK_H */
