// SPDX-License-Identifier: MIT
#include "select.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"

static size_t append(char *message, size_t used, const char *text)
{
	int added = snprintf(message + used, MMLAB_MESSAGE_BYTES - used, "%s", text);

	used += added > 0 ? (size_t)added : 0;
	return used < MMLAB_MESSAGE_BYTES ? used : MMLAB_MESSAGE_BYTES - 1;
}

static int unknown_scenario(char *message, const char *name)
{
	size_t used = (size_t)snprintf(message, MMLAB_MESSAGE_BYTES, "no scenario '%.60s'; there are:", name);

	for (size_t i = 0; mmlab_scenarios[i]; i++) {
		used = append(message, used, i ? ", " : " ");
		used = append(message, used, mmlab_scenarios[i]->name);
	}
	return -EINVAL;
}

static int unknown_contender(char *message, const struct mmlab_scenario *scenario, const char *name)
{
	size_t used = (size_t)snprintf(message, MMLAB_MESSAGE_BYTES, "scenario %s has no contender '%.60s'; it has:",
				       scenario->name, name);

	for (size_t i = 0; scenario->contenders[i]; i++) {
		used = append(message, used, i ? ", " : " ");
		used = append(message, used, scenario->contenders[i]->name);
	}
	return -EINVAL;
}

static int unknown_axis(char *message, const char *text)
{
	size_t used = (size_t)snprintf(message, MMLAB_MESSAGE_BYTES,
				       "no chosen scenario has the axis in '%.60s' (write AXIS=POINT,POINT); axes are:",
				       text);

	for (size_t i = 0; mmlab_scenarios[i]; i++) {
		used = append(message, used, i ? "; " : " ");
		used = append(message, used, mmlab_scenarios[i]->name);
		used = append(message, used, ":");
		for (size_t j = 0; j < mmlab_axes_count(mmlab_scenarios[i]); j++) {
			used = append(message, used, " ");
			used = append(message, used, mmlab_scenarios[i]->axes[j].name);
		}
	}
	return -EINVAL;
}

static int unknown_preset(char *message, const char *name)
{
	size_t used = (size_t)snprintf(message, MMLAB_MESSAGE_BYTES, "no chosen scenario has a preset '%.60s'; there are:",
				       name);

	for (size_t i = 0; mmlab_scenarios[i]; i++)
		for (const struct mmlab_preset *p = mmlab_scenarios[i]->presets; p && p->name; p++) {
			used = append(message, used, " ");
			used = append(message, used, mmlab_scenarios[i]->name);
			used = append(message, used, ":");
			used = append(message, used, p->name);
		}
	return -EINVAL;
}

const struct mmlab_scenario *mmlab_scenario_find(const char *name)
{
	for (size_t i = 0; mmlab_scenarios[i]; i++)
		if (!strcmp(mmlab_scenarios[i]->name, name))
			return mmlab_scenarios[i];
	return NULL;
}

const struct mmlab_contender *mmlab_contender_find(const struct mmlab_scenario *scenario, const char *name)
{
	for (size_t i = 0; scenario->contenders[i]; i++)
		if (!strcmp(scenario->contenders[i]->name, name))
			return scenario->contenders[i];
	return NULL;
}

/* "scenario" or "scenario/contender"; *ret_contender is NULL for the first form. */
static int resolve(const char *name, const struct mmlab_scenario **ret_scenario,
		   const struct mmlab_contender **ret_contender, char *message)
{
	const char *slash = strchr(name, '/');
	char scenario_name[64];

	(void)snprintf(scenario_name, sizeof(scenario_name), "%.*s", slash ? (int)(slash - name) : (int)strlen(name), name);
	*ret_contender = NULL;
	*ret_scenario = mmlab_scenario_find(scenario_name);
	if (!*ret_scenario)
		return unknown_scenario(message, scenario_name);
	if (!slash)
		return 0;
	*ret_contender = mmlab_contender_find(*ret_scenario, slash + 1);
	return *ret_contender ? 0 : unknown_contender(message, *ret_scenario, slash + 1);
}

static const struct mmlab_preset *preset_find(const struct mmlab_scenario *scenario, const char *name)
{
	for (const struct mmlab_preset *p = scenario->presets; name && p && p->name; p++)
		if (!strcmp(p->name, name))
			return p;
	return NULL;
}

static bool listed(const char *list, const char *word)
{
	size_t len = strlen(word);

	for (const char *at = list; at; at = strchr(at, ','), at = at ? at + 1 : NULL)
		if (!strncmp(at, word, len) && (at[len] == ',' || !at[len]))
			return true;
	return false;
}

static bool chosen(const struct mmlab_selection *selection, const struct mmlab_scenario *scenario,
		   const struct mmlab_contender *contender)
{
	const struct mmlab_preset *preset = preset_find(scenario, selection->preset);

	if (selection->preset && !preset)
		return false;
	if (preset && preset->contenders && contender && !listed(preset->contenders, contender->name))
		return false;
	if (!selection->n_names)
		return preset || selection->full || (!scenario->full_only && !(contender && contender->full_only));
	for (size_t i = 0; i < selection->n_names; i++) {
		const char *name = selection->names[i], *slash = strchr(name, '/');
		size_t len = slash ? (size_t)(slash - name) : strlen(name);

		if (strlen(scenario->name) == len && !strncmp(scenario->name, name, len) &&
		    (!slash || !contender || !strcmp(slash + 1, contender->name)))
			return true;
	}
	return false;
}

