// SPDX-License-Identifier: MIT
/*
 * Shared page tables when everything happens at once: many guests that come,
 * go and die; changes of protection, holes and flushes meanwhile; and one race
 * for each thing that is walked without a lock.
 *
 * The word at the start of each page is its number, or 0 after a hole: anything
 * else means that somebody saw another page.
 */
#include "test-mshare.h"

#include <sched.h>

enum {
	RW = PROT_READ | PROT_WRITE,
	REGION_BYTES = 8 << 20,
	N_GUESTS = 50,
};

static unsigned int n_operations = 1500;
static unsigned int n_rounds = 200;

static unsigned int next_random(unsigned int *state)
{
	*state = *state * 1664525 + 1013904223;
	return *state >> 8;
}

struct words {
	atomic_uint n_done;
	atomic_bool stop;
};

/* What is shared: memory by name, a file, or a region with pieces of one. */
enum kind { MEMORY, MEMORY_FILE, PIECES };

static enum kind region_kind;
static int region_fd, piece_fd;

static void region_close(void)
{
	EXPECT(close(region_fd) == 0);
	if (region_kind == PIECES)
		EXPECT(close(piece_fd) == 0);
	if (region_kind != MEMORY_FILE)
		EXPECT(unlink(SHARE_PATH) == 0);
}

static unsigned char *region_map(int prot)
{
	unsigned char *memory;

	if (region_kind == MEMORY_FILE)
		memory = mmlab_mmap_shared_pt(NULL, REGION_BYTES, prot,
					      MAP_SHARED | MAP_SHARED_PT,
					      region_fd, 0);
	else
		memory = mmap(NULL, REGION_BYTES, prot, MAP_SHARED, region_fd,
			      0);
	if (memory == MAP_FAILED)
		check_end(1, "mmap: %s", strerror(errno));
	return memory;
}

static void region_open(enum kind kind)
{
	region_kind = kind;
	region_fd = kind == MEMORY_FILE ? memfd_create("file", 0) :
		open(SHARE_PATH, O_RDWR | O_CREAT | O_EXCL, 0600);
	EXPECT(region_fd >= 0);
	if (kind != MEMORY)
		EXPECT(ftruncate(region_fd, REGION_BYTES) == 0);
	else /* The first mapping must be one for writing. */
		EXPECT(munmap(region_map(RW), REGION_BYTES) == 0);
	if (kind == PIECES) {
		piece_fd = memfd_create("piece", 0);
		EXPECT(piece_fd >= 0);
		EXPECT(ftruncate(piece_fd, REGION_BYTES) == 0);
	}
}

/* The file's pages are where they are in the file; zeroes fit everywhere. */
static void region_change(size_t page, size_t n, unsigned int how)
{
	size_t start = page * page_bytes, bytes = n * page_bytes;

	if (how % 3 == 0)
		EXPECT(region_unmap(region_fd, start, bytes) == 0);
	else if (how % 3 == 1)
		EXPECT(region_create_memory(region_fd, start, bytes) == 0);
	else
		EXPECT(region_create_file(region_fd, start, bytes, piece_fd,
					  start) == 0);
}

/* Protection may forbid it at the moment. */
static void page_check(unsigned char *memory, size_t page, bool write)
{
	volatile unsigned long *word =
		(volatile unsigned long *)(memory + page * page_bytes);
	unsigned long seen;

	if (sigsetjmp(access_jump, 1))
		return;
	seen = *word;
	if (seen != 0 && seen != page + 1)
		check_end(1, "page %zu holds %lu", page, seen);
	if (write)
		*word = page + 1;
}

static void segv_catch(void)
{
	access_prepare();
	access_expected = true;
}

