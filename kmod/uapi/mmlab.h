/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
/*
 * The whole interface between /dev/mmlab and user space.
 *
 * Every command takes one struct that begins with its own size in bytes. A
 * struct grows only at its end: a caller that knows a shorter version gets the
 * old behaviour, a caller that knows a longer one is refused only when it uses
 * what this module does not have. Fields are marked in or out; reserved fields
 * and all flags are zero unless a value is named here.
 *
 * What the errors mean, for every command:
 *
 *   ENOTTY      no such command
 *   EFAULT      the struct, or memory that it points to, cannot be accessed
 *   EINVAL      the size is below the first version of the struct, a value is
 *               out of range, or a reserved field is not zero
 *   E2BIG       the struct is longer than the module's, and the part that the
 *               module does not know is not all zero
 *   EOPNOTSUPP  a flag that this version does not know, or a mechanism or a
 *               form of it that this module or this kernel does not offer
 *   ENOMEM      no memory, or the memory control group's limit was reached
 *   EMFILE      the process's limit of descriptors (RLIMIT_NOFILE) was reached
 *   ENFILE      the system's limit of open files was reached
 *
 * and from open(2): EACCES for a caller whom the file mode excludes (0600,
 * root), ENOENT or ENXIO without the module.
 *
 * A command that fails has created nothing that lasts. It may have counted an
 * attempt, or have written part of an array that it could not finish.
 */
#ifndef MMLAB_UAPI_MMLAB_H
#define MMLAB_UAPI_MMLAB_H

#include <linux/ioctl.h>
#include <linux/types.h>

#define MMLAB_DEVICE "/dev/mmlab"

/* Grows by one when something incompatible happens; additions do not count. */
#define MMLAB_ABI_VERSION 1

#define MMLAB_IOC_MAGIC 0xEA

/*
 * The number alone names the command; the size is in the struct. Hence _IO(),
 * whose numbers do not move when a struct grows.
 */
#define MMLAB_IOC_QUERY _IO(MMLAB_IOC_MAGIC, 0x80)
#define MMLAB_IOC_STATS _IO(MMLAB_IOC_MAGIC, 0x81)
#define MMLAB_IOC_REFPAGE_CREATE _IO(MMLAB_IOC_MAGIC, 0x90)
#define MMLAB_IOC_LOCKBUF_CREATE _IO(MMLAB_IOC_MAGIC, 0xA0)
#define MMLAB_IOC_MSHARE_FILE _IO(MMLAB_IOC_MAGIC, 0xB0)
#define MMLAB_IOC_MSHARE_PROTECT _IO(MMLAB_IOC_MAGIC, 0xB1)
#define MMLAB_IOC_MSHARE_FLUSH _IO(MMLAB_IOC_MAGIC, 0xB2)
#define MMLAB_IOC_MSHARE_INFO _IO(MMLAB_IOC_MAGIC, 0xB3)
#define MMLAB_IOC_MSHARE_ADOPT _IO(MMLAB_IOC_MAGIC, 0xB4)
#define MMLAB_IOC_MSHARE_POPULATE _IO(MMLAB_IOC_MAGIC, 0xB5)
#define MMLAB_IOC_CLONE_MAP _IO(MMLAB_IOC_MAGIC, 0xC0)
#define MMLAB_IOC_SPF_CREATE _IO(MMLAB_IOC_MAGIC, 0xD0)
#define MMLAB_IOC_SPF_HOOK _IO(MMLAB_IOC_MAGIC, 0xD1)
#define MMLAB_IOC_SPF_HOLD _IO(MMLAB_IOC_MAGIC, 0xD2)
#define MMLAB_IOC_ARENA_CREATE _IO(MMLAB_IOC_MAGIC, 0xE0)

/*
 * These go to the descriptor of a lockable buffer, not to the device. Their
 * argument is a number, not an address: LOCK and UNLOCK are what is measured,
 * and reading a struct from the caller would be part of it.
 */
#define MMLAB_IOC_LOCKBUF_LOCK _IO(MMLAB_IOC_MAGIC, 0xA1)
#define MMLAB_IOC_LOCKBUF_UNLOCK _IO(MMLAB_IOC_MAGIC, 0xA2)
#define MMLAB_IOC_LOCKBUF_READER _IO(MMLAB_IOC_MAGIC, 0xA3)
#define MMLAB_IOC_LOCKBUF_NOP _IO(MMLAB_IOC_MAGIC, 0xA4)
#define MMLAB_IOC_LOCKBUF_FLUSH _IO(MMLAB_IOC_MAGIC, 0xA5)

/* These go to the descriptor of an arena and take a struct. */
#define MMLAB_IOC_ARENA_MAP _IO(MMLAB_IOC_MAGIC, 0xE1)
#define MMLAB_IOC_ARENA_UNMAP _IO(MMLAB_IOC_MAGIC, 0xE2)
#define MMLAB_IOC_ARENA_PROTECT _IO(MMLAB_IOC_MAGIC, 0xE3)
#define MMLAB_IOC_ARENA_POPULATE _IO(MMLAB_IOC_MAGIC, 0xE4)
#define MMLAB_IOC_ARENA_HOLD _IO(MMLAB_IOC_MAGIC, 0xE5)
#define MMLAB_IOC_ARENA_NOP _IO(MMLAB_IOC_MAGIC, 0xE6)

