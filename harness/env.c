// SPDX-License-Identifier: MIT
/*
 * `mmlab env`: the machine, what can be counted on it, and what will make its figures noisy. The warnings are made from
 * the description of the machine alone, so that each can be tested with a captured one.
 */
#include "env.h"

#include <errno.h>
#include <getopt.h>
#include <hwloc.h>
#include <inttypes.h>
#include <numa.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "clock.h"
#include "command.h"
#include "counter.h"
#include "machine.h"
#include "place.h"

#define SPIN_NS UINT64_C(200000000)
#define SPIN_GAP_NS UINT64_C(5000) /* longer than reading the clock takes, shorter than any interrupt */

static const char *text_of(const json_t *object, const char *name)
{
	const char *text = json_string_value(json_object_get(object, name));

	return text ? text : "";
}

/* The number, or -1 where nothing is known. */
static double number_of(const json_t *object, const char *name)
{
	const json_t *value = json_object_get(object, name);

	return json_is_number(value) ? json_number_value(value) : -1;
}

static void warn(json_t *warnings, const char *name, const char *severity, const char *remedy, const char *fmt, ...)
	__attribute__((format(printf, 5, 6)));
static void warn(json_t *warnings, const char *name, const char *severity, const char *remedy, const char *fmt, ...)
{
	char text[256];
	va_list args;

	va_start(args, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	(void)json_array_append_new(warnings, json_pack("{s:s, s:s, s:s, s:s}", "name", name, "severity", severity,
							"text", text, "remedy", remedy));
}

static void warn_execution(json_t *warnings, const json_t *machine)
{
	const char *hypervisor = text_of(machine, "hypervisor");

	if (json_is_true(json_object_get(machine, "emulated")))
		warn(warnings, "emulation", "high", "run on a real machine, or: scripts/vm --accel kvm -- mmlab run",
		     "the CPU is emulated (%s): times show shape and regression, not the speed of hardware; exact counts hold",
		     text_of(machine, "execution"));
	else if (strcmp(text_of(machine, "execution"), "native"))
		warn(warnings, "hypervisor", "low", "more rounds: mmlab run --rounds 20; or a machine of your own",
		     "a virtual machine (%s): its neighbours and its hypervisor show in the times",
		     *hypervisor ? hypervisor : "unknown hypervisor");
}

static void warn_clocks(json_t *warnings, const json_t *settings)
{
	static const char *const good[] = { "tsc", "kvm-clock", "arch_sys_counter", "hyperv_clocksource_tsc_page" };
	const char *governor = text_of(settings, "governor"), *clocksource = text_of(settings, "clocksource");
	bool fast = !*clocksource;

	if (*governor && strcmp(governor, "performance"))
		warn(warnings, "governor", "high", "cpupower frequency-set --governor performance",
		     "the frequency governor is %s: the clock rate changes while measuring", governor);
	if (json_is_true(json_object_get(settings, "turbo")))
		warn(warnings, "turbo", "low",
		     "echo 1 > /sys/devices/system/cpu/intel_pstate/no_turbo || echo 0 > /sys/devices/system/cpu/cpufreq/boost",
		     "turbo is on: the clock rate depends on temperature and on what other cores do");
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		fast |= !strcmp(clocksource, good[i]);
	if (!fast)
		warn(warnings, "clocksource", "high", "boot with tsc=reliable if the TSC is sound",
		     "the clock source is %s: reading the time is slow and coarse", clocksource);
}

static void warn_cpus(json_t *warnings, const json_t *machine, const json_t *settings)
{
	const json_t *topology = json_object_get(machine, "topology");
	int usable = (int)number_of(topology, "usable_threads"), threads = (int)number_of(topology, "threads");
	int cores = (int)number_of(topology, "cores");
	const char *quota = text_of(settings, "cgroup_cpu_max");

	if (threads > cores && cores > 0)
		warn(warnings, "smt", "low", "echo off > /sys/devices/system/cpu/smt/control",
		     "%d hardware threads share %d cores: what runs beside a measurement slows it down", threads,
		     cores);
	if (usable == 1)
		warn(warnings, "cpus", "high", "give the process, or the VM, more CPUs (scripts/vm --cpus 4)",
		     "one CPU only: both ends of every transfer take turns on it");
	else if (usable > 1 && usable < 4)
		warn(warnings, "cpus", "low", "give the process, or the VM, more CPUs (scripts/vm --cpus 4)",
		     "%d CPUs only: tasks, their peers and the rest of the system share them", usable);
	if (usable > 0 && usable < threads)
		warn(warnings, "affinity", "note", "taskset -pc 0-$(($(nproc --all) - 1)) $$",
		     "this process may use %d of %d CPUs", usable, threads);
	if (*quota && strncmp(quota, "max", 3))
		warn(warnings, "cpu-quota", "high", "echo max > /sys/fs/cgroup$(cut -d: -f3 /proc/self/cgroup)/cpu.max",
		     "the control group may use %s microseconds of CPU in each period, then it is stopped", quota);
	if (usable >= 4 && !*text_of(settings, "isolated_cpus"))
		warn(warnings, "isolation", "note",
		     "boot with isolcpus=2-N nohz_full=2-N rcu_nocbs=2-N and run under: taskset -c 2-N mmlab run",
		     "no CPU is isolated: the scheduler puts other tasks on the measured ones");
}

static void warn_memory(json_t *warnings, const json_t *machine, const json_t *settings, const json_t *now)
{
	double swap_used = number_of(now, "swap_used_bytes");

	if (swap_used > 0)
		warn(warnings, "swap", "high", "swapoff -a",
		     "%.0f MiB of swap are in use: pages may have to be read back", swap_used / 1048576);
	else if (number_of(json_object_get(machine, "memory"), "swap_bytes") > 0)
		warn(warnings, "swap", "low", "swapoff -a", "swap is on: memory under pressure would go there");
	if (!strcmp(text_of(settings, "thp_enabled"), "always"))
		warn(warnings, "thp", "note", "echo madvise > /sys/kernel/mm/transparent_hugepage/enabled",
		     "transparent huge pages are on for all memory: khugepaged works in the background (scenarios with an "
		     "axis for it set it themselves)");
	if (number_of(settings, "ksm") == 1)
		warn(warnings, "ksm", "low", "echo 0 > /sys/kernel/mm/ksm/run",
		     "KSM merges pages in the background and write-protects what it merges");
	if (number_of(settings, "numa_balancing") > 0 &&
	    json_array_size(json_object_get(json_object_get(machine, "topology"), "nodes")) > 1)
		warn(warnings, "numa-balancing", "low", "sysctl kernel.numa_balancing=0",
		     "NUMA balancing takes page-table entries away to see who faults: more faults than the operation's own");
	if (number_of(settings, "aslr") > 0)
		warn(warnings, "aslr", "note", "setarch --addr-no-randomize mmlab run",
		     "addresses are randomised: each process has another layout, which many rounds average out");
}

static void warn_neighbours(json_t *warnings, const json_t *now)
{
	double load = number_of(now, "load_1m"), runnable = number_of(now, "runnable");
	double total = number_of(now, "total_ticks"), steal = number_of(now, "steal_ticks");

	if (load >= 0.5)
		warn(warnings, "load", "high", "wait, or stop them: ps -eo pcpu,pid,args --sort=-pcpu | head",
		     "other tasks ran in the last minute: load average %.2f", load);
	else if (runnable > 2) /* this one, and one that may be the kernel's own for a moment */
		warn(warnings, "load", "low", "wait, or stop them: ps -eo pcpu,pid,args --sort=-pcpu | head",
		     "%d other tasks are runnable at this moment", (int)runnable - 1);
	if (total > 0 && steal > 0.01 * total)
		warn(warnings, "steal", "high", "move the virtual machine to a host with free CPUs",
		     "the hypervisor gave %.1f %% of the time since boot to others", 100 * steal / total);
}

static void warn_permissions(json_t *warnings, const json_t *machine, const json_t *settings)
{
	const char *lockdown = text_of(json_object_get(machine, "kernel"), "lockdown");

	if (json_is_false(json_object_get(settings, "root"))) {
		warn(warnings, "not-root", "low", "sudo mmlab run",
		     "not root: kernel settings can't be set, page frames are hidden, the module can't be opened");
		if (number_of(settings, "perf_event_paranoid") > 1)
			warn(warnings, "perf-event-paranoid", "low", "sysctl kernel.perf_event_paranoid=1",
			     "kernel.perf_event_paranoid is %d: no event can be counted in the kernel, where this suite's work is",
			     (int)number_of(settings, "perf_event_paranoid"));
	}
	if (*lockdown && strcmp(lockdown, "none"))
		warn(warnings, "lockdown", "note", "switch secure boot off, or sign the module",
		     "the kernel is locked down (%s): an unsigned module will not load", lockdown);
}

json_t *mmlab_noise_warnings(const json_t *machine)
{
	const json_t *settings = json_object_get(machine, "settings");
	const json_t *now = json_object_get(json_object_get(machine, "volatile"), "start");
	json_t *warnings = json_array();

	warn_execution(warnings, machine);
	warn_clocks(warnings, settings);
	warn_cpus(warnings, machine, settings);
	warn_neighbours(warnings, now);
	warn_memory(warnings, machine, settings, now);
	warn_permissions(warnings, machine, settings);
	return warnings;
}

const char *mmlab_noise_verdict(const json_t *warnings, double lost_share)
{
	const json_t *warning;
	int points = 0;
	size_t i;

	json_array_foreach(warnings, i, warning) {
		points += 2 * !strcmp(text_of(warning, "severity"), "high");
		points += !strcmp(text_of(warning, "severity"), "low");
	}
	if (points >= 6 || lost_share >= 0.05)
		return "noisy";
	return points >= 2 || lost_share >= 0.005 ? "moderate" : "quiet";
}

/* What a loop loses to others on the CPU that a first task would get: time that passes between two looks at it. */
struct spin {
	int cpu;
	uint64_t wall_ns, lost_ns, longest_ns;
	unsigned int gaps;
};

static struct spin spin(const struct mmlab_place *place)
{
	struct spin s = { .cpu = -1 };
	uint64_t start, last;

	mmlab_place_choose(place, MMLAB_PIN_SPREAD, 1, &s.cpu);
	if (mmlab_pin_self(s.cpu))
		s.cpu = -1;
	start = last = mmlab_now_ns();
	do {
		uint64_t now = mmlab_now_ns(), gap = now - last;

		if (gap >= SPIN_GAP_NS) {
			s.gaps++;
			s.lost_ns += gap;
			s.longest_ns = gap > s.longest_ns ? gap : s.longest_ns;
		}
		last = now;
	} while (last - start < SPIN_NS);
	s.wall_ns = last - start;
	return s;
}

/* Whether each default event counts here: the counters are opened and run over next to nothing. */
static json_t *counters_json(void)
{
	const struct mmlab_counter *values;
	struct mmlab_counters *counters;
	json_t *events = json_array();
	int n, r = mmlab_counters_open(&counters, mmlab_counters_default());

	if (r)
		return json_pack("{s:s, s:o, s:s}", "library", mmlab_counter_library(), "events", events, "error",
				 strerror(-r));
	mmlab_counters_enable(counters);
	mmlab_counters_disable(counters);
	n = mmlab_counters_read(counters, &values);
	for (int i = 0; i < n; i++)
		(void)json_array_append_new(events, json_pack("{s:s, s:s, s:s, s:s}", "event", values[i].event, "scope",
							      values[i].scope, "state",
							      mmlab_counter_state_name(values[i].state), "reason",
							      values[i].reason));
	(void)mmlab_counters_close(counters);
	return json_pack("{s:s, s:o, s:n}", "library", mmlab_counter_library(), "events", events, "error");
}

static json_t *libraries_json(void)
{
	return json_pack("{s:s, s:s, s:s, s:s}", "hwloc", HWLOC_VERSION, "jansson", jansson_version_str(), "numa",
			 numa_available() < 0 ? "no NUMA policy in this kernel" : "available", "counters",
			 mmlab_counter_library());
}

static int env_json(json_t **ret)
{
	struct mmlab_place *place;
	int r = mmlab_place_new(&place);
	json_t *machine, *warnings;
	struct spin s;
	double lost;

	if (r)
		return r;
	machine = mmlab_machine_json(place);
	s = spin(place);
	(void)mmlab_place_free(place);
	if (!machine)
		return -ENOMEM;
	warnings = mmlab_noise_warnings(machine);
	lost = (double)s.lost_ns / (double)s.wall_ns;
	*ret = json_pack("{s:o, s:o, s:o, s:{s:s, s:{s:i, s:I, s:I, s:I, s:i, s:f}, s:o}}", "machine", machine,
			 "counters", counters_json(), "libraries", libraries_json(), "noise", "verdict",
			 mmlab_noise_verdict(warnings, lost), "spin", "cpu", s.cpu, "wall_ns", (json_int_t)s.wall_ns,
			 "lost_ns", (json_int_t)s.lost_ns, "longest_ns", (json_int_t)s.longest_ns, "gaps", (int)s.gaps,
			 "lost_share", lost, "warnings", warnings);
	return *ret ? 0 : -ENOMEM;
}

/* Strings without quotes, null as "unknown", everything else as JSON. */
static void print_value(const json_t *value)
{
	if (json_is_string(value)) {
		(void)printf("%s", *json_string_value(value) ? json_string_value(value) : "(none)");
	} else if (!value || json_is_null(value)) {
		(void)printf("unknown");
	} else {
		(void)json_dumpf(value, stdout, JSON_ENCODE_ANY | JSON_COMPACT | JSON_REAL_PRECISION(6));
	}
}

static void print_object(const char *title, const json_t *object)
{
	const char *name;
	json_t *value;

	(void)printf("\n%s\n", title);
	json_object_foreach((json_t *)(uintptr_t)object, name, value) {
		(void)printf("  %-24s ", name);
		print_value(value);
		(void)printf("\n");
	}
}

static void print_kernel(const json_t *kernel)
{
	static const char *const names[] = { "release",	    "version",	"cmdline", "config_source",
					     "config_hash", "lockdown", "tainted" };
	const json_t *mitigation;
	size_t i;

	(void)printf("\nkernel\n");
	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		(void)printf("  %-24s ", names[i]);
		print_value(json_object_get(kernel, names[i]));
		(void)printf("\n");
	}
	json_array_foreach(json_object_get(kernel, "mitigations"), i, mitigation)
		if (strcmp(text_of(mitigation, "state"), "Not affected"))
			(void)printf("  %-24s %s\n", text_of(mitigation, "name"), text_of(mitigation, "state"));
}

