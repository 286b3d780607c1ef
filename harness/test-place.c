// SPDX-License-Identifier: MIT
/* The order in which CPUs are chosen, on topologies that only exist on paper, and pinning on this machine. */
#include <errno.h>
#include <sched.h>
#include <string.h>

#include "cleanup.h"
#include "place.h"
#include "test.h"

/*
 * hwloc numbers paper CPUs along the tree; "pu:2(indexes=...)" gives them the numbers that Linux would: all first
 * threads, then all second ones.
 */
#define ONE_CORE	"pu:1"
#define TWO_CORES	"core:2 pu:1"
#define SMT		"core:4 pu:2(indexes=0,4,1,5,2,6,3,7)"
#define TWO_PACKAGES	"package:2 [numa(memory=1073741824)] core:4 pu:1"
#define TWO_SMT		"package:2 [numa(memory=1073741824)] core:2 pu:2(indexes=0,4,1,5,2,6,3,7)"
#define TWO_PER_PACKAGE "package:2 group:2 [numa(memory=1073741824)] core:2 pu:1"

static const struct {
	const char *topology;
	enum mmlab_pin pin;
	unsigned int n, nodes;
	const char *expected;
} orders[] = {
	{ ONE_CORE, MMLAB_PIN_SPREAD, 3, 1, "0 0 0" },
	{ TWO_CORES, MMLAB_PIN_SPREAD, 1, 1, "1" },
	{ TWO_CORES, MMLAB_PIN_SPREAD, 2, 1, "1 0" },
	{ TWO_CORES, MMLAB_PIN_SPREAD, 5, 1, "1 0 1 0 1" },
	{ TWO_CORES, MMLAB_PIN_SIBLING, 2, 1, "1 0" },
	{ TWO_CORES, MMLAB_PIN_NODES, 2, 1, "1 0" },
	{ TWO_CORES, MMLAB_PIN_SAME, 2, 1, "1 1" },
	{ SMT, MMLAB_PIN_SPREAD, 8, 1, "1 2 3 4 5 6 7 0" },
	{ SMT, MMLAB_PIN_SIBLING, 8, 1, "1 5 2 6 3 7 4 0" },
	{ SMT, MMLAB_PIN_SAME, 3, 1, "1 1 1" },
	{ TWO_PACKAGES, MMLAB_PIN_SPREAD, 8, 2, "4 5 6 7 1 2 3 0" },
	{ TWO_PACKAGES, MMLAB_PIN_NODES, 8, 2, "4 1 5 2 6 3 7 0" },
	{ TWO_SMT, MMLAB_PIN_SPREAD, 8, 2, "2 3 1 4 6 7 5 0" },
	{ TWO_SMT, MMLAB_PIN_SIBLING, 8, 2, "2 6 3 7 1 5 4 0" },
	{ TWO_SMT, MMLAB_PIN_NODES, 4, 2, "2 1 3 4" },
	{ TWO_PER_PACKAGE, MMLAB_PIN_SPREAD, 8, 4, "4 5 6 7 2 3 1 0" },
	{ TWO_PER_PACKAGE, MMLAB_PIN_NODES, 5, 4, "4 6 2 1 5" },
};

static void test_orders(void)
{
	for (size_t i = 0; i < sizeof(orders) / sizeof(orders[0]); i++) {
		struct mmlab_place *place = NULL;
		char text[128] = "";
		int cpus[16];
		int r = mmlab_place_new_synthetic(&place, orders[i].topology);

		if (!check(!r, "load %s: %s", orders[i].topology, strerror(-r)))
			continue;
		mmlab_place_choose(place, orders[i].pin, orders[i].n, cpus);
		for (unsigned int j = 0; j < orders[i].n; j++)
			(void)sprintf(text + strlen(text), j ? " %d" : "%d", cpus[j]);
		check(!strcmp(text, orders[i].expected), "%s, pin %d: %s (expected %s)", orders[i].topology,
		      (int)orders[i].pin, text, orders[i].expected);
		check(mmlab_place_nodes(place) == orders[i].nodes, "%u nodes", mmlab_place_nodes(place));
		(void)mmlab_place_free(place);
	}
}

static void test_json(void)
{
	_cleanup_(mmlab_json_decrefp) json_t *json = NULL;
	struct mmlab_place *place = NULL;

	check(!mmlab_place_new_synthetic(&place, TWO_SMT), "load a topology");
	json = mmlab_place_json(place);
	check(json_integer_value(json_object_get(json, "packages")) == 2, "two packages");
	check(json_integer_value(json_object_get(json, "cores")) == 4, "four cores");
	check(json_integer_value(json_object_get(json, "threads")) == 8, "eight threads");
	check(json_array_size(json_object_get(json, "nodes")) == 2, "two nodes");
	check(!strcmp(json_string_value(json_object_get(json, "usable_cpus")), "0-7"), "usable CPUs 0-7");
	(void)mmlab_place_free(place);
}

static void test_names(void)
{
	enum mmlab_pin pin = MMLAB_PIN_SAME;
	struct mmlab_place *place = NULL;

	check(!mmlab_pin_parse(&pin, "spread") && pin == MMLAB_PIN_SPREAD, "spread");
	check(!mmlab_pin_parse(&pin, "sibling") && pin == MMLAB_PIN_SIBLING, "sibling");
	check(!mmlab_pin_parse(&pin, "nodes") && pin == MMLAB_PIN_NODES, "nodes");
	check(!mmlab_pin_parse(&pin, "same") && pin == MMLAB_PIN_SAME, "same");
	check(mmlab_pin_parse(&pin, "") == -EINVAL && mmlab_pin_parse(&pin, "Spread") == -EINVAL,
	      "other words are refused");
	check(mmlab_place_new_synthetic(&place, "no:such thing") == -EINVAL && !place, "a bad description is refused");
	check(!mmlab_place_free(NULL), "nothing to free");
}

/* Last, since it leaves the process pinned: what this process may use is what can be chosen. */
static void test_this_machine(void)
{
	struct mmlab_place *place = NULL;
	int cpus[2];
	int r = mmlab_place_new(&place);

	if (!check(!r, "load this machine's topology: %s", strerror(-r)))
		return;
	check(mmlab_place_cpus(place) >= 1 && mmlab_place_nodes(place) >= 1, "it has CPUs and nodes");
	mmlab_place_choose(place, MMLAB_PIN_SPREAD, 2, cpus);
	check(mmlab_place_cpus(place) < 2 || cpus[0] != cpus[1], "two tasks, two CPUs");
	check(!mmlab_pin_self(cpus[0]) && sched_getcpu() == cpus[0], "pinned to CPU %d", cpus[0]);
	check(mmlab_pin_self(-1) == -EINVAL, "no CPU -1");
	check(mmlab_pin_self(100000) == -EINVAL, "no CPU 100000");
	check(!mmlab_bind_memory_local(), "bind memory to the local node");
	(void)mmlab_place_free(place);

	check(!mmlab_place_new(&place) && mmlab_place_cpus(place) == 1, "a pinned process sees one CPU");
	mmlab_place_choose(place, MMLAB_PIN_SPREAD, 2, cpus + 0);
	check(cpus[0] == cpus[1] && cpus[0] == sched_getcpu(), "and that one is chosen");
	(void)mmlab_place_free(place);
}

int main(void)
{
	test_orders();
	test_json();
	test_names();
	test_this_machine();
	return test_status();
}
