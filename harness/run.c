// SPDX-License-Identifier: MIT
/*
 * `mmlab run`: every chosen case once in each round, in an order shuffled from the seed, each in a fresh process.
 * A round before the first one calibrates and counts events, so that counters never disturb a time. The result file is valid from before the first round on, and rewritten after each.
 */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>

#include "cleanup.h"
#include "clock.h"
#include "command.h"
#include "counter.h"
#include "knob.h"
#include "launch.h"
#include "machine.h"
#include "needs.h"
#include "place.h"
#include "progress.h"
#include "result.h"
#include "rng.h"
#include "select.h"
#include "table.h"
#include "version.h"

/* How much each profile measures. Six rounds are the fewest that give a 95 % interval of the median. */
static const struct profile {
	const char *name;
	unsigned int rounds;
	struct mmlab_effort effort;
} profiles[] = {
	{ "quick", 6, { .samples = 5, .target_ns = 2000000, .budget_ns = 50000000 } },
	{ "full", 15, { .samples = 11, .target_ns = 20000000, .budget_ns = 1000000000 } },
};

#define LAST_SECOND INT64_C(253402300799) /* of the year 9999 */

struct options {
	struct mmlab_selection selection;
	const struct profile *profile;
	struct mmlab_effort effort;
	unsigned int rounds;
	unsigned int timeout_s;
	uint64_t seed;
	const char *events;
	enum mmlab_pin pin;
	const char *output; /* as named, file or folder */
	char path[4096];    /* of the file */
	const char *resume;
	bool json;
	bool dry;
};

static void usage(FILE *out)
{
	(void)fputs(
		"usage: mmlab run [SCENARIO[/CONTENDER]]... [options]\n"
		"Measure, write a result file, print a table. Without a scenario: all that the profile holds.\n"
		"\n"
		"  --quick             few points and rounds; minutes (default)\n"
		"  --full              all points\n"
		"  --preset NAME       a scenario's named choice of points and contenders\n"
		"  --axis AXIS=P,P     other points on one axis (see mmlab list)\n"
		"  --rounds N          rounds; 6 or more give 95 % intervals\n"
		"  --samples N         timed samples in each round\n"
		"  --seed N            order of the cases and all other chance\n"
		"  --events E,E|none   events to count (see mmlab env)\n"
		"  --pin HOW           spread, sibling, nodes or same: CPUs of concurrent tasks\n"
		"  --timeout SECONDS   a case that takes longer in one round is killed and has failed (300)\n"
		"  --resume FILE       complete an interrupted run, given with the same other arguments\n"
		"  -o, --output FILE   result file; a folder gets a file named by the run. Default: the folder\n"
		"                      $MMLAB_RESULTS_DIR, if set (made if missing), else mmlab-result.json\n"
		"  --json              print the result file instead of the table\n"
		"  --dry-run           list the cases and stop\n"
		"  --help\n"
		"\n"
		"Exit status: 0 all measured or skipped with a reason, 1 a case failed, 77 everything was skipped,\n"
		"99 error, 130 interrupted (the file is valid, incomplete, and can be resumed).\n",
		out);
}

static int complain(const char *message)
{
	(void)fprintf(stderr, "mmlab run: %s\n", message);
	return -EINVAL;
}

static int parse_number(uint64_t *ret, const char *name, const char *text, uint64_t min, uint64_t max)
{
	char *end, message[256];

	errno = 0;
	*ret = strtoull(text, &end, 10);
	if (!errno && *text >= '0' && *text <= '9' && !*end && *ret >= min && *ret <= max)
		return 0;
	(void)snprintf(message, sizeof(message), "--%s takes a whole number from %" PRIu64 " to %" PRIu64 ", not '%.40s'",
		       name, min, max, text);
	return complain(message);
}

