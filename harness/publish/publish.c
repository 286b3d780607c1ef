// SPDX-License-Identifier: MIT
/*
 * `mmlab publish`: a result file in the form that a dashboard ingests. Everything is made in memory first: what turns
 * out to be wrong leaves no file.
 */
#include "publish.h"

#include <ctype.h>
#include <errno.h>
#include <getopt.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "../cleanup.h"
#include "../command.h"
#include "../result.h"
#include "../save.h"
#include "../select.h"

static const struct mmlab_publish_format *const formats[] = {
	&mmlab_publish_github,	    &mmlab_publish_bencher, &mmlab_publish_perfherder, &mmlab_publish_kcidb,
	&mmlab_publish_openmetrics, &mmlab_publish_influx,  &mmlab_publish_benchfmt,
};
#define N_FORMATS (sizeof(formats) / sizeof(*formats))

struct options {
	const struct mmlab_publish_format *format;
	const char *path;
	const char *folder;
	const char *origin;
	bool force;
};

int mmlab_publish_fits(struct mmlab_publication *p, const char *text, size_t max)
{
	if (strlen(text) <= max)
		return 0;
	(void)snprintf(p->message, MMLAB_MESSAGE_BYTES,
		       "'%.200s' is longer than the %zu characters that the format takes", text, max);
	return -EINVAL;
}

int mmlab_publish_claim(struct mmlab_publication *p, const char *name, size_t max)
{
	int r = mmlab_publish_fits(p, name, max);

	if (r < 0)
		return r;
	if (json_object_get(p->names, name)) {
		(void)snprintf(p->message, MMLAB_MESSAGE_BYTES,
			       "two series have the name '%.300s': one would hide the other", name);
		return -EINVAL;
	}
	return json_object_set_new(p->names, name, json_true()) < 0 ? -ENOMEM : 0;
}

const char *mmlab_publish_title(const struct mmlab_publication *p, const struct mmlab_point_row *row, char *text,
				size_t size)
{
	(void)snprintf(text, size, "%s/%s%s%s%s%s%s", row->scenario, row->contender, *row->params ? " " : "",
		       row->params, p->emulated ? " [" : "", p->emulated ? p->emulated : "", p->emulated ? "]" : "");
	return text;
}

char *mmlab_publish_map(char *text, const char *also, char by)
{
	for (char *at = text; *at; at++)
		if (!isalnum((unsigned char)*at) && !strchr(also, *at))
			*at = by;
	return text;
}

int mmlab_publish_start(struct mmlab_publication *p, long long *ret_ns)
{
	const char *started = mmlab_series_text(p->run, "started");
	struct tm utc = { 0 };
	const char *end = strptime(started, "%Y-%m-%dT%H:%M:%SZ", &utc);
	time_t seconds = end && !*end ? timegm(&utc) : -1;
	long long ns;

	if (seconds <= 0 || __builtin_mul_overflow(seconds, 1000000000LL, &ns)) {
		(void)snprintf(p->message, MMLAB_MESSAGE_BYTES, "'%.60s' is not when a run started", started);
		return -EINVAL;
	}
	*ret_ns = ns;
	return 0;
}

int mmlab_publish_dump(FILE *out, struct mmlab_publication *p, json_t *json)
{
	int r = json ? json_dumpf(json, out, JSON_INDENT(1) | JSON_REAL_PRECISION(17)) : -1;

	json_decref(json);
	if (r < 0) {
		(void)snprintf(p->message, MMLAB_MESSAGE_BYTES,
			       "a value cannot be written as JSON; results/validate tells which");
		return -EINVAL;
	}
	(void)fputc('\n', out);
	return 0;
}

/* No name that a format would have to escape, cut or drop. Units may have a blank. */
static bool is_plain(const char *text, bool blanks)
{
	if (!*text)
		return false;
	for (; *text; text++)
		if (!isalnum((unsigned char)*text) && !strchr("_-./%+:", *text) && !(blanks && *text == ' '))
			return false;
	return true;
}

