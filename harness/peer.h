/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The other end of an operation between two processes, or a helper thread: started on a CPU of its own, ended with
 * the case. A peer never outlives the task that started it.
 */
#include <stdbool.h>
#include <sys/types.h>

struct mmlab_case;

struct mmlab_peer {
	pid_t pid;    /* 0 when empty */
};

/**
 * mmlab_peer_open() - fork a peer, pin it, and run a function in it
 * @ret_peer: filled on success
 * @c:        the case, whose CPUs give the peer its place: the next one after those of its tasks and of the peers
 *            opened before, over and over; with one CPU only, the same as the task's
 * @fn:       runs in the peer; its return value (0 or -errno) becomes the exit status
 * @arg:      handed to @fn
 * Return: 0 or -errno.
 */
int mmlab_peer_open(struct mmlab_peer *ret_peer, struct mmlab_case *c, int (*fn)(void *arg), void *arg);

/**
 * mmlab_peer_close() - wait for the peer to end; kills it first if @kill_it
 * Return: 0 if it ended well (or was killed on request, or the peer is empty), what @fn returned, or -EIO if a signal
 * ended it.
 */
int mmlab_peer_close(struct mmlab_peer *peer, bool kill_it);

/**
 * mmlab_child_ended() - whether a child of the caller's has ended; it is not reaped
 * @ret_how: then "exit status" or "signal"
 * @ret_code: then which
 */
bool mmlab_child_ended(pid_t pid, const char **ret_how, int *ret_code);

/**
 * mmlab_pin_peer_thread() - pin the calling thread where the first peer process would be pinned
 * For helper threads (a userfaultfd handler, say) that a contender starts itself. Call it first thing in the thread.
 * Return: 0 or -errno.
 */
int mmlab_pin_peer_thread(const struct mmlab_case *c);
