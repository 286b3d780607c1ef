// SPDX-License-Identifier: MIT
#include "extend.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cleanup.h"
#include "command.h"
#include "select.h"

/* Options of `mmlab run` that are given anew, each with a value. */
static const char *const replaced[] = { "--rounds", "--resume", "--output", "-o" };

/* Return: 0 if the argument stays, else how many arguments the option takes up. */
static size_t takes(const char *argument)
{
	for (size_t i = 0; i < sizeof(replaced) / sizeof(*replaced); i++) {
		size_t length = strlen(replaced[i]);

		if (!strcmp(argument, replaced[i]))
			return 2;
		if (!strncmp(argument, replaced[i], length) && (argument[length] == '=' || length == 2))
			return 1;
	}
	return 0;
}

/* The arguments are borrowed; *ret is owned by the caller, and ends in NULL. */
static int make_arguments(const char ***ret, const char *program, const char *path, const char *rounds,
			  const json_t *result)
{
	const json_t *old = json_object_get(json_object_get(result, "run"), "argv");
	size_t n = 0, n_old = json_array_size(old);
	const char **argv = calloc(n_old + 8, sizeof(*argv));

	if (!argv)
		return -ENOMEM;
	argv[n++] = program;
	for (size_t i = 1; i < n_old;) {
		const char *argument = json_string_value(json_array_get(old, i));
		size_t skip = argument ? takes(argument) : 1;

		if (!skip)
			argv[n++] = argument;
		i += skip ? skip : 1;
	}
	if (n < 2 || strcmp(argv[1], "run")) {
		free(argv);
		return -EINVAL;
	}
	argv[n++] = "--rounds";
	argv[n++] = rounds;
	argv[n++] = "--resume";
	argv[n++] = path;
	argv[n++] = "--output";
	argv[n++] = path;
	*ret = argv;
	return 0;
}

static pid_t start(const char *program, const char *const *argv)
{
	pid_t pid = fork();
	int null;

	if (pid)
		return pid;
	null = open("/dev/null", O_WRONLY);
	if (null < 0 || dup2(null, STDOUT_FILENO) < 0) /* its tables are not our result */
		_exit(127);
	execvp(program, (char *const *)argv);
	_exit(127);
}

int mmlab_extend(const char *program, const char *path, const json_t *result, unsigned int rounds, char *message)
{
	_cleanup_(mmlab_freep) const char **argv = NULL;
	const char *name = program ? program : "this mmlab";
	char text[16];
	int r, status;
	pid_t pid;

	(void)snprintf(text, sizeof(text), "%u", rounds);
	if (!json_is_true(json_object_get(json_object_get(result, "run"), "complete"))) {
		(void)snprintf(message, MMLAB_MESSAGE_BYTES,
			       "%.200s is incomplete: complete it with mmlab run --resume", path);
		return -EINVAL;
	}
	r = make_arguments(&argv, name, path, text, result);
	if (r < 0) {
		(void)snprintf(message, MMLAB_MESSAGE_BYTES, "%.200s does not say by which command line it was made",
			       path);
		return r;
	}
	pid = start(program ? program : "/proc/self/exe", argv);
	while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (pid < 0) {
		(void)snprintf(message, MMLAB_MESSAGE_BYTES, "cannot start %.200s: %s", name, strerror(errno));
		return -errno;
	}
	if (WIFEXITED(status) && WEXITSTATUS(status) == MMLAB_EXIT_INTERRUPTED)
		return -EINTR;
	/* A case that failed is a finding, and will be compared. */
	if (WIFEXITED(status) && (WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == MMLAB_EXIT_FAILED))
		return 0;
	(void)snprintf(message, MMLAB_MESSAGE_BYTES,
		       "%.200s could not measure more rounds for %.200s: give the program that made it, on the same "
		       "machine and kernel",
		       name, path);
	return -ECHILD;
}
