// SPDX-License-Identifier: MIT
/*
 * What kinds of steps there are, and what their raw numbers mean. Values that
 * make a call succeed are listed more often than others.
 */
#include "fuzz.h"

#include <limits.h>
#include <linux/mman.h>

#include "fuzz-calls.h"

#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25
#endif

const char *const fuzz_group_names[FUZZ_N_GROUPS] = {
	"memory", "refpage", "lockbuf", "mshare", "clone", "spf", "arena",
};

/* Regions: where nothing else is, of files, and of each mechanism. */
const struct fuzz_slots fuzz_slots[FUZZ_N_GROUPS] = {
	[FUZZ_MEMORY] = { 0, 8, 24, 8 },  [FUZZ_REFPAGE] = { 8, 4, 0, 4 },
	[FUZZ_LOCKBUF] = { 12, 4, 4, 6 }, [FUZZ_MSHARE] = { 16, 6, 10, 6 },
	[FUZZ_CLONE] = { 22, 4, 38, 4 },  [FUZZ_SPF] = { 26, 4, 16, 4 },
	[FUZZ_ARENA] = { 30, 2, 20, 4 },
};

#define CHOICE(...)                                                       \
	{ FUZZ_CHOICE, 0, sizeof((uint64_t[]){ __VA_ARGS__ }) / 8,        \
	  (const uint64_t[]){ __VA_ARGS__ } }

/* Places. */
static const struct fuzz_type any_addr = { FUZZ_ADDRESS, 0, N_REGIONS, NULL };
static const struct fuzz_type any_source = { FUZZ_SOURCE, 0, N_REGIONS, NULL };
static const struct fuzz_type anon_addr = { FUZZ_ADDRESS, 0, 4, NULL };
static const struct fuzz_type some_addr = { FUZZ_ADDRESS, 0, 10, NULL };
static const struct fuzz_type file_addr = { FUZZ_ADDRESS, 4, 4, NULL };
static const struct fuzz_type refpage_addr = { FUZZ_ADDRESS, 8, 4, NULL };
static const struct fuzz_type lockbuf_addr = { FUZZ_ADDRESS, 12, 4, NULL };
static const struct fuzz_type mshare_addr = { FUZZ_ADDRESS, 16, 6, NULL };
static const struct fuzz_type clone_addr = { FUZZ_ADDRESS, 22, 4, NULL };
static const struct fuzz_type spf_addr = { FUZZ_ADDRESS, 26, 4, NULL };
static const struct fuzz_type arena_addr = { FUZZ_ADDRESS, 30, 2, NULL };
static const struct fuzz_type length = { FUZZ_LENGTH, 0, 0, NULL };
static const struct fuzz_type offset = { FUZZ_OFFSET, 0, 0, NULL };
static const struct fuzz_type no_offset = CHOICE(0, 0, 0, 0, 0, 0, 0, PAGE_BYTES);
static const struct fuzz_type few = { FUZZ_NUMBER, 1, 16, NULL };
static const struct fuzz_type stride = CHOICE(PAGE_BYTES, PAGE_BYTES, PAGE_BYTES,
	PAGE_BYTES, 8, 2 * PAGE_BYTES, 17 * PAGE_BYTES, 2 << 20);

/* Descriptors. */
static const struct fuzz_type any_fd = { FUZZ_FD, 0, 48, NULL };
static const struct fuzz_type refpage_fd = { FUZZ_FD, 0, 4, NULL };
static const struct fuzz_type lockbuf_fd = { FUZZ_FD, 4, 4, NULL };
static const struct fuzz_type lockbuf_to = { FUZZ_FD, 4, 6, NULL };
static const struct fuzz_type mshare_fd = { FUZZ_FD, 10, 6, NULL };
static const struct fuzz_type spf_fd = { FUZZ_FD, 16, 4, NULL };
static const struct fuzz_type arena_fd = { FUZZ_FD, 20, 4, NULL };
static const struct fuzz_type file_fd = { FUZZ_FD, 24, 8, NULL };
static const struct fuzz_type region_fd = { FUZZ_FD, 32, 6, NULL };
static const struct fuzz_type shared_fd = { FUZZ_FD, 10, 28, NULL };
static const struct fuzz_type pidfd_fd = { FUZZ_FD, 38, 4, NULL };
static const struct fuzz_type uffd_fd = { FUZZ_FD, 42, 4, NULL };

/* Others. */
static const struct fuzz_type peer = { FUZZ_NUMBER, 0, MAX_WORKERS, NULL };
static const struct fuzz_type twist = { FUZZ_TWIST, 0, 0, NULL };
#define RW (PROT_READ | PROT_WRITE)
static const struct fuzz_type prot = CHOICE(RW, RW, RW, RW, PROT_READ, PROT_READ,
	PROT_NONE, PROT_READ | PROT_EXEC, PROT_WRITE, RW | PROT_EXEC);
static const struct fuzz_type shared_prot = CHOICE(RW, RW, RW, RW, RW, RW,
	PROT_READ, PROT_READ, PROT_NONE, PROT_WRITE, 8);
