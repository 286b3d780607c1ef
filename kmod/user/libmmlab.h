/* SPDX-License-Identifier: MIT */
/*
 * libmmlab: the proposed system calls, with their signatures, on top of
 * /dev/mmlab.
 *
 * Like the system calls they stand for, all functions return -1 and set errno
 * on failure. Without the module they fail with ENOSYS, as on a kernel without
 * the call; a caller whom the device's mode excludes gets EACCES. The device
 * is opened at the first call, close-on-exec, and stays open; a forked child
 * shares it. Functions may be called from any thread; none prints.
 */
#ifndef MMLAB_LIBMMLAB_H
#define MMLAB_LIBMMLAB_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "uapi/mmlab.h"

#ifdef __cplusplus
extern "C" {
#endif

/**
 * refpage_create() - create a reference page, as proposed (version 5)
 * @content: the pattern, at an address that is a multiple of @size
 * @size: bytes of the pattern, a power of two from 1 to the page size
 * @flags: must be 0
 *
 * The descriptor maps with mmap(2), MAP_PRIVATE only, at any length and
 * offset: memory that reads as the repeated pattern until it is written.
 * The caller closes it; mappings stay.
 *
 * Return: a read-only close-on-exec descriptor, or -1 with errno: EINVAL for
 * bad flags, size or alignment, EFAULT for unreadable @content, ENOMEM, EMFILE,
 * ENFILE, ENOSYS, EACCES.
 */
int refpage_create(const void *content, size_t size, unsigned long flags);

/**
 * mmlab_refpage_create() - refpage_create() with a choice of form
 * @content: as refpage_create()
 * @size: as refpage_create()
 * @flags: as refpage_create()
 * @form: how pages come into being; refpage_create() uses
 *	MMLAB_REFPAGE_UNCOUNTED
 *
 * Return: as refpage_create(), and EINVAL for a form that does not exist,
 * EOPNOTSUPP for one that the running kernel does not offer.
 */
int mmlab_refpage_create(const void *content, size_t size, unsigned long flags,
			 enum mmlab_refpage_form form);

/**
 * mmlab_lockbuf_create() - create a buffer that one process at a time owns
 * @bytes: its size, from 1 byte to MMLAB_LOCKBUF_MAX_BYTES
 * @mode: who loses access by UNLOCK, an enum mmlab_lockbuf_mode
 * @flush: how, an enum mmlab_lockbuf_flush
 * @flags: MMLAB_LOCKBUF_POPULATE, MMLAB_LOCKBUF_CACHE_FLUSH
 *
 * The mechanism is the one proposed for memfd in 2014; uapi/mmlab-lockbuf.h
 * states its semantics. Map it with mmlab_lockbuf_map(), pass it on over a socket.
 *
 * Return: a close-on-exec descriptor, or -1 with errno: EINVAL, EPERM,
 * EOPNOTSUPP, ENOMEM, EMFILE, ENFILE, ENOSYS, EACCES.
 */
int mmlab_lockbuf_create(size_t bytes, unsigned int mode, unsigned int flush,
			 unsigned int flags);

/**
 * mmlab_lockbuf_map_bytes() - length of a buffer's mapping
 * @bytes: size of the buffer
 *
 * Return: @bytes rounded up to 2 MiB.
 */
size_t mmlab_lockbuf_map_bytes(size_t bytes);

/**
 * mmlab_lockbuf_map() - map a buffer, as writer or as reader
 * @fd: the buffer's descriptor
 * @bytes: the size it was created with
 * @prot: PROT_READ for a reader, PROT_READ | PROT_WRITE for a writer
 *
 * The caller unmaps mmlab_lockbuf_map_bytes(@bytes) bytes with munmap(2).
 *
 * Return: the address, or MAP_FAILED with errno as mmap(2).
 */
void *mmlab_lockbuf_map(int fd, size_t bytes, int prot);

/**
 * mmlab_lockbuf_reader() - a second descriptor, for reading only
 * @fd: the buffer's descriptor
 *
 * Return: a close-on-exec descriptor, or -1 with errno.
 */
int mmlab_lockbuf_reader(int fd);

/**
 * mmlab_lockbuf_lock() - own a mapped buffer
 * @fd: the buffer's descriptor
 * @flags: 0 or MMLAB_LOCKBUF_WAIT
 *
 * Return: 0, MMLAB_LOCKBUF_OWNER_DIED, or -1 with errno: EPERM if it has an
 * owner, EDEADLK, EINTR, ENXIO, EINVAL.
 */
int mmlab_lockbuf_lock(int fd, unsigned int flags);

/**
 * mmlab_lockbuf_unlock() - give a buffer up
 * @fd: the buffer's descriptor
 *
 * Return: 0, or -1 with errno: EPERM if the caller does not own it, ENXIO.
 */
int mmlab_lockbuf_unlock(int fd);

/** mmlab_lockbuf_nop() - enter the module and return: 0, or -1 with errno. */
int mmlab_lockbuf_nop(int fd);

/**
 * mmlab_lockbuf_flush() - the flush of an UNLOCK, alone
 * @fd: the buffer's descriptor
 *
 * Return: 0, or -1 with errno: ENXIO.
 */
int mmlab_lockbuf_flush(int fd);

/*
 * MAP_SHARED_PT: the proposal's flag for mmap(2), which only
 * mmlab_mmap_shared_pt() knows; the kernel would ignore it.
 */
#define MAP_SHARED_PT 0x200000

/* Where msharefs is mounted: mount -t msharefs msharefs /sys/fs/mshare */
#define MMLAB_MSHARE_DIR "/sys/fs/mshare"

/**
 * mmlab_mmap_shared_pt() - mmap(2) with MAP_SHARED | MAP_SHARED_PT
 * @addr: as mmap(2); a multiple of MMLAB_MSHARE_ALIGN, or NULL
 * @length: a multiple of MMLAB_MSHARE_ALIGN
 * @prot: PROT_READ, or PROT_READ | PROT_WRITE
 * @flags: MAP_SHARED | MAP_SHARED_PT, and flags of mmap(2) such as MAP_FIXED
 * @fd: a regular file
 * @offset: a multiple of the page size
 *
 * All who map the same part of the same file this way, at whatever addresses,
 * share page tables; uapi/mmlab-mshare.h states what else is different from
 * mmap(2). The caller unmaps the whole with munmap(2).
 *
 * Return: the address, or MAP_FAILED with errno: EINVAL for what is not
 * aligned, not shared, not a regular file, or has other bits in @prot; EBADF,
 * EACCES, EPERM, ENOMEM, EMFILE, ENFILE as mmap(2); ENOSYS.
 */
void *mmlab_mmap_shared_pt(void *addr, size_t length, int prot, int flags,
			   int fd, off_t offset);

/**
 * mshare() - share the page tables of a mapping by name, as first proposed
 * @name: of a file in msharefs, without a slash
 * @addr: of the mapping, a multiple of MMLAB_MSHARE_ALIGN
 * @length: of the mapping, a multiple of MMLAB_MSHARE_ALIGN
 * @oflags: O_RDWR or O_RDONLY, and O_CREAT, O_EXCL
 * @mode: mode bits of the new file
 *
 * With O_CREAT, and unless the name exists: makes the shared writable mapping
 * at exactly @addr, @length, with its contents, one that others can attach.
 * Otherwise attaches to the named one at its address, where nothing may be
 * mapped. The proposal wanted multiples of 512 GiB.
 *
 * Return: 0, or -1 with errno: EINVAL for an address or length that is not
 * aligned, not that of the named mapping, or where there is no mapping to share
 * or one in the way; EEXIST with O_EXCL; EPERM if the mode does not allow it;
 * ENOENT if msharefs is not mounted or there is no such name; and as open(2)
 * and mmap(2).
 */
int mshare(const char *name, void *addr, size_t length, int oflags,
	   mode_t mode);

/**
 * mshare_unlink() - remove the name; who has it mapped keeps it
 * @name: as for mshare()
 *
 * Return: 0, or -1 with errno: EINVAL if there is no such name, ENOENT if
 * msharefs is not mounted, EACCES, EPERM.
 */
int mshare_unlink(const char *name);

/**
 * mmlab_mshare_protect() - change a protection in all processes at once
 * @addr: address in a shared mapping of the caller, a multiple of the page size
 * @length: a multiple of the page size
 * @prot: PROT_NONE, PROT_READ, or PROT_READ | PROT_WRITE
 *
 * Return: 0, or -1 with errno: EINVAL, ENOMEM if the range is not in one shared
 * mapping, EACCES if that is for reading, ENOSYS.
 */
int mmlab_mshare_protect(void *addr, size_t length, int prot);

/**
 * mmlab_mshare_populate() - fill shared page tables ahead of accesses
 * @addr: address in a shared mapping of the caller, a multiple of the page size
 * @length: a multiple of the page size
 *
 * Return: 0, or -1 with errno: EINVAL, ENOMEM as above or if there is no
 * memory, EFAULT where an access for reading would raise a signal, EINTR,
 * ENOSYS.
 */
int mmlab_mshare_populate(void *addr, size_t length);

/**
 * mmlab_mshare_flush() - choose how a change reaches TLBs
 * @addr: address in a shared mapping of the caller
 * @flush: an enum mmlab_mshare_flush
 *
 * Return: 0, or -1 with errno: EINVAL, ENOMEM, EACCES, ENOSYS.
 */
int mmlab_mshare_flush(void *addr, unsigned int flush);

/**
 * mmlab_mshare_info() - what the module knows of a shared mapping
 * @addr: address in a shared mapping of the caller
 * @ret_info: written on success
 *
 * Return: 0, or -1 with errno: ENOMEM if there is no such mapping, ENOSYS.
 */
int mmlab_mshare_info(const void *addr, struct mmlab_mshare_info *ret_info);

/**
 * process_vm_mmap() - clone a mapping of another process, as proposed
 * @pid: the process, by the id of any of its threads
 * @src_addr: start of the range there, rounded down to a page
 * @len: its length, rounded up to pages
 * @dst_addr: address for the clone, or a hint, or NULL
 * @flags: 0, PVMMAP_FIXED or PVMMAP_FIXED_NOREPLACE
 *
 * The clone of private memory is copy-on-write on both sides, as after fork();
 * that of shared memory is shared. uapi/mmlab-clone.h states the rest. The
 * caller unmaps it with munmap(2).
 *
 * Return: its address, or MAP_FAILED with errno: EINVAL, ESRCH, EPERM, EFAULT,
 * EOPNOTSUPP, EEXIST, ENOMEM, EINTR, EACCES, ENOSYS.
 */
void *process_vm_mmap(pid_t pid, const void *src_addr, size_t len,
		      void *dst_addr, unsigned long flags);

/**
 * mmlab_process_vm_mmap() - process_vm_mmap() with more flags
 * @pid: as process_vm_mmap()
 * @src_addr: as process_vm_mmap()
 * @len: as process_vm_mmap()
 * @dst_addr: as process_vm_mmap()
 * @flags: also PVMMAP_POPULATE, PVMMAP_MOVE
 *
 * Return: as process_vm_mmap().
 */
void *mmlab_process_vm_mmap(pid_t pid, const void *src_addr, size_t len,
			    void *dst_addr, unsigned long flags);

/**
 * mmlab_pidfd_vm_mmap() - the same of a process that cannot be mistaken
 * @pidfd: a descriptor as pidfd_open(2) gives it
 * @src_addr: as process_vm_mmap()
 * @len: as process_vm_mmap()
 * @dst_addr: as process_vm_mmap()
 * @flags: as mmlab_process_vm_mmap()
 *
 * Return: as process_vm_mmap(), and EBADF.
 */
void *mmlab_pidfd_vm_mmap(int pidfd, const void *src_addr, size_t len,
			  void *dst_addr, unsigned long flags);

/**
 * mmlab_spf_create() - a descriptor whose private mappings fault as asked
 * @mode: an enum mmlab_spf_mode
 *
 * Map it with mmap(2), MAP_PRIVATE, any length, as often as wanted: memory
 * that is zero at first. uapi/mmlab-spf.h states what else is different from
 * MAP_ANONYMOUS. The caller closes it; mappings stay.
 *
 * Return: a close-on-exec descriptor, or -1 with errno: EINVAL, EOPNOTSUPP,
 * ENOMEM, EMFILE, ENFILE, ENOSYS, EACCES.
 */
int mmlab_spf_create(unsigned int mode);

/**
 * mmlab_spf_hook() - decide whether faults are looked at before locks
 * @hook: an enum mmlab_spf_hook, for the whole system
 * @ret_former: what was set before, or NULL; written on success only
 *
 * Return: 0, or -1 with errno: EINVAL; EPERM without CAP_SYS_ADMIN, as it is
 * everybody's; EOPNOTSUPP for MMLAB_SPF_HOOK_IN where the kernel or the
 * module's parameter does not allow it, EBUSY while the mmiotrace tracer is in
 * use; ENOSYS, EACCES.
 */
int mmlab_spf_hook(unsigned int hook, unsigned int *ret_former);

/**
 * mmlab_spf_hold() - keep all faults that need it waiting for mmap_lock
 * @ms: for how many milliseconds, up to MMLAB_SPF_HOLD_MAX_MS
 * @addr: NULL, or an address in a mapping whose own lock is taken, too
 *
 * Return: 0 when the lock is free again, or -1 with errno: EINVAL, EFAULT,
 * EINTR, ENOSYS, EACCES.
 */
int mmlab_spf_hold(unsigned int ms, const void *addr);

/**
 * mmlab_query() - ask what the module offers
 * @mech: an enum mmlab_mech_id
 * @ret_caps: capabilities of that mechanism, or NULL; written on success only
 *
 * Return: 0, or -1 with errno: EOPNOTSUPP if the module has no such mechanism
 * or speaks another version of the interface, ENOSYS, EACCES.
 */
int mmlab_query(unsigned int mech, uint64_t *ret_caps);

/**
 * mmlab_stats() - read the counters of a mechanism
 * @mech: an enum mmlab_mech_id
 * @ret_values: array of @n_values counters, indexed by the mechanism's
 *	enumeration; those that the module does not have become 0
 * @n_values: room in @ret_values
 *
 * Return: how many counters the module has, or -1 with errno as mmlab_query().
 */
int mmlab_stats(unsigned int mech, uint64_t *ret_values, size_t n_values);

/**
 * mmlab_arena_create() - create an arena: an address space's model
 * @bytes: its length, a multiple of the page size
 * @scheme: the lock, an enum mmlab_arena_scheme
 * @pending: how faults register, an enum mmlab_arena_pending
 * @flags: 0 or MMLAB_ARENA_CHECK
 *
 * uapi/mmlab-arena.h states what an arena is and what each command below does.
 *
 * Return: a close-on-exec descriptor, or -1 with errno: EINVAL, EOPNOTSUPP,
 * ENOMEM, EMFILE, ENFILE, ENOSYS, EACCES.
 */
int mmlab_arena_create(size_t bytes, unsigned int scheme, unsigned int pending,
		       unsigned int flags);

/**
 * mmlab_arena_mmap() - map a whole arena
 * @fd: its descriptor
 * @bytes: the length it was created with
 *
 * The caller unmaps @bytes with munmap(2).
 *
 * Return: the address, or MAP_FAILED with errno as mmap(2), EBUSY.
 */
void *mmlab_arena_mmap(int fd, size_t bytes);

/**
 * mmlab_arena_map() - make a range of an arena accessible
 * @fd: the arena's descriptor
 * @offset: start of the range, a multiple of the page size
 * @bytes: its length, likewise
 * @prot: PROT_NONE, PROT_READ, or PROT_READ | PROT_WRITE
 *
 * Return: 0, or -1 with errno: EEXIST, EINVAL, ENOMEM, EINTR.
 */
int mmlab_arena_map(int fd, size_t offset, size_t bytes, int prot);

/**
 * mmlab_arena_unmap() - free a range of an arena
 * @fd: the arena's descriptor
 * @offset: start of the range
 * @bytes: its length
 *
 * Return: 0, or -1 with errno: EINVAL, ENOMEM, EINTR.
 */
int mmlab_arena_unmap(int fd, size_t offset, size_t bytes);

/**
 * mmlab_arena_protect() - change the protection of a range of an arena
 * @fd: the arena's descriptor
 * @offset: start of the range
 * @bytes: its length
 * @prot: as mmlab_arena_map()
 *
 * Return: 0, or -1 with errno: ENOMEM if a part is not mapped, EINVAL, EINTR.
 */
int mmlab_arena_protect(int fd, size_t offset, size_t bytes, int prot);

/**
 * mmlab_arena_populate() - make the pages of a range of an arena
 * @fd: the arena's descriptor; the caller has mapped it
 * @offset: start of the range
 * @bytes: its length
 *
 * Return: 0, or -1 with errno: ENOMEM, EACCES, ENXIO, EINVAL, EINTR.
 */
int mmlab_arena_populate(int fd, size_t offset, size_t bytes);

/**
 * mmlab_arena_hold() - lock a range of an arena for a while
 * @fd: the arena's descriptor
 * @offset: start of the range
 * @bytes: its length
 * @duration_ns: how long; 0 for a lock and an unlock
 * @flags: MMLAB_ARENA_HOLD_SHARED or MMLAB_ARENA_HOLD_FAULT
 *
 * Return: 0, or -1 with errno: EINTR, EINVAL, ENOMEM, EOPNOTSUPP.
 */
int mmlab_arena_hold(int fd, size_t offset, size_t bytes, uint64_t duration_ns,
		     unsigned int flags);

/** mmlab_arena_nop() - check a range and return: 0, or -1 with errno. */
int mmlab_arena_nop(int fd, size_t offset, size_t bytes);

#ifdef __cplusplus
}
#endif

#endif /* MMLAB_LIBMMLAB_H */