static void print_topology(const json_t *topology)
{
	const json_t *item;
	size_t i;

	(void)printf("\ntopology\n  %d packages, %d cores, %d threads; usable CPUs %s\n",
		     (int)number_of(topology, "packages"), (int)number_of(topology, "cores"),
		     (int)number_of(topology, "threads"), text_of(topology, "usable_cpus"));
	json_array_foreach(json_object_get(topology, "nodes"), i, item)
		(void)printf("  node %d: CPUs %s, %.0f MiB\n", (int)number_of(item, "node"), text_of(item, "cpus"),
			     number_of(item, "bytes") / 1048576);
	json_array_foreach(json_object_get(topology, "caches"), i, item)
		(void)printf("  L%d %s: %d of %.0f KiB, shared by %d\n", (int)number_of(item, "level"),
			     text_of(item, "type"), (int)number_of(item, "count"), number_of(item, "bytes") / 1024,
			     (int)number_of(item, "shared_by"));
}

static void print_counters(const json_t *counters)
{
	const json_t *event;
	size_t i;

	(void)printf("\ncounters (%s)\n", text_of(counters, "library"));
	if (*text_of(counters, "error"))
		(void)printf("  %s\n", text_of(counters, "error"));
	json_array_foreach(json_object_get(counters, "events"), i, event)
		(void)printf("  %-28s %-2s  %-13s %s\n", text_of(event, "event"), text_of(event, "scope"),
			     text_of(event, "state"), text_of(event, "reason"));
}

