// SPDX-License-Identifier: GPL-2.0
/*
 * The device, its one ioctl entry, and one read-only debugfs file for each
 * mechanism.
 *
 * The device holds no state: what a caller owns are files of its own, so that
 * closing, dying and crashing all release it the same way. A file that is open
 * or mapped pins the module.
 */
#include <linux/anon_inodes.h>
#include <linux/build_bug.h>
#include <linux/debugfs.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/miscdevice.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/security.h>
#include <linux/seq_file.h>
#include <linux/uaccess.h>

#include "compat.h"
#include "mmlab.h"

static const struct mmlab_mech *const mechs[] = {
	&mmlab_refpage_mech,
	&mmlab_lockbuf_mech,
#if MMLAB_HAS_X86_MECHS
	&mmlab_mshare_mech,
	&mmlab_clone_mech,
	&mmlab_spf_mech,
#if !IS_ENABLED(MMLAB_PLANT_OMIT)
	&mmlab_arena_mech,
#endif
#endif
};

static const struct mmlab_mech *mech_find(u32 id)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(mechs); i++)
		if (mechs[i]->id == id)
			return mechs[i];
	return NULL;
}

static u64 mech_caps(const struct mmlab_mech *mech)
{
	return mmlab_is_tried(mech->id) ? mech->caps() : 0;
}

static int run_query(union mmlab_arg *arg, struct mmlab_reply *reply)
{
	const struct mmlab_mech *mech = mech_find(arg->query.mech);
	unsigned int i;

	if (!mech)
		return -EOPNOTSUPP;

	arg->query.abi_version = MMLAB_ABI_VERSION;
	arg->query.caps = mech_caps(mech);
	arg->query.mechs = 0;
	for (i = 0; i < ARRAY_SIZE(mechs); i++)
		arg->query.mechs |= BIT_ULL(mechs[i]->id);
	return 0;
}

static int run_stats(union mmlab_arg *arg, struct mmlab_reply *reply)
{
	const struct mmlab_mech *mech = mech_find(arg->stats.mech);
	u64 __user *values;
	unsigned int i;

	if (!mech)
		return -EOPNOTSUPP;

	values = u64_to_user_ptr(arg->stats.values);
	for (i = 0; i < min(arg->stats.n_values, mech->n_stats); i++)
		if (put_user(mech->stat(i), values + i))
			return -EFAULT;

	arg->stats.n_values = mech->n_stats;
	return 0;
}

static const struct mmlab_op core_ops[] = {
	{
		.cmd = MMLAB_IOC_QUERY,
		.bytes = sizeof(struct mmlab_query),
		.min_bytes = offsetofend(struct mmlab_query, caps),
		.run = run_query,
	},
	{
		.cmd = MMLAB_IOC_STATS,
		.bytes = sizeof(struct mmlab_stats),
		.min_bytes = offsetofend(struct mmlab_stats, values),
		.run = run_stats,
	},
};

/* By the number of the command, for a call costs what finding it costs. */
static const struct mmlab_op *ops_by_nr[1 << _IOC_NRBITS] __ro_after_init;

/* Those of mechanisms that are refused. */
static bool nr_is_refused[1 << _IOC_NRBITS] __ro_after_init;

static void __init ops_add(const struct mmlab_op *ops, unsigned int n_ops,
			   bool refused)
{
	unsigned int i;

	for (i = 0; i < n_ops; i++) {
		ops_by_nr[_IOC_NR(ops[i].cmd)] = &ops[i];
		nr_is_refused[_IOC_NR(ops[i].cmd)] = refused;
	}
}

static const struct mmlab_op *op_find(unsigned int cmd)
{
	const struct mmlab_op *op = ops_by_nr[_IOC_NR(cmd)];

	return op && op->cmd == cmd ? op : NULL;
}

int mmlab_reply_file(struct mmlab_reply *reply, const char *name,
		     const struct file_operations *fops, void *object,
		     int flags)
{
	int fd = get_unused_fd_flags(O_CLOEXEC);
	struct file *file;

	if (fd < 0)
		return fd;
	file = anon_inode_getfile(name, fops, object, flags | O_CLOEXEC);
	if (IS_ERR(file)) {
		put_unused_fd(fd);
		return PTR_ERR(file);
	}
	reply->fd = fd;
	reply->file = file;
	return 0;
}

