// SPDX-License-Identifier: MIT
/*
 * `mmlab report`: tables of result files, or a page or pictures, which another program makes.
 */
#include <getopt.h>
#include <stdio.h>

#include "cleanup.h"
#include "command.h"
#include "page.h"
#include "result.h"
#include "select.h"
#include "table.h"

static void usage(FILE *out)
{
	(void)fputs("usage: mmlab report [--metric NAME]... FILE...\n"
		    "       mmlab report [--html PAGE] [--svg FOLDER] FILE...\n"
		    "       mmlab report [--html PAGE] [--svg FOLDER] FOLDER\n"
		    "Print plain-text tables of result files: the metrics named, or time. Or make one self-contained page, or\n"
		    "pictures: of one run, of several side by side, or of a folder with a history of runs.\n"
		    "\n"
		    "  --metric NAME   time, faults, or one of the scenario's own (see mmlab list); may be repeated\n"
		    "  --html PAGE     write a page in HTML there; - is standard output\n"
		    "  --svg FOLDER    write each picture there as SVG, and print the paths\n"
		    "  --help\n",
		    out);
}

int mmlab_report_command(int argc, char **argv)
{
	static const struct option options[] = {
		{ "metric", required_argument, NULL, 'm' },
		{ "html", required_argument, NULL, 'H' },
		{ "svg", required_argument, NULL, 's' },
		{ "help", no_argument, NULL, 'h' },
		{ 0 },
	};
	const char *metrics[16] = { NULL };
	const char *html = NULL, *svg = NULL;
	size_t n_metrics = 0;
	int option;

	while ((option = getopt_long(argc, argv, "h", options, NULL)) >= 0) {
		switch (option) {
		case 'm':
			if (n_metrics < 16)
				metrics[n_metrics++] = optarg;
			break;
		case 'H':
			html = optarg;
			break;
		case 's':
			svg = optarg;
			break;
		case 'h':
			usage(stdout);
			return 0;
		default:
			(void)fputs("mmlab report: see mmlab report --help\n", stderr);
			return MMLAB_EXIT_ERROR;
		}
	}
	if (optind == argc) {
		(void)fputs("mmlab report: name a result file; see mmlab report --help\n", stderr);
		return MMLAB_EXIT_ERROR;
	}
	if (html || svg) {
		if (n_metrics)
			(void)fputs("mmlab report: --metric is for tables in text; a page has all metrics\n", stderr);
		else
			(void)mmlab_page(html, svg, argv + optind);
		return MMLAB_EXIT_ERROR;
	}
	n_metrics = n_metrics ? n_metrics : 1;
	for (int i = optind; i < argc; i++) {
		_cleanup_(mmlab_json_decrefp) json_t *result = NULL;
		char message[MMLAB_MESSAGE_BYTES];

		if (mmlab_result_load(&result, argv[i], message) < 0) {
			(void)fprintf(stderr, "mmlab report: %s\n", message);
			return MMLAB_EXIT_ERROR;
		}
		for (size_t j = 0; j < n_metrics; j++)
			mmlab_table_print(stdout, result, metrics[j]);
	}
	return 0;
}