/* Return: 0, 1 if there is nothing more to do (help), or -EINVAL after a message. */
static int parse_options(struct options *o, int argc, char **argv)
{
	static const struct option options[] = {
		{ "quick", no_argument, NULL, 'q' },	    { "full", no_argument, NULL, 'f' },
		{ "preset", required_argument, NULL, 'p' }, { "axis", required_argument, NULL, 'a' },
		{ "rounds", required_argument, NULL, 'r' }, { "samples", required_argument, NULL, 's' },
		{ "seed", required_argument, NULL, 'S' },   { "events", required_argument, NULL, 'e' },
		{ "pin", required_argument, NULL, 'P' },    { "timeout", required_argument, NULL, 't' },
		{ "resume", required_argument, NULL, 'R' }, { "output", required_argument, NULL, 'o' },
		{ "json", no_argument, NULL, 'j' },	    { "help", no_argument, NULL, 'h' },
		{ "dry-run", no_argument, NULL, 'n' },
		{ 0 },
	};
	uint64_t rounds = 0, samples = 0, timeout = 300;
	bool seeded = false;
	int option, r = 0;

	*o = (struct options){ .profile = &profiles[0], .events = mmlab_counters_default(),
			       .output = getenv("MMLAB_RESULTS_DIR") };
	while (!r && (option = getopt_long(argc, argv, "o:h", options, NULL)) >= 0) {
		switch (option) {
		case 'q':
			o->profile = &profiles[0];
			break;
		case 'f':
			o->profile = &profiles[1];
			break;
		case 'p':
			o->selection.preset = optarg;
			break;
		case 'a':
			if (o->selection.n_axes == sizeof(o->selection.axes) / sizeof(*o->selection.axes))
				return complain("too many --axis options");
			o->selection.axes[o->selection.n_axes++] = optarg;
			break;
		case 'r':
			r = parse_number(&rounds, "rounds", optarg, 1, 100000);
			break;
		case 's':
			r = parse_number(&samples, "samples", optarg, 1, 1000);
			break;
		case 'S':
			r = parse_number(&o->seed, "seed", optarg, 0, INT64_MAX);
			seeded = true;
			break;
		case 'e':
			o->events = strcmp(optarg, "none") ? optarg : NULL;
			break;
		case 'P':
			r = mmlab_pin_parse(&o->pin, optarg);
			if (r < 0)
				return complain("--pin takes spread, sibling, nodes or same");
			break;
		case 't':
			r = parse_number(&timeout, "timeout", optarg, 1, 86400);
			break;
		case 'R':
			o->resume = optarg;
			break;
		case 'o':
			o->output = optarg;
			break;
		case 'j':
			o->json = true;
			break;
		case 'n':
			o->dry = true;
			break;
		case 'h':
			usage(stdout);
			return 1;
		default:
			(void)fputs("mmlab run: see mmlab run --help\n", stderr);
			return -EINVAL;
		}
	}
	if (!seeded && !r && getrandom(&o->seed, sizeof(o->seed), 0) == sizeof(o->seed))
		o->seed >>= 16; /* short enough to type */
	o->selection.names = argv + optind;
	o->selection.n_names = (size_t)(argc - optind);
	o->selection.full = o->profile == &profiles[1];
	o->effort = o->profile->effort;
	o->effort.samples = samples ? (unsigned int)samples : o->effort.samples;
	o->rounds = rounds ? (unsigned int)rounds : o->profile->rounds;
	o->timeout_s = (unsigned int)timeout;
	return r;
}

/* The time of day, in four digits for the year, whatever the clock was set to. Nothing is measured with it. */
static void now_text(char *text, size_t size, const char *format)
{
	time_t now = time(NULL);
	struct tm utc;

	now = now < 0 ? 0 : now > LAST_SECOND ? LAST_SECOND : now;
	(void)strftime(text, size, format, gmtime_r(&now, &utc));
}

