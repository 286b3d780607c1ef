// SPDX-License-Identifier: MIT
/*
 * Arenas when everything happens at once: commands and faults on ranges that
 * overlap and on ranges that do not, against a model; unmapping, forking, exec
 * and death; and commands by one process on what another maps, touches and
 * loses.
 *
 * An argument that is a number is how many times a process is killed; any other
 * chooses the checks whose names contain it.
 */
#include "test-arena.h"

#include <sched.h>
#include <sys/syscall.h>

enum { N_THREADS = 4, N_PAGES = 64 };

static unsigned int n_kills;
/* Operations of each thread. */
static unsigned int n_operations;

static atomic_bool stop;
static atomic_uint n_done, n_accesses, n_refusals;

static unsigned int next_random(volatile unsigned int *state)
{
	*state = *state * 1664525 + 1013904223;
	return *state >> 8;
}

/* Mostly a few pages, sometimes nearly all. */
static void random_range(volatile unsigned int *seed, size_t *ret_first,
			 size_t *ret_n)
{
	size_t first = next_random(seed) % N_PAGES;
	size_t most = next_random(seed) % 8 ? 6 : N_PAGES;
	size_t n = 1 + next_random(seed) % most;

	*ret_first = first;
	*ret_n = n < N_PAGES - first ? n : N_PAGES - first;
}

static void threads_run(unsigned int n, void *(*run)(void *))
{
	pthread_t threads[N_THREADS];

	for (unsigned int i = 0; i < n; i++)
		EXPECT(pthread_create(&threads[i], NULL, run,
				      (void *)(uintptr_t)(i + 1)) == 0);
	for (unsigned int i = 0; i < n; i++)
		EXPECT(pthread_join(threads[i], NULL) == 0);
}

/*
 * The locks alone: random ranges are held for random times, and the arena's
 * marks tell who met.
 */
static void *hold_at_random(void *arg)
{
	volatile unsigned int seed = (unsigned int)(uintptr_t)arg;
	size_t first, n;

	for (unsigned int i = 0; i < n_operations; i++) {
		random_range(&seed, &first, &n);
		EXPECT_EQ(hold_pages(first, n, next_random(&seed) % 4 ?
				     next_random(&seed) % 50000 : 0,
				     next_random(&seed) % 3 ?
				     0 : MMLAB_ARENA_HOLD_SHARED), 0);
	}
	return NULL;
}

static void random_holds(void)
{
	uint64_t before[CHECK_MAX_STATS];

	arena_make(N_PAGES);
	check_stats(before);
	threads_run(N_THREADS, hold_at_random);
	EXPECT_SINCE(before, OVERLAPS, 0);
	EXPECT_SINCE(before, HOLDS, N_THREADS * n_operations);
	EXPECT_EQ(since(before, MMLAB_ARENA_STAT_EXCLUSIVE) +
		  since(before, MMLAB_ARENA_STAT_SHARED),
		  N_THREADS * n_operations);
	EXPECT_SINCE(before, LIVE_HOLDS, 0);
	/* They did meet. */
	EXPECT(waits_since(before) > 0);
}

/*
 * One range, held by one after another: whoever hands it over wakes the next,
 * who may be there already, and asleep for its duration: that must not end.
 */
static void *hold_one(void *arg)
{
	volatile unsigned int seed = (unsigned int)(uintptr_t)arg;

	for (unsigned int i = 0; i < 4 * n_operations; i++)
		EXPECT_EQ(hold_pages(7, 1, 1 + next_random(&seed) % 30000, 0),
			  0);
	return NULL;
}

static void holds_last(void)
{
	arena_make(N_PAGES);
	threads_run(N_THREADS, hold_one);
}

/*
 * What is mapped comes to nothing again and again, while others look at ranges
 * of their own.
 */
