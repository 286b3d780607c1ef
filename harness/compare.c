// SPDX-License-Identifier: MIT
/*
 * `mmlab compare`: same, different, or cannot tell, for each metric of each case of two result files.
 */
#include <errno.h>
#include <getopt.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "command.h"
#include "comparison.h"
#include "extend.h"
#include "junit.h"
#include "margin.h"
#include "result.h"
#include "select.h"
#include "series.h"
#include "table.h"

#define MAX_PATTERNS 32

struct options {
	struct mmlab_comparison_options comparison;
	const char *patterns[MAX_PATTERNS];
	const char *margins; /* file to read */
	const char *learn;   /* file to write */
	const char *junit;
	const char *base_program, *head_program; /* that add rounds */
	unsigned int max_rounds;
	bool until_decided;
	bool json;
};

static void usage(FILE *out)
{
	(void)fputs(
		"usage: mmlab compare [options] BASE HEAD\n"
		"       mmlab compare --learn FILE RUN RUN RUN RUN...\n"
		"Judge each metric of each case of two result files: same, different, or cannot tell.\n"
		"The second form learns from runs of one build how far apart such runs lie here.\n"
		"\n"
		"  --case PATTERN       only these cases: SCENARIO, or a shell pattern for SCENARIO/CONTENDER\n"
		"                       or for the whole name of a series; may be repeated\n"
		"  --threshold PERCENT  the least change that matters (3)\n"
		"  --margins FILE       what --learn wrote (BASE without .json and with .margins.json, if there)\n"
		"  --margin PERCENT     noise to assume where no margin was learned (10)\n"
		"  --learn FILE         write margins learned from the runs, at least four of one build\n"
		"  --control NAME       SCENARIO/CONTENDER that no change can touch; if it moved, no time is\n"
		"                       judged (stock/null)\n"
		"  --until-decided      measure more rounds, in turn for BASE and HEAD, as long as they can\n"
		"                       decide something; both files grow\n"
		"  --max-rounds N       with it: no more than N rounds on each side (60)\n"
		"  --base-program PATH  with it: the mmlab that made BASE (this one)\n"
		"  --head-program PATH  with it: the mmlab that made HEAD (this one)\n"
		"  --force              compare although the machines differ\n"
		"  --json               print one JSON object instead of text\n"
		"  --junit FILE         also write JUnit XML\n"
		"  --help\n"
		"\n"
		"Exit status: 0 all same, 1 something is different, 2 cannot tell, 99 error.\n",
		out);
}

static int complain(const char *message)
{
	(void)fprintf(stderr, "mmlab compare: %s\n", message);
	return -EINVAL;
}

static int parse_percent(double *ret, const char *name, const char *text)
{
	char *end, message[128];
	double percent = strtod(text, &end);

	if (end != text && !*end && percent > 0 && percent <= 1000) {
		*ret = percent / 100;
		return 0;
	}
	(void)snprintf(message, sizeof(message), "--%s takes per cent above 0, up to 1000, not '%.40s'", name, text);
	return complain(message);
}

static int parse_rounds(unsigned int *ret, const char *text)
{
	char *end, message[128];
	unsigned long rounds = strtoul(text, &end, 10);

	if (*text >= '0' && *text <= '9' && !*end && rounds >= 1 && rounds <= 1000) {
		*ret = (unsigned int)rounds;
		return 0;
	}
	(void)snprintf(message, sizeof(message), "--max-rounds takes a whole number from 1 to 1000, not '%.40s'", text);
	return complain(message);
}