#define FIXED MAP_FIXED
static const struct fuzz_type anon_flags = CHOICE(FIXED | MAP_PRIVATE,
	FIXED | MAP_PRIVATE, FIXED | MAP_PRIVATE, FIXED | MAP_PRIVATE,
	FIXED | MAP_SHARED, FIXED | MAP_SHARED, FIXED | MAP_PRIVATE | MAP_NORESERVE,
	MAP_FIXED_NOREPLACE | MAP_PRIVATE, FIXED | MAP_PRIVATE | MAP_GROWSDOWN,
	FIXED | MAP_PRIVATE | MAP_POPULATE, FIXED | MAP_PRIVATE | MAP_LOCKED);
static const struct fuzz_type private_flags = CHOICE(FIXED | MAP_PRIVATE,
	FIXED | MAP_PRIVATE, FIXED | MAP_PRIVATE, FIXED | MAP_PRIVATE,
	FIXED | MAP_PRIVATE, MAP_FIXED_NOREPLACE | MAP_PRIVATE,
	FIXED | MAP_SHARED, FIXED | MAP_PRIVATE | MAP_POPULATE,
	FIXED | MAP_PRIVATE | MAP_LOCKED);
static const struct fuzz_type shared_flags = CHOICE(FIXED | MAP_SHARED,
	FIXED | MAP_SHARED, FIXED | MAP_SHARED, FIXED | MAP_SHARED,
	FIXED | MAP_SHARED, MAP_FIXED_NOREPLACE | MAP_SHARED,
	FIXED | MAP_SHARED_VALIDATE, FIXED | MAP_PRIVATE,
	FIXED | MAP_SHARED | MAP_POPULATE, FIXED | MAP_SHARED | MAP_LOCKED);
static const struct fuzz_type remap_flags = CHOICE(MREMAP_MAYMOVE,
	MREMAP_MAYMOVE | MREMAP_FIXED, MREMAP_MAYMOVE | MREMAP_FIXED, 0,
	MREMAP_MAYMOVE | MREMAP_DONTUNMAP, MREMAP_FIXED);
static const struct fuzz_type advice = CHOICE(MADV_NORMAL, MADV_RANDOM,
	MADV_SEQUENTIAL, MADV_WILLNEED, MADV_DONTNEED, MADV_DONTNEED, MADV_FREE,
	MADV_REMOVE, MADV_DONTFORK, MADV_DOFORK, MADV_MERGEABLE,
	MADV_UNMERGEABLE, MADV_HUGEPAGE, MADV_NOHUGEPAGE, MADV_DONTDUMP,
	MADV_DODUMP, MADV_WIPEONFORK, MADV_KEEPONFORK, MADV_COLD, MADV_PAGEOUT,
	MADV_PAGEOUT, MADV_POPULATE_READ, MADV_POPULATE_WRITE,
	24 /* DONTNEED_LOCKED */, MADV_COLLAPSE, 77);
static const struct fuzz_type remote_advice = CHOICE(MADV_COLD, MADV_PAGEOUT,
	MADV_PAGEOUT, MADV_WILLNEED, MADV_COLLAPSE, MADV_DONTNEED);
static const struct fuzz_type lock_flags = CHOICE(0, 0, MLOCK_ONFAULT, 2);
static const struct fuzz_type sync_flags = CHOICE(MS_SYNC, MS_ASYNC,
	MS_SYNC | MS_INVALIDATE);
static const struct fuzz_type futex_flags = CHOICE(0, 128 /* PRIVATE */);
static const struct fuzz_type memfd_flags = CHOICE(MFD_CLOEXEC,
	MFD_CLOEXEC | MFD_ALLOW_SEALING, MFD_CLOEXEC, MFD_CLOEXEC | MFD_HUGETLB);
static const struct fuzz_type allocate_mode = CHOICE(0, 0,
	FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
	FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, FALLOC_FL_ZERO_RANGE,
	FALLOC_FL_KEEP_SIZE, FALLOC_FL_COLLAPSE_RANGE);
static const struct fuzz_type seals = CHOICE(F_SEAL_SHRINK, F_SEAL_GROW,
	F_SEAL_WRITE, F_SEAL_FUTURE_WRITE, F_SEAL_SEAL);
static const struct fuzz_type few_steps = { FUZZ_NUMBER, 1, 8, NULL };
static const struct fuzz_type proc_file = { FUZZ_NUMBER, 0, 5 * N_REGIONS, NULL };
static const struct fuzz_type clear_what = { FUZZ_NUMBER, 1, 5, NULL };
static const struct fuzz_type uffd_flags = CHOICE(O_CLOEXEC | O_NONBLOCK,
	O_CLOEXEC | 1 /* USER_MODE_ONLY */, O_CLOEXEC);
static const struct fuzz_type uffd_features = CHOICE(
	UFFD_FEATURE_SIGBUS, UFFD_FEATURE_SIGBUS, UFFD_FEATURE_SIGBUS, 0,
	UFFD_FEATURE_PAGEFAULT_FLAG_WP);
