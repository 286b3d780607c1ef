// SPDX-License-Identifier: MIT
/*
 * `mmlab list`: what can be measured, and what cannot be here, and why.
 */
#include <getopt.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "axis.h"
#include "cleanup.h"
#include "command.h"
#include "needs.h"
#include "place.h"

static void usage(FILE *out)
{
	(void)fputs("usage: mmlab list [--json] [SCENARIO]...\n"
		    "Scenarios, contenders, axes and presets; which contenders are unavailable here, and why.\n",
		    out);
}

static json_t *axis_json(const struct mmlab_axis *axis)
{
	static const char *const kinds[] = { "bytes", "number", "percent", "word" };

	return json_pack("{s:s, s:s, s:s, s:s, s:s, s:s?, s:s?}", "name", axis->name, "summary", axis->summary, "kind",
			 kinds[axis->kind], "quick", axis->quick, "full", axis->full, "words", axis->words, "knob",
			 axis->knob);
}

static json_t *contender_json(const struct mmlab_contender *contender, const struct mmlab_place *place)
{
	char reason[MMLAB_REASON_BYTES];
	bool available = mmlab_needs_contender(contender, place, MMLAB_PIN_SPREAD, reason);

	return json_pack("{s:s, s:s, s:b, s:b, s:s?}", "name", contender->name, "summary", contender->summary, "full_only",
			 contender->full_only, "available", available, "reason", available ? NULL : reason);
}

static json_t *metric_json(const struct mmlab_metric *metric)
{
	return json_pack("{s:s, s:s, s:s, s:b}", "name", metric->name, "unit", metric->unit, "better",
			 metric->higher_is_better ? "higher" : "lower", "exact", metric->exact);
}

static json_t *scenario_json(const struct mmlab_scenario *scenario, const struct mmlab_place *place)
{
	json_t *axes = json_array(), *contenders = json_array(), *metrics = json_array(), *presets = json_array();

	for (const struct mmlab_axis *axis = scenario->axes; axis && axis->name; axis++)
		(void)json_array_append_new(axes, axis_json(axis));
	for (size_t i = 0; scenario->contenders[i]; i++)
		(void)json_array_append_new(contenders, contender_json(scenario->contenders[i], place));
	for (const struct mmlab_metric *metric = scenario->metrics; metric && metric->name; metric++)
		(void)json_array_append_new(metrics, metric_json(metric));
	for (const struct mmlab_preset *preset = scenario->presets; preset && preset->name; preset++)
		(void)json_array_append_new(presets, json_pack("{s:s, s:s}", "name", preset->name, "summary",
							       preset->summary));
	return json_pack("{s:s, s:s, s:s, s:s?, s:s?, s:s?, s:s?, s:b, s:o, s:o, s:o, s:o}", "name", scenario->name,
			 "question", scenario->question, "op", scenario->op, "excluded", scenario->excluded, "proof",
			 scenario->proof, "floor", scenario->floor, "baseline", scenario->baseline, "full_only",
			 scenario->full_only, "axes", axes, "metrics", metrics, "contenders", contenders, "presets",
			 presets);
}

static const char *get(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text ? text : "-";
}

static void print_scenario(const json_t *scenario)
{
	const json_t *item;
	size_t i;

	(void)printf("%s%s\n  question:  %s\n  one op:    %s\n  excluded:  %s\n  proof:     %s\n  floor: %s, baseline: %s\n",
		     get(scenario, "name"), json_is_true(json_object_get(scenario, "full_only")) ?
		     " (with --full, or when named)" : "", get(scenario, "question"), get(scenario, "op"),
		     get(scenario, "excluded"), get(scenario, "proof"), get(scenario, "floor"),
		     get(scenario, "baseline"));
	json_array_foreach(json_object_get(scenario, "axes"), i, item)
		(void)printf("  axis %-12s %s; quick %s; full %s\n", get(item, "name"), get(item, "summary"),
			     get(item, "quick"), get(item, "full"));
	json_array_foreach(json_object_get(scenario, "metrics"), i, item)
		(void)printf("  metric %-10s %s, %s is better%s\n", get(item, "name"), get(item, "unit"),
			     get(item, "better"), json_is_true(json_object_get(item, "exact")) ? ", exact" : "");
	json_array_foreach(json_object_get(scenario, "presets"), i, item)
		(void)printf("  preset %-10s %s\n", get(item, "name"), get(item, "summary"));
	json_array_foreach(json_object_get(scenario, "contenders"), i, item) {
		bool available = json_is_true(json_object_get(item, "available"));

		(void)printf("  %c %-20s %s%s\n", available ? '+' : '-', get(item, "name"), get(item, "summary"),
			     json_is_true(json_object_get(item, "full_only")) ? " (with --full, or the scenario named)" :
			     "");
		if (!available)
			(void)printf("    %-20s unavailable: %s\n", "", get(item, "reason"));
	}
	(void)putchar('\n');
}

static bool is_chosen(const struct mmlab_scenario *scenario, char *const *names)
{
	bool chosen = !*names;

	for (; *names && !chosen; names++)
		chosen = !strcmp(*names, scenario->name);
	return chosen;
}

/* Return: the first name that no scenario has, or NULL. */
static const char *find_unknown(char *const *names)
{
	for (; *names; names++) {
		size_t i = 0;

		while (mmlab_scenarios[i] && strcmp(*names, mmlab_scenarios[i]->name))
			i++;
		if (!mmlab_scenarios[i])
			return *names;
	}
	return NULL;
}

int mmlab_list(int argc, char **argv)
{
	static const struct option options[] = {
		{ "json", no_argument, NULL, 'j' }, { "help", no_argument, NULL, 'h' }, { 0 },
	};
	_cleanup_(mmlab_json_decrefp) json_t *list = json_array();
	struct mmlab_place *place;
	const json_t *scenario;
	const char *unknown;
	bool json = false;
	int option, r;
	size_t i;

	while ((option = getopt_long(argc, argv, "h", options, NULL)) >= 0) {
		if (option == 'j') {
			json = true;
			continue;
		}
		usage(option == 'h' ? stdout : stderr);
		return option == 'h' ? 0 : MMLAB_EXIT_ERROR;
	}
	unknown = find_unknown(argv + optind);
	if (unknown) {
		(void)fprintf(stderr, "mmlab list: no scenario '%s'; there are", unknown);
		for (i = 0; mmlab_scenarios[i]; i++)
			(void)fprintf(stderr, " %s", mmlab_scenarios[i]->name);
		(void)fputc('\n', stderr);
		return MMLAB_EXIT_ERROR;
	}
	r = mmlab_place_new(&place);
	if (r < 0) {
		(void)fprintf(stderr, "mmlab list: cannot load the topology: %s\n", strerror(-r));
		return MMLAB_EXIT_ERROR;
	}
	for (i = 0; mmlab_scenarios[i]; i++)
		if (is_chosen(mmlab_scenarios[i], argv + optind))
			(void)json_array_append_new(list, scenario_json(mmlab_scenarios[i], place));
	(void)mmlab_place_free(place);
	if (json)
		(void)json_dumpf(list, stdout, JSON_INDENT(1));
	else
		json_array_foreach(list, i, scenario)
			print_scenario(scenario);
	return 0;
}
