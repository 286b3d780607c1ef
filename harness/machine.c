// SPDX-License-Identifier: MIT
/*
 * Everything is read from files below a root, so that the parsing is tested on captured trees. A file that is missing,
 * unreadable or unexpected becomes a null, never an error: machines differ.
 */
#include "machine.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/utsname.h>
#include <unistd.h>
#if defined(__x86_64__) || defined(__i386__)
#include <cpuid.h>
#endif

#include "cleanup.h"
#include "map.h"

#define PATH_BYTES 512
#define MAX_MEMORY_BYTES (INT64_C(1) << 56)
#define FNV_OFFSET UINT64_C(0xcbf29ce484222325)
#define FNV_PRIME  UINT64_C(0x100000001b3)

/* Those that change what copying, flushing, mapping or reading a clock costs. */
static const char *const flags_that_matter[] = {
	"erms",	   "fsrm",    "fzrm",	      "fsrs",	     "pcid",	       "invpcid", "pku",
	"ospke",   "la57",    "pdpe1gb",      "invlpgb",     "clflushopt",     "clwb",	  "smap",
	"avx2",	   "avx512f", "constant_tsc", "nonstop_tsc", "tsc_known_freq", "rdtscp",  "hypervisor",
	"atomics", "asimd",   "sve",	      "mops",
};

