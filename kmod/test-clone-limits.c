// SPDX-License-Identifier: MIT
/*
 * Clones of mappings: every limit that can be reached.
 */
#include "test-clone-error.h"

static void address_space_limit(void)
{
	struct peer peer = source_start(BYTES);
	const struct rlimit none = { 0, 0 };

	stats_mark();
	EXPECT(setrlimit(RLIMIT_AS, &none) == 0);
	EXPECT_FAILS(map(peer, SOURCE_ADDR, BYTES), ENOMEM);
	nothing_happened(peer);
	peer_end(peer);
}

static void mapping_limit(void)
{
	struct peer peer = source_start(BYTES);
	long before = setting_write("/proc/sys/vm/max_map_count", 1);
	void *result = map(peer, SOURCE_ADDR, BYTES);
	int error = errno;

	(void)setting_write("/proc/sys/vm/max_map_count", before);
	stats_mark();
	EXPECT(result == MAP_FAILED);
	EXPECT_EQ(error, ENOMEM);
	EXPECT_THERE(peer, SOURCE_ADDR, BYTES, 1);
	peer_end(peer);
}

static void commit_limit(void)
{
	struct peer peer = peer_start();
	size_t bytes = 64 * HUGE;
	long mode, kbytes;
	void *result;
	int error;

	EXPECT(peer_call(peer, map_at, (long)SOURCE_ADDR, (long)bytes,
			 PROT_READ | PROT_WRITE));
	mode = setting_write("/proc/sys/vm/overcommit_memory", 2);
	kbytes = setting_write("/proc/sys/vm/overcommit_kbytes", 1);
	result = map(peer, SOURCE_ADDR, bytes);
	error = errno;
	if (kbytes)
		(void)setting_write("/proc/sys/vm/overcommit_kbytes", kbytes);
	else
		(void)setting_write("/proc/sys/vm/overcommit_ratio", 50);
	(void)setting_write("/proc/sys/vm/overcommit_memory", mode);
	EXPECT(result == MAP_FAILED);
	EXPECT_EQ(error, ENOMEM);
	peer_end(peer);
}

/*
 * Memory that was written and then made read-only takes as much of what may be
 * committed as writable memory does, and gives it back.
 */
static void read_only_is_committed(void)
{
	struct peer peer = peer_start();
	size_t bytes = 8 * HUGE;
	char *memory;
	long before;

	EXPECT(peer_call(peer, map_at, (long)SOURCE_ADDR, (long)bytes,
			 PROT_READ | PROT_WRITE));
	EXPECT_EQ(peer_call(peer, fill, (long)SOURCE_ADDR, PAGE, 1), 0);
	EXPECT_EQ(peer_call(peer, protect, (long)SOURCE_ADDR, (long)bytes,
			    PROT_READ), 0);
	before = committed();
	memory = clone_to(peer, SOURCE_ADDR, bytes);
	EXPECT_EQ(committed(), before + (long)bytes);
	EXPECT(munmap(memory, bytes / 2) == 0);
	EXPECT_EQ(committed(), before + (long)bytes / 2);
	EXPECT(munmap(memory + bytes / 2, bytes / 2) == 0);
	EXPECT_EQ(committed(), before);
	memory = clone_with(peer, SOURCE_ADDR, bytes, PVMMAP_MOVE);
	EXPECT_EQ(committed(), before);
	EXPECT_HERE(memory, PAGE, 1);

	/* Never to be written, never charged. */
	EXPECT(munmap(memory, bytes) == 0);
	EXPECT(peer_call(peer, map_at, (long)SOURCE_ADDR, (long)bytes,
			 PROT_READ));
	before = committed();
	memory = clone_to(peer, SOURCE_ADDR, bytes);
	EXPECT_EQ(committed(), before);
	peer_end(peer);
}

/* The part that is taken would leave two mappings where there was one. */
static void mapping_limit_of_the_source(void)
{
	struct peer peer = source_start(BYTES);
	char path[64], line[512];
	long n_mappings = 0, before;
	void *result;
	FILE *file;
	int error;

	/* More than there are here. */
	for (long i = 0; i < 64; i++)
		EXPECT(peer_call(peer, map_at,
				 (long)(SOURCE_ADDR + HUGE) + 2 * i * (long)PAGE,
				 PAGE, PROT_READ));
	(void)snprintf(path, sizeof(path), "/proc/%d/maps", (int)peer.pid);
	file = fopen(path, "re");
	EXPECT(file);
	while (fgets(line, sizeof(line), file))
		n_mappings += !strstr(line, "[vsyscall]");
	EXPECT(fclose(file) == 0);

	stats_mark();
	before = setting_write("/proc/sys/vm/max_map_count", n_mappings);
	result = mmlab_process_vm_mmap(peer.pid, SOURCE_ADDR + PAGE, PAGE,
				       OTHER_ADDR,
				       PVMMAP_FIXED_NOREPLACE | PVMMAP_MOVE);
	error = errno;
	(void)setting_write("/proc/sys/vm/max_map_count", before);
	EXPECT_FAILS((errno = error, result), ENOMEM);
	nothing_happened(peer);
	EXPECT_STAT(UNDONE, 1);
	EXPECT_STAT(LEFT, 0);
	EXPECT(!is_mapped(getpid(), OTHER_ADDR));
	EXPECT(mmlab_process_vm_mmap(peer.pid, SOURCE_ADDR + PAGE, PAGE,
				     OTHER_ADDR,
				     PVMMAP_FIXED_NOREPLACE | PVMMAP_MOVE) ==
	       OTHER_ADDR);
	peer_end(peer);
}

static const struct clone_check checks[] = {
	{ "address-space-limit", address_space_limit, PLACES_ONE },
	{ "mapping-limit", mapping_limit, PLACES_ONE },
	{ "mapping-limit-of-the-source", mapping_limit_of_the_source, PLACES_ONE },
	{ "commit-limit", commit_limit, PLACES_ONE },
	{ "read-only-is-committed", read_only_is_committed, PLACES_ONE },
};

int main(int argc, char **argv)
{
	check_begin();
	clone_checks_run(checks, sizeof(checks) / sizeof(checks[0]),
			 argc > 1 ? argv[1] : NULL);
	return check_finish();
}
