// SPDX-License-Identifier: GPL-2.0
/*
 * Reference pages: memory that reads as a pattern until it is written.
 *
 * The object is an anonymous file that is mapped MAP_PRIVATE, so that writing,
 * forking, swapping and discarding are the kernel's own copy-on-write. The
 * forms differ in how an untouched page is answered.
 *
 * The uncounted form maps the shared page by special entries, which hold no
 * reference to it. It lives as long as the file, every VMA holds the file, and
 * a VMA lets go of it only after its entries are cleared and flushed. The
 * kernel breaks such an entry, having no struct page, by copying from the
 * user address in the address space of whoever runs: right for the process's
 * own write, but somebody else's memory if a debugger writes. So
 * refpage_find_special_page() takes the entry back just before that happens,
 * and the write, tried again, finds nothing there and asks .fault.
 *
 * Lock order: mmap_lock or the VMA's lock, then the page-table lock. The module
 * has no lock of its own: an object does not change while it has users.
 */
#include <linux/fs.h>
#include <linux/highmem.h>
#include <linux/log2.h>
#include <linux/mm.h>
#include <linux/mman.h>
#include <linux/module.h>
#include <linux/percpu.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include <asm/mmu_context.h>

#include "compat.h"
#include "mmlab.h"

/**
 * struct refpage - one reference page; immutable once it has a file
 * @page: a whole page of the pattern, shared by all mappings; NULL with FILL
 * @pfn: its frame number
 * @form: enum mmlab_refpage_form
 * @uniform: all bytes of the pattern are equal to the first
 * @n_bytes: length of @pattern
 * @pattern: the pattern once
 */
struct refpage {
	struct page *page;
	unsigned long pfn;
	u32 form;
	bool uniform;
	u32 n_bytes;
	u8 pattern[];
};

static const struct vm_operations_struct uncounted_vm_ops;
static const struct vm_operations_struct withdrawn_vm_ops;

/* Counted where the fault runs: a shared counter would be what is measured. */
static DEFINE_PER_CPU(u64[MMLAB_REFPAGE_N_STATS], refpage_counts);

static __always_inline void count(enum mmlab_refpage_stat stat)
{
	this_cpu_inc(refpage_counts[stat]);
}

static u64 refpage_stat(unsigned int index)
{
	u64 sum = 0;
	int cpu;

	for_each_possible_cpu(cpu)
		sum += READ_ONCE(per_cpu(refpage_counts[index], cpu));
	return sum;
}

static bool refpage_form_works(u32 form)
{
	switch (form) {
	case MMLAB_REFPAGE_UNCOUNTED:
		return mmlab_has_in_fault();
	case MMLAB_REFPAGE_COUNTED:
		return true;
	case MMLAB_REFPAGE_FILL:
		return mmlab_has_finish_fault && mmlab_has_anon_alloc;
	default:
		return false;
	}
}

static u64 refpage_caps(void)
{
	u64 caps = 0;
	u32 form;

	for (form = MMLAB_REFPAGE_UNCOUNTED; form <= MMLAB_REFPAGE_FILL; form++)
		if (refpage_form_works(form))
			caps |= MMLAB_REFPAGE_CAP_FORM(form);
	if (mmlab_has_finish_fault)
		caps |= MMLAB_REFPAGE_CAP_DIRECT_WRITE;
	return caps;
}

/* Repeats the first @have bytes of @buffer until it holds @want. */
static void pattern_repeat(u8 *buffer, size_t have, size_t want)
{
	for (; have < want; have *= 2)
		memcpy(buffer + have, buffer, have);
}

static void refpage_free(struct refpage *refpage)
{
	if (refpage->page)
		put_page(refpage->page);
	kfree(refpage);
}

static void refpage_destroy(struct refpage *refpage)
{
	if (IS_ENABLED(MMLAB_PLANT_LEAK))
		return;
	refpage_free(refpage);
	this_cpu_dec(refpage_counts[MMLAB_REFPAGE_STAT_LIVE_OBJECTS]);
}

/*
 * Faults.
 */

/* Fills the new page of a write fault. Nothing of it is visible to anybody. */
static void cow_page_fill(struct page *page, const struct refpage *refpage)
{
	u8 *buffer = kmap_local_page(page);

	if (refpage->uniform) {
		memset(buffer, refpage->pattern[0], PAGE_SIZE);
	} else {
		memcpy(buffer, refpage->pattern, refpage->n_bytes);
		pattern_repeat(buffer, refpage->n_bytes, PAGE_SIZE);
	}
	kunmap_local(buffer);
	flush_dcache_page(page);
	__SetPageUptodate(page);
}