/* Return: the file's content, to be freed, or NULL. *ret_size may be NULL. */
static char *read_file(const char *root, const char *path, size_t *ret_size)
{
	_cleanup_(mmlab_closep) int fd = -1;
	_cleanup_(mmlab_freep) char *text = NULL;
	size_t used = 0, size = 0;
	char full[PATH_BYTES];

	(void)snprintf(full, sizeof(full), "%s%s", root, path);
	fd = open(full, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return NULL;
	for (;;) {
		ssize_t n;

		if (size - used < 4096) {
			char *larger = realloc(text, size ? 2 * size : 8192);

			if (!larger)
				return NULL;
			text = larger;
			size = size ? 2 * size : 8192;
		}
		n = read(fd, text + used, size - used - 1);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return NULL;
		if (!n)
			break;
		used += (size_t)n;
	}
	text[used] = '\0';
	if (ret_size)
		*ret_size = used;
	return mmlab_steal(&text);
}

static char *read_line(const char *root, const char *path)
{
	char *text = read_file(root, path, NULL);

	if (text)
		text[strcspn(text, "\n")] = '\0';
	return text;
}

static json_t *string_or_null(const char *text)
{
	json_t *string = text ? json_string(text) : NULL; /* NULL also for what isn't UTF-8 */

	return string ? string : json_null();
}

static json_t *line_json(const char *root, const char *path)
{
	_cleanup_(mmlab_freep) char *line = read_line(root, path);

	return string_or_null(line);
}

static json_t *number_json(const char *root, const char *path)
{
	_cleanup_(mmlab_freep) char *line = read_line(root, path);
	long long value;
	char *end;

	if (!line)
		return json_null();
	errno = 0;
	value = strtoll(line, &end, 0);
	return end == line || errno ? json_null() : json_integer(value);
}

/* "always [madvise] never": the word in brackets. */
static json_t *choice_json(const char *root, const char *path)
{
	_cleanup_(mmlab_freep) char *line = read_line(root, path);
	char *start = line ? strchr(line, '[') : NULL;

	if (!start)
		return string_or_null(line);
	start[strcspn(start, "]")] = '\0';
	return string_or_null(start + 1);
}

/*
 * "name<blanks>: value" in text such as cpuinfo, meminfo and status, the first one that occurs.
 * Return: copy to be freed, or NULL.
 */
static char *field(const char *text, const char *name)
{
	size_t length = strlen(name);

	for (; text && *text; text += strcspn(text, "\n"), text += *text == '\n') {
		const char *rest = text + length;

		if (strncmp(text, name, length))
			continue;
		rest += strspn(rest, " \t");
		if (*rest != ':')
			continue;
		rest++;
		rest += strspn(rest, " \t");
		return strndup(rest, strcspn(rest, "\n"));
	}
	return NULL;
}

static json_t *field_json(const char *text, const char *name)
{
	_cleanup_(mmlab_freep) char *value = field(text, name);

	return string_or_null(value);
}

static json_t *field_number_json(const char *text, const char *name)
{
	_cleanup_(mmlab_freep) char *value = field(text, name);
	long long number;
	char *end;

	if (!value)
		return json_null();
	errno = 0;
	number = strtoll(value, &end, 0);
	if (end == value || errno || (!strcmp(end, " kB") && __builtin_mul_overflow(number, 1024LL, &number)))
		return json_null();
	return json_integer(number);
}

static json_int_t integer_at(const json_t *object, const char *name)
{
	return json_integer_value(json_object_get(object, name));
}

static const char *string_at(const json_t *object, const char *name)
{
	return json_string_value(json_object_get(object, name));
}

static bool has_word(const char *text, const char *word)
{
	size_t length = strlen(word);

	for (const char *at = text; at && (at = strstr(at, word)); at += length)
		if ((at == text || at[-1] == ' ') && (at[length] == ' ' || !at[length]))
			return true;
	return false;
}

static uint64_t fnv1a(const void *data, size_t size)
{
	const unsigned char *bytes = data;
	uint64_t hash = FNV_OFFSET;

	for (size_t i = 0; i < size; i++)
		hash = (hash ^ bytes[i]) * FNV_PRIME;
	return hash;
}

/* The names in a folder, sorted; NULL if there is no such folder. */
static json_t *names_json(const char *root, const char *path)
{
	_cleanup_(mmlab_freep) struct dirent **entries = NULL;
	char full[PATH_BYTES];
	json_t *names;
	int n;

	(void)snprintf(full, sizeof(full), "%s%s", root, path);
	n = scandir(full, &entries, NULL, alphasort);
	if (n < 0)
		return NULL;
	names = json_array();
	for (int i = 0; i < n; i++) {
		if (entries[i]->d_name[0] != '.')
			(void)json_array_append_new(names, json_string(entries[i]->d_name));
		free(entries[i]);
	}
	return names;
}

static json_t *mitigations_json(const char *root)
{
	static const char folder[] = "/sys/devices/system/cpu/vulnerabilities";
	_cleanup_(mmlab_json_decrefp) json_t *names = names_json(root, folder);
	json_t *list = json_array(), *name;
	size_t i;

	json_array_foreach(names, i, name) {
		char path[PATH_BYTES];

		(void)snprintf(path, sizeof(path), "%s/%s", folder, json_string_value(name));
		(void)json_array_append_new(list,
					    json_pack("{s:O, s:o}", "name", name, "state", line_json(root, path)));
	}
	return list;
}

/* The kernel's configuration, from the first place that has it. Return: content to be freed, or NULL. */
static char *read_config(const char *root, const char *release, char *ret_path, size_t path_size, size_t *ret_size)
{
	static const char *const patterns[] = { "/boot/config-%s", "/lib/modules/%s/config",
						"/lib/modules/%s/build/.config" };
	char *text = NULL;

	for (size_t i = 0; release && !text && i < sizeof(patterns) / sizeof(patterns[0]); i++) {
		const char *hole = strstr(patterns[i], "%s");

		(void)snprintf(ret_path, path_size, "%.*s%s%s", (int)(hole - patterns[i]), patterns[i], release,
			       hole + 2);
		text = read_file(root, ret_path, ret_size);
	}
	if (!text) {
		(void)snprintf(ret_path, path_size, "/proc/config.gz");
		text = read_file(root, ret_path, ret_size);
	}
	return text;
}

static json_t *kernel_json(const char *root, char **ret_config)
{
	_cleanup_(mmlab_freep) char *release = read_line(root, "/proc/sys/kernel/osrelease");
	char path[PATH_BYTES], hash[17] = "";
	size_t size = 0;
	char *config = read_config(root, release, path, sizeof(path), &size);

	if (config)
		(void)snprintf(hash, sizeof(hash), "%016" PRIx64, fnv1a(config, size));
	*ret_config = config;
	return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "release", string_or_null(release), "version",
			 line_json(root, "/proc/sys/kernel/version"), "cmdline", line_json(root, "/proc/cmdline"),
			 "config_source", string_or_null(config ? path : NULL), "config_hash",
			 string_or_null(config ? hash : NULL), "lockdown",
			 choice_json(root, "/sys/kernel/security/lockdown"), "tainted",
			 number_json(root, "/proc/sys/kernel/tainted"), "mitigations", mitigations_json(root));
}