static void *come_and_go(void *arg)
{
	const size_t thread = (size_t)(uintptr_t)arg;
	const size_t page = 9 * thread;
	const unsigned int n = check_times(1200, 120);

	for (unsigned int i = 0; i < n; i++) {
		EXPECT_ERRNO(protect_pages(page, 5, PROT_READ), ENOMEM);
		if (thread % 2)
			continue;
		EXPECT_EQ(map_writable(page + 2, 1), 0);
		EXPECT_ERRNO(map_pages(page, 5, PROT_READ), EEXIST);
		EXPECT_ERRNO(protect_pages(page, 5, PROT_READ), ENOMEM);
		EXPECT_EQ(protect_pages(page + 2, 1, PROT_READ), 0);
		EXPECT_EQ(unmap_pages(page, 5), 0);
	}
	return NULL;
}

static void nothing_is_left(void)
{
	uint64_t value;

	arena_make(N_PAGES);
	threads_run(N_THREADS, come_and_go);
	for (size_t i = 0; i < N_PAGES; i++)
		EXPECT_EQ(read_signal(i, &value), SIGSEGV);
	EXPECT_EQ(map_writable(0, N_PAGES), 0);
}

/*
 * Disjoint ranges: each thread owns those that it works on, so that it knows
 * what every one of its pages must look like, whatever the others do.
 */
static struct {
	bool owned;
	int prot; /* -1: not mapped */
	uint64_t value;
} model[N_PAGES];
static pthread_mutex_t model_mutex = PTHREAD_MUTEX_INITIALIZER;

static bool model_own(size_t first, size_t n)
{
	bool all_free = true;

	(void)pthread_mutex_lock(&model_mutex);
	for (size_t i = first; i < first + n; i++)
		all_free &= !model[i].owned;
	for (size_t i = first; all_free && i < first + n; i++)
		model[i].owned = true;
	(void)pthread_mutex_unlock(&model_mutex);
	return all_free;
}

static void model_disown(size_t first, size_t n)
{
	(void)pthread_mutex_lock(&model_mutex);
	for (size_t i = first; i < first + n; i++)
		model[i].owned = false;
	(void)pthread_mutex_unlock(&model_mutex);
}

static void model_set(size_t first, size_t n, int prot, bool clear)
{
	for (size_t i = first; i < first + n; i++) {
		model[i].prot = prot;
		if (clear)
			model[i].value = 0;
	}
}

/* The error of a command that wants all of a range mapped. */
static int model_error(size_t first, size_t n, bool accessible)
{
	int error = 0;

	for (size_t i = first; i < first + n; i++) {
		if (model[i].prot < 0)
			return ENOMEM;
		if (accessible && model[i].prot == 0)
			error = EACCES;
	}
	return error;
}

static int random_prot(volatile unsigned int *seed)
{
	static const int prots[] = { PROT_NONE, PROT_READ,
				     PROT_READ | PROT_WRITE,
				     PROT_READ | PROT_WRITE };

	return prots[next_random(seed) % 4];
}

static void expect_call(int result, int error)
{
	int got = result ? errno : 0;

	if (got != error)
		check_end(1, "a command gave %s, not %s", strerror(got),
			  strerror(error));
}

static void model_command(volatile unsigned int *seed, size_t first, size_t n)
{
	int prot = random_prot(seed), error = 0;

	switch (next_random(seed) % 8) {
	case 0:
	case 1:
		for (size_t i = first; i < first + n; i++)
			if (model[i].prot >= 0)
				error = EEXIST;
		expect_call(map_pages(first, n, prot), error);
		if (!error)
			model_set(first, n, prot, true);
		break;
	case 2:
		expect_call(unmap_pages(first, n), 0);
		model_set(first, n, -1, true);
		break;
	case 3:
	case 4:
		error = model_error(first, n, false);
		expect_call(protect_pages(first, n, prot), error);
		if (!error)
			model_set(first, n, prot, false);
		break;
	case 5:
		error = model_error(first, n, true);
		expect_call(populate_pages(first, n), error);
		break;
	case 6:
		expect_call(hold_pages(first, n, next_random(seed) % 20000,
				       0), 0);
		break;
	}
}