static const struct fuzz_type uffd_modes = CHOICE(UFFDIO_REGISTER_MODE_MISSING,
	UFFDIO_REGISTER_MODE_MISSING, UFFDIO_REGISTER_MODE_WP,
	UFFDIO_REGISTER_MODE_MISSING | UFFDIO_REGISTER_MODE_WP,
	UFFDIO_REGISTER_MODE_MINOR, 8);
static const struct fuzz_type uffd_mode = CHOICE(0, 0, 1, 2);
static const struct fuzz_type uffd_how = { FUZZ_NUMBER, 0, 256, NULL };
static const struct fuzz_type amount = CHOICE(PAGE_BYTES, 64 << 10, 1 << 20,
	4 << 20);
static const struct fuzz_type limit = CHOICE(16 << 20, 32 << 20,
	1 << 30, 1 << 30, 1 << 30);
static const struct fuzz_type merge_run = CHOICE(1, 1, 0, 2);
static const struct fuzz_type huge_when = { FUZZ_NUMBER, 0, 3, NULL };

/* The device. */
static const struct fuzz_type command_nr = { FUZZ_NUMBER, 0x80, 0x70, NULL };
static const struct fuzz_type command_arg = CHOICE(0, 0, 1, 2, ~0ULL,
	REGION_BASE, REGION_BASE + 30 * REGION_BYTES, PAGE_BYTES);
static const struct fuzz_type mech = { FUZZ_NUMBER, 0, 7, NULL };
static const struct fuzz_type n_stats = CHOICE(1, 10, 24, 40, 64, UINT32_MAX);
static const struct fuzz_type content_addr = CHOICE(0, 0, 0, 0, 0, 0, 64, ~0ULL,
	REGION_BASE, REGION_BASE + 26 * REGION_BYTES, 1, PAGE_BYTES);
static const struct fuzz_type content_bytes = CHOICE(1, 1, 2, 8, 64, 512, 4096,
	4096, 0, 3, 8192, 1ULL << 63);
static const struct fuzz_type form = CHOICE(0, 0, 1, 1, 2, 2, 3, UINT32_MAX);
static const struct fuzz_type buffer_mode = CHOICE(0, 0, 1, 1, 2, 2, 3);
static const struct fuzz_type buffer_flush = CHOICE(0, 0, 1, 1, 2, 2, 3, 4);
static const struct fuzz_type buffer_flags = CHOICE(0, 0, 0, 0, 0, 2, 4, 1, 3);
static const struct fuzz_type wait_flags = CHOICE(0, 0, 0, 1, 2);
static const struct fuzz_type zero = CHOICE(0, 0, 0, 0, 0, 0, 1, ~0ULL);
static const struct fuzz_type share_flush = CHOICE(0, 1, 2, 0, 1, 2, 3);
static const struct fuzz_type share_name = { FUZZ_NUMBER, 0, 6, NULL };
static const struct fuzz_type open_flags = CHOICE(O_RDWR | O_CREAT,
	O_RDWR | O_CREAT, O_RDWR | O_CREAT | O_EXCL, O_RDWR, O_RDONLY,
	O_RDWR | O_TRUNC);
static const struct fuzz_type region_flags = CHOICE(FIXED | MAP_SHARED,
	FIXED | MAP_SHARED, FIXED | MAP_SHARED,
	FIXED | MAP_SHARED | MAP_ANONYMOUS, FIXED | MAP_SHARED | MAP_ANONYMOUS,
	FIXED | MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE,
	FIXED | MAP_PRIVATE, 0);
static const struct fuzz_type clone_flags = CHOICE(PVMMAP_FIXED, PVMMAP_FIXED,
	PVMMAP_FIXED, PVMMAP_FIXED_NOREPLACE, PVMMAP_FIXED | PVMMAP_POPULATE,
	PVMMAP_FIXED | PVMMAP_MOVE, PVMMAP_FIXED | PVMMAP_MOVE | PVMMAP_POPULATE,
	PVMMAP_FIXED | PVMMAP_FIXED_NOREPLACE, 1 << 30);
static const struct fuzz_type spf_mode = CHOICE(1, 1, 1, 1, 0, 2, 3);
static const struct fuzz_type hook = CHOICE(0, 0, 2, 1, 3);
static const struct fuzz_type ms = CHOICE(1, 2, 5, 20, 0, 60001);
static const struct fuzz_type scheme = CHOICE(0, 1, 2, 3, 0, 1, 2, 3, 4);
static const struct fuzz_type pending = CHOICE(0, 1, 2, 3, 0, 1, 2, 3, 4);
static const struct fuzz_type arena_flags = CHOICE(1, 1, 1, 0, 2);
static const struct fuzz_type arena_prot = CHOICE(RW, RW, RW, PROT_READ,
	PROT_NONE, PROT_WRITE);
static const struct fuzz_type hold_ns = CHOICE(0, 0, 1000, 100000, 5000000,
	20000000, 1ULL << 62);
static const struct fuzz_type hold_flags = CHOICE(0, 1, 2, 0, 1, 2, 3);

