/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
/*
 * Reference pages: a descriptor, whose mappings begin with one pattern in each
 * page, copied when it is written to. mmap(2) of it:
 *
 *   EINVAL  MAP_SHARED
 *   EACCES  shared and writable
 *   EPERM   executable, where the kernel itself lets nobody execute what is in
 *           a file that no file system has
 */
#ifndef MMLAB_UAPI_REFPAGE_H
#define MMLAB_UAPI_REFPAGE_H

#include "mmlab.h"

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

MMLAB_STATIC_ASSERT(sizeof(struct mmlab_refpage_create) == 32);
MMLAB_STATIC_ASSERT(MMLAB_OFFSET(mmlab_refpage_create, content) == 8);
MMLAB_STATIC_ASSERT(MMLAB_OFFSET(mmlab_refpage_create, content_bytes) == 16);
MMLAB_STATIC_ASSERT(MMLAB_OFFSET(mmlab_refpage_create, form) == 24);
MMLAB_STATIC_ASSERT(MMLAB_OFFSET(mmlab_refpage_create, fd) == 28);

#endif /* MMLAB_UAPI_REFPAGE_H */