/* What the clock costs and resolves, and what the harness adds to every sample. Recorded; subtracted nowhere. */
static json_t *calibrate(void)
{
	uint64_t cost_ns = UINT64_MAX, resolution_ns = UINT64_MAX;

	for (int i = 0; i < 10000; i++) {
		uint64_t start = mmlab_now_ns(), elapsed = mmlab_now_ns() - start;

		cost_ns = elapsed < cost_ns ? elapsed : cost_ns;
		resolution_ns = elapsed && elapsed < resolution_ns ? elapsed : resolution_ns;
	}
	return json_pack("{s:s, s:I, s:I}", "clock", "CLOCK_MONOTONIC", "clock_cost_ns", (json_int_t)cost_ns,
			 "clock_resolution_ns", (json_int_t)resolution_ns);
}

static int entries_new(struct mmlab_run *run, const struct options *o)
{
	char message[MMLAB_MESSAGE_BYTES] = "out of memory";
	struct mmlab_cases cases = { 0 };
	int r = mmlab_select(&cases, &o->selection, message);

	if (r < 0)
		return complain(message);
	run->entries = calloc(cases.n, sizeof(*run->entries));
	run->n_entries = run->entries ? cases.n : 0;
	for (size_t i = 0; i < run->n_entries; i++) {
		run->entries[i].c = cases.cases[i];
		run->entries[i].values = json_object();
		run->entries[i].missing = json_object();
	}
	mmlab_cases_deinit(&cases);
	return run->entries ? 0 : -ENOMEM;
}

static int run_new(struct mmlab_run *run, const struct options *o, const struct mmlab_place *place, int argc, char **argv)
{
	char message[MMLAB_MESSAGE_BYTES];
	char stamp[24];
	json_t *old;
	int r;

	*run = (struct mmlab_run){ .seed = o->seed, .profile = o->profile->name, .preset = o->selection.preset,
				   .rounds = o->rounds };
	now_text(run->started, sizeof(run->started), "%Y-%m-%dT%H:%M:%SZ");
	now_text(stamp, sizeof(stamp), "%Y%m%dT%H%M%SZ");
	(void)snprintf(run->id, sizeof(run->id), "%s-%08" PRIx32, stamp, (uint32_t)o->seed);
	run->argv = json_array();
	(void)json_array_append_new(run->argv, json_string("mmlab"));
	for (int i = 0; i < argc; i++)
		(void)json_array_append_new(run->argv, json_string(argv[i]));
	run->machine = mmlab_machine_json(place);
	run->calibration = calibrate();
	r = entries_new(run, o);
	if (r < 0 || !o->resume)
		return r;
	r = mmlab_result_load(&old, o->resume, message);
	if (r < 0)
		return complain(message);
	r = mmlab_result_resume(run, old, message);
	json_decref(old);
	return r < 0 ? complain(message) : 0;
}

/* A folder is a history: what a shell's pattern can ask for (machine, commit, time) stands in the name. */
static void choose_path(struct options *o, const struct mmlab_run *run)
{
	const char *folder = getenv("MMLAB_RESULTS_DIR");
	const char *key = json_string_value(json_object_get(run->machine, "key"));
	struct stat status;

	if (folder && o->output == folder)
		(void)mkdir(folder, 0777); /* if that fails, writing into it says why */
	if (o->output && !stat(o->output, &status) && S_ISDIR(status.st_mode))
		(void)snprintf(o->path, sizeof(o->path), "%s/%s_%.12s%s_%s.json", o->output, key ? key : "unknown",
			       MMLAB_COMMIT, MMLAB_DIRTY ? "-dirty" : "", run->id);
	else
		(void)snprintf(o->path, sizeof(o->path), "%s", o->output ? o->output : "mmlab-result.json");
}

static int save(struct mmlab_run *run, const struct options *o)
{
	json_t *result;
	int r;

	now_text(run->finished, sizeof(run->finished), "%Y-%m-%dT%H:%M:%SZ");
	result = mmlab_result_json(run);
	r = result ? mmlab_result_write(result, o->path) : -ENOMEM;
	json_decref(result);
	if (r < 0)
		(void)fprintf(stderr, "mmlab run: cannot write the result file %s: %s\n", o->path, strerror(-r));
	return r;
}

