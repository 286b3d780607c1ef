// SPDX-License-Identifier: MIT
/*
 * A plugin of QEMU's TCG that counts what an x86-64 guest executes between marks (../mark.h), in user mode and in the
 * kernel apart, and what a simple data TLB and simple caches would have missed. The CPUs must take turns in one thread.
 * Built by scripts/tcg-plugin against the API of the QEMU at hand.
 *
 * A scope is told by the address of the instruction: the kernel's half has its highest bit set. That is the only thing
 * known when an instruction is translated, and no API before the fourth shows a register.
 *
 * Each case becomes one line of the log: its name in hexadecimal, "ok" or "open" (a task was inside at the end), and
 * for each scope as many numbers as struct counts has.
 *
 * Asked for, a second file says how often each instruction of the kernel was executed in each case (profile.h).
 */
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <qemu-plugin.h>

#include "../mark.h"
#include "cache.h"
#include "profile.h"

QEMU_PLUGIN_EXPORT int qemu_plugin_version = QEMU_PLUGIN_VERSION;

struct counts {
	uint64_t instructions;
	uint64_t loads, stores;
	uint64_t tlb_misses;
	uint64_t l1_misses;
	uint64_t llc_misses;
};
#define N_COUNTS (sizeof(struct counts) / sizeof(uint64_t))

enum scope { USER, KERNEL, N_SCOPES };

#define PAGE_SHIFT 12
#define LINE_SHIFT 6
#define USER_PAGES (UINT64_C(1) << (63 - PAGE_SHIFT))

/* docs/deterministic.md tells these numbers. */
#define TLB_SETS 16
#define TLB_WAYS 4
#define L1_SETS	 64
#define L1_WAYS	 8
#define LLC_SETS 8192
#define LLC_WAYS 16

#define MAX_CPUS 8

struct cpu {
	struct counts *now; /* since the machine started, for each scope */
	struct mmlab_cache_entry tlb_entries[TLB_SETS * TLB_WAYS];
	struct mmlab_cache_entry l1_entries[L1_SETS * L1_WAYS];
	struct mmlab_cache tlb, l1;
};

static struct cpu cpus[MAX_CPUS];
static unsigned int n_cpus;
static struct mmlab_cache_entry llc_entries[LLC_SETS * LLC_WAYS];
static struct mmlab_cache llc = { LLC_SETS, LLC_WAYS, llc_entries };

static int log_fd = -1;
static int profile_fd = -1;
static bool is_open; /* a case: between its first mark and its last */
static uint64_t name;
static unsigned int n_inside;	    /* tasks between BEGIN and END */
static struct counts sum[N_SCOPES]; /* of the case */

#if QEMU_PLUGIN_VERSION < 2 /* such a QEMU cannot count instructions with several CPUs */
static struct counts now[N_SCOPES];
static uint64_t profile[MMLAB_PROFILE_SLOTS];

static int counts_init(qemu_plugin_id_t id)
{
	(void)id;
	cpus[0].now = now;
	return n_cpus == 1 ? 0 : -1;
}

static void count_instruction(struct qemu_plugin_insn *insn, enum scope scope)
{
	qemu_plugin_register_vcpu_insn_exec_inline(insn, QEMU_PLUGIN_INLINE_ADD_U64, &now[scope].instructions, 1);
}

static void profile_instruction(struct qemu_plugin_insn *insn)
{
	size_t slot = mmlab_profile_slot(qemu_plugin_insn_vaddr(insn));

	qemu_plugin_register_vcpu_insn_exec_inline(insn, QEMU_PLUGIN_INLINE_ADD_U64, &profile[slot], 1);
}

static void add_profile(int64_t sign)
{
	mmlab_profile_add(profile, sign);
}
#else /* from QEMU 9.0 on, what is added to inline lies with the emulator, for each CPU */
static struct qemu_plugin_scoreboard *board, *profile;

/* A further CPU may move what belongs to the others. */
static void on_cpu(qemu_plugin_id_t id, unsigned int vcpu)
{
	(void)id;
	for (unsigned int i = 0; i <= vcpu && i < n_cpus; i++)
		cpus[i].now = qemu_plugin_scoreboard_find(board, i);
}

static int counts_init(qemu_plugin_id_t id)
{
	board = qemu_plugin_scoreboard_new(N_SCOPES * sizeof(struct counts));
	if (profile_fd >= 0)
		profile = qemu_plugin_scoreboard_new(MMLAB_PROFILE_SLOTS * sizeof(uint64_t));
	qemu_plugin_register_vcpu_init_cb(id, on_cpu);
	return board ? 0 : -1;
}

static void count_instruction(struct qemu_plugin_insn *insn, enum scope scope)
{
	qemu_plugin_u64 entry = { board, scope * sizeof(struct counts) + offsetof(struct counts, instructions) };

	qemu_plugin_register_vcpu_insn_exec_inline_per_vcpu(insn, QEMU_PLUGIN_INLINE_ADD_U64, entry, 1);
}

