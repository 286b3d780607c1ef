// SPDX-License-Identifier: MIT
/*
 * Every CPU that the process may use is described by a few ranks; each way of pinning is one order over these ranks.
 * The orders are computed once, so that choosing can't fail and children need nothing but numbers.
 */
#include "place.h"

#include <errno.h>
#include <hwloc.h>
#include <numa.h>
#include <numaif.h>
#include <sched.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"

/* One usable CPU. Ranks start at 0 for the best choice. */
struct spot {
	int cpu;
	int package, node, core;   /* logical indexes */
	int efficiency;		   /* hwloc's CPU kind: higher is faster */
	bool first;		   /* CPU 0 */
	bool beside_first;	   /* on the core of CPU 0 */
	unsigned int smt_rank;	   /* among the usable threads of its core */
	unsigned int package_rank; /* of its package among all */
	unsigned int node_rank;	   /* of its node among all */
	unsigned int turn;	   /* how many CPUs of its node come before it in the spread order */
};

struct mmlab_place {
	hwloc_topology_t topology;
	hwloc_cpuset_t usable;
	unsigned int n_spots;
	struct spot *spots; /* in spread order */
	int *order[MMLAB_PIN_SAME + 1];
};

static void bitmap_freep(hwloc_bitmap_t *bitmap)
{
	hwloc_bitmap_free(*bitmap);
}

static const char *const pin_names[] = {
	[MMLAB_PIN_SPREAD] = "spread",
	[MMLAB_PIN_SIBLING] = "sibling",
	[MMLAB_PIN_NODES] = "nodes",
	[MMLAB_PIN_SAME] = "same",
};

int mmlab_pin_parse(enum mmlab_pin *ret, const char *text)
{
	for (size_t i = 0; i < sizeof(pin_names) / sizeof(pin_names[0]); i++) {
		if (!strcmp(text, pin_names[i])) {
			*ret = (enum mmlab_pin)i;
			return 0;
		}
	}
	return -EINVAL;
}

static int by(long a, long b)
{
	return (a > b) - (a < b);
}

static int compare_spread(const void *left, const void *right)
{
	const struct spot *a = left, *b = right;
	int order;

	if ((order = by(a->smt_rank, b->smt_rank)) || (order = by(b->efficiency, a->efficiency)) ||
	    (order = by(a->package_rank, b->package_rank)) || (order = by(a->node_rank, b->node_rank)) ||
	    (order = by(a->beside_first, b->beside_first)) || (order = by(a->first, b->first)) ||
	    (order = by(a->core, b->core)))
		return order;
	return by(a->cpu, b->cpu);
}

static int compare_sibling(const void *left, const void *right)
{
	const struct spot *a = left, *b = right;
	int order;

	if ((order = by(b->efficiency, a->efficiency)) || (order = by(a->package_rank, b->package_rank)) ||
	    (order = by(a->node_rank, b->node_rank)) || (order = by(a->beside_first, b->beside_first)) ||
	    (order = by(a->core, b->core)) || (order = by(a->smt_rank, b->smt_rank)))
		return order;
	return by(a->cpu, b->cpu);
}

static int compare_nodes(const void *left, const void *right)
{
	const struct spot *a = left, *b = right;
	int order;

	if ((order = by(a->turn, b->turn)) || (order = by(a->package_rank, b->package_rank)) ||
	    (order = by(a->node_rank, b->node_rank)))
		return order;
	return by(a->cpu, b->cpu);
}

static int index_above(hwloc_topology_t topology, hwloc_obj_t pu, hwloc_obj_type_t type)
{
	hwloc_obj_t above = hwloc_get_ancestor_obj_by_type(topology, type, pu);

	return above ? (int)above->logical_index : 0;
}

/* Where a CPU has several kinds of memory (HBM and DRAM, say), the first node counts. */
static int node_of(hwloc_topology_t topology, hwloc_obj_t pu)
{
	hwloc_obj_t node = NULL;

	while ((node = hwloc_get_next_obj_by_type(topology, HWLOC_OBJ_NUMANODE, node)))
		if (node->cpuset && hwloc_bitmap_isincluded(pu->cpuset, node->cpuset))
			return (int)node->logical_index;
	return 0;
}

