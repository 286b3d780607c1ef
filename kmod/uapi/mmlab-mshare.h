/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
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
 *   EPERM   mmap: executable, where the kernel itself lets nobody execute
 *           what is in a file that no file system has
 *   EACCES  mmap: PROT_WRITE on a descriptor for reading
 *
 * Mappings that may write share one set of tables, those that may only read
 * another. A child of fork(2) inherits the mapping, and its share in the tables.
 *
 * Refused, with EINVAL: partial munmap, mprotect(2) (see MSHARE_PROTECT; EACCES
 * for access that a mapping may never have), mremap(2) (EFAULT if it would
 * become longer), and madvise(2) with the advice that would drop or merge pages
 * (MADV_REMOVE: EOPNOTSUPP for a file of msharefs, EACCES for a mapping that may
 * only read). mlock(2) has no effect. Pages that were touched serve as futexes and as
 * buffers of direct input and output; others fail with EFAULT there, also
 * those that reclaim has taken since. ptrace(2) and /proc/PID/mem work;
 * process_vm_readv(2) fails with EFAULT. The pages are in nobody's RSS.
 *
 * NEVER give such a mapping to a virtual machine as its memory (KVM), or to a
 * device that uses the process's page tables (SVA): they are not told when a
 * page goes, and would go on using it after it became somebody else's.
 */
#ifndef MMLAB_UAPI_MSHARE_H
#define MMLAB_UAPI_MSHARE_H

#include "mmlab.h"

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
 *   EPERM   a seal of the memory forbids it now
 *   and what mmap(2) of the mapped file gives
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
 *   ENOMEM      it is larger than an address space
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

#endif /* MMLAB_UAPI_MSHARE_H */
