/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Speculative page faults, between spf.c (descriptors and commands), spf-region.c
 * (mappings and the kernel's own faults in them), spf-fault.c (faults without a
 * lock) and spf-hook.c (how the kernel's fault path gets there). The rules of
 * locking and lifetime are at the head of spf.c.
 */
#ifndef MMLAB_SPF_H
#define MMLAB_SPF_H

#include <linux/fs.h>
#include <linux/list.h>
#include <linux/mm.h>
#include <linux/mmu_notifier.h>
#include <linux/percpu.h>
#include <linux/rculist.h>
#include <linux/spinlock.h>

#include "uapi/mmlab.h"

/**
 * struct spf_space - an address space that has regions
 * @link: among those with the same hash, as long as there are regions; RCU
 * @mm: the address space: @notifier keeps it allocated
 * @regions: all of its regions; RCU
 * @n_regions: how many; up to MMLAB_SPF_MAX_REGIONS, since faults search them
 * @notifier: of the address space; every region holds it
 * @rcu: frees it
 */
struct spf_space {
	struct hlist_node link;
	struct mm_struct *mm;
	struct hlist_head regions;
	unsigned int n_regions;
	struct mmu_notifier notifier;
	struct rcu_head rcu;
};

/**
 * struct spf_region - one VMA in which faults may be resolved without a lock
 * @link: among those of its address space; RCU
 * @space: the address space
 * @start: its first address when it was made or armed last
 * @bytes: its length, the same
 * @lock: guards the change of @live, and all below it
 * @live: armed: what is below is that of the VMA, and stays so until it has
 *	become false and no CPU's spf_busy points here
 * @writable: faults may install writable entries
 * @no_copies: somebody who is told of changed entries has to sleep for that
 * @shadow: as much of the VMA as rmap wants to see
 * @vma: the VMA itself; only for who holds its mmap_lock for writing
 * @rcu: frees it
 */
struct spf_region {
	struct hlist_node link;
	struct spf_space *space;
	unsigned long start;
	unsigned long bytes;
	spinlock_t lock;
	bool live;
	bool writable;
	bool no_copies;
	struct vm_area_struct shadow;
	struct vm_area_struct *vma;
	struct rcu_head rcu;
};

enum { SPF_HASH_BITS = 8 };

/* Of struct spf_space. */
extern struct hlist_head spf_spaces[1 << SPF_HASH_BITS];

/* The region in which a CPU is resolving a fault now. */
DECLARE_PER_CPU(struct spf_region *, spf_busy);

DECLARE_PER_CPU(u64[MMLAB_SPF_N_STATS], spf_counts);

static __always_inline void spf_count(enum mmlab_spf_stat stat)
{
	if (IS_ENABLED(MMLAB_PLANT_RACE))
		per_cpu(spf_counts, 0)[stat]++;
	else
		this_cpu_inc(spf_counts[stat]);
}

static __always_inline void spf_uncount(enum mmlab_spf_stat stat)
{
	this_cpu_dec(spf_counts[stat]);
}

static __always_inline struct hlist_head *spf_bucket(const struct mm_struct *mm)
{
	/* Consecutive objects of one slab differ from here on. */
	return &spf_spaces[((unsigned long)mm >> 7) &
			    ((1 << SPF_HASH_BITS) - 1)];
}

/* spf.c: what a file is mapped as. */
enum mmlab_spf_mode spf_mode_of(const struct file *file);

/* spf-region.c */
int spf_mmap(struct file *file, struct vm_area_struct *vma);
void spf_region_arm(struct spf_region *region, struct mm_struct *mm,
		    unsigned long addr);
void spf_region_exit(void);

/* spf-hook.c */
extern bool spf_hook_works;
void spf_hook_regions_add(int n);
int spf_hook_set(enum mmlab_spf_hook hook, u32 *ret_former);
void spf_hook_init(void);
void spf_hook_exit(void);

/* Read from assembly, as below is called. */
extern u8 spf_diverted;

/* spf-fault.c */
int spf_handler(struct pt_regs *regs, unsigned long addr);

#endif /* MMLAB_SPF_H */
