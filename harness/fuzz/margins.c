// SPDX-License-Identifier: MIT
/* Margins, as --learn writes them, with the result file that $FUZZ_RESULT names on both sides. */
#include <getopt.h>

#include "../command.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *good = getenv("FUZZ_RESULT");
	struct fuzz_file file;

	assert(good);
	fuzz_file_open(&file, data, size);
	optind = 0;
	(void)mmlab_compare_command(6, (char *[]){ "compare", good, good, "--force", "--margins", file.path, NULL });
	fuzz_file_close(&file);
	return 0;
}