static void check_needs(struct mmlab_run *run, const struct mmlab_place *place, enum mmlab_pin pin)
{
	for (size_t i = 0; i < run->n_entries; i++) {
		struct mmlab_entry *entry = &run->entries[i];
		char reason[MMLAB_REASON_BYTES];

		if (!mmlab_needs_contender(entry->c.contender, place, pin, reason) ||
		    !mmlab_needs_case(&entry->c, place, reason))
			mmlab_entry_stop(entry, MMLAB_STATUS_SKIPPED, reason);
	}
}

/*
 * What scripts/lib/tcg_counters.py knows the case by: a hash of the run's id (FNV-1a), and the place in the result file,
 * from 1. 0 where no emulator counts, and after the first round: what it counts repeats, and no event counter is open.
 */
static uint64_t mark_of(const struct mmlab_run *run, size_t index, bool counting)
{
	uint32_t hash = 2166136261;

	if (counting || run->entries[index].rounds || !getenv("MMLAB_MARKS"))
		return 0;
	for (const char *at = run->id; *at; at++)
		hash = (hash ^ (unsigned char)*at) * 16777619;
	return (uint64_t)hash << 32 | (index + 1);
}

static int run_entry(struct mmlab_run *run, size_t index, struct mmlab_knobs *knobs, const struct options *o,
		     const struct mmlab_place *place, uint64_t seed, bool counting)
{
	struct mmlab_entry *entry = &run->entries[index];
	struct mmlab_launch launch = { .c = &entry->c, .effort = o->effort, .timeout_s = o->timeout_s };
	char reason[MMLAB_REASON_BYTES];
	enum mmlab_status status;
	json_t *reply;
	int r;

	r = mmlab_knobs_apply(knobs, &entry->c, &status, reason);
	if (r < 0) {
		mmlab_entry_stop(entry, status, reason);
		return 0;
	}
	entry->c.seed = seed;
	/* A CPU for each task and each one's peer, again if there are too few, and all others for further peers. */
	entry->c.n_cpus = 2 * mmlab_tasks(&entry->c);
	if (entry->c.n_cpus < mmlab_place_cpus(place))
		entry->c.n_cpus = mmlab_place_cpus(place);
	if (entry->c.n_cpus > 2 * MMLAB_MAX_TASKS)
		entry->c.n_cpus = 2 * MMLAB_MAX_TASKS;
	mmlab_place_choose(place, o->pin, entry->c.n_cpus, entry->c.cpus);
	launch.effort.loops = entry->loops;
	launch.mark = mark_of(run, index, counting);
	if (counting) {
		launch.effort.samples = 0;
		launch.events = o->events;
	}
	r = mmlab_launch(&launch, &reply);
	if (r < 0)
		return r;
	if (counting || !entry->loops)
		mmlab_entry_add_counts(entry, reply);
	if (!counting)
		mmlab_entry_add(entry, reply);
	json_decref(reply);
	return 0;
}

/*
 * Before its first round, a case is launched once more: to calibrate its loop, and to count events. There is no need where
 * neither is wanted.
 */
static bool is_counted(const struct mmlab_entry *entry, const struct options *o)
{
	return entry->loops || (entry->c.scenario->once && !o->events);
}

static size_t launches_left(const struct mmlab_run *run, const struct options *o, size_t *ret_cases)
{
	size_t n = 0, n_cases = 0;

	for (size_t i = 0; i < run->n_entries; i++) {
		const struct mmlab_entry *entry = &run->entries[i];

		if (entry->status == MMLAB_STATUS_OK && entry->rounds < run->rounds) {
			n += run->rounds - entry->rounds + !is_counted(entry, o);
			n_cases++;
		}
	}
	*ret_cases = n_cases;
	return n;
}