static long device_ioctl(struct file *device, unsigned int cmd,
			 unsigned long user_addr)
{
	void __user *user = (void __user *)user_addr;
	const struct mmlab_op *op = op_find(cmd);
	struct mmlab_reply reply = {};
	union mmlab_arg arg = {};
	u32 bytes;
	int err;

	if (!op)
		return -ENOTTY;
	if (get_user(bytes, (u32 __user *)user))
		return -EFAULT;
	if (bytes < op->min_bytes)
		return -EINVAL;
	if (bytes > PAGE_SIZE)
		return -E2BIG;

	err = copy_struct_from_user(&arg, op->bytes, user, bytes);
	if (err)
		return err;
	/* The caller may have changed it since it was checked. */
	arg.head.size = bytes;
	if (arg.head.flags & ~op->known_flags)
		return op->bad_flag ?: -EOPNOTSUPP;

	if (MMLAB_MECHS_TRIED != MMLAB_MECHS_ALL &&
	    nr_is_refused[_IOC_NR(cmd)])
		return -EOPNOTSUPP;

	err = op->run(&arg, &reply);
	if (err)
		return err;

	if (!op->no_answer && copy_to_user(user, &arg, min(bytes, op->bytes)))
		err = -EFAULT;

	if (reply.file && err) {
		put_unused_fd(reply.fd);
		fput(reply.file);
	} else if (reply.file) {
		fd_install(reply.fd, reply.file);
	}
	if (reply.map_bytes && err)
		(void)vm_munmap(reply.map_addr, reply.map_bytes);
	return err;
}

/*
 * What a locked-down kernel promises to root, this module does not keep: it
 * reads symbols that are not exported, and calls what they name. The kernel logs
 * whom it refused.
 */
static int lockdown_check(void)
{
	return security_locked_down(LOCKDOWN_INTEGRITY_MAX);
}

/* Lockdown may come after the module: what is open then stays so. */
static int device_open(struct inode *inode, struct file *device)
{
	int err = lockdown_check();

	return err ?: nonseekable_open(inode, device);
}

static const struct file_operations device_fops = {
	.owner = THIS_MODULE,
	.open = device_open,
	.unlocked_ioctl = device_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
};

static struct miscdevice device = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "mmlab",
	.mode = 0600,
	.fops = &device_fops,
};

static int stats_show(struct seq_file *seq, void *unused)
{
	const struct mmlab_mech *mech = seq->private;
	unsigned int i;

	seq_printf(seq, "capabilities %#llx\n", mech_caps(mech));
	for (i = 0; i < mech->n_stats; i++)
		seq_printf(seq, "%s %llu\n", mech->stat_names[i],
			   mech->stat(i));
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(stats);

static struct dentry *debugfs_root;

/* One that was not tried on this kernel has its commands, which are refused. */
static int __init mech_init(const struct mmlab_mech *mech)
{
	bool tried = mmlab_is_tried(mech->id);
	int err = 0;

	if (!tried)
		pr_notice("mmlab: %s was not tried on this kernel and is refused (build with UNTRIED=yes to try)\n",
			  mech->name);
	else if (mech->init)
		err = mech->init();
	if (!err)
		ops_add(mech->ops, mech->n_ops, !tried);
	return err;
}

static void mech_exit(const struct mmlab_mech *mech)
{
	if (mech->exit && mmlab_is_tried(mech->id))
		mech->exit();
}

static int __init core_init(void)
{
	unsigned int i, n_ready = 0;
	int err;

	err = lockdown_check();
	if (err) {
		pr_err("mmlab: not usable in a kernel that is locked down; boot without secure boot, or with lockdown=none\n");
		return err;
	}

	mmlab_compat_init();
	ops_add(core_ops, ARRAY_SIZE(core_ops), false);

	for (; n_ready < ARRAY_SIZE(mechs); n_ready++) {
		err = mech_init(mechs[n_ready]);
		if (err)
			goto exit_mechs;
	}

	debugfs_root = debugfs_create_dir("mmlab", NULL);
	for (i = 0; i < ARRAY_SIZE(mechs); i++)
		debugfs_create_file(mechs[i]->name, 0400, debugfs_root,
				    (void *)mechs[i], &stats_fops);

	err = misc_register(&device);
	if (err)
		goto remove_debugfs;

	pr_info("mmlab: interface version %d ready\n", MMLAB_ABI_VERSION);
	return 0;

remove_debugfs:
	debugfs_remove(debugfs_root);
exit_mechs:
	while (n_ready--)
		mech_exit(mechs[n_ready]);
	return err;
}

static void __exit core_exit(void)
{
	unsigned int n_ready = ARRAY_SIZE(mechs);

	misc_deregister(&device);
	debugfs_remove(debugfs_root);
	while (n_ready--)
		mech_exit(mechs[n_ready]);
}

module_init(core_init);
module_exit(core_exit);

MODULE_DESCRIPTION("Proposed memory-management mechanisms, for measurement");
MODULE_LICENSE("GPL");
