// SPDX-License-Identifier: MIT
#include "page.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cleanup.h"

#define MAKER "mmlab-report.pyz"

/* Beside this program, in the build folder, or installed: bin/mmlab and lib/mmlab/. Return: 0 or -errno. */
static int find_maker(char *ret, size_t size, char *self)
{
	static const char *const places[] = { "", "../harness/report/", "../lib/mmlab/" };
	ssize_t n = readlink("/proc/self/exe", self, PATH_MAX - 1);
	int length;

	if (n < 0)
		return -errno;
	self[n] = '\0';
	length = (int)(strrchr(self, '/') - self);
	for (size_t i = 0; i < sizeof(places) / sizeof(*places); i++) {
		int used = snprintf(ret, size, "%.*s/%s" MAKER, length, self, places[i]);

		if (used > 0 && (size_t)used < size && !access(ret, R_OK))
			return 0;
	}
	return -ENOENT;
}

int mmlab_page(const char *html, const char *svg, char *const *paths)
{
	_cleanup_(mmlab_freep) const char **argv = NULL;
	char self[PATH_MAX], maker[PATH_MAX + 32];
	size_t n_paths = 0, n = 0;
	int r;

	while (paths[n_paths])
		n_paths++;
	argv = calloc(n_paths + 12, sizeof(*argv));
	if (!argv)
		return -ENOMEM;
	r = find_maker(maker, sizeof(maker), self);
	if (r < 0) {
		(void)fprintf(stderr,
			      "mmlab report: " MAKER ", which makes pages and pictures, is neither beside %s nor "
			      "in ../lib/mmlab: %s\n",
			      r == -ENOENT ? self : "mmlab", strerror(-r));
		return r;
	}
	argv[n++] = "python3";
	argv[n++] = maker;
	argv[n++] = "--program";
	argv[n++] = self;
	if (html) {
		argv[n++] = "--html";
		argv[n++] = html;
	}
	if (svg) {
		argv[n++] = "--svg";
		argv[n++] = svg;
	}
	argv[n++] = "--";
	(void)memcpy(&argv[n], paths, n_paths * sizeof(*argv));
	(void)fflush(stdout);
	(void)execvp(*argv, (char *const *)argv);
	r = -errno;
	(void)fprintf(stderr, "mmlab report: pages and pictures need python3: %s\n", strerror(-r));
	return r;
}
