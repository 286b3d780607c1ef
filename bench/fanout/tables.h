/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * Bytes of page tables, from three sources that must agree: VmPTE of each process, PageTables of the machine, and the
 * module's own count.
 */
#include "fanout.h"

/**
 * fanout_tables_init() - find out what PageTables counts: f->no_system and f->counts_puds
 * Return: 0 or -errno.
 */
int fanout_tables_init(struct fanout *f);

/** fanout_tables_read() - all that there is now; guests if f->crowd has them. Return: 0 or -errno. */
int fanout_tables_read(const struct fanout *f, struct fanout_tables *ret);

/** fanout_tables_own() - computed: bytes of tables for the memory that VmPTE of one process says it has. */
uint64_t fanout_tables_own(const struct fanout *f);

/** fanout_tables_observe() - report the metrics. */
void fanout_tables_observe(struct fanout *f);

/** fanout_tables_verify() - the sources agree, also with what is computed. Return: 0 or what mmlab_fail() says. */
int fanout_tables_verify(struct fanout *f);
