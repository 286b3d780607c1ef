// SPDX-License-Identifier: MIT
/*
 * Eight processes that clone from each other, write, take, fork, swap, exit and
 * are killed at random, with the content of every page known.
 *
 * Every word says where it belongs: the slot, the page, its place in the page,
 * and which pass of writing it is from. Whoever looks at a slot may see:
 *
 * - its owner, always exactly what it wrote or cloned last;
 * - a child of its owner, what the owner had when it forked, whatever the owner
 *   and others do;
 * - who cloned it while nobody changed it, exactly that;
 * - who cloned it during a change, one moment: everything up to some word is of
 *   the later pass, what follows of the one before; and that for good;
 * - who takes it, exactly what was offered; and the owner has it no more.
 *
 * Arguments: seconds, and a seed; what was done is printed.
 */
#define CHECK_TIMEOUT_S 7200
#include "test-clone.h"
#include "test-zram.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

#ifndef MADV_PAGEOUT
#define MADV_PAGEOUT 21
#endif

#define SWAP_BYTES (256UL << 20)

/*
 * Slots of each process: the first is of a huge page. One more never rests: a
 * thread of the owner writes to it. And one is there to be taken.
 */
enum {
	N_PROCESSES = 8,
	N_SLOTS = 6,
	N_HUGE_SLOTS = 1,
	SLOT_PAGES = 24,
	LIVE_SLOT = N_SLOTS,
	GIFT_SLOT,
	GUEST_SLOT, /* where what is cloned from the last two goes */
	N_WORDS = 4, /* of each page */
};
#define SLOT_BYTES(s) ((s) < N_HUGE_SLOTS ? HUGE : SLOT_PAGES * PAGE)

static long run_seconds = 10;
static uint32_t run_seed;

static uint32_t random_state;

static uint32_t random_below(uint32_t n)
{
	random_state = random_state * 1664525 + 1013904223;
	return (uint32_t)(((uint64_t)random_state * n) >> 32);
}

static uint32_t pass_new(void)
{
	return 1 + random_below(1U << 30);
}

enum operation {
	CLONE_EXACT, CLONE_DURING, CLONE_LIVE, CLONE_REFUSED, TAKE, OFFER,
	WRITE, RENEW, FORK, SPLIT, PAGEOUT, LOOK, EXIT, KILL, N_OPERATIONS,
};
static const char *const operation_names[N_OPERATIONS] = {
	[CLONE_EXACT] = "clones of slots at rest",
	[CLONE_DURING] = "during a change",
	[CLONE_LIVE] = "of slots that never rest",
	[CLONE_REFUSED] = "refused",
	[TAKE] = "taken",
	[OFFER] = "offered",
	[WRITE] = "written",
	[RENEW] = "mapped anew",
	[FORK] = "forks",
	[SPLIT] = "moved or split",
	[PAGEOUT] = "swapped out",
	[LOOK] = "looked at",
	[EXIT] = "exits",
	[KILL] = "kills",
};

/*
 * A gift is one number, so that nobody mistakes one for another: the pass that it
 * is of, who has claimed it, and what has become of it.
 */
enum gift_state { GIFT_UNKNOWN, GIFT_OFFERED, GIFT_CLAIMED, GIFT_GONE };

static uint64_t gift_of(uint32_t pass, int taker, enum gift_state state)
{
	return (uint64_t)pass << 32 | (uint64_t)taker << 8 | state;
}

/* What all know of a process. */
struct process {
	_Atomic pid_t pid;
	struct {
		/* Odd while the owner changes it. */
		atomic_uint sequence;
		/* What it holds; 0: not mapped. */
		atomic_uint pass;
	} slots[N_SLOTS];
	/* Passes that the thread has made. */
	atomic_uint n_live;
	_Atomic uint64_t gift;
};

static struct table {
	struct process processes[N_PROCESSES];
	/* Whose thread is writing now, and 1; 0: nobody's. */
	atomic_int writer;
	atomic_ulong n_done[N_OPERATIONS];
	atomic_bool stop;
} *table;