/* The mechanisms. Numbers are for ever; a module may lack any of them. */
enum mmlab_mech_id {
	MMLAB_MECH_REFPAGE = 0, /* reference pages */
	MMLAB_MECH_LOCKBUF = 1, /* buffers with LOCK and UNLOCK */
	MMLAB_MECH_MSHARE = 2, /* page tables shared between processes */
	MMLAB_MECH_CLONE = 3, /* mappings cloned from another process */
	MMLAB_MECH_SPF = 4, /* speculative page faults */
	MMLAB_MECH_ARENA = 5, /* arenas: an address space under a lock of choice */
};

/**
 * struct mmlab_query - MMLAB_IOC_QUERY: what does this module offer here?
 * @size: in: sizeof(struct mmlab_query)
 * @flags: in: 0, else EOPNOTSUPP
 * @mech: in: the mechanism that @caps is wanted for, an enum mmlab_mech_id;
 *	EOPNOTSUPP if the module lacks it
 * @abi_version: out: MMLAB_ABI_VERSION of the module
 * @mechs: out: bit (1 << id) is set for every mechanism present
 * @caps: out: what @mech can do on the running kernel; bits are listed with
 *	each mechanism
 */
struct mmlab_query {
	__u32 size;
	__u32 flags;
	__u32 mech;
	__u32 abi_version;
	__aligned_u64 mechs;
	__aligned_u64 caps;
};

/**
 * struct mmlab_stats - MMLAB_IOC_STATS: the counters of one mechanism
 * @size: in: sizeof(struct mmlab_stats)
 * @flags: in: 0, else EOPNOTSUPP
 * @mech: in: an enum mmlab_mech_id; EOPNOTSUPP if the module lacks it
 * @n_values: in: room at @values, in counters; out: how many counters the
 *	mechanism has. The smaller of the two was written.
 * @values: in: address of an array of __u64; not looked at if @n_values is 0
 *
 * Counters count since the module was loaded, for all processes together, and
 * never wrap; counters that hold a present amount say so. They are summed over
 * CPUs without stopping anybody: exact once what they count has come to rest.
 * Counter 0 of every mechanism is the number of live objects.
 */
struct mmlab_stats {
	__u32 size;
	__u32 flags;
	__u32 mech;
	__u32 n_values;
	__aligned_u64 values;
};

/*
 * Reference pages.
 */

/* How a page of a reference mapping comes into being. */
enum mmlab_refpage_form {
	/*
	 * A read maps the one shared page by a special entry: outside RSS,
	 * reference count and map count, as the proposal has it.
	 */
	MMLAB_REFPAGE_UNCOUNTED = 0,
	/* A read maps the one shared page like a page of a file. */
	MMLAB_REFPAGE_COUNTED = 1,
	/*
	 * There is no shared page: the first access, read or write, fills a
	 * page of the process's own.
	 */
	MMLAB_REFPAGE_FILL = 2,
};

/* Capabilities: bit (1 << form) is set for each form that works here. */
#define MMLAB_REFPAGE_CAP_FORM(form) (1ULL << (form))
/*
 * A write to an untouched page of a uniform pattern is a memset, and one to an
 * untouched page of the uncounted form takes no reference to the shared page.
 */
#define MMLAB_REFPAGE_CAP_DIRECT_WRITE (1ULL << 32)

enum mmlab_refpage_stat {
	/* Reference pages alive now: created, and neither closed nor unmapped. */
	MMLAB_REFPAGE_STAT_LIVE_OBJECTS = 0,
	/* Reference pages created. */
	MMLAB_REFPAGE_STAT_CREATED = 1,
	/* Successful mmap calls. */
	MMLAB_REFPAGE_STAT_MMAPS = 2,
	/* Read faults that mapped the shared page. */
	MMLAB_REFPAGE_STAT_READ_SHARED = 3,
	/* Read faults that filled a page of the process's own (FILL only). */
	MMLAB_REFPAGE_STAT_READ_FILLED = 4,
	/* Write faults on an untouched page: the kernel copied the shared page. */
	MMLAB_REFPAGE_STAT_WRITE_KERNEL = 5,
	/* The same: the module copied the pattern into the new page. */
	MMLAB_REFPAGE_STAT_WRITE_COPIED = 6,
	/* The same: the module filled the new page by memset. */
	MMLAB_REFPAGE_STAT_WRITE_FILLED = 7,
	/* Faults that another thread's fault on the same page overtook. */
	MMLAB_REFPAGE_STAT_RACED = 8,
	/*
	 * Special entries taken back because somebody other than the owner
	 * (ptrace, /proc/PID/mem, process_vm_writev) was about to write.
	 */
	MMLAB_REFPAGE_STAT_WITHDRAWN = 9,
	/* Reads of special entries by ptrace or /proc/PID/mem. */
	MMLAB_REFPAGE_STAT_ACCESSED = 10,
	MMLAB_REFPAGE_N_STATS
};

