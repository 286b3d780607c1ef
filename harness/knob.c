// SPDX-License-Identifier: MIT
#include "knob.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "cleanup.h"

/* Files such as "always [madvise] never" mark the value in force with brackets; others hold just the value. */
static int read_value(const char *path, char *value, size_t size)
{
	_cleanup_(mmlab_closep) int fd = open(path, O_RDONLY | O_CLOEXEC);
	char text[256];
	char *start = text, *end;
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
	(void)snprintf(value, size, "%s", start);
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
	r = write_value(knobs->knob[i].path, value);
	if (!r)
		(void)snprintf(knobs->knob[i].current, sizeof(knobs->knob[i].current), "%s", value);
	return r;
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

int mmlab_knobs_apply(struct mmlab_knobs *knobs, const struct mmlab_case *c, char *reason)
{
	bool wanted[MMLAB_MAX_KNOBS] = { false };
	int r = 0;

	for (size_t i = 0; i < mmlab_axes_count(c->scenario) && !r; i++)
		if (c->scenario->axes[i].knob)
			r = want(knobs, c->scenario->axes[i].knob, c->params[i].text, wanted, reason);
	for (const struct mmlab_knob *k = c->contender->needs.knobs; k && k->path && !r; k++)
		r = want(knobs, k->path, k->value, wanted, reason);
	for (size_t i = 0; i < knobs->n && !r; i++)
		if (!wanted[i])
			r = set(knobs, i, knobs->knob[i].former);
	return r;
}

int mmlab_knobs_restore(struct mmlab_knobs *knobs)
{
	int first = 0;

	for (size_t i = 0; i < knobs->n; i++) {
		int r = set(knobs, i, knobs->knob[i].former);

		first = first ? first : r;
	}
	return first;
}