static int check_names(const struct mmlab_publication *p, const json_t *c)
{
	const json_t *point;
	const char *axis;
	char text[64];
	bool plain =
		is_plain(mmlab_series_text(c, "scenario"), false) && is_plain(mmlab_series_text(c, "contender"), false);

	json_object_foreach(json_object_get(c, "params"), axis, point)
		plain = plain && is_plain(axis, false) &&
			is_plain(mmlab_series_point(point, text, sizeof(text)), false);
	if (plain)
		return 0;
	(void)snprintf(p->message, MMLAB_MESSAGE_BYTES, "case '%.100s/%.100s' has a name that is empty or not plain",
		       mmlab_series_text(c, "scenario"), mmlab_series_text(c, "contender"));
	return -EINVAL;
}

/* Return: 1 if *ret was filled, 0 if the metric has no number, or -EINVAL. */
static int make_row(struct mmlab_point_row *ret, const struct mmlab_publication *p, const json_t *c,
		    const json_t *metric)
{
	const json_t *interval = json_object_get(metric, "ci95"), *median = json_object_get(metric, "median");
	const char *better = mmlab_series_text(metric, "better");

	if (json_is_null(median))
		return 0;
	*ret = (struct mmlab_point_row){
		.c = c,
		.metric = metric,
		.scenario = mmlab_series_text(c, "scenario"),
		.contender = mmlab_series_text(c, "contender"),
		.name = mmlab_series_text(metric, "name"),
		.unit = mmlab_series_text(metric, "unit"),
		.kind = mmlab_series_text(metric, "kind"),
		.higher_is_better = !strcmp(better, "higher"),
		.exact = json_is_true(json_object_get(metric, "exact")),
		.unstable = json_is_true(json_object_get(metric, "unstable")),
		.n = (size_t)json_integer_value(json_object_get(metric, "n")),
		.value = json_number_value(median),
		.q1 = json_number_value(json_object_get(metric, "q1")),
		.q3 = json_number_value(json_object_get(metric, "q3")),
		.lo = json_is_number(json_array_get(interval, 0)) ? json_number_value(json_array_get(interval, 0))
								  : NAN,
		.hi = json_is_number(json_array_get(interval, 1)) ? json_number_value(json_array_get(interval, 1))
								  : NAN,
	};
	mmlab_series_params(c, " ", ret->params, sizeof(ret->params));
	if (!json_is_number(median) || !json_is_number(json_object_get(metric, "q1")) ||
	    !json_is_number(json_object_get(metric, "q3")) || !is_plain(ret->name, false) ||
	    !is_plain(ret->unit, true) || (strcmp(better, "higher") && strcmp(better, "lower")) || !ret->n ||
	    ret->lo > ret->value || ret->hi < ret->value) {
		(void)snprintf(p->message, MMLAB_MESSAGE_BYTES,
			       "metric '%.60s' of %.60s/%.60s is damaged (number, unit, direction, rounds or interval); "
			       "results/validate tells more",
			       ret->name, ret->scenario, ret->contender);
		return -EINVAL;
	}
	return 1;
}

static int collect_rows(struct mmlab_publication *p)
{
	const json_t *cases = json_object_get(p->result, "cases"), *c, *metric;
	size_t n = 0, i, j;
	int r;

	json_array_foreach(cases, i, c)
		n += json_array_size(json_object_get(c, "metrics"));
	p->rows = calloc(n + 1, sizeof(*p->rows));
	if (!p->rows)
		return -ENOMEM;
	json_array_foreach(cases, i, c) {
		r = check_names(p, c);
		if (r < 0)
			return r;
		json_array_foreach(json_object_get(c, "metrics"), j, metric) {
			r = make_row(&p->rows[p->n], p, c, metric);
			if (r < 0)
				return r;
			p->n += (size_t)r;
		}
	}
	if (p->n)
		return 0;
	(void)snprintf(p->message, MMLAB_MESSAGE_BYTES, "the run has no number to publish");
	return -EINVAL;
}

