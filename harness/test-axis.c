// SPDX-License-Identifier: MIT
#undef NDEBUG
#include <assert.h>
#include <errno.h>
#include <string.h>

#include "axis.h"

static const struct mmlab_axis bytes = { "size", "s", MMLAB_AXIS_BYTES, NULL, "", "", 1, 1 << 30, NULL };
static const struct mmlab_axis percent = { "touch", "t", MMLAB_AXIS_PERCENT, NULL, "", "", 1000, 1000000, NULL };
static const struct mmlab_axis word = { "thp", "w", MMLAB_AXIS_WORD, "never,always", "", "", 0, 0, NULL };

static void test_good(void)
{
	struct mmlab_points points;
	char message[256];
	json_t *json;

	assert(!mmlab_axis_parse(&points, &bytes, "4096,64k,1M,4096000", message));
	assert(points.n == 4 && points.point[0].value == 4096 && !strcmp(points.point[0].text, "4K"));
	assert(points.point[1].value == 65536 && points.point[2].value == 1 << 20);
	assert(points.point[3].value == 4096000 && !strcmp(points.point[3].text, "4000K"));

	assert(!mmlab_axis_parse(&points, &percent, "0.1,100", message));
	assert(points.point[0].value == 1000 && points.point[1].value == 1000000);
	json = mmlab_point_json(&percent, &points.point[0]);
	assert(json_real_value(json) == 0.1);
	json_decref(json);

	assert(!mmlab_axis_parse(&points, &word, "always", message));
	assert(points.n == 1 && points.point[0].value == 1);
}

static void test_bad(const struct mmlab_axis *axis, const char *list)
{
	struct mmlab_points points = { .n = 77 };
	char message[256] = "";

	assert(mmlab_axis_parse(&points, axis, list, message) == -EINVAL);
	assert(points.n == 77); /* untouched on failure */
	assert(strstr(message, axis->name));
}

int main(void)
{
	static const char *const bad_bytes[] = { "", "0", "-1", "2G", "1Q", "1KB", "x", "1,,2", "1,1", "99999999999999999999",
						" 1", "+1", "-18446744073709551615", " -18446744073709551615" };
	static const char *const bad_percent[] = { "0", "101", "nan", "1e9", "5%", "-1" };
	static const char *const bad_words[] = { "", "alway", "always,always", "never,x" };

	test_good();
	for (size_t i = 0; i < sizeof(bad_bytes) / sizeof(*bad_bytes); i++)
		test_bad(&bytes, bad_bytes[i]);
	for (size_t i = 0; i < sizeof(bad_percent) / sizeof(*bad_percent); i++)
		test_bad(&percent, bad_percent[i]);
	for (size_t i = 0; i < sizeof(bad_words) / sizeof(*bad_words); i++)
		test_bad(&word, bad_words[i]);
	return 0;
}