static int self;
static struct process *me;

static void done(enum operation operation)
{
	atomic_fetch_add(&table->n_done[operation], 1);
}

/* Where a slot is in a process: often elsewhere. */
static char *slot_at(int p, int s)
{
	char *at = SOURCE_ADDR + (size_t)s * 4 * HUGE;

	if (s < N_HUGE_SLOTS)
		return at + (p % 2 ? HUGE : 0);
	/* Nobody else has anything there. */
	if (s == LIVE_SLOT)
		return at + (size_t)p * HUGE + (1UL << 34);
	return at + (size_t)s * 3 * PAGE + (size_t)(p % 3) * 5 * PAGE;
}

static uint64_t word_of(uint32_t pass, int s, size_t page, size_t i)
{
	return (uint64_t)pass << 32 | (uint64_t)s << 24 | page << 8 | i;
}

static volatile uint64_t *word_in(const char *at, size_t page, size_t i)
{
	return (volatile uint64_t *)(uintptr_t)(at + page * PAGE + i * 1016);
}

static void pass_write(char *at, int s, uint32_t pass)
{
	for (size_t page = 0; page < SLOT_BYTES(s) / PAGE; page++)
		for (size_t i = 0; i < N_WORDS; i++)
			*word_in(at, page, i) = word_of(pass, s, page, i);
}

static void pass_expect(const char *at, int s, uint32_t pass, const char *what)
{
	for (size_t page = 0; page < SLOT_BYTES(s) / PAGE; page++)
		for (size_t i = 0; i < N_WORDS; i++) {
			uint64_t word = *word_in(at, page, i);

			if (word != word_of(pass, s, page, i))
				check_end(1, "%s: slot %d, page %zu, word %zu "
					  "is %#llx, not %#llx", what, s, page,
					  i, (unsigned long long)word,
					  (unsigned long long)
					  word_of(pass, s, page, i));
		}
}

/* What somebody saw of a slot: from which passes, how often that changes. */
struct moment {
	uint64_t sum;
	uint32_t first, last;
	unsigned int n_changes;
};

static struct moment moment_read(const char *at, int s)
{
	struct moment moment = { 0 };

	for (size_t page = 0; page < SLOT_BYTES(s) / PAGE; page++)
		for (size_t i = 0; i < N_WORDS; i++) {
			uint64_t word = *word_in(at, page, i);
			uint32_t pass = (uint32_t)(word >> 32);

			if (word && word != word_of(pass, s, page, i))
				check_end(1, "a clone: slot %d, page %zu, word "
					  "%zu is %#llx", s, page, i,
					  (unsigned long long)word);
			if (page == 0 && i == 0)
				moment.first = pass;
			else if (pass != moment.last)
				moment.n_changes++;
			moment.last = pass;
			moment.sum = (moment.sum ^ word) * 0x9e3779b97f4a7c15UL;
		}
	return moment;
}

/* That moment for good, whatever the source does meanwhile. */
static void moment_is_for_good(const char *at, int s, struct moment seen)
{
	struct moment again = moment_read(at, s);

	if (again.sum != seen.sum)
		check_end(1, "a clone of slot %d went on changing: passes %u "
			  "and %u, then %u and %u", s, seen.first, seen.last,
			  again.first, again.last);
}

/* Of memory that one thread writes to: between two passes of it. */
static struct moment live_read(const char *at)
{
	struct moment moment = moment_read(at, LIVE_SLOT);

	if (moment.n_changes > 1 || moment.first - moment.last > 1)
		check_end(1, "a clone is of passes %u and %u, which change %u "
			  "times", moment.first, moment.last, moment.n_changes);
	return moment;
}

/*
 * What the owner does.
 */

static void slot_begin(int s)
{
	atomic_fetch_add(&me->slots[s].sequence, 1);
}