/**
 * struct mmlab_refpage_create - MMLAB_IOC_REFPAGE_CREATE
 * @size: in: sizeof(struct mmlab_refpage_create)
 * @flags: in: 0, else EINVAL (the proposal's choice, unlike other commands)
 * @content: in: address of the pattern, a multiple of @content_bytes
 * @content_bytes: in: a power of two from 1 to the page size
 * @form: in: an enum mmlab_refpage_form; EINVAL if there is no such form,
 *	EOPNOTSUPP if this kernel does not offer it
 * @fd: out: the descriptor, close-on-exec and read-only; 0 or anything else on
 *	input
 *
 * The pattern is copied before the command returns. Pages and bookkeeping are
 * charged to the caller's memory control group.
 */
struct mmlab_refpage_create {
	__u32 size;
	__u32 flags;
	__aligned_u64 content;
	__aligned_u64 content_bytes;
	__u32 form;
	__s32 fd;
};

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
 * the process owned. Refused: partial munmap, mprotect(2), mremap(2), and
 * madvise(2) with advice that would drop, move or populate pages, or change what
 * fork or a core dump does with them. A child of fork(2) does not inherit the
 * mapping; it may make its own.
 */

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

/*
 * Page tables shared between processes.
 *
 * A shared object is memory, or part of a file, whose page tables exist once,
 * however many processes map it: each mapping's upper-level entries point to
 * the same tables. It is mapped with mmap(2), MAP_SHARED, offset 0, in its
 * whole length, at any multiple of MMLAB_MSHARE_ALIGN (the kernel chooses one
 * by itself): either the descriptor that MSHARE_FILE returns, or a file of the
 * file system "msharefs". The first mapping of such a file makes it zeroed
 * memory of that size, and must be writable; unless ftruncate(2) or
 * fallocate(2) gave it a size before: then it is a region, see struct
 * mshare_create.
 *
 *   EINVAL  mmap: private, executable or not readable; another offset, length
 *           or alignment
 *   EACCES  mmap: PROT_WRITE on a descriptor for reading
 *
 * Mappings that may write share one set of tables, those that may only read
 * another. A child of fork(2) inherits the mapping, and its share in the tables.
 *
 * Refused, with EINVAL: partial munmap, mprotect(2) (see MSHARE_PROTECT),
 * mremap(2), and madvise(2) with the advice that would drop or merge pages.
 * mlock(2) has no effect. Pages that were touched serve as futexes and as
 * buffers of direct input and output; others fail with EFAULT there, also
 * those that reclaim has taken since. ptrace(2) and /proc/PID/mem work;
 * process_vm_readv(2) fails with EFAULT. The pages are in nobody's RSS.
 *
 * NEVER give such a mapping to a virtual machine as its memory (KVM), or to a
 * device that uses the process's page tables (SVA): they are not told when a
 * page goes, and would go on using it after it became somebody else's.
 */
#define MMLAB_MSHARE_ALIGN (1ULL << 21)

/* What read(2) on a file in msharefs gives: struct mshare_info of the proposal. */
struct mmlab_mshare_range {
	__aligned_u64 start;
	__aligned_u64 bytes;
};

/* How a change of shared entries makes translations disappear from TLBs. */
enum mmlab_mshare_flush {
	/* Everything, on all CPUs, once. */
	MMLAB_MSHARE_FLUSH_ALL = 0,
	/* Everything, on the CPUs that run any guest, once. */
	MMLAB_MSHARE_FLUSH_UNION = 1,
	/* Everything, on the CPUs that run a guest, for one guest after another. */
	MMLAB_MSHARE_FLUSH_EACH = 2,
};

/* Capabilities: bit (1 << flush) is set for each strategy that works here. */
#define MMLAB_MSHARE_CAP_FLUSH(flush) (1ULL << (flush))

enum mmlab_mshare_stat {
	/* Objects alive now. */
	MMLAB_MSHARE_STAT_LIVE_OBJECTS = 0,
	/* Sets of page tables alive now: up to two for an object. */
	MMLAB_MSHARE_STAT_LIVE_HOSTS = 1,
	/* Mappings alive now; copies by fork() count from their first fault. */
	MMLAB_MSHARE_STAT_LIVE_GUESTS = 2,
	/* Entries of mappings that point to shared tables now. */
	MMLAB_MSHARE_STAT_LIVE_ATTACHED = 3,
	/* Objects made, mappings made, mappings by fork() that were touched. */
	MMLAB_MSHARE_STAT_CREATED = 4,
	MMLAB_MSHARE_STAT_MMAPS = 5,
	MMLAB_MSHARE_STAT_JOINED = 6,
	/* Entries put in and taken out. */
	MMLAB_MSHARE_STAT_ATTACHED = 7,
	MMLAB_MSHARE_STAT_DETACHED = 8,
	/* Tables made. */
	MMLAB_MSHARE_STAT_TABLES = 9,
	/* Faults of mappings that the module served, */
	MMLAB_MSHARE_STAT_FAULTS = 10,
	/* among them those for which a page had to be found, */
	MMLAB_MSHARE_STAT_HOST_FAULTS = 11,
	/* and those that the protection forbids. */
	MMLAB_MSHARE_STAT_DENIED = 12,
	/* Protections changed. */
	MMLAB_MSHARE_STAT_PROTECTS = 13,
	/* Flushes by strategy; NONE had no guest to reach. */
	MMLAB_MSHARE_STAT_FLUSH_ALL = 14,
	MMLAB_MSHARE_STAT_FLUSH_UNION = 15,
	MMLAB_MSHARE_STAT_FLUSH_EACH = 16,
	MMLAB_MSHARE_STAT_FLUSH_NONE = 17,
	/* Guests that flushes of UNION and EACH went through. */
	MMLAB_MSHARE_STAT_FLUSHED_GUESTS = 18,
	/* Pages read or written by a debugger. */
	MMLAB_MSHARE_STAT_ACCESSED = 19,
	MMLAB_MSHARE_N_STATS
};