static void print_noise(const json_t *noise)
{
	const json_t *measured = json_object_get(noise, "spin"), *warning;
	size_t i;

	(void)printf("\nnoise: %s (a loop of %.0f ms on CPU %d lost %.2f %% in %d gaps, the longest %.0f us)\n",
		     text_of(noise, "verdict"), number_of(measured, "wall_ns") / 1e6, (int)number_of(measured, "cpu"),
		     100 * number_of(measured, "lost_share"), (int)number_of(measured, "gaps"),
		     number_of(measured, "longest_ns") / 1e3);
	json_array_foreach(json_object_get(noise, "warnings"), i, warning)
		(void)printf("  %-5s %s: %s\n        remedy: %s\n", text_of(warning, "severity"),
			     text_of(warning, "name"), text_of(warning, "text"), text_of(warning, "remedy"));
}

static void print_env(const json_t *env)
{
	const json_t *machine = json_object_get(env, "machine");

	(void)printf("machine %s, execution %s%s\n  %s\n", text_of(machine, "key"), text_of(machine, "execution"),
		     json_is_true(json_object_get(machine, "emulated")) ? " (emulated: times are not those of hardware)"
									: "",
		     text_of(machine, "identity"));
	print_kernel(json_object_get(machine, "kernel"));
	print_object("cpu", json_object_get(machine, "cpu"));
	print_object("memory", json_object_get(machine, "memory"));
	print_topology(json_object_get(machine, "topology"));
	print_object("settings", json_object_get(machine, "settings"));
	print_object("built with", json_object_get(machine, "compiler"));
	print_object("libraries", json_object_get(env, "libraries"));
	print_counters(json_object_get(env, "counters"));
	print_noise(json_object_get(env, "noise"));
}

