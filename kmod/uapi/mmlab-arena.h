/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
/*
 * Arenas: a model of an address space under a lock of one's choice.
 *
 * An arena is one large mapping. What mmap(2), munmap(2), mprotect(2) and
 * MAP_POPULATE are to an address space, the commands below are to the ranges
 * inside: they take, instead of mmap_lock, a lock that was chosen when the arena
 * was created. The processor's own faults in the mapping take it as well.
 *
 * An arena is mapped with mmap(2): MAP_SHARED, PROT_READ | PROT_WRITE, offset 0,
 * in its whole length, by one mapping at a time.
 *
 *   EINVAL  mmap: private, executable (some kernels: EPERM), not for reading and
 *           writing, another length or offset
 *   EBUSY   mmap: it is mapped already, by whomever
 *
 * At first no range is mapped. An access where none is gets SIGSEGV, and so does
 * one that the range's protection forbids; EFAULT from system calls. Memory is
 * zero at first, comes into being page by page at the first access, goes when
 * its range is unmapped, or with the arena, is never swapped, and is charged to
 * the memory control group of whoever touches it first. It is not accessible to
 * ptrace, process_vm_readv(2), O_DIRECT, shared futexes and the like, which fail
 * with EFAULT or EIO, and does not show in RSS, smaps or pagemap.
 *
 * munmap(2) of the whole mapping is allowed: ranges and contents stay with the
 * arena and can be mapped again. They go with its last descriptor and mapping.
 * Refused, with EINVAL: partial munmap, mprotect(2) (EACCES for execution),
 * mremap(2) (EFAULT if it would become longer), and madvise(2) with advice that would drop or populate pages. A child of fork(2) does not inherit the
 * mapping. Whoever has the descriptor can give commands.
 */
#ifndef MMLAB_UAPI_ARENA_H
#define MMLAB_UAPI_ARENA_H

#include "mmlab.h"

/* What commands and faults lock. */
enum mmlab_arena_scheme {
	/*
	 * One rw_semaphore for the whole arena, as mmap_lock is for an address
	 * space. Faults and POPULATE share it.
	 */
	MMLAB_ARENA_RWSEM = 0,
	/*
	 * A range lock for readers and writers, whose ranges are in an interval
	 * tree under a spinlock. In order of arrival: whoever overlaps waits
	 * for all, holders and waiters, who came before.
	 */
	MMLAB_ARENA_TREE = 1,
	/*
	 * A range lock whose ranges are in a sorted list, into which they are
	 * inserted without a lock. Readers pass waiting writers, until one has
	 * tried in vain for some time.
	 */
	MMLAB_ARENA_LIST = 2,
	/*
	 * Two locks: an rw_semaphore for what the whole arena shares, held for
	 * moments, and the range lock of TREE, held by commands while they
	 * work. Faults take the former; they wait for the latter only
	 * if a command has their range.
	 */
	MMLAB_ARENA_SPLIT = 3,
};

/*
 * How commands learn of faults that are under way. With NONE a fault holds the
 * lock as long as it lasts. Otherwise it registers its address, holds no lock
 * while it makes a page, and a command that wants the range makes it begin
 * again, or waits if it is about to be done.
 */
enum mmlab_arena_pending {
	MMLAB_ARENA_PENDING_NONE = 0,
	/* One list under one spinlock. */
	MMLAB_ARENA_PENDING_LIST = 1,
	/* A table of lists, by page number, each with a spinlock. */
	MMLAB_ARENA_PENDING_HASH = 2,
	/* A few slots for each CPU, taken without a lock. */
	MMLAB_ARENA_PENDING_CPU = 3,
};

/* Flag of ARENA_CREATE. */
/*
 * Mark, page by page, who is inside of what ranges, and count in OVERLAPS
 * whatever the lock should have excluded: for tests.
 */
#define MMLAB_ARENA_CHECK (1U << 0)

/* Flags of ARENA_HOLD. */
/* As a reader: beside faults and POPULATE. */
#define MMLAB_ARENA_HOLD_SHARED (1U << 0)
/*
 * Hold nothing: let the next fault in the range that makes a page take so much
 * longer, as if its contents came from a disk. With a duration of 0, no fault,
 * and faults that are being delayed go on.
 */
#define MMLAB_ARENA_HOLD_FAULT (1U << 1)

#define MMLAB_ARENA_MAX_BYTES (1ULL << 36)
#define MMLAB_ARENA_MAX_HOLD_NS (60ULL * 1000 * 1000 * 1000)
/* Ranges in one arena: as many as vm.max_map_count is at first. */
#define MMLAB_ARENA_MAX_RANGES 65530U

