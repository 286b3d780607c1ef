/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The source's side, and how processes tell each other what to do: by a futex, as who waits for long should sleep.
 */
#include "clone.h"

/** clone_source_open() - start the source, or be it; it has its memory afterwards. Return: 0 or -errno. */
int clone_source_open(struct clone *s);

/** clone_source_close() - end it. */
void clone_source_close(struct clone *s);

/** clone_source_do() - let the source do something and wait for it; answers are in its line. Return: 0 or -errno. */
int clone_source_do(struct clone *s, enum clone_deed deed);

/** clone_child_open() - fork: the child does what clone_child_do() says; it is ready when this returns. */
int clone_child_open(struct clone *s);

/** clone_source_check() - Return: 0, or -errno and a reason if it is a process of its own and has ended. */
int clone_source_check(struct clone *s);

/** clone_child_await() - until the child runs. Return: 0 or -errno. */
int clone_child_await(struct clone *s);

/** clone_child_do() - let the child do something with its memory and wait for it. Return: 0 or -errno. */
int clone_child_do(struct clone *s, enum clone_deed deed, const void *addr, size_t offset, size_t bytes);

/** clone_child_close() - end it and wait for its end. Return: 0 or -errno. */
int clone_child_close(struct clone *s);

/** clone_do() - what an order says, in the process that it was given to; answers are in @line. Return: 0 or -errno. */
int clone_do(struct clone *s, struct clone_line *line);

/** clone_faults_now() - page faults of this process so far. */
uint64_t clone_faults_now(void);
