// SPDX-License-Identifier: MIT
/*
 * Mutations of JSON that stay JSON: random bytes would hardly ever get past its parser. One value of the tree is put in
 * another's place, removed, doubled, or made something that nobody would write.
 */
#include <jansson.h>
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max_size);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned int seed);

static json_t *odd_value(unsigned int random)
{
	static const json_int_t integers[] = { 0, -1, 1, 3, 255, 100000, INT32_MAX, INT32_MIN, INT64_MAX, INT64_MIN };
	static const double reals[] = { 0, -0.0, 0.5, -1, 1e-308, 1e19, 1e300, -1e300 };
	static const char *const texts[] = { "", "ok", "time", "tcg-icount", "%s%n", "2026-01-01T00:00:00Z",
					     "9999-12-31T23:59:59Z", "\xc3\xa4\n\"<&>" };
	unsigned int which = random / 8;

	switch (random % 8) {
	case 0:
		return json_null();
	case 1:
		return json_boolean(which & 1);
	case 2:
		return json_array();
	case 3:
		return json_object();
	case 4:
		return json_real(reals[which % (sizeof(reals) / sizeof(*reals))]);
	case 5:
		return json_string(texts[which % (sizeof(texts) / sizeof(*texts))]);
	case 6: {
		char text[600];

		memset(text, 'a', sizeof(text) - 1);
		text[which % sizeof(text)] = '\0';
		text[sizeof(text) - 1] = '\0';
		return json_string(text);
	}
	default:
		return json_integer(integers[which % (sizeof(integers) / sizeof(*integers))]);
	}
}

/* The @n-th value inside of @tree, which stands in *ret_parent. */
static bool find(json_t *tree, size_t *n, json_t **ret_parent, const char **ret_key, size_t *ret_index)
{
	const char *key;
	json_t *value;
	size_t i;

	json_object_foreach(tree, key, value) {
		*ret_parent = tree;
		*ret_key = key;
		if (!(*n)-- || find(value, n, ret_parent, ret_key, ret_index))
			return true;
	}
	json_array_foreach(tree, i, value) {
		*ret_parent = tree;
		*ret_index = i;
		if (!(*n)-- || find(value, n, ret_parent, ret_key, ret_index))
			return true;
	}
	return false;
}

static size_t count(const json_t *tree)
{
	json_t *value;
	const char *key;
	size_t i, n = 0;

	json_object_foreach((json_t *)(uintptr_t)tree, key, value)
		n += 1 + count(value);
	json_array_foreach(tree, i, value)
		n += 1 + count(value);
	return n;
}

static void mutate(json_t *tree, unsigned int (*random)(void))
{
	size_t n = count(tree), at, index = 0;
	json_t *parent = NULL, *other = NULL, *value;
	const char *key = NULL;

	if (!n)
		return;
	at = random() % n;
	if (find(tree, &at, &parent, &key, &index))
		other = json_is_object(parent) ? json_object_get(parent, key) : json_array_get(parent, index);
	value = random() % 4 ? odd_value(random()) : json_deep_copy(other);
	at = random() % n;
	if (!find(tree, &at, &parent, &key, &index)) {
		json_decref(value);
	} else if (random() % 8 == 0) {
		json_decref(value);
		if (json_is_object(parent))
			(void)json_object_del(parent, key);
		else
			(void)json_array_remove(parent, index);
	} else if (json_is_object(parent)) {
		(void)json_object_set_new(parent, key, value);
	} else if (random() % 2) {
		(void)json_array_set_new(parent, index, value);
	} else {
		(void)json_array_insert_new(parent, index, value);
	}
}

static uint32_t state;

static unsigned int next_random(void)
{
	state = state * 1664525 + 1013904223;
	return state >> 8;
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned int seed)
{
	json_t *tree;
	size_t needed;

	state = seed;
	tree = next_random() % 16 ? json_loadb((const char *)data, size, 0, NULL) : NULL;
	if (!tree)
		return LLVMFuzzerMutate(data, size, max_size);
	for (unsigned int n = 1 + next_random() % 3; n; n--)
		mutate(tree, next_random);
	needed = json_dumpb(tree, (char *)data, max_size, JSON_COMPACT | JSON_REAL_PRECISION(17));
	json_decref(tree);
	return needed && needed <= max_size ? needed : LLVMFuzzerMutate(data, size, max_size);
}