#define A0(f) .n_args = 0, .call.a0 = (f), .function = #f
#define A1(f) .n_args = 1, .call.a1 = (f), .function = #f
#define A2(f) .n_args = 2, .call.a2 = (f), .function = #f
#define A3(f) .n_args = 3, .call.a3 = (f), .function = #f
#define A4(f) .n_args = 4, .call.a4 = (f), .function = #f
#define A5(f) .n_args = 5, .call.a5 = (f), .function = #f
#define A6(f) .n_args = 6, .call.a6 = (f), .function = #f
#define A7(f) .n_args = 7, .call.a7 = (f), .function = #f

const struct fuzz_kind fuzz_kinds[] = {
	{ "map anonymous", .group = FUZZ_MEMORY, .weight = 36, A4(map_anon),
	  .types = { &anon_addr, &length, &prot, &anon_flags } },
	{ "map anonymous over", .group = FUZZ_MEMORY, .weight = 9, A4(map_anon),
	  .types = { &any_addr, &length, &prot, &anon_flags } },
	{ "map file", .group = FUZZ_MEMORY, .weight = 24, A6(map_fd),
	  .types = { &file_fd, &file_addr, &length, &prot, &shared_flags,
		     &no_offset } },
	{ "map file private", .group = FUZZ_MEMORY, .weight = 12, A6(map_fd),
	  .types = { &file_fd, &file_addr, &length, &prot, &private_flags,
		     &no_offset } },
	{ "map any", .group = FUZZ_MEMORY, .weight = 6, A6(map_fd),
	  .types = { &any_fd, &any_addr, &length, &prot, &shared_flags,
		     &offset } },
	{ "unmap", .group = FUZZ_MEMORY, .weight = 24, A2(unmap),
	  .types = { &any_addr, &length } },
	{ "remap", .group = FUZZ_MEMORY, .weight = 18, A5(remap),
	  .types = { &any_addr, &length, &length, &remap_flags, &any_addr } },
	{ "protect", .group = FUZZ_MEMORY, .weight = 24, A3(protect),
	  .types = { &any_addr, &length, &prot } },
	{ "advise", .group = FUZZ_MEMORY, .weight = 42, A3(advise),
	  .types = { &any_addr, &length, &advice } },
	{ "advise by pidfd", .group = FUZZ_MEMORY, .weight = 9,
	  A4(advise_pidfd),
	  .types = { &pidfd_fd, &any_addr, &length, &remote_advice } },
	{ "lock pages", .group = FUZZ_MEMORY, .weight = 9, A3(lock_pages),
	  .types = { &any_addr, &length, &lock_flags } },
	{ "unlock pages", .group = FUZZ_MEMORY, .weight = 6, A2(unlock_pages),
	  .types = { &any_addr, &length } },
	{ "sync pages", .group = FUZZ_MEMORY, .weight = 3, A3(sync_pages),
	  .types = { &any_addr, &length, &sync_flags } },
	{ "resident pages", .group = FUZZ_MEMORY, .weight = 6,
	  A2(resident_pages), .types = { &any_addr, &length } },
	{ "remap pages", .group = FUZZ_MEMORY, .weight = 3, A3(remap_pages),
	  .types = { &any_addr, &length, &few } },
	{ "seal mapping", .group = FUZZ_MEMORY, .weight = 3, A2(seal),
	  .types = { &any_addr, &length } },
	{ "read", .group = FUZZ_MEMORY, .weight = 60, A3(touch_read),
	  .types = { &any_addr, &few, &stride } },
	{ "write", .group = FUZZ_MEMORY, .weight = 72, A3(touch_write),
	  .types = { &any_addr, &few, &stride } },
	{ "wake futex", .group = FUZZ_MEMORY, .weight = 6, A2(futex_wake),
	  .types = { &any_addr, &futex_flags } },
	{ "splice pages", .group = FUZZ_MEMORY, .weight = 9, A2(splice_pages),
	  .types = { &any_addr, &length } },
	{ "new file", .group = FUZZ_MEMORY, .weight = 12, A3(memfd_new),
	  .types = { &file_fd, &length, &memfd_flags } },
	{ "new secret file", .group = FUZZ_MEMORY, .weight = 1, A2(secret_new),
	  .types = { &file_fd, &length } },
	{ "truncate", .group = FUZZ_MEMORY, .weight = 6, A2(file_truncate),
	  .types = { &file_fd, &length } },
	{ "allocate", .group = FUZZ_MEMORY, .weight = 9, A4(file_allocate),
	  .types = { &file_fd, &allocate_mode, &offset, &length } },
	{ "seal file", .group = FUZZ_MEMORY, .weight = 1, A2(file_seal),
	  .types = { &file_fd, &seals } },
	{ "read file", .group = FUZZ_MEMORY, .weight = 12, A3(file_read),
	  .types = { &file_fd, &any_addr, &length } },
	{ "write file", .group = FUZZ_MEMORY, .weight = 9, A3(file_write),
	  .types = { &file_fd, &any_addr, &length } },
	{ "close", .group = FUZZ_MEMORY, .weight = 12, A1(fd_close),
	  .types = { &any_fd } },
	{ "duplicate", .group = FUZZ_MEMORY, .weight = 9, A2(fd_dup),
	  .types = { &any_fd, &any_fd } },
	{ "send", .group = FUZZ_MEMORY, .weight = 9, A1(fd_send),
	  .types = { &any_fd } },
	{ "receive", .group = FUZZ_MEMORY, .weight = 9, A1(fd_receive),
	  .types = { &any_fd } },
	{ "new pidfd", .group = FUZZ_MEMORY, .weight = 9, A2(pidfd_new),
	  .types = { &pidfd_fd, &peer } },
	{ "fork", .group = FUZZ_MEMORY, .weight = 15, A1(fork_run),
	  .types = { &few_steps } },
	{ "vfork", .group = FUZZ_MEMORY, .weight = 3, A1(vfork_read),
	  .types = { &any_addr } },
	{ "thread", .group = FUZZ_MEMORY, .weight = 15, A1(thread_run),
	  .types = { &few_steps } },
	{ "exec", .group = FUZZ_MEMORY, .weight = 1, A0(exec_self) },
	{ "exit", .group = FUZZ_MEMORY, .weight = 1, A0(exit_now) },
	{ "kill", .group = FUZZ_MEMORY, .weight = 1, A1(kill_peer),
	  .types = { &peer } },
	{ "vm_readv", .group = FUZZ_MEMORY, .weight = 12, A4(vm_read),
	  .types = { &peer, &any_source, &length, &any_addr } },
	{ "vm_writev", .group = FUZZ_MEMORY, .weight = 12, A4(vm_write),
	  .types = { &peer, &any_addr, &length, &any_addr } },
	{ "mem read", .group = FUZZ_MEMORY, .weight = 9, A3(mem_read),
	  .types = { &peer, &any_source, &length } },
	{ "mem write", .group = FUZZ_MEMORY, .weight = 9, A3(mem_write),
	  .types = { &peer, &any_addr, &length } },
	{ "ptrace peek", .group = FUZZ_MEMORY, .weight = 1, A2(trace_peek),
	  .types = { &peer, &any_addr } },
	{ "ptrace poke", .group = FUZZ_MEMORY, .weight = 1, A2(trace_poke),
	  .types = { &peer, &any_addr } },
	{ "proc read", .group = FUZZ_MEMORY, .weight = 9, A2(proc_read),
	  .types = { &peer, &proc_file } },
	{ "clear refs", .group = FUZZ_MEMORY, .weight = 6, A2(clear_refs),
	  .types = { &peer, &clear_what } },
	{ "new uffd", .group = FUZZ_MEMORY, .weight = 6, A3(uffd_new),
	  .types = { &uffd_fd, &uffd_flags, &uffd_features } },
	{ "uffd register", .group = FUZZ_MEMORY, .weight = 9,
	  A4(uffd_register),
	  .types = { &uffd_fd, &some_addr, &length, &uffd_modes } },
	{ "uffd unregister", .group = FUZZ_MEMORY, .weight = 3,
	  A3(uffd_unregister), .types = { &uffd_fd, &some_addr, &length } },
	{ "uffd zero", .group = FUZZ_MEMORY, .weight = 3, A3(uffd_zero),
	  .types = { &uffd_fd, &some_addr, &length } },
	{ "uffd copy", .group = FUZZ_MEMORY, .weight = 6, A5(uffd_copy),
	  .types = { &uffd_fd, &some_addr, &length, &any_addr, &uffd_mode } },
	{ "uffd protect", .group = FUZZ_MEMORY, .weight = 6, A4(uffd_protect),
	  .types = { &uffd_fd, &some_addr, &length, &uffd_mode } },
	{ "uffd serve", .group = FUZZ_MEMORY, .weight = 9, A5(uffd_serve),
	  .types = { &uffd_fd, &some_addr, &length, &any_addr, &uffd_how } },
	{ "group reclaim", .group = FUZZ_MEMORY, .weight = 1,
	  A1(group_reclaim), .types = { &amount } },
	{ "group limit", .group = FUZZ_MEMORY, .weight = 1, A1(group_high),
	  .types = { &limit } },
	{ "merge pages", .group = FUZZ_MEMORY, .weight = 1, A1(merge_pages),
	  .types = { &merge_run } },
	{ "huge pages", .group = FUZZ_MEMORY, .weight = 1, A1(huge_pages),
	  .types = { &huge_when } },
	{ "compact", .group = FUZZ_MEMORY, .weight = 1, A0(compact) },
	{ "swap cycle", .group = FUZZ_MEMORY, .weight = 1, A0(swap_cycle) },

	{ "any command", .group = FUZZ_MEMORY, .weight = 3, A3(any_command),
	  .types = { &any_fd, &command_nr, &command_arg } },
	{ "query", .group = FUZZ_MEMORY, .weight = 3, A2(query),
	  .types = { &mech, &twist } },
	{ "stats", .group = FUZZ_MEMORY, .weight = 3, A4(stats),
	  .types = { &mech, &any_addr, &n_stats, &twist } },

	{ "refpage create", .group = FUZZ_REFPAGE, .weight = 6, A5(refpage_new),
	  .types = { &refpage_fd, &content_addr, &content_bytes, &form,
		     &twist } },
	{ "refpage map", .group = FUZZ_REFPAGE, .weight = 10, A6(map_fd),
	  .types = { &refpage_fd, &refpage_addr, &length, &prot, &private_flags,
		     &offset } },
	{ "refpage read", .group = FUZZ_REFPAGE, .weight = 10, A3(touch_read),
	  .types = { &refpage_addr, &few, &stride } },
	{ "refpage write", .group = FUZZ_REFPAGE, .weight = 8, A3(touch_write),
	  .types = { &refpage_addr, &few, &stride } },

	{ "lockbuf create", .group = FUZZ_LOCKBUF, .weight = 6, A6(lockbuf_new),
	  .types = { &lockbuf_fd, &length, &buffer_mode, &buffer_flush,
		     &buffer_flags, &twist } },
	{ "lockbuf map", .group = FUZZ_LOCKBUF, .weight = 12, A6(map_fd),
	  .types = { &lockbuf_fd, &lockbuf_addr, &length, &shared_prot,
		     &shared_flags, &no_offset } },
	{ "lockbuf lock", .group = FUZZ_LOCKBUF, .weight = 10, A2(lockbuf_lock),
	  .types = { &lockbuf_fd, &wait_flags } },
	{ "lockbuf unlock", .group = FUZZ_LOCKBUF, .weight = 12,
	  A2(lockbuf_unlock), .types = { &lockbuf_fd, &zero } },
	{ "lockbuf reader", .group = FUZZ_LOCKBUF, .weight = 3,
	  A2(lockbuf_reader), .types = { &lockbuf_fd, &lockbuf_to } },
	{ "lockbuf nop", .group = FUZZ_LOCKBUF, .weight = 1, A2(lockbuf_nop),
	  .types = { &lockbuf_fd, &zero } },
	{ "lockbuf flush", .group = FUZZ_LOCKBUF, .weight = 3,
	  A2(lockbuf_flush), .types = { &lockbuf_fd, &zero } },
	{ "lockbuf read", .group = FUZZ_LOCKBUF, .weight = 8, A3(touch_read),
	  .types = { &lockbuf_addr, &few, &stride } },
	{ "lockbuf write", .group = FUZZ_LOCKBUF, .weight = 8, A3(touch_write),
	  .types = { &lockbuf_addr, &few, &stride } },

	{ "mshare file", .group = FUZZ_MSHARE, .weight = 6, A6(mshare_file),
	  .types = { &mshare_fd, &length, &no_offset, &shared_prot, &file_fd,
		     &twist } },
	{ "mshare map", .group = FUZZ_MSHARE, .weight = 12, A6(map_fd),
	  .types = { &mshare_fd, &mshare_addr, &length, &shared_prot,
		     &shared_flags, &no_offset } },
	{ "mshare protect", .group = FUZZ_MSHARE, .weight = 8,
	  A4(mshare_protect),
	  .types = { &mshare_addr, &length, &shared_prot, &twist } },
	{ "mshare flush", .group = FUZZ_MSHARE, .weight = 2, A3(mshare_flush),
	  .types = { &mshare_addr, &share_flush, &twist } },
	{ "mshare info", .group = FUZZ_MSHARE, .weight = 2, A2(mshare_info),
	  .types = { &mshare_addr, &twist } },
	{ "mshare adopt", .group = FUZZ_MSHARE, .weight = 4, A4(mshare_adopt),
	  .types = { &region_fd, &file_addr, &length, &twist } },
	{ "mshare populate", .group = FUZZ_MSHARE, .weight = 5,
	  A3(mshare_populate), .types = { &mshare_addr, &length, &twist } },
	{ "mshare read", .group = FUZZ_MSHARE, .weight = 8, A3(touch_read),
	  .types = { &mshare_addr, &few, &stride } },
	{ "mshare write", .group = FUZZ_MSHARE, .weight = 8, A3(touch_write),
	  .types = { &mshare_addr, &few, &stride } },
	{ "region open", .group = FUZZ_MSHARE, .weight = 6, A3(region_open),
	  .types = { &region_fd, &share_name, &open_flags } },
	{ "region remove", .group = FUZZ_MSHARE, .weight = 1, A1(region_remove),
	  .types = { &share_name } },
	{ "region size", .group = FUZZ_MSHARE, .weight = 3, A2(file_truncate),
	  .types = { &region_fd, &length } },
	{ "region allocate", .group = FUZZ_MSHARE, .weight = 2,
	  A4(file_allocate), .types = { &region_fd, &zero, &no_offset, &length } },
	{ "region range", .group = FUZZ_MSHARE, .weight = 1, A1(region_read),
	  .types = { &region_fd } },
	{ "region mmap", .group = FUZZ_MSHARE, .weight = 10, A6(map_fd),
	  .types = { &region_fd, &mshare_addr, &length, &shared_prot,
		     &shared_flags, &no_offset } },
	{ "region map", .group = FUZZ_MSHARE, .weight = 10, A7(region_map),
	  .types = { &region_fd, &offset, &length, &shared_prot, &region_flags,
		     &file_fd, &no_offset } },
	{ "region unmap", .group = FUZZ_MSHARE, .weight = 5, A3(region_unmap),
	  .types = { &region_fd, &offset, &length } },
	{ "region map any", .group = FUZZ_MSHARE, .weight = 1, A7(region_map),
	  .types = { &shared_fd, &offset, &length, &shared_prot, &region_flags,
		     &any_fd, &offset } },

	{ "clone", .group = FUZZ_CLONE, .weight = 20, A6(clone_map),
	  .types = { &peer, &any_source, &length, &clone_addr, &clone_flags,
		     &twist } },
	{ "clone anonymous", .group = FUZZ_CLONE, .weight = 20, A6(clone_map),
	  .types = { &peer, &anon_addr, &length, &clone_addr, &clone_flags,
		     &twist } },
	{ "clone over any", .group = FUZZ_CLONE, .weight = 3, A6(clone_map),
	  .types = { &peer, &any_source, &length, &any_addr, &clone_flags,
		     &twist } },
	{ "clone by pidfd", .group = FUZZ_CLONE, .weight = 6, A5(clone_pidfd),
	  .types = { &pidfd_fd, &any_source, &length, &clone_addr,
		     &clone_flags } },
	{ "clone read", .group = FUZZ_CLONE, .weight = 8, A3(touch_read),
	  .types = { &clone_addr, &few, &stride } },
	{ "clone write", .group = FUZZ_CLONE, .weight = 10, A3(touch_write),
	  .types = { &clone_addr, &few, &stride } },

	{ "spf create", .group = FUZZ_SPF, .weight = 5, A3(spf_new),
	  .types = { &spf_fd, &spf_mode, &twist } },
	{ "spf map", .group = FUZZ_SPF, .weight = 12, A6(map_fd),
	  .types = { &spf_fd, &spf_addr, &length, &prot, &private_flags,
		     &offset } },
	{ "spf hook", .group = FUZZ_SPF, .weight = 2, A2(spf_hook),
	  .types = { &hook, &twist } },
	{ "spf hold", .group = FUZZ_SPF, .weight = 3, A3(spf_hold),
	  .types = { &ms, &spf_addr, &twist } },
	{ "spf read", .group = FUZZ_SPF, .weight = 10, A3(touch_read),
	  .types = { &spf_addr, &few, &stride } },
	{ "spf write", .group = FUZZ_SPF, .weight = 20, A3(touch_write),
	  .types = { &spf_addr, &few, &stride } },

	{ "arena create", .group = FUZZ_ARENA, .weight = 4, A6(arena_new),
	  .types = { &arena_fd, &length, &scheme, &pending, &arena_flags,
		     &twist } },
	{ "arena mmap", .group = FUZZ_ARENA, .weight = 12, A6(map_fd),
	  .types = { &arena_fd, &arena_addr, &length, &shared_prot,
		     &shared_flags, &no_offset } },
	{ "arena map", .group = FUZZ_ARENA, .weight = 14, A5(arena_map),
	  .types = { &arena_fd, &offset, &length, &arena_prot, &twist } },
	{ "arena unmap", .group = FUZZ_ARENA, .weight = 6, A4(arena_unmap),
	  .types = { &arena_fd, &offset, &length, &twist } },
	{ "arena protect", .group = FUZZ_ARENA, .weight = 6, A5(arena_protect),
	  .types = { &arena_fd, &offset, &length, &arena_prot, &twist } },
	{ "arena populate", .group = FUZZ_ARENA, .weight = 5,
	  A4(arena_populate), .types = { &arena_fd, &offset, &length, &twist } },
	{ "arena hold", .group = FUZZ_ARENA, .weight = 4, A6(arena_hold),
	  .types = { &arena_fd, &offset, &length, &hold_ns, &hold_flags,
		     &twist } },
	{ "arena nop", .group = FUZZ_ARENA, .weight = 1, A4(arena_nop),
	  .types = { &arena_fd, &offset, &length, &twist } },
	{ "arena read", .group = FUZZ_ARENA, .weight = 10, A3(touch_read),
	  .types = { &arena_addr, &few, &stride } },
	{ "arena write", .group = FUZZ_ARENA, .weight = 12, A3(touch_write),
	  .types = { &arena_addr, &few, &stride } },
};
const unsigned int fuzz_n_kinds = sizeof(fuzz_kinds) / sizeof(fuzz_kinds[0]);