static void cow_page_copy(struct vm_fault *vmf, const struct refpage *refpage)
{
	copy_user_highpage(vmf->cow_page, refpage->page, vmf->address,
			   vmf->vma);
	__SetPageUptodate(vmf->cow_page);
}

/* Installs vmf->cow_page; the kernel frees it if that fails. */
static vm_fault_t cow_page_finish(struct vm_fault *vmf,
				  enum mmlab_refpage_stat stat)
{
	vm_fault_t ret = mmlab_finish_fault(vmf);

	if (unlikely(ret)) {
		if (ret & VM_FAULT_NOPAGE)
			count(MMLAB_REFPAGE_STAT_RACED);
		return ret;
	}
	count(stat);
	return VM_FAULT_DONE_COW;
}

static vm_fault_t kernel_page(struct vm_fault *vmf, struct refpage *refpage,
			      enum mmlab_refpage_stat stat)
{
	count(stat);
	get_page(refpage->page);
	vmf->page = refpage->page;
	return 0;
}

static bool is_cow_fault(const struct vm_fault *vmf)
{
	return vmf->flags & FAULT_FLAG_WRITE;
}

/* What vmf_pte_changed() in mm/memory.c asks. */
static bool pte_changed(const struct vm_fault *vmf, pte_t pte)
{
	if (vmf->flags & FAULT_FLAG_ORIG_PTE_VALID)
		return !pte_same(pte, vmf->orig_pte);
	return !pte_none(pte);
}

/*
 * Maps the shared page by a special entry. vmf_insert_mixed() would do, but it
 * walks the tables again, spins for ever on a userfaultfd marker, and asks
 * x86's memory-type code about the page, which takes a system-wide lock.
 *
 * Does not sleep, hence serves .map_pages as well, which the kernel calls under
 * RCU. No page table to lock means that somebody is changing it: look again.
 */
static vm_fault_t special_map(struct vm_fault *vmf)
{
	struct vm_area_struct *vma = vmf->vma;
	struct refpage *refpage = vma->vm_private_data;
	struct mm_struct *mm = vma->vm_mm;
	vm_fault_t ret;
	spinlock_t *ptl;
	pte_t *ptep;
	pte_t entry;

	if (pmd_none(*vmf->pmd) && vmf->prealloc_pte)
		mmlab_pmd_install(vmf);

	ptep = mmlab_pte_lock(mm, vmf->pmd, vmf->address, &ptl);
	if (unlikely(!ptep))
		return VM_FAULT_NOPAGE;

	/*
	 * After the OOM reaper, what was written must not read as pattern. It
	 * says so before it takes this lock.
	 */
	ret = check_stable_address_space(mm);
	if (unlikely(ret)) {
		spin_unlock(ptl);
		return ret;
	}

	entry = ptep_get(ptep);
	if (unlikely(pte_changed(vmf, entry) ||
		     READ_ONCE(vma->vm_ops) != &uncounted_vm_ops)) {
		spin_unlock(ptl);
		count(MMLAB_REFPAGE_STAT_RACED);
		return VM_FAULT_NOPAGE;
	}

	entry = pte_mkspecial(pfn_pte(refpage->pfn, vma->vm_page_prot));
	if (unlikely((vmf->flags & FAULT_FLAG_ORIG_PTE_VALID) &&
		     mmlab_pte_is_protect_marker(vmf->orig_pte)))
		entry = mmlab_pte_mkprotected(entry);
	mmlab_set_special_pte_at(mm, vmf->address, ptep, entry);
	update_mmu_cache(vma, vmf->address, ptep);
	spin_unlock(ptl);

	count(MMLAB_REFPAGE_STAT_READ_SHARED);
	return VM_FAULT_NOPAGE;
}

static vm_fault_t uncounted_write(struct vm_fault *vmf)
{
	struct refpage *refpage = vmf->vma->vm_private_data;

	if (!mmlab_has_finish_fault)
		return kernel_page(vmf, refpage,
				   MMLAB_REFPAGE_STAT_WRITE_KERNEL);
	if (refpage->uniform) {
		cow_page_fill(vmf->cow_page, refpage);
		return cow_page_finish(vmf, MMLAB_REFPAGE_STAT_WRITE_FILLED);
	}
	cow_page_copy(vmf, refpage);
	return cow_page_finish(vmf, MMLAB_REFPAGE_STAT_WRITE_COPIED);
}