static json_t *flags_json(const char *flags)
{
	json_t *list = json_array();

	for (size_t i = 0; flags && i < sizeof(flags_that_matter) / sizeof(flags_that_matter[0]); i++)
		if (has_word(flags, flags_that_matter[i]))
			(void)json_array_append_new(list, json_string(flags_that_matter[i]));
	return list;
}

static int count_processors(const char *cpuinfo)
{
	int n = 0;

	for (const char *at = cpuinfo; at && (at = strstr(at, "processor")); at += strlen("processor"))
		n += (at == cpuinfo || at[-1] == '\n') && strspn(at + strlen("processor"), " \t:") > 0;
	return n;
}

static json_t *cpu_json(const char *cpuinfo)
{
	_cleanup_(mmlab_freep) char *model = field(cpuinfo, "model name");
	_cleanup_(mmlab_freep) char *vendor = field(cpuinfo, "vendor_id");
	_cleanup_(mmlab_freep) char *flags = field(cpuinfo, "flags");
	_cleanup_(mmlab_freep) char *family = field(cpuinfo, "cpu family");
	bool arm = !family;
	int n = count_processors(cpuinfo);

	if (!vendor)
		vendor = field(cpuinfo, "CPU implementer");
	if (!flags)
		flags = field(cpuinfo, "Features");
	if (!model && vendor) {
		_cleanup_(mmlab_freep) char *part = field(cpuinfo, "CPU part");

		if (part && asprintf(&model, "Arm implementer %s part %s", vendor, part) < 0)
			model = NULL;
	}
	return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "model", string_or_null(model), "vendor",
			 string_or_null(vendor), "family",
			 field_number_json(cpuinfo, arm ? "CPU architecture" : "cpu family"), "model_number",
			 field_number_json(cpuinfo, arm ? "CPU part" : "model"), "stepping",
			 field_number_json(cpuinfo, arm ? "CPU revision" : "stepping"), "microcode",
			 field_json(cpuinfo, "microcode"), "threads", n ? json_integer(n) : json_null(), "flags",
			 flags_json(flags));
}

/* Memory that the firmware hands over as usable, which unlike MemTotal doesn't depend on the kernel. */
static json_int_t firmware_memory_bytes(const char *root)
{
	_cleanup_(mmlab_json_decrefp) json_t *names = names_json(root, "/sys/firmware/memmap");
	json_int_t sum = 0, bytes;
	json_t *name;
	size_t i;

	json_array_foreach(names, i, name) {
		_cleanup_(mmlab_freep) char *type = NULL;
		_cleanup_(mmlab_json_decrefp) json_t *start = NULL, *end = NULL;
		char path[PATH_BYTES];

		(void)snprintf(path, sizeof(path), "/sys/firmware/memmap/%s/type", json_string_value(name));
		type = read_line(root, path);
		if (!type || strcmp(type, "System RAM"))
			continue;
		(void)snprintf(path, sizeof(path), "/sys/firmware/memmap/%s/start", json_string_value(name));
		start = number_json(root, path);
		(void)snprintf(path, sizeof(path), "/sys/firmware/memmap/%s/end", json_string_value(name));
		end = number_json(root, path);
		if (__builtin_sub_overflow(json_integer_value(end), json_integer_value(start), &bytes) ||
		    __builtin_add_overflow(sum, bytes, &sum) || __builtin_add_overflow(sum, 1, &sum))
			return 0;
	}
	return sum;
}

/*
 * Up to the next eighth of a power of two, so that what firmware and kernel keep for themselves doesn't show. 0 for more
 * than any machine has.
 */
