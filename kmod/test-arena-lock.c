// SPDX-License-Identifier: MIT
/*
 * Arenas: who waits for whom. By counters, and by who has returned while
 * somebody else holds a range: not by time. A range is held until a signal ends
 * it, and a fault delayed until a command does, so that nothing depends on
 * how fast anything is.
 */
#include "test-arena.h"

static bool is(enum mmlab_arena_scheme other)
{
	return scheme == other;
}

static bool registers(void)
{
	return pending != MMLAB_ARENA_PENDING_NONE;
}

/* Give who should wait the time to come through, if it will. */
static void expect_waiting(unsigned int i)
{
	const struct timespec pause = { .tv_nsec = 5 * 1000 * 1000 };

	(void)nanosleep(&pause, NULL);
	EXPECT(!work_done(i));
}

static void arena_prepare(void)
{
	arena_make(128);
	EXPECT_EQ(map_writable(0, 100), 0);
}

static void overlapping_wait(void)
{
	static const enum work_kind kinds[] = {
		WORK_LOCK, WORK_MAP, WORK_UNMAP, WORK_PROTECT,
		WORK_LOCK_SHARED, WORK_POPULATE, WORK_READ, WORK_WRITE,
	};
	enum { N_KINDS = sizeof(kinds) / sizeof(kinds[0]), N_EXCLUSIVE = 4 };
	uint64_t before[CHECK_MAX_STATS];

	workers_start(2);
	arena_prepare();
	for (unsigned int k = 0; k < N_KINDS; k++) {
		for (size_t first = 9; first <= 19; first += 10) {
			bool fault = kinds[k] == WORK_READ ||
				     kinds[k] == WORK_WRITE;
			bool map = kinds[k] == WORK_MAP;

			/* The ends overlap by one page. */
			if (map)
				EXPECT_EQ(unmap_pages(first, 2), 0);
			hold_start(0, 10, 10, false);
			check_stats(before);
			work_start(1, kinds[k],
				   fault && first == 9 ? 10 : first, 2);
			wait_for_waits(before, 1);
			expect_waiting(1);
			EXPECT_EQ(waits_since(before), 1);
			EXPECT_EQ(since(before, k < N_EXCLUSIVE ?
					MMLAB_ARENA_STAT_EXCLUSIVE_WAITS :
					MMLAB_ARENA_STAT_SHARED_WAITS), 1);
			hold_end(0);
			EXPECT_EQ(work_wait(1), 0);
			EXPECT_EQ(waits_since(before), 1);
			/* As it was. */
			EXPECT_EQ(unmap_pages(0, 100), 0);
			EXPECT_EQ(map_writable(0, 100), 0);
		}
	}
}

static void disjoint_do_not(void)
{
	uint64_t before[CHECK_MAX_STATS];

	workers_start(2);
	arena_prepare();
	hold_start(0, 10, 10, false);
	check_stats(before);

	if (is(MMLAB_ARENA_RWSEM)) {
		work_start(1, WORK_LOCK, 50, 1);
		wait_for_waits(before, 1);
		expect_waiting(1);
		hold_end(0);
		EXPECT_EQ(work_wait(1), 0);
		hold_start(0, 10, 10, false);
		check_stats(before);
		work_start(1, WORK_READ, 50, 1);
		wait_for_waits(before, 1);
		expect_waiting(1);
		hold_end(0);
		EXPECT_EQ(work_wait(1), 0);
		return;
	}

	EXPECT_EQ(hold_pages(0, 10, 0, 0), 0);
	EXPECT_EQ(hold_pages(20, 10, 0, 0), 0);
	EXPECT_EQ(hold_pages(9, 1, 0, MMLAB_ARENA_HOLD_SHARED), 0);
	set(9, 1);
	set(20, 1);
	EXPECT_EQ(unmap_pages(20, 5), 0);
	EXPECT_EQ(map_writable(20, 5), 0);
	EXPECT_EQ(protect_pages(5, 5, PROT_READ), 0);
	EXPECT_EQ(populate_pages(0, 10), 0);
	EXPECT_EQ(populate_pages(20, 80), 0);
	EXPECT_EQ(look(9), 1);
	EXPECT_EQ(look(20), 0);
	EXPECT_EQ(waits_since(before), 0);
	/* All that happened while it was held. */
	EXPECT_SINCE(before, LIVE_HOLDS, 0);
	hold_end(0);
}

