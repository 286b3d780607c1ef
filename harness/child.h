/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * One case in one round: the hidden `mmlab case` command, run in a freshly executed process.
 *
 * Freshly executed, so that it inherits neither copy-on-write pages nor heap layout from the steering process, and so
 * that nothing it does to itself can reach another case. Its answer is one JSON object on the descriptor named by
 * --reply-fd.
 */

/* How much to measure; the steering process decides, and passes it on the command line. */
struct mmlab_effort {
	unsigned int samples;     /* timed samples wanted */
	unsigned long loops;      /* operations in one sample; 0: calibrate */
	unsigned long target_ns;  /* calibration grows the loop until a sample takes about this long */
	unsigned long budget_ns;  /* stop sampling early, but not before one sample, when this is used up */
};

/** mmlab_child() - the `mmlab case` command. Return: exit status; 0 whenever an answer was written. */
int mmlab_child(int argc, char **argv);
