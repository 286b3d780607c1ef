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
 * The mechanism is the one proposed for memfd in 2014; uapi/mmlab.h states
 * its semantics. Map it with mmlab_lockbuf_map(), pass it on over a socket.
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

#ifdef __cplusplus
}
#endif

#endif /* MMLAB_LIBMMLAB_H */
