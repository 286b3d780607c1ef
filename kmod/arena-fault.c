// SPDX-License-Identifier: GPL-2.0
/*
 * Arenas: faults. Under mmap_lock or the lock of the VMA, for reading, which is
 * shared and is not what is measured; what a fault takes of the arena is in
 * arena-lock.c.
 */
#include <linux/sched/signal.h>

#include "arena.h"

/*
 * Delays, by which tests and benchmarks have a fault take as long as they like.
 */

void arena_delay_init(struct arena_delay *delay)
{
	spin_lock_init(&delay->lock);
	init_waitqueue_head(&delay->sleepers);
}

/**
 * arena_delay_set() - delay the next fault of a range that makes a page
 * @arena: the arena
 * @first: first page
 * @last: last page
 * @duration_ns: how long; 0 for no fault, and for an end of all delays
 */
void arena_delay_set(struct arena *arena, unsigned long first,
		     unsigned long last, u64 duration_ns)
{
	struct arena_delay *delay = &arena->delay;

	spin_lock(&delay->lock);
	delay->first = first;
	delay->last = last;
	delay->duration_ns = duration_ns;
	WRITE_ONCE(delay->armed, duration_ns != 0);
	if (!duration_ns)
		WRITE_ONCE(delay->n_ended, delay->n_ended + 1);
	spin_unlock(&delay->lock);
	if (!duration_ns)
		wake_up_all(&delay->sleepers);
}

/* Until a fatal signal, as a read from a disk would. Others may wake us. */
static void delay_sleep(struct arena_delay *delay, u64 duration_ns,
			unsigned int n_ended)
{
	ktime_t end = ktime_add_ns(ktime_get(), duration_ns);
	DEFINE_WAIT(wait);

	arena_count(MMLAB_ARENA_STAT_LIVE_HOLDS, 1);
	do {
		prepare_to_wait(&delay->sleepers, &wait, TASK_KILLABLE);
		if (READ_ONCE(delay->n_ended) != n_ended ||
		    fatal_signal_pending(current))
			break;
	} while (schedule_hrtimeout_range(&end, 0, HRTIMER_MODE_ABS));
	finish_wait(&delay->sleepers, &wait);
	arena_count(MMLAB_ARENA_STAT_LIVE_HOLDS, -1);
}

static void delay_take(struct arena *arena, unsigned long page)
{
	struct arena_delay *delay = &arena->delay;
	u64 duration_ns = 0;
	unsigned int n_ended;

	spin_lock(&delay->lock);
	n_ended = delay->n_ended;
	if (delay->armed && page >= delay->first && page <= delay->last) {
		duration_ns = delay->duration_ns;
		WRITE_ONCE(delay->armed, false);
	}
	spin_unlock(&delay->lock);
	if (duration_ns)
		delay_sleep(delay, duration_ns, n_ended);
}

/*
 * Faults.
 */

static bool access_ok_by(int prot, bool write)
{
	return prot >= 0 && (prot & (write ? PROT_WRITE : PROT_READ));
}

/* To one who is being killed it does not matter. */
static vm_fault_t begin_error(int err)
{
	return err == -ENOMEM ? VM_FAULT_OOM : VM_FAULT_SIGBUS;
}

/*
 * What is mapped says no. A fault that is registered looked it up without a lock,
 * beside commands that may change an entry of the tree in two steps: one that
 * came means that the access is to be made again.
 */
static vm_fault_t fault_refuse(struct arena_fault *fault)
{
	if (fault->registered && !pending_commit(&fault->pending)) {
		arena_count(MMLAB_ARENA_STAT_RETRIES, 1);
		return VM_FAULT_NOPAGE;
	}
	arena_count(MMLAB_ARENA_STAT_VIOLATIONS, 1);
	return VM_FAULT_SIGSEGV;
}

static vm_fault_t fault_serve(struct vm_fault *vmf, struct arena *arena,
			      struct arena_fault *fault, int prot)
{
	struct page *page = READ_ONCE(arena->pages[vmf->pgoff]);
	struct page *new = NULL;

	if (!page) {
		if (unlikely(READ_ONCE(arena->delay.armed)))
			delay_take(arena, vmf->pgoff);
		/* Where memory has a limit, this is a fault like others. */
		new = arena_page_new(0);
		if (!new)
			return VM_FAULT_OOM;
	}
	if (unlikely(!arena_fault_commit(arena, fault))) {
		if (new)
			arena_page_drop(new);
		arena_count(MMLAB_ARENA_STAT_RETRIES, 1);
		/* The access is made again, and faults again. */
		return VM_FAULT_NOPAGE;
	}
	if (new)
		page = arena_page_publish(arena, vmf->pgoff, new);

	if (unlikely(arena_entry_set(arena, vmf->vma, vmf->pgoff, page, prot)))
		return VM_FAULT_OOM;
	arena_count(MMLAB_ARENA_STAT_FAULTS, 1);
	return VM_FAULT_NOPAGE;
}

/* No entry. */
vm_fault_t arena_vm_fault(struct vm_fault *vmf)
{
	struct arena *arena = vmf->vma->vm_private_data;
	struct arena_fault fault;
	vm_fault_t ret;
	int prot, err;

	err = arena_fault_begin(arena, &fault, vmf->pgoff);
	if (unlikely(err)) {
		ret = begin_error(err);
		goto end_fault;
	}
	prot = extents_prot(arena, vmf->pgoff);
	arena_fault_looked_up(arena, &fault);
	if (unlikely(!access_ok_by(prot, vmf->flags & FAULT_FLAG_WRITE)))
		ret = fault_refuse(&fault);
	else
		ret = fault_serve(vmf, arena, &fault, prot);
end_fault:
	arena_fault_end(arena, &fault);
	return ret;
}

/*
 * A write, and the entry is for reading. It is never made writable where it is:
 * PROTECT takes out what it changes, so that if writing is allowed the entry is
 * an old one, gone by now.
 */
vm_fault_t arena_vm_mkwrite(struct vm_fault *vmf)
{
	struct arena *arena = vmf->vma->vm_private_data;
	struct arena_fault fault;
	vm_fault_t ret;
	int prot, err;

	err = arena_fault_begin(arena, &fault, vmf->pgoff);
	if (unlikely(err)) {
		ret = begin_error(err);
		goto end_fault;
	}
	prot = extents_prot(arena, vmf->pgoff);
	arena_fault_looked_up(arena, &fault);
	ret = access_ok_by(prot, true) ? VM_FAULT_NOPAGE :
					 fault_refuse(&fault);
end_fault:
	arena_fault_end(arena, &fault);
	return ret;
}
