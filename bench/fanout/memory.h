/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Memory files: how the creator makes one, and how guests attach it.
 */
#include "fanout.h"

/* Knobs for contenders whose memory has transparent huge pages, or pages from hugetlb. */
extern const struct mmlab_knob fanout_thp_knobs[], fanout_hugetlb_knobs[];

/** memory_create() - for create: a memory file as f->fd, mapped. */
int memory_create(struct fanout *f);

/** memory_create_thp(), memory_create_hugetlb() - the same in huge pages; the latter may skip. */
int memory_create_thp(struct fanout *f);
int memory_create_hugetlb(struct fanout *f);

/** memory_attach() - for attach: map f->fd. */
int memory_attach(struct fanout *f, char *at);

/** memory_map() - for create: remember what is mapped at the creator's place, or why not. Return: 0 or -errno. */
int memory_map(struct fanout *f, void *mapped);