static json_int_t round_memory(json_int_t bytes)
{
	json_int_t step = 1;

	if (bytes > MAX_MEMORY_BYTES)
		return 0;
	while (step * 16 <= bytes)
		step *= 2;
	return (bytes + step - 1) / step * step;
}

static int compare_integers(const void *left, const void *right)
{
	const json_int_t *a = left, *b = right;

	return (*a > *b) - (*a < *b);
}

static json_t *huge_pages_json(const char *root)
{
	_cleanup_(mmlab_json_decrefp) json_t *names = names_json(root, "/sys/kernel/mm/hugepages");
	json_int_t sizes[16];
	size_t i, n = 0;
	json_t *name, *list;

	if (!names)
		return json_null();
	json_array_foreach(names, i, name) {
		json_int_t kb;

		if (n < sizeof(sizes) / sizeof(sizes[0]) &&
		    sscanf(json_string_value(name), "hugepages-%" JSON_INTEGER_FORMAT "kB", &kb) == 1 && kb > 0 &&
		    kb < MAX_MEMORY_BYTES / 1024)
			sizes[n++] = kb * 1024;
	}
	qsort(sizes, n, sizeof(sizes[0]), compare_integers);
	list = json_array();
	for (i = 0; i < n; i++)
		(void)json_array_append_new(list, json_integer(sizes[i]));
	return list;
}

static json_t *memory_json(const char *root, const char *meminfo)
{
	json_t *total = field_number_json(meminfo, "MemTotal");
	json_int_t installed = firmware_memory_bytes(root);

	/* What a firmware that keeps no list would have handed over can only be guessed from what the kernel has. */
	if (installed < json_integer_value(total))
		installed = json_integer_value(total);
	installed = installed > 0 ? round_memory(installed) : 0;
	return json_pack("{s:o, s:o, s:I, s:o, s:o, s:o}", "total_bytes", total, "installed_bytes",
			 installed ? json_integer(installed) : json_null(), "page_bytes",
			 (json_int_t)mmlab_page_bytes(), "huge_page_bytes", huge_pages_json(root), "thp_bytes",
			 number_json(root, "/sys/kernel/mm/transparent_hugepage/hpage_pmd_size"), "swap_bytes",
			 field_number_json(meminfo, "SwapTotal"));
}

static json_t *turbo_json(const char *root)
{
	_cleanup_(mmlab_json_decrefp) json_t *off = number_json(root, "/sys/devices/system/cpu/intel_pstate/no_turbo");
	_cleanup_(mmlab_json_decrefp) json_t *boost = number_json(root, "/sys/devices/system/cpu/cpufreq/boost");

	if (json_is_integer(off))
		return json_boolean(!json_integer_value(off));
	return json_is_integer(boost) ? json_boolean(json_integer_value(boost)) : json_null();
}

/* A setting that the command line decides or else the configuration (which may be compressed, then nobody knows). */
static json_t *init_json(const char *root, const char *config, const char *parameter, const char *option)
{
	_cleanup_(mmlab_freep) char *cmdline = read_line(root, "/proc/cmdline");
	char text[64];

	(void)snprintf(text, sizeof(text), "%s=1", parameter);
	if (cmdline && has_word(cmdline, text))
		return json_true();
	(void)snprintf(text, sizeof(text), "%s=0", parameter);
	if (cmdline && has_word(cmdline, text))
		return json_false();
	if (!config || !strstr(config, "CONFIG_MMU=y"))
		return json_null();
	(void)snprintf(text, sizeof(text), "\n%s=y\n", option);
	return json_boolean(strstr(config, text));
}

/* A limit of the innermost group that this process is in (unified hierarchy). */
static json_t *cgroup_json(const char *root, const char *file)
{
	_cleanup_(mmlab_freep) char *groups = read_file(root, "/proc/self/cgroup", NULL);
	char *group = groups ? strstr(groups, "0::") : NULL;
	char path[PATH_BYTES];

	if (!group || (group != groups && group[-1] != '\n'))
		return json_null();
	group += strlen("0::");
	group[strcspn(group, "\n")] = '\0';
	(void)snprintf(path, sizeof(path), "/sys/fs/cgroup%s/%s", group, file);
	return line_json(root, path);
}