static vm_fault_t uncounted_fault(struct vm_fault *vmf)
{
	return is_cow_fault(vmf) ? uncounted_write(vmf) : special_map(vmf);
}

/* The uncounted form in a VMA that had an entry taken back. */
static vm_fault_t withdrawn_fault(struct vm_fault *vmf)
{
	return is_cow_fault(vmf) ? uncounted_write(vmf) :
		kernel_page(vmf, vmf->vma->vm_private_data,
			    MMLAB_REFPAGE_STAT_READ_SHARED);
}

static vm_fault_t counted_fault(struct vm_fault *vmf)
{
	struct refpage *refpage = vmf->vma->vm_private_data;

	if (!is_cow_fault(vmf))
		return kernel_page(vmf, refpage,
				   MMLAB_REFPAGE_STAT_READ_SHARED);
	if (refpage->uniform && mmlab_has_finish_fault) {
		cow_page_fill(vmf->cow_page, refpage);
		return cow_page_finish(vmf, MMLAB_REFPAGE_STAT_WRITE_FILLED);
	}
	return kernel_page(vmf, refpage, MMLAB_REFPAGE_STAT_WRITE_KERNEL);
}

/*
 * A read with FILL: make the write fault that the kernel would make. A nested
 * handle_mm_fault() would be counted as a second fault, and would be refused
 * where a protection key allows reading only.
 */
static vm_fault_t fill_read(struct vm_fault *vmf, const struct refpage *refpage)
{
	struct page *page;
	vm_fault_t ret;

	ret = mmlab_anon_alloc(vmf, &page);
	if (ret)
		return ret;

	cow_page_fill(page, refpage);
	vmf->cow_page = page;
	vmf->flags |= FAULT_FLAG_WRITE;
	ret = cow_page_finish(vmf, MMLAB_REFPAGE_STAT_READ_FILLED);
	vmf->flags &= ~FAULT_FLAG_WRITE;
	vmf->cow_page = NULL;
	if (ret != VM_FAULT_DONE_COW) {
		put_page(page);
		return ret;
	}
	return VM_FAULT_NOPAGE;
}

static vm_fault_t fill_fault(struct vm_fault *vmf)
{
	struct refpage *refpage = vmf->vma->vm_private_data;

	if (!is_cow_fault(vmf))
		return fill_read(vmf, refpage);

	cow_page_fill(vmf->cow_page, refpage);
	return cow_page_finish(vmf, refpage->uniform ?
			       MMLAB_REFPAGE_STAT_WRITE_FILLED :
			       MMLAB_REFPAGE_STAT_WRITE_COPIED);
}

#if MMLAB_HAS_VMA_LOCK
static vm_fault_t special_map_pages(struct vm_fault *vmf, pgoff_t start,
				    pgoff_t end)
{
	return special_map(vmf);
}

/* Nothing around to map; its presence lets .fault run under the VMA lock. */
static vm_fault_t no_map_pages(struct vm_fault *vmf, pgoff_t start, pgoff_t end)
{
	return 0;
}
#endif

/*
 * Special entries.
 */

static bool is_special_of(pte_t pte, const struct refpage *refpage)
{
	return pte_present(pte) && pte_special(pte) &&
	       pte_pfn(pte) == refpage->pfn;
}

/*
 * Called by everything that looks at a special entry, page-table lock held.
 * NULL stands for "no struct page", which is right for all but one caller: a
 * write fault that could not read the page at its user address.
 */
static struct page *refpage_find_special_page(struct vm_area_struct *vma,
					      unsigned long addr)
{
	struct refpage *refpage = vma->vm_private_data;
	struct mm_struct *mm = vma->vm_mm;
	pmd_t *pmd;
	pte_t *ptep;

	if (likely(current->mm == mm && (vma->vm_flags & VM_ACCESS_FLAGS) &&
		   arch_vma_access_permitted(vma, false, false, false)))
		return NULL;
	if (!mmlab_in_fault_on(vma))
		return NULL;

	/* The entry exists and its lock is held: so does all above it. */
	pmd = mmlab_pmd_walk(mm, addr);
	if (WARN_ON_ONCE(!pmd))
		return NULL;
	ptep = pte_offset_kernel(pmd, addr);
	if (!is_special_of(ptep_get(ptep), refpage))
		return NULL;

	/*
	 * The kernel now copies the page returned, then sees that the entry
	 * changed, and drops the copy. If a read had put the same entry back
	 * by then, it would see no change, and take away a reference and a
	 * count that the entry never had: hence no special entries in this VMA
	 * from now on. special_map() looks under the lock held here.
	 */
	WRITE_ONCE(vma->vm_ops, &withdrawn_vm_ops);

	/* No stale translation may outlive the write that follows. */
	ptep_get_and_clear(mm, addr, ptep);
	mmlab_flush_tlb_mm(mm);
	count(MMLAB_REFPAGE_STAT_WITHDRAWN);
	return refpage->page;
}

