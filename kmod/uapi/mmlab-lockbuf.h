/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
/*
 * Lockable buffers: memory that one process at a time owns.
 *
 * A buffer is mapped with mmap(2): MAP_SHARED, offset 0, at a multiple of
 * 2 MiB (the kernel chooses one by itself), and in the length that is the
 * buffer's size rounded up to 2 MiB, so that whole upper-level entries belong
 * to the mapping. The part beyond the buffer's size gives SIGBUS. With
 * PROT_WRITE the process becomes a writer, without it a reader, for the life of
 * the mapping; a process (an address space) maps a buffer once.
 *
 *   EINVAL  mmap: private, executable (some kernels: EPERM), without any access,
 *           another length, offset or alignment
 *   EACCES  mmap: PROT_WRITE on a descriptor made by LOCKBUF_READER
 *   EBUSY   mmap: this process maps the buffer already
 *
 * Memory is zero at first, comes into being page by page when somebody who may
 * access it does, stays with the buffer until its last descriptor and mapping
 * are gone, is never swapped, and is charged to the memory control group of
 * whoever touches it first. It is not accessible to ptrace,
 * process_vm_readv(2), O_DIRECT, shared futexes and the like: a reference they
 * hold would outlive an UNLOCK. Such calls fail with EFAULT or EIO. It does not
 * show in RSS, smaps or pagemap.
 *
 * Access without the right to is SIGSEGV, and EFAULT from system calls; access
 * beyond the buffer's size is SIGBUS. munmap(2) of a whole mapping releases what
 * the process owned. Refused, with EINVAL: partial munmap, mprotect(2) (EACCES
 * for execution), mremap(2) (EFAULT if it would become longer), and madvise(2) with advice that would drop, move or populate pages, or change what
 * fork or a core dump does with them. A child of fork(2) does not inherit the
 * mapping; it may make its own.
 */
#ifndef MMLAB_UAPI_LOCKBUF_H
#define MMLAB_UAPI_LOCKBUF_H

#include "mmlab.h"

/* Who loses access by UNLOCK, and who excludes whom. */
enum mmlab_lockbuf_mode {
	/*
	 * As proposed: only the writer's entry is taken away. Readers can
	 * always access; LOCK admits one owner, writer or reader.
	 */
	MMLAB_LOCKBUF_WRITER = 0,
	/* One owner, and whoever is not the owner has no access. */
	MMLAB_LOCKBUF_BOTH = 1,
	/* As BOTH, but any number of readers may own it together. */
	MMLAB_LOCKBUF_SHARED = 2,
};

/* How UNLOCK makes translations disappear from TLBs. */
enum mmlab_lockbuf_flush {
	/* The range of the mapping, on the CPUs that run the process. */
	MMLAB_LOCKBUF_FLUSH_RANGE = 0,
	/* Everything, on the CPUs that run the process. */
	MMLAB_LOCKBUF_FLUSH_CPUMASK = 1,
	/* Everything, on all CPUs. */
	MMLAB_LOCKBUF_FLUSH_ALL = 2,
	/*
	 * Nothing: access may go on for some time after UNLOCK. Only for
	 * measuring what a flush costs: needs CAP_SYS_ADMIN, else EPERM.
	 */
	MMLAB_LOCKBUF_FLUSH_NONE = 3,
};

/* Flags of LOCKBUF_CREATE. */
/* Allocate all memory now, and fill page tables when it is mapped. */
#define MMLAB_LOCKBUF_POPULATE (1U << 0)
/*
 * Write the buffer's lines back from the caches, as the proposal asks: at
 * UNLOCK of a writer, and at LOCK of a reader. Changes nothing on machines
 * with coherent caches but the time it takes.
 */
#define MMLAB_LOCKBUF_CACHE_FLUSH (1U << 1)

/* Flags of LOCKBUF_LOCK. */
/* Wait for the buffer, interruptibly, instead of failing with EPERM. */
#define MMLAB_LOCKBUF_WAIT (1U << 0)

/* Outcome of LOCKBUF_LOCK beside 0: the last owner ended without UNLOCK. */
#define MMLAB_LOCKBUF_OWNER_DIED 1

#define MMLAB_LOCKBUF_MAX_BYTES (1ULL << 36)

/* Capabilities: bit (1 << flush) is set for each strategy that works here. */
#define MMLAB_LOCKBUF_CAP_FLUSH(flush) (1ULL << (flush))