/*
 * Opening the first counter of a kind makes the kernel patch its own code, on all CPUs, and closing the last one patches
 * it back. A process that holds all of them open makes that happen once, not for every case. It ends with the counting
 * round, so that timed samples run in unpatched code; but under emulation with several CPUs every patching can crash the
 * kernel (QEMU 7.2 to 10.0), so there it stays to the end of the run, the same for all cases.
 */
static pid_t hold_counters(const struct options *o)
{
	struct mmlab_counters *counters;
	pid_t steering = getpid(), pid = o->events ? fork() : 0;

	if (pid || !o->events)
		return pid;
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() == steering && !mmlab_counters_open(&counters, o->events))
		for (;;)
			(void)pause();
	_exit(0);
}

static void release_counters(pid_t holder)
{
	if (holder <= 0)
		return;
	(void)kill(holder, SIGKILL);
	while (waitpid(holder, NULL, 0) < 0 && errno == EINTR)
		;
}

/* @round counts from 1; 0 is the counting round. */
static int run_round(struct mmlab_run *run, unsigned int round, struct mmlab_knobs *knobs, const struct options *o,
		     const struct mmlab_place *place, struct mmlab_progress *progress)
{
	_cleanup_(mmlab_freep) size_t *order = calloc(run->n_entries, sizeof(*order));
	uint64_t rng = run->seed ^ ((uint64_t)round << 48);

	if (!order)
		return -ENOMEM;
	for (size_t i = 0; i < run->n_entries; i++)
		order[i] = i;
	mmlab_rng_shuffle(&rng, order, run->n_entries);
	for (size_t i = 0; i < run->n_entries; i++) {
		struct mmlab_entry *entry = &run->entries[order[i]];
		uint64_t seed = mmlab_rng_next(&rng);
		char name[256];
		int r;

		if (entry->status != MMLAB_STATUS_OK || (round ? entry->rounds >= round : is_counted(entry, o)))
			continue;
		mmlab_progress_step(progress, round, mmlab_case_name(&entry->c, name, sizeof(name)));
		r = run_entry(run, order[i], knobs, o, place, seed, !round);
		if (r < 0)
			return r;
		mmlab_progress_done(progress, entry->status == MMLAB_STATUS_OK ? 0 : run->rounds - round);
	}
	mmlab_progress_round(progress, round);
	return 0;
}

static int exit_status(const struct mmlab_run *run)
{
	bool any_ok = false;

	for (size_t i = 0; i < run->n_entries; i++) {
		if (run->entries[i].status == MMLAB_STATUS_FAILED)
			return MMLAB_EXIT_FAILED;
		any_ok = any_ok || run->entries[i].status == MMLAB_STATUS_OK;
	}
	return any_ok ? 0 : MMLAB_EXIT_SKIPPED;
}

/* A name in the abstract socket space is gone with its process, and belongs to no user. */
static int claim_machine(void)
{
	const struct sockaddr_un name = { .sun_family = AF_UNIX, .sun_path = "\0mmlab-run" };
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd >= 0 && bind(fd, (const struct sockaddr *)&name, sizeof(name)) < 0 && errno == EADDRINUSE)
		(void)fputs("mmlab run: another run is measuring on this machine: they disturb each other's times, and\n"
			    "mmlab run: change kernel settings under each other; let one finish first\n", stderr);
	return fd;
}

static int finish(struct mmlab_run *run, const struct options *o, int r)
{
	int saved;

	run->complete = !r;
	mmlab_machine_finish(run->machine);
	if (r == -EINTR)
		(void)fprintf(stderr, "mmlab run: interrupted; %s is valid but incomplete, --resume %s completes it\n",
			      o->path, o->path);
	saved = save(run, o);
	return r ? r : saved;
}