/* Return: 0, 1 if there is nothing more to do (help), or -EINVAL after a message. */
static int parse_options(struct options *o, int argc, char **argv)
{
	static const struct option options[] = {
		{ "case", required_argument, NULL, 'c' },
		{ "threshold", required_argument, NULL, 't' },
		{ "margins", required_argument, NULL, 'M' },
		{ "margin", required_argument, NULL, 'm' },
		{ "learn", required_argument, NULL, 'l' },
		{ "control", required_argument, NULL, 'C' },
		{ "force", no_argument, NULL, 'f' },
		{ "json", no_argument, NULL, 'j' },
		{ "junit", required_argument, NULL, 'u' },
		{ "until-decided", no_argument, NULL, 'U' },
		{ "max-rounds", required_argument, NULL, 'r' },
		{ "base-program", required_argument, NULL, 'B' },
		{ "head-program", required_argument, NULL, 'H' },
		{ "help", no_argument, NULL, 'h' },
		{ 0 },
	};
	int option, r = 0;

	*o = (struct options){ .max_rounds = 60,
			       .comparison = { .control = "stock/null", .threshold = 0.03, .assumed = 0.1 } };
	o->comparison.patterns = o->patterns;
	while (!r && (option = getopt_long(argc, argv, "h", options, NULL)) >= 0) {
		switch (option) {
		case 'c':
			if (o->comparison.n_patterns == MAX_PATTERNS)
				return complain("too many --case options");
			o->patterns[o->comparison.n_patterns++] = optarg;
			break;
		case 't':
			r = parse_percent(&o->comparison.threshold, "threshold", optarg);
			break;
		case 'm':
			r = parse_percent(&o->comparison.assumed, "margin", optarg);
			break;
		case 'M':
			o->margins = optarg;
			break;
		case 'l':
			o->learn = optarg;
			break;
		case 'C':
			o->comparison.control = optarg;
			break;
		case 'f':
			o->comparison.force = true;
			break;
		case 'j':
			o->json = true;
			break;
		case 'u':
			o->junit = optarg;
			break;
		case 'U':
			o->until_decided = true;
			break;
		case 'r':
			r = parse_rounds(&o->max_rounds, optarg);
			break;
		case 'B':
			o->base_program = optarg;
			break;
		case 'H':
			o->head_program = optarg;
			break;
		case 'h':
			usage(stdout);
			return 1;
		default:
			(void)fputs("mmlab compare: see mmlab compare --help\n", stderr);
			return -EINVAL;
		}
	}
	if (!r && !o->learn && argc - optind != 2)
		return complain("name two result files, BASE and HEAD; see mmlab compare --help");
	return r;
}

static int learn(const struct options *o, int n, char **paths)
{
	_cleanup_(mmlab_json_decrefp) json_t *results = json_array();
	_cleanup_(mmlab_json_decrefp) json_t *margins = NULL;
	char message[MMLAB_MESSAGE_BYTES] = "out of memory";
	json_t *result;
	int r = 0;

	for (int i = 0; i < n; i++) {
		if (mmlab_result_load(&result, paths[i], message) < 0)
			return complain(message);
		(void)json_array_append_new(results, result);
	}
	if (mmlab_margins_learn(&margins, results, message) < 0)
		return complain(message);
	r = mmlab_result_write(margins, o->learn);
	if (r < 0) {
		(void)snprintf(message, sizeof(message), "cannot write %.200s: %s", o->learn, strerror(-r));
		return complain(message);
	}
	(void)printf("%zu margins from %d runs, in %s\n", json_array_size(json_object_get(margins, "margins")), n,
		     o->learn);
	return 0;
}

static void print_value(const json_t *value, const char *unit)
{
	char text[32] = "-";

	if (json_is_number(value))
		mmlab_table_number(text, sizeof(text), json_number_value(value), unit);
	(void)printf("%s", text);
}

static void print_percent(const json_t *ratio)
{
	if (json_is_number(ratio))
		(void)printf("%+.2f %%", 100 * (json_number_value(ratio) - 1));
	else
		(void)printf("any");
}

