// SPDX-License-Identifier: MIT
#include "knob.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "cleanup.h"

/* Files such as "always [madvise] never" mark the value in force with brackets; others hold just the value. */
static int read_value(const char *path, char *value, size_t size)
{
	_cleanup_(mmlab_closep) int fd = open(path, O_RDONLY | O_CLOEXEC);
	char text[256];
	char *start, *end;
	ssize_t got;

	if (fd < 0)
		return -errno;
	got = read(fd, text, sizeof(text) - 1);
	if (got < 0)
		return -errno;
	text[got] = '\0';
	start = strchr(text, '[');
	end = start ? strchr(start, ']') : NULL;
	if (start && end)
		start++;
	else
		end = text + strcspn(start = text, "\n");
	*end = '\0';
	if (got == sizeof(text) - 1 || strlen(start) >= size) /* what is cut off could not be put back */
		return -EOVERFLOW;
	(void)strcpy(value, start);
	return 0;
}

static int write_value(const char *path, const char *value)
{
	_cleanup_(mmlab_closep) int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd < 0 || write(fd, value, strlen(value)) < 0)
		return -errno;
	return 0;
}

static int find_or_add(struct mmlab_knobs *knobs, const char *path)
{
	int r;

	for (size_t i = 0; i < knobs->n; i++)
		if (!strcmp(knobs->knob[i].path, path))
			return (int)i;
	if (knobs->n == MMLAB_MAX_KNOBS)
		return -ENOSPC;
	r = read_value(path, knobs->knob[knobs->n].former, sizeof(knobs->knob[0].former));
	if (r < 0)
		return r;
	(void)snprintf(knobs->knob[knobs->n].path, sizeof(knobs->knob[0].path), "%s", path);
	memcpy(knobs->knob[knobs->n].current, knobs->knob[knobs->n].former, sizeof(knobs->knob[0].former));
	return (int)knobs->n++;
}

static int set(struct mmlab_knobs *knobs, size_t i, const char *value)
{
	int r;

	if (!strcmp(knobs->knob[i].current, value))
		return 0;
	if (strlen(value) >= sizeof(knobs->knob[i].current))
		return -EOVERFLOW;
	/* Before it is changed: whoever dies in between leaves a value that is put back once too often, not too rarely. */
	knobs->knob[i].changed = true;
	r = write_value(knobs->knob[i].path, value);
	if (r < 0)
		return r;
	(void)strcpy(knobs->knob[i].current, value);
	knobs->knob[i].changed = strcmp(value, knobs->knob[i].former) != 0;
	return 0;
}

static int want(struct mmlab_knobs *knobs, const char *path, const char *value, bool *wanted, char *reason)
{
	int index = find_or_add(knobs, path);
	int r = index < 0 ? index : set(knobs, (size_t)index, value);

	if (r < 0)
		(void)snprintf(reason, MMLAB_REASON_BYTES, "cannot set %.120s to %.20s: %s%s", path, value, strerror(-r),
			       r == -EACCES ? "; run as root, or set it beforehand" : "");
	else
		wanted[index] = true;
	return r;
}

int mmlab_knobs_apply(struct mmlab_knobs *knobs, const struct mmlab_case *c, enum mmlab_status *ret_status, char *reason)
{
	bool wanted[MMLAB_MAX_KNOBS] = { false };
	int r = 0;

	for (size_t i = 0; i < mmlab_axes_count(c->scenario) && !r; i++)
		if (c->scenario->axes[i].knob)
			r = want(knobs, c->scenario->axes[i].knob, c->params[i].text, wanted, reason);
	for (const struct mmlab_knob *k = c->contender->needs.knobs; k && k->path && !r; k++)
		r = want(knobs, k->path, k->value, wanted, reason);
	*ret_status = MMLAB_STATUS_SKIPPED;
	for (size_t i = 0; i < knobs->n && !r; i++) {
		if (wanted[i])
			continue;
		r = set(knobs, i, knobs->knob[i].former);
		if (r < 0) {
			*ret_status = MMLAB_STATUS_FAILED;
			(void)snprintf(reason, MMLAB_REASON_BYTES, "cannot put %.120s back to %.20s: %s",
				       knobs->knob[i].path, knobs->knob[i].former, strerror(-r));
		}
	}
	return r;
}

int mmlab_knobs_restore(struct mmlab_knobs *knobs)
{
	int first = 0;

	for (size_t i = 0; i < knobs->n; i++) {
		int r = knobs->knob[i].changed ? write_value(knobs->knob[i].path, knobs->knob[i].former) : 0;

		if (!r) {
			(void)strcpy(knobs->knob[i].current, knobs->knob[i].former);
			knobs->knob[i].changed = false;
		}
		first = first ? first : r;
	}
	return first;
}

/* Out of reach of what a terminal, or timeout(1), sends to all of a run. */
static void keep(struct mmlab_knobs *knobs, int fd)
{
	static const int ignored[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGPIPE };
	char byte;

	(void)setsid();
	for (size_t i = 0; i < sizeof(ignored) / sizeof(*ignored); i++)
		(void)signal(ignored[i], SIG_IGN);
	while (read(fd, &byte, 1) < 0 && errno == EINTR)
		;
	(void)mmlab_knobs_restore(knobs);
}

int mmlab_knobs_open(struct mmlab_knobs **ret)
{
	struct mmlab_knobs *knobs =
		mmap(NULL, sizeof(*knobs), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int ends[2], r;
	pid_t keeper;

	if (knobs == MAP_FAILED)
		return -errno;
	if (pipe2(ends, O_CLOEXEC) < 0) {
		r = -errno;
		(void)munmap(knobs, sizeof(*knobs));
		return r;
	}
	keeper = fork();
	if (!keeper) {
		(void)close(ends[1]);
		keep(knobs, ends[0]);
		_exit(0);
	}
	knobs->keeper = keeper; /* not by the keeper, with whom this memory is shared */
	r = keeper < 0 ? -errno : 0;
	(void)close(ends[0]);
	if (r < 0) {
		(void)close(ends[1]);
		(void)munmap(knobs, sizeof(*knobs));
		return r;
	}
	knobs->alive_fd = ends[1];
	*ret = knobs;
	return 0;
}

int mmlab_knobs_close(struct mmlab_knobs *knobs)
{
	int r = mmlab_knobs_restore(knobs);

	(void)close(knobs->alive_fd);
	while (waitpid(knobs->keeper, NULL, 0) < 0 && errno == EINTR)
		;
	(void)munmap(knobs, sizeof(*knobs));
	return r;
}
