// SPDX-License-Identifier: MIT
/*
 * A tree of /proc and /sys: lines "@/proc/cpuinfo" begin a file of that name. Whatever is in it, the machine is
 * described, and warnings are made of the description.
 */
#include "../machine.h"

#include <sys/stat.h>

#include "../env.h"
#include "fuzz.h"

#define PATH_BYTES 192
#define MAX_FILES  64

static char root[PATH_BYTES / 2];
static char written[MAX_FILES][PATH_BYTES];

static void remove_root(void)
{
	char command[PATH_BYTES];

	(void)snprintf(command, sizeof(command), "rm -rf %s", root);
	assert(!system(command));
}

static int open_below_root(const char *name, size_t length, char *path)
{
	FILE *file;

	if (length > PATH_BYTES / 4 || memchr(name, '\0', length) || memmem(name, length, "..", 2))
		return -1;
	(void)snprintf(path, PATH_BYTES, "%s%.*s", root, (int)length, name);
	for (char *at = path + strlen(root) + 1; (at = strchr(at, '/')); *at++ = '/') {
		*at = '\0';
		(void)mkdir(path, 0700);
	}
	file = fopen(path, "w");
	return file ? (fclose(file), 0) : -1;
}

static void write_tree(const char *text, size_t size)
{
	size_t n = 0;

	while (size && n < MAX_FILES) {
		const char *next = memmem(text + 1, size - 1, "\n@/", 3);
		size_t length = next ? (size_t)(next + 1 - text) : size;
		const char *newline = memchr(text, '\n', length);

		if (newline && text[0] == '@' && !open_below_root(text + 1, (size_t)(newline - text - 1), written[n])) {
			FILE *file = fopen(written[n++], "w");

			assert(file);
			(void)fwrite(newline + 1, 1, (size_t)(text + length - newline - 1), file);
			(void)fclose(file);
		}
		text += length;
		size -= length;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	json_t *machine, *warnings;

	if (!*root) {
		(void)snprintf(root, sizeof(root), "%s/fuzz-machine.XXXXXX", getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp");
		assert(mkdtemp(root) && !atexit(remove_root));
	}
	for (size_t i = 0; i < MAX_FILES; i++)
		if (*written[i]) {
			(void)unlink(written[i]);
			*written[i] = '\0';
		}
	write_tree((const char *)data, size);
	machine = mmlab_machine_json_at(root, NULL);
	assert(machine);
	warnings = mmlab_noise_warnings(machine);
	assert(mmlab_noise_verdict(warnings, 0));
	json_decref(warnings);
	json_decref(machine);
	return 0;
}