static void profile_instruction(struct qemu_plugin_insn *insn)
{
	size_t slot = mmlab_profile_slot(qemu_plugin_insn_vaddr(insn));
	qemu_plugin_u64 entry = { profile, slot * sizeof(uint64_t) };

	qemu_plugin_register_vcpu_insn_exec_inline_per_vcpu(insn, QEMU_PLUGIN_INLINE_ADD_U64, entry, 1);
}

static void add_profile(int64_t sign)
{
	for (unsigned int cpu = 0; cpu < n_cpus; cpu++)
		if (cpus[cpu].now)
			mmlab_profile_add(qemu_plugin_scoreboard_find(profile, cpu), sign);
}
#endif

/* At most @size bytes of the instruction. Return: its size. */
static size_t code_of(const struct qemu_plugin_insn *insn, uint8_t *code, size_t size)
{
	size_t n = qemu_plugin_insn_size(insn);

	size = n < size ? n : size;
#if QEMU_PLUGIN_VERSION < 3
	memcpy(code, qemu_plugin_insn_data(insn), size);
#else
	(void)qemu_plugin_insn_data(insn, code, size);
#endif
	return n;
}

/* Adds what all CPUs counted to @total, or subtracts it. */
static void add_counts(struct counts *total, bool subtract)
{
	for (unsigned int cpu = 0; cpu < n_cpus; cpu++) {
		const uint64_t *from = (const uint64_t *)cpus[cpu].now;
		uint64_t *to = (uint64_t *)total;

		for (size_t i = 0; from && i < N_SCOPES * N_COUNTS; i++)
			to[i] += subtract ? -from[i] : from[i];
	}
}

/* The machine may be killed at any time: no buffer. */
static void report(void)
{
	char line[512];
	int used = snprintf(line, sizeof(line), "%016" PRIx64 " %s", name, n_inside ? "open" : "ok");

	for (int i = 0; i < N_SCOPES; i++)
		for (size_t j = 0; j < N_COUNTS; j++)
			used += snprintf(line + used, sizeof(line) - (size_t)used, " %" PRIu64,
					 ((const uint64_t *)&sum[i])[j]);
	line[used++] = '\n';
	if (write(log_fd, line, (size_t)used) != used ||
	    (profile_fd >= 0 && !n_inside && mmlab_profile_write(profile_fd, name)))
		qemu_plugin_outs("mmlab: the log of the counters cannot be written\n");
}

/* What is counted begins (-1) or ends (1). */
static void count(int sign)
{
	add_counts(sum, sign < 0);
	if (profile_fd >= 0)
		add_profile(sign);
}

static void on_mark(unsigned int vcpu, void *userdata)
{
	(void)vcpu;
	switch ((enum mmlab_mark)(uintptr_t)userdata) {
	case MMLAB_MARK_OPEN:
		is_open = true;
		name = 0;
		n_inside = 0;
		memset(sum, 0, sizeof(sum));
		for (unsigned int i = 0; i < n_cpus; i++) {
			mmlab_cache_drop(&cpus[i].tlb, UINT64_MAX);
			mmlab_cache_drop(&cpus[i].l1, UINT64_MAX);
		}
		mmlab_cache_drop(&llc, UINT64_MAX);
		mmlab_profile_clear();
		break;
	case MMLAB_MARK_ZERO:
	case MMLAB_MARK_ONE:
		name = name << 1 | ((uintptr_t)userdata == MMLAB_MARK_ONE);
		break;
	case MMLAB_MARK_BEGIN:
		if (is_open && !n_inside++)
			count(-1);
		break;
	case MMLAB_MARK_END:
		if (is_open && n_inside && !--n_inside)
			count(1);
		break;
	case MMLAB_MARK_REPORT:
		if (is_open)
			report();
		is_open = false;
		break;
	case MMLAB_N_MARKS:
		break;
	}
}

/* Caches are looked up by physical line; devices are not cached. */
static void on_access(unsigned int vcpu, qemu_plugin_meminfo_t info, uint64_t address, void *userdata)
{
	struct cpu *cpu = &cpus[vcpu];
	struct counts *counts = &cpu->now[(enum scope)(uintptr_t)userdata];
	struct qemu_plugin_hwaddr *physical;
	uint64_t at;

	if (qemu_plugin_mem_is_store(info))
		counts->stores++;
	else
		counts->loads++;
	if (!is_open)
		return;
	physical = qemu_plugin_get_hwaddr(info, address);
	if (!physical || qemu_plugin_hwaddr_is_io(physical))
		return;
	at = qemu_plugin_hwaddr_phys_addr(physical);
	counts->tlb_misses += !mmlab_cache_access(&cpu->tlb, address >> PAGE_SHIFT, at >> PAGE_SHIFT);
	if (mmlab_cache_access(&cpu->l1, at >> LINE_SHIFT, 0))
		return;
	counts->l1_misses++;
	counts->llc_misses += !mmlab_cache_access(&llc, at >> LINE_SHIFT, 0);
}

