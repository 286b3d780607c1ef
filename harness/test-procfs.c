// SPDX-License-Identifier: MIT
/* What /proc says about memory whose state is known to the page. */
#include "procfs.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "cleanup.h"
#include "map.h"
#include "test.h"

#define N_PAGES 64

static size_t page_bytes;

/* Memory of N_PAGES of its own: a page without access on each side keeps it from becoming one VMA with others. */
static char *guarded(int flags, int fd)
{
	char *base = mmap(NULL, (N_PAGES + 2) * page_bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char *addr;

	if (base == MAP_FAILED)
		return NULL;
	addr = mmap(base + page_bytes, N_PAGES * page_bytes, PROT_READ | PROT_WRITE, flags | MAP_FIXED, fd, 0);
	if (addr == MAP_FAILED)
		return NULL;
	(void)madvise(addr, N_PAGES * page_bytes, MADV_NOHUGEPAGE);
	return addr;
}

static void unguard(char *addr)
{
	(void)munmap(addr - page_bytes, (N_PAGES + 2) * page_bytes);
}

static void touch(char *addr, size_t n, bool write)
{
	for (size_t i = 0; i < n; i++) {
		volatile char *byte = addr + i * page_bytes;

		if (write)
			*byte = 1;
		else
			(void)*byte;
	}
}

static bool frames_hidden;

static void expect_frames(const char *what, const void *addr, uint64_t present, uint64_t distinct, uint64_t file)
{
	struct mmlab_frames frames = { .present = 99, .distinct = 99, .file = 99 };
	int r = mmlab_frames_read(&frames, addr, N_PAGES * page_bytes);

	if (r == -EPERM && present) {
		frames_hidden = true;
		check(frames.present == 99, "%s: frames are hidden, nothing is written", what);
		return;
	}
	check(!r && frames.present == present && frames.distinct == distinct && frames.file == file && !frames.swapped,
	      "%s: %d, %llu present, %llu distinct, %llu of files", what, r, (unsigned long long)frames.present,
	      (unsigned long long)frames.distinct, (unsigned long long)frames.file);
}

static void expect_smaps(const char *what, const void *addr, uint64_t rss, uint64_t anonymous, uint64_t dirty)
{
	struct mmlab_smaps s = { 0 };
	int r = mmlab_smaps_read(&s, addr, N_PAGES * page_bytes);

	check(!r && s.n_vmas == 1 && s.size == N_PAGES * page_bytes, "%s: one VMA of its size", what);
	check(s.rss == rss * page_bytes && s.anonymous == anonymous * page_bytes &&
		      s.private_dirty == dirty * page_bytes,
	      "%s: rss %llu, anonymous %llu, private dirty %llu", what, (unsigned long long)s.rss,
	      (unsigned long long)s.anonymous, (unsigned long long)s.private_dirty);
	check(s.pss == rss * page_bytes, "%s: pss %llu", what, (unsigned long long)s.pss);
}

/* A name without colon and value is no field, whatever stood in the buffer before. */
static void test_field_without_value(void)
{
	static const char text[] = "1000-2000 rw-p 00000000 00:00 0\nRss:    4 kB\nRss";
	struct mmlab_smaps sums = { 0 };
	char path[32];
	int fd = memfd_create("smaps", MFD_CLOEXEC);

	check(fd >= 0 && write(fd, text, sizeof(text) - 1) == sizeof(text) - 1, "a file");
	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	check(!mmlab_smaps_read_file(&sums, path, 0x1000, 0x1000) && sums.rss == 4096, "one field has a value");
	(void)close(fd);
}

static void test_anonymous(void)
{
	char *addr = guarded(MAP_PRIVATE | MAP_ANONYMOUS, -1);

	if (!check(addr != NULL, "map anonymous memory"))
		return;
	expect_smaps("untouched", addr, 0, 0, 0);
	expect_frames("untouched", addr, 0, 0, 0);
	touch(addr, 10, true);
	expect_smaps("10 written", addr, 10, 10, 10);
	expect_frames("10 written", addr, 10, 10, 0);
	touch(addr, 30, false); /* the other 20 share the zero page, which no RSS counts */
	expect_smaps("20 more read", addr, 10, 10, 10);
	expect_frames("20 more read", addr, 30, 11, 0);
	(void)madvise(addr, N_PAGES * page_bytes, MADV_DONTNEED);
	expect_smaps("dropped", addr, 0, 0, 0);
	expect_frames("dropped", addr, 0, 0, 0);
	unguard(addr);
}

static void test_memfd(void)
{
	_cleanup_(mmlab_closep) int fd = memfd_create("test-procfs", MFD_CLOEXEC);
	char *shared, *private;

	if (!check(fd >= 0 && !ftruncate(fd, (off_t)(N_PAGES * page_bytes)), "make a memfd"))
		return;
	shared = guarded(MAP_SHARED, fd);
	private = guarded(MAP_PRIVATE, fd);
	if (!check(shared && private, "map it twice"))
		return;
	touch(shared, 10, true);
	expect_smaps("memfd, 10 written", shared, 10, 0, 10);
	expect_frames("memfd, 10 written", shared, 10, 10, 10);
	touch(private, 1, true); /* its own copy; the kernel may map nothing else, or some neighbours too */
	struct mmlab_smaps s = { 0 };
	int r = mmlab_smaps_read(&s, private, N_PAGES * page_bytes);

	check(!r && s.anonymous == page_bytes, "memfd, one page copied: anonymous %llu",
	      (unsigned long long)s.anonymous);
	unguard(private);
	unguard(shared);
}

/* The same page of a file, mapped again and again: many entries, one frame. */
static void test_one_frame(void)
{
	_cleanup_(mmlab_closep) int fd = memfd_create("test-procfs", MFD_CLOEXEC);
	char *addr = guarded(MAP_PRIVATE | MAP_ANONYMOUS, -1);
	struct mmlab_smaps s;

	if (!check(addr && fd >= 0 && !ftruncate(fd, (off_t)page_bytes), "make a memfd of one page"))
		return;
	for (size_t i = 0; i < N_PAGES; i++)
		if (mmap(addr + i * page_bytes, page_bytes, PROT_READ, MAP_SHARED | MAP_FIXED, fd, 0) == MAP_FAILED)
			check(false, "map it: %s", strerror(errno));
	touch(addr, N_PAGES, false);
	check(!mmlab_smaps_read(&s, addr, N_PAGES * page_bytes) && s.n_vmas == N_PAGES && s.rss == N_PAGES * page_bytes,
	      "%d VMAs with all pages in the RSS", N_PAGES);
	expect_frames("one page mapped often", addr, N_PAGES, 1, 1);
	unguard(addr);
}

static void test_ranges(void)
{
	char *addr = guarded(MAP_PRIVATE | MAP_ANONYMOUS, -1);
	struct mmlab_smaps s = { .rss = 99 };

	if (!check(addr != NULL, "map anonymous memory"))
		return;
	check(mmlab_smaps_read(&s, addr, page_bytes) == -ERANGE && s.rss == 99, "range ends inside a VMA");
	check(mmlab_smaps_read(&s, addr + page_bytes, N_PAGES * page_bytes) == -ERANGE, "range starts inside a VMA");
	check(!mprotect(addr, page_bytes, PROT_READ) && !mmlab_smaps_read(&s, addr, N_PAGES * page_bytes) &&
		      s.n_vmas == 2 && s.size == N_PAGES * page_bytes,
	      "two VMAs are summed");
	unguard(addr);
	check(!mmlab_smaps_read(&s, addr, N_PAGES * page_bytes) && !s.n_vmas && !s.size, "nothing is mapped there");
}

/* Reading twice: nothing of the process may have changed, or watching would disturb. */
static void test_undisturbed(void)
{
	char *addr = guarded(MAP_PRIVATE | MAP_ANONYMOUS, -1);
	uint64_t before = 0, after = 1;
	struct mmlab_frames frames;
	struct mmlab_smaps s;

	for (int i = 0; i < 2; i++) {
		(void)mmlab_smaps_read(&s, addr, N_PAGES * page_bytes);
		(void)mmlab_frames_read(&frames, addr, N_PAGES * page_bytes);
		(void)mmlab_field_read(i ? &after : &before, "/proc/self/status", "VmSize");
	}
	check(before && before == after, "reading leaves the address space as it is");
	unguard(addr);
}

static void test_fields(void)
{
	uint64_t value = 99;

	check(!mmlab_field_read(&value, "/proc/self/status", "Threads") && value == 1, "a plain number");
	check(!mmlab_field_read(&value, "/proc/self/status", "VmPTE") && value >= page_bytes && !(value % 1024),
	      "kilobytes become bytes");
	value = 99;
	check(mmlab_field_read(&value, "/proc/self/status", "VmPT") == -ENOENT && value == 99, "half a name");
	check(mmlab_field_read(&value, "/proc/self/status", "NoSuchField") == -ENOENT, "no such field");
	check(mmlab_field_read(&value, "/proc/self/status", "Name") == -EINVAL, "not a number");
	check(mmlab_field_read(&value, "/proc/self/no-such-file", "x") == -ENOENT, "no such file");
	check(value == 99, "failures write nothing");
}

/* A captured file: what fields mean does not depend on this kernel. */
static void test_captured(void)
{
	const char *folder = getenv("MMLAB_TESTDATA");
	char path[512];
	struct mmlab_smaps s;

	(void)snprintf(path, sizeof(path), "%s/smaps", folder ? folder : "testdata");
	check(!mmlab_smaps_read_file(&s, path, 0x7f0000000000, 0x400000) && s.n_vmas == 2 && s.size == 0x400000 &&
		      s.rss == 2060 << 10 && s.pss == 2054 << 10 && s.anonymous == 2052 << 10 &&
		      s.anon_huge == 2048 << 10 && s.private_dirty == 2052 << 10 && s.private_clean == 0 &&
		      s.shared_clean == 8 << 10 && s.shared_dirty == 0 && s.referenced == 2060 << 10 &&
		      s.swap == 16 << 10 && s.locked == 4 << 10,
	      "all fields of a captured smaps");
	check(!mmlab_smaps_read_file(&s, path, 0x7f0000400000, 0x1000) && s.n_vmas == 1 && s.rss == 4 << 10,
	      "its last VMA, of a file with a long name");
	check(mmlab_smaps_read_file(&s, path, 0x7f0000000000, 0x401000) == 0 && s.n_vmas == 3, "three VMAs");
	check(mmlab_smaps_read_file(&s, path, 0x7f0000001000, 0x1000) == -ERANGE, "a part of one");
}

int main(void)
{
	page_bytes = mmlab_page_bytes();
	test_field_without_value();
	test_anonymous();
	test_memfd();
	test_one_frame();
	test_ranges();
	test_undisturbed();
	test_fields();
	test_captured();
	if (frames_hidden)
		(void)printf("page frames are hidden from this user: run as root to check them too\n");
	return test_status();
}