static void print_change(const json_t *change)
{
	const json_t *interval = json_object_get(change, "interval"), *more = json_object_get(change, "more_rounds");
	const char *direction = mmlab_series_text(change, "direction"), *unit = mmlab_series_text(change, "unit");
	const char *reason = mmlab_series_text(change, "reason");
	double base = json_number_value(json_object_get(change, "base")),
	       head = json_number_value(json_object_get(change, "head"));

	(void)printf("  %s  %s  ", mmlab_series_text(change, "series"), mmlab_series_text(change, "metric"));
	print_value(json_object_get(change, "base"), unit);
	(void)printf(" -> ");
	print_value(json_object_get(change, "head"), unit);
	if (json_is_true(json_object_get(change, "exact"))) {
		if (base != head)
			(void)printf("  %+.17g %s", head - base, unit);
	} else if (json_is_number(json_object_get(change, "ratio"))) {
		(void)printf("  ");
		print_percent(json_object_get(change, "ratio"));
		if (json_is_number(json_object_get(change, "p"))) {
			(void)printf(" [");
			print_percent(json_array_get(interval, 0));
			(void)printf(", ");
			print_percent(json_array_get(interval, 1));
			(void)printf("]");
		}
	}
	if (strcmp(direction, "none"))
		(void)printf("  %s", direction);
	if (*reason)
		(void)printf("  %s", reason);
	if (json_is_integer(more))
		(void)printf(": %lld more rounds on each side would decide", (long long)json_integer_value(more));
	(void)putchar('\n');
}

static void print_unmatched(const json_t *other)
{
	const char *metric = mmlab_series_text(other, "metric"), *direction = mmlab_series_text(other, "direction");
	const char *reasons[] = { mmlab_series_text(other, "base_reason"), mmlab_series_text(other, "head_reason") };

	(void)printf("  %s%s%s  %s -> %s", mmlab_series_text(other, "series"), *metric ? "  " : "", metric,
		     mmlab_series_text(other, "base"), mmlab_series_text(other, "head"));
	if (strcmp(direction, "none"))
		(void)printf("  %s", direction);
	for (int i = 0; i < 2; i++)
		if (*reasons[i] && (!i || strcmp(reasons[0], reasons[1])))
			(void)printf("  (%s)", reasons[i]);
	(void)putchar('\n');
}

static void print_verdict(const json_t *comparison, const char *verdict, const char *title)
{
	const json_t *changes = json_object_get(comparison, "changes"),
		     *others = json_object_get(comparison, "unmatched"), *it;
	size_t n = 0, i;

	json_array_foreach(changes, i, it)
		n += !strcmp(mmlab_series_text(it, "verdict"), verdict);
	json_array_foreach(others, i, it)
		n += !strcmp(mmlab_series_text(it, "verdict"), verdict);
	if (!n)
		return;
	(void)printf("\n%s (%zu):\n", title, n);
	json_array_foreach(changes, i, it)
		if (!strcmp(mmlab_series_text(it, "verdict"), verdict))
			print_change(it);
	json_array_foreach(others, i, it)
		if (!strcmp(mmlab_series_text(it, "verdict"), verdict))
			print_unmatched(it);
}

static void print_side(const char *name, const char *path, const json_t *side)
{
	(void)printf("%s  %s: run %s, commit %.12s%s, kernel %s, %s, %lld rounds\n", name, path,
		     mmlab_series_text(side, "id"), mmlab_series_text(side, "commit"),
		     json_is_true(json_object_get(side, "dirty")) ? " with changes" : "",
		     mmlab_series_text(side, "kernel"), mmlab_series_text(side, "execution"),
		     (long long)json_integer_value(json_object_get(side, "rounds")));
}

static void print_differs(const json_t *comparison)
{
	const json_t *differs = json_object_get(comparison, "differs"), *difference;
	size_t i;

	json_array_foreach(differs, i, difference) {
		_cleanup_(mmlab_freep) char *base =
			json_dumps(json_object_get(difference, "base"), JSON_ENCODE_ANY | JSON_COMPACT);
		_cleanup_(mmlab_freep) char *head =
			json_dumps(json_object_get(difference, "head"), JSON_ENCODE_ANY | JSON_COMPACT);

		(void)printf("differs: %s: %.100s -> %.100s\n", mmlab_series_text(difference, "what"),
			     base ? base : "-", head ? head : "-");
	}
}

