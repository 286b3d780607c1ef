// SPDX-License-Identifier: MIT
/*
 * A round: a first process carries out the steps that come before all others, and
 * forks the workers, which inherit what it has. When they are done, or their
 * time is up, all are killed, with whatever they have started.
 */
#include "fuzz.h"

#include <dirent.h>
#include <sched.h>
#include <sys/prctl.h>

#include "fuzz-calls.h"

struct fuzz_shared *shared;
void (*run_steps)(unsigned int from, unsigned int n);
unsigned int worker_number;
__thread unsigned int step_now, depth_now;
__thread sigjmp_buf access_return;
__thread volatile sig_atomic_t access_expected;

/* All that processes of a round share, also after they executed themselves. */
static struct room {
	struct fuzz_shared shared;
	struct fuzz_counts counts;
	struct fuzz_input input;
} *room;

/* Those of the worker: numbers of the input's steps. */
static unsigned int own_steps[FUZZ_MAX_STEPS], n_own;

static bool cover;
enum { FD_COVER = 94 };

struct fuzz_counts *fuzz_workers_counts(void)
{
	return &room->counts;
}

uint64_t fuzz_now_ns(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static uint64_t now_ms(void)
{
	return fuzz_now_ns() / 1000000;
}

static void steps_select(unsigned int worker)
{
	n_own = 0;
	for (unsigned int i = 0; i < room->input.n_steps; i++) {
		unsigned int owner = room->input.steps[i].worker;

		if (owner != FUZZ_FIRST)
			owner %= room->input.n_workers;
		if (owner == worker)
			own_steps[n_own++] = i;
	}
}

static void steps_run(unsigned int from, unsigned int n)
{
	if (cover)
		fuzz_cover_begin();
	for (unsigned int i = from; i < n_own && i - from < n; i++) {
		const struct fuzz_step *step = &room->input.steps[own_steps[i]];
		unsigned int kind = step->kind % fuzz_n_kinds;
		uint64_t start_ns = fuzz_now_ns();
		long result;

		step_now = i;
		atomic_store(&room->counts.steps[worker_number], i);
		atomic_store(&room->counts.kinds[worker_number], kind + 1);
		atomic_fetch_add(&room->counts.n_run[kind], 1);
		result = fuzz_step_run(step);
		atomic_fetch_add(&room->counts.ns[kind],
				 fuzz_now_ns() - start_ns);
		if (result >= 0)
			atomic_fetch_add(&room->counts.n_succeeded[kind], 1);
		if (cover)
			fuzz_cover_collect();
	}
}

static int room_map(void)
{
	room = mmap(NULL, sizeof(*room), PROT_READ | PROT_WRITE, MAP_SHARED,
		    FD_SHARED, 0);
	if (room == MAP_FAILED)
		return -errno;
	shared = &room->shared;
	run_steps = steps_run;
	return 0;
}

/* Numbers that a round relies on; they outlive exec. */
static int fd_number(int fd, int number)
{
	if (fd < 0 || dup2(fd, number) < 0)
		return -errno;
	return close(fd);
}

int fuzz_workers_open(int zram)
{
	int fd = memfd_create("fuzz-shared", 0), err;

	if (fd < 0 || ftruncate(fd, sizeof(struct room)) < 0)
		return -errno;
	err = fd_number(fd, FD_SHARED);
	if (!err)
		err = fd_number(open(MMLAB_DEVICE, O_RDWR), FD_DEVICE);
	if (!err)
		err = room_map();
	if (err)
		return err;
	room->shared.zram = zram;
	cover = fuzz_cover_open(FD_COVER, true);
	return prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) < 0 ? -errno : 0;
}

static _Noreturn void worker_main(unsigned int worker)
{
	worker_number = worker;
	atomic_store(&shared->pids[worker], getpid());
	steps_select(worker);
	signals_begin();
	/* So that they meet. */
	while (atomic_load(&shared->pids[room->input.n_workers - 1]) == 0)
		(void)sched_yield();
	steps_run(0, UINT32_MAX);
	_exit(0);
}

int fuzz_workers_go_on(char *const args[3])
{
	if (room_map() < 0)
		return 1;
	cover = fuzz_cover_open(FD_COVER, false);
	worker_number = (unsigned int)strtoul(args[0], NULL, 10);
	depth_now = (unsigned int)strtoul(args[2], NULL, 10);
	steps_select(worker_number);
	signals_begin();
	steps_run((unsigned int)strtoul(args[1], NULL, 10), UINT32_MAX);
	return 0;
}