/**
 * struct mmlab_mshare_file - MMLAB_IOC_MSHARE_FILE: MAP_SHARED_PT
 * @size: in: sizeof(struct mmlab_mshare_file)
 * @flags: in: 0, else EOPNOTSUPP
 * @file_fd: in: a regular file: memfd, tmpfs, or on disk
 * @prot: in: PROT_READ, or PROT_READ | PROT_WRITE; EINVAL for others
 * @offset: in: where in the file, a multiple of the page size
 * @bytes: in: multiple of MMLAB_MSHARE_ALIGN, not 0
 * @fd: out: the descriptor to map, close-on-exec; for writing if @prot says so
 * @reserved: in: 0, else EINVAL
 *
 * All who name the same file, offset and length get the same object.
 *   EBADF   no such descriptor
 *   EACCES  it is not open for reading, or for writing if @prot says so
 *   EINVAL  not a regular file, a huge-page file, one of memfd_secret(2) or
 *           of FUSE, a file that cannot be mapped by pages, or itself of this
 *           mechanism
 *   EPERM   a seal forbids it
 *   and what mmap(2) of the file gives
 */
struct mmlab_mshare_file {
	__u32 size;
	__u32 flags;
	__s32 file_fd;
	__u32 prot;
	__aligned_u64 offset;
	__aligned_u64 bytes;
	__s32 fd;
	__u32 reserved;
};

/**
 * struct mmlab_mshare_protect - MMLAB_IOC_MSHARE_PROTECT: for all guests at once
 * @size: in: sizeof(struct mmlab_mshare_protect)
 * @flags: in: 0, else EOPNOTSUPP
 * @addr: in: address in the caller's mapping, a multiple of the page size
 * @bytes: in: multiple of the page size, not 0
 * @prot: in: PROT_NONE, PROT_READ or PROT_READ | PROT_WRITE
 * @reserved: in: 0, else EINVAL
 *
 * When the command returns no process can access the range otherwise; one that
 * tries gets SIGSEGV. Mappings for reading never become writable.
 *   ENOMEM  the range is not within one mapping of a shared object, or there is
 *           nothing in a part of it; no memory; too many pieces
 *   EACCES  that mapping is for reading; or a piece cannot be made writable
 */
struct mmlab_mshare_protect {
	__u32 size;
	__u32 flags;
	__aligned_u64 addr;
	__aligned_u64 bytes;
	__u32 prot;
	__u32 reserved;
};

/**
 * struct mmlab_mshare_flush_set - MMLAB_IOC_MSHARE_FLUSH: choose a strategy
 * @size: in: sizeof(struct mmlab_mshare_flush_set)
 * @flags: in: 0, else EOPNOTSUPP
 * @addr: in: address in the caller's mapping; ENOMEM if there is none, EACCES
 *	if it is for reading
 * @flush: in: an enum mmlab_mshare_flush; EINVAL if there is no such strategy
 * @reserved: in: 0, else EINVAL
 *
 * A new object has MMLAB_MSHARE_FLUSH_ALL.
 */
struct mmlab_mshare_flush_set {
	__u32 size;
	__u32 flags;
	__aligned_u64 addr;
	__u32 flush;
	__u32 reserved;
};

/**
 * struct mmlab_mshare_info - MMLAB_IOC_MSHARE_INFO: about one mapping's object
 * @size: in: sizeof(struct mmlab_mshare_info)
 * @flags: in: 0, else EOPNOTSUPP
 * @addr: in: address in the caller's mapping; ENOMEM if there is none
 * @start: out: first address of the mapping
 * @bytes: out: size of the object
 * @table_bytes: out: page tables of the hosts, of all levels but the topmost: what
 *	VmPTE would be if hosts were processes
 * @pte_bytes: out: of these, the ones that entries of mappings point to
 * @n_guests: out: mappings
 * @n_attached: out: entries of mappings that point to shared tables
 * @flush: out: enum mmlab_mshare_flush
 * @reserved: in: 0, else EINVAL; out: 0
 */
