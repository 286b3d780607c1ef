// SPDX-License-Identifier: MIT
/*
 * The text format of Go's benchmarks, for benchstat: a line for each round, so that benchstat does the statistics. It
 * makes a table of its own for each combination of configuration lines, so only what must be equal stands in them; what
 * differs between two runs of a comparison is a comment.
 */
#include "publish.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <string.h>

#include "../cleanup.h"
#include "../result.h"

static void unit_of(const struct mmlab_point_row *row, char *unit, size_t size)
{
	if (!strcmp(row->name, "time") && !strcmp(row->unit, "ns"))
		(void)snprintf(unit, size, "ns/op");
	else if (!strcmp(row->name, row->unit))
		(void)snprintf(unit, size, "%s/op", row->name);
	else
		(void)snprintf(unit, size, "%s-%s", row->name, row->unit);
	mmlab_publish_map(unit, "-_/.%", '_'); /* blanks would end it */
}

/* benchstat compares a unit exactly or by chance, in all benchmarks alike. */
static bool always_exact(const struct mmlab_publication *p, const char *unit)
{
	for (size_t i = 0; i < p->n; i++) {
		char other[256];

		unit_of(&p->rows[i], other, sizeof(other));
		if (!strcmp(unit, other) && !p->rows[i].exact)
			return false;
	}
	return true;
}

static void put_units(FILE *out, const struct mmlab_publication *p)
{
	json_t *done = json_object();

	for (size_t i = 0; i < p->n; i++) {
		char unit[256];

		unit_of(&p->rows[i], unit, sizeof(unit));
		if (json_object_get(done, unit))
			continue;
		(void)json_object_set_new(done, unit, json_true());
		(void)fprintf(out, "Unit %s better=%s%s\n", unit, p->rows[i].higher_is_better ? "higher" : "lower",
			      always_exact(p, unit) ? " assume=exact" : "");
	}
	json_decref(done);
}

/* "BenchmarkStock/getppid/size=4096/execution=kvm": the last part ends in a letter, as -2 at the end would be taken for
 * CPUs. */
static int make_name(struct mmlab_publication *p, const struct mmlab_point_row *row, char *name, size_t size)
{
	char params[MMLAB_SERIES_BYTES];

	mmlab_series_params(row->c, "/", params, sizeof(params));
	(void)snprintf(name, size, "Benchmark%c%s/%s%s%s/execution=%s%s", toupper((unsigned char)*row->scenario),
		       row->scenario + 1, row->contender, *params ? "/" : "", params, p->execution,
		       p->emulated ? "/EMULATED" : "");
	return mmlab_publish_claim(p, name, size - 1);
}

/* All metrics of one case, of which round @round has a number. */
static void put_round(FILE *out, const struct mmlab_point_row *rows, size_t n, const char *name, size_t round)
{
	bool any = false;

	for (size_t i = 0; i < n; i++) {
		_cleanup_(mmlab_freep) double *values = NULL;
		size_t n_rounds = mmlab_result_rounds(&values, json_object_get(rows[i].metric, "rounds"));
		json_int_t loops = json_integer_value(json_object_get(rows[i].c, "loops"));
		char unit[256];

		if (round >= n_rounds || !isfinite(values[round]))
			continue;
		if (!any)
			(void)fprintf(out, "%s\t%lld", name, (long long)(loops > 0 ? loops : 1));
		any = true;
		unit_of(&rows[i], unit, sizeof(unit));
		(void)fprintf(out, "\t%.17g %s", values[round], unit);
	}
	if (any)
		(void)fputc('\n', out);
}

static int benchfmt_write(FILE *out, struct mmlab_publication *p, size_t file)
{
	int r = 0;

	(void)file;
	(void)fprintf(
		out, "# mmlab run %s, commit %s, kernel %s%s%s\npkg: mmlab\nmachine: %s\nexecution: %s\nemulated: %s\n",
		mmlab_series_text(p->run, "id"), mmlab_series_text(p->run, "commit"),
		mmlab_series_text(json_object_get(p->machine, "kernel"), "release"), p->emulated ? ", " : "",
		p->emulated ? p->emulated : "", mmlab_series_text(p->machine, "key"), p->execution,
		p->emulated ? "true" : "false");
	put_units(out, p);
	for (size_t i = 0, end; i < p->n && r >= 0; i = end) {
		char name[3 * MMLAB_SERIES_BYTES];
		size_t n_rounds = 0;

		r = make_name(p, &p->rows[i], name, sizeof(name));
		for (end = i; end < p->n && p->rows[end].c == p->rows[i].c; end++) {
			size_t n = json_array_size(json_object_get(p->rows[end].metric, "rounds"));

			n_rounds = n > n_rounds ? n : n_rounds;
		}
		for (size_t round = 0; round < n_rounds; round++)
			put_round(out, &p->rows[i], end - i, name, round);
	}
	return r;
}

const struct mmlab_publish_format mmlab_publish_benchfmt = {
	.name = "benchfmt",
	.summary = "Go benchmark text, for benchstat",
	.files = (const char *const[]){ "mmlab.bench", NULL },
	.write = benchfmt_write,
};
