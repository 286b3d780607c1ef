// SPDX-License-Identifier: MIT
/*
 * Where rounds take place: a memory control group with a limit, swap in memory,
 * msharefs, pages that are looked at for merging; and the check that nothing of
 * the module is left after a round.
 */
#include "fuzz.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "libmmlab.h"
#include "test-leak-wait.h"
#include "test-zram.h"

#define GROUP "/sys/fs/cgroup/mmlab-fuzz"
#define HUGE_PAGES "/sys/kernel/mm/transparent_hugepage/enabled"
enum { SWAP_BYTES = 192 << 20, N_NAMES = 6 };

static int zram = -1;
static bool mounted;
static char huge_pages_before[16];

static void text_write(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	/* What a kernel does not have is done without. */
	if (fd < 0)
		return;
	(void)!write(fd, text, strlen(text));
	(void)close(fd);
}

/* The word in brackets is the one that holds. */
static void huge_pages_remember(void)
{
	FILE *file = fopen(HUGE_PAGES, "re");
	char line[64] = "";

	if (!file)
		return;
	if (fgets(line, sizeof(line), file) && strchr(line, '['))
		(void)sscanf(strchr(line, '[') + 1, "%15[a-z]",
			     huge_pages_before);
	(void)fclose(file);
}

int fuzz_scene_open(void)
{
	huge_pages_remember();
	text_write("/sys/fs/cgroup/cgroup.subtree_control", "+memory");
	(void)mkdir(GROUP, 0755);
	text_write(GROUP "/memory.max", "268435456");
	text_write("/sys/kernel/mm/ksm/sleep_millisecs", "20");
	(void)mkdir(MMLAB_MSHARE_DIR, 0755);
	mounted = mount("msharefs", MMLAB_MSHARE_DIR, "msharefs", 0, NULL) == 0;
	zram = zram_add(SWAP_BYTES);
	if (zram >= 0 && zram_swap_on(zram, SWAP_BYTES) < 0) {
		zram_remove(zram);
		zram = -1;
	}
	return zram;
}

void fuzz_scene_tidy(void)
{
	char path[64];

	for (int i = 0; i < N_NAMES && mounted; i++) {
		(void)snprintf(path, sizeof(path), MMLAB_MSHARE_DIR "/fuzz-%d",
			       i);
		(void)unlink(path);
	}
	text_write(GROUP "/memory.high", "max");
	(void)mmlab_spf_hook(MMLAB_SPF_HOOK_AUTO, NULL);
	if (zram >= 0) {
		(void)snprintf(path, sizeof(path), "/dev/zram%d", zram);
		(void)syscall(SYS_swapon, path, 0);
	}
}

void fuzz_scene_close(void)
{
	fuzz_scene_tidy();
	text_write("/sys/kernel/mm/ksm/run", "2");
	text_write("/sys/kernel/mm/ksm/run", "0");
	text_write(HUGE_PAGES, huge_pages_before);
	if (mounted)
		(void)umount(MMLAB_MSHARE_DIR);
	zram_remove(zram);
	(void)rmdir(GROUP);
}

bool fuzz_live_left(FILE *file)
{
	/* How many of a mechanism's first counters are amounts. */
	static const unsigned int n_live[] = {
		[MMLAB_MECH_REFPAGE] = 1, [MMLAB_MECH_LOCKBUF] = 4,
		[MMLAB_MECH_MSHARE] = 4,  [MMLAB_MECH_CLONE] = 1,
		[MMLAB_MECH_SPF] = 4,	  [MMLAB_MECH_ARENA] = 5,
	};
	const unsigned int n_steps = leak_wait_steps();
	uint64_t values[64], left = 1;

	for (unsigned int i = 0; left != 0 && i <= n_steps; i++) {
		if (i > 0)
			leak_wait();
		left = 0;
		for (unsigned int m = 0; m < sizeof(n_live) / sizeof(*n_live); m++) {
			if (mmlab_stats(m, values, 64) < 0)
				continue;
			for (unsigned int n = 0; n < n_live[m]; n++) {
				left += values[n];
				if (i == n_steps && values[n])
					fprintf(file, "%s: counter %u is %llu, not 0\n",
						fuzz_group_names[m + 1], n,
						(unsigned long long)values[n]);
			}
			if (m == MMLAB_MECH_ARENA &&
			    values[MMLAB_ARENA_STAT_OVERLAPS]) {
				fprintf(file, "arena: %llu overlaps\n",
					(unsigned long long)
					values[MMLAB_ARENA_STAT_OVERLAPS]);
				return true;
			}
		}
	}
	return left != 0;
}
