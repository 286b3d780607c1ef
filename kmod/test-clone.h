/* SPDX-License-Identifier: MIT */
/*
 * What the tests of clones share: another process that does what it is told,
 * and memory whose every byte is known.
 */
#ifndef MMLAB_TEST_CLONE_H
#define MMLAB_TEST_CLONE_H

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#define CHECK_MECH MMLAB_MECH_CLONE
#include "test-files.h"

#define PAGE 4096UL
#define HUGE (2UL << 20)

/* Where sources are, and where clones at another address go. */
#define SOURCE_ADDR ((char *)0x100000000000UL)
#define OTHER_ADDR ((char *)0x200000000000UL)

/* Where the clone lies, seen from the source. */
enum place {
	PLACE_SAME, /* at the same address */
	PLACE_EVEN, /* elsewhere, at the same offset from 2 MiB */
	PLACE_ODD, /* elsewhere, at another offset */
};
enum { N_PLACES = 3 };
static enum place place;

static inline char *clone_addr(const char *source)
{
	switch (place) {
	case PLACE_SAME:
		return (char *)source;
	case PLACE_EVEN:
		return OTHER_ADDR + (source - SOURCE_ADDR);
	default:
		return OTHER_ADDR + (source - SOURCE_ADDR) + 3 * PAGE;
	}
}

/*
 * The other process: it has the same code, so that any function can be called
 * in it. What it does not survive ends the check with its reason.
 */
struct peer {
	pid_t pid;
	int fd;
};

typedef long (*peer_function)(long a, long b, long c);

struct peer_call {
	peer_function function;
	long args[3];
};

static inline void peer_serve(int fd)
{
	struct peer_call call;

	while (read(fd, &call, sizeof(call)) == sizeof(call)) {
		long result = call.function(call.args[0], call.args[1],
					    call.args[2]);

		EXPECT(write(fd, &result, sizeof(result)) == sizeof(result));
	}
	_exit(0);
}

static inline struct peer peer_start(void)
{
	struct peer peer;
	int fds[2];

	EXPECT(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) == 0);
	peer.pid = fork();
	EXPECT(peer.pid >= 0);
	if (peer.pid == 0) {
		EXPECT(prctl(PR_SET_PDEATHSIG, SIGKILL) == 0);
		/* Also what other peers listen to: they end when it closes. */
		for (int fd = 3; fd < 64; fd++)
			if (fd != fds[1])
				(void)close(fd);
		peer_serve(fds[1]);
	}
	EXPECT(close(fds[1]) == 0);
	peer.fd = fds[0];
	return peer;
}

/* Two halves, for what blocks. */
static inline void peer_begin(struct peer peer, peer_function function, long a,
			      long b, long c)
{
	struct peer_call call = { function, { a, b, c } };

	EXPECT(write(peer.fd, &call, sizeof(call)) == sizeof(call));
}

static inline long peer_result(struct peer peer)
{
	long result;

	if (read(peer.fd, &result, sizeof(result)) != sizeof(result)) {
		(void)waitpid(peer.pid, NULL, 0);
		if (check_reason[0] == '\0')
			check_end(1, "the other process ended");
		_exit(1);
	}
	return result;
}

static inline long peer_call(struct peer peer, peer_function function, long a,
			     long b, long c)
{
	peer_begin(peer, function, a, b, c);
	return peer_result(peer);
}

static inline void peer_end(struct peer peer)
{
	EXPECT(close(peer.fd) == 0);
	EXPECT_CHILD_OK(peer.pid);
}

static inline void peer_kill(struct peer peer)
{
	EXPECT(kill(peer.pid, SIGKILL) == 0);
	EXPECT(waitpid(peer.pid, NULL, 0) == peer.pid);
	EXPECT(close(peer.fd) == 0);
}

/*
 * Contents: every word of a page is made of a seed and its place in the range,
 * so that no page can stand for another.
 */

static inline uint64_t word_at(long seed, size_t index)
{
	return ((uint64_t)seed << 48) ^ (index * 0x9e3779b97f4a7c15UL);
}

/* These can be called here and in a peer. */
static inline long fill(long addr, long bytes, long seed)
{
	volatile uint64_t *words = (volatile uint64_t *)addr;

	for (size_t i = 0; i < (size_t)bytes / 8; i++)
		words[i] = word_at(seed, i);
	return 0;
}

