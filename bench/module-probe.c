// SPDX-License-Identifier: MIT
#include "module-probe.h"

#include <errno.h>

struct lack {
	const char *mech, *cap; /* what is said if the module has none, or has it without the capability */
};

static const struct lack lacks[] = {
	[MMLAB_MECH_REFPAGE] = { "the loaded module has no reference pages",
				 "the module does not offer this form on this kernel" },
	[MMLAB_MECH_LOCKBUF] = { "the loaded module has no lockable buffers",
				 "the module does not offer this flush on this kernel" },
	[MMLAB_MECH_MSHARE] = { "the loaded module has no shared page tables",
				"the module cannot share page tables on this kernel" },
	[MMLAB_MECH_CLONE] = { "the loaded module has no clones of mappings",
			       "the module cannot clone mappings on this kernel" },
	[MMLAB_MECH_SPF] = { "the loaded module has no speculative faults",
			     "the module offers no regions on this kernel" },
	[MMLAB_MECH_ARENA] = { "the loaded module has no arenas", "the module does not offer this lock on this kernel" },
};

const char *module_lacks(enum mmlab_mech_id mech, uint64_t cap)
{
	uint64_t caps;

	if (mmlab_query(mech, &caps) < 0)
		return errno == EACCES ? "/dev/mmlab is closed to this user; run as root"
		       : errno == ENOSYS
			       ? "the module is not loaded (no /dev/mmlab); load it, or use scripts/bench or scripts/vm"
			       : lacks[mech].mech;
	return caps & (cap ? cap : UINT64_MAX) ? NULL : lacks[mech].cap;
}