static json_t *limit_json(int resource)
{
	struct rlimit limit;

	if (getrlimit((__rlimit_resource_t)resource, &limit))
		return json_null();
	return json_integer(limit.rlim_cur == RLIM_INFINITY ? -1 : (json_int_t)limit.rlim_cur);
}

static void set(json_t *object, const char *name, json_t *value)
{
	(void)json_object_set_new(object, name, value);
}

static json_t *settings_json(const char *root, const char *config)
{
	_cleanup_(mmlab_freep) char *status = read_file(root, "/proc/self/status", NULL);
	json_t *s = json_object();

	set(s, "thp_enabled", choice_json(root, "/sys/kernel/mm/transparent_hugepage/enabled"));
	set(s, "thp_defrag", choice_json(root, "/sys/kernel/mm/transparent_hugepage/defrag"));
	set(s, "thp_shmem", choice_json(root, "/sys/kernel/mm/transparent_hugepage/shmem_enabled"));
	set(s, "governor", line_json(root, "/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"));
	set(s, "turbo", turbo_json(root));
	set(s, "smt", line_json(root, "/sys/devices/system/cpu/smt/control"));
	set(s, "cpuidle_driver", line_json(root, "/sys/devices/system/cpu/cpuidle/current_driver"));
	set(s, "aslr", number_json(root, "/proc/sys/kernel/randomize_va_space"));
	set(s, "overcommit_memory", number_json(root, "/proc/sys/vm/overcommit_memory"));
	set(s, "swappiness", number_json(root, "/proc/sys/vm/swappiness"));
	set(s, "perf_event_paranoid", number_json(root, "/proc/sys/kernel/perf_event_paranoid"));
	set(s, "numa_balancing", number_json(root, "/proc/sys/kernel/numa_balancing"));
	set(s, "ksm", number_json(root, "/sys/kernel/mm/ksm/run"));
	set(s, "init_on_alloc", init_json(root, config, "init_on_alloc", "CONFIG_INIT_ON_ALLOC_DEFAULT_ON"));
	set(s, "init_on_free", init_json(root, config, "init_on_free", "CONFIG_INIT_ON_FREE_DEFAULT_ON"));
	set(s, "clocksource", line_json(root, "/sys/devices/system/clocksource/clocksource0/current_clocksource"));
	set(s, "isolated_cpus", line_json(root, "/sys/devices/system/cpu/isolated"));
	set(s, "nohz_full", line_json(root, "/sys/devices/system/cpu/nohz_full"));
	if (strstr(string_at(s, "nohz_full") ?: "", "(null)")) /* how some kernels say none */
		set(s, "nohz_full", json_string(""));
	set(s, "affinity", field_json(status, "Cpus_allowed_list"));
	set(s, "cgroup_cpu_max", cgroup_json(root, "cpu.max"));
	set(s, "cgroup_memory_max", cgroup_json(root, "memory.max"));
	set(s, "memlock_bytes", limit_json(RLIMIT_MEMLOCK));
	set(s, "nofile", limit_json(RLIMIT_NOFILE));
	set(s, "root", json_boolean(geteuid() == 0));
	return s;
}

static json_t *compiler_json(void)
{
	return json_pack("{s:s, s:s, s:o, s:b}", "id",
#if defined(__clang__)
			 "clang",
#else
			 "gcc",
#endif
			 "version", __VERSION__, "flags",
#ifdef MMLAB_BUILD_FLAGS
			 json_string(MMLAB_BUILD_FLAGS),
#else
			 json_null(),
#endif
			 "optimized",
#ifdef __OPTIMIZE__
			 1
#else
			 0
#endif
	);
}

