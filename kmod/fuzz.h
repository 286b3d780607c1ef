/* SPDX-License-Identifier: MIT */
/*
 * The fuzzer of the module's interface: what its files share.
 *
 * A round runs one input: processes ("workers") that inherit what a first one
 * made, and carry out their steps at the same time. A step is a few bytes: any
 * bytes are a valid step, and mean the same call with the same arguments each
 * time (fuzz-table.c). Results differ, as processes meet differently.
 */
#ifndef MMLAB_FUZZ_H
#define MMLAB_FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

enum {
	FUZZ_MAX_ARGS = 7,
	FUZZ_MAX_STEPS = 1024,
	FUZZ_FIRST = 0xff, /* the worker number of steps before all workers */
	FUZZ_MAX_KINDS = 128,
};

/* Mechanisms, and the calls of the kernel that concern all of them. */
enum fuzz_group {
	FUZZ_MEMORY, FUZZ_REFPAGE, FUZZ_LOCKBUF, FUZZ_MSHARE, FUZZ_CLONE,
	FUZZ_SPF, FUZZ_ARENA, FUZZ_N_GROUPS,
};
extern const char *const fuzz_group_names[FUZZ_N_GROUPS];

struct fuzz_step {
	uint8_t kind, worker;
	uint16_t raw[FUZZ_MAX_ARGS];
};

struct fuzz_input {
	uint32_t n_workers, n_steps;
	struct fuzz_step steps[FUZZ_MAX_STEPS];
};

/* What an argument may be, and what raw numbers stand for. */
enum fuzz_meaning {
	FUZZ_CHOICE, /* one of values */
	FUZZ_ADDRESS, /* in or near a region */
	FUZZ_SOURCE, /* the same, or elsewhere in another process */
	FUZZ_LENGTH,
	FUZZ_OFFSET,
	FUZZ_FD,
	FUZZ_NUMBER, /* from first on, n of them */
	FUZZ_TWIST, /* how the struct of a command is given */
};

/* For addresses and descriptors, first and n are the slots that suit. */
struct fuzz_type {
	enum fuzz_meaning meaning;
	unsigned int first, n;
	const uint64_t *values;
};

/* One kind of step: in reports it is name, in programs the function's name. */
struct fuzz_kind {
	const char *name, *function;
	enum fuzz_group group;
	unsigned int weight, n_args;
	const struct fuzz_type *types[FUZZ_MAX_ARGS];
	union {
		long (*a0)(void);
		long (*a1)(uint64_t);
		long (*a2)(uint64_t, uint64_t);
		long (*a3)(uint64_t, uint64_t, uint64_t);
		long (*a4)(uint64_t, uint64_t, uint64_t, uint64_t);
		long (*a5)(uint64_t, uint64_t, uint64_t, uint64_t, uint64_t);
		long (*a6)(uint64_t, uint64_t, uint64_t, uint64_t, uint64_t,
			   uint64_t);
		long (*a7)(uint64_t, uint64_t, uint64_t, uint64_t, uint64_t,
			   uint64_t, uint64_t);
	} call;
};
extern const struct fuzz_kind fuzz_kinds[];
extern const unsigned int fuzz_n_kinds;

/* The slots that a mechanism's mappings and descriptors are given. */
struct fuzz_slots {
	unsigned int first_region, n_regions, first_fd, n_fds;
};
extern const struct fuzz_slots fuzz_slots[FUZZ_N_GROUPS];

/**
 * fuzz_step_args() - what the arguments of a step are
 * @step: any bytes
 * @ret_args: written, as many as the step's kind has
 *
 * Return: its kind.
 */
const struct fuzz_kind *fuzz_step_args(const struct fuzz_step *step,
				       uint64_t ret_args[FUZZ_MAX_ARGS]);

/**
 * fuzz_step_run() - carry out a step
 * @step: any bytes
 *
 * Return: what the call returned, with errno if that is -1.
 */
long fuzz_step_run(const struct fuzz_step *step);

/* Numbers that follow from a seed. */
struct fuzz_random {
	uint64_t state;
};

/**
 * fuzz_below() - the next number
 * @random: whence
 * @n: not 0
 *
 * Return: a number below @n.
 */
uint32_t fuzz_below(struct fuzz_random *random, uint32_t n);

/* What inputs are made of. */
struct fuzz_wish {
	unsigned int n_workers;
	unsigned int n_steps; /* of each worker */
	unsigned int groups; /* bits of enum fuzz_group; memory is among them */
};