/* Return: 0, -EINTR, or another -errno after a message; the result file was written in any case where it can be. */
static int measure(struct mmlab_run *run, const struct options *o, const struct mmlab_place *place)
{
	_cleanup_(mmlab_closep) int claim = claim_machine();
	struct mmlab_knobs *knobs;
	bool emulated = json_is_true(json_object_get(run->machine, "emulated"));
	struct mmlab_progress progress;
	size_t n_launches, n_cases;
	pid_t holder;
	int r, restored;

	r = save(run, o); /* before anything is measured: an unwritable file must not cost a run */
	if (r < 0)
		return r;
	check_needs(run, place, o->pin);
	mmlab_launch_catch_signals();
	n_launches = launches_left(run, o, &n_cases);
	mmlab_progress_init(&progress, n_cases, n_launches, run->rounds);
	if (!progress.total) /* all skipped, or all resumed */
		return finish(run, o, 0);
	r = mmlab_knobs_open(&knobs);
	if (r < 0) {
		(void)fprintf(stderr, "mmlab run: cannot start the keeper of kernel settings: %s\n", strerror(-r));
		return finish(run, o, r);
	}
	holder = hold_counters(o);
	r = run_round(run, 0, knobs, o, place, &progress);
	if (!emulated)
		release_counters(holder);
	for (unsigned int round = 1; round <= run->rounds && !r; round++) {
		r = run_round(run, round, knobs, o, place, &progress);
		if (!r && round < run->rounds)
			r = save(run, o);
	}
	if (emulated)
		release_counters(holder);
	mmlab_progress_end(&progress);
	restored = mmlab_knobs_close(knobs);
	if (restored < 0)
		(void)fprintf(stderr, "mmlab run: cannot restore a kernel setting: %s\n", strerror(-restored));
	if (r < 0 && r != -EINTR)
		(void)fprintf(stderr, "mmlab run: cannot go on: %s\n", strerror(-r));
	return finish(run, o, r);
}

static void print_result(const struct mmlab_run *run, const struct options *o)
{
	json_t *result = mmlab_result_json(run);

	if (o->json)
		(void)json_dumpf(result, stdout, JSON_INDENT(1) | JSON_REAL_PRECISION(17));
	else
		mmlab_table_print(stdout, result, NULL);
	(void)putchar('\n');
	json_decref(result);
}

static int list_cases(const struct options *o)
{
	char message[MMLAB_MESSAGE_BYTES] = "out of memory", name[256];
	struct mmlab_cases cases = { 0 };
	int r = mmlab_select(&cases, &o->selection, message);

	if (r < 0)
		return complain(message);
	for (size_t i = 0; i < cases.n; i++)
		(void)puts(mmlab_case_name(&cases.cases[i], name, sizeof(name)));
	mmlab_cases_deinit(&cases);
	return 0;
}

int mmlab_run(int argc, char **argv)
{
	struct mmlab_place *place = NULL;
	struct mmlab_run run = { 0 };
	struct options o;
	const char *bad;
	int r = parse_options(&o, argc, argv);

	if (r)
		return r > 0 ? 0 : MMLAB_EXIT_ERROR;
	if (o.dry)
		return list_cases(&o) < 0 ? MMLAB_EXIT_ERROR : 0;
	(void)signal(SIGPIPE, SIG_IGN); /* whoever reads the progress, or a library's warnings, may leave: the run goes on */
	if (o.events && mmlab_counters_check(o.events, &bad) == -ENOENT) {
		(void)fprintf(stderr, "mmlab run: nobody knows the event '%s'; mmlab env lists what can be counted\n", bad);
		return MMLAB_EXIT_ERROR;
	}
	r = mmlab_place_new(&place);
	if (r < 0) {
		(void)fprintf(stderr, "mmlab run: cannot load the topology: %s\n", strerror(-r));
		return MMLAB_EXIT_ERROR;
	}
	r = run_new(&run, &o, place, argc, argv);
	choose_path(&o, &run);
	if (!r)
		r = measure(&run, &o, place);
	if (!r || r == -EINTR)
		print_result(&run, &o);
	r = !r ? exit_status(&run) : r == -EINTR ? MMLAB_EXIT_INTERRUPTED : MMLAB_EXIT_ERROR;
	mmlab_run_deinit(&run);
	(void)mmlab_place_free(place);
	return r;
}
