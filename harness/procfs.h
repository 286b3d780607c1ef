/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * What /proc says about memory: smaps of a range, physical pages behind a range, fields of status-like files.
 * Reading allocates nothing after the first call of its size, so that watching doesn't change what is watched.
 */
#include <stddef.h>
#include <stdint.h>

/* Sums over all VMAs that lie in the range, in bytes, as the kernel's page-table walk reports them. */
struct mmlab_smaps {
	uint64_t size, rss, pss, anonymous, anon_huge, private_dirty, private_clean, shared_clean, shared_dirty;
	uint64_t referenced, swap, locked;
	unsigned int n_vmas;
};

/**
 * mmlab_smaps_read() - /proc/self/smaps for [@addr, @addr + @bytes)
 * VMAs must lie wholly inside or outside the range, else -ERANGE.
 * Return: 0 or -errno.
 */
int mmlab_smaps_read(struct mmlab_smaps *ret, const void *addr, size_t bytes);

/** mmlab_smaps_read_file() - the same from any file in the format of smaps: another process, or a captured one. */
int mmlab_smaps_read_file(struct mmlab_smaps *ret, const char *path, uint64_t start, uint64_t bytes);

/**
 * struct mmlab_frames - physical pages behind a range, from /proc/self/pagemap
 * @present:  page-table entries that are present
 * @distinct: distinct page frames among them (a page mapped a thousand times is one)
 * @file:     distinct frames that belong to a file or shared memory
 * @swapped:  entries that are in swap
 */
struct mmlab_frames {
	uint64_t present, distinct, file, swapped;
};

/**
 * mmlab_frames_read() - count page frames behind [@addr, @addr + @bytes)
 * Return: 0; -EPERM if the kernel hides frame numbers (needs CAP_SYS_ADMIN); another -errno.
 */
int mmlab_frames_read(struct mmlab_frames *ret, const void *addr, size_t bytes);

/**
 * mmlab_field_read() - "Name:   123 kB" lines of /proc/self/status, /proc/meminfo, ...
 * @path:    file
 * @field:   name without the colon
 * Return: 0 with *ret in bytes where the line ends in kB (else the plain number), or -errno; -ENOENT if absent.
 */
int mmlab_field_read(uint64_t *ret, const char *path, const char *field);
