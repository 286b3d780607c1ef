// SPDX-License-Identifier: GPL-2.0
/*
 * How the kernel's fault path gets to spf-fault.c, and when.
 *
 * Two steps. The kernel's code is changed once, when the module is loaded: a
 * function that nobody runs then begins with a call of ours. To put the hook in
 * is to raise a count, upon which the fault path runs that function; to take it
 * out is to lower it. So this may happen at any time, with any number of CPUs.
 *
 * spf_hook_lock is taken under mmap_lock, and nothing but the kernel's lock of
 * probes is taken under it.
 */
#include <linux/ftrace.h>
#include <linux/module.h>
#include <linux/objtool.h>
#include <linux/rcupdate.h>

#include <asm/asm.h>
#include <asm/ibt.h>
#include <asm/linkage.h>

#include "compat.h"
#include "spf.h"

static bool spf_hook = true;
module_param(spf_hook, bool, 0444);
MODULE_PARM_DESC(spf_hook, "whether faults may be looked at before the kernel's own handling (default yes)");

bool spf_hook_works __ro_after_init;

static DEFINE_SPINLOCK(spf_hook_lock);
static enum mmlab_spf_hook setting;
static int n_regions;
static bool is_in;

/*
 * Set before the hook is in for the first time, and never cleared: a fault that
 * saw the count raised must not run the kernel's own function later. Before, the
 * function is its owner's.
 */
u8 spf_diverted;

/*
 * Called by the first instruction of kmmio_handler(): drops the return address
 * into it, so that the handler returns to its caller.
 */
void spf_divert(void);
asm("	.pushsection .text, \"ax\", @progbits\n"
    "	.type spf_divert, @function\n"
    "spf_divert:\n"
    "	" ASM_ENDBR
    "	cmpb $0, spf_diverted(%rip)\n"
    "	je 1f\n"
    "	addq $8, %rsp\n"
    "	jmp spf_handler\n"
    "1:	" ASM_RET
    "	.size spf_divert, .-spf_divert\n"
    "	.popsection\n");
STACK_FRAME_NON_STANDARD(spf_divert);

static void hook_update(void)
{
	bool want = spf_hook_works && setting != MMLAB_SPF_HOOK_OUT &&
		    (setting == MMLAB_SPF_HOOK_IN || n_regions > 0);

	if (want == is_in)
		return;
	/* Its probes would not be found any more: the tracer was first. */
	if (want && mmlab_fault_probed())
		return;
	if (want)
		WRITE_ONCE(spf_diverted, 1);
	/* Orders the store before the count, by its own lock. */
	if (mmlab_fault_probe(want))
		return;
	is_in = want;
	if (want) {
		spf_count(MMLAB_SPF_STAT_HOOKED);
		spf_count(MMLAB_SPF_STAT_HOOK_IN);
	} else {
		spf_uncount(MMLAB_SPF_STAT_HOOKED);
		spf_count(MMLAB_SPF_STAT_HOOK_OUT);
	}
}

/* Regions in mode SPECULATIVE come and go. */
void spf_hook_regions_add(int n)
{
	spin_lock(&spf_hook_lock);
	n_regions += n;
	hook_update();
	spin_unlock(&spf_hook_lock);
}

int spf_hook_set(enum mmlab_spf_hook hook, u32 *ret_former)
{
	enum mmlab_spf_hook former;
	int err = 0;

	spin_lock(&spf_hook_lock);
	former = setting;
	setting = hook;
	hook_update();
	if (hook == MMLAB_SPF_HOOK_IN && !is_in) {
		setting = former;
		err = -EBUSY;
	}
	spin_unlock(&spf_hook_lock);
	if (!err)
		*ret_former = former;
	return err;
}

/*
 * Not with CONFIG_PREEMPT_RT: there the lock of a page table sleeps, which a
 * fault without a lock must not.
 */
void spf_hook_init(void)
{
	spf_hook_works = spf_hook && mmlab_has_finish_fault &&
			 mmlab_has_new_anon_rmap &&
			 !IS_ENABLED(CONFIG_PREEMPT_RT) &&
			 !cpu_feature_enabled(X86_FEATURE_XENPV) &&
			 !mmlab_fault_divert(spf_divert);
}

void spf_hook_exit(void)
{
	u32 former;

	if (!spf_hook_works)
		return;
	(void)spf_hook_set(MMLAB_SPF_HOOK_OUT, &former);
	/* Faults that still saw it in run with interrupts off, or preemption. */
	synchronize_rcu();
	mmlab_fault_undivert(spf_divert);
	synchronize_rcu();
}