_Static_assert(sizeof(fuzz_kinds) / sizeof(fuzz_kinds[0]) <= FUZZ_MAX_KINDS,
	       "kinds have room in the counts");

#define MB (1ULL << 20)

static uint64_t address_of(uint16_t raw, bool source)
{
	static const uint64_t outside[] = {
		0, PAGE_BYTES, REGION_BASE - PAGE_BYTES, 0x7ffffffff000,
		0x7fffffffe000, 0xffff888000000000, 0xffffffffff600000,
		~0ULL & ~(PAGE_BYTES - 1),
	};
	uint64_t base = REGION_BASE + raw % N_REGIONS * REGION_BYTES;
	unsigned int how = raw / N_REGIONS % 16, n = raw / (N_REGIONS * 16);

	switch (how) {
	case 6: case 7: case 8:
		return base + n % 16 * PAGE_BYTES;
	case 9: case 10:
		return base + n % 4 * 2 * MB;
	case 11:
		return base + 2 * MB - n % 8 * PAGE_BYTES;
	case 12:
		return base + 4 * MB - n % 8 * PAGE_BYTES;
	case 13:
		return base + n * 13;
	case 14:
		if (n % 4)
			return base;
		/* Code of the program, which is where it was linked. */
		if (source && n % 8 == 0)
			return 0x400000 + n % 64 * PAGE_BYTES;
		return outside[n / 4 % 8];
	default:
		return base;
	}
}