/* 0, or 1 and the place of the first difference. */
static inline long differs(long addr, long bytes, long seed)
{
	const volatile uint64_t *words;

	/* To the compiler a mapping at a fixed address is an array from there. */
	__asm__("" : "+r"(addr));
	words = (const volatile uint64_t *)addr;
	for (size_t i = 0; i < (size_t)bytes / 8; i++) {
		uint64_t word = words[i];

		if (word != word_at(seed, i)) {
			(void)snprintf(check_reason, CHECK_REASON_BYTES,
				       "at %#lx, byte %zu, is %#llx, not %#llx",
				       addr, 8 * i, (unsigned long long)word,
				       (unsigned long long)word_at(seed, i));
			return 1;
		}
	}
	return 0;
}

static inline long map_at(long addr, long bytes, long prot)
{
	return (long)mmap((void *)addr, (size_t)bytes, (int)prot,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1,
			  0) == addr;
}

static inline long unmap_at(long addr, long bytes, long unused)
{
	(void)unused;
	return munmap((void *)addr, (size_t)bytes);
}

static inline long advise(long addr, long bytes, long advice)
{
	return madvise((void *)addr, (size_t)bytes, (int)advice);
}

static inline long protect(long addr, long bytes, long prot)
{
	return mprotect((void *)addr, (size_t)bytes, (int)prot);
}

/* Memory of a peer that holds what @seed makes. Without huge pages. */
static inline void source_make(struct peer peer, char *addr, size_t bytes,
			       long seed)
{
	EXPECT(peer_call(peer, map_at, (long)addr, (long)bytes,
			 PROT_READ | PROT_WRITE));
	EXPECT_EQ(peer_call(peer, advise, (long)addr, (long)bytes,
			    MADV_NOHUGEPAGE), 0);
	EXPECT_EQ(peer_call(peer, fill, (long)addr, (long)bytes, seed), 0);
}

static inline struct peer source_start(size_t bytes)
{
	struct peer peer = peer_start();

	source_make(peer, SOURCE_ADDR, bytes, 1);
	return peer;
}

/* Written by the kernel: a byte of a pipe. */
static inline long read_into(long addr, long byte, long unused)
{
	char value = (char)byte;
	int fds[2], error;
	long n;

	(void)unused;
	EXPECT(pipe(fds) == 0);
	EXPECT(write(fds[1], &value, 1) == 1);
	n = read(fds[0], (void *)addr, 1);
	error = errno;
	EXPECT(close(fds[0]) == 0 && close(fds[1]) == 0);
	errno = error;
	return n;
}

static inline long lock_at(long addr, long bytes, long unused)
{
	(void)unused;
	return mlock((void *)addr, (size_t)bytes);
}

/* @call tells what was expected of whom. */
#define EXPECT_SAME(call)                                                   \
	do {                                                                \
		if ((call) != 0) {                                          \
			char why_[512];                                     \
			(void)snprintf(why_, sizeof(why_), "%s",            \
				       check_reason);                       \
			check_end(1, "line %d: %s: %s", __LINE__, #call,    \
				  why_);                                    \
		}                                                           \
	} while (0)

#define EXPECT_HERE(addr, bytes, seed) \
	EXPECT_SAME(differs((long)(addr), (long)(bytes), seed))
#define EXPECT_THERE(peer, addr, bytes, seed) \
	EXPECT_SAME(peer_call(peer, differs, (long)(addr), (long)(bytes), seed))

/* Clones to where this run of the check wants it. */
static inline char *clone_with(struct peer peer, const char *source,
			       size_t bytes, unsigned long flags)
{
	char *wanted = clone_addr(source);
	char *addr = mmlab_process_vm_mmap(peer.pid, source, bytes, wanted,
					   PVMMAP_FIXED_NOREPLACE | flags);

	EXPECT(addr != MAP_FAILED);
	EXPECT(addr == wanted);
	return addr;
}

static inline char *clone_to(struct peer peer, const char *source, size_t bytes)
{
	return clone_with(peer, source, bytes, 0);
}

static inline void expect_fails(void *result, int error, int line)
{
	int got = errno;

	if (result != MAP_FAILED || got != error)
		check_end(1, "line %d: gave %p, errno %d (%s), not %s", line,
			  result, got, strerror(got), strerror(error));
}
#define EXPECT_FAILS(call, error)                    \
	do {                                         \
		errno = 0;                           \
		void *result_ = (call);              \
		expect_fails(result_, error, __LINE__); \
	} while (0)

/* What changed in the counters since the last call. */
static uint64_t stats_before[CHECK_MAX_STATS];
static uint64_t stats_delta[CHECK_MAX_STATS];

static inline void stats_mark(void)
{
	uint64_t now[CHECK_MAX_STATS];

	check_stats(now);
	for (size_t i = 0; i < CHECK_MAX_STATS; i++)
		stats_delta[i] = now[i] - stats_before[i];
	memcpy(stats_before, now, sizeof(now));
}

