/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Threads that stay in user space on other CPUs: whoever takes access away must reach their TLBs.
 */
struct lock_crew;

/**
 * lock_crew_open() - start @n threads, each pinned to one of the CPUs that the run may use, other than the caller's
 * With more threads than CPUs, several share one; on a machine with one CPU all share the caller's.
 * Return: 0 or -errno.
 */
int lock_crew_open(struct lock_crew **ret, unsigned int n);

/** lock_crew_read() - let the first of them read a byte and wait for it. Return: 0, or the signal that it raised. */
int lock_crew_read(struct lock_crew *crew, const char *at);

/** lock_crew_close() - end them; NULL is accepted. Return: NULL. */
struct lock_crew *lock_crew_close(struct lock_crew *crew);
