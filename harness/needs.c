// SPDX-License-Identifier: MIT
#include "needs.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "procfs.h"

static bool on_path(const char *command)
{
	const char *path = getenv("PATH");

	for (const char *dir = path ? path : ""; *dir;) {
		size_t len = strcspn(dir, ":");
		char file[512];

		(void)snprintf(file, sizeof(file), "%.*s/%s", (int)len, dir, command);
		if (!access(file, X_OK))
			return true;
		dir += len + (dir[len] == ':');
	}
	return false;
}

bool mmlab_needs_contender(const struct mmlab_contender *contender, const struct mmlab_place *place, enum mmlab_pin pin,
			   char *reason)
{
	const struct mmlab_needs *needs = &contender->needs;
	const char *missing;

	if (needs->root && geteuid())
		(void)snprintf(reason, MMLAB_REASON_BYTES, "needs root; run as root");
	else if (needs->cpus > mmlab_place_cpus(place) && pin != MMLAB_PIN_SAME)
		(void)snprintf(reason, MMLAB_REASON_BYTES, "needs %u CPUs; %u may be used", needs->cpus,
			       mmlab_place_cpus(place));
	else if (needs->nodes > mmlab_place_nodes(place))
		(void)snprintf(reason, MMLAB_REASON_BYTES, "needs %u NUMA nodes; there are %u", needs->nodes,
			       mmlab_place_nodes(place));
	else if (needs->path && access(needs->path, F_OK))
		(void)snprintf(reason, MMLAB_REASON_BYTES, "needs %.100s: %s", needs->path, strerror(errno));
	else if (needs->command && !on_path(needs->command))
		(void)snprintf(reason, MMLAB_REASON_BYTES, "needs the program %.60s on PATH", needs->command);
	else if (needs->probe && (missing = needs->probe()))
		(void)snprintf(reason, MMLAB_REASON_BYTES, "%s", missing);
	else
		return true;
	return false;
}

bool mmlab_needs_case(const struct mmlab_case *c, const struct mmlab_place *place, char *reason)
{
	const struct mmlab_needs *needs = &c->contender->needs;
	const char *unfit = c->contender->unfit ? c->contender->unfit(c) : NULL;
	uint64_t wanted = needs->memory_bytes ? needs->memory_bytes(c) : 0;
	uint64_t available;

	if (unfit) {
		(void)snprintf(reason, MMLAB_REASON_BYTES, "%s", unfit);
		return false;
	}
	if (mmlab_tasks(c) > mmlab_place_cpus(place) || mmlab_tasks(c) > MMLAB_MAX_TASKS) {
		(void)snprintf(reason, MMLAB_REASON_BYTES, "needs a CPU for each of %u tasks; %u may be used",
			       mmlab_tasks(c), mmlab_place_cpus(place));
		return false;
	}
	if (wanted && !mmlab_field_read(&available, "/proc/meminfo", "MemAvailable") && wanted > available) {
		(void)snprintf(reason, MMLAB_REASON_BYTES, "needs %llu MiB of free memory; %llu MiB are available",
			       (unsigned long long)wanted >> 20, (unsigned long long)available >> 20);
		return false;
	}
	return true;
}