static void model_access(volatile unsigned int *seed, size_t page)
{
	uint64_t value = (uint64_t)next_random(seed) << 32 | (page + 1), got;

	EXPECT_EQ(read_signal(page, &got), model[page].prot > 0 ? 0 : SIGSEGV);
	if (model[page].prot > 0 && got != model[page].value)
		check_end(1, "page %zu is %llx, not %llx", page,
			  (unsigned long long)got,
			  (unsigned long long)model[page].value);
	EXPECT_EQ(write_signal(page, value),
		  model[page].prot > 0 && (model[page].prot & PROT_WRITE) ?
		  0 : SIGSEGV);
	if (model[page].prot > 0 && (model[page].prot & PROT_WRITE))
		model[page].value = value;
}

static void *model_at_random(void *arg)
{
	volatile unsigned int seed = (unsigned int)(uintptr_t)arg * 77;
	size_t first, n;

	for (unsigned int i = 0; i < n_operations; i++) {
		random_range(&seed, &first, &n);
		while (!model_own(first, n)) {
			(void)sched_yield();
			random_range(&seed, &first, &n);
		}
		model_command(&seed, first, n);
		for (size_t page = first; page < first + n; page++)
			if (next_random(&seed) % 2)
				model_access(&seed, page);
		model_disown(first, n);
	}
	return NULL;
}

static void against_a_model(void)
{
	arena_make(N_PAGES);
	model_set(0, N_PAGES, -1, true);
	threads_run(N_THREADS, model_at_random);
	for (size_t i = 0; i < N_PAGES; i++)
		model_access(&(volatile unsigned int){ 1 }, i);
	EXPECT_EQ(unmap_pages(0, N_PAGES), 0);
	EXPECT_EQ(check_stat(MMLAB_ARENA_STAT_LIVE_PAGES), 0);
}

/*
 * Ranges that overlap: whatever a page holds was written there, and nobody met
 * whom the lock should keep apart.
 */
static void access_at_random(volatile unsigned int *seed)
{
	size_t page = next_random(seed) % N_PAGES;
	uint64_t value = 0;
	int signal;

	if (next_random(seed) % 2)
		signal = write_signal(page, (uint64_t)next_random(seed) << 32 |
				      (page + 1));
	else
		signal = read_signal(page, &value);
	if (value && (uint32_t)value != page + 1)
		check_end(1, "page %zu holds %llx", page,
			  (unsigned long long)value);
	if (signal != 0 && signal != SIGSEGV)
		check_end(1, "an access ended in signal %d", signal);
	(void)atomic_fetch_add(signal ? &n_refusals : &n_accesses, 1);
}

static void expect_result(int result)
{
	if (result && errno != EEXIST && errno != ENOMEM && errno != EACCES &&
	    errno != ENXIO)
		check_end(1, "a command failed: %s", strerror(errno));
	(void)atomic_fetch_add(&n_done, 1);
}

static void command_at_random(volatile unsigned int *seed)
{
	size_t first, n;

	random_range(seed, &first, &n);
	switch (next_random(seed) % 8) {
	case 0:
	case 1:
	case 2:
		expect_result(map_pages(first, n, random_prot(seed)));
		break;
	case 3:
		expect_result(unmap_pages(first, n));
		break;
	case 4:
		expect_result(protect_pages(first, n, random_prot(seed)));
		break;
	case 5:
		expect_result(populate_pages(first, n));
		break;
	case 6:
		expect_result(hold_pages(first, n, next_random(seed) % 20000,
					 next_random(seed) % 2));
		break;
	case 7:
		/* A fault that takes a while. */
		expect_result(hold_pages(first, n, next_random(seed) % 200000,
					 MMLAB_ARENA_HOLD_FAULT));
		break;
	}
	for (unsigned int i = next_random(seed) % 6; i; i--)
		access_at_random(seed);
}