static int override_points(struct mmlab_points *points, const struct mmlab_scenario *scenario, const char *text,
			   bool *ret_used, char *message)
{
	const char *equals = strchr(text, '=');
	int axis = equals ? mmlab_axis_index(scenario, text, (size_t)(equals - text)) : -ENOENT;

	if (axis < 0)
		return 0;
	*ret_used = true;
	return mmlab_axis_parse(&points[axis], &scenario->axes[axis], equals + 1, message);
}

static int points_of(struct mmlab_points *points, const struct mmlab_selection *selection,
		     const struct mmlab_scenario *scenario, bool *axes_used, char *message)
{
	const struct mmlab_preset *preset = preset_find(scenario, selection->preset);
	bool ignored;
	int r = 0;

	for (size_t i = 0; i < mmlab_axes_count(scenario) && !r; i++) {
		const struct mmlab_axis *axis = &scenario->axes[i];

		r = mmlab_axis_parse(&points[i], axis, selection->full ? axis->full : axis->quick, message);
	}
	for (size_t i = 0; preset && preset->axes && preset->axes[i] && !r; i++)
		r = override_points(points, scenario, preset->axes[i], &ignored, message);
	for (size_t i = 0; i < selection->n_axes && !r; i++)
		r = override_points(points, scenario, selection->axes[i], &axes_used[i], message);
	return r;
}

static int add_case(struct mmlab_cases *cases, const struct mmlab_case *c)
{
	struct mmlab_case *grown = realloc(cases->cases, (cases->n + 1) * sizeof(*grown));

	if (!grown)
		return -ENOMEM;
	cases->cases = grown;
	cases->cases[cases->n++] = *c;
	return 0;
}

/* Every point of the cross product, counted up like an odometer whose last wheel turns fastest. */
static int add_points(struct mmlab_cases *cases, struct mmlab_case *c, const struct mmlab_points *points, size_t axis)
{
	int r = 0;

	if (axis == mmlab_axes_count(c->scenario)) {
		if (c->scenario->unmeant && c->scenario->unmeant(c))
			return 0;
		return add_case(cases, c);
	}
	for (size_t i = 0; i < points[axis].n && !r; i++) {
		c->params[axis] = points[axis].point[i];
		r = add_points(cases, c, points, axis + 1);
	}
	return r;
}

static int add_scenario(struct mmlab_cases *cases, const struct mmlab_selection *selection,
			const struct mmlab_scenario *scenario, bool *axes_used, char *message)
{
	_cleanup_(mmlab_freep) struct mmlab_points *points = calloc(MMLAB_MAX_AXES, sizeof(*points));
	int r;

	if (!points)
		return -ENOMEM;
	r = points_of(points, selection, scenario, axes_used, message);
	for (size_t i = 0; scenario->contenders[i] && !r; i++) {
		struct mmlab_case c = { .scenario = scenario, .contender = scenario->contenders[i] };

		if (chosen(selection, scenario, c.contender))
			r = add_points(cases, &c, points, 0);
	}
	return r;
}

int mmlab_select(struct mmlab_cases *ret, const struct mmlab_selection *selection, char *message)
{
	struct mmlab_cases cases = { 0 };
	bool axes_used[32] = { false };
	bool any = false;
	int r = 0;

	for (size_t i = 0; i < selection->n_names && !r; i++) {
		const struct mmlab_scenario *scenario;
		const struct mmlab_contender *contender;

		r = resolve(selection->names[i], &scenario, &contender, message);
	}
	for (size_t i = 0; mmlab_scenarios[i] && !r; i++)
		if (chosen(selection, mmlab_scenarios[i], NULL)) {
			any = true;
			r = add_scenario(&cases, selection, mmlab_scenarios[i], axes_used, message);
		}
	if (!r && !any)
		r = unknown_preset(message, selection->preset ? selection->preset : "");
	for (size_t i = 0; i < selection->n_axes && !r; i++)
		if (!axes_used[i])
			r = unknown_axis(message, selection->axes[i]);
	if (!r && !cases.n) {
		(void)snprintf(message, MMLAB_MESSAGE_BYTES, "the chosen contenders and points leave no case");
		r = -EINVAL;
	}
	if (r < 0) {
		mmlab_cases_deinit(&cases);
		return r;
	}
	*ret = cases;
	return 0;
}

void mmlab_cases_deinit(struct mmlab_cases *cases)
{
	free(cases->cases);
	*cases = (struct mmlab_cases){ 0 };
}

int mmlab_select_exact(struct mmlab_case *c, char *const *argv, char *message)
{
	const struct mmlab_scenario *scenario;
	const struct mmlab_contender *contender;
	_cleanup_(mmlab_freep) struct mmlab_points *points = calloc(MMLAB_MAX_AXES, sizeof(*points));
	int r = points ? resolve(argv[0], &scenario, &contender, message) : -ENOMEM;

	if (r < 0)
		return r;
	for (size_t i = 1; argv[i] && !r; i++) {
		bool used = false;

		r = override_points(points, scenario, argv[i], &used, message);
		if (!r && !used)
			r = unknown_axis(message, argv[i]);
	}
	for (size_t i = 0; i < mmlab_axes_count(scenario) && !r; i++) {
		if (points[i].n != 1) {
			(void)snprintf(message, MMLAB_MESSAGE_BYTES, "axis %s needs exactly one point",
				       scenario->axes[i].name);
			r = -EINVAL;
		}
		c->params[i] = points[i].point[0];
	}
	if (!r && !contender) {
		(void)snprintf(message, MMLAB_MESSAGE_BYTES, "write SCENARIO/CONTENDER");
		r = -EINVAL;
	}
	c->scenario = scenario;
	c->contender = contender;
	return r;
}