/*
 * ptrace and /proc/PID/mem, after the kernel found no page to refer to: reading
 * is possible all the same. Writing never gets here: it breaks the entry.
 */
static int refpage_access(struct vm_area_struct *vma, unsigned long addr,
			  void *buffer, int len, int write)
{
	struct refpage *refpage = vma->vm_private_data;
	spinlock_t *ptl;
	bool special;
	pmd_t *pmd;
	pte_t *ptep;

	if (write)
		return -EFAULT;

	pmd = mmlab_pmd_walk(vma->vm_mm, addr);
	ptep = pmd ? mmlab_pte_lock(vma->vm_mm, pmd, addr, &ptl) : NULL;
	if (!ptep)
		return -EFAULT;
	special = is_special_of(ptep_get(ptep), refpage);
	spin_unlock(ptl);
	if (!special)
		return -EFAULT;

	/* The mmap lock keeps the VMA, hence the file, hence the page. */
	len = min_t(int, len, PAGE_SIZE - offset_in_page(addr));
	memcpy(buffer, page_address(refpage->page) + offset_in_page(addr), len);
	count(MMLAB_REFPAGE_STAT_ACCESSED);
	return len;
}

/*
 * None has .open or .close: VMAs with .close do not merge, and the file is all
 * that has to be kept.
 */
static const struct vm_operations_struct uncounted_vm_ops = {
	.fault = uncounted_fault,
#if MMLAB_HAS_VMA_LOCK
	.map_pages = special_map_pages,
#endif
#if MMLAB_HAS_FIND_SPECIAL
	.mmlab_find_special = refpage_find_special_page,
#endif
	.access = refpage_access,
};

/* Replaces the above under a reader's feet: must have the same members. */
static const struct vm_operations_struct withdrawn_vm_ops = {
	.fault = withdrawn_fault,
#if MMLAB_HAS_VMA_LOCK
	.map_pages = no_map_pages,
#endif
#if MMLAB_HAS_FIND_SPECIAL
	.mmlab_find_special = refpage_find_special_page,
#endif
	.access = refpage_access,
};

static const struct vm_operations_struct counted_vm_ops = {
	.fault = counted_fault,
#if MMLAB_HAS_VMA_LOCK
	.map_pages = no_map_pages,
#endif
};

static const struct vm_operations_struct fill_vm_ops = {
	.fault = fill_fault,
#if MMLAB_HAS_VMA_LOCK
	.map_pages = no_map_pages,
#endif
};

static const struct vm_operations_struct *const form_vm_ops[] = {
	[MMLAB_REFPAGE_UNCOUNTED] = &uncounted_vm_ops,
	[MMLAB_REFPAGE_COUNTED] = &counted_vm_ops,
	[MMLAB_REFPAGE_FILL] = &fill_vm_ops,
};

/*
 * The file.
 */

static int refpage_mmap(struct file *file, struct vm_area_struct *vma)
{
	struct refpage *refpage = file->private_data;

	/* The file is read-only: VM_SHARED is gone already, this is not. */
	if (vma->vm_flags & VM_MAYSHARE)
		return -EINVAL;

	/*
	 * Reclaim with the multi-generational LRU looks at the neighbours of
	 * a page, and warns about special entries in any other VMA.
	 */
	if (refpage->form == MMLAB_REFPAGE_UNCOUNTED)
		mmlab_vm_flags_set(vma, VM_MIXEDMAP);

	vma->vm_private_data = refpage;
	vma->vm_ops = form_vm_ops[refpage->form];
	count(MMLAB_REFPAGE_STAT_MMAPS);
	return 0;
}

static int refpage_release(struct inode *inode, struct file *file)
{
	refpage_destroy(file->private_data);
	return 0;
}