static void print_text(const json_t *comparison, char **paths)
{
	const json_t *rule = json_object_get(comparison, "rule"), *control = json_object_get(comparison, "control"),
		     *text;
	const json_t *summary = json_object_get(comparison, "summary"),
		     *more = json_object_get(comparison, "more_rounds");
	bool deterministic = json_is_true(json_object_get(comparison, "deterministic"));
	const char *made = mmlab_series_text(rule, "margins_made"), *reason = mmlab_series_text(control, "reason");
	size_t i;

	print_side("BASE", paths[0], json_object_get(comparison, "base"));
	print_side("HEAD", paths[1], json_object_get(comparison, "head"));
	if (json_is_true(json_object_get(comparison, "emulated")))
		(void)puts(
			"EMULATED: changes of time are those of an emulator, not of any hardware; counts are exact.");
	print_differs(comparison);
	(void)printf("threshold %g %%, %s%s, control %s %s%s%s\n",
		     100 * json_number_value(json_object_get(rule, "threshold")),
		     deterministic ? "deterministic"
		     : *made	   ? "margins of "
				   : "margins assumed",
		     deterministic ? "" : made, mmlab_series_text(control, "name"), mmlab_series_text(control, "state"),
		     *reason ? ": " : "", reason);
	if (!strcmp(mmlab_series_text(control, "state"), "moved") && !deterministic)
		(void)puts("VOID: the control moved, so nothing that rests on time is judged; measure again.");
	json_array_foreach(json_object_get(comparison, "notes"), i, text)
		(void)printf("note: %s\n", json_string_value(text));
	print_verdict(comparison, "different", "different");
	print_verdict(comparison, "cannot-tell", "cannot tell");
	print_verdict(comparison, "same", "same");
	print_verdict(comparison, "", "without comparison");
	(void)printf("\n%s: %lld different (%lld worse, %lld better), %lld cannot tell, %lld same, %lld without "
		     "comparison\n",
		     mmlab_series_text(comparison, "verdict"),
		     (long long)json_integer_value(json_object_get(summary, "different")),
		     (long long)json_integer_value(json_object_get(summary, "regressions")),
		     (long long)json_integer_value(json_object_get(summary, "improvements")),
		     (long long)json_integer_value(json_object_get(summary, "cannot_tell")),
		     (long long)json_integer_value(json_object_get(summary, "same")),
		     (long long)json_integer_value(json_object_get(summary, "mentioned")));
	if (json_is_integer(more))
		(void)printf("%lld more rounds on each side would decide all that rounds can decide\n",
			     (long long)json_integer_value(more));
}

/* What was named must be there; what lies beside the baseline may be. */
static int load_margins(json_t **ret, const struct options *o, const char *base)
{
	_cleanup_(mmlab_freep) char *beside = o->margins ? NULL : mmlab_margins_path(base);
	char message[MMLAB_MESSAGE_BYTES] = "out of memory";
	int r = o->margins || beside ? mmlab_margins_load(ret, o->margins ? o->margins : beside, message) : -ENOMEM;

	if (r == -ENOENT && !o->margins)
		return 0;
	return r < 0 ? complain(message) : 0;
}

static unsigned int rounds_of(const json_t *result)
{
	return (unsigned int)json_integer_value(json_object_get(json_object_get(result, "run"), "rounds"));
}

struct inputs {
	json_t *base, *head, *margins; /* owned */
	char **paths;
};

static void inputs_deinit(struct inputs *in)
{
	json_decref(in->base);
	json_decref(in->head);
	json_decref(in->margins);
}

static int load_results(struct inputs *in)
{
	char message[MMLAB_MESSAGE_BYTES];

	json_decref(in->base);
	json_decref(in->head);
	in->base = in->head = NULL;
	if (mmlab_result_load(&in->base, in->paths[0], message) < 0 ||
	    mmlab_result_load(&in->head, in->paths[1], message) < 0)
		return complain(message);
	return 0;
}