/* Capabilities: bit (1 << scheme), and bit (16 + pending) work here. */
#define MMLAB_ARENA_CAP_SCHEME(scheme) (1ULL << (scheme))
#define MMLAB_ARENA_CAP_PENDING(pending) (1ULL << (16 + (pending)))

/*
 * "Shared" and "exclusive" count acquisitions of the arena's lock: the
 * rw_semaphore of RWSEM, else the range lock. A wait is an acquisition that did
 * not succeed at once; its nanoseconds are a time, unlike all else here.
 */
enum mmlab_arena_stat {
	/* Arenas alive now; mappings, pages, nodes of LIST's lists. */
	MMLAB_ARENA_STAT_LIVE_OBJECTS = 0,
	MMLAB_ARENA_STAT_LIVE_MAPPINGS = 1,
	MMLAB_ARENA_STAT_LIVE_PAGES = 2,
	MMLAB_ARENA_STAT_LIVE_NODES = 3,
	/* HOLDs that have their range now, or faults that they delay. */
	MMLAB_ARENA_STAT_LIVE_HOLDS = 4,
	/* Arenas created; successful mmap calls. */
	MMLAB_ARENA_STAT_CREATED = 5,
	MMLAB_ARENA_STAT_MMAPS = 6,
	/* Commands that were successful. */
	MMLAB_ARENA_STAT_MAPS = 7,
	MMLAB_ARENA_STAT_UNMAPS = 8,
	MMLAB_ARENA_STAT_PROTECTS = 9,
	MMLAB_ARENA_STAT_POPULATES = 10,
	/* HOLDs that had their range, whether a signal ended them or not. */
	MMLAB_ARENA_STAT_HOLDS = 11,
	/* Faults served; refused by SIGSEGV; begun again after an abort. */
	MMLAB_ARENA_STAT_FAULTS = 12,
	MMLAB_ARENA_STAT_VIOLATIONS = 13,
	MMLAB_ARENA_STAT_RETRIES = 14,
	/* Pages allocated and freed; entries that POPULATE wrote. */
	MMLAB_ARENA_STAT_PAGES_ALLOCATED = 15,
	MMLAB_ARENA_STAT_PAGES_FREED = 16,
	MMLAB_ARENA_STAT_POPULATED = 17,
	/* Acquisitions, those that waited, and how long they did. */
	MMLAB_ARENA_STAT_SHARED = 18,
	MMLAB_ARENA_STAT_EXCLUSIVE = 19,
	MMLAB_ARENA_STAT_SHARED_WAITS = 20,
	MMLAB_ARENA_STAT_EXCLUSIVE_WAITS = 21,
	MMLAB_ARENA_STAT_SHARED_WAIT_NS = 22,
	MMLAB_ARENA_STAT_EXCLUSIVE_WAIT_NS = 23,
	/* The same of SPLIT's short lock: for reading, for writing. */
	MMLAB_ARENA_STAT_SHORT_READS = 24,
	MMLAB_ARENA_STAT_SHORT_WRITES = 25,
	MMLAB_ARENA_STAT_SHORT_READ_WAITS = 26,
	MMLAB_ARENA_STAT_SHORT_WRITE_WAITS = 27,
	MMLAB_ARENA_STAT_SHORT_READ_WAIT_NS = 28,
	MMLAB_ARENA_STAT_SHORT_WRITE_WAIT_NS = 29,
	/* Faults that registered; of these, those that found no slot (CPU). */
	MMLAB_ARENA_STAT_PENDING_INSERTS = 30,
	MMLAB_ARENA_STAT_PENDING_OVERFLOWS = 31,
	/* Commands that looked for pending faults, and lists or CPUs searched. */
	MMLAB_ARENA_STAT_PENDING_LOOKUPS = 32,
	MMLAB_ARENA_STAT_PENDING_SEARCHED = 33,
	/* Faults aborted by commands, and commands that waited for some. */
	MMLAB_ARENA_STAT_PENDING_ABORTS = 34,
	MMLAB_ARENA_STAT_PENDING_WAITS = 35,
	MMLAB_ARENA_STAT_PENDING_WAIT_NS = 36,
	/* Faults that found a command in their range, and took the range lock. */
	MMLAB_ARENA_STAT_PENDING_CONFLICTS = 37,
	/* LIST: times that a writer met a reader: it waited, or began again. */
	MMLAB_ARENA_STAT_LIST_RESTARTS = 38,
	/* Pages where two met whom the lock should have kept apart (CHECK). */
	MMLAB_ARENA_STAT_OVERLAPS = 39,
	MMLAB_ARENA_N_STATS
};