/* Order of packages, or of nodes: most usable cores first; among equals the one without CPU 0. */
static unsigned int group_rank(const struct mmlab_place *place, const struct spot *spot, bool nodes)
{
	unsigned int rank = 0;
	long n_own = 0;
	bool own_first = false;

	for (unsigned int i = 0; i < place->n_spots; i++) {
		const struct spot *s = &place->spots[i];

		if (nodes ? s->node != spot->node : s->package != spot->package)
			continue;
		n_own += !s->smt_rank;
		own_first |= s->first;
	}
	for (unsigned int i = 0; i < place->n_spots; i++) {
		int group = nodes ? place->spots[i].node : place->spots[i].package;
		int own = nodes ? spot->node : spot->package;
		bool seen = group == own, has_first = false;
		long n = 0;
		int order;

		for (unsigned int j = 0; j < place->n_spots; j++) {
			const struct spot *s = &place->spots[j];

			if ((nodes ? s->node : s->package) != group)
				continue;
			seen |= j < i;
			n += !s->smt_rank;
			has_first |= s->first;
		}
		if (seen)
			continue;
		if ((order = by(n_own, n)) == 0 && (order = by(has_first, own_first)) == 0)
			order = by(group, own);
		rank += order < 0;
	}
	return rank;
}

static void rank_spots(struct mmlab_place *place)
{
	for (unsigned int i = 0; i < place->n_spots; i++) {
		struct spot *spot = &place->spots[i];

		for (unsigned int j = 0; j < place->n_spots; j++) {
			const struct spot *other = &place->spots[j];

			if (i == j || other->core != spot->core)
				continue;
			spot->beside_first |= other->first;
			/* The threads of a core in order of number, but CPU 0 after its siblings. */
			spot->smt_rank += spot->first || (!other->first && other->cpu < spot->cpu);
		}
		spot->beside_first |= spot->first;
	}
	for (unsigned int i = 0; i < place->n_spots; i++) {
		place->spots[i].package_rank = group_rank(place, &place->spots[i], false);
		place->spots[i].node_rank = group_rank(place, &place->spots[i], true);
	}
	qsort(place->spots, place->n_spots, sizeof(place->spots[0]), compare_spread);
	for (unsigned int i = 0; i < place->n_spots; i++)
		for (unsigned int j = 0; j < i; j++)
			place->spots[i].turn += place->spots[j].node == place->spots[i].node;
}

static int order_spots(struct mmlab_place *place)
{
	_cleanup_(mmlab_freep) struct spot *sorted = calloc(place->n_spots, sizeof(*sorted));

	if (!sorted)
		return -ENOMEM;
	for (int pin = 0; pin <= MMLAB_PIN_SAME; pin++) {
		place->order[pin] = calloc(place->n_spots, sizeof(int));
		if (!place->order[pin])
			return -ENOMEM;
		memcpy(sorted, place->spots, place->n_spots * sizeof(*sorted));
		if (pin == MMLAB_PIN_SIBLING)
			qsort(sorted, place->n_spots, sizeof(*sorted), compare_sibling);
		else if (pin == MMLAB_PIN_NODES)
			qsort(sorted, place->n_spots, sizeof(*sorted), compare_nodes);
		for (unsigned int i = 0; i < place->n_spots; i++)
			place->order[pin][i] = sorted[pin == MMLAB_PIN_SAME ? 0 : i].cpu;
	}
	return 0;
}

/* CPUs of the topology that the calling thread may run on; all of them if the topology is not of this machine. */
static int find_usable(struct mmlab_place *place)
{
	_cleanup_(bitmap_freep) hwloc_cpuset_t bound = hwloc_bitmap_alloc();

	place->usable = hwloc_bitmap_dup(hwloc_topology_get_topology_cpuset(place->topology));
	if (!bound || !place->usable)
		return -ENOMEM;
	if (hwloc_topology_is_thissystem(place->topology) &&
	    !hwloc_get_cpubind(place->topology, bound, HWLOC_CPUBIND_THREAD) &&
	    hwloc_bitmap_intersects(bound, place->usable))
		(void)hwloc_bitmap_and(place->usable, place->usable, bound);
	return 0;
}