struct mmlab_mshare_info {
	__u32 size;
	__u32 flags;
	__aligned_u64 addr;
	__aligned_u64 start;
	__aligned_u64 bytes;
	__aligned_u64 table_bytes;
	__aligned_u64 pte_bytes;
	__aligned_u64 n_guests;
	__aligned_u64 n_attached;
	__u32 flush;
	__u32 reserved;
};

/**
 * struct mmlab_mshare_adopt - MMLAB_IOC_MSHARE_ADOPT: share what is mapped
 * @size: in: sizeof(struct mmlab_mshare_adopt)
 * @flags: in: 0, else EOPNOTSUPP
 * @addr: in: of the caller's mapping: shared memory or a file, for writing
 * @bytes: in: its length
 * @fd: in: a file of msharefs, open for writing, that nobody has mapped
 * @reserved: in: 0, else EINVAL
 *
 * The file becomes the object that is mapped at @addr, contents included, with
 * @addr and @bytes as its range. The caller's own mapping stays as it is, and
 * is not one of the object: it may map the file over it.
 *   EBADF   no such descriptor, or not open for writing
 *   EINVAL  not a file of msharefs; no multiple of MMLAB_MSHARE_ALIGN; not
 *           exactly one shared writable mapping of something adoptable
 *   EEXIST  the file has a range already
 */
struct mmlab_mshare_adopt {
	__u32 size;
	__u32 flags;
	__aligned_u64 addr;
	__aligned_u64 bytes;
	__s32 fd;
	__u32 reserved;
};

/**
 * struct mmlab_mshare_populate - MMLAB_IOC_MSHARE_POPULATE: fill tables ahead
 * @size: in: sizeof(struct mmlab_mshare_populate)
 * @flags: in: 0, else EOPNOTSUPP
 * @addr: in: address in the caller's mapping, a multiple of the page size
 * @bytes: in: multiple of the page size, not 0
 *
 * As if the caller had read each page: afterwards nobody's read of them faults,
 * but for once per table and mapping, and not at all the caller's. Replaces
 * MAP_POPULATE, which does nothing, and MADV_POPULATE_READ, which fails with
 * EINVAL. What was filled before an error stays.
 *   ENOMEM  the range is not within one mapping of a shared object; no memory
 *   EFAULT  there is nothing, or no access
 *   EINTR   a fatal signal
 */
struct mmlab_mshare_populate {
	__u32 size;
	__u32 flags;
	__aligned_u64 addr;
	__aligned_u64 bytes;
};

/*
 * Regions: files of msharefs that ftruncate(2) to a multiple of
 * MMLAB_MSHARE_ALIGN, or fallocate(2) with mode 0 from offset 0, gave a size.
 *
 *   EINVAL      the size is no such multiple, or there is one already (the first
 *               mapping gives one, too); fallocate: another offset
 *   EOPNOTSUPP  fallocate: another mode
 *
 * Files and memory are mapped into a region by commands of its own, and thereby
 * into all mappings of the region, those to come as well. An access where
 * nothing is mapped gets SIGSEGV. fstat(2) gives the size. These are names and
 * structs of the proposal; the descriptor is that of the region:
 *
 *   ENOTTY  no such command
 *   EACCES  the descriptor is not open for writing
 *   EINVAL  the region has no size; a length of 0; an offset, or length, that is
 *           no multiple of the page size; a range that is not within the region
 *   EINTR   a fatal signal. What is not changed yet cannot be accessed, but is
 *           mapped: MSHARE_PROTECT makes it accessible, another command replaces
 *           it
 *   EFAULT  the struct cannot be read
 */
#define MSHAREFS_CREATE_MAPPING _IOW('x', 0, struct mshare_create)
#define MSHAREFS_UNMAP _IOW('x', 1, struct mshare_unmap)

/**
 * struct mshare_create - MSHAREFS_CREATE_MAPPING: map something into a region
 * @region_offset: in: where in the region
 * @size: in: how long
 * @offset: in: where in the file, a multiple of the page size; not used with
 *	MAP_ANONYMOUS
 * @prot: in: PROT_READ, or PROT_READ | PROT_WRITE. MSHARE_PROTECT can change it
 *	later as far as @fd allows: a descriptor that is not open for writing keeps
 *	everybody from writing. An earlier MSHARE_PROTECT of the range is forgotten
 * @flags: in: MAP_SHARED | MAP_FIXED, and MAP_ANONYMOUS, MAP_NORESERVE
 * @fd: in: a regular file; not used with MAP_ANONYMOUS
 *
 * What was mapped in the range before is not any more. The region keeps the
 * file, the descriptor may be closed.
 *   EINVAL  other @flags or @prot; what MSHARE_FILE says of files
 *   EBADF   @fd is no descriptor
 *   EACCES  it is not open for reading, or for writing if @prot says so
 *   EPERM   a seal forbids it
 *   ENOMEM  no memory, or more than some 65,000 pieces and differences of
 *           protection, or than vm.max_map_count
 *   and what mmap(2) of the file gives
 * Errors of arguments change nothing; after ENOMEM there may be nothing in the
 * range.
 */
