/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Cleanup attributes: declare and assign in one statement; hand over with mmlab_steal_fd() or by returning a
 * pointer through mmlab_steal().
 */
#include <dirent.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define _cleanup_(fn) __attribute__((cleanup(fn)))

static inline void mmlab_freep(void *p)
{
	free(*(void **)p);
}

static inline int mmlab_close(int fd)
{
	if (fd >= 0)
		(void)close(fd);
	return -1;
}

static inline void mmlab_closep(int *fd)
{
	*fd = mmlab_close(*fd);
}

static inline void mmlab_fclosep(FILE **file)
{
	if (*file)
		(void)fclose(*file);
}

static inline void mmlab_closedirp(DIR **dir)
{
	if (*dir)
		(void)closedir(*dir);
}

static inline void mmlab_json_decrefp(json_t **json)
{
	json_decref(*json);
}

static inline int mmlab_steal_fd(int *fd)
{
	int stolen = *fd;

	*fd = -1;
	return stolen;
}

static inline void *mmlab_steal_pointer(void *p)
{
	void *stolen = *(void **)p;

	*(void **)p = NULL;
	return stolen;
}
#define mmlab_steal(p) ((__typeof__(*(p)))mmlab_steal_pointer(p))