/* What a guest does between its birth and its death. */
static void guest_live(struct words *words, unsigned int seed)
{
	enum { N_MAPS = 3 };
	unsigned char *maps[N_MAPS] = { NULL };
	bool writes[N_MAPS] = { false };
	size_t n_pages = REGION_BYTES / page_bytes;
	unsigned int i, which;
	pid_t pid;

	segv_catch();
	while (!atomic_load(&words->stop)) {
		which = next_random(&seed) % N_MAPS;
		if (!maps[which]) {
			writes[which] = next_random(&seed) % 3 != 0;
			maps[which] = region_map(writes[which] ? RW :
						 PROT_READ);
		}
		switch (next_random(&seed) % 16) {
		case 0:
		case 1:
			EXPECT(munmap(maps[which], REGION_BYTES) == 0);
			maps[which] = NULL;
			break;
		case 2:
			if (writes[which]) {
				size_t page = next_random(&seed) % n_pages;
				size_t n = 1 + next_random(&seed) %
						(n_pages - page);
				static const int prots[] = { PROT_NONE,
							     PROT_READ, RW };

				int r = mmlab_mshare_protect(
					maps[which] + page * page_bytes,
					n * page_bytes,
					prots[next_random(&seed) % 3]);
				/* There may be nothing in a part of it. */
				bool is_hole = r < 0 && errno == ENOMEM &&
					       region_kind == PIECES;

				EXPECT(r == 0 || is_hole);
			}
			break;
		case 3:
			if (writes[which])
				EXPECT(mmlab_mshare_flush(maps[which],
						next_random(&seed) % 3) == 0);
			break;
		case 4:
			if (region_kind == PIECES) {
				size_t page = next_random(&seed) % n_pages;

				region_change(page, 1 + next_random(&seed) %
						    (n_pages - page),
					      next_random(&seed));
			}
			if (region_kind == MEMORY_FILE)
				EXPECT(fallocate(region_fd,
					FALLOC_FL_PUNCH_HOLE |
					FALLOC_FL_KEEP_SIZE,
					(off_t)(next_random(&seed) % n_pages *
						page_bytes),
					(off_t)((1 + next_random(&seed) % 600) *
						page_bytes)) == 0);
			break;
		case 5:
			pid = fork();
			if (pid == 0) {
				for (i = 0; i < 8; i++)
					page_check(maps[which],
						   next_random(&seed) % n_pages,
						   writes[which]);
				_exit(0);
			}
			if (pid > 0 && next_random(&seed) % 2)
				(void)kill(pid, SIGKILL);
			while (pid > 0 && waitpid(pid, NULL, 0) < 0 &&
			       errno == EINTR)
				;
			break;
		case 6:
			EXPECT(munmap(maps[which], CHUNK_BYTES) == -1);
			(void)madvise(maps[which], REGION_BYTES,
				      MADV_DONTNEED);
			break;
		case 7:
			EXPECT(mremap(maps[which], REGION_BYTES, REGION_BYTES,
				      MREMAP_MAYMOVE | MREMAP_FIXED,
				      (void *)(TB(5) + which * TB(1))) ==
			       MAP_FAILED);
			break;
		default:
			for (i = 0; i < 16; i++)
				page_check(maps[which],
					   next_random(&seed) % n_pages,
					   writes[which]);
			break;
		}
		atomic_fetch_add(&words->n_done, 1);
	}
	_exit(0);
}

static void guests_at_random(enum kind kind)
{
	struct words *words = words_new();
	unsigned int seed = 4711, n_killed = 0;
	pid_t pids[N_GUESTS];

	region_open(kind);
	for (int g = 0; g < N_GUESTS; g++) {
		pids[g] = fork_child();
		if (pids[g] == 0)
			guest_live(words, (unsigned int)g + 1);
	}
	/* All at once, and some die, however slowly they were born. */
	atomic_store(&words->n_done, 0);
	while (atomic_load(&words->n_done) < n_operations ||
	       n_killed < N_GUESTS / 4) {
		int g = (int)(next_random(&seed) % N_GUESTS), status;

		(void)usleep(1000 + next_random(&seed) % 10000);
		EXPECT(kill(pids[g], SIGKILL) == 0);
		EXPECT(waitpid(pids[g], &status, 0) == pids[g]);
		if (WIFEXITED(status))
			_exit(WEXITSTATUS(status));
		n_killed++;
		pids[g] = fork_child();
		if (pids[g] == 0)
			guest_live(words, 1000 + n_killed);
	}
	atomic_store(&words->stop, true);
	for (int g = 0; g < N_GUESTS; g++)
		EXPECT_CHILD_OK(pids[g]);
	printf("# %u operations, %u guests killed\n",
	       atomic_load(&words->n_done), n_killed);
	(void)fflush(stdout);
	region_close();
}

