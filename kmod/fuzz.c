// SPDX-License-Identifier: MIT
/*
 * Calls the module's interface, and the kernel's around it, at random: rounds of
 * several processes, of which each follows from the seed and its number. After
 * each round nothing may be left, and nothing may hang; what the kernel says of
 * itself is for scripts/vm to judge. docs/fuzzing.md says how to use it.
 */
#include "fuzz.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "libmmlab.h"

enum { MAX_CORPUS = 2048, EXIT_FOUND = 1, EXIT_USAGE = 2, EXIT_SKIP = 77 };

static struct {
	uint64_t seed, n_rounds, first_round, repeat;
	unsigned int seconds, round_ms;
	struct fuzz_wish wish;
	const char *corpus, *keep, *dump, *only;
	enum { RUN_RANDOM, RUN_FILES, PRINT_TEXT, PRINT_PROGRAM } what;
} options = {
	.seed = 1, .repeat = 1, .wish = { 3, 60, (1U << FUZZ_N_GROUPS) - 1 },
};

static char *corpus[MAX_CORPUS];
static unsigned int n_corpus, n_kept;

static const char usage_text[] =
	"Usage: fuzz [OPTION]...               rounds at random\n"
	"       fuzz --run [OPTION]... FILE... these inputs, one after the other\n"
	"       fuzz --text FILE | --program FILE\n\n"
	"  --seed N      what all rounds follow from (default: 1)\n"
	"  --workers N   processes in a round, 1 to 8 (default: 3)\n"
	"  --ops N       steps of each (default: 60)\n"
	"  --rounds N    how many rounds; --seconds N: or for how long\n"
	"  --from N      begin with this round\n"
	"  --only GROUP  memory, refpage, lockbuf, mshare, clone, spf or arena\n"
	"  --corpus DIR  change these inputs in half of the rounds\n"
	"  --keep DIR    keep inputs that reach new code here (kcov), and what was reached\n"
	"  --round-ms N  time for a round (default: 3000, on debug kernels 20000)\n"
	"  --repeat N    with --run: each so often\n"
	"  --dump FILE   write the first round's input to a file and end\n";

static uint64_t now_ms(void)
{
	return fuzz_now_ns() / 1000000;
}

static _Noreturn void usage(int status)
{
	fputs(usage_text, status ? stderr : stdout);
	exit(status);
}

static uint64_t number_of(const char *text)
{
	char *end;
	uint64_t number = strtoull(text, &end, 0);

	if (*text == '\0' || *end != '\0') {
		fprintf(stderr, "fuzz: '%s' is no number\n", text);
		usage(EXIT_USAGE);
	}
	return number;
}

static unsigned int groups_of(const char *text)
{
	for (int i = 0; i < FUZZ_N_GROUPS; i++)
		if (strcmp(text, fuzz_group_names[i]) == 0)
			return 1U << FUZZ_MEMORY | 1U << i;
	fprintf(stderr, "fuzz: there is no group '%s'\n", text);
	usage(EXIT_USAGE);
}

