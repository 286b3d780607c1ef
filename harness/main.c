// SPDX-License-Identifier: MIT
#include <errno.h>
#include <jansson.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "child.h"
#include "command.h"
#include "version.h"

static const struct command {
	const char *name;
	const char *summary; /* NULL: not for people */
	int (*fn)(int argc, char **argv);
} commands[] = {
	{ "list", "scenarios, contenders and axes; what is unavailable here, and why", mmlab_list },
	{ "run", "measure, and write a result file", mmlab_run },
	{ "env", "machine, counters, and warnings about noise with their remedies", mmlab_env },
	{ "report", "tables of result files, a page in HTML, or pictures", mmlab_report_command },
	{ "compare", "same, different, or cannot tell: two result files, case by case", mmlab_compare_command },
	{ "publish", "a result file in the form that a dashboard ingests", mmlab_publish_command },
	{ "case", NULL, mmlab_child },
	{ "hold", NULL, mmlab_hold },
};

/*
 * A tree of JSON that lacks what there was no memory for would be a result file that lies. So this ends the process: the
 * file of the round before stays, and the keeper puts back kernel settings.
 */
static void *allocate(size_t size)
{
	static const char message[] = "mmlab: out of memory\n";
	void *memory = malloc(size);

	if (memory || !size)
		return memory;
	(void)!write(STDERR_FILENO, message, sizeof(message) - 1);
	_exit(MMLAB_EXIT_ERROR);
}

/* What was printed must have arrived: a full disk, or a reader that left, is no success. */
static int finish_output(int status)
{
	bool bad = ferror(stdout);

	errno = 0;
	if (!fflush(stdout) && !bad)
		return status;
	(void)fprintf(stderr, "mmlab: cannot write to standard output: %s\n", strerror(errno ? errno : EIO));
	return MMLAB_EXIT_ERROR;
}

static void usage(FILE *out)
{
	(void)fputs("usage: mmlab COMMAND [arguments]; mmlab COMMAND --help\n"
		    "Measure proposed and present memory-management mechanisms of Linux.\n\n",
		    out);
	for (size_t i = 0; i < sizeof(commands) / sizeof(*commands); i++)
		if (commands[i].summary)
			(void)fprintf(out, "  %-8s %s\n", commands[i].name, commands[i].summary);
}

int main(int argc, char **argv)
{
	const char *name = argc > 1 ? argv[1] : "";

	json_set_alloc_funcs(allocate, free);
	(void)signal(SIGXFSZ, SIG_IGN); /* a limit on the size of files then is an error of write() */
	for (size_t i = 0; i < sizeof(commands) / sizeof(*commands); i++)
		if (!strcmp(name, commands[i].name))
			return finish_output(commands[i].fn(argc - 1, argv + 1));
	if (!strcmp(name, "--help") || !strcmp(name, "-h") || !strcmp(name, "help")) {
		usage(stdout);
		return finish_output(0);
	}
	if (!strcmp(name, "--version")) {
		(void)printf("mmlab %s %s\n", MMLAB_VERSION, MMLAB_DESCRIBE);
		return finish_output(0);
	}
	if (*name)
		(void)fprintf(stderr, "mmlab: no command '%s'\n", name);
	usage(stderr);
	return MMLAB_EXIT_ERROR;
}
