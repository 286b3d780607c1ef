/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * userfaultfd as both contenders use it: missing pages of fresh anonymous memory, filled by UFFDIO_COPY. Faults of user
 * space only, so that no privilege is needed.
 */
#include "refpage.h"

/** refpage_uffd_open() - a descriptor that knows @features, into r->fd. Return: 0 or -errno. */
int refpage_uffd_open(struct refpage *r, uint64_t features);

/** refpage_uffd_get() - for refpage_ops.get: map and register the region. */
int refpage_uffd_get(struct refpage *r);

/** refpage_uffd_copy() - fill the page at @addr with the pattern; async-signal-safe. Return: 0 or -errno. */
int refpage_uffd_copy(const struct refpage *r, uint64_t addr);

/** refpage_uffd_probe() - for needs.probe. */
const char *refpage_uffd_probe(void);