static int publication_init(struct mmlab_publication *p, const json_t *result, const struct options *o, char *message)
{
	static const char *const executions[] = { "native", "kvm", "tcg", "tcg-icount" };
	bool known = false;

	*p = (struct mmlab_publication){ .result = result,
					 .run = json_object_get(result, "run"),
					 .machine = json_object_get(result, "machine"),
					 .origin = o->origin,
					 .names = json_object(),
					 .message = message };
	p->execution = mmlab_series_text(p->machine, "execution");
	for (size_t i = 0; i < sizeof(executions) / sizeof(*executions); i++)
		known = known || !strcmp(p->execution, executions[i]);
	if (!known) {
		(void)snprintf(message, MMLAB_MESSAGE_BYTES,
			       "nobody knows the execution '%.40s': figures without it mislead", p->execution);
		return -EINVAL;
	}
	if (!strncmp(p->execution, "tcg", 3))
		p->emulated = strcmp(p->execution, "tcg") ? "EMULATED-icount" : "EMULATED";
	if (!json_is_true(json_object_get(p->run, "complete")) && !o->force) {
		(void)snprintf(message, MMLAB_MESSAGE_BYTES,
			       "the run is incomplete: mmlab run --resume completes it, --force publishes it as it is");
		return -EINVAL;
	}
	return collect_rows(p);
}

static void usage(FILE *out)
{
	(void)fputs("usage: mmlab publish RUN --to FORMAT [-o FOLDER]\n"
		    "Write a result file in the form that a dashboard ingests, to standard output or as files into a "
		    "folder.\n"
		    "\n"
		    "  --to FORMAT          one of these:\n",
		    out);
	for (size_t i = 0; i < N_FORMATS; i++)
		(void)fprintf(out, "                         %-24s %s\n", formats[i]->name, formats[i]->summary);
	(void)fputs("  -o, --output FOLDER  write files there, and print their paths; made if missing\n"
		    "  --origin NAME        of KCIDB: the name under which it knows the sender (mmlab)\n"
		    "  --force              publish an incomplete run, too\n"
		    "  --help\n"
		    "\n"
		    "Exit status: 0 done, 99 error; nothing is written then.\n",
		    out);
}

static int complain(const char *message)
{
	(void)fprintf(stderr, "mmlab publish: %s\n", message);
	return -EINVAL;
}

static int find_format(const struct mmlab_publish_format **ret, const char *name)
{
	char message[MMLAB_MESSAGE_BYTES];
	int used = snprintf(message, sizeof(message), "no format '%.40s'; there are:", name);

	for (size_t i = 0; i < N_FORMATS; i++) {
		used += snprintf(message + used, sizeof(message) - (size_t)used, " %s", formats[i]->name);
		if (!strcmp(name, formats[i]->name)) {
			*ret = formats[i];
			return 0;
		}
	}
	return complain(message);
}

/* Return: 0, 1 if there is nothing more to do (help), or -EINVAL after a message. */
static int parse_options(struct options *o, int argc, char **argv)
{
	static const struct option options[] = {
		{ "to", required_argument, NULL, 't' },	    { "output", required_argument, NULL, 'o' },
		{ "origin", required_argument, NULL, 'O' }, { "force", no_argument, NULL, 'f' },
		{ "help", no_argument, NULL, 'h' },	    { 0 },
	};
	int option, r = 0;

	*o = (struct options){ .origin = "mmlab" };
	while (!r && (option = getopt_long(argc, argv, "o:h", options, NULL)) >= 0) {
		switch (option) {
		case 't':
			r = find_format(&o->format, optarg);
			break;
		case 'o':
			o->folder = optarg;
			break;
		case 'O':
			o->origin = optarg;
			break;
		case 'f':
			o->force = true;
			break;
		case 'h':
			usage(stdout);
			return 1;
		default:
			(void)fputs("mmlab publish: see mmlab publish --help\n", stderr);
			return -EINVAL;
		}
	}
	if (!r && argc - optind != 1)
		return complain("name one result file; see mmlab publish --help");
	if (!r && !o->format)
		return complain("--to says for whom; see mmlab publish --help");
	o->path = r ? NULL : argv[optind];
	return r;
}

