# SPDX-License-Identifier: MIT
"""Makes one C program of a fuzzed input: what it needs of kmod/fuzz-calls.h, its calls, and a main() that repeats it."""

import re

STATE = """\
struct fuzz_shared *shared;
void (*run_steps)(unsigned int from, unsigned int n);
unsigned int worker_number;
__thread unsigned int step_now, depth_now;
__thread sigjmp_buf access_return;
__thread volatile sig_atomic_t access_expected;

static __thread bool done;
"""

MAIN = r"""
static void (*own_step)(unsigned int) = first_step;

static void steps_run(unsigned int from, unsigned int n)
{
	done = false;
	for (unsigned int i = from; !done && i - from < n; i++) {
		step_now = i;
		own_step(i);
	}
}

static void fd_number(int fd, int number)
{
	if (fd < 0 || dup2(fd, number) < 0) {
		perror("descriptor");
		exit(2);
	}
	(void)close(fd);
}

static void room_map(void)
{
	shared = mmap(NULL, PAGE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, FD_SHARED, 0);
	if (shared == MAP_FAILED) {
		perror("mmap");
		exit(2);
	}
	run_steps = steps_run;
}

static void worker_run(unsigned int worker, unsigned int from, unsigned int depth)
{
	worker_number = worker;
	depth_now = depth;
	own_step = workers[worker];
	signals_begin();
	steps_run(from, UINT32_MAX);
	_exit(0);
}

static void round_run(void)
{
	int pair[2];

	(void)setpgid(0, 0);
	(void)write_number("/sys/fs/cgroup/mmlab-fuzz/cgroup.procs", (uint64_t)getpid());
	if (socketpair(AF_UNIX, SOCK_DGRAM, 0, pair) == 0) {
		fd_number(pair[0], FD_SEND);
		fd_number(pair[1], FD_RECEIVE);
	}
	depth_now = MAX_DEPTH;
	signals_begin();
	steps_run(0, UINT32_MAX);
	(void)signal(SIGCHLD, SIG_DFL);
	for (unsigned int w = 0; w < N_WORKERS; w++) {
		pid_t pid = fork();

		if (pid == 0) {
			atomic_store(&shared->pids[w], getpid());
			while (atomic_load(&shared->pids[N_WORKERS - 1]) == 0)
				continue;
			worker_run(w, 0, 0);
		}
	}
	(void)syscall(SYS_close_range, FD_FIRST, FD_FIRST + N_SLOTS - 1, 0);
	(void)munmap((void *)REGION_BASE, N_REGIONS * REGION_BYTES);
	while (wait(NULL) > 0 || errno == EINTR)
		continue;
	_exit(0);
}

/* What the module says is left: counter 0 of each mechanism, when all has come to rest. */
static bool is_left(void)
{
	const struct timespec pause = { .tv_nsec = 10000000 };
	uint64_t left = 1, value;

	for (int i = 0; left && i < 500; i++) {
		(void)nanosleep(&pause, NULL);
		left = 0;
		for (unsigned int mech = 0; mech < 6; mech++)
			if (mmlab_stats(mech, &value, 1) > 0)
				left += value;
	}
	return left != 0;
}

int main(int argc, char **argv)
{
	int n_rounds = argc > 1 ? atoi(argv[1]) : 20;
	int fd = memfd_create("shared", 0);

	if (argc == 5) {
		room_map();
		worker_run((unsigned int)atoi(argv[2]), (unsigned int)atoi(argv[3]), (unsigned int)atoi(argv[4]));
	}
	(void)!ftruncate(fd, PAGE_BYTES);
	fd_number(fd, FD_SHARED);
	fd_number(open(MMLAB_DEVICE, O_RDWR), FD_DEVICE);
	room_map();
	shared->n_workers = N_WORKERS;
	shared->zram = -1;
	(void)prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
	(void)mkdir("/sys/fs/cgroup/mmlab-fuzz", 0755);
	(void)mkdir(MMLAB_MSHARE_DIR, 0755);
	(void)mount("msharefs", MMLAB_MSHARE_DIR, "msharefs", 0, NULL);
	for (int i = 0; i < n_rounds; i++) {
		const struct timespec pause = { .tv_nsec = 2000000 };
		int waited = 0;
		pid_t pid;

		memset(shared->pids, 0, sizeof(shared->pids));
		pid = fork();
		if (pid == 0)
			round_run();
		while (waitpid(pid, NULL, WNOHANG) == 0 && waited++ < 2500)
			(void)nanosleep(&pause, NULL);
		while (kill(-pid, SIGKILL), waitpid(-1, NULL, WNOHANG) >= 0)
			(void)nanosleep(&pause, NULL);
		for (int name = 0; name < 6; name++) {
			char path[64];

			(void)snprintf(path, sizeof(path), MMLAB_MSHARE_DIR "/fuzz-%d", name);
			(void)unlink(path);
		}
		if (is_left()) {
			printf("not ok - objects are left after round %d\n", i + 1);
			return 1;
		}
	}
	(void)umount(MMLAB_MSHARE_DIR);
	printf("ok - nothing is left after %d rounds\n", n_rounds);
	return 0;
}
"""


def functions_of(header):
    """{name: text} of the header's functions, with the comments before them, in order."""
    found = {}
    for match in re.finditer(r"(?:^/\*(?:(?!\*/).)*?\*/\n)?^static inline [^;{]*?(\w+)\([^;{]*\)\n\{\n.*?^\}\n", header, re.M | re.S):
        found[match.group(1)] = match.group(0)
    return found


def needed(functions, text):
    """Those that the text calls, directly or by others."""
    names, fresh = set(), {"signals_begin", "write_number"} | {name for name in functions if re.search(rf"\b{name}\(", text)}
    while fresh:
        name = fresh.pop()
        names.add(name)
        for word in set(re.findall(r"\b\w+\b", functions[name])):
            if word in functions and word not in names:
                fresh.add(word)
    return names


def program(header, calls, comment):
    """The whole program; @calls is what "fuzz --program" prints."""
    functions = functions_of(header)
    first = min(header.index(text) for text in functions.values())
    preamble = re.sub(r"\A.*?(?=#include)", "", header[:first], flags=re.S)
    names = needed(functions, calls)
    parts = [f"// SPDX-License-Identifier: MIT\n/*\n{comment} */\n", "#include <sys/mount.h>\n#include <sys/prctl.h>\n", preamble, STATE]
    parts += ["\n" + text for name, text in functions.items() if name in names]
    return "".join(parts) + calls + MAIN