static void guests_at_random_memory(void)
{
	guests_at_random(MEMORY);
}

static void guests_at_random_file(void)
{
	guests_at_random(MEMORY_FILE);
}

static void guests_at_random_pieces(void)
{
	guests_at_random(PIECES);
}

/*
 * Flushes, and who asks how many guests there are, walk over guests without a
 * lock: while guests attach and are gone again at once, of their own accord or
 * killed.
 */
static void flush_once(unsigned char *memory, unsigned int i)
{
	EXPECT(mmlab_mshare_flush(memory, 1 + i % 2) == 0);
	EXPECT(mmlab_mshare_protect(memory + MB(2), page_bytes,
				    i % 3 ? RW : PROT_READ) == 0);
	if (i % 3)
		memory[MB(2)] = 1;
}

static void info_once(unsigned char *memory, unsigned int i)
{
	(void)i;
	EXPECT(share_info(memory).n_guests >= 2);
}

static void walk_races_exit(void (*walk)(unsigned char *memory, unsigned int i))
{
	struct words *words = words_new();
	unsigned char *memory;
	unsigned int seed = 1;
	pid_t flusher;

	region_open(MEMORY);
	memory = region_map(RW);
	memory[0] = 1;
	flusher = fork_child();
	if (flusher == 0) {
		unsigned int i = 0;

		/* Kept as a guest: every flush has somebody to reach. */
		memory[page_bytes] = 1;
		while (!atomic_load(&words->stop)) {
			walk(memory, i++);
			atomic_fetch_add(&words->n_done, 1);
		}
		_exit(0);
	}
	/* Until both ran: a busy machine lets the other wait. */
	for (unsigned int round = 0;
	     round < n_rounds || !atomic_load(&words->n_done); round++) {
		pid_t pid = fork_child();

		if (pid == 0) {
			unsigned char *more = region_map(RW);

			(void)*(volatile unsigned char *)more;
			(void)*(volatile unsigned char *)(more + MB(2));
			if (round % 3 == 0)
				_exit(0);
			for (;;) {
				EXPECT(munmap(more, REGION_BYTES) == 0);
				more = region_map(RW);
				(void)*(volatile unsigned char *)more;
			}
		}
		if (round % 3) {
			(void)usleep(next_random(&seed) % 5000);
			EXPECT(kill(pid, SIGKILL) == 0);
		}
		EXPECT(waitpid(pid, NULL, 0) == pid);
	}
	atomic_store(&words->stop, true);
	EXPECT_CHILD_OK(flusher);
	region_close();
}

static void flush_races_exit(void)
{
	walk_races_exit(flush_once);
}

static void info_races_exit(void)
{
	walk_races_exit(info_once);
}

/* A mapping by fork becomes a guest at its first fault: raced by all threads
 * of processes, and against their death.
 */
static void join_races_exit(void)
{
	unsigned char *memory;
	unsigned int seed = 1;

	region_open(MEMORY);
	memory = region_map(RW);
	for (size_t i = 0; i < REGION_BYTES; i += page_bytes)
		*(unsigned long *)(memory + i) = i / page_bytes + 1;
	for (unsigned int round = 0; round < n_rounds; round++) {
		pid_t pid = fork_child();

		if (pid == 0) {
			pid_t inner = fork();

			for (size_t i = 0; i < REGION_BYTES; i += page_bytes)
				page_check(memory, i / page_bytes, inner == 0);
			_exit(0);
		}
		if (round % 2) {
			(void)usleep(next_random(&seed) % 3000);
			EXPECT(kill(pid, SIGKILL) == 0);
		}
		EXPECT(waitpid(pid, NULL, 0) == pid);
	}
	region_close();
}

/*
 * The last guest goes while another comes: the object is found, or made anew,
 * and never half there.
 */
