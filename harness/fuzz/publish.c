// SPDX-License-Identifier: MIT
/* A result file in every form that dashboards take. */
#include <getopt.h>

#include "../command.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const formats[] = { "github",	 "bencher", "perfherder", "kcidb",
					       "openmetrics", "influx",  "benchfmt" };
	struct fuzz_file file;

	fuzz_file_open(&file, data, size);
	for (size_t i = 0; i < sizeof(formats) / sizeof(*formats); i++) {
		optind = 0;
		(void)mmlab_publish_command(5, (char *[]){ "publish", file.path, "--to", (char *)formats[i], "--force", NULL });
	}
	fuzz_file_close(&file);
	return 0;
}
