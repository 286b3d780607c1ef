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
 * root), EPERM in a kernel that is locked down, ENOENT or ENXIO without the
 * module.
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

#include "mmlab-refpage.h"
#include "mmlab-lockbuf.h"
#include "mmlab-mshare.h"
#include "mmlab-clone.h"
#include "mmlab-spf.h"
#include "mmlab-arena.h"

#endif /* MMLAB_UAPI_MMLAB_H */
