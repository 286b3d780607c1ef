/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * How often each instruction of the kernel was executed while a case was counted.
 */
#include <stddef.h>
#include <stdint.h>

/** MMLAB_PROFILE_SLOTS - one for each address; a power of two, several times what a kernel executes in a run */
#define MMLAB_PROFILE_SLOTS (UINT64_C(1) << MMLAB_PROFILE_BITS)
#define MMLAB_PROFILE_BITS  19

/**
 * mmlab_profile_slot() - where an instruction is counted
 * @address: of the instruction, not 0
 *
 * Return: its slot, always the same; slot 0 for all that find no place any more.
 */
size_t mmlab_profile_slot(uint64_t address);

/** mmlab_profile_clear() - a case begins: nothing was executed yet */
void mmlab_profile_clear(void);

/**
 * mmlab_profile_add() - what is counted begins or ends here
 * @counts: of each slot, since the machine started
 * @sign: -1 where it begins, 1 where it ends
 */
void mmlab_profile_add(const uint64_t *counts, int64_t sign);

/**
 * mmlab_profile_write() - one line for each address that was executed: the case's name and the address, both in
 * hexadecimal, and how often; address 0 stands for those without a slot
 *
 * Return: 0, or -1 if @fd cannot be written.
 */
int mmlab_profile_write(int fd, uint64_t name);
