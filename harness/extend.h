/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * More rounds for a run that is complete: its own command line again, by the program that it was made with.
 */
#include <jansson.h>

/**
 * mmlab_extend() - measure until a result file has @rounds rounds
 * @program: the mmlab that made the file, as the shell would name it; NULL: this one. One of another commit refuses
 * @path:    result file, which is rewritten
 * @result:  what it holds now
 * @message: MMLAB_MESSAGE_BYTES
 * Return: 0; -EINTR if it was interrupted; another -errno with @message.
 */
int mmlab_extend(const char *program, const char *path, const json_t *result, unsigned int rounds, char *message);