static uint64_t length_of(uint16_t raw, uint64_t natural)
{
	static const uint64_t extreme[] = {
		0, ~0ULL, 1ULL << 47, ~0ULL - PAGE_BYTES + 1, 1ULL << 63,
		(1ULL << 36) + PAGE_BYTES, 1, 64 * MB,
	};
	unsigned int how = raw % 24, n = raw / 24;

	switch (how) {
	case 0: case 1: case 2:
		return (1 + n % 8) * PAGE_BYTES;
	case 3:
		return (1 + n % 64) * PAGE_BYTES;
	case 4:
		return 2 * MB;
	case 5:
		return 4 * MB;
	case 6:
		return 2 * MB + n % 8 * PAGE_BYTES;
	case 7:
		return n % 2 ? REGION_BYTES : PAGE_BYTES;
	case 8:
		return n % 4 ? natural : n;
	case 9:
		return n % 4 ? natural : extreme[n / 4 % 8];
	default:
		return natural;
	}
}

static uint64_t offset_of(uint16_t raw, uint64_t natural)
{
	unsigned int how = raw % 16, n = raw / 16;

	switch (how) {
	case 6: case 7: case 8:
		return n % 16 * PAGE_BYTES;
	case 9:
		return n % 1024 * PAGE_BYTES;
	case 10: case 11:
		return n % 3 * 2 * MB;
	case 12:
		return natural - (1 + n % 8) * PAGE_BYTES;
	case 13:
		return n % 4 ? 0 : n;
	case 14:
		return n % 4 ? 0 : ~0ULL - n * PAGE_BYTES + 1;
	default:
		return 0;
	}
}