/* Several ranges are held at the same time, by different threads. */
static void holders_are_many(void)
{
	uint64_t before[CHECK_MAX_STATS];

	if (is(MMLAB_ARENA_RWSEM))
		SKIP("an rwsem knows no ranges");
	workers_start(N_WORKERS);
	arena_prepare();
	check_stats(before);
	for (unsigned int i = 0; i < N_WORKERS - 1; i++)
		hold_start(i, i * 7 % (N_WORKERS - 1) * 5, 5, false);
	EXPECT_SINCE(before, LIVE_HOLDS, N_WORKERS - 1);
	EXPECT_EQ(waits_since(before), 0);

	/* One that wants all of them waits for all of them. */
	work_start(N_WORKERS - 1, WORK_LOCK, 0, 128);
	wait_for_waits(before, 1);
	for (unsigned int i = 0; i < N_WORKERS - 1; i++) {
		expect_waiting(N_WORKERS - 1);
		hold_end(i);
	}
	EXPECT_EQ(work_wait(N_WORKERS - 1), 0);
	EXPECT_EQ(waits_since(before), 1);
}

static void readers_share(void)
{
	uint64_t before[CHECK_MAX_STATS];

	workers_start(2);
	arena_prepare();
	hold_start(0, 10, 10, true);
	hold_start(1, 15, 10, true);
	check_stats(before);
	EXPECT_EQ(hold_pages(0, 100, 0, MMLAB_ARENA_HOLD_SHARED), 0);
	EXPECT_EQ(hold_pages(12, 1, 0, MMLAB_ARENA_HOLD_SHARED), 0);
	EXPECT_EQ(populate_pages(14, 3), 0);
	set(12, 1);
	EXPECT_EQ(look(17), 0);
	EXPECT_EQ(waits_since(before), 0);
	EXPECT_SINCE(before, PENDING_CONFLICTS, 0);
	hold_end(0);
	hold_end(1);
}

static void writers_wait_for_readers(void)
{
	uint64_t before[CHECK_MAX_STATS];

	workers_start(4);
	arena_prepare();
	hold_start(0, 10, 10, true);
	hold_start(1, 15, 10, true);
	check_stats(before);
	work_start(2, WORK_UNMAP, 18, 5);
	wait_for_waits(before, 1);
	expect_waiting(2);
	hold_end(0);
	expect_waiting(2);
	hold_end(1);
	EXPECT_EQ(work_wait(2), 0);
	EXPECT_SINCE(before, EXCLUSIVE_WAITS, 1);
	EXPECT_EQ(write_signal(18, 1), SIGSEGV);
}

/*
 * Fairness, as documented: behind a writer that waits, a reader waits in a tree
 * and at an rwsem, and passes in a list.
 */
static void readers_and_waiting_writers(void)
{
	uint64_t before[CHECK_MAX_STATS];

	workers_start(3);
	arena_prepare();
	hold_start(0, 10, 10, true);
	check_stats(before);
	work_start(1, WORK_LOCK, 15, 10);
	wait_for_waits(before, 1);
	wait_queued(1);
	work_start(2, WORK_LOCK_SHARED, 16, 1);
	if (is(MMLAB_ARENA_LIST)) {
		EXPECT_EQ(work_wait(2), 0);
		EXPECT_EQ(waits_since(before), 1);
	} else {
		wait_for_waits(before, 2);
		expect_waiting(2);
	}
	/* So does a range that only the waiting one overlaps. */
	check_stats(before);
	if (!is(MMLAB_ARENA_LIST))
		EXPECT(!work_done(2));
	hold_end(0);
	EXPECT_EQ(work_wait(1), 0);
	EXPECT_EQ(work_wait(2), 0);
}

/*
 * Readers that follow one another, so that there always is one, do not keep a
 * writer out for ever.
 */