struct written {
	char *text;
	size_t size;
};

static int deliver(const struct options *o, const struct written *files, size_t n, char *message)
{
	const struct written *only = NULL;
	int r = 0;

	for (size_t i = 0; i < n && !o->folder; i++) {
		if (files[i].text && only) {
			(void)snprintf(message, MMLAB_MESSAGE_BYTES,
				       "%s makes more than one file: name a folder with -o", o->format->name);
			return -EINVAL;
		}
		only = files[i].text ? &files[i] : only;
	}
	if (only && fwrite(only->text, 1, only->size, stdout) != only->size)
		r = -EIO;
	if (o->folder && mkdir(o->folder, 0777) && errno != EEXIST)
		r = -errno;
	for (size_t i = 0; i < n && o->folder && !r; i++) {
		_cleanup_(mmlab_freep) char *path = NULL;

		if (!files[i].text)
			continue;
		if (asprintf(&path, "%s/%s", o->folder, o->format->files[i]) < 0) {
			path = NULL;
			r = -ENOMEM;
			break;
		}
		r = mmlab_save(path, files[i].text, files[i].size);
		if (!r)
			(void)puts(path);
	}
	if (r < 0)
		(void)snprintf(message, MMLAB_MESSAGE_BYTES, "cannot write %s%.200s: %s", o->folder ? "into " : "",
			       o->folder ? o->folder : "to standard output", strerror(-r));
	return r;
}

static int write_all(struct mmlab_publication *p, const struct options *o)
{
	struct written files[4] = { 0 };
	size_t n = 0;
	int r = 0;

	for (; o->format->files[n] && r >= 0; n++) {
		FILE *out = open_memstream(&files[n].text, &files[n].size);
		bool bad;

		if (!out) {
			r = -errno;
			break;
		}
		r = o->format->write(out, p, n);
		bad = ferror(out);
		if (fclose(out) || bad)
			r = -ENOMEM;
		if (r > 0) {
			free(files[n].text);
			files[n] = (struct written){ 0 };
		}
	}
	if (r >= 0)
		r = deliver(o, files, n, p->message);
	for (size_t i = 0; i < sizeof(files) / sizeof(*files); i++)
		free(files[i].text);
	return r;
}

static void tell_unmeasured(const struct mmlab_publication *p, const struct mmlab_publish_format *format)
{
	const json_t *c;
	size_t n_skipped = 0, n_failed = 0, i;

	json_array_foreach(json_object_get(p->result, "cases"), i, c) {
		n_skipped += !strcmp(mmlab_series_text(c, "status"), "skipped");
		n_failed += !strcmp(mmlab_series_text(c, "status"), "failed");
	}
	if (!format->unmeasured && (n_skipped || n_failed))
		(void)fprintf(stderr,
			      "mmlab publish: %zu cases were skipped and %zu failed; %s has no place for them\n",
			      n_skipped, n_failed, format->name);
}

int mmlab_publish_command(int argc, char **argv)
{
	_cleanup_(mmlab_json_decrefp) json_t *result = NULL;
	char message[MMLAB_MESSAGE_BYTES] = "out of memory";
	struct mmlab_publication p = { 0 };
	struct options o;
	int r = parse_options(&o, argc, argv);

	if (r)
		return r > 0 ? 0 : MMLAB_EXIT_ERROR;
	r = mmlab_result_load(&result, o.path, message);
	r = r < 0 ? r : publication_init(&p, result, &o, message);
	r = r < 0 ? r : write_all(&p, &o);
	if (r < 0)
		(void)complain(message);
	else
		tell_unmeasured(&p, o.format);
	free(p.rows);
	json_decref(p.names);
	return r < 0 ? MMLAB_EXIT_ERROR : 0;
}