static _Noreturn void first_main(void)
{
	struct sigaction action = { .sa_handler = SIG_DFL };
	pid_t pids[MAX_WORKERS];
	int pair[2];

	(void)setpgid(0, 0);
	(void)write_number("/sys/fs/cgroup/mmlab-fuzz/cgroup.procs",
			   (uint64_t)getpid());
	if (socketpair(AF_UNIX, SOCK_DGRAM, 0, pair) == 0) {
		(void)fd_number(pair[0], FD_SEND);
		(void)fd_number(pair[1], FD_RECEIVE);
	}
	worker_number = MAX_WORKERS;
	depth_now = MAX_DEPTH;
	steps_select(FUZZ_FIRST);
	signals_begin();
	steps_run(0, UINT32_MAX);
	depth_now = 0;

	/* It waits for workers, and holds nothing that they use. */
	(void)setitimer(ITIMER_REAL, &(struct itimerval){ 0 }, NULL);
	(void)sigaction(SIGCHLD, &action, NULL);
	for (unsigned int w = 0; w < room->input.n_workers; w++) {
		pids[w] = fork();
		if (pids[w] == 0)
			worker_main(w);
	}
	(void)syscall(SYS_close_range, FD_FIRST, FD_FIRST + N_SLOTS - 1, 0);
	(void)munmap((void *)REGION_BASE, N_REGIONS * REGION_BYTES);
	for (unsigned int w = 0; w < room->input.n_workers; w++)
		while (pids[w] > 0 && waitpid(pids[w], NULL, 0) < 0 &&
		       errno == EINTR)
			continue;
	_exit(0);
}

static void file_copy(const char *path, FILE *to)
{
	char buffer[4096];
	FILE *file = fopen(path, "re");
	size_t n;

	if (!file)
		return;
	while ((n = fread(buffer, 1, sizeof(buffer), file)) > 0)
		(void)fwrite(buffer, 1, n, to);
	(void)fclose(file);
}

/* Those that stay although they were killed, and where they are. */
static void stuck_report(pid_t group)
{
	DIR *proc = opendir("/proc");
	const struct dirent *entry;
	char path[300];

	while (proc && (entry = readdir(proc))) {
		pid_t pid = (pid_t)strtol(entry->d_name, NULL, 10);

		if (pid <= 0 || getpgid(pid) != group)
			continue;
		fprintf(stderr, "process %d was killed and does not go:\n",
			(int)pid);
		(void)snprintf(path, sizeof(path), "/proc/%d/stack", (int)pid);
		file_copy(path, stderr);
	}
	if (proc)
		(void)closedir(proc);
	(void)write_text("/proc/sysrq-trigger", "w");
}

/* Kills and reaps all processes of a round. */
static bool round_end(pid_t group)
{
	const struct timespec pause = { 0, 2000000 };
	uint64_t start_ms = now_ms();
	bool reported = false;
	pid_t pid;

	for (;;) {
		(void)kill(-group, SIGKILL);
		pid = waitpid(-1, NULL, WNOHANG);
		if (pid < 0 && errno == ECHILD)
			return false;
		if (pid > 0)
			continue;
		if (!reported && now_ms() - start_ms > 60000) {
			stuck_report(group);
			reported = true;
		}
		if (now_ms() - start_ms > 120000)
			return true;
		(void)nanosleep(&pause, NULL);
	}
}

int fuzz_workers_run(const struct fuzz_input *input, unsigned int ms,
		     struct fuzz_outcome *ret)
{
	const struct timespec pause = { 0, 2000000 };
	uint64_t start_ms = now_ms();
	pid_t pid;

	room->input = *input;
	shared->n_workers = input->n_workers;
	for (unsigned int w = 0; w < MAX_WORKERS; w++)
		atomic_store(&shared->pids[w], 0);
	(void)fflush(NULL);
	pid = fork();
	if (pid < 0)
		return -errno;
	if (pid == 0)
		first_main();
	ret->overtime = false;
	while (waitpid(pid, NULL, WNOHANG) == 0) {
		if (now_ms() - start_ms > ms) {
			ret->overtime = true;
			break;
		}
		(void)nanosleep(&pause, NULL);
	}
	ret->stuck = round_end(pid);
	return 0;
}
