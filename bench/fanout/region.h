/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * What the contenders have in common whose tables the module shares.
 */
#include "fanout.h"

/** region_probe() - for needs.probe. */
const char *region_probe(void);

/** region_protect() - for protect: one call. */
int region_protect(struct fanout *f, char *at, size_t bytes, int prot);

/** region_share() - for create: a memory file whose tables are shared, with the contender's way to flush. */
int region_share(struct fanout *f);

/** region_attach() - for attach: MAP_SHARED_PT of f->fd. */
int region_attach(struct fanout *f, char *at);

/** region_mount() - mount msharefs where nobody else sees it; it goes with this process. Return: 0 or -errno. */
int region_mount(struct fanout *f);

/** region_unmount() - for close. */
void region_unmount(struct fanout *f);

#define REGION_NEEDS .memory_bytes = fanout_memory_bytes, .path = "/dev/mmlab", .probe = region_probe

#define REGION_OPS .module = true, .leaf = FANOUT_NONE, .protect = region_protect

#define REGION_FILE "mmlab-fanout" /* in msharefs */
