// SPDX-License-Identifier: MIT
/* Lists of points, for axes of every kind. What is accepted is in range and is read again as what it was printed as. */
#include "../axis.h"

#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct mmlab_axis axes[] = {
		{ "size", "", MMLAB_AXIS_BYTES, NULL, "", "", 1, UINT64_C(1) << 40, NULL },
		{ "tasks", "", MMLAB_AXIS_NUMBER, NULL, "", "", 0, UINT64_MAX, NULL },
		{ "touch", "", MMLAB_AXIS_PERCENT, NULL, "", "", 1000, 1000000, NULL },
		{ "thp", "", MMLAB_AXIS_WORD, "never,always,,x", "", "", 0, 0, NULL },
	};
	char *list = fuzz_text(data, size);

	for (size_t i = 0; i < sizeof(axes) / sizeof(*axes); i++) {
		struct mmlab_points points = { 0 }, again;
		char message[256];

		if (mmlab_axis_parse(&points, &axes[i], list, message) < 0)
			continue;
		for (size_t j = 0; j < points.n; j++) {
			json_decref(mmlab_point_json(&axes[i], &points.point[j]));
			assert(axes[i].words || (points.point[j].value >= axes[i].min && points.point[j].value <= axes[i].max));
			assert(axes[i].kind == MMLAB_AXIS_PERCENT || /* six digits of it are printed */
			       (!mmlab_axis_parse(&again, &axes[i], points.point[j].text, message) &&
				again.point[0].value == points.point[j].value));
		}
	}
	free(list);
	return 0;
}
