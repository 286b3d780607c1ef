/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Files that are there as a whole or not at all.
 */
#include <stddef.h>

/**
 * mmlab_save() - write to a temporary name beside @path, sync, rename; what is no file, a device or a pipe, is written to
 * Return: 0 or -errno; on failure the former file is untouched.
 */
int mmlab_save(const char *path, const char *text, size_t size);
