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

/* The mechanisms. Numbers are for ever; a module may lack any of them. */
enum mmlab_mech_id {
	MMLAB_MECH_REFPAGE = 0, /* reference pages */
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

#endif /* MMLAB_UAPI_MMLAB_H */
