// SPDX-License-Identifier: MIT
/* Tables of a result file. */
#include <getopt.h>

#include "../command.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_file file;

	fuzz_file_open(&file, data, size);
	optind = 0;
	(void)mmlab_report_command(6, (char *[]){ "report", "--metric", "time", "--metric", "weight", file.path, NULL });
	fuzz_file_close(&file);
	return 0;
}