static void slot_end(int s, uint32_t pass)
{
	atomic_store(&me->slots[s].pass, pass);
	atomic_fetch_add(&me->slots[s].sequence, 1);
}

static bool slot_is_there(int s)
{
	return atomic_load(&me->slots[s].pass) != 0;
}

static void slots_expect(const char *what)
{
	for (int s = 0; s < N_SLOTS; s++)
		if (slot_is_there(s))
			pass_expect(slot_at(self, s), s,
				    atomic_load(&me->slots[s].pass), what);
}

static void map_new(char *at, size_t bytes, int how)
{
	if (mmap(at, bytes, PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_ANONYMOUS | how, -1, 0) != at)
		check_end(1, "mmap at %p: %s", (void *)at, strerror(errno));
}

static void slot_renew(int s)
{
	char *at = slot_at(self, s);
	uint32_t pass = pass_new();

	slot_begin(s);
	map_new(at, SLOT_BYTES(s), MAP_FIXED);
	if (s < N_HUGE_SLOTS)
		(void)madvise(at, SLOT_BYTES(s), MADV_HUGEPAGE);
	pass_write(at, s, pass);
	slot_end(s, pass);
	done(RENEW);
}

static void slot_write(int s)
{
	uint32_t pass = pass_new();

	if (!slot_is_there(s))
		return;
	slot_begin(s);
	pass_write(slot_at(self, s), s, pass);
	slot_end(s, pass);
	done(WRITE);
}

static void slot_split(int s)
{
	char *at = slot_at(self, s), *away = at + (1UL << 40);
	size_t bytes = SLOT_BYTES(s);

	if (!slot_is_there(s))
		return;
	/* Others may find it gone: that is no error of theirs. */
	(void)mprotect(at + bytes / 2, bytes / 4, PROT_READ);
	(void)mprotect(at + bytes / 2, bytes / 4, PROT_READ | PROT_WRITE);
	/* Only one mapping can be moved at a time. */
	if (mremap(at, bytes, bytes, MREMAP_MAYMOVE | MREMAP_FIXED, away) ==
	    away)
		EXPECT(mremap(away, bytes, bytes,
			      MREMAP_MAYMOVE | MREMAP_FIXED, at) == at);
	done(SPLIT);
}

/*
 * One thread at a time, and before all others: so it is writing, on another CPU,
 * when its memory is cloned, and must be stopped there.
 */
static void *live_write(void *unused)
{
	char *at = slot_at(self, LIVE_SLOT);
	int nobody = 0;

	(void)setpriority(PRIO_PROCESS, (id_t)syscall(SYS_gettid), -20);
	for (uint32_t pass = 2;; pass++) {
		while (atomic_load(&table->writer) != self + 1 &&
		       !atomic_compare_exchange_strong(&table->writer, &nobody,
						       self + 1)) {
			nobody = 0;
			(void)usleep(1000);
		}
		pass_write(at, LIVE_SLOT, pass);
		atomic_store(&me->n_live, pass);
		if (pass % 2048 == 0) {
			atomic_store(&table->writer, 0);
			(void)usleep(2000);
		}
	}
	return unused;
}

static void live_start(void)
{
	pthread_t thread;

	map_new(slot_at(self, LIVE_SLOT), SLOT_BYTES(LIVE_SLOT), MAP_FIXED);
	pass_write(slot_at(self, LIVE_SLOT), LIVE_SLOT, 1);
	if (pthread_create(&thread, NULL, live_write, NULL) != 0)
		check_end(1, "pthread_create failed");
}

/* Once it is gone nothing is in the way of another. */
static void gift_offer(void)
{
	char *at = slot_at(self, GIFT_SLOT);
	enum gift_state state = atomic_load(&me->gift) & 0xff;
	uint32_t pass = pass_new();

	if (state == GIFT_OFFERED || state == GIFT_CLAIMED)
		return;
	map_new(at, SLOT_BYTES(GIFT_SLOT),
		state == GIFT_GONE ? MAP_FIXED_NOREPLACE : MAP_FIXED);
	pass_write(at, GIFT_SLOT, pass);
	if (random_below(2))
		(void)madvise(at, SLOT_BYTES(GIFT_SLOT), MADV_PAGEOUT);
	atomic_store(&me->gift, gift_of(pass, 0, GIFT_OFFERED));
	done(OFFER);
}

