// SPDX-License-Identifier: GPL-2.0
/*
 * See compat.h: how the kernel's fault entry is made to call the module.
 *
 * While a probe is registered, the kernel's own kmmio_handler() must not see an
 * address of the kernel's: the lists that it would search are made when the
 * mmiotrace tracer starts, and not before. Hence the probe comes only after the
 * diversion was seen in the code, and the diversion is one that the
 * administrator cannot switch off. As ftrace's guard against recursion may
 * still let the function run, the lists are made empty ones first.
 */
#include "compat.h"

#if MMLAB_HAS_FAULT_DIVERT
#include <linux/ftrace.h>
#include <linux/kallsyms.h>
#include <linux/mmiotrace.h>
#include <linux/vmalloc.h>

static struct ftrace_ops divert_ops;
/* kmmio_count: declared for all, exported to none. */
static const unsigned int *n_probes __ro_after_init;
/* kmmio_page_table, the probed pages, and how many lists mmiotrace makes of it */
static struct list_head *lists __ro_after_init;
enum { N_LISTS = 16 };
/* Any address that is mapped by single pages: its length is 0, it is not touched. */
static struct kmmio_probe probe;

/* Changed in 6.4 ("ftrace: Replace multi-ops direct call API ..."). */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 4, 0)
static int direct_register(unsigned long target)
{
	return register_ftrace_direct(&divert_ops, target);
}

static void direct_unregister(unsigned long target)
{
	(void)unregister_ftrace_direct(&divert_ops, target, true);
}
#else
static int direct_register(unsigned long target)
{
	return register_ftrace_direct_multi(&divert_ops, target);
}

static void direct_unregister(unsigned long target)
{
	(void)unregister_ftrace_direct_multi(&divert_ops, target);
	ftrace_free_filter(&divert_ops);
}
#endif

/* Past the landing pad, if it has one: where ftrace puts its call. */
static unsigned long entry __ro_after_init;

/* From a symbol to the next one, which may be a little more than it has. */
static size_t __init symbol_room(const void *symbol)
{
	char text[KSYM_SYMBOL_LEN];
	const char *size;
	size_t n;

	sprint_symbol(text, (unsigned long)symbol);
	size = strrchr(text, '/');
	return size && sscanf(size, "/0x%zx", &n) == 1 ? n : 0;
}

void __init mmlab_fault_divert_init(void)
{
	entry = (unsigned long)mmlab_symbol_find("kmmio_handler");
	n_probes = mmlab_data_find("kmmio_count");
	lists = mmlab_data_find("kmmio_page_table");
	if (lists && symbol_room(lists) < N_LISTS * sizeof(*lists))
		lists = NULL;
}

/* As the tracer would: if it already did, they may be in use. */
static void lists_ensure(void)
{
	size_t i;

	for (i = 0; i < N_LISTS; i++)
		if (!READ_ONCE(lists[i].next))
			INIT_LIST_HEAD(&lists[i]);
}

bool mmlab_fault_probed(void)
{
	return READ_ONCE(*n_probes) != 0;
}

/* A call of the target, and nothing that calls others before. */
static bool entry_calls(unsigned long target)
{
	s32 offset;

	memcpy(&offset, (void *)(entry + 1), sizeof(offset));
	return *(u8 *)entry == 0xe8 && entry + 5 + offset == target;
}

int mmlab_fault_divert(void (*target)(void))
{
	int err;

	if (!entry || !n_probes || !lists)
		return -EOPNOTSUPP;
	lists_ensure();
	probe.addr = (unsigned long)vmalloc(PAGE_SIZE);
	if (!probe.addr)
		return -ENOMEM;

	err = ftrace_set_filter_ip(&divert_ops, entry, 0, 0);
	if (err)
		goto free_page;
	err = direct_register((unsigned long)target);
	if (err)
		goto free_filter;
	/* Registering has overwritten all flags. */
	divert_ops.flags |= FTRACE_OPS_FL_PERMANENT;
	if (!entry_calls((unsigned long)target)) {
		direct_unregister((unsigned long)target);
		err = -EBUSY;
		goto free_page;
	}
	return 0;

free_filter:
	ftrace_free_filter(&divert_ops);
free_page:
	vfree((void *)probe.addr);
	return err;
}

void mmlab_fault_undivert(void (*target)(void))
{
	direct_unregister((unsigned long)target);
	vfree((void *)probe.addr);
}

int mmlab_fault_probe(bool on)
{
	if (on)
		return register_kmmio_probe(&probe);
	unregister_kmmio_probe(&probe);
	return 0;
}
#else
void __init mmlab_fault_divert_init(void)
{
}

bool mmlab_fault_probed(void)
{
	return false;
}

int mmlab_fault_divert(void (*target)(void))
{
	return -EOPNOTSUPP;
}

void mmlab_fault_undivert(void (*target)(void))
{
}

int mmlab_fault_probe(bool on)
{
	return -EOPNOTSUPP;
}
#endif
