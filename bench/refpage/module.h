/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * What the three forms of the module's reference pages have in common.
 */
#include "libmmlab.h"
#include "refpage.h"

/** refpage_module_open() - a reference page of the given form into r->fd. Return: 0 or -errno. */
int refpage_module_open(struct refpage *r, enum mmlab_refpage_form form);

/** refpage_module_get() - for refpage_ops.get: map it. */
int refpage_module_get(struct refpage *r);

/** refpage_module_mark(), refpage_module_prove() - for shared pages; refpage_module_prove_fill() - for own ones. */
void refpage_module_mark(struct refpage *r);
void refpage_module_prove(struct refpage *r);
void refpage_module_prove_fill(struct refpage *r);

/** refpage_module_close() - for refpage_ops.close. */
void refpage_module_close(struct refpage *r);

/** refpage_module_hidden() - for refpage_ops.hidden_bytes: the shared page, when nothing maps it. */
uint64_t refpage_module_hidden(const struct refpage *r, const struct mmlab_frames *frames);

/** refpage_module_probe() - for needs.probe: NULL, or why the form can't be had. */
const char *refpage_module_probe(enum mmlab_refpage_form form);
