// SPDX-License-Identifier: MIT
/* Files in the format of smaps, status and meminfo. */
#include "../procfs.h"

#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct mmlab_smaps sums = { 0 };
	struct fuzz_file file;
	uint64_t value;

	fuzz_file_open(&file, data, size);
	(void)mmlab_smaps_read_file(&sums, file.path, 0, UINT64_MAX);
	(void)mmlab_smaps_read_file(&sums, file.path, 0x7f0000000000, 1 << 20);
	(void)mmlab_field_read(&value, file.path, "Rss");
	(void)mmlab_field_read(&value, file.path, "");
	fuzz_file_close(&file);
	return 0;
}