/* The child sees what there was, and writes over it. */
static void fork_once(void)
{
	pid_t pid = fork();

	if (pid < 0)
		return;
	if (pid == 0) {
		struct moment seen;

		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		seen = live_read(slot_at(self, LIVE_SLOT));
		slots_expect("a child");
		moment_is_for_good(slot_at(self, LIVE_SLOT), LIVE_SLOT, seen);
		for (int s = 0; s < N_SLOTS; s++)
			if (slot_is_there(s))
				pass_write(slot_at(self, s), s, 3);
		_exit(0);
	}
	EXPECT_CHILD_OK(pid);
	slots_expect("a parent");
	done(FORK);
}

/*
 * What is done to others.
 */

static int other_process(void)
{
	return (self + 1 + (int)random_below(N_PROCESSES - 1)) % N_PROCESSES;
}

/* NULL if the source has died or has just none there. */
static char *clone_now(int other, pid_t pid, int s, char *at,
		       unsigned long flags)
{
	char *memory;

	if (pid <= 0)
		return NULL;
	memory = mmlab_process_vm_mmap(pid, slot_at(other, s), SLOT_BYTES(s),
				       at, PVMMAP_FIXED | flags |
				       (random_below(8) ? 0 : PVMMAP_POPULATE));
	if (memory != MAP_FAILED)
		return memory;
	if (errno != ESRCH && errno != EFAULT)
		check_end(1, "cloning: %s", strerror(errno));
	done(CLONE_REFUSED);
	return NULL;
}

static void slot_clone(int s)
{
	int other = other_process();
	struct process *from = &table->processes[other];
	char *at = slot_at(self, s);
	unsigned int before, after;
	struct moment seen;
	uint32_t pass;

	/* In any order with the owner's: exact only if nothing came between. */
	before = atomic_load(&from->slots[s].sequence);
	pass = atomic_load(&from->slots[s].pass);
	if (!pass)
		return;
	slot_begin(s);
	if (!clone_now(other, atomic_load(&from->pid), s, at, 0)) {
		/* FIXED may have unmapped what was there. */
		(void)munmap(at, SLOT_BYTES(s));
		slot_end(s, 0);
		return;
	}
	after = atomic_load(&from->slots[s].sequence);
	if (before == after && !(before & 1)) {
		pass_expect(at, s, pass, "a clone");
		slot_end(s, pass);
		done(CLONE_EXACT);
		return;
	}
	/* Of which moment nobody knows, so it is written over. */
	seen = moment_read(at, s);
	(void)sched_yield();
	moment_is_for_good(at, s, seen);
	pass = pass_new();
	pass_write(at, s, pass);
	slot_end(s, pass);
	done(CLONE_DURING);
}

/* Looked at without a pause: if it goes on, it does so on another CPU. */
static void live_wait(const atomic_uint *n_live)
{
	unsigned int before = atomic_load(n_live);

	for (int i = 0; i < 20000 && atomic_load(n_live) == before; i++)
		__builtin_ia32_pause();
}