const struct fuzz_kind *fuzz_step_args(const struct fuzz_step *step,
				       uint64_t ret_args[FUZZ_MAX_ARGS])
{
	const struct fuzz_kind *kind = &fuzz_kinds[step->kind % fuzz_n_kinds];
	/* Of what lies in an odd slot, and in an even one. */
	uint64_t natural = 0;

	for (unsigned int i = 0; i < kind->n_args; i++) {
		const struct fuzz_type *type = kind->types[i];
		uint16_t raw = step->raw[i];

		switch (type->meaning) {
		case FUZZ_CHOICE:
			ret_args[i] = type->values[raw % type->n];
			break;
		case FUZZ_ADDRESS:
		case FUZZ_SOURCE:
			ret_args[i] = address_of(raw,
						 type->meaning == FUZZ_SOURCE);
			if (natural == 0) {
				natural = (raw % 2 ? 4 : 2) * MB;
				/* From there to the end. */
				if (ret_args[i] % REGION_BYTES < natural)
					natural -= ret_args[i] % REGION_BYTES &
						   ~(PAGE_BYTES - 1);
			}
			break;
		case FUZZ_FD:
			ret_args[i] = FD_FIRST + raw % N_SLOTS;
			natural = natural ?: (raw % 2 ? 4 : 2) * MB;
			break;
		case FUZZ_LENGTH:
			ret_args[i] = length_of(raw, natural);
			break;
		case FUZZ_OFFSET:
			ret_args[i] = offset_of(raw, natural);
			break;
		case FUZZ_NUMBER:
			ret_args[i] = type->first + raw % type->n;
			break;
		case FUZZ_TWIST:
			ret_args[i] = raw % (9 + N_REGIONS);
			break;
		}
	}
	return kind;
}

long fuzz_step_run(const struct fuzz_step *step)
{
	uint64_t a[FUZZ_MAX_ARGS];
	const struct fuzz_kind *kind = fuzz_step_args(step, a);

	switch (kind->n_args) {
	case 0:
		return kind->call.a0();
	case 1:
		return kind->call.a1(a[0]);
	case 2:
		return kind->call.a2(a[0], a[1]);
	case 3:
		return kind->call.a3(a[0], a[1], a[2]);
	case 4:
		return kind->call.a4(a[0], a[1], a[2], a[3]);
	case 5:
		return kind->call.a5(a[0], a[1], a[2], a[3], a[4]);
	case 6:
		return kind->call.a6(a[0], a[1], a[2], a[3], a[4], a[5]);
	default:
		return kind->call.a7(a[0], a[1], a[2], a[3], a[4], a[5], a[6]);
	}
}
