// SPDX-License-Identifier: MIT
/* What is read from captured machines, the key made of it, and the warnings that follow. */
#include "machine.h"

#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "env.h"
#include "test.h"

/* The value at "cpu.model" and so on, as compact JSON; valid until the next call. */
static const char *at(const json_t *json, const char *path)
{
	static char *text;
	char name[64];

	while (json && *path) {
		size_t length = strcspn(path, ".");

		(void)snprintf(name, sizeof(name), "%.*s", (int)length, path);
		json = json_object_get(json, name);
		path += length + (path[length] == '.');
	}
	free(text);
	text = json ? json_dumps(json, JSON_ENCODE_ANY | JSON_COMPACT) : NULL;
	return text ? text : "(absent)";
}

static void expect(const json_t *machine, const char *path, const char *expected)
{
	const char *value = at(machine, path);

	check(!strcmp(value, expected), "%s is %s (expected %s)", path, value, expected);
}

static json_t *load(const char *name, const char *topology)
{
	const char *folder = getenv("MMLAB_TESTDATA");
	struct mmlab_place *place = NULL;
	char root[512];
	json_t *machine;

	if (topology && mmlab_place_new_synthetic(&place, topology))
		abort();
	(void)snprintf(root, sizeof(root), "%s/machines/%s", folder ? folder : "testdata", name);
	machine = mmlab_machine_json_at(root, place);
	(void)mmlab_place_free(place);
	if (!check(machine != NULL, "read %s", name))
		exit(1);
	return machine;
}

static void test_vm(void)
{
	_cleanup_(mmlab_json_decrefp) json_t *m = load("tcg-vm", "core:2 pu:1");

	expect(m, "execution", "\"tcg\"");
	expect(m, "emulated", "true");
	expect(m, "hypervisor", "\"TCGTCGTCGTCG\"");
	expect(m, "product", "\"Standard PC (i440FX + PIIX, 1996)\"");
	expect(m, "kernel.release", "\"6.1.0-50-cloud-amd64\"");
	expect(m, "kernel.cmdline", "\"console=ttyS0 init_on_alloc=0 tsc=reliable\"");
	expect(m, "kernel.config_source", "null");
	expect(m, "kernel.config_hash", "null");
	expect(m, "kernel.lockdown", "\"none\"");
	expect(m, "kernel.tainted", "12288");
	expect(m, "kernel.mitigations",
	       "[{\"name\":\"meltdown\",\"state\":\"Not affected\"},{\"name\":\"spectre_v1\",\"state\":\"Mitigation: "
	       "usercopy/swapgs barriers and __user pointer sanitization\"}]");
	expect(m, "cpu.model", "\"QEMU TCG CPU version 2.5+\"");
	expect(m, "cpu.vendor", "\"AuthenticAMD\"");
	expect(m, "cpu.family", "15");
	expect(m, "cpu.model_number", "107");
	expect(m, "cpu.stepping", "1");
	expect(m, "cpu.microcode", "\"0x1000065\"");
	expect(m, "cpu.threads", "2");
	expect(m, "cpu.flags",
	       "[\"erms\",\"fsrm\",\"pcid\",\"pku\",\"la57\",\"clflushopt\",\"smap\",\"rdtscp\",\"hypervisor\"]");
	expect(m, "memory.total_bytes", "2062856192");
	expect(m, "memory.installed_bytes", "2147483648");
	expect(m, "memory.huge_page_bytes", "[2097152,1073741824]");
	expect(m, "memory.thp_bytes", "2097152");
	expect(m, "memory.swap_bytes", "0");
	expect(m, "topology.cores", "2");
	expect(m, "settings.thp_enabled", "\"madvise\"");
	expect(m, "settings.thp_defrag", "\"madvise\"");
	expect(m, "settings.thp_shmem", "\"never\"");
	expect(m, "settings.governor", "null");
	expect(m, "settings.turbo", "null");
	expect(m, "settings.init_on_alloc", "false");
	expect(m, "settings.init_on_free", "null");
	expect(m, "settings.isolated_cpus", "\"\"");
	expect(m, "settings.nohz_full", "\"\"");
	expect(m, "settings.affinity", "\"0-1\"");
	expect(m, "volatile.start.load_1m", "0.25");
	expect(m, "volatile.start.total_ticks", "1000");
	expect(m, "volatile.start.pressure_cpu_some_avg10", "null");
	expect(m, "volatile.end", "null");
	mmlab_machine_finish(m);
	check(json_is_object(json_object_get(json_object_get(m, "volatile"), "end")), "the end is filled in");
}