/* "cpu  user nice system idle iowait irq softirq steal guest guest_nice": guest time is part of user and nice. */
static void set_ticks(json_t *state, const char *root)
{
	_cleanup_(mmlab_freep) char *line = read_line(root, "/proc/stat");
	unsigned long long ticks[8] = { 0 }, total = 0;
	bool ok = line && sscanf(line, "cpu %llu %llu %llu %llu %llu %llu %llu %llu", &ticks[0], &ticks[1], &ticks[2],
				 &ticks[3], &ticks[4], &ticks[5], &ticks[6], &ticks[7]) == 8;

	for (size_t i = 0; i < 8; i++)
		total += ticks[i];
	set(state, "total_ticks", ok ? json_integer((json_int_t)total) : json_null());
	set(state, "steal_ticks", ok ? json_integer((json_int_t)ticks[7]) : json_null());
}

static json_t *real_json(bool ok, double value)
{
	return ok ? json_real(value) : json_null();
}

static json_t *volatile_json(const char *root)
{
	_cleanup_(mmlab_freep) char *meminfo = read_file(root, "/proc/meminfo", NULL);
	_cleanup_(mmlab_freep) char *load = read_line(root, "/proc/loadavg");
	_cleanup_(mmlab_freep) char *uptime = read_line(root, "/proc/uptime");
	_cleanup_(mmlab_freep) char *pressure = read_line(root, "/proc/pressure/cpu");
	_cleanup_(mmlab_json_decrefp) json_t *swap = field_number_json(meminfo, "SwapTotal");
	_cleanup_(mmlab_json_decrefp) json_t *swap_free = field_number_json(meminfo, "SwapFree");
	double load_1m = 0, uptime_s = 0, avg10 = 0;
	int runnable = 0;
	bool ok = load && sscanf(load, "%lf %*f %*f %d/", &load_1m, &runnable) == 2;
	json_int_t swap_used;
	json_t *state = json_object();

	set(state, "load_1m", real_json(ok, load_1m));
	set(state, "runnable", ok ? json_integer(runnable) : json_null());
	set(state, "uptime_s", real_json(uptime && sscanf(uptime, "%lf", &uptime_s) == 1, uptime_s));
	set_ticks(state, root);
	ok = pressure && sscanf(pressure, "some avg10=%lf", &avg10) == 1;
	set(state, "pressure_cpu_some_avg10", real_json(ok, avg10));
	set(state, "available_bytes", field_number_json(meminfo, "MemAvailable"));
	ok = json_is_integer(swap) && json_is_integer(swap_free) &&
	     !__builtin_sub_overflow(json_integer_value(swap), json_integer_value(swap_free), &swap_used);
	set(state, "swap_used_bytes", ok ? json_integer(swap_used) : json_null());
	return state;
}

/* Return: signature to be freed, or NULL without a hypervisor that shows one. */
static char *hypervisor_signature(const char *root)
{
	if (root[0])
		return read_line(root, "/cpuid/hypervisor");
#if defined(__x86_64__) || defined(__i386__)
	unsigned int eax, ebx, ecx, edx;
	char text[13] = "";

	if (!__get_cpuid(1, &eax, &ebx, &ecx, &edx) || !(ecx & (1U << 31)))
		return NULL;
	__cpuid(0x40000000, eax, ebx, ecx, edx);
	memcpy(text, &ebx, 4);
	memcpy(text + 4, &ecx, 4);
	memcpy(text + 8, &edx, 4);
	return text[0] ? strdup(text) : NULL;
#else
	return NULL;
#endif
}

const char *mmlab_machine_execution(const char *stated, const char *signature, bool hypervisor, const char *vendor)
{
	static const char *const known[] = { "native", "kvm", "tcg", "tcg-icount" };

	if (signature && !strcmp(signature, "TCGTCGTCGTCG"))
		return stated && !strcmp(stated, "tcg-icount") ? "tcg-icount" : "tcg";
	for (size_t i = 0; stated && i < sizeof(known) / sizeof(known[0]); i++)
		if (!strcmp(stated, known[i]))
			return known[i];
	if (signature || hypervisor)
		return "kvm";
	/* Where there is no CPUID, QEMU says its name but not how it executes: better to distrust the times. */
	return vendor && !strcmp(vendor, "QEMU") ? "tcg" : "native";
}

