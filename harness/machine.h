/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The machine as the result file describes it. Every field is always there; what can't be found out is null
 * (an empty list, where a list stands).
 *
 * machine.key names the machine for comparisons: "1-" (the version of this rule) and a hash of machine.identity, which
 * holds only what changes when the machine itself does: architecture, CPU model, counts of CPUs, cores and nodes,
 * installed memory, way of execution, hypervisor, and the CPU features that decide how fast copies are. The kernel and
 * its settings are left out, since comparing two kernels or two settings on one machine is what the key must allow;
 * they are recorded beside it. So are microcode, clock rates and load.
 */
#include <jansson.h>
#include <stdbool.h>

#include "place.h"

/**
 * mmlab_machine_json() - describe this machine
 * @place: its topology; NULL is accepted
 *
 *   key, identity, execution ("native", "kvm", "tcg", "tcg-icount"), emulated, hypervisor (its CPUID signature),
 *   product, architecture
 *   kernel    release, version, cmdline, config_source, config_hash (64 bits of FNV-1a over that file), lockdown,
 *             tainted, mitigations: [{name, state}]
 *   cpu       model, vendor, family, model_number, stepping, microcode, threads, flags (those that matter here)
 *   memory    total_bytes, installed_bytes, page_bytes, huge_page_bytes: [], thp_bytes, swap_bytes
 *   topology  see mmlab_place_json()
 *   settings  thp_enabled, thp_defrag, thp_shmem, governor, turbo, smt, cpuidle_driver, aslr, overcommit_memory,
 *             swappiness, perf_event_paranoid, numa_balancing, ksm, init_on_alloc, init_on_free, clocksource,
 *             isolated_cpus, nohz_full, affinity, cgroup_cpu_max, cgroup_memory_max, memlock_bytes and nofile
 *             (-1: unlimited), root
 *   compiler  id, version, flags, optimized
 *   volatile  start and end: {load_1m, runnable, uptime_s, total_ticks, steal_ticks, pressure_cpu_some_avg10,
 *             available_bytes, swap_used_bytes}; end is null until mmlab_machine_finish()
 *
 * Return: new reference, or NULL without memory.
 */
json_t *mmlab_machine_json(const struct mmlab_place *place);

/** mmlab_machine_finish() - fill in volatile.end, when the run is over. */
void mmlab_machine_finish(json_t *machine);

/**
 * mmlab_machine_json_at() - the same for a captured tree
 * @root: folder with proc/ and sys/ as on the machine, and cpuid/hypervisor with the signature, if any; "" for this
 *        machine
 */
json_t *mmlab_machine_json_at(const char *root, const struct mmlab_place *place);

/**
 * mmlab_machine_execution() - what executes the instructions
 * @stated:     what the one who started this machine says (MMLAB_EXECUTION), or NULL
 * @signature:  hypervisor's CPUID signature, or NULL
 * @hypervisor: the CPU says that there is a hypervisor
 * @vendor:     system vendor by DMI, or NULL
 *
 * Any hypervisor that lets the CPU execute counts as "kvm", whoever made it. A statement never hides an emulator
 * that shows itself. Return: "native", "kvm", "tcg" or "tcg-icount".
 */
const char *mmlab_machine_execution(const char *stated, const char *signature, bool hypervisor, const char *vendor);
