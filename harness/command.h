/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The commands of the mmlab program. Each takes its own argument vector, with its name in argv[0], and returns the
 * exit status: 0, or one of these.
 */
enum mmlab_exit {
	MMLAB_EXIT_FAILED = 1,       /* a case failed */
	MMLAB_EXIT_DIFFERENT = 1,    /* compare: something differs */
	MMLAB_EXIT_CANNOT_TELL = 2,  /* compare: nothing is known to differ, and not all to be the same */
	MMLAB_EXIT_SKIPPED = 77,     /* nothing could be measured: everything was skipped */
	MMLAB_EXIT_ERROR = 99,       /* wrong usage, or the machine refused something */
	MMLAB_EXIT_INTERRUPTED = 130, /* ended by a signal; the result file is valid and marked incomplete */
};

int mmlab_list(int argc, char **argv);
int mmlab_run(int argc, char **argv);
int mmlab_env(int argc, char **argv);
int mmlab_report_command(int argc, char **argv);
int mmlab_compare_command(int argc, char **argv);
int mmlab_publish_command(int argc, char **argv);
int mmlab_hold(int argc, char **argv);