struct mshare_create {
	__aligned_u64 region_offset;
	__aligned_u64 size;
	__aligned_u64 offset;
	__u32 prot;
	__u32 flags;
	__u32 fd;
	/* Not used: the same size for 32-bit programs. */
	__u32 pad;
};

/**
 * struct mshare_unmap - MSHAREFS_UNMAP: take out what is mapped
 * @region_offset: in: where in the region
 * @size: in: how long; there may be several pieces, parts of them, or nothing
 *
 * When the command returns no process can access it.
 *   ENOMEM  no memory, or too many pieces. If the range begins and ends where
 *           pieces do, nobody can access it all the same
 */
struct mshare_unmap {
	__aligned_u64 region_offset;
	__aligned_u64 size;
};

/*
 * Mappings cloned from another process.
 *
 * The clone of private memory is what a child of the other process would have
 * if it had been forked at that moment: both have the same contents, and
 * neither sees what the other, or anybody for it, writes later. Pages become
 * shared, and a write by either side makes a copy for the side that writes.
 * Pages in swap stay there, their entries are shared. What has to be copied at
 * once is copied: pages that a device may be writing, as far as they are pinned
 * (io_uring's registered buffers, RDMA, and direct input and output since
 * Linux 6.5: before, that takes pages without pinning them, and a transfer in
 * flight may still show in the clone), and pages that KSM merged. Huge pages are
 * shared whole where the clone lies at the same offset from a multiple of
 * 2 MiB, else by 4 KiB pieces; at an end of the range that is no multiple of
 * 2 MiB the source's huge page is split first. The clone of a shared mapping is
 * a shared mapping of the same memory.
 *
 * The clone is a mapping like any other: it has the source's protection, may be
 * unmapped, protected, moved, forked and cloned again in parts, and lives on
 * when the source ends. It is not locked into memory, not subject to KSM until
 * the caller asks for it, and not merged with neighbours.
 */

/* Flags of CLONE_MAP. The first two are the proposal's. */
/* At @dst_addr exactly, in place of what is mapped there. */
#define PVMMAP_FIXED (1U << 0)
/* At @dst_addr exactly, and EEXIST if anything is mapped there. */
#define PVMMAP_FIXED_NOREPLACE (1U << 1)
/*
 * As MAP_POPULATE: pages are there before the call returns, those of writable
 * private memory as if written, so that no later access faults. Failure to
 * populate is no error.
 */
#define PVMMAP_POPULATE (1U << 16)
/* Unmap the source in the same step, so that nobody sees both. */
#define PVMMAP_MOVE (1U << 17)
/* @pid is a descriptor of a process, as pidfd_open(2) gives it. */
#define PVMMAP_PIDFD (1U << 18)

/* Capabilities: the kernel has what cloning needs, else EOPNOTSUPP. */
#define MMLAB_CLONE_CAP_MAP (1ULL << 0)

enum mmlab_clone_stat {
	/* Calls that hold an address space right now. */
	MMLAB_CLONE_STAT_LIVE_OBJECTS = 0,
	/* Clones made; of these, moved; and made but undone for want of memory. */
	MMLAB_CLONE_STAT_CLONES = 1,
	MMLAB_CLONE_STAT_MOVES = 2,
	MMLAB_CLONE_STAT_UNDONE = 3,
	/*
	 * How page tables were copied: straight into place (same address), by
	 * way of a staging address space (another address), or not at all (no
	 * private pages).
	 */
	MMLAB_CLONE_STAT_DIRECT = 4,
	MMLAB_CLONE_STAT_STAGED = 5,
	MMLAB_CLONE_STAT_EMPTY = 6,
	/* What the clones held: 4 KiB entries of present pages that are shared, */
	MMLAB_CLONE_STAT_PAGES_SHARED = 7,
	/* and of pages that were copied; */
	MMLAB_CLONE_STAT_PAGES_COPIED = 8,
	/* huge entries; */
	MMLAB_CLONE_STAT_HUGE_SHARED = 9,
	/* entries of pages in swap, duplicated without reading; */
	MMLAB_CLONE_STAT_SWAP_SHARED = 10,
	/* entries of pages in migration, poisoned, and the like. */
	MMLAB_CLONE_STAT_OTHER_SHARED = 11,
	/* Huge entries split: of sources at the ends of a range, and of clones. */
	MMLAB_CLONE_STAT_SOURCE_SPLITS = 12,
	MMLAB_CLONE_STAT_CLONE_SPLITS = 13,
	/* From staging into place: whole tables, huge entries, single entries. */
	MMLAB_CLONE_STAT_TABLES_MOVED = 14,
	MMLAB_CLONE_STAT_HUGE_MOVED = 15,
	MMLAB_CLONE_STAT_PTES_MOVED = 16,
	/* Times that a source's TLBs were flushed because of a clone. */
	MMLAB_CLONE_STAT_FLUSHES = 17,
	/* Clones that were populated, wholly or in part. */
	MMLAB_CLONE_STAT_POPULATED = 18,
	/* To be undone, but for want of memory not even unmapped. */
	MMLAB_CLONE_STAT_LEFT = 19,
	MMLAB_CLONE_N_STATS
};

