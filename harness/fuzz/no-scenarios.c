// SPDX-License-Identifier: MIT
#include <stddef.h>

#include "../scenario.h"

const struct mmlab_scenario *const mmlab_scenarios[] = { NULL };
