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