static void live_clone(void)
{
	int other = atomic_load(&table->writer) - 1;
	struct process *from;
	struct moment seen;
	unsigned int start;
	char *at;

	if (other < 0 || other == self)
		other = other_process();
	from = &table->processes[other];
	at = random_below(4) ? slot_at(other, LIVE_SLOT)
			     : slot_at(self, GUEST_SLOT);
	live_wait(&from->n_live);
	if (!clone_now(other, atomic_load(&from->pid), LIVE_SLOT, at, 0))
		return;
	seen = live_read(at);
	/* Until the source has been everywhere, but it may be dead. */
	start = atomic_load(&from->n_live);
	for (int i = 0; i < 4 && atomic_load(&from->n_live) - start < 2; i++)
		(void)usleep(200);
	moment_is_for_good(at, LIVE_SLOT, seen);
	/* Would be found by those who clone from the source. */
	pass_write(at, GUEST_SLOT, 1);
	EXPECT(munmap(at, SLOT_BYTES(GUEST_SLOT)) == 0);
	done(CLONE_LIVE);
}

static void gift_take(void)
{
	char *at = slot_at(self, GUEST_SLOT);
	int other = other_process();
	struct process *from = &table->processes[other];
	uint64_t offered = atomic_load(&from->gift), claimed;
	/* Of the one that offered: it is forgotten before its gift is. */
	pid_t pid = atomic_load(&from->pid);
	uint32_t pass = (uint32_t)(offered >> 32);

	claimed = gift_of(pass, self, GIFT_CLAIMED);
	if ((offered & 0xff) != GIFT_OFFERED ||
	    !atomic_compare_exchange_strong(&from->gift, &offered, claimed))
		return;
	if (!clone_now(other, pid, GIFT_SLOT, at, PVMMAP_MOVE)) {
		(void)munmap(at, SLOT_BYTES(GUEST_SLOT));
		(void)atomic_compare_exchange_strong(&from->gift, &claimed, 0);
		return;
	}
	pass_expect(at, GIFT_SLOT, pass, "what was taken");
	(void)atomic_compare_exchange_strong(&from->gift, &claimed,
					     gift_of(pass, 0, GIFT_GONE));
	pass_write(at, GUEST_SLOT, 1);
	EXPECT(munmap(at, SLOT_BYTES(GUEST_SLOT)) == 0);
	done(TAKE);
}

/*
 * Processes.
 */

static void process_step(void)
{
	int s = (int)random_below(N_SLOTS);

	switch (random_below(16)) {
	case 0:
		slot_renew(s);
		break;
	case 1:
	case 2:
		slot_write(s);
		break;
	case 3:
		fork_once();
		break;
	case 4:
		slot_split(s);
		break;
	case 5:
		(void)madvise(slot_at(self, s), SLOT_BYTES(s), MADV_PAGEOUT);
		done(PAGEOUT);
		break;
	case 6:
		(void)madvise(slot_at(self, LIVE_SLOT), SLOT_BYTES(LIVE_SLOT),
			      MADV_PAGEOUT);
		done(PAGEOUT);
		break;
	case 7:
		slots_expect("a slot");
		done(LOOK);
		if (random_below(20) == 0) {
			done(EXIT);
			_exit(0);
		}
		break;
	case 8:
		gift_offer();
		break;
	case 9:
		gift_take();
		break;
	case 10:
	case 11:
		for (int i = 0; i < 16; i++)
			live_clone();
		break;
	default:
		slot_clone(s);
		break;
	}
}

static pid_t process_start(int p, uint32_t seed)
{
	pid_t pid = fork();

	EXPECT(pid >= 0);
	if (pid)
		return pid;
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	self = p;
	me = &table->processes[p];
	random_state = seed * 2654435761U + 12345;
	for (int s = 0; s < N_SLOTS; s++)
		slot_renew(s);
	live_start();
	atomic_store(&me->pid, getpid());
	while (!atomic_load(&table->stop))
		process_step();
	slots_expect("a slot at the end");
	_exit(0);
}

