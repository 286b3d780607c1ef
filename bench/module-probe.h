/* SPDX-License-Identifier: MIT */
#ifndef MMLAB_MODULE_PROBE_H
#define MMLAB_MODULE_PROBE_H

#include <stdint.h>

#include "libmmlab.h"

/**
 * module_lacks() - is a mechanism of the module there, for contenders' probes
 * @mech: which one
 * @cap: one of its capabilities, MMLAB_*_CAP_*; 0: any
 *
 * Return: NULL if it can be used, else why not and what to do about it, a constant.
 */
const char *module_lacks(enum mmlab_mech_id mech, uint64_t cap);

#endif /* MMLAB_MODULE_PROBE_H */