/**
 * fuzz_input_make() - make up an input
 * @random: whence
 * @wish: its size and subject
 * @ret: written
 */
void fuzz_input_make(struct fuzz_random *random, const struct fuzz_wish *wish,
		     struct fuzz_input *ret);

/**
 * fuzz_input_change() - make another input of one
 * @random: whence
 * @wish: subject of new steps
 * @other: one to take steps from
 * @input: changed
 */
void fuzz_input_change(struct fuzz_random *random, const struct fuzz_wish *wish,
		       const struct fuzz_input *other, struct fuzz_input *input);

/**
 * fuzz_input_read() - read an input from a file
 * @path: the file
 * @ret: written on success
 *
 * Return: 0, or -EINVAL for what is no input, or another negative errno.
 */
int fuzz_input_read(const char *path, struct fuzz_input *ret);

/**
 * fuzz_input_write() - write an input to a file
 * @path: the file, made or replaced
 * @input: what
 *
 * Return: 0 or a negative errno.
 */
int fuzz_input_write(const char *path, const struct fuzz_input *input);

/**
 * fuzz_print_text() - write an input for people to read
 * @input: what
 * @file: whither
 */
void fuzz_print_text(const struct fuzz_input *input, FILE *file);

/**
 * fuzz_print_program() - write the parts of a C program that repeats an input
 * @input: what
 * @file: whither
 */
void fuzz_print_program(const struct fuzz_input *input, FILE *file);

/* What is counted while rounds run, in memory of all processes. */
struct fuzz_counts {
	_Atomic uint64_t n_run[FUZZ_MAX_KINDS], n_succeeded[FUZZ_MAX_KINDS];
	_Atomic uint64_t ns[FUZZ_MAX_KINDS]; /* how long they took */
	/* How far each worker is, for whoever looks at one that hangs. */
	_Atomic uint32_t steps[16];
	_Atomic uint32_t kinds[16];
};

/* How a round ended. */
struct fuzz_outcome {
	bool overtime; /* workers were killed, as they took too long */
	bool stuck; /* and some did not go: they are named on standard error */
};

/**
 * fuzz_workers_open() - make what all rounds need
 * @zram: number of the device that memory is swapped to, or -1
 *
 * Return: 0 or a negative errno.
 */
int fuzz_workers_open(int zram);

/**
 * fuzz_workers_run() - one round
 * @input: what to do
 * @ms: for how long
 * @ret: written
 *
 * Return: 0 or a negative errno.
 */
int fuzz_workers_run(const struct fuzz_input *input, unsigned int ms,
		     struct fuzz_outcome *ret);

/**
 * fuzz_workers_go_on() - in a worker after it has executed itself
 * @args: what it was given: its number, the next step, its depth
 *
 * Return: its exit status.
 */
int fuzz_workers_go_on(char *const args[3]);

/** fuzz_now_ns() - the time since some moment in the past. */
uint64_t fuzz_now_ns(void);

/** fuzz_workers_counts() - what was counted; valid until the program ends. */
struct fuzz_counts *fuzz_workers_counts(void);

/**
 * fuzz_cover_open() - prepare to learn what of the module is executed
 * @fd: where all processes have the memory for it
 * @create: in the first process
 *
 * Return: whether this kernel and module tell.
 */
bool fuzz_cover_open(int fd, bool create);

/** fuzz_cover_begin() - in each process and thread that is to be watched. */
void fuzz_cover_begin(void);

/** fuzz_cover_collect() - after each step of such. */
void fuzz_cover_collect(void);

/** fuzz_cover_n() - how many places of the module were reached. */
unsigned int fuzz_cover_n(void);

/**
 * fuzz_cover_write() - write places reached, as offsets into the module's code
 * @path: a file, made or replaced
 *
 * Return: 0 or a negative errno.
 */
int fuzz_cover_write(const char *path);

/**
 * fuzz_scene_open() - a memory control group, swap, msharefs
 *
 * Return: the number of the zram device that is swapped to, or -1 without.
 */
int fuzz_scene_open(void);

/** fuzz_scene_tidy() - after a round: as before, but for names and settings. */
void fuzz_scene_tidy(void);

/** fuzz_scene_close() - as fuzz_scene_open() found it. */
void fuzz_scene_close(void);

/**
 * fuzz_live_left() - wait for the module's objects to go
 * @file: what is left is said here
 *
 * Return: whether something is left after leak_wait_steps().
 */
bool fuzz_live_left(FILE *file);

#endif /* MMLAB_FUZZ_H */
