/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
/*
 * Speculative page faults: anonymous memory whose first touches, and writes to
 * pages shared by fork, are resolved before mmap_lock or the lock of a VMA is taken.
 *
 * A region is a mapping, by mmap(2) with MAP_PRIVATE, of a descriptor made by
 * SPF_CREATE; a descriptor can be mapped any number of times, by any process that
 * has it, at any length and offset. It is memory as MAP_ANONYMOUS gives it: zero
 * at first, the process's own, copied by fork as needed, swapped, counted as
 * anonymous, gone with munmap(2) or MADV_DONTNEED.
 *
 *   EINVAL  mmap: shared, or executable (some kernels: EPERM)
 *
 * Of each process MMLAB_SPF_MAX_REGIONS mappings in mode SPECULATIVE, or pieces of
 * mappings that were cut, are served so; others are left to the kernel as long
 * as they exist.
 *
 * Different from MAP_ANONYMOUS: a first touch that reads allocates a page, too;
 * there are no huge pages; mremap(2) cannot make it longer (EFAULT); mlock(2)
 * and MADV_MERGEABLE change nothing; MADV_FREE is refused (EINVAL), and so is
 * MADV_DODUMP, so that MADV_DONTDUMP cannot be taken back;
 * mprotect(2) with PROT_EXEC fails with EACCES. A fault that was resolved
 * speculatively is in getrusage(2) and in pgfault of /proc/vmstat, but in no
 * event of perf and not in pgfault of a memory control group.
 */
#ifndef MMLAB_UAPI_SPF_H
#define MMLAB_UAPI_SPF_H

#include "mmlab.h"

#define MMLAB_SPF_MAX_REGIONS 64

/* How faults in the regions of a descriptor are resolved. */
enum mmlab_spf_mode {
	/*
	 * By the kernel, at its best: under the lock of the VMA where it has
	 * one and the fault comes from user mode, else under mmap_lock.
	 */
	MMLAB_SPF_NORMAL = 0,
	/*
	 * Without either, if the hook is in and nothing is unusual; else as
	 * NORMAL.
	 */
	MMLAB_SPF_SPECULATIVE = 1,
	/* By the kernel, always under mmap_lock. */
	MMLAB_SPF_MMAP_LOCK = 2,
};

/* Capabilities. */
/* The hook can be used here: the kernel has what it needs, spf_hook is not 0. */
#define MMLAB_SPF_CAP_HOOK (1ULL << 0)
/* This kernel resolves faults of user mode under the lock of a VMA. */
#define MMLAB_SPF_CAP_VMA_LOCK (1ULL << 1)
/* Regions work at all. */
#define MMLAB_SPF_CAP_REGIONS (1ULL << 2)
/* Copies of shared pages can be made without a lock. */
#define MMLAB_SPF_CAP_COPY (1ULL << 3)

enum mmlab_spf_stat {
	/* Descriptors alive now: neither closed nor mapped. */
	MMLAB_SPF_STAT_LIVE_OBJECTS = 0,
	/* Mappings in mode SPECULATIVE alive now that can be served so. */
	MMLAB_SPF_STAT_LIVE_REGIONS = 1,
	/* Callers of SPF_HOLD that hold the lock now. */
	MMLAB_SPF_STAT_HOLDING = 2,
	/* 1 while the hook is in. */
	MMLAB_SPF_STAT_HOOKED = 3,
	/* Descriptors created, successful mmap calls. */
	MMLAB_SPF_STAT_CREATED = 4,
	MMLAB_SPF_STAT_MMAPS = 5,
	/* Times that the hook was put in, and taken out. */
	MMLAB_SPF_STAT_HOOK_IN = 6,
	MMLAB_SPF_STAT_HOOK_OUT = 7,
	/*
	 * Faults resolved without a lock: first touches; the process's own
	 * pages made writable; and COPIED, below.
	 */
	MMLAB_SPF_STAT_FIRST_TOUCH = 8,
	MMLAB_SPF_STAT_REUSED = 9,
	/* Faults that found the page when they were about to install one. */
	MMLAB_SPF_STAT_RACED = 10,
	/*
	 * Faults in a region that were left to the kernel, by the reason:
	 * where faults must not be handled, or came with interrupts off;
	 */
	MMLAB_SPF_STAT_FALLBACK_CONTEXT = 11,
	/*
	 * no first touch that the kernel resolved since the mapping was made
	 * or changed, and no page is there, or mmap_lock is taken;
	 */
	MMLAB_SPF_STAT_FALLBACK_DISARMED = 12,
	/* no page table; */
	MMLAB_SPF_STAT_FALLBACK_TABLE = 13,
	/* a page that is there, and is not accessible or not plain memory; */
	MMLAB_SPF_STAT_FALLBACK_PRESENT = 14,
	/* a page that is swapped out, or being moved; */
	MMLAB_SPF_STAT_FALLBACK_SWAPPED = 15,
	/* no free page at once; */
	MMLAB_SPF_STAT_FALLBACK_MEMORY = 16,
	/* the memory control group's limit; */
	MMLAB_SPF_STAT_FALLBACK_CHARGE = 17,
	/* the out-of-memory reaper at work. */
	MMLAB_SPF_STAT_FALLBACK_UNSTABLE = 18,
	/* First touches that the kernel resolved, in all modes. */
	MMLAB_SPF_STAT_NORMAL = 19,
	/* Times that a region was made ready for speculation, and stopped. */
	MMLAB_SPF_STAT_ARMED = 20,
	MMLAB_SPF_STAT_DISARMED = 21,
	/*
	 * Pages allocated without a lock, and those freed unused. The rest,
	 * FIRST_TOUCH and COPIED, became the process's.
	 */
	MMLAB_SPF_STAT_PAGES_ALLOCATED = 22,
	MMLAB_SPF_STAT_PAGES_FREED = 23,
	/*
	 * Mappings that can be served only since their first fault: a child of
	 * fork inherited them, or a signal came while they were made.
	 */
	MMLAB_SPF_STAT_JOINED = 24,
	/* Faults resolved without a lock: copies of pages shared with others. */
	MMLAB_SPF_STAT_COPIED = 25,
	/* Mappings that the kernel serves for good: there were enough. */
	MMLAB_SPF_STAT_UNSERVED = 26,
	MMLAB_SPF_N_STATS
};