static void options_read(int argc, char **argv)
{
	static const struct option known[] = {
		{ "seed", 1, NULL, 's' },     { "workers", 1, NULL, 'w' },
		{ "ops", 1, NULL, 'o' },      { "rounds", 1, NULL, 'n' },
		{ "seconds", 1, NULL, 't' },  { "from", 1, NULL, 'f' },
		{ "only", 1, NULL, 'g' },     { "corpus", 1, NULL, 'c' },
		{ "keep", 1, NULL, 'k' },     { "round-ms", 1, NULL, 'm' },
		{ "repeat", 1, NULL, 'r' },   { "dump", 1, NULL, 'd' },
		{ "run", 0, NULL, 'R' },      { "text", 0, NULL, 'T' },
		{ "program", 0, NULL, 'P' },  { "help", 0, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	int c;

	while ((c = getopt_long(argc, argv, "h", known, NULL)) != -1) {
		switch (c) {
		case 's':
			options.seed = number_of(optarg);
			break;
		case 'w':
			options.wish.n_workers =
				(unsigned int)number_of(optarg);
			break;
		case 'o':
			options.wish.n_steps =
				(unsigned int)number_of(optarg);
			break;
		case 'n':
			options.n_rounds = number_of(optarg);
			break;
		case 't':
			options.seconds = (unsigned int)number_of(optarg);
			break;
		case 'f':
			options.first_round = number_of(optarg);
			break;
		case 'g':
			options.only = optarg;
			break;
		case 'c':
			options.corpus = optarg;
			break;
		case 'k':
			options.keep = optarg;
			break;
		case 'm':
			options.round_ms = (unsigned int)number_of(optarg);
			break;
		case 'r':
			options.repeat = number_of(optarg);
			break;
		case 'd':
			options.dump = optarg;
			break;
		case 'R':
			options.what = RUN_FILES;
			break;
		case 'T':
			options.what = PRINT_TEXT;
			break;
		case 'P':
			options.what = PRINT_PROGRAM;
			break;
		case 'h':
			usage(0);
		default:
			usage(EXIT_USAGE);
		}
	}
	if (options.only)
		options.wish.groups = groups_of(options.only);
	if (options.wish.n_workers < 1 || options.wish.n_workers > 8 ||
	    options.wish.n_steps < 1 || options.wish.n_steps > FUZZ_MAX_STEPS) {
		fprintf(stderr, "fuzz: 1 to 8 workers, 1 to %d ops\n",
			FUZZ_MAX_STEPS);
		usage(EXIT_USAGE);
	}
	if (!options.n_rounds && !options.seconds)
		options.n_rounds = 100;
	if (!options.round_ms)
		options.round_ms = access("/proc/lockdep_stats", F_OK) == 0 ?
						20000 : 3000;
}

/* To the kernel's log: the last line before a crash says where it was. */
static void log_line(const char *text)
{
	int fd = open("/dev/kmsg", O_WRONLY | O_CLOEXEC);

	if (fd < 0)
		return;
	(void)!write(fd, text, strlen(text));
	(void)close(fd);
}

/* An input that does not follow from the seed alone. */
static void log_input(const struct fuzz_input *input)
{
	enum { STEPS_PER_LINE = 24 };
	char line[128 + STEPS_PER_LINE * sizeof(struct fuzz_step) * 2];

	for (uint32_t i = 0; i < input->n_steps; i += STEPS_PER_LINE) {
		int at = snprintf(line, sizeof(line), "mmlab-fuzz: input %u %u ",
				  input->n_workers, i);
		const uint8_t *byte = (const uint8_t *)&input->steps[i];
		uint32_t n = input->n_steps - i;

		if (n > STEPS_PER_LINE)
			n = STEPS_PER_LINE;
		for (size_t b = 0; b < n * sizeof(struct fuzz_step); b++)
			at += snprintf(line + at, sizeof(line) - (size_t)at,
				       "%02x", byte[b]);
		log_line(line);
	}
}

static void corpus_add(const char *path)
{
	if (n_corpus < MAX_CORPUS && (corpus[n_corpus] = strdup(path)))
		n_corpus++;
}

static int by_name(const void *left, const void *right)
{
	return strcmp(*(char *const *)left, *(char *const *)right);
}

static void corpus_read(const char *folder)
{
	DIR *dir = opendir(folder);
	const struct dirent *entry;
	char path[512];

	if (!dir) {
		fprintf(stderr, "fuzz: %s: %s\n", folder, strerror(errno));
		return;
	}
	while ((entry = readdir(dir))) {
		(void)snprintf(path, sizeof(path), "%s/%s", folder,
			       entry->d_name);
		if (entry->d_name[0] != '.')
			corpus_add(path);
	}
	(void)closedir(dir);
	qsort(corpus, n_corpus, sizeof(*corpus), by_name);
}

/* The input of a round. */
static void round_input(uint64_t round, struct fuzz_input *ret)
{
	static struct fuzz_input other;
	struct fuzz_random random = {
		.state = options.seed * 0x100000001b3 + round * 0x10001
	};

	if (n_corpus == 0 || fuzz_below(&random, 2) == 0 ||
	    fuzz_input_read(corpus[fuzz_below(&random, n_corpus)], ret) < 0) {
		fuzz_input_make(&random, &options.wish, ret);
		return;
	}
	if (fuzz_input_read(corpus[fuzz_below(&random, n_corpus)], &other) < 0)
		other.n_steps = 0;
	fuzz_input_change(&random, &options.wish, &other, ret);
	log_input(ret);
}

/* Whether all is as it should be. */
static bool round_run(const struct fuzz_input *input, unsigned int *n_overtime)
{
	struct fuzz_outcome outcome;
	unsigned int covered = fuzz_cover_n();
	char path[512];
	int err = fuzz_workers_run(input, options.round_ms, &outcome);

	if (err < 0) {
		fprintf(stderr, "fuzz: a round cannot begin: %s\n",
			strerror(-err));
		exit(EXIT_USAGE);
	}
	*n_overtime += outcome.overtime;
	fuzz_scene_tidy();
	if (outcome.stuck || fuzz_live_left(stdout))
		return false;
	if (options.keep && fuzz_cover_n() > covered) {
		(void)snprintf(path, sizeof(path), "%s/%llu-%06u", options.keep,
			       (unsigned long long)options.seed, n_kept++);
		if (fuzz_input_write(path, input) == 0)
			corpus_add(path);
	}
	return true;
}

static void counts_print(void)
{
	const struct fuzz_counts *counts = fuzz_workers_counts();
	uint64_t n_all = 0, n_well = 0;

	printf("# %-20s %-16s %8s %10s %10s\n", "step", "call", "run",
	       "succeeded", "ms");
	for (unsigned int i = 0; i < fuzz_n_kinds; i++) {
		if (!counts->n_run[i])
			continue;
		printf("# %-20s %-16s %8llu %10llu %3.0f %% %8llu\n",
		       fuzz_kinds[i].name, fuzz_kinds[i].function,
		       (unsigned long long)counts->n_run[i],
		       (unsigned long long)counts->n_succeeded[i],
		       100.0 * (double)counts->n_succeeded[i] /
			       (double)counts->n_run[i],
		       (unsigned long long)counts->ns[i] / 1000000);
		n_all += counts->n_run[i];
		n_well += counts->n_succeeded[i];
	}
	printf("# %llu steps, %llu succeeded\n", (unsigned long long)n_all,
	       (unsigned long long)n_well);
}

static int run_random(void)
{
	static struct fuzz_input input;
	uint64_t start_ms = now_ms(), round = options.first_round;
	unsigned int n_overtime = 0;
	char line[128];
	bool well = true;

	if (options.corpus)
		corpus_read(options.corpus);
	for (; well; round++) {
		if (options.n_rounds &&
		    round - options.first_round >= options.n_rounds)
			break;
		if (options.seconds &&
		    now_ms() - start_ms >= options.seconds * 1000ULL)
			break;
		(void)snprintf(line, sizeof(line),
			       "mmlab-fuzz: seed %llu round %llu",
			       (unsigned long long)options.seed,
			       (unsigned long long)round);
		log_line(line);
		round_input(round, &input);
		well = round_run(&input, &n_overtime);
	}
	counts_print();
	printf("# %llu rounds in %llu s, %u of them not to their end in time\n",
	       (unsigned long long)(round - options.first_round),
	       (unsigned long long)((now_ms() - start_ms) / 1000), n_overtime);
	if (fuzz_cover_n())
		printf("# %u places of the module reached, %u inputs kept\n",
		       fuzz_cover_n(), n_kept);
	if (options.keep && fuzz_cover_n()) {
		(void)snprintf(line, sizeof(line), "%s/../places", options.keep);
		(void)fuzz_cover_write(line);
	}
	if (!well)
		printf("not ok - fuzz: something is left after round %llu of seed %llu\n",
		       (unsigned long long)round - 1,
		       (unsigned long long)options.seed);
	else
		printf("ok - fuzz %s\n", options.only ? options.only : "all");
	return well ? 0 : EXIT_FOUND;
}

/* Stops at the first that fails: it is the one. */
static int run_files(char **paths)
{
	static struct fuzz_input input;
	unsigned int n_overtime = 0;
	char line[600];

	for (; *paths; paths++) {
		int err = fuzz_input_read(*paths, &input);

		if (err < 0) {
			fprintf(stderr, "fuzz: %s: %s\n", *paths, strerror(-err));
			return EXIT_USAGE;
		}
		(void)snprintf(line, sizeof(line), "mmlab-fuzz: file %s", *paths);
		log_line(line);
		for (uint64_t i = 0; i < options.repeat; i++) {
			if (round_run(&input, &n_overtime))
				continue;
			printf("not ok - fuzz %s\n", *paths);
			return EXIT_FOUND;
		}
		printf("ok - fuzz %s\n", *paths);
		(void)fflush(stdout);
	}
	counts_print();
	return 0;
}

static int print_file(const char *path)
{
	static struct fuzz_input input;
	int err = path ? fuzz_input_read(path, &input) : -EINVAL;

	if (err < 0) {
		fprintf(stderr, "fuzz: %s: %s\n", path ? path : "no file",
			strerror(-err));
		return EXIT_USAGE;
	}
	if (options.what == PRINT_TEXT)
		fuzz_print_text(&input, stdout);
	else
		fuzz_print_program(&input, stdout);
	return 0;
}

int main(int argc, char **argv)
{
	static struct fuzz_input input;
	int status, err;

	if (argc == 5 && strcmp(argv[1], "--go-on") == 0)
		return fuzz_workers_go_on(argv + 2);
	options_read(argc, argv);
	if (options.what == PRINT_TEXT || options.what == PRINT_PROGRAM)
		return print_file(argv[optind]);
	if (options.dump) {
		round_input(options.first_round, &input);
		return fuzz_input_write(options.dump, &input) < 0 ? EXIT_USAGE : 0;
	}
	if (mmlab_query(MMLAB_MECH_REFPAGE, NULL) < 0) {
		printf("1..0 # SKIP %s: %s\n", MMLAB_DEVICE, strerror(errno));
		return EXIT_SKIP;
	}
	if (options.keep)
		(void)mkdir(options.keep, 0755);
	err = fuzz_workers_open(fuzz_scene_open());
	if (err < 0) {
		fprintf(stderr, "fuzz: no rounds can be run here: %s\n",
			strerror(-err));
		return EXIT_USAGE;
	}
	status = options.what == RUN_FILES ? run_files(argv + optind)
					   : run_random();
	fuzz_scene_close();
	return status;
}
