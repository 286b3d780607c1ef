/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Can this byte be accessed? Asked by doing it, in user mode and in the kernel. Untimed.
 */
#include <stdbool.h>

/** access_open() - catch SIGSEGV and SIGBUS in this process from here on. Return: 0 or -errno. */
int access_open(void);

/** access_close() - the former handlers again; harmless without access_open(). */
void access_close(void);

/**
 * access_read(), access_write() - one access by the calling thread; no system call comes between caller and access
 * Return: 0, or the signal that it raised.
 */
int access_read(const char *at);
int access_write(char *at, char value);

/** access_kernel_read() - a system call that reads the byte. Return: 0 or -errno; -EFAULT if there is no access. */
int access_kernel_read(const char *at);
