// SPDX-License-Identifier: MIT
/*
 * Inputs for people to read, and as programs. The latter are parts for
 * scripts/fuzz-kernel, which puts fuzz-calls.h before them.
 */
#include "fuzz.h"

static void call_print(const struct fuzz_step *step, FILE *file)
{
	uint64_t args[FUZZ_MAX_ARGS];
	const struct fuzz_kind *kind = fuzz_step_args(step, args);

	fprintf(file, "%s(", kind->function);
	for (unsigned int i = 0; i < kind->n_args; i++)
		fprintf(file, args[i] < 4096 ? "%s%llu" : "%s%#llx",
			i ? ", " : "", (unsigned long long)args[i]);
	fprintf(file, ")");
}

void fuzz_print_text(const struct fuzz_input *input, FILE *file)
{
	fprintf(file, "# %u workers, %u steps\n", input->n_workers,
		input->n_steps);
	for (unsigned int i = 0; i < input->n_steps; i++) {
		const struct fuzz_step *step = &input->steps[i];

		if (step->worker == FUZZ_FIRST)
			fprintf(file, "%4u first    ", i);
		else
			fprintf(file, "%4u worker %u ", i,
				step->worker % input->n_workers);
		call_print(step, file);
		fprintf(file, " # %s\n",
			fuzz_kinds[step->kind % fuzz_n_kinds].name);
	}
}

/* The steps of one worker, by number: some calls make others run a few. */
static void worker_print(const struct fuzz_input *input, unsigned int worker,
			 FILE *file)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < input->n_steps; i++) {
		unsigned int owner = input->steps[i].worker;

		if (owner != FUZZ_FIRST)
			owner %= input->n_workers;
		if (owner != worker)
			continue;
		if (n == 0 && worker == FUZZ_FIRST)
			fprintf(file, "\nstatic void first_step(unsigned int n)\n");
		else if (n == 0)
			fprintf(file, "\nstatic void worker_%u_step(unsigned int n)\n",
				worker);
		if (n == 0)
			fprintf(file, "{\n\tswitch (n) {\n");
		fprintf(file, "\tcase %u:\n\t\t(void)", n++);
		call_print(&input->steps[i], file);
		fprintf(file, ";\n\t\tbreak;\n");
	}
	if (n > 0)
		fprintf(file, "\tdefault:\n\t\tdone = true;\n\t}\n}\n");
	else if (worker == FUZZ_FIRST)
		fprintf(file, "\nstatic void first_step(unsigned int n)\n"
			      "{\n\tdone = n == 0;\n}\n");
	else
		fprintf(file, "\nstatic void worker_%u_step(unsigned int n)\n"
			      "{\n\tdone = n == 0;\n}\n", worker);
}

void fuzz_print_program(const struct fuzz_input *input, FILE *file)
{
	worker_print(input, FUZZ_FIRST, file);
	for (unsigned int w = 0; w < input->n_workers; w++)
		worker_print(input, w, file);
	fprintf(file, "\nenum { N_WORKERS = %u };\n", input->n_workers);
	fprintf(file, "static void (*const workers[])(unsigned int) = {\n");
	for (unsigned int w = 0; w < input->n_workers; w++)
		fprintf(file, "\tworker_%u_step,\n", w);
	fprintf(file, "};\n");
}
