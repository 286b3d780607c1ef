// SPDX-License-Identifier: MIT
/*
 * Each event is opened alone: in a group one member that the machine lacks would take the others with it. Events are
 * inherited, so one descriptor counts all later threads and children, living or gone; that rules out user-space reads
 * (rdpmc), which see only the calling thread. Values are never reset, since a reset keeps times and what exited
 * children counted.
 */
#include "counter.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/perf_event.h> /* before libpfm4's older copy of it */
#include <perf/core.h>
#include <perf/event.h>
#include <perf/evsel.h>
#include <perf/threadmap.h>
#include <perfmon/pfmlib_perf_event.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cleanup.h"
#include "counter-name.h"

#ifndef MMLAB_LIBPERF_VERSION /* from its .pc file */
#define MMLAB_LIBPERF_VERSION "of unknown version"
#endif
#ifndef MMLAB_PFM_VERSION /* from its file's name: what pfm_get_version() says stays at 4.0 */
#define MMLAB_PFM_VERSION "of unknown version"
#endif

struct slot {
	struct mmlab_event event;
	struct perf_evsel *evsel; /* NULL if not open */
	bool unlisted;            /* opened by a number that its PMU does not list among its events */
};

struct mmlab_counters {
	int n;
	struct perf_thread_map *self;
	struct slot *slots;
	struct mmlab_counter *values;
};

static int silent(enum libperf_print_level level, const char *fmt, va_list args)
{
	(void)level;
	(void)fmt;
	(void)args;
	return 0;
}

static int initialize(void)
{
	static bool done;

	if (done)
		return 0;
	libperf_init(silent);
	if (pfm_initialize() != PFM_SUCCESS)
		return -EIO;
	done = true;
	return 0;
}

const char *mmlab_counter_library(void)
{
	return "libperf " MMLAB_LIBPERF_VERSION ", libpfm4 " MMLAB_PFM_VERSION;
}

/* libpfm4 finds tracepoints only where debugfs is mounted; tracefs alone is asked directly. */
static int tracepoint_id(uint64_t *ret, const char *name)
{
	static const char *const roots[] = { "/sys/kernel/tracing/events", "/sys/kernel/debug/tracing/events" };
	size_t system = strcspn(name, ":");
	int r = -ENOTDIR; /* no tracefs */

	for (size_t i = 0; i < sizeof(roots) / sizeof(roots[0]); i++) {
		_cleanup_(mmlab_fclosep) FILE *file = NULL;
		char path[160];
		unsigned long long id;

		if (access(roots[i], X_OK)) {
			r = errno == EACCES ? -EACCES : r;
			continue;
		}
		(void)snprintf(path, sizeof(path), "%s/%.*s/%s/id", roots[i], (int)system, name, name + system + 1);
		file = fopen(path, "re");
		if (!file)
			return -errno;
		if (fscanf(file, "%llu", &id) != 1)
			return -EIO;
		*ret = id;
		return 0;
	}
	return r;
}

/*
 * The name as attributes. libpfm4 sets the exclude bits from the privilege levels, so scope and all else is set by the
 * caller afterwards. It makes no system call: success says nothing about this machine.
 */
static int encode(struct perf_event_attr *attr, const struct mmlab_event *event)
{
	pfm_perf_encode_arg_t arg = { .attr = attr, .size = sizeof(arg) };
	char text[sizeof("perf::") + sizeof(event->name)];
	uint64_t id = 0;
	int r;

	*attr = (struct perf_event_attr){ .size = sizeof(*attr) };
	(void)snprintf(text, sizeof(text), "%s%s", event->known ? "perf::" : "", event->name);
	r = pfm_get_os_event_encoding(text, PFM_PLM0 | PFM_PLM3, PFM_OS_PERF_EVENT_EXT, &arg);
	if (r == PFM_SUCCESS)
		return 0;
	if (event->kind == MMLAB_EVENT_TRACEPOINT) {
		r = tracepoint_id(&id, event->name);
		if (!r)
			*attr = (struct perf_event_attr){ .size = sizeof(*attr),
							  .type = PERF_TYPE_TRACEPOINT,
							  .config = id };
		return r;
	}
	return r == PFM_ERR_NOMEM ? -ENOMEM : -ENOENT;
}

int mmlab_counters_check(const char *events, const char **ret_bad)
{
	static char bad[sizeof(((struct mmlab_event *)NULL)->name)];
	struct perf_event_attr attr;
	struct mmlab_event event;
	int r = initialize();

	if (r)
		return r;
	while ((r = mmlab_event_next(&event, &events)) > 0) {
		if (event.known)
			continue;
		r = encode(&attr, &event);
		if (r == -ENOMEM)
			return r;
		if (r == -ENOENT) {
			memcpy(bad, event.name, sizeof(bad));
			*ret_bad = bad;
			return r;
		}
	}
	return r;
}