static void test_desktop(void)
{
	_cleanup_(mmlab_json_decrefp) json_t *m = load("noisy-desktop", "core:6 pu:2");

	expect(m, "execution", "\"native\"");
	expect(m, "emulated", "false");
	expect(m, "kernel.config_source", "\"/boot/config-6.12.5-amd64\"");
	expect(m, "kernel.config_hash", "\"ffb4f5e97dc7b9c2\"");
	expect(m, "kernel.lockdown", "\"integrity\"");
	expect(m, "kernel.mitigations", "[]");
	expect(m, "cpu.threads", "12");
	expect(m, "memory.installed_bytes", "34359738368");
	expect(m, "memory.huge_page_bytes", "null");
	expect(m, "settings.turbo", "true");
	expect(m, "settings.init_on_alloc", "true");
	expect(m, "settings.init_on_free", "false");
	expect(m, "settings.cgroup_cpu_max", "\"50000 100000\"");
	expect(m, "settings.cgroup_memory_max", "\"max\"");
	expect(m, "volatile.start.swap_used_bytes", "1073741824");
	expect(m, "volatile.start.runnable", "5");
	expect(m, "volatile.start.steal_ticks", "300");
	expect(m, "volatile.start.pressure_cpu_some_avg10", "12.5");
}

static void test_arm(void)
{
	_cleanup_(mmlab_json_decrefp) json_t *m = load("arm-server", NULL);

	expect(m, "cpu.model", "\"Arm implementer 0x41 part 0xd0c\"");
	expect(m, "cpu.vendor", "\"0x41\"");
	expect(m, "cpu.model_number", "3340");
	expect(m, "cpu.flags", "[\"atomics\",\"asimd\",\"sve\"]");
	expect(m, "memory.installed_bytes", "17179869184");
	expect(m, "topology", "null");
	expect(m, "settings.turbo", "false");
	expect(m, "product", "null");
}

/* A tree without any file: all unknown, nothing absent, no crash. */
static void test_nothing(void)
{
	_cleanup_(mmlab_json_decrefp) json_t *empty = load("no-such-machine", NULL);
	_cleanup_(mmlab_json_decrefp) json_t *full = load("tcg-vm", NULL);
	_cleanup_(mmlab_json_decrefp) json_t *warnings = mmlab_noise_warnings(empty);
	static const char *const parts[] = { "kernel", "cpu", "memory", "settings", "compiler", "volatile" };

	expect(empty, "execution", "\"native\"");
	expect(empty, "cpu.threads", "null");
	expect(empty, "memory.installed_bytes", "null");
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		const char *name;
		json_t *value;

		json_object_foreach(json_object_get(full, parts[i]), name, value)
			check(json_object_get(json_object_get(empty, parts[i]), name) != NULL, "%s.%s is there",
			      parts[i], name);
	}
	check(json_is_array(warnings), "it can be judged");
}

static void write_below(const char *root, const char *name, const char *text)
{
	char path[256];
	FILE *file;

	(void)snprintf(path, sizeof(path), "%s%s", root, name);
	file = fopen(path, "w");
	if (!file || fputs(text, file) == EOF || fclose(file))
		abort();
}

