// SPDX-License-Identifier: MIT
/* A result file compared with the one that $FUZZ_RESULT names, in both directions. */
#include <getopt.h>

#include "../command.h"
#include "fuzz.h"

static void compare(char *base, char *head, char *form)
{
	optind = 0;
	(void)mmlab_compare_command(5, (char *[]){ "compare", base, head, "--force", form, NULL });
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *good = getenv("FUZZ_RESULT");
	struct fuzz_file file;

	assert(good);
	fuzz_file_open(&file, data, size);
	compare(good, file.path, "--json");
	compare(file.path, good, "--junit=/dev/null");
	fuzz_file_close(&file);
	return 0;
}