/*
 * Brings both sides to the same number of rounds, and @more beyond the larger one. Which side goes first alternates, so
 * that a machine that slowly changes harms both alike. Return: 0, 1 if the limit does not allow any, or -errno after a
 * message.
 */
static int add_rounds(const struct options *o, struct inputs *in, unsigned int more, bool head_first)
{
	unsigned int base = rounds_of(in->base), head = rounds_of(in->head), goal = (base > head ? base : head) + more;
	char message[MMLAB_MESSAGE_BYTES];

	goal = goal < o->max_rounds ? goal : o->max_rounds;
	if (goal <= base && goal <= head)
		return 1;
	for (int turn = 0; turn < 2; turn++) {
		bool is_head = head_first != (turn == 1);
		int r;

		if (goal <= (is_head ? head : base))
			continue;
		(void)fprintf(stderr, "mmlab compare: measuring %s up to %u rounds\n", in->paths[is_head], goal);
		r = mmlab_extend(is_head ? o->head_program : o->base_program, in->paths[is_head],
				 is_head ? in->head : in->base, goal, message);
		if (r == -EINTR)
			(void)snprintf(message, sizeof(message), "interrupted; %.200s is valid", in->paths[is_head]);
		if (r < 0) {
			(void)complain(message);
			return r;
		}
	}
	return load_results(in);
}

/* Return: 0 with *ret owned by the caller, or -errno after a message. */
static int judge(json_t **ret, struct options *o, struct inputs *in)
{
	char message[MMLAB_MESSAGE_BYTES] = "out of memory";
	const json_t *more;
	int r;

	o->comparison.looks = o->until_decided;
	for (;;) {
		if (mmlab_comparison_json(ret, in->base, in->head, in->margins, &o->comparison, message) < 0)
			return complain(message);
		more = json_object_get(*ret, "more_rounds");
		if (!o->until_decided || !json_is_integer(more))
			return 0;
		r = add_rounds(o, in, (unsigned int)json_integer_value(more), o->comparison.looks % 2 == 0);
		if (r > 0)
			(void)fprintf(stderr, "mmlab compare: more than --max-rounds %u would be needed\n",
				      o->max_rounds);
		if (r > 0)
			return 0;
		json_decref(*ret);
		*ret = NULL;
		if (r < 0)
			return r;
		o->comparison.looks++;
	}
}

static int compare(struct options *o, char **paths)
{
	_cleanup_(inputs_deinit) struct inputs in = { .paths = paths };
	_cleanup_(mmlab_json_decrefp) json_t *comparison = NULL;
	char message[MMLAB_MESSAGE_BYTES];
	const char *verdict;
	int r = load_results(&in);

	r = r < 0 ? r : load_margins(&in.margins, o, paths[0]);
	r = r < 0 ? r : judge(&comparison, o, &in);
	if (r < 0)
		return r;
	if (o->json) {
		(void)json_dumpf(comparison, stdout, JSON_INDENT(1) | JSON_REAL_PRECISION(17));
		(void)putchar('\n');
	} else {
		print_text(comparison, paths);
	}
	r = o->junit ? mmlab_junit_write(comparison, o->junit) : 0;
	if (r < 0) {
		(void)snprintf(message, sizeof(message), "cannot write %.200s: %s", o->junit, strerror(-r));
		return complain(message);
	}
	verdict = mmlab_series_text(comparison, "verdict");
	return !strcmp(verdict, "same")	       ? 0
	       : !strcmp(verdict, "different") ? MMLAB_EXIT_DIFFERENT
					       : MMLAB_EXIT_CANNOT_TELL;
}

int mmlab_compare_command(int argc, char **argv)
{
	struct options o;
	int r = parse_options(&o, argc, argv);

	if (r)
		return r > 0 ? 0 : MMLAB_EXIT_ERROR;
	r = o.learn ? learn(&o, argc - optind, argv + optind) : compare(&o, argv + optind);
	return r < 0 ? MMLAB_EXIT_ERROR : r;
}