#define EXPECT_STAT(name, wanted) \
	EXPECT_EQ(stats_delta[MMLAB_CLONE_STAT_##name], wanted)

/* What all processes may write to at most, in bytes. */
static inline long committed(void)
{
	char line[128];
	long kbytes = -1;
	FILE *file = fopen("/proc/meminfo", "re");

	EXPECT(file);
	while (fgets(line, sizeof(line), file))
		(void)sscanf(line, "Committed_AS: %ld kB", &kbytes);
	EXPECT(fclose(file) == 0);
	EXPECT(kbytes >= 0);
	return kbytes * 1024;
}

static inline uint64_t pagemap_of(pid_t pid, const char *addr)
{
	char path[64];
	uint64_t entry;
	int fd;

	(void)snprintf(path, sizeof(path), "/proc/%d/pagemap", (int)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	EXPECT(fd >= 0);
	EXPECT(pread(fd, &entry, sizeof(entry),
		     (off_t)((uintptr_t)addr / PAGE * sizeof(entry))) ==
	       sizeof(entry));
	EXPECT(close(fd) == 0);
	return entry;
}

/* The frame behind an address, 0 if none. */
static inline uint64_t frame_of(pid_t pid, const char *addr)
{
	uint64_t entry = pagemap_of(pid, addr);

	return entry >> 63 ? entry & ((UINT64_C(1) << 55) - 1) : 0;
}

/* Where in swap a page of the caller's is. */
static inline uint64_t slot_of(const char *addr)
{
	uint64_t entry = pagemap_of(getpid(), addr);

	EXPECT(entry >> 62 & 1);
	return (entry & ((UINT64_C(1) << 55) - 1)) >> 5;
}

/*
 * Pages that were allocated just now wait in lists of each CPU, and a write by
 * another process copies them because these lists hold them as well. To compact
 * memory empties them.
 */
static inline void lists_drain(void)
{
	int fd = open("/proc/sys/vm/compact_memory", O_WRONLY | O_CLOEXEC);

	EXPECT(fd >= 0);
	EXPECT(write(fd, "1", 1) == 1);
	EXPECT(close(fd) == 0);
}

/* Whether reading an address of a process works, asked from outside. */
static inline bool is_mapped(pid_t pid, const char *addr)
{
	char byte;
	struct iovec local = { &byte, 1 };
	struct iovec remote = { (void *)(uintptr_t)addr, 1 };

	return process_vm_readv(pid, &local, 1, &remote, 1, 0) == 1;
}

/* Which places matter to a check. */
enum places {
	PLACES_ALL,
	/* Its range is less than a page table: even and odd differ in nothing. */
	PLACES_SMALL,
	/* None, or it chooses one. */
	PLACES_ONE,
};

struct clone_check {
	const char *name;
	void (*run)(void);
	enum places places;
};

/* Debug kernels are ten times slower: there, only what makes a difference. */
static inline bool place_matters(const struct clone_check *check, int p)
{
	if (check->places == PLACES_ONE)
		return p == PLACE_SAME;
	return check->places == PLACES_ALL || p != PLACE_EVEN ||
	       access("/proc/lockdep_stats", F_OK) != 0;
}

/* Every check in every place; @filter chooses those whose names contain it. */
static inline void clone_checks_run(const struct clone_check *checks,
				    size_t n_checks, const char *filter)
{
	static const char *const place_names[N_PLACES] = {
		[PLACE_SAME] = "same",
		[PLACE_EVEN] = "even",
		[PLACE_ODD] = "odd",
	};
	uint64_t caps = 0;

	(void)mmlab_query(MMLAB_MECH_CLONE, &caps);
	if (!(caps & MMLAB_CLONE_CAP_MAP)) {
		printf("1..0 # SKIP the kernel lacks what cloning needs\n");
		exit(EXIT_SKIP);
	}
	for (size_t i = 0; i < n_checks; i++) {
		if (!check_is_wanted(checks[i].name, filter))
			continue;
		for (int p = 0; p < N_PLACES; p++) {
			if (!place_matters(&checks[i], p))
				continue;
			place = (enum place)p;
			check_run(checks[i].name,
				  checks[i].places == PLACES_ONE ?
				  NULL : place_names[p], checks[i].run);
		}
	}
}

static inline long write_byte(long addr, long byte, long unused)
{
	(void)unused;
	*(volatile char *)addr = (char)byte;
	return 0;
}

static inline long read_byte(long addr, long a, long b)
{
	(void)a;
	(void)b;
	return *(volatile char *)addr;
}

#endif /* MMLAB_TEST_CLONE_H */