/**
 * struct mmlab_arena_create - MMLAB_IOC_ARENA_CREATE
 * @size: in: sizeof(struct mmlab_arena_create)
 * @flags: in: MMLAB_ARENA_CHECK
 * @bytes: in: length, a multiple of the page size up to MMLAB_ARENA_MAX_BYTES;
 *	EINVAL for anything else
 * @scheme: in: an enum mmlab_arena_scheme; EINVAL if there is no such scheme
 * @pending: in: an enum mmlab_arena_pending; EINVAL likewise
 * @fd: out: the descriptor, close-on-exec; 0 or anything else on input
 * @reserved: in: 0, else EINVAL
 */
struct mmlab_arena_create {
	__u32 size;
	__u32 flags;
	__aligned_u64 bytes;
	__u32 scheme;
	__u32 pending;
	__s32 fd;
	__u32 reserved;
};

/**
 * struct mmlab_arena_range - the commands on an arena's descriptor
 * @size: in: sizeof(struct mmlab_arena_range)
 * @flags: in: those of HOLD; otherwise 0; EOPNOTSUPP for unknown ones
 * @offset: in: start of the range in the arena, a multiple of the page size
 * @bytes: in: its length, likewise, not 0
 * @prot: in: MAP, PROTECT: PROT_NONE, PROT_READ, or PROT_READ | PROT_WRITE;
 *	otherwise 0
 * @reserved: in: 0
 * @duration_ns: in: HOLD: how long, up to MMLAB_ARENA_MAX_HOLD_NS; otherwise 0
 *
 * All of them:
 *   EINVAL  a range that is empty, not of whole pages, or not within the arena;
 *           another @prot, duration or reserved field
 *   EFAULT, EINVAL, E2BIG, EOPNOTSUPP for the struct, as said at the top
 *   ENOTTY  no such command
 *   ENOMEM  no memory, or more than MMLAB_ARENA_MAX_RANGES ranges
 *   EINTR   a fatal signal while waiting for the lock, or at work
 *
 * MMLAB_IOC_ARENA_MAP: the range may be accessed, as @prot says.
 *   EEXIST  some of it is mapped already; nothing has changed
 *
 * MMLAB_IOC_ARENA_UNMAP: when the command returns, nobody can access the range,
 * and its pages are free. Parts that are not mapped are no error.
 *
 * MMLAB_IOC_ARENA_PROTECT: from now on the range may be accessed as @prot says.
 * Contents stay; every page faults once more.
 *   ENOMEM  some of it is not mapped; nothing has changed
 *
 * MMLAB_IOC_ARENA_POPULATE: make all pages, and the calling process's entries for
 * them, so that no access that the protection allows faults. What was
 * populated before an error stays.
 *   ENOMEM  some of it is not mapped, or the memory control group is full
 *   EACCES  some of it is PROT_NONE
 *   ENXIO   the calling process has not mapped the arena
 *
 * MMLAB_IOC_ARENA_HOLD: lock the range as another command would, do nothing
 * for a while, and unlock it. With a duration of 0, a lock and an unlock.
 *   EINTR   a signal ended it before its time
 *   EINVAL  HOLD_SHARED together with HOLD_FAULT
 *
 * MMLAB_IOC_ARENA_NOP: check the struct and return, for comparison: a range
 * must be given, too.
 */
struct mmlab_arena_range {
	__u32 size;
	__u32 flags;
	__aligned_u64 offset;
	__aligned_u64 bytes;
	__u32 prot;
	__u32 reserved;
	__aligned_u64 duration_ns;
};

MMLAB_STATIC_ASSERT(sizeof(struct mmlab_arena_create) == 32);
MMLAB_STATIC_ASSERT(MMLAB_OFFSET(mmlab_arena_create, scheme) == 16);
MMLAB_STATIC_ASSERT(MMLAB_OFFSET(mmlab_arena_create, fd) == 24);
MMLAB_STATIC_ASSERT(sizeof(struct mmlab_arena_range) == 40);
MMLAB_STATIC_ASSERT(MMLAB_OFFSET(mmlab_arena_range, prot) == 24);
MMLAB_STATIC_ASSERT(MMLAB_OFFSET(mmlab_arena_range, duration_ns) == 32);

#endif /* MMLAB_UAPI_ARENA_H */