static void *overlap_at_random(void *arg)
{
	volatile unsigned int seed = (unsigned int)(uintptr_t)arg * 99;

	for (unsigned int i = 0; i < n_operations; i++)
		command_at_random(&seed);
	return NULL;
}

static void *overlap_until_stopped(void *arg)
{
	volatile unsigned int seed = (unsigned int)(uintptr_t)arg * 55;

	while (!atomic_load(&stop))
		command_at_random(&seed);
	return NULL;
}

static void overlapping_ranges(void)
{
	uint64_t before[CHECK_MAX_STATS];

	arena_make(N_PAGES);
	check_stats(before);
	threads_run(N_THREADS, overlap_at_random);
	EXPECT(atomic_load(&n_accesses) > 0 && atomic_load(&n_refusals) > 0);
	EXPECT_SINCE(before, OVERLAPS, 0);
	EXPECT_EQ(unmap_pages(0, N_PAGES), 0);
	EXPECT_SINCE(before, LIVE_PAGES, 0);
	EXPECT_EQ(since(before, MMLAB_ARENA_STAT_PAGES_ALLOCATED),
		  since(before, MMLAB_ARENA_STAT_PAGES_FREED));
	for (size_t i = 0; i < N_PAGES; i++)
		EXPECT_EQ(write_signal(i, 1), SIGSEGV);
}

/*
 * The mapping comes and goes under commands and faults.
 */
static void threads_start(pthread_t threads[N_THREADS])
{
	atomic_store(&stop, false);
	for (unsigned int i = 0; i < N_THREADS - 1; i++)
		EXPECT(pthread_create(&threads[i], NULL, overlap_until_stopped,
				      (void *)(uintptr_t)(i + 1)) == 0);
	/* A busy machine lets them wait: what follows is to meet them. */
	while (!atomic_load(&n_done))
		(void)sched_yield();
}

static void threads_end(pthread_t threads[N_THREADS])
{
	atomic_store(&stop, true);
	for (unsigned int i = 0; i < N_THREADS - 1; i++)
		EXPECT(pthread_join(threads[i], NULL) == 0);
}

static void against_munmap(void)
{
	pthread_t threads[N_THREADS];

	arena_make(N_PAGES);
	/* Nothing else gets there: accesses meet the arena or nothing. */
	threads_start(threads);
	for (unsigned int i = 0; i < n_operations / 4; i++) {
		EXPECT(munmap(memory, arena_bytes) == 0);
		if (i % 4 == 0)
			(void)sched_yield();
		EXPECT(mmap(memory, arena_bytes, PROT_READ | PROT_WRITE,
			    MAP_SHARED | MAP_FIXED_NOREPLACE, arena, 0) ==
		       memory);
		for (unsigned int j = i % 8; j; j--)
			(void)sched_yield();
	}
	threads_end(threads);
}

static void against_mremap(void)
{
	pthread_t threads[N_THREADS];
	unsigned char *place;

	arena_make(N_PAGES);
	place = mmap(NULL, arena_bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS,
		     -1, 0);
	EXPECT(place != MAP_FAILED);
	threads_start(threads);
	for (unsigned int i = 0; i < n_operations / 4; i++) {
		EXPECT(mremap(memory, arena_bytes, arena_bytes, MREMAP_MAYMOVE |
			      MREMAP_FIXED, place) == MAP_FAILED);
		(void)sched_yield();
	}
	threads_end(threads);
}

static void against_fork_and_exec(void)
{
	static char *const arguments[] = { "true", NULL };
	pthread_t threads[N_THREADS];

	arena_make(N_PAGES);
	threads_start(threads);
	for (unsigned int i = 0; i < n_operations / 64 + 1; i++) {
		pid_t pid = fork();

		EXPECT(pid >= 0);
		if (pid == 0) {
			volatile unsigned int seed = i;

			command_at_random(&seed);
			if (i % 2)
				(void)execv("/bin/true", arguments);
			_exit(0);
		}
		EXPECT_CHILD_OK(pid);
	}
	threads_end(threads);
}