static void set_state(struct mmlab_counter *value, enum mmlab_counter_state state, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
static void set_state(struct mmlab_counter *value, enum mmlab_counter_state state, const char *fmt, ...)
{
	va_list args;

	value->state = state;
	va_start(args, fmt);
	(void)vsnprintf(value->reason, sizeof(value->reason), fmt, args);
	va_end(args);
}

static struct perf_evsel *evsel_free(struct perf_evsel *evsel)
{
	if (evsel) {
		perf_evsel__close(evsel);
		perf_evsel__delete(evsel);
	}
	return NULL;
}

static int open_once(struct perf_evsel **ret, struct perf_event_attr *attr, struct perf_thread_map *self)
{
	struct perf_evsel *evsel = perf_evsel__new(attr);
	int r;

	if (!evsel)
		return -ENOMEM;
	r = perf_evsel__open(evsel, NULL, self);
	if (r) {
		(void)evsel_free(evsel);
		return r;
	}
	*ret = evsel;
	return 0;
}

/* libpfm4 leaves guests out by default, which some PMUs refuse. */
static int open_attr(struct perf_evsel **ret, struct perf_event_attr *attr, struct perf_thread_map *self)
{
	int r = open_once(ret, attr, self);

	if (r && r != -EACCES && r != -EPERM && attr->exclude_guest) {
		struct perf_event_attr with_guest = *attr;
		int second;

		with_guest.exclude_guest = 0;
		second = open_once(ret, &with_guest, self);
		return second ? r : 0;
	}
	return r;
}

/* Permission is checked before existence: only an opening that needs no permission tells whether there is a counter. */
static int without_permission(const struct perf_event_attr *attr, struct perf_thread_map *self)
{
	struct perf_event_attr twin = *attr;
	struct perf_evsel *evsel = NULL;
	int r;

	twin.exclude_kernel = twin.exclude_hv = 1;
	twin.exclude_user = 0;
	r = open_attr(&evsel, &twin, self);
	(void)evsel_free(evsel);
	return r;
}

/*
 * arm64: a PMU opens an event by any number, and reads 0 in silence if it doesn't have it. Those that it has are listed
 * in sysfs, as "event=0x8" under their names.
 */
static bool is_listed(DIR *events, const struct mmlab_event *event, uint64_t number)
{
	struct dirent *entry;

	if (event->arm_event)
		return !faccessat(dirfd(events), event->arm_event, F_OK, 0);
	while ((entry = readdir(events))) {
		_cleanup_(mmlab_closep) int fd = openat(dirfd(events), entry->d_name, O_RDONLY | O_CLOEXEC);
		char text[64];
		ssize_t n = read(fd, text, sizeof(text) - 1);

		if (n <= 0)
			continue;
		text[n] = '\0';
		if (!strncmp(text, "event=", 6) && strtoull(text + 6, NULL, 16) == number)
			return true;
	}
	return false;
}

/* Whether a PMU is who counts what was opened: a raw event is of any of them. */
static bool counts_type(const char *pmu, const struct perf_event_attr *attr)
{
	_cleanup_(mmlab_fclosep) FILE *file = NULL;
	char path[512];
	unsigned int type;

	if (attr->type < PERF_TYPE_MAX)
		return true;
	(void)snprintf(path, sizeof(path), "/sys/bus/event_source/devices/%s/type", pmu);
	file = fopen(path, "re");
	return file && fscanf(file, "%u", &type) == 1 && type == attr->type;
}

/* Return: true if there are such PMUs and none lists the event. */
static bool arm_pmu_lacks(const struct mmlab_event *event, const struct perf_event_attr *attr)
{
	_cleanup_(mmlab_closedirp) DIR *devices = NULL;
	bool lacks = false;
	struct dirent *entry;

	if (!event->arm_event && attr->type != PERF_TYPE_RAW && attr->type < PERF_TYPE_MAX)
		return false;
	devices = opendir("/sys/bus/event_source/devices");
	while (devices && (entry = readdir(devices))) {
		_cleanup_(mmlab_closedirp) DIR *events = NULL;
		char path[512];

		if (strncmp(entry->d_name, "armv", 4) || !counts_type(entry->d_name, attr))
			continue;
		(void)snprintf(path, sizeof(path), "/sys/bus/event_source/devices/%s/events", entry->d_name);
		events = opendir(path);
		/* Bits 0 to 15 are the event's number; libpfm4 sets others. */
		if (!events || is_listed(events, event, attr->config & 0xffff))
			return false;
		lacks = true;
	}
	return lacks;
}

static void explain(struct mmlab_counter *value, const struct mmlab_event *event, int error)
{
	switch (error) {
	case -EACCES:
	case -EPERM:
		set_state(value, MMLAB_COUNTER_NOT_PERMITTED,
			  event->kind == MMLAB_EVENT_TRACEPOINT
				  ? "tracepoints need root, or CAP_PERFMON and a readable tracefs"
				  : "needs CAP_PERFMON, or a lower kernel.perf_event_paranoid for this scope");
		break;
	case -ENOTDIR:
		set_state(value, MMLAB_COUNTER_NOT_SUPPORTED, "tracefs is not mounted on /sys/kernel/tracing");
		break;
	case -ENOENT:
	case -ENODEV:
	case -EOPNOTSUPP:
	case -ENXIO:
		if (event->kind == MMLAB_EVENT_TRACEPOINT)
			set_state(value, MMLAB_COUNTER_NOT_SUPPORTED, "this kernel has no such tracepoint");
		else if (event->kind == MMLAB_EVENT_HARDWARE || event->kind == MMLAB_EVENT_OTHER)
			set_state(value, MMLAB_COUNTER_NOT_SUPPORTED, "no PMU here counts this (%s)", strerror(-error));
		else
			set_state(value, MMLAB_COUNTER_NOT_SUPPORTED, "this kernel does not count this (%s)",
				  strerror(-error));
		break;
	case -EBUSY:
		set_state(value, MMLAB_COUNTER_NOT_SUPPORTED, "the PMU is reserved by something else (%s)",
			  strerror(-error));
		break;
	default:
		set_state(value, MMLAB_COUNTER_NOT_SUPPORTED, "perf_event_open: %s", strerror(-error));
	}
}

/* Return: 0 also when the event can't be had, which its state then says; -errno if nothing can go on. */
static int open_slot(struct mmlab_counters *counters, int i)
{
	struct mmlab_counter *value = &counters->values[i];
	struct slot *slot = &counters->slots[i];
	const struct mmlab_event *event = &slot->event;
	const char *reason = mmlab_event_scope_reason(event);
	struct perf_event_attr attr;
	int r;

	memcpy(value->event, event->name, sizeof(value->event));
	memcpy(value->scope, event->scope, sizeof(value->scope));
	set_state(value, MMLAB_COUNTER_NOT_COUNTED, "not enabled yet");
	if (reason) {
		set_state(value, MMLAB_COUNTER_NOT_SUPPORTED, "%s", reason);
		return 0;
	}
	r = encode(&attr, event);
	if (r == -ENOMEM)
		return r;
	if (r) {
		explain(value, event, r);
		return 0;
	}
	attr.disabled = 1;
	attr.inherit = 1;
	attr.exclude_user = !strcmp(event->scope, "k");
	attr.exclude_kernel = attr.exclude_hv = !strcmp(event->scope, "u");
	attr.read_format = PERF_FORMAT_TOTAL_TIME_ENABLED | PERF_FORMAT_TOTAL_TIME_RUNNING;
	r = open_attr(&slot->evsel, &attr, counters->self);
	if (r == -EMFILE || r == -ENFILE || r == -ENOMEM)
		return r;
	if ((r == -EACCES || r == -EPERM) && !attr.exclude_kernel) {
		int twin = without_permission(&attr, counters->self);

		r = twin ? twin : r;
	}
	if (r) {
		explain(value, event, r);
	} else if (arm_pmu_lacks(event, &attr)) {
		/* A PMU may have more of its own than have a name in the kernel. */
		slot->unlisted = !event->arm_event;
		if (event->arm_event) {
			slot->evsel = evsel_free(slot->evsel);
			set_state(value, MMLAB_COUNTER_NOT_SUPPORTED, "the PMU does not list %s", event->arm_event);
		}
	}
	return 0;
}

/* libperf neither opens with close-on-exec nor shows its descriptors. */
static void set_close_on_exec(void)
{
	_cleanup_(mmlab_closedirp) DIR *dir = opendir("/proc/self/fd");
	struct dirent *entry;

	while (dir && (entry = readdir(dir))) {
		char target[64];
		ssize_t n = readlinkat(dirfd(dir), entry->d_name, target, sizeof(target) - 1);

		if (n <= 0)
			continue;
		target[n] = '\0';
		if (!strcmp(target, "anon_inode:[perf_event]"))
			(void)fcntl(atoi(entry->d_name), F_SETFD, FD_CLOEXEC);
	}
}

static int fill(struct mmlab_counters *counters, const char *events)
{
	struct mmlab_event event;
	const char *rest = events;
	size_t n = 0;

	while (mmlab_event_next(&event, &rest) > 0)
		n++;
	counters->self = perf_thread_map__new_dummy();
	counters->slots = calloc(n + 1, sizeof(counters->slots[0]));
	counters->values = calloc(n + 1, sizeof(counters->values[0]));
	if (!counters->self || !counters->slots || !counters->values)
		return -ENOMEM;
	perf_thread_map__set_pid(counters->self, 0, 0); /* 0: the caller */
	while (mmlab_event_next(&counters->slots[counters->n].event, &events) > 0) {
		int r = open_slot(counters, counters->n++);

		if (r)
			return r;
	}
	set_close_on_exec();
	return 0;
}

int mmlab_counters_open(struct mmlab_counters **ret, const char *events)
{
	struct mmlab_counters *counters;
	const char *bad;
	int r = mmlab_counters_check(events, &bad);

	if (r)
		return r;
	counters = calloc(1, sizeof(*counters));
	if (!counters)
		return -ENOMEM;
	r = fill(counters, events);
	if (r) {
		(void)mmlab_counters_close(counters);
		return r;
	}
	*ret = counters;
	return 0;
}

void mmlab_counters_enable(struct mmlab_counters *counters)
{
	for (int i = 0; i < counters->n; i++)
		if (counters->slots[i].evsel)
			(void)perf_evsel__enable(counters->slots[i].evsel);
}

void mmlab_counters_disable(struct mmlab_counters *counters)
{
	for (int i = counters->n - 1; i >= 0; i--)
		if (counters->slots[i].evsel)
			(void)perf_evsel__disable(counters->slots[i].evsel);
}

static void judge(struct mmlab_counter *value, const struct slot *slot)
{
	if (!value->enabled_ns) {
		set_state(value, MMLAB_COUNTER_NOT_COUNTED, "was never enabled while a counted task ran");
	} else if (!value->running_ns) {
		set_state(value, MMLAB_COUNTER_NOT_COUNTED, "never got a hardware counter");
	} else if (!value->raw && slot->unlisted) {
		set_state(value, MMLAB_COUNTER_NOT_SUPPORTED,
			  "reads 0, as all that this PMU doesn't have, and is not listed among what it has");
	} else if (value->running_ns < value->enabled_ns) {
		double share = 100.0 * (double)value->running_ns / (double)value->enabled_ns;

		value->value = (uint64_t)((__uint128_t)value->raw * value->enabled_ns / value->running_ns);
		set_state(value,
			  2 * value->running_ns < value->enabled_ns ? MMLAB_COUNTER_NOT_COUNTED : MMLAB_COUNTER_SCALED,
			  "shared its hardware counter and ran %.1f %% of the time", share);
	} else if (!value->raw && slot->event.never_zero) {
		set_state(value, MMLAB_COUNTER_NOT_SUPPORTED, "opens, but reads 0 where it can't be 0");
	} else {
		value->state = MMLAB_COUNTER_EXACT;
		value->reason[0] = '\0';
	}
}

static void read_slot(struct mmlab_counter *value, struct slot *slot)
{
	/* libperf's struct grew between versions without a new symbol: room for more, and a look at the overrun. */
	struct {
		struct perf_counts_values counts;
		uint64_t beyond[8];
	} buffer = { 0 };
	int r = perf_evsel__read(slot->evsel, 0, 0, &buffer.counts);

	value->value = value->raw = value->enabled_ns = value->running_ns = 0;
	if (r) {
		set_state(value, MMLAB_COUNTER_NOT_COUNTED, "read: %s", strerror(-r));
		return;
	}
	for (size_t i = 0; i < sizeof(buffer.beyond) / sizeof(buffer.beyond[0]); i++) {
		if (buffer.beyond[i]) {
			set_state(value, MMLAB_COUNTER_NOT_SUPPORTED,
				  "libperf and its headers are of different versions");
			return;
		}
	}
	value->value = value->raw = buffer.counts.val;
	value->enabled_ns = buffer.counts.ena;
	value->running_ns = buffer.counts.run;
	judge(value, slot);
}

int mmlab_counters_read(struct mmlab_counters *counters, const struct mmlab_counter **ret)
{
	for (int i = 0; i < counters->n; i++)
		if (counters->slots[i].evsel)
			read_slot(&counters->values[i], &counters->slots[i]);
	*ret = counters->values;
	return counters->n;
}

struct mmlab_counters *mmlab_counters_close(struct mmlab_counters *counters)
{
	if (!counters)
		return NULL;
	for (int i = 0; i < counters->n; i++)
		(void)evsel_free(counters->slots[i].evsel);
	if (counters->self)
		perf_thread_map__put(counters->self);
	free(counters->slots);
	free(counters->values);
	free(counters);
	return NULL;
}