static void writers_have_their_turn(void)
{
	enum { N_TURNS = 12, WRITER = 2 };
	const struct timespec pause = { .tv_nsec = 1000 * 1000 };
	uint64_t before[CHECK_MAX_STATS], turn[CHECK_MAX_STATS];
	unsigned int n;

	workers_start(3);
	arena_prepare();
	hold_start(0, 10, 10, true);
	check_stats(before);
	work_start(WRITER, WORK_LOCK, 15, 1);
	wait_for_waits(before, 1);
	wait_queued(WRITER);
	for (n = 0; n < N_TURNS; n++) {
		check_stats(turn);
		work_start((n + 1) % 2, WORK_HOLD_SHARED, 10, 10);
		while (!since(turn, MMLAB_ARENA_STAT_LIVE_HOLDS) &&
		       !waits_since(turn))
			(void)nanosleep(&pause, NULL);
		if (waits_since(turn))
			break;
		hold_end(n % 2);
		/* The writer has met the next one. */
		wait_since(before, MMLAB_ARENA_STAT_LIST_RESTARTS, n + 2);
	}
	/* From the fourth reader that is in its way. */
	EXPECT_EQ(n, is(MMLAB_ARENA_LIST) ? 3 : 0);
	expect_waiting((n + 1) % 2);
	expect_waiting(WRITER);
	hold_end(n % 2);
	EXPECT_EQ(work_wait(WRITER), 0);
	/* And then readers have theirs. */
	while (check_stat(MMLAB_ARENA_STAT_LIVE_HOLDS) != 1)
		(void)nanosleep(&pause, NULL);
	hold_end((n + 1) % 2);
}

static void order_of_arrival(void)
{
	uint64_t before[CHECK_MAX_STATS];

	workers_start(4);
	arena_prepare();
	hold_start(0, 0, 10, false);
	check_stats(before);
	work_start(1, WORK_LOCK, 5, 10);
	wait_for_waits(before, 1);
	work_start(2, WORK_LOCK, 12, 3);
	if (is(MMLAB_ARENA_LIST)) {
		/* A waiter is not in the list. */
		EXPECT_EQ(work_wait(2), 0);
		EXPECT_EQ(waits_since(before), 1);
	} else {
		wait_for_waits(before, 2);
		expect_waiting(2);
	}
	hold_end(0);
	EXPECT_EQ(work_wait(1), 0);
	EXPECT_EQ(work_wait(2), 0);
}

/*
 * Faults that take long.
 */

/* A command elsewhere: what makes it wait, and what does not. */
static void slow_fault_and_disjoint_command(void)
{
	const bool waits = !registers() && (is(MMLAB_ARENA_RWSEM) ||
					    is(MMLAB_ARENA_SPLIT));
	uint64_t before[CHECK_MAX_STATS];

	workers_start(2);
	arena_prepare();
	check_stats(before);
	delayed_fault_start(0, 10);
	work_start(1, WORK_UNMAP, 20, 10);
	if (waits) {
		wait_for_waits(before, 1);
		expect_waiting(1);
		EXPECT_EQ(since(before, is(MMLAB_ARENA_SPLIT) ?
				MMLAB_ARENA_STAT_SHORT_WRITE_WAITS :
				MMLAB_ARENA_STAT_EXCLUSIVE_WAITS), 1);
	} else {
		EXPECT_EQ(work_wait(1), 0);
		EXPECT_EQ(waits_since(before), 0);
	}
	EXPECT(!work_done(0));
	EXPECT_SINCE(before, PENDING_ABORTS, 0);
	delays_end();
	EXPECT_EQ(work_wait(0), 0);
	EXPECT_EQ(work_wait(1), 0);
	EXPECT_SINCE(before, RETRIES, 0);
	EXPECT_SINCE(before, FAULTS, 1);
	EXPECT_EQ(look(10), 1);
}