/* A child that is to die may have had another reason to. */
static void end_with_reason(void)
{
	if (check_reason[0] != '\0')
		_exit(1);
}

/*
 * The rule by which page tables stay while a command is in them: whoever found
 * the VMA by the arena's inode. Others map the arena, touch it, and lose it by
 * munmap, exit, exec or death, while commands walk their tables.
 */
static void tables_against_exit(void)
{
	static char *const arguments[] = { "true", NULL };
	volatile unsigned int seed = 3;
	pthread_t threads[N_THREADS];

	arena_make(N_PAGES);
	/* Nothing else of this process gets there. */
	EXPECT(mmap(memory, arena_bytes, PROT_NONE, MAP_PRIVATE |
		    MAP_ANONYMOUS | MAP_FIXED, -1, 0) == memory);
	EXPECT_EQ(map_writable(0, N_PAGES), 0);
	threads_start(threads);
	for (unsigned int i = 0; i < n_operations / 64 + 1; i++) {
		pid_t pid = fork();

		EXPECT(pid >= 0);
		if (pid == 0) {
			(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
			EXPECT(mmap(memory, arena_bytes, PROT_READ | PROT_WRITE,
				    MAP_SHARED | MAP_FIXED, arena, 0) ==
			       memory);
			for (unsigned int j = 0; j < 8 + i % 8; j++)
				access_at_random(&seed);
			if (i % 4 == 0)
				EXPECT(munmap(memory, arena_bytes) == 0);
			else if (i % 4 == 1)
				(void)execv("/bin/true", arguments);
			else if (i % 4 == 2)
				(void)raise(SIGKILL);
			_exit(0);
		}
		EXPECT(waitpid(pid, NULL, 0) == pid);
		end_with_reason();
		(void)next_random(&seed);
	}
	threads_end(threads);
}

static void killed_at_random(void)
{
	volatile unsigned int seed = variant;

	for (unsigned int i = 0; i < n_kills; i++) {
		struct timespec pause = {
			.tv_nsec = next_random(&seed) % 3000000,
		};
		pid_t pid = fork();

		EXPECT(pid >= 0);
		if (pid == 0) {
			pthread_t threads[N_THREADS];

			(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
			arena_make(N_PAGES);
			threads_start(threads);
			(void)overlap_until_stopped((void *)9);
		}
		(void)nanosleep(&pause, NULL);
		EXPECT(kill(pid, SIGKILL) == 0);
		EXPECT(waitpid(pid, NULL, 0) == pid);
		end_with_reason();
	}
	EXPECT_EQ(check_live_objects(), 0);
}

static const struct check checks[] = {
	{ "random-holds", random_holds },
	{ "holds-last", holds_last },
	{ "nothing-is-left", nothing_is_left },
	{ "against-a-model", against_a_model },
	{ "overlapping-ranges", overlapping_ranges },
	{ "against-munmap", against_munmap },
	{ "against-mremap", against_mremap },
	{ "against-fork-and-exec", against_fork_and_exec },
	{ "tables-against-exit", tables_against_exit },
	{ "killed-at-random", killed_at_random },
};

int main(int argc, char **argv)
{
	unsigned int n_all = check_times(48, 32);
	const char *wanted = NULL;

	for (int i = 1; i < argc; i++) {
		if (strtoul(argv[i], NULL, 10))
			n_all = (unsigned int)strtoul(argv[i], NULL, 10);
		else
			wanted = argv[i];
	}

	check_begin();
	n_operations = check_times(160, 60);
	n_kills = (n_all + N_VARIANTS - 1) / N_VARIANTS;
	variants_run(checks, sizeof(checks) / sizeof(checks[0]), wanted);
	return check_finish();
}
