/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Running the real program: a PDF renderer, with or without the shim, its output into a memory file.
 */
#include <stddef.h>
#include <stdint.h>

#define APP_PROGRAM   "pdftoppm"
#define APP_REPORT_FD 3 /* in the program: where the shim writes its line */

/**
 * struct app_run - one run of the program
 * @document:  the PDF
 * @last_page: how far it is rendered, as text
 * @shim:      what large allocations get, or NULL for a run without the shim
 * @shim_path: the shim
 * @threshold: bytes from which on an allocation is large
 * @output_fd, @report_fd: memory files for the rendered pages and for the shim's line; emptied first
 */
struct app_run {
	const char *document;
	const char *last_page;
	const char *shim;
	const char *shim_path;
	size_t threshold;
	int output_fd, report_fd;
};

/* What wait4() says about it; faults are minor and major ones. */
struct app_cost {
	uint64_t max_rss_bytes, faults;
};

/** app_document() - the PDF: MMLAB_APP_PDF, or one in the usual places. Return: path, or NULL. */
const char *app_document(void);

/** app_shim() - path of the shim: MMLAB_SHIM_PATH, or beside this program. Return: 0 or -errno. */
int app_shim(char *ret_path, size_t size);

/** app_run() - run it to its end. @ret may be NULL. Return: 0, -EPROTO if it failed, or another -errno. */
int app_run(const struct app_run *run, struct app_cost *ret);

/** app_output_hash() - hash and length of what a run wrote. Return: 0 or -errno. */
int app_output_hash(int fd, uint64_t *ret_hash, uint64_t *ret_bytes);