/* In the fault's range: it is waited for, or begins again. */
static void slow_fault_and_its_range(void)
{
	uint64_t before[CHECK_MAX_STATS];

	workers_start(2);
	arena_prepare();
	check_stats(before);
	delayed_fault_start(0, 10);
	work_start(1, WORK_UNMAP, 5, 10);
	if (!registers()) {
		wait_for_waits(before, 1);
		expect_waiting(1);
	} else {
		EXPECT_EQ(work_wait(1), 0);
		EXPECT_EQ(waits_since(before), 0);
		EXPECT_SINCE(before, PENDING_ABORTS, 1);
	}
	EXPECT(!work_done(0));
	delays_end();
	/* The range may go before the access, made again, comes to it. */
	EXPECT(work_wait(0) == SIGSEGV || (workers[0].result == 0 &&
					   !registers()));
	EXPECT_EQ(work_wait(1), 0);
	EXPECT_SINCE(before, RETRIES, registers());
	EXPECT_SINCE(before, PENDING_INSERTS, registers() ? 2 : 0);
	EXPECT_SINCE(before, PENDING_WAITS, 0);
	EXPECT_SINCE(before, PAGES_ALLOCATED, 1);
	EXPECT_SINCE(before, PAGES_FREED, 1);
	EXPECT_EQ(write_signal(10, 1), SIGSEGV);
}

/* Begun again, it comes to its page in the end. */
static void slow_fault_survives(void)
{
	uint64_t before[CHECK_MAX_STATS];

	if (!registers())
		SKIP("without registration nothing is begun again");
	workers_start(1);
	arena_prepare();
	check_stats(before);
	delayed_fault_start(0, 10);
	EXPECT_EQ(hold_pages(10, 1, 0, 0), 0);
	EXPECT_EQ(hold_pages(0, 128, 0, 0), 0);
	delays_end();
	EXPECT_EQ(work_wait(0), 0);
	EXPECT_SINCE(before, PENDING_ABORTS, 1);
	EXPECT_SINCE(before, RETRIES, 1);
	EXPECT_SINCE(before, FAULTS, 1);
	EXPECT_EQ(look(10), 1);
	EXPECT_SINCE(before, FAULTS, 1);
	EXPECT_SINCE(before, PAGES_ALLOCATED, 2);
	EXPECT_SINCE(before, PAGES_FREED, 1);
}

/* More at once than a CPU has slots. */
static void slow_faults_are_many(void)
{
	const long n_slots = 8 * sysconf(_SC_NPROCESSORS_ONLN);
	uint64_t before[CHECK_MAX_STATS];

	workers_start(N_WORKERS);
	arena_prepare();
	check_stats(before);
	for (unsigned int i = 0; i < N_WORKERS; i++)
		delayed_fault_start(i, 3 * i);
	EXPECT_SINCE(before, LIVE_HOLDS, N_WORKERS);
	EXPECT_EQ(waits_since(before), 0);
	if (!registers()) {
		delays_end();
	} else {
		EXPECT_SINCE(before, PENDING_INSERTS, N_WORKERS);
		if (pending == MMLAB_ARENA_PENDING_CPU)
			EXPECT((long)since(before,
				MMLAB_ARENA_STAT_PENDING_OVERFLOWS) >=
			       N_WORKERS - n_slots);
		else
			EXPECT_SINCE(before, PENDING_OVERFLOWS, 0);
		/* Half of them, by their range alone. */
		EXPECT_EQ(hold_pages(0, 3 * N_WORKERS / 2, 0, 0), 0);
		EXPECT_SINCE(before, PENDING_ABORTS, N_WORKERS / 2);
		EXPECT_EQ(hold_pages(3 * N_WORKERS / 2, 64, 0, 0), 0);
		EXPECT_SINCE(before, PENDING_ABORTS, N_WORKERS);
		EXPECT_SINCE(before, RETRIES, 0);
		delays_end();
	}
	for (unsigned int i = 0; i < N_WORKERS; i++)
		EXPECT_EQ(work_wait(i), 0);
	EXPECT_SINCE(before, RETRIES, registers() ? N_WORKERS : 0);
	EXPECT_SINCE(before, FAULTS, N_WORKERS);
	for (unsigned int i = 0; i < N_WORKERS; i++)
		EXPECT_EQ(look(3 * i), 1);
}

