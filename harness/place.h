/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Where tasks run: topology from hwloc, restricted to the CPUs this process may use. Memory policy from libnuma.
 * Only the steering process loads the topology; children get plain CPU numbers.
 */
#include <jansson.h>
#include <stddef.h>

struct mmlab_place;

/** How the CPUs of a case's tasks and peers are chosen. */
enum mmlab_pin {
	MMLAB_PIN_SPREAD,  /* different cores of one package and node where possible (the default) */
	MMLAB_PIN_SIBLING, /* hardware threads of one core first */
	MMLAB_PIN_NODES,   /* as many NUMA nodes as possible */
	MMLAB_PIN_SAME,    /* all on one CPU */
};

/** mmlab_pin_parse() - "spread", "sibling", "nodes", "same". Return: 0 or -EINVAL. */
int mmlab_pin_parse(enum mmlab_pin *ret, const char *text);

/** mmlab_place_new() - load the topology. Return: 0 or -errno. */
int mmlab_place_new(struct mmlab_place **ret);

/**
 * mmlab_place_new_synthetic() - a topology that only exists on paper, for tests and for trying out --pin
 * @synthetic: as hwloc-synthetic describes it, for example "package:2 numa:1 core:4 pu:2"
 * Return: 0 or -errno; -EINVAL for a description that hwloc refuses.
 */
int mmlab_place_new_synthetic(struct mmlab_place **ret, const char *synthetic);

/** mmlab_place_free() - NULL is accepted. Return: NULL. */
struct mmlab_place *mmlab_place_free(struct mmlab_place *place);

/** mmlab_place_cpus() - number of CPUs this process may use; mmlab_place_nodes() - NUMA nodes with memory. */
unsigned int mmlab_place_cpus(const struct mmlab_place *place);
unsigned int mmlab_place_nodes(const struct mmlab_place *place);

/**
 * mmlab_place_choose() - CPUs for @n tasks, in order
 * @ret_cpus: @n OS CPU numbers; with fewer CPUs than tasks they repeat
 *
 * CPU 0 is taken last where there is a choice, since interrupts land there.
 */
void mmlab_place_choose(const struct mmlab_place *place, enum mmlab_pin pin, unsigned int n, int *ret_cpus);

/** mmlab_place_json() - packages, cores, threads, caches, nodes with distances, for the result file; new reference. */
json_t *mmlab_place_json(const struct mmlab_place *place);

/** mmlab_pin_self() - pin the calling thread to one CPU. Return: 0 or -errno. */
int mmlab_pin_self(int cpu);

/** mmlab_bind_memory_local() - allocate on the node of the current CPU only (libnuma); 0 or -errno; 0 without NUMA. */
int mmlab_bind_memory_local(void);
