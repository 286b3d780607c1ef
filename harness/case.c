// SPDX-License-Identifier: MIT
#include "case.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "rng.h"

/* A callback asked for something that its scenario does not declare: no result could be trusted. */
static _Noreturn void programming_error(const struct mmlab_case *c, const char *what, const char *name)
{
	(void)fprintf(stderr, "mmlab: %s/%s asks for the %s '%s', which the scenario does not declare\n",
		      c->scenario->name, c->contender->name, what, name);
	abort();
}

static size_t require_axis(const struct mmlab_case *c, const char *axis)
{
	int index = mmlab_axis_index(c->scenario, axis, strlen(axis));

	if (index < 0)
		programming_error(c, "axis", axis);
	return (size_t)index;
}

static size_t require_metric(const struct mmlab_case *c, const char *metric)
{
	int index = mmlab_metric_index(c->scenario, metric);

	if (index < 0)
		programming_error(c, "metric", metric);
	return (size_t)index;
}

const char *mmlab_case_name(const struct mmlab_case *c, char *text, size_t size)
{
	int used = snprintf(text, size, "%s/%s", c->scenario->name, c->contender->name);

	for (size_t i = 0; i < mmlab_axes_count(c->scenario) && used >= 0 && (size_t)used < size; i++)
		used += snprintf(text + used, size - (size_t)used, " %s=%s", c->scenario->axes[i].name,
				 c->params[i].text);
	return text;
}

size_t mmlab_metrics_count(const struct mmlab_scenario *scenario)
{
	size_t n = 0;

	while (scenario->metrics && scenario->metrics[n].name)
		n++;
	return n;
}

int mmlab_metric_index(const struct mmlab_scenario *scenario, const char *name)
{
	for (size_t i = 0; i < mmlab_metrics_count(scenario); i++)
		if (!strcmp(scenario->metrics[i].name, name))
			return (int)i;
	return -ENOENT;
}

uint64_t mmlab_param(const struct mmlab_case *c, const char *axis)
{
	return c->params[require_axis(c, axis)].value;
}

const char *mmlab_param_word(const struct mmlab_case *c, const char *axis)
{
	return c->params[require_axis(c, axis)].text;
}

const void *mmlab_ops(const struct mmlab_case *c)
{
	return c->contender->ops;
}

void mmlab_set_state(struct mmlab_case *c, void *state)
{
	c->state = state;
}

void *mmlab_state(const struct mmlab_case *c)
{
	return c->state;
}

unsigned int mmlab_task(const struct mmlab_case *c)
{
	return c->task;
}

unsigned int mmlab_tasks(const struct mmlab_case *c)
{
	int axis = mmlab_axis_index(c->scenario, "tasks", strlen("tasks"));

	return axis < 0 ? 1 : (unsigned int)c->params[axis].value;
}

bool mmlab_case_threads(const struct mmlab_case *c)
{
	int axis = mmlab_axis_index(c->scenario, "mode", strlen("mode"));

	return axis >= 0 && !strcmp(c->params[axis].text, "thread");
}

const int *mmlab_case_cpus(const struct mmlab_case *c, unsigned int *ret_n)
{
	*ret_n = c->n_cpus;
	return c->cpus;
}

uint64_t mmlab_seed(const struct mmlab_case *c)
{
	uint64_t state = c->seed + c->task;

	return mmlab_rng_next(&state);
}

void mmlab_set_units(struct mmlab_case *c, uint64_t units)
{
	c->report->units = units;
}

uint64_t mmlab_faults(const struct mmlab_case *c)
{
	return c->report->faults;
}

uint64_t mmlab_counted_ops(const struct mmlab_case *c)
{
	return c->counted_ops;
}

const struct mmlab_mmu *mmlab_mmu(const struct mmlab_case *c)
{
	return &c->mmu;
}

void mmlab_lap_took(struct mmlab_case *c, const char *metric, uint64_t n, uint64_t elapsed_ns)
{
	if (metric) {
		mmlab_report(c, metric, (double)elapsed_ns / (double)n);
		if (c->scenario->metrics[require_metric(c, metric)].part)
			c->report->parts_ns += elapsed_ns;
	}
	c->report->lap_ns = mmlab_now_ns(); /* not the time that this took */
}

uint64_t mmlab_lap(struct mmlab_case *c, const char *metric, uint64_t n)
{
	uint64_t now = mmlab_now_ns();
	uint64_t elapsed_ns = now - (c->report->lap_ns ? c->report->lap_ns : c->report->start_ns);

	mmlab_lap_took(c, metric, n, elapsed_ns);
	return elapsed_ns;
}

void mmlab_report(struct mmlab_case *c, const char *metric, double value)
{
	size_t index = require_metric(c, metric);

	c->report->reported[index] = true;
	c->report->metrics[index] = value;
	if (!isfinite(value))
		(void)snprintf(c->report->missing[index], MMLAB_REASON_BYTES, "not a finite number");
}

void mmlab_report_missing(struct mmlab_case *c, const char *metric, const char *reason)
{
	size_t index = require_metric(c, metric);

	c->report->reported[index] = true;
	c->report->metrics[index] = NAN;
	(void)snprintf(c->report->missing[index], MMLAB_REASON_BYTES, "%s", reason);
}

static void set_reason(struct mmlab_case *c, enum mmlab_status status, int err, const char *fmt, va_list args)
{
	char text[MMLAB_REASON_BYTES - 64];

	if (c->report->status != MMLAB_STATUS_OK)
		return;
	(void)vsnprintf(text, sizeof(text), fmt, args);
	(void)snprintf(c->report->reason, sizeof(c->report->reason), "%s%s%s", text, err ? ": " : "",
		       err ? strerror(-err) : "");
	c->report->status = status;
}

int mmlab_fail(struct mmlab_case *c, int err, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	set_reason(c, MMLAB_STATUS_FAILED, err, fmt, args);
	va_end(args);
	return err ? err : -EIO;
}

int mmlab_skip(struct mmlab_case *c, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	set_reason(c, MMLAB_STATUS_SKIPPED, 0, fmt, args);
	va_end(args);
	return MMLAB_SKIP;
}