/* A fault that meets a command takes the range lock after all, and waits. */
static void fault_meets_command(void)
{
	uint64_t before[CHECK_MAX_STATS];

	workers_start(2);
	arena_prepare();
	hold_start(0, 10, 10, false);
	check_stats(before);
	work_start(1, WORK_WRITE, 15, 1);
	wait_for_waits(before, 1);
	EXPECT_SINCE(before, SHARED_WAITS, 1);
	EXPECT_SINCE(before, PENDING_CONFLICTS,
		     !is(MMLAB_ARENA_RWSEM) &&
		     (registers() || is(MMLAB_ARENA_SPLIT)));
	hold_end(0);
	EXPECT_EQ(work_wait(1), 0);
	EXPECT_SINCE(before, SHARED, 1);
	EXPECT_SINCE(before, RETRIES, 0);
	EXPECT_SINCE(before, FAULTS, 1);
}

/* Who waits for a lock can be killed, and leaves nothing. */
static void killed_while_waiting(void)
{
	static const enum work_kind kinds[] = {
		WORK_LOCK, WORK_LOCK_SHARED, WORK_POPULATE, WORK_WRITE,
	};
	const size_t n_kinds = sizeof(kinds) / sizeof(kinds[0]);
	uint64_t before[CHECK_MAX_STATS];

	workers_start(1);
	for (size_t k = 0; k < n_kinds; k++) {
		pid_t pid;

		check_stats(before);
		pid = fork();
		EXPECT(pid >= 0);
		if (pid == 0) {
			(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
			workers_start(2);
			arena_prepare();
			hold_start(0, 10, 10, k == 0);
			/* The main thread waits, and another behind it. */
			work_start(1, WORK_LOCK, 0, 128);
			(void)work_do(&(struct work){ kinds[k], 12, 1 });
			_exit(1);
		}
		wait_for_waits(before, 2);
		EXPECT(kill(pid, SIGKILL) == 0);
		EXPECT(waitpid(pid, NULL, 0) == pid);
		EXPECT_EQ(check_live_objects(), 0);
	}
}

/* The lock goes on for others when one that waited in it is killed. */
static void killed_between_others(void)
{
	uint64_t before[CHECK_MAX_STATS];
	pid_t pid;

	workers_start(2);
	arena_prepare();
	hold_start(0, 10, 10, false);
	check_stats(before);
	pid = fork();
	EXPECT(pid >= 0);
	if (pid == 0) {
		(void)hold_pages(15, 10, 0, 0);
		_exit(1);
	}
	wait_for_waits(before, 1);
	work_start(1, WORK_LOCK, 18, 3);
	wait_for_waits(before, 2);
	EXPECT(kill(pid, SIGKILL) == 0);
	EXPECT(waitpid(pid, NULL, 0) == pid);
	expect_waiting(1);
	hold_end(0);
	EXPECT_EQ(work_wait(1), 0);
	EXPECT_EQ(hold_pages(0, 128, 0, 0), 0);
	EXPECT_EQ(waits_since(before), 2);
}

static const struct check checks[] = {
	{ "overlapping-wait", overlapping_wait },
	{ "disjoint-do-not", disjoint_do_not },
	{ "holders-are-many", holders_are_many },
	{ "readers-share", readers_share },
	{ "writers-wait-for-readers", writers_wait_for_readers },
	{ "readers-and-waiting-writers", readers_and_waiting_writers },
	{ "writers-have-their-turn", writers_have_their_turn },
	{ "order-of-arrival", order_of_arrival },
	{ "slow-fault-and-disjoint-command", slow_fault_and_disjoint_command },
	{ "slow-fault-and-its-range", slow_fault_and_its_range },
	{ "slow-fault-survives", slow_fault_survives },
	{ "slow-faults-are-many", slow_faults_are_many },
	{ "fault-meets-command", fault_meets_command },
	{ "killed-while-waiting", killed_while_waiting },
	{ "killed-between-others", killed_between_others },
};

int main(int argc, char **argv)
{
	check_begin();
	variants_run(checks, sizeof(checks) / sizeof(checks[0]),
		     argc == 2 ? argv[1] : NULL);
	return check_finish();
}