static int collect_spots(struct mmlab_place *place)
{
	hwloc_obj_t pu = NULL;
	int n = hwloc_bitmap_weight(place->usable);

	if (n < 1)
		return -ENODEV;
	place->spots = calloc((size_t)n, sizeof(place->spots[0]));
	if (!place->spots)
		return -ENOMEM;
	while ((pu = hwloc_get_next_obj_by_type(place->topology, HWLOC_OBJ_PU, pu))) {
		int kind;

		if (!hwloc_bitmap_isset(place->usable, pu->os_index) || place->n_spots >= (unsigned int)n)
			continue;
		struct spot *spot = &place->spots[place->n_spots++];

		spot->cpu = (int)pu->os_index;
		spot->first = pu->os_index == 0;
		spot->package = index_above(place->topology, pu, HWLOC_OBJ_PACKAGE);
		spot->core = index_above(place->topology, pu, HWLOC_OBJ_CORE);
		spot->node = node_of(place->topology, pu);
		kind = hwloc_cpukinds_get_by_cpuset(place->topology, pu->cpuset, 0);
		if (kind < 0 || hwloc_cpukinds_get_info(place->topology, (unsigned int)kind, NULL, &spot->efficiency,
							NULL, NULL, 0))
			spot->efficiency = 0;
	}
	return place->n_spots ? 0 : -ENODEV;
}

static int place_new(struct mmlab_place **ret, const char *synthetic)
{
	struct mmlab_place *place = calloc(1, sizeof(*place));
	int r = -ENOMEM;

	if (!place || hwloc_topology_init(&place->topology))
		goto fail;
	r = -EINVAL;
	if (synthetic && hwloc_topology_set_synthetic(place->topology, synthetic))
		goto fail;
	r = -EIO;
	if (hwloc_topology_load(place->topology))
		goto fail;
	r = find_usable(place);
	if (!r)
		r = collect_spots(place);
	if (r)
		goto fail;
	rank_spots(place);
	r = order_spots(place);
	if (r)
		goto fail;
	*ret = place;
	return 0;
fail:
	(void)mmlab_place_free(place);
	return r;
}

int mmlab_place_new(struct mmlab_place **ret)
{
	return place_new(ret, NULL);
}

int mmlab_place_new_synthetic(struct mmlab_place **ret, const char *synthetic)
{
	return place_new(ret, synthetic);
}

struct mmlab_place *mmlab_place_free(struct mmlab_place *place)
{
	if (!place)
		return NULL;
	for (int pin = 0; pin <= MMLAB_PIN_SAME; pin++)
		free(place->order[pin]);
	free(place->spots);
	hwloc_bitmap_free(place->usable);
	if (place->topology)
		hwloc_topology_destroy(place->topology);
	free(place);
	return NULL;
}

unsigned int mmlab_place_cpus(const struct mmlab_place *place)
{
	return place->n_spots;
}

unsigned int mmlab_place_nodes(const struct mmlab_place *place)
{
	hwloc_obj_t node = NULL;
	unsigned int n = 0;

	while ((node = hwloc_get_next_obj_by_type(place->topology, HWLOC_OBJ_NUMANODE, node)))
		n += node->attr->numanode.local_memory > 0;
	return n ? n : 1;
}

void mmlab_place_choose(const struct mmlab_place *place, enum mmlab_pin pin, unsigned int n, int *ret_cpus)
{
	for (unsigned int i = 0; i < n; i++)
		ret_cpus[i] = place->order[pin][i % place->n_spots];
}

static json_t *cpu_list_json(hwloc_const_bitmap_t set)
{
	_cleanup_(mmlab_freep) char *text = NULL;

	return set && hwloc_bitmap_list_asprintf(&text, set) >= 0 ? json_string(text) : json_null();
}

static const char *cache_type(hwloc_obj_cache_type_t type)
{
	switch (type) {
	case HWLOC_OBJ_CACHE_DATA:
		return "data";
	case HWLOC_OBJ_CACHE_INSTRUCTION:
		return "instruction";
	default:
		return "unified";
	}
}

static json_t *caches_json(hwloc_topology_t topology)
{
	json_t *caches = json_array();

	for (hwloc_obj_type_t type = HWLOC_OBJ_L1CACHE; type <= HWLOC_OBJ_L3ICACHE; type++) {
		hwloc_obj_t cache = hwloc_get_next_obj_by_type(topology, type, NULL);

		if (!cache)
			continue;
		(void)json_array_append_new(caches, json_pack("{s:i, s:s, s:I, s:i, s:i, s:i}", "level",
							      (int)cache->attr->cache.depth, "type",
							      cache_type(cache->attr->cache.type), "bytes",
							      (json_int_t)cache->attr->cache.size, "line_bytes",
							      (int)cache->attr->cache.linesize, "count",
							      hwloc_get_nbobjs_by_type(topology, type), "shared_by",
							      hwloc_bitmap_weight(cache->cpuset)));
	}
	return caches;
}

