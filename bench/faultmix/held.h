/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The proof that a contender's lock is the one it is said to be: whether a fault waits for somebody who holds it.
 */
#include "faultmix.h"

/**
 * held_verify() - while somebody holds the lock for writing, elsewhere, a fault waits or does not, as is said of the
 * contender Without the module nobody can hold it, and nothing is verified. Return: 0 or what mmlab_fail() says.
 */
int held_verify(struct faultmix *f);