enum flush { NO_FLUSH, FLUSH_USER, FLUSH_ALL };

static void on_flush(unsigned int vcpu, void *userdata)
{
	mmlab_cache_drop(&cpus[vcpu].tlb, (enum flush)(uintptr_t)userdata == FLUSH_ALL ? UINT64_MAX : USER_PAGES);
}

/* Return: the mark, or -1. */
static int mark_of(const uint8_t *code, size_t n)
{
	static const uint8_t nop[] = { 0x0f, 0x1f, 0x84, 0x00 };
	uint32_t displacement;

	if (n != 8 || memcmp(code, nop, sizeof(nop)))
		return -1;
	memcpy(&displacement, code + sizeof(nop), sizeof(displacement));
	displacement -= MMLAB_MARK_MAGIC;
	return displacement < MMLAB_N_MARKS ? (int)displacement : -1;
}

/*
 * Which translations an instruction of the kernel forgets. MOV to CR3 keeps global ones, which are the kernel's; MOV to
 * CR4 keeps none. The operand of INVLPG and INVPCID is not to be had: all of the user's half is taken to be meant.
 */
static enum flush flush_of(const uint8_t *code, size_t n)
{
	static const uint8_t invpcid[] = { 0x66, 0x0f, 0x38, 0x82 };

	if (n >= 5 && !memcmp(code, invpcid, sizeof(invpcid)))
		return FLUSH_USER;
	if (n && (code[0] & 0xf0) == 0x40) { /* REX */
		code++;
		n--;
	}
	if (n < 3 || code[0] != 0x0f)
		return NO_FLUSH;
	if (code[1] == 0x01 && (code[2] & 0x38) == 0x38 &&
	    (code[2] & 0xc0) != 0xc0) /* INVLPG; else SWAPGS and others */
		return FLUSH_USER;
	if (code[1] == 0x22 && (code[2] & 0x38) == 0x18)
		return FLUSH_USER;
	return code[1] == 0x22 && (code[2] & 0x38) == 0x20 ? FLUSH_ALL : NO_FLUSH;
}

static void on_translate(qemu_plugin_id_t id, struct qemu_plugin_tb *tb)
{
	(void)id;
	for (size_t i = 0; i < qemu_plugin_tb_n_insns(tb); i++) {
		struct qemu_plugin_insn *insn = qemu_plugin_tb_get_insn(tb, i);
		uint8_t code[16];
		size_t n = code_of(insn, code, sizeof(code));
		enum scope scope = qemu_plugin_insn_vaddr(insn) >> 63 ? KERNEL : USER;
		enum flush flush = scope == KERNEL ? flush_of(code, n) : NO_FLUSH;
		int mark = scope == USER ? mark_of(code, n) : -1;

		if (mark >= 0) { /* is no instruction of the program, and counts as none */
			qemu_plugin_register_vcpu_insn_exec_cb(insn, on_mark, QEMU_PLUGIN_CB_NO_REGS,
							       (void *)(uintptr_t)mark);
			continue;
		}
		count_instruction(insn, scope);
		if (profile_fd >= 0 && scope == KERNEL)
			profile_instruction(insn);
		qemu_plugin_register_vcpu_mem_cb(insn, on_access, QEMU_PLUGIN_CB_NO_REGS, QEMU_PLUGIN_MEM_RW,
						 (void *)(uintptr_t)scope);
		if (flush != NO_FLUSH)
			qemu_plugin_register_vcpu_insn_exec_cb(insn, on_flush, QEMU_PLUGIN_CB_NO_REGS,
							       (void *)(uintptr_t)flush);
	}
}

static int open_log(const char *path)
{
	return open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
}

QEMU_PLUGIN_EXPORT int qemu_plugin_install(qemu_plugin_id_t id, const qemu_info_t *info, int argc, char **argv)
{
	n_cpus = (unsigned int)info->system.max_vcpus;
	if (strcmp(info->target_name, "x86_64") || !info->system_emulation || n_cpus > MAX_CPUS) {
		(void)fputs("mmlab: the counters need an x86-64 machine with 8 CPUs at most\n", stderr);
		return -1;
	}
	for (unsigned int i = 0; i < n_cpus; i++) {
		cpus[i].tlb = (struct mmlab_cache){ TLB_SETS, TLB_WAYS, cpus[i].tlb_entries };
		cpus[i].l1 = (struct mmlab_cache){ L1_SETS, L1_WAYS, cpus[i].l1_entries };
	}
	for (int i = 0; i < argc; i++) {
		if (!strncmp(argv[i], "log=", 4))
			log_fd = open_log(argv[i] + 4);
		else if (!strncmp(argv[i], "profile=", 8) && (profile_fd = open_log(argv[i] + 8)) < 0)
			log_fd = -1;
	}
	if (log_fd < 0) {
		(void)fputs("mmlab: the counters need log=FILE and perhaps profile=FILE, which can be written\n", stderr);
		return -1;
	}
	qemu_plugin_register_vcpu_tb_trans_cb(id, on_translate);
	return counts_init(id);
}
