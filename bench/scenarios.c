// SPDX-License-Identifier: MIT
/* All scenarios of the program, in the order in which they are listed. */
#include "scenario.h"

extern const struct mmlab_scenario stock_scenario, refpage_scenario, refpage_app_scenario, ipc_scenario;
extern const struct mmlab_scenario lock_scenario, fanout_scenario, clone_scenario, faultmix_scenario;

const struct mmlab_scenario *const mmlab_scenarios[] = {
	&stock_scenario,
	&refpage_scenario,
	&lock_scenario,
	&refpage_app_scenario,
	&ipc_scenario,
	&fanout_scenario,
	&clone_scenario,
	&faultmix_scenario,
	NULL,
};