/* Latencies as the firmware states them, relative to 10 for a node's own memory. */
static json_t *distances_json(hwloc_topology_t topology, hwloc_obj_t node)
{
	struct hwloc_distances_s *matrix = NULL;
	unsigned int n = 1;
	json_t *distances;

	if (hwloc_distances_get_by_name(topology, "NUMALatency", &n, &matrix, 0) || !n || !matrix)
		return json_null();
	distances = json_array();
	for (unsigned int i = 0; i < matrix->nbobjs; i++)
		if (matrix->objs[i] == node)
			for (unsigned int j = 0; j < matrix->nbobjs; j++)
				(void)json_array_append_new(
					distances, json_integer((json_int_t)matrix->values[i * matrix->nbobjs + j]));
	hwloc_distances_release(topology, matrix);
	return distances;
}

static json_t *nodes_json(hwloc_topology_t topology)
{
	json_t *nodes = json_array();
	hwloc_obj_t node = NULL;

	while ((node = hwloc_get_next_obj_by_type(topology, HWLOC_OBJ_NUMANODE, node)))
		(void)json_array_append_new(nodes, json_pack("{s:i, s:I, s:o, s:o}", "node", (int)node->os_index,
							     "bytes", (json_int_t)node->attr->numanode.local_memory,
							     "cpus", cpu_list_json(node->cpuset), "distances",
							     distances_json(topology, node)));
	return nodes;
}

static int at_least_one(int n)
{
	return n > 0 ? n : 1;
}

json_t *mmlab_place_json(const struct mmlab_place *place)
{
	hwloc_topology_t topology = place->topology;
	int n_threads = at_least_one(hwloc_get_nbobjs_by_type(topology, HWLOC_OBJ_PU));
	int n_cores = hwloc_get_nbobjs_by_type(topology, HWLOC_OBJ_CORE);

	return json_pack("{s:i, s:i, s:i, s:i, s:i, s:o, s:o, s:o, s:o}", "packages",
			 at_least_one(hwloc_get_nbobjs_by_type(topology, HWLOC_OBJ_PACKAGE)), "cores",
			 n_cores > 0 ? n_cores : n_threads, "threads", n_threads, "usable_threads", (int)place->n_spots,
			 "cpu_kinds", at_least_one(hwloc_cpukinds_get_nr(topology, 0)), "cpus",
			 cpu_list_json(hwloc_topology_get_topology_cpuset(topology)), "usable_cpus",
			 cpu_list_json(place->usable), "caches", caches_json(topology), "nodes", nodes_json(topology));
}

int mmlab_pin_self(int cpu)
{
	cpu_set_t *set;
	size_t size;
	int r;

	if (cpu < 0)
		return -EINVAL;
	set = CPU_ALLOC(cpu + 1);
	if (!set)
		return -ENOMEM;
	size = CPU_ALLOC_SIZE(cpu + 1);
	CPU_ZERO_S(size, set);
	CPU_SET_S(cpu, size, set);
	r = sched_setaffinity(0, size, set) ? -errno : 0;
	CPU_FREE(set);
	return r;
}

static void free_nodemaskp(struct bitmask **mask)
{
	if (*mask)
		numa_bitmask_free(*mask);
}

int mmlab_bind_memory_local(void)
{
	_cleanup_(free_nodemaskp) struct bitmask *mask = NULL;
	int cpu, node;

	if (numa_available() < 0 || numa_num_configured_nodes() < 2)
		return 0;
	cpu = sched_getcpu();
	if (cpu < 0)
		return -errno;
	node = numa_node_of_cpu(cpu);
	/* A node without memory can't be bound to; the kernel's own choice of the nearest one is what is left. */
	if (node < 0 || numa_node_size64(node, NULL) <= 0)
		return set_mempolicy(MPOL_LOCAL, NULL, 0) ? -errno : 0;
	mask = numa_allocate_nodemask();
	if (!mask)
		return -ENOMEM;
	numa_bitmask_setbit(mask, (unsigned int)node);
	return set_mempolicy(MPOL_BIND, mask->maskp, mask->size + 1) ? -errno : 0;
}
