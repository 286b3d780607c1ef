/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * What a guest does at each step, and the creator by itself.
 */
#include "fanout.h"

/* Steps of the crowd. */
enum fanout_step {
	STEP_REHEARSE, /* go through everything once without touching: code, stack and board are there */
	STEP_ATTACH,
	STEP_TOUCH,   /* read or write a byte of each page */
	STEP_AGAIN,   /* read it, and compare the sum */
	STEP_FORK,    /* fork children that touch one page and end */
	STEP_PROTECT, /* mprotect() what the board says */
	STEP_PROBE,   /* is writing refused, or not, as the board says? */
};

#define FANOUT_FORKS 4 /* of one STEP_FORK */

/* What creator and guests tell each other; memory that all share. */
struct fanout_board {
	size_t offset, bytes; /* of the range whose protection changes */
	int prot;
	uint64_t faults[]; /* page faults of each guest in attaching and touching */
};

/** fanout_board_open() - f->board for f->n guests. Return: 0 or -errno. */
int fanout_board_open(struct fanout *f);

/** fanout_fill() - creator: write each page of f->map, and remember the sum. */
void fanout_fill(struct fanout *f);

/** fanout_act() - for struct mmlab_crowd_plan; @arg is the struct fanout. */
int fanout_act(void *arg, unsigned int guest, int step);

/** fanout_step() - make all guests take a step. Return: 0, or what mmlab_fail() says. */
int fanout_step(struct fanout *f, enum fanout_step step);

/** fanout_protect() - change the protection of a range, in the creator and all guests. Return: as fanout_step(). */
int fanout_protect(struct fanout *f, size_t offset, size_t bytes, int prot);

/** fanout_probe() - do all obey what fanout_protect() changed last? Return: as fanout_step(). */
int fanout_probe(struct fanout *f);