/**
 * struct mmlab_spf_create - MMLAB_IOC_SPF_CREATE
 * @size: in: sizeof(struct mmlab_spf_create)
 * @flags: in: 0, else EOPNOTSUPP
 * @mode: in: an enum mmlab_spf_mode; EINVAL if there is no such mode.
 *	SPECULATIVE works everywhere, at worst as NORMAL: MMLAB_SPF_CAP_HOOK
 *	tells.
 * @fd: out: the descriptor, close-on-exec, for reading and writing
 *
 * EOPNOTSUPP without MMLAB_SPF_CAP_REGIONS.
 */
struct mmlab_spf_create {
	__u32 size;
	__u32 flags;
	__u32 mode;
	__s32 fd;
};

/* When the hook is in: the test in the kernel's fault path, for all processes. */
enum mmlab_spf_hook {
	/* As long as there are regions in mode SPECULATIVE. */
	MMLAB_SPF_HOOK_AUTO = 0,
	/* Never. */
	MMLAB_SPF_HOOK_OUT = 1,
	/* Always: for measuring what it costs those who do not use it. */
	MMLAB_SPF_HOOK_IN = 2,
};

/**
 * struct mmlab_spf_hook_set - MMLAB_IOC_SPF_HOOK
 * @size: in: sizeof(struct mmlab_spf_hook_set)
 * @flags: in: 0, else EOPNOTSUPP
 * @hook: in: an enum mmlab_spf_hook, for the whole system until the next
 *	call; EINVAL if there is no such value; EPERM without CAP_SYS_ADMIN,
 *	as it is everybody's; for IN, EOPNOTSUPP without MMLAB_SPF_CAP_HOOK,
 *	and EBUSY while the mmiotrace tracer is in use
 * @former: out: what was set before
 *
 * Putting the hook in or out changes a number; no code is patched. Faults that
 * are being resolved go on. EFAULT if @former could not be written: what was
 * asked for has been set all the same.
 */
struct mmlab_spf_hook_set {
	__u32 size;
	__u32 flags;
	__u32 hook;
	__u32 former;
};

#define MMLAB_SPF_HOLD_MAX_MS 60000

/**
 * struct mmlab_spf_hold - MMLAB_IOC_SPF_HOLD: hold the caller's mmap_lock
 * @size: in: sizeof(struct mmlab_spf_hold)
 * @flags: in: 0, else EOPNOTSUPP
 * @ms: in: for how long, from 1 to MMLAB_SPF_HOLD_MAX_MS; EINVAL beyond
 * @reserved: in: 0, else EINVAL
 * @addr: in: 0, or an address in a mapping of the caller whose own lock is
 *	taken for writing too, where there is one; EFAULT if nothing is mapped
 *	there
 *
 * Sleeps with mmap_lock held for writing, as a munmap(2) or fork(2) of much
 * memory would hold it. EINTR if a fatal signal came.
 */
struct mmlab_spf_hold {
	__u32 size;
	__u32 flags;
	__u32 ms;
	__u32 reserved;
	__aligned_u64 addr;
};

MMLAB_STATIC_ASSERT(sizeof(struct mmlab_spf_create) == 16);
MMLAB_STATIC_ASSERT(MMLAB_OFFSET(mmlab_spf_create, fd) == 12);
MMLAB_STATIC_ASSERT(sizeof(struct mmlab_spf_hook_set) == 16);
MMLAB_STATIC_ASSERT(MMLAB_OFFSET(mmlab_spf_hook_set, former) == 12);
MMLAB_STATIC_ASSERT(sizeof(struct mmlab_spf_hold) == 24);
MMLAB_STATIC_ASSERT(MMLAB_OFFSET(mmlab_spf_hold, addr) == 16);

#endif /* MMLAB_UAPI_SPF_H */