int mmlab_env(int argc, char **argv)
{
	static const struct option long_options[] = {
		{ "json", no_argument, NULL, 'j' },
		{ "help", no_argument, NULL, 'h' },
		{ 0 },
	};
	_cleanup_(mmlab_json_decrefp) json_t *env = NULL;
	bool json = false;
	int option, r;

	while ((option = getopt_long(argc, argv, "h", long_options, NULL)) != -1) {
		switch (option) {
		case 'j':
			json = true;
			break;
		case 'h':
			(void)puts(
				"usage: mmlab env [--json]\n"
				"Describe the machine and its kernel, say what can be counted here, and warn about noise\n"
				"with a remedy for each warning. Takes a fifth of a second to look for interruptions.\n\n"
				"  --json  one JSON object instead of text");
			return 0;
		default:
			(void)fprintf(stderr, "see mmlab env --help\n");
			return MMLAB_EXIT_ERROR;
		}
	}
	if (optind < argc) {
		(void)fprintf(stderr, "mmlab env: unexpected argument '%s'; see mmlab env --help\n", argv[optind]);
		return MMLAB_EXIT_ERROR;
	}
	r = env_json(&env);
	if (r) {
		(void)fprintf(stderr, "mmlab env: cannot describe this machine: %s\n", strerror(-r));
		return MMLAB_EXIT_ERROR;
	}
	if (!json) {
		print_env(env);
	} else if (json_dumpf(env, stdout, JSON_INDENT(2)) || putchar('\n') == EOF) {
		(void)fprintf(stderr, "mmlab env: cannot write\n");
		return MMLAB_EXIT_ERROR;
	}
	return 0;
}
