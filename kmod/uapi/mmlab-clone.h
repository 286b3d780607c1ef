/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
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
 * flight may still show in the clone), pages that KSM merged and, since Linux
 * 6.15, those of large folios that the caller has mapped already. Huge pages are
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
#ifndef MMLAB_UAPI_CLONE_H
#define MMLAB_UAPI_CLONE_H

#include "mmlab.h"

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
 *           is, .data included), in a process with breakpoints of uprobes (or
 *           that had some: until it runs into a breakpoint that is none of
 *           theirs, which is when the kernel looks); or a mapping of a file that
 *           has none of its private pages and may have guard pages (madvise(2),
 *           MADV_GUARD_INSTALL), which fork(2) copies; or, on kernels whose
 *           large folios know who maps them, pages that had to be copied could
 *           not be read, or were given up by MADV_FREE meanwhile
 *   EOPNOTSUPP  the range is registered with userfaultfd(2) (the proposal's
 *           ENOTSUPP, which user space has no name for); or the running kernel
 *           lacks MMLAB_CLONE_CAP_MAP
 *   EEXIST  FIXED_NOREPLACE, and something is mapped there
 *   ENOMEM  no memory; the limit of mappings (vm.max_map_count) or of address
 *           space (RLIMIT_AS) of the caller, or that of committed memory, was
 *           reached; MOVE: the limit of mappings of the source
 *   EINTR   a signal came: a fatal one while waiting for a lock, looking for
 *           what there is to clone or copying pages of large folios; any while
 *           merged pages were being copied, also with SA_RESTART; or, there,
 *           other work came for the thread, such as the end of an operation of
 *           io_uring
 *   EACCES  the caller has PR_SET_MDWE, and the source is writable and
 *           executable
 *
 * With FIXED, what was mapped may be gone after ENOMEM, EINTR and, where the
 * kernel has put breakpoints of uprobes into the new mapping or pages could not
 * be copied, EFAULT, as with mmap(2). Where memory is so short that not even the
 * new mapping can be unmapped again, it stays, with a part of the content
 * (MMLAB_CLONE_STAT_LEFT). If the struct cannot be written back (EFAULT), the
 * clone is unmapped again, but what MOVE unmapped is lost.
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

MMLAB_STATIC_ASSERT(sizeof(struct mmlab_clone_map) == 48);
MMLAB_STATIC_ASSERT(MMLAB_OFFSET(mmlab_clone_map, src_addr) == 16);
MMLAB_STATIC_ASSERT(MMLAB_OFFSET(mmlab_clone_map, addr) == 40);

#endif /* MMLAB_UAPI_CLONE_H */