enum mmlab_lockbuf_stat {
	/* Buffers alive now. */
	MMLAB_LOCKBUF_STAT_LIVE_OBJECTS = 0,
	/* Mappings alive now, and pages and page tables they and buffers hold. */
	MMLAB_LOCKBUF_STAT_LIVE_MAPPINGS = 1,
	MMLAB_LOCKBUF_STAT_LIVE_PAGES = 2,
	MMLAB_LOCKBUF_STAT_LIVE_TABLES = 3,
	/* Buffers created, mappings made. */
	MMLAB_LOCKBUF_STAT_CREATED = 4,
	MMLAB_LOCKBUF_STAT_MMAPS = 5,
	/* Successful LOCKs and UNLOCKs. */
	MMLAB_LOCKBUF_STAT_LOCKS = 6,
	MMLAB_LOCKBUF_STAT_UNLOCKS = 7,
	/* LOCKs refused because the buffer had an owner; LOCKs that slept. */
	MMLAB_LOCKBUF_STAT_REFUSED = 8,
	MMLAB_LOCKBUF_STAT_WAITED = 9,
	/* Owners that ended, or unmapped, without UNLOCK. */
	MMLAB_LOCKBUF_STAT_ABANDONED = 10,
	/* PMD and PUD entries put into, and taken out of, page tables. */
	MMLAB_LOCKBUF_STAT_PMDS_ATTACHED = 11,
	MMLAB_LOCKBUF_STAT_PMDS_DETACHED = 12,
	MMLAB_LOCKBUF_STAT_PUDS_ATTACHED = 13,
	MMLAB_LOCKBUF_STAT_PUDS_DETACHED = 14,
	/* PTEs written. */
	MMLAB_LOCKBUF_STAT_PTES_FILLED = 15,
	/* Faults that were served, and faults refused by SIGSEGV. */
	MMLAB_LOCKBUF_STAT_FAULTS = 16,
	MMLAB_LOCKBUF_STAT_VIOLATIONS = 17,
	/* Flushes by strategy; NONE counts those left out. */
	MMLAB_LOCKBUF_STAT_FLUSH_RANGE = 18,
	MMLAB_LOCKBUF_STAT_FLUSH_CPUMASK = 19,
	MMLAB_LOCKBUF_STAT_FLUSH_ALL = 20,
	MMLAB_LOCKBUF_STAT_FLUSH_NONE = 21,
	/* Pages whose cache lines were written back. */
	MMLAB_LOCKBUF_STAT_CACHE_PAGES = 22,
	/* Times that unmapping, exit or something else took entries away. */
	MMLAB_LOCKBUF_STAT_INVALIDATED = 23,
	MMLAB_LOCKBUF_N_STATS
};

/**
 * struct mmlab_lockbuf_create - MMLAB_IOC_LOCKBUF_CREATE
 * @size: in: sizeof(struct mmlab_lockbuf_create)
 * @flags: in: MMLAB_LOCKBUF_POPULATE, MMLAB_LOCKBUF_CACHE_FLUSH
 * @bytes: in: size of the buffer, from 1 to MMLAB_LOCKBUF_MAX_BYTES; EINVAL
 *	beyond. Rounded up to whole pages.
 * @mode: in: an enum mmlab_lockbuf_mode; EINVAL if there is no such mode
 * @flush: in: an enum mmlab_lockbuf_flush; EINVAL if there is no such
 *	strategy, EOPNOTSUPP if this kernel does not offer it, EPERM for NONE
 *	without CAP_SYS_ADMIN
 * @fd: out: the descriptor, close-on-exec, for reading and writing; it may be
 *	sent over a socket
 * @reserved: in: 0, else EINVAL
 * @map_bytes: out: the length that mmap(2) wants
 *
 * Commands on that descriptor, each with a number as its argument:
 *
 * MMLAB_IOC_LOCKBUF_LOCK (flags): the calling process becomes the owner, as
 * writer or reader by its mapping, and can access the buffer. Returns 0, or
 * MMLAB_LOCKBUF_OWNER_DIED once after an owner ended without UNLOCK: content
 * may be half written.
 *   EPERM   it has an owner (also when that is the caller)
 *   EDEADLK the caller owns it already, and WAIT was asked for
 *   EINTR   a signal ended the wait (restarted where SA_RESTART says so)
 *   ENXIO   the caller has not mapped the buffer
 *   EINVAL  an unknown flag
 *
 * MMLAB_IOC_LOCKBUF_UNLOCK (0): gives it up. When the call returns, no thread
 * of the process can access the buffer (except FLUSH_NONE, and readers in mode
 * WRITER; virtual machines and devices that share the page tables are not
 * stopped). Any thread of the process may unlock what another has locked.
 *   EPERM   the caller does not own it
 *   ENXIO   the caller has not mapped the buffer
 *   EINVAL  the argument is not 0
 *   EINTR   a fatal signal came first
 *
 * MMLAB_IOC_LOCKBUF_READER (0): returns a new close-on-exec descriptor of the
 * same buffer that can be mapped for reading only. EMFILE, ENFILE, ENOMEM;
 * EINVAL if the argument is not 0.
 *
 * MMLAB_IOC_LOCKBUF_NOP (0) does nothing, and MMLAB_IOC_LOCKBUF_FLUSH (0) does
 * only the flush of an UNLOCK: the floor that LOCK and UNLOCK are measured
 * against. EINVAL as above, and FLUSH ENXIO.
 */
struct mmlab_lockbuf_create {
	__u32 size;
	__u32 flags;
	__aligned_u64 bytes;
	__u32 mode;
	__u32 flush;
	__s32 fd;
	__u32 reserved;
	__aligned_u64 map_bytes;
};

MMLAB_STATIC_ASSERT(sizeof(struct mmlab_lockbuf_create) == 40);
MMLAB_STATIC_ASSERT(MMLAB_OFFSET(mmlab_lockbuf_create, bytes) == 8);
MMLAB_STATIC_ASSERT(MMLAB_OFFSET(mmlab_lockbuf_create, flush) == 20);
MMLAB_STATIC_ASSERT(MMLAB_OFFSET(mmlab_lockbuf_create, fd) == 24);
MMLAB_STATIC_ASSERT(MMLAB_OFFSET(mmlab_lockbuf_create, map_bytes) == 32);

#endif /* MMLAB_UAPI_LOCKBUF_H */