static const struct file_operations refpage_fops = {
	.owner = THIS_MODULE,
	.mmap = refpage_mmap,
	.release = refpage_release,
};

static int refpage_new(const struct mmlab_refpage_create *arg,
		       struct refpage **ret_refpage)
{
	size_t n_bytes = arg->content_bytes;
	struct refpage *refpage;
	u8 *buffer;
	int err;

	refpage = kzalloc(struct_size(refpage, pattern, n_bytes),
			  GFP_KERNEL_ACCOUNT);
	if (!refpage)
		return -ENOMEM;

	refpage->form = arg->form;
	refpage->n_bytes = n_bytes;
	err = -EFAULT;
	if (copy_from_user(refpage->pattern, u64_to_user_ptr(arg->content),
			   n_bytes))
		goto free_refpage;
	refpage->uniform = !memchr_inv(refpage->pattern, refpage->pattern[0],
				       n_bytes);

	if (arg->form != MMLAB_REFPAGE_FILL) {
		err = -ENOMEM;
		refpage->page = alloc_page(GFP_KERNEL_ACCOUNT);
		if (!refpage->page)
			goto free_refpage;
		refpage->pfn = page_to_pfn(refpage->page);
		buffer = page_address(refpage->page);
		memcpy(buffer, refpage->pattern, n_bytes);
		pattern_repeat(buffer, n_bytes, PAGE_SIZE);
		__SetPageUptodate(refpage->page);
	}

	*ret_refpage = refpage;
	return 0;

free_refpage:
	refpage_free(refpage);
	return err;
}

static int run_create(union mmlab_arg *arg, struct mmlab_reply *reply)
{
	struct mmlab_refpage_create *create = &arg->refpage_create;
	struct refpage *refpage;
	int err;

	if (!is_power_of_2(create->content_bytes) ||
	    create->content_bytes > PAGE_SIZE ||
	    !IS_ALIGNED(create->content, create->content_bytes) ||
	    create->form > MMLAB_REFPAGE_FILL)
		return -EINVAL;
	if (!refpage_form_works(create->form))
		return -EOPNOTSUPP;

	err = refpage_new(create, &refpage);
	if (err)
		return err;

	err = mmlab_reply_file(reply, "[refpage]", &refpage_fops, refpage,
			       O_RDONLY);
	if (err) {
		refpage_free(refpage);
		return err;
	}
	count(MMLAB_REFPAGE_STAT_CREATED);
	count(MMLAB_REFPAGE_STAT_LIVE_OBJECTS);
	create->fd = reply->fd;
	return 0;
}

static const struct mmlab_op refpage_ops[] = {
	{
		.cmd = MMLAB_IOC_REFPAGE_CREATE,
		.bytes = sizeof(struct mmlab_refpage_create),
		.min_bytes = offsetofend(struct mmlab_refpage_create, fd),
		.bad_flag = -EINVAL,
		.run = run_create,
	},
};

static const char *const refpage_stat_names[] = {
	[MMLAB_REFPAGE_STAT_LIVE_OBJECTS] = "live-objects",
	[MMLAB_REFPAGE_STAT_CREATED] = "created",
	[MMLAB_REFPAGE_STAT_MMAPS] = "mmaps",
	[MMLAB_REFPAGE_STAT_READ_SHARED] = "read-shared",
	[MMLAB_REFPAGE_STAT_READ_FILLED] = "read-filled",
	[MMLAB_REFPAGE_STAT_WRITE_KERNEL] = "write-kernel",
	[MMLAB_REFPAGE_STAT_WRITE_COPIED] = "write-copied",
	[MMLAB_REFPAGE_STAT_WRITE_FILLED] = "write-filled",
	[MMLAB_REFPAGE_STAT_RACED] = "raced",
	[MMLAB_REFPAGE_STAT_WITHDRAWN] = "withdrawn",
	[MMLAB_REFPAGE_STAT_ACCESSED] = "accessed",
};
static_assert(ARRAY_SIZE(refpage_stat_names) == MMLAB_REFPAGE_N_STATS);

const struct mmlab_mech mmlab_refpage_mech = {
	.name = "refpage",
	.id = MMLAB_MECH_REFPAGE,
	.ops = refpage_ops,
	.n_ops = ARRAY_SIZE(refpage_ops),
	.stat_names = refpage_stat_names,
	.n_stats = MMLAB_REFPAGE_N_STATS,
	.stat = refpage_stat,
	.caps = refpage_caps,
};