static json_t *identity_json(const json_t *machine)
{
	/* Others come and go with the kernel's options: pcid with nopcid, la57 with no5lvl. */
	static const char *const copying[] = { "erms", "fsrm" };
	const json_t *cpu = json_object_get(machine, "cpu"), *memory = json_object_get(machine, "memory");
	const json_t *topology = json_object_get(machine, "topology");
	const json_t *flags = json_object_get(cpu, "flags");
	const char *model = string_at(cpu, "model"), *hypervisor = string_at(machine, "hypervisor");
	char features[64] = "";
	const json_t *flag;
	size_t i;

	json_array_foreach(flags, i, flag)
		for (size_t j = 0; j < sizeof(copying) / sizeof(copying[0]); j++)
			if (!strcmp(json_string_value(flag), copying[j])) {
				(void)strcat(features, " ");
				(void)strcat(features, copying[j]);
			}
	return json_sprintf(
		"%s; %s; family %d model %d stepping %d; threads %d cores %d packages %d nodes %d; "
		"memory %lld MiB, pages of %lld; %s%s%s; features%s",
		string_at(machine, "architecture"), model ? model : "unknown CPU", (int)integer_at(cpu, "family"),
		(int)integer_at(cpu, "model_number"), (int)integer_at(cpu, "stepping"), (int)integer_at(cpu, "threads"),
		(int)integer_at(topology, "cores"), (int)integer_at(topology, "packages"),
		(int)json_array_size(json_object_get(topology, "nodes")),
		(long long)integer_at(memory, "installed_bytes") >> 20, (long long)integer_at(memory, "page_bytes"),
		string_at(machine, "execution"), hypervisor ? " on " : "", hypervisor ? hypervisor : "", features);
}

json_t *mmlab_machine_json_at(const char *root, const struct mmlab_place *place)
{
	_cleanup_(mmlab_freep) char *cpuinfo = read_file(root, "/proc/cpuinfo", NULL);
	_cleanup_(mmlab_freep) char *meminfo = read_file(root, "/proc/meminfo", NULL);
	_cleanup_(mmlab_freep) char *signature = hypervisor_signature(root);
	_cleanup_(mmlab_freep) char *vendor = read_line(root, "/sys/class/dmi/id/sys_vendor");
	_cleanup_(mmlab_freep) char *flags = field(cpuinfo, "flags");
	_cleanup_(mmlab_freep) char *config = NULL;
	_cleanup_(mmlab_json_decrefp) json_t *machine = json_object();
	const char *execution = mmlab_machine_execution(root[0] ? NULL : getenv("MMLAB_EXECUTION"), signature,
							flags && has_word(flags, "hypervisor"), vendor);
	struct utsname name;
	const char *identity;

	if (uname(&name))
		return NULL;
	set(machine, "key", json_null());
	set(machine, "identity", json_null());
	set(machine, "execution", json_string(execution));
	set(machine, "emulated", json_boolean(!strncmp(execution, "tcg", 3)));
	set(machine, "hypervisor", string_or_null(signature));
	set(machine, "product", line_json(root, "/sys/class/dmi/id/product_name"));
	set(machine, "architecture", json_string(name.machine));
	set(machine, "kernel", kernel_json(root, &config));
	set(machine, "cpu", cpu_json(cpuinfo));
	set(machine, "memory", memory_json(root, meminfo));
	set(machine, "topology", place ? mmlab_place_json(place) : json_null());
	set(machine, "settings", settings_json(root, config));
	set(machine, "compiler", compiler_json());
	set(machine, "volatile", json_pack("{s:o, s:n}", "start", volatile_json(root), "end"));
	set(machine, "identity", identity_json(machine));
	identity = string_at(machine, "identity");
	if (!identity)
		return NULL;
	set(machine, "key",
	    json_sprintf("1-%012" PRIx64, fnv1a(identity, strlen(identity)) & UINT64_C(0xffffffffffff)));
	return mmlab_steal(&machine);
}

json_t *mmlab_machine_json(const struct mmlab_place *place)
{
	return mmlab_machine_json_at("", place);
}

void mmlab_machine_finish(json_t *machine)
{
	set(json_object_get(machine, "volatile"), "end", volatile_json(""));
}