/* Numbers that no machine has: unknown, where they used to overflow or never come to an end. */
static void test_absurd_numbers(void)
{
	char root[] = "/tmp/mmlab-machine-XXXXXX", command[64], folder[128];
	static const char *const folders[] = { "/proc", "/sys/kernel/mm/hugepages/hugepages-9223372036854775807kB",
					       "/sys/firmware/memmap/0" };
	_cleanup_(mmlab_json_decrefp) json_t *m = NULL;

	if (!mkdtemp(root))
		abort();
	for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]); i++) {
		(void)snprintf(folder, sizeof(folder), "mkdir -p %s%s", root, folders[i]);
		check(!system(folder), "%s", folders[i]);
	}
	write_below(root, "/proc/meminfo", "MemTotal: 9223372036854775807 kB\nSwapTotal: -9000000000000000 kB\n"
					   "SwapFree: 9000000000000000 kB\n");
	write_below(root, "/sys/firmware/memmap/0/type", "System RAM\n");
	write_below(root, "/sys/firmware/memmap/0/start", "-1\n");
	write_below(root, "/sys/firmware/memmap/0/end", "0x7fffffffffffffff\n");
	m = mmlab_machine_json_at(root, NULL);
	expect(m, "memory.total_bytes", "null");
	expect(m, "memory.installed_bytes", "null");
	expect(m, "memory.huge_page_bytes", "[]");
	expect(m, "volatile.start.swap_used_bytes", "null");
	write_below(root, "/proc/meminfo", "MemTotal: 9007199254740991 kB\n");
	json_decref(m);
	m = mmlab_machine_json_at(root, NULL);
	expect(m, "memory.installed_bytes", "null");
	(void)snprintf(command, sizeof(command), "rm -r %s", root);
	check(!system(command), "the tree is removed");
}

/* What may differ without it being another machine, and what may not. */
static void test_key(void)
{
	_cleanup_(mmlab_json_decrefp) json_t *m = load("tcg-vm", "core:2 pu:1");
	_cleanup_(mmlab_json_decrefp) json_t *again = load("tcg-vm", "core:2 pu:1");
	_cleanup_(mmlab_json_decrefp) json_t *smaller = load("tcg-vm", "core:1 pu:1");
	_cleanup_(mmlab_json_decrefp) json_t *desktop = load("noisy-desktop", "core:6 pu:2");
	const char *key = json_string_value(json_object_get(m, "key"));
	const char *identity = json_string_value(json_object_get(m, "identity"));

	if (!key || !identity)
		abort();
	check(strlen(key) == 14 && !strncmp(key, "1-", 2) && strspn(key + 2, "0123456789abcdef") == 12, "key %s", key);
	check(!strcmp(key, json_string_value(json_object_get(again, "key"))), "the same machine, the same key");
	check(strcmp(key, json_string_value(json_object_get(smaller, "key"))), "fewer cores, another key");
	check(strcmp(key, json_string_value(json_object_get(desktop, "key"))), "another machine, another key");
	(void)printf("%s\n", identity);
	check(strstr(identity, "QEMU TCG CPU version 2.5+") && strstr(identity, "memory 2048 MiB") &&
		      strstr(identity, "threads 2 cores 2") && strstr(identity, "tcg on TCGTCGTCGTCG") &&
		      strstr(identity, "features erms fsrm"),
	      "identity says what it is made of");
	check(!strstr(identity, "6.1.0") && !strstr(identity, "0x1000065") && !strstr(identity, "2592"),
	      "neither kernel nor microcode nor clock rate are part of it");
}

