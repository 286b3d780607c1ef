// SPDX-License-Identifier: MIT
#include "app.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cleanup.h"

#define SHIM_NAME   "libmmlab-patternalloc.so"
#define RESOLUTION  "36" /* dots per inch: seconds even under emulation */
#define MAX_ENV     512
#define TEXT_BYTES  512

extern char **environ;

const char *app_document(void)
{
	static const char *const places[] = {
		"app.pdf", /* in the working directory */
		"/usr/share/mmlab/app.pdf",
		"/usr/share/doc/shared-mime-info/shared-mime-info-spec.pdf",
	};
	const char *named = getenv("MMLAB_APP_PDF");

	if (named)
		return !access(named, R_OK) ? named : NULL;
	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++)
		if (!access(places[i], R_OK))
			return places[i];
	return NULL;
}

int app_shim(char *ret_path, size_t size)
{
	const char *named = getenv("MMLAB_SHIM_PATH");
	char self[TEXT_BYTES];
	ssize_t n;
	char *slash;

	if (named) {
		(void)snprintf(ret_path, size, "%s", named);
		return access(ret_path, R_OK) ? -errno : 0;
	}
	n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	if (n < 0)
		return -errno;
	self[n] = '\0';
	slash = strrchr(self, '/');
	if (slash)
		*slash = '\0';
	(void)snprintf(ret_path, size, "%s/" SHIM_NAME, self);
	if (!access(ret_path, R_OK))
		return 0;
	/* installed: bin/mmlab and lib/mmlab/ */
	(void)snprintf(ret_path, size, "%s/../lib/mmlab/" SHIM_NAME, self);
	return access(ret_path, R_OK) ? -errno : 0;
}

/* Strings are the caller's, who keeps them until the program runs. Return: 0 or -E2BIG. */
static int fill_environment(const char **env, const char *const *extra)
{
	size_t n = 0;

	for (char **e = environ; *e && n < MAX_ENV; e++)
		if (strncmp(*e, "LD_PRELOAD=", 11) && strncmp(*e, "MMLAB_", 6))
			env[n++] = *e;
	for (; extra && *extra && n < MAX_ENV; extra++)
		env[n++] = *extra;
	if (n == MAX_ENV)
		return -E2BIG;
	env[n] = NULL;
	return 0;
}

static int spawn(const struct app_run *run, const char **env, pid_t *ret_pid)
{
	char *const argv[] = { (char *)APP_PROGRAM, (char *)"-r", (char *)RESOLUTION, (char *)"-l",
			       (char *)run->last_page, (char *)run->document, NULL };
	posix_spawn_file_actions_t actions;
	int r = posix_spawn_file_actions_init(&actions);

	if (r)
		return -r;
	r = posix_spawn_file_actions_adddup2(&actions, run->output_fd, STDOUT_FILENO);
	if (!r)
		r = posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
	if (!r && run->shim)
		r = posix_spawn_file_actions_adddup2(&actions, run->report_fd, APP_REPORT_FD);
	if (!r)
		r = posix_spawnp(ret_pid, APP_PROGRAM, &actions, NULL, argv, (char *const *)env);
	(void)posix_spawn_file_actions_destroy(&actions);
	return -r;
}

int app_run(const struct app_run *run, struct app_cost *ret)
{
	char preload[TEXT_BYTES + 16], shim[64], threshold[64], report[64];
	const char *const extra[] = { preload, shim, threshold, report, NULL };
	const char *env[MAX_ENV + 1];
	struct rusage usage;
	int r, status;
	pid_t pid;

	(void)snprintf(preload, sizeof(preload), "LD_PRELOAD=%s", run->shim_path);
	(void)snprintf(shim, sizeof(shim), "MMLAB_SHIM=%s", run->shim ? run->shim : "");
	(void)snprintf(threshold, sizeof(threshold), "MMLAB_SHIM_THRESHOLD=%zu", run->threshold);
	(void)snprintf(report, sizeof(report), "MMLAB_SHIM_REPORT_FD=%d", APP_REPORT_FD);
	/* The program gets a copy of the descriptor, with our offset: back to the start, and nothing left over. */
	if (ftruncate(run->output_fd, 0) || lseek(run->output_fd, 0, SEEK_SET) < 0 || ftruncate(run->report_fd, 0) ||
	    lseek(run->report_fd, 0, SEEK_SET) < 0)
		return -errno;
	r = fill_environment(env, run->shim ? extra : NULL);
	if (!r)
		r = spawn(run, env, &pid);
	if (r)
		return r;
	while (wait4(pid, &status, 0, &usage) < 0)
		if (errno != EINTR)
			return -errno;
	if (status)
		return -EPROTO;
	if (ret)
		*ret = (struct app_cost){ .max_rss_bytes = (uint64_t)usage.ru_maxrss * 1024,
					  .faults = (uint64_t)(usage.ru_minflt + usage.ru_majflt) };
	return 0;
}

/* FNV-1a: not against an adversary, only against a wrong pixel. */
int app_output_hash(int fd, uint64_t *ret_hash, uint64_t *ret_bytes)
{
	uint64_t hash = UINT64_C(0xcbf29ce484222325), bytes = 0;
	unsigned char buffer[4096];
	ssize_t n;

	while ((n = pread(fd, buffer, sizeof(buffer), (off_t)bytes)) > 0) {
		for (ssize_t i = 0; i < n; i++)
			hash = (hash ^ buffer[i]) * UINT64_C(0x100000001b3);
		bytes += (uint64_t)n;
	}
	if (n < 0)
		return -errno;
	*ret_hash = hash;
	*ret_bytes = bytes;
	return 0;
}
