/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * What the processor writes into page-table entries by itself, on which exact numbers of page faults depend.
 */
#include <stdbool.h>

/**
 * struct mmlab_mmu - who keeps the books in page-table entries
 * @sets_accessed: the processor notes that a page was accessed
 * @sets_dirty:    the processor notes that a page was written
 *
 * What it does not note the kernel does, which it is told by a page fault: one at the first access through an entry
 * that is old, one at the first write through an entry that may be written but is clean, and a single one for a write
 * through one that is both. x86-64 notes both. Of arm64, processors with FEAT_HAFDBS (in most since ARMv8.1) note
 * accesses, and most of them writes; others, such as Cortex-A53, A57 and A72, note neither.
 *
 * A child of fork has old entries for the private memory of its parent. MAP_POPULATE makes clean ones in a shared
 * mapping, as it fills that as if by reading; a page that is mapped by a write fault is dirty at once.
 */
struct mmlab_mmu {
	bool sets_accessed, sets_dirty;
};

/**
 * mmlab_mmu_read() - find out by trying, on a page of its own
 *
 * No file and no HWCAP says it, the register that does is hidden from user space, and a kernel may be built not to use
 * what the processor has. It holds for the CPU that the caller is on: those of one machine may differ.
 * Return: 0 or -errno.
 */
int mmlab_mmu_read(struct mmlab_mmu *ret);