static void test_execution(void)
{
	static const struct {
		const char *stated, *signature;
		bool hypervisor;
		const char *vendor, *expected;
	} cases[] = {
		{ NULL, NULL, false, "Dell Inc.", "native" },
		{ NULL, NULL, false, NULL, "native" },
		{ NULL, "KVMKVMKVM", true, "QEMU", "kvm" },
		{ NULL, "Microsoft Hv", true, NULL, "kvm" },
		{ NULL, NULL, true, NULL, "kvm" },
		{ NULL, "TCGTCGTCGTCG", true, "QEMU", "tcg" },
		{ "tcg-icount", "TCGTCGTCGTCG", true, "QEMU", "tcg-icount" },
		{ "native", "TCGTCGTCGTCG", true, "QEMU", "tcg" },
		{ "nonsense", "KVMKVMKVM", true, "QEMU", "kvm" },
		{ "kvm", NULL, false, "QEMU", "kvm" },
		{ NULL, NULL, false, "QEMU", "tcg" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const char *execution = mmlab_machine_execution(cases[i].stated, cases[i].signature,
								cases[i].hypervisor, cases[i].vendor);

		check(!strcmp(execution, cases[i].expected), "stated %s, signature %s, vendor %s: %s",
		      cases[i].stated ? cases[i].stated : "-", cases[i].signature ? cases[i].signature : "-",
		      cases[i].vendor ? cases[i].vendor : "-", execution);
	}
}

/* All names of warnings in one line, those of high severity with an exclamation mark. */
static void expect_warnings(const char *tree, const char *topology, const char *expected, const char *verdict)
{
	_cleanup_(mmlab_json_decrefp) json_t *m = load(tree, topology);
	_cleanup_(mmlab_json_decrefp) json_t *warnings = NULL;
	char names[512] = "";
	json_t *warning;
	size_t i;

	(void)json_object_set_new(json_object_get(m, "settings"), "root", json_false());
	warnings = mmlab_noise_warnings(m);
	json_array_foreach(warnings, i, warning) {
		const char *remedy = json_string_value(json_object_get(warning, "remedy"));

		(void)snprintf(names + strlen(names), sizeof(names) - strlen(names), "%s%s%s", i ? " " : "",
			       json_string_value(json_object_get(warning, "name")),
			       strcmp(json_string_value(json_object_get(warning, "severity")), "high") ? "" : "!");
		check(remedy && *remedy && *json_string_value(json_object_get(warning, "text")),
		      "it has a text and a remedy");
	}
	check(!strcmp(names, expected), "%s: %s (expected %s)", tree, names, expected);
	check(!strcmp(mmlab_noise_verdict(warnings, 0), verdict), "%s is %s", tree, mmlab_noise_verdict(warnings, 0));
}

static void test_warnings(void)
{
	_cleanup_(mmlab_json_decrefp) json_t *none = json_array();

	expect_warnings("tcg-vm", "core:2 pu:1", "emulation! cpus load aslr not-root perf-event-paranoid", "noisy");
	expect_warnings(
		"noisy-desktop", "core:6 pu:2",
		"governor! turbo clocksource! smt cpu-quota! isolation load! steal! swap! thp ksm aslr not-root "
		"perf-event-paranoid lockdown",
		"noisy");
	expect_warnings("arm-server", "core:4 pu:1", "not-root", "quiet");
	check(!strcmp(mmlab_noise_verdict(none, 0), "quiet"), "nothing to warn of");
	check(!strcmp(mmlab_noise_verdict(none, 0.01), "moderate"), "one per cent lost");
	check(!strcmp(mmlab_noise_verdict(none, 0.2), "noisy"), "a fifth lost");
}

static void test_this_machine(void)
{
	_cleanup_(mmlab_json_decrefp) json_t *m = mmlab_machine_json(NULL);

	check(json_is_string(json_object_get(m, "key")), "this machine has a key");
	check(json_integer_value(json_object_get(json_object_get(m, "memory"), "total_bytes")) > 1 << 20, "and memory");
	check(json_is_string(json_object_get(json_object_get(m, "kernel"), "release")), "and a kernel");
}

int main(void)
{
	test_vm();
	test_desktop();
	test_arm();
	test_nothing();
	test_absurd_numbers();
	test_key();
	test_execution();
	test_warnings();
	test_this_machine();
	(void)at(NULL, "");
	return test_status();
}