/* Nobody may take what a dead process has said for true. */
static void process_forget(int p)
{
	struct process *process = &table->processes[p];
	int writer = p + 1;

	atomic_store(&process->pid, 0);
	for (int s = 0; s < N_SLOTS; s++) {
		unsigned int sequence =
			atomic_load(&process->slots[s].sequence);

		atomic_store(&process->slots[s].pass, 0);
		atomic_store(&process->slots[s].sequence, (sequence | 1) + 1);
	}
	atomic_store(&process->n_live, 0);
	atomic_store(&process->gift, 0);
	(void)atomic_compare_exchange_strong(&table->writer, &writer, 0);
	/* What it was about to take may be gone or not. */
	for (int other = 0; other < N_PROCESSES; other++) {
		_Atomic uint64_t *gift = &table->processes[other].gift;
		uint64_t claimed = atomic_load(gift);

		if ((claimed & 0xffffffff) == gift_of(0, p, GIFT_CLAIMED))
			(void)atomic_compare_exchange_strong(gift, &claimed, 0);
	}
}

/* By itself, or killed by us; the check's reason is there otherwise. */
static void process_ended(int status, bool killed)
{
	if (status == 0 || (killed && WIFSIGNALED(status) &&
			    WTERMSIG(status) == SIGKILL))
		return;
	/* Somebody else may be writing down another. */
	for (int i = 0; i < 100 && check_reason[0] == '\0'; i++)
		(void)usleep(10 * 1000);
	if (check_reason[0] == '\0')
		check_end(1, "a process ended with status %#x", status);
	_exit(1);
}

static void sum_print(void)
{
	printf("# at random: seed %u, %ld s:", run_seed, run_seconds);
	for (int i = 0; i < N_OPERATIONS; i++)
		printf("%s %lu %s", i ? "," : "",
		       atomic_load(&table->n_done[i]), operation_names[i]);
	printf("\n");
	(void)fflush(stdout);
}

/* On a slow machine the time may be over before anything has happened. */
static bool is_enough(void)
{
	return atomic_load(&table->n_done[CLONE_EXACT]) >=
		       check_times(10, 3) &&
	       atomic_load(&table->n_done[CLONE_LIVE]) >= check_times(200, 30);
}

static void at_random(void)
{
	bool killed[N_PROCESSES] = { false };
	pid_t pids[N_PROCESSES], pid;
	time_t end = time(NULL) + run_seconds;
	uint32_t seed = run_seed;
	int status;

	random_state = run_seed;
	table = mmap(NULL, sizeof(*table), PROT_READ | PROT_WRITE,
		     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	EXPECT(table != MAP_FAILED);
	for (int p = 0; p < N_PROCESSES; p++)
		pids[p] = process_start(p, seed++);
	while (time(NULL) < end || !is_enough()) {
		(void)usleep(20 * 1000);
		if (random_below(40) == 0) {
			int p = (int)random_below(N_PROCESSES);

			(void)kill(pids[p], SIGKILL);
			killed[p] = true;
			done(KILL);
		}
		while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
			int p = 0;

			while (p < N_PROCESSES && pids[p] != pid)
				p++;
			if (p == N_PROCESSES)
				continue;
			process_ended(status, killed[p]);
			killed[p] = false;
			process_forget(p);
			pids[p] = process_start(p, seed++);
		}
	}
	atomic_store(&table->stop, true);
	for (int p = 0; p < N_PROCESSES; p++) {
		EXPECT(waitpid(pids[p], &status, 0) == pids[p]);
		process_ended(status, killed[p]);
	}
	sum_print();
}

static const struct clone_check checks[] = {
	{ "at-random", at_random, PLACES_ONE },
};

int main(int argc, char **argv)
{
	int zram;

	if (argc > 3) {
		fprintf(stderr, "usage: %s [SECONDS [SEED]]\n", argv[0]);
		return 2;
	}
	if (argc > 1)
		run_seconds = strtol(argv[1], NULL, 10);
	run_seed = argc > 2 ? (uint32_t)strtoul(argv[2], NULL, 10)
			    : (uint32_t)time(NULL);
	check_begin();
	zram = zram_add(SWAP_BYTES);
	if (zram >= 0)
		(void)zram_swap_on(zram, SWAP_BYTES);
	clone_checks_run(checks, 1, NULL);
	zram_remove(zram);
	return check_finish();
}