static void last_races_first(void)
{
	enum { N_PROCESSES = 3 };
	pid_t pids[N_PROCESSES];

	region_open(MEMORY_FILE);
	for (int p = 0; p < N_PROCESSES; p++) {
		pids[p] = fork_child();
		if (pids[p] != 0)
			continue;
		for (unsigned int round = 0; round < n_rounds; round++) {
			unsigned char *memory = region_map(round % 2 ? RW :
							   PROT_READ);

			page_check(memory, round % 4 * 512, round % 2);
			EXPECT(munmap(memory, REGION_BYTES) == 0);
		}
		_exit(0);
	}
	for (int p = 0; p < N_PROCESSES; p++)
		EXPECT_CHILD_OK(pids[p]);
	region_close();
}

static bool all_wrote(const volatile unsigned long *values, int n)
{
	while (n > 0 && values[n - 1] > 0)
		n--;
	return n == 0;
}

/*
 * Whoever writes loses access by one call, at once: what is written after the
 * call has returned must not be seen. The page's owner checks.
 */
static void protect_races_faults(void)
{
	enum { N_WRITERS = 3 };
	struct words *words = words_new();
	volatile unsigned long *values;
	pid_t pids[N_WRITERS];
	unsigned char *memory;

	region_open(MEMORY);
	memory = region_map(RW);
	values = (volatile unsigned long *)memory;
	for (int w = 0; w < N_WRITERS; w++) {
		pids[w] = fork_child();
		if (pids[w] != 0)
			continue;
		segv_catch();
		while (!atomic_load(&words->stop)) {
			if (sigsetjmp(access_jump, 1) == 0)
				for (;;)
					values[w]++;
		}
		_exit(0);
	}
	for (unsigned int round = 0;
	     round < n_rounds || !all_wrote(values, N_WRITERS); round++) {
		unsigned long seen[N_WRITERS];

		EXPECT(mmlab_mshare_flush(memory, round % 3) == 0);
		/* Through PROT_NONE, too: its entries are taken for hints. */
		if (round % 2)
			EXPECT(mmlab_mshare_protect(memory, page_bytes,
						    PROT_NONE) == 0);
		EXPECT(mmlab_mshare_protect(memory, page_bytes, PROT_READ) ==
		       0);
		for (int w = 0; w < N_WRITERS; w++)
			seen[w] = values[w];
		(void)sched_yield();
		for (int w = 0; w < N_WRITERS; w++)
			EXPECT_EQ(values[w], seen[w]);
		EXPECT(mmlab_mshare_protect(memory, page_bytes, RW) == 0);
		if (round % 8 == 0)
			(void)usleep(2000);
	}
	atomic_store(&words->stop, true);
	/* They end at their next fault. */
	EXPECT(mmlab_mshare_protect(memory, page_bytes, PROT_READ) == 0);
	for (int w = 0; w < N_WRITERS; w++)
		EXPECT_CHILD_OK(pids[w]);
	region_close();
}

static const struct check checks[] = {
	{ "flush-races-exit", flush_races_exit },
	{ "info-races-exit", info_races_exit },
	{ "join-races-exit", join_races_exit },
	{ "last-races-first", last_races_first },
	{ "protect-races-faults", protect_races_faults },
	{ "guests-at-random-memory", guests_at_random_memory },
	{ "guests-at-random-file", guests_at_random_file },
	{ "guests-at-random-pieces", guests_at_random_pieces },
};

int main(int argc, char **argv)
{
	/* Debug kernels are slow. */
	if (access("/proc/lockdep_stats", F_OK) == 0) {
		n_operations = 300;
		n_rounds = 16;
	}
	if (argc > 4) {
		fprintf(stderr, "usage: %s [PART-OF-A-NAME [OPERATIONS [ROUNDS]]]\n",
			argv[0]);
		return 2;
	}
	if (argc > 2)
		n_operations = (unsigned int)strtoul(argv[2], NULL, 10);
	if (argc > 3)
		n_rounds = (unsigned int)strtoul(argv[3], NULL, 10);
	return mshare_checks_run(checks, sizeof(checks) / sizeof(checks[0]),
				 argc > 1 ? argv[1] : NULL);
}