/**
 * struct mmlab_clone_map - MMLAB_IOC_CLONE_MAP: process_vm_mmap()
 * @size: in: sizeof(struct mmlab_clone_map)
 * @flags: in: PVMMAP_ flags, else EINVAL (the proposal's choice, unlike other
 *	commands)
 * @pid: in: the other process: the id of any of its threads, or a descriptor
 * @reserved: in: 0, else EINVAL
 * @src_addr: in: start of the range there, rounded down to a page
 * @bytes: in: its length, rounded up to pages
 * @dst_addr: in: where the clone is to be: with FIXED and FIXED_NOREPLACE
 *	rounded down to a page, otherwise a hint, or 0
 * @addr: out: where it is; 0 or anything else on input
 *
 *   EINVAL  @bytes is 0 or larger than an address space; @src_addr is in the
 *           first page; the clone would reach beyond the address space; @pid is
 *           not positive; a kernel thread; a process that shares the caller's
 *           address space; MOVE of a stack that grows
 *   EBADF   PIDFD, and the descriptor is none of a process
 *   ESRCH   no such process, or it has ended, or is being ended for want of
 *           memory
 *   EPERM   the caller may not trace it: PTRACE_MODE_ATTACH_REALCREDS, see
 *           ptrace(2); @dst_addr is below vm.mmap_min_addr and the caller may
 *           not map there; the file of a shared mapping is sealed against new
 *           ones; MOVE, and the source is sealed by mseal(2); FIXED, and what
 *           is mapped there is
 *   EFAULT  the range is not inside one mapping of the process; or that is
 *           one of a device or the kernel (vDSO, vvar and the like; anything
 *           but anonymous memory and regular files), of huge pages reserved
 *           by hugetlbfs, secret (memfd_secret(2)), a shadow stack, kept from
 *           children by MADV_DONTFORK or MADV_WIPEONFORK, under a
 *           protection key, on persistent memory (DAX), or private memory of
 *           a file on which programs may be executed (whatever its protection
 *           is, .data included), in a process with breakpoints of uprobes (or that had some: until it runs into a breakpoint that is
 *           none of theirs, which is when the kernel looks)
 *   EOPNOTSUPP  the range is registered with userfaultfd(2) (the proposal's
 *           ENOTSUPP, which user space has no name for); or the running kernel
 *           lacks MMLAB_CLONE_CAP_MAP
 *   EEXIST  FIXED_NOREPLACE, and something is mapped there
 *   ENOMEM  no memory; the limit of mappings (vm.max_map_count) or of address
 *           space (RLIMIT_AS) of the caller, or that of committed memory, was
 *           reached; MOVE: the limit of mappings of the source
 *   EINTR   a signal came: a fatal one while waiting for a lock or looking
 *           for what there is to clone, any while merged pages were being
 *           copied, also with SA_RESTART; or, there, other work came for the
 *           thread, such as the end of an operation of io_uring
 *   EACCES  the caller has PR_SET_MDWE, and the source is writable and
 *           executable
 *
 * With FIXED, what was mapped may be gone after ENOMEM, EINTR and, where the
 * kernel has put breakpoints of uprobes into the new mapping, EFAULT, as with
 * mmap(2). Where memory is so short that not even the new mapping can be unmapped
 * again, it stays, with a part of the content (MMLAB_CLONE_STAT_LEFT). If the struct cannot be written back (EFAULT), the clone is unmapped
 * again, but what MOVE unmapped is lost.
 */
struct mmlab_clone_map {
	__u32 size;
	__u32 flags;
	__s32 pid;
	__u32 reserved;
	__aligned_u64 src_addr;
	__aligned_u64 bytes;
	__aligned_u64 dst_addr;
	__aligned_u64 addr;
};

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
 *	call; EINVAL if there is no such value; for IN, EOPNOTSUPP without
 *	MMLAB_SPF_CAP_HOOK, and EBUSY while the mmiotrace tracer is in use
 * @former: out: what was set before
 *
 * Putting the hook in or out changes a number; no code is patched. Faults that
 * are being resolved go on.
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
 * Refused: partial munmap, mprotect(2), mremap(2), and madvise(2) with advice
 * that would drop or populate pages. A child of fork(2) does not inherit the
 * mapping. Whoever has the descriptor can give commands.
 */

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

