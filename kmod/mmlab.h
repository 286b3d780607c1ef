/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What a mechanism gives the core, and what the core gives a mechanism.
 *
 * A mechanism is one file, or several with a header between them, and exports one
 * const struct mmlab_mech; core.c lists them. Nothing else crosses between
 * mechanisms but compat.h.
 */
#ifndef MMLAB_MMLAB_H
#define MMLAB_MMLAB_H

#include <linux/gfp.h>
#include <linux/types.h>

#include "uapi/mmlab.h"

struct file;
struct file_operations;

/* Memory that users get is zero at first; but for a mistake planted. */
#define MMLAB_GFP_CLEAR (IS_ENABLED(MMLAB_PLANT_KEEP_CONTENTS) ? 0 : __GFP_ZERO)

/* Room for any command's struct; core.c checks each at build time. */
union mmlab_arg {
	struct {
		u32 size;
		u32 flags;
	} head;
	struct mmlab_query query;
	struct mmlab_stats stats;
	struct mmlab_refpage_create refpage_create;
	struct mmlab_lockbuf_create lockbuf_create;
	struct mmlab_mshare_file mshare_file;
	struct mmlab_mshare_protect mshare_protect;
	struct mmlab_mshare_flush_set mshare_flush;
	struct mmlab_mshare_info mshare_info;
	struct mmlab_mshare_adopt mshare_adopt;
	struct mmlab_mshare_populate mshare_populate;
	struct mmlab_clone_map clone_map;
	struct mmlab_spf_create spf_create;
	struct mmlab_spf_hook_set spf_hook;
	struct mmlab_spf_hold spf_hold;
	struct mmlab_arena_create arena_create;
};

/**
 * struct mmlab_reply - what a command leaves for the core to finish
 * @file: a new file, or NULL. The core installs it as @fd once the struct has
 *	reached the caller, and drops both if it could not.
 * @fd: descriptor reserved for @file
 * @map_addr: a new mapping of the caller's, which the core unmaps if the struct
 *	could not reach the caller
 * @map_bytes: its length, or 0
 */
struct mmlab_reply {
	struct file *file;
	int fd;
	unsigned long map_addr;
	unsigned long map_bytes;
};

/**
 * mmlab_reply_file() - a new file without a name as a command's answer
 * @reply: gets it and a descriptor for it, only if both were to be had
 * @name: in brackets, for /proc/PID/fd
 * @fops: its operations
 * @object: its private_data; from now on the file's, unless this fails
 * @flags: of open(2): how it may be mapped
 *
 * Return: 0 or a negative error.
 */
int mmlab_reply_file(struct mmlab_reply *reply, const char *name,
		     const struct file_operations *fops, void *object,
		     int flags);

/**
 * struct mmlab_op - one ioctl command
 * @cmd: its number
 * @bytes: size of its struct in this version
 * @min_bytes: size of its struct in the first version
 * @known_flags: flags that @run understands
 * @bad_flag: the error for any other flag; 0 stands for -EOPNOTSUPP
 * @run: does it; @arg is a copy of the caller's struct, zero beyond what the
 *	caller knew, and is copied back when 0 is returned
 * @no_answer: not copied back, as nothing in it is for the caller: else a command
 *	that has done its work could fail
 */
struct mmlab_op {
	unsigned int cmd;
	u32 bytes;
	u32 min_bytes;
	u32 known_flags;
	int bad_flag;
	int (*run)(union mmlab_arg *arg, struct mmlab_reply *reply);
	bool no_answer;
};

/**
 * struct mmlab_mech - one mechanism
 * @name: name of its file in debugfs
 * @id: enum mmlab_mech_id
 * @ops: its commands
 * @n_ops: how many
 * @stat_names: names of its counters, in the order of its enumeration
 * @n_stats: how many
 * @stat: the present value of one counter; any context
 * @caps: its capabilities on this kernel
 * @init: optional, at module load, before any command can come
 * @exit: optional, the mirror of @init
 */
struct mmlab_mech {
	const char *name;
	u32 id;
	const struct mmlab_op *ops;
	unsigned int n_ops;
	const char *const *stat_names;
	unsigned int n_stats;
	u64 (*stat)(unsigned int index);
	u64 (*caps)(void);
	int (*init)(void);
	void (*exit)(void);
};

extern const struct mmlab_mech mmlab_refpage_mech;
extern const struct mmlab_mech mmlab_lockbuf_mech;
extern const struct mmlab_mech mmlab_mshare_mech;
extern const struct mmlab_mech mmlab_clone_mech;
extern const struct mmlab_mech mmlab_spf_mech;
extern const struct mmlab_mech mmlab_arena_mech;

#endif /* MMLAB_MMLAB_H */