#if defined(__cplusplus)
#define MMLAB_STATIC_ASSERT(expression) static_assert(expression, #expression)
#else
#define MMLAB_STATIC_ASSERT(expression) \
	_Static_assert(expression, #expression)
#endif
#define MMLAB_OFFSET(type, member) __builtin_offsetof(struct type, member)

MMLAB_STATIC_ASSERT(sizeof(struct mmlab_query) == 32);
MMLAB_STATIC_ASSERT(MMLAB_OFFSET(mmlab_query, mechs) == 16);
MMLAB_STATIC_ASSERT(MMLAB_OFFSET(mmlab_query, caps) == 24);
MMLAB_STATIC_ASSERT(sizeof(struct mmlab_stats) == 24);
MMLAB_STATIC_ASSERT(MMLAB_OFFSET(mmlab_stats, n_values) == 12);
MMLAB_STATIC_ASSERT(MMLAB_OFFSET(mmlab_stats, values) == 16);
MMLAB_STATIC_ASSERT(sizeof(struct mmlab_refpage_create) == 32);
MMLAB_STATIC_ASSERT(MMLAB_OFFSET(mmlab_refpage_create, content) == 8);
MMLAB_STATIC_ASSERT(MMLAB_OFFSET(mmlab_refpage_create, content_bytes) == 16);
MMLAB_STATIC_ASSERT(MMLAB_OFFSET(mmlab_refpage_create, form) == 24);
MMLAB_STATIC_ASSERT(MMLAB_OFFSET(mmlab_refpage_create, fd) == 28);
MMLAB_STATIC_ASSERT(sizeof(struct mmlab_lockbuf_create) == 40);
MMLAB_STATIC_ASSERT(MMLAB_OFFSET(mmlab_lockbuf_create, bytes) == 8);
MMLAB_STATIC_ASSERT(MMLAB_OFFSET(mmlab_lockbuf_create, flush) == 20);
MMLAB_STATIC_ASSERT(MMLAB_OFFSET(mmlab_lockbuf_create, fd) == 24);
MMLAB_STATIC_ASSERT(MMLAB_OFFSET(mmlab_lockbuf_create, map_bytes) == 32);
MMLAB_STATIC_ASSERT(sizeof(struct mmlab_mshare_file) == 40);
MMLAB_STATIC_ASSERT(MMLAB_OFFSET(mmlab_mshare_file, offset) == 16);
MMLAB_STATIC_ASSERT(MMLAB_OFFSET(mmlab_mshare_file, fd) == 32);
MMLAB_STATIC_ASSERT(sizeof(struct mmlab_mshare_protect) == 32);
MMLAB_STATIC_ASSERT(MMLAB_OFFSET(mmlab_mshare_protect, prot) == 24);
MMLAB_STATIC_ASSERT(sizeof(struct mmlab_mshare_flush_set) == 24);
MMLAB_STATIC_ASSERT(MMLAB_OFFSET(mmlab_mshare_flush_set, flush) == 16);
MMLAB_STATIC_ASSERT(sizeof(struct mmlab_mshare_info) == 72);
MMLAB_STATIC_ASSERT(MMLAB_OFFSET(mmlab_mshare_info, flush) == 64);
MMLAB_STATIC_ASSERT(sizeof(struct mmlab_mshare_adopt) == 32);
MMLAB_STATIC_ASSERT(MMLAB_OFFSET(mmlab_mshare_adopt, fd) == 24);
MMLAB_STATIC_ASSERT(sizeof(struct mmlab_mshare_populate) == 24);
MMLAB_STATIC_ASSERT(MMLAB_OFFSET(mmlab_mshare_populate, bytes) == 16);
MMLAB_STATIC_ASSERT(sizeof(struct mshare_create) == 40);
MMLAB_STATIC_ASSERT(MMLAB_OFFSET(mshare_create, fd) == 32);
MMLAB_STATIC_ASSERT(sizeof(struct mshare_unmap) == 16);
MMLAB_STATIC_ASSERT(sizeof(struct mmlab_clone_map) == 48);
MMLAB_STATIC_ASSERT(MMLAB_OFFSET(mmlab_clone_map, src_addr) == 16);
MMLAB_STATIC_ASSERT(MMLAB_OFFSET(mmlab_clone_map, addr) == 40);
MMLAB_STATIC_ASSERT(sizeof(struct mmlab_spf_create) == 16);
MMLAB_STATIC_ASSERT(MMLAB_OFFSET(mmlab_spf_create, fd) == 12);
MMLAB_STATIC_ASSERT(sizeof(struct mmlab_spf_hook_set) == 16);
MMLAB_STATIC_ASSERT(MMLAB_OFFSET(mmlab_spf_hook_set, former) == 12);
MMLAB_STATIC_ASSERT(sizeof(struct mmlab_spf_hold) == 24);
MMLAB_STATIC_ASSERT(MMLAB_OFFSET(mmlab_spf_hold, addr) == 16);
MMLAB_STATIC_ASSERT(sizeof(struct mmlab_arena_create) == 32);
MMLAB_STATIC_ASSERT(MMLAB_OFFSET(mmlab_arena_create, scheme) == 16);
MMLAB_STATIC_ASSERT(MMLAB_OFFSET(mmlab_arena_create, fd) == 24);
MMLAB_STATIC_ASSERT(sizeof(struct mmlab_arena_range) == 40);
MMLAB_STATIC_ASSERT(MMLAB_OFFSET(mmlab_arena_range, prot) == 24);
MMLAB_STATIC_ASSERT(MMLAB_OFFSET(mmlab_arena_range, duration_ns) == 32);

#endif /* MMLAB_UAPI_MMLAB_H */
