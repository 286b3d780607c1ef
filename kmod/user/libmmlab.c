// SPDX-License-Identifier: MIT
/*
 * One descriptor of /dev/mmlab serves the whole process. It is opened without
 * a lock: whoever loses the race closes its own. A program that closes
 * descriptors wholesale (a daemon, a shell) may have closed ours, and another
 * file may have taken the number; both show as an error that the device never
 * gives for a command it knows, and the device is then opened once more.
 */
#include "libmmlab.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/vfs.h>
#include <unistd.h>

static atomic_int device_fd = -1;

/* Replaces @stale_fd as the process's descriptor; returns the one to use. */
static int device_open(int stale_fd)
{
	int fd = open(MMLAB_DEVICE, O_RDWR | O_CLOEXEC);

	if (fd < 0) {
		if (errno == ENOENT || errno == ENXIO || errno == ENODEV)
			errno = ENOSYS;
		return -1;
	}

	int current_fd = stale_fd;

	if (!atomic_compare_exchange_strong(&device_fd, &current_fd, fd)) {
		(void)close(fd);
		return current_fd;
	}

	/* A stale number now belongs to somebody else: it is not closed. */
	return fd;
}

/* Whether an error says that the number is not the device's any more. */
static bool device_is_stale(int fd, int error)
{
	int flags;

	if (error != EBADF)
		return error == ENOTTY;
	/* Or was it about a descriptor in the struct? */
	flags = fcntl(fd, F_GETFL);
	return flags < 0 || (flags & O_PATH);
}

static int device_call(unsigned long command, void *arg)
{
	int fd = atomic_load(&device_fd);
	bool reopened = fd < 0;

	if (reopened)
		fd = device_open(fd);

	for (;;) {
		int r, error;

		if (fd < 0)
			return -1;

		r = ioctl(fd, command, arg);
		error = errno;
		if (r >= 0 || reopened || !device_is_stale(fd, error)) {
			errno = error;
			return r;
		}

		fd = device_open(fd);
		reopened = true;
	}
}

int mmlab_refpage_create(const void *content, size_t size, unsigned long flags,
			 enum mmlab_refpage_form form)
{
	struct mmlab_refpage_create arg = {
		.size = sizeof(arg),
		.flags = (__u32)flags,
		.content = (uintptr_t)content,
		.content_bytes = size,
		.form = (__u32)form,
		.fd = -1,
	};

	/* Flags that the struct has no room for must not be lost. */
	if (flags != arg.flags) {
		errno = EINVAL;
		return -1;
	}

	if (device_call(MMLAB_IOC_REFPAGE_CREATE, &arg) < 0)
		return -1;

	return arg.fd;
}

int refpage_create(const void *content, size_t size, unsigned long flags)
{
	return mmlab_refpage_create(content, size, flags,
				    MMLAB_REFPAGE_UNCOUNTED);
}

int mmlab_lockbuf_create(size_t bytes, unsigned int mode, unsigned int flush,
			 unsigned int flags)
{
	struct mmlab_lockbuf_create arg = {
		.size = sizeof(arg),
		.flags = flags,
		.bytes = bytes,
		.mode = mode,
		.flush = flush,
		.fd = -1,
	};

	return device_call(MMLAB_IOC_LOCKBUF_CREATE, &arg) < 0 ? -1 : arg.fd;
}

size_t mmlab_lockbuf_map_bytes(size_t bytes)
{
	const size_t entry_bytes = (size_t)2 << 20;

	return (bytes + entry_bytes - 1) / entry_bytes * entry_bytes;
}

void *mmlab_lockbuf_map(int fd, size_t bytes, int prot)
{
	return mmap(NULL, mmlab_lockbuf_map_bytes(bytes), prot, MAP_SHARED, fd,
		    0);
}

int mmlab_lockbuf_reader(int fd)
{
	return ioctl(fd, MMLAB_IOC_LOCKBUF_READER, 0);
}

int mmlab_lockbuf_lock(int fd, unsigned int flags)
{
	return ioctl(fd, MMLAB_IOC_LOCKBUF_LOCK, flags);
}

int mmlab_lockbuf_unlock(int fd)
{
	return ioctl(fd, MMLAB_IOC_LOCKBUF_UNLOCK, 0);
}

int mmlab_lockbuf_nop(int fd)
{
	return ioctl(fd, MMLAB_IOC_LOCKBUF_NOP, 0);
}

int mmlab_lockbuf_flush(int fd)
{
	return ioctl(fd, MMLAB_IOC_LOCKBUF_FLUSH, 0);
}

void *mmlab_mmap_shared_pt(void *addr, size_t length, int prot, int flags,
			   int fd, off_t offset)
{
	struct mmlab_mshare_file arg = {
		.size = sizeof(arg),
		.file_fd = fd,
		.prot = (__u32)prot,
		.offset = (__u64)offset,
		.bytes = length,
	};
	void *memory;

	if (!(flags & MAP_SHARED_PT) || (flags & MAP_TYPE) != MAP_SHARED ||
	    (flags & MAP_ANONYMOUS) || (uintptr_t)addr % MMLAB_MSHARE_ALIGN) {
		errno = EINVAL;
		return MAP_FAILED;
	}
	if (device_call(MMLAB_IOC_MSHARE_FILE, &arg) < 0)
		return MAP_FAILED;

	memory = mmap(addr, length, prot, flags & ~MAP_SHARED_PT, arg.fd, 0);

	int error = errno;

	/* A mapping keeps it; without one it goes. */
	(void)close(arg.fd);
	/* As with mmap(2), populating may fail without a word. */
	if (memory != MAP_FAILED && (flags & MAP_POPULATE))
		(void)mmlab_mshare_populate(memory, length);
	errno = error;
	return memory;
}

enum { MSHAREFS_MAGIC = 0x6d736872 };

/* The path of a name, once msharefs is known to be there. */
static int mshare_path(const char *name, char *ret_path, size_t bytes)
{
	struct statfs where;
	int n;

	if (statfs(MMLAB_MSHARE_DIR, &where) < 0 ||
	    where.f_type != MSHAREFS_MAGIC) {
		errno = ENOENT;
		return -1;
	}
	n = snprintf(ret_path, bytes, "%s/%s", MMLAB_MSHARE_DIR, name);
	if (n < 0 || (size_t)n >= bytes) {
		errno = ENAMETOOLONG;
		return -1;
	}
	if (name[0] == '\0' || strchr(name, '/')) {
		errno = EINVAL;
		return -1;
	}
	return 0;
}

/* Makes what is mapped at @addr the object of a file that has none yet. */
static int mshare_donate(int fd, void *addr, size_t length)
{
	struct mmlab_mshare_adopt arg = {
		.size = sizeof(arg),
		.addr = (uintptr_t)addr,
		.bytes = length,
		.fd = fd,
	};

	if (device_call(MMLAB_IOC_MSHARE_ADOPT, &arg) < 0)
		return -1;
	/* The same memory takes the place of the mapping. */
	return mmap(addr, length, PROT_READ | PROT_WRITE,
		    MAP_SHARED | MAP_FIXED, fd, 0) == MAP_FAILED ? -1 : 0;
}

static int mshare_attach(int fd, void *addr, size_t length, int access)
{
	struct mmlab_mshare_range range;
	int prot = access == O_RDWR ? PROT_READ | PROT_WRITE : PROT_READ;
	void *memory;

	if (pread(fd, &range, sizeof(range), 0) != sizeof(range) ||
	    range.start != (uintptr_t)addr || range.bytes != length) {
		errno = EINVAL;
		return -1;
	}
	memory = mmap(addr, length, prot, MAP_SHARED | MAP_FIXED_NOREPLACE, fd,
		      0);
	if (memory != MAP_FAILED)
		return 0;
	if (errno == EEXIST)
		errno = EINVAL;
	return -1;
}

int mshare(const char *name, void *addr, size_t length, int oflags,
	   mode_t mode)
{
	int access = oflags & O_ACCMODE;
	bool is_new = false;
	char path[PATH_MAX];
	int fd = -1, r, error;

	if ((oflags & ~(O_ACCMODE | O_CREAT | O_EXCL)) || access == O_WRONLY ||
	    access == O_ACCMODE || !length ||
	    (uintptr_t)addr % MMLAB_MSHARE_ALIGN ||
	    length % MMLAB_MSHARE_ALIGN) {
		errno = EINVAL;
		return -1;
	}
	if (mshare_path(name, path, sizeof(path)) < 0)
		return -1;

	if (oflags & O_CREAT) {
		fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, mode);
		is_new = fd >= 0;
		if (fd < 0 && (errno != EEXIST || (oflags & O_EXCL)))
			return -1;
	}
	if (fd < 0)
		fd = open(path, access | O_CLOEXEC);
	if (fd < 0) {
		if (errno == EACCES)
			errno = EPERM;
		return -1;
	}

	r = is_new ? mshare_donate(fd, addr, length) :
		     mshare_attach(fd, addr, length, access);
	error = errno;
	if (r < 0 && is_new)
		(void)unlink(path);
	(void)close(fd);
	errno = error;
	return r;
}

int mshare_unlink(const char *name)
{
	char path[PATH_MAX];

	if (mshare_path(name, path, sizeof(path)) < 0)
		return -1;
	if (unlink(path) == 0)
		return 0;
	if (errno == ENOENT)
		errno = EINVAL;
	return -1;
}

int mmlab_mshare_protect(void *addr, size_t length, int prot)
{
	struct mmlab_mshare_protect arg = {
		.size = sizeof(arg),
		.addr = (uintptr_t)addr,
		.bytes = length,
		.prot = (__u32)prot,
	};

	return device_call(MMLAB_IOC_MSHARE_PROTECT, &arg);
}

int mmlab_mshare_populate(void *addr, size_t length)
{
	struct mmlab_mshare_populate arg = {
		.size = sizeof(arg),
		.addr = (uintptr_t)addr,
		.bytes = length,
	};

	return device_call(MMLAB_IOC_MSHARE_POPULATE, &arg);
}

int mmlab_mshare_flush(void *addr, unsigned int flush)
{
	struct mmlab_mshare_flush_set arg = {
		.size = sizeof(arg),
		.addr = (uintptr_t)addr,
		.flush = flush,
	};

	return device_call(MMLAB_IOC_MSHARE_FLUSH, &arg);
}

int mmlab_mshare_info(const void *addr, struct mmlab_mshare_info *ret_info)
{
	struct mmlab_mshare_info arg = {
		.size = sizeof(arg),
		.addr = (uintptr_t)addr,
	};

	if (device_call(MMLAB_IOC_MSHARE_INFO, &arg) < 0)
		return -1;
	*ret_info = arg;
	return 0;
}

static void *clone_map(int pid, const void *src_addr, size_t len,
		       void *dst_addr, unsigned long flags)
{
	struct mmlab_clone_map arg = {
		.size = sizeof(arg),
		.flags = (__u32)flags,
		.pid = pid,
		.src_addr = (uintptr_t)src_addr,
		.bytes = len,
		.dst_addr = (uintptr_t)dst_addr,
	};

	/* Flags that the struct has no room for must not be lost. */
	if (flags != arg.flags) {
		errno = EINVAL;
		return MAP_FAILED;
	}
	if (device_call(MMLAB_IOC_CLONE_MAP, &arg) < 0)
		return MAP_FAILED;

	return (void *)(uintptr_t)arg.addr;
}

void *mmlab_process_vm_mmap(pid_t pid, const void *src_addr, size_t len,
			    void *dst_addr, unsigned long flags)
{
	if (flags & PVMMAP_PIDFD) {
		errno = EINVAL;
		return MAP_FAILED;
	}
	return clone_map(pid, src_addr, len, dst_addr, flags);
}

void *mmlab_pidfd_vm_mmap(int pidfd, const void *src_addr, size_t len,
			  void *dst_addr, unsigned long flags)
{
	return clone_map(pidfd, src_addr, len, dst_addr, flags | PVMMAP_PIDFD);
}

void *process_vm_mmap(pid_t pid, const void *src_addr, size_t len,
		      void *dst_addr, unsigned long flags)
{
	if (flags & ~(unsigned long)(PVMMAP_FIXED | PVMMAP_FIXED_NOREPLACE)) {
		errno = EINVAL;
		return MAP_FAILED;
	}
	return clone_map(pid, src_addr, len, dst_addr, flags);
}

int mmlab_spf_create(unsigned int mode)
{
	struct mmlab_spf_create arg = {
		.size = sizeof(arg),
		.mode = mode,
	};

	return device_call(MMLAB_IOC_SPF_CREATE, &arg) < 0 ? -1 : arg.fd;
}

int mmlab_spf_hook(unsigned int hook, unsigned int *ret_former)
{
	struct mmlab_spf_hook_set arg = {
		.size = sizeof(arg),
		.hook = hook,
	};

	if (device_call(MMLAB_IOC_SPF_HOOK, &arg) < 0)
		return -1;
	if (ret_former)
		*ret_former = arg.former;
	return 0;
}

int mmlab_spf_hold(unsigned int ms, const void *addr)
{
	struct mmlab_spf_hold arg = {
		.size = sizeof(arg),
		.ms = ms,
		.addr = (uintptr_t)addr,
	};

	return device_call(MMLAB_IOC_SPF_HOLD, &arg);
}

int mmlab_arena_create(size_t bytes, unsigned int scheme, unsigned int pending,
		       unsigned int flags)
{
	struct mmlab_arena_create arg = {
		.size = sizeof(arg),
		.flags = flags,
		.bytes = bytes,
		.scheme = scheme,
		.pending = pending,
		.fd = -1,
	};

	return device_call(MMLAB_IOC_ARENA_CREATE, &arg) < 0 ? -1 : arg.fd;
}

void *mmlab_arena_mmap(int fd, size_t bytes)
{
	return mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
}

static int arena_call(int fd, unsigned long command, size_t offset,
		      size_t bytes, int prot)
{
	struct mmlab_arena_range arg = {
		.size = sizeof(arg),
		.offset = offset,
		.bytes = bytes,
		.prot = (__u32)prot,
	};

	return ioctl(fd, command, &arg);
}

int mmlab_arena_map(int fd, size_t offset, size_t bytes, int prot)
{
	return arena_call(fd, MMLAB_IOC_ARENA_MAP, offset, bytes, prot);
}

int mmlab_arena_unmap(int fd, size_t offset, size_t bytes)
{
	return arena_call(fd, MMLAB_IOC_ARENA_UNMAP, offset, bytes, 0);
}

int mmlab_arena_protect(int fd, size_t offset, size_t bytes, int prot)
{
	return arena_call(fd, MMLAB_IOC_ARENA_PROTECT, offset, bytes, prot);
}

int mmlab_arena_populate(int fd, size_t offset, size_t bytes)
{
	return arena_call(fd, MMLAB_IOC_ARENA_POPULATE, offset, bytes, 0);
}

int mmlab_arena_hold(int fd, size_t offset, size_t bytes, uint64_t duration_ns,
		     unsigned int flags)
{
	struct mmlab_arena_range arg = {
		.size = sizeof(arg),
		.flags = flags,
		.offset = offset,
		.bytes = bytes,
		.duration_ns = duration_ns,
	};

	return ioctl(fd, MMLAB_IOC_ARENA_HOLD, &arg);
}

int mmlab_arena_nop(int fd, size_t offset, size_t bytes)
{
	return arena_call(fd, MMLAB_IOC_ARENA_NOP, offset, bytes, 0);
}

int mmlab_query(unsigned int mech, uint64_t *ret_caps)
{
	struct mmlab_query arg = {
		.size = sizeof(arg),
		.mech = mech,
	};

	if (device_call(MMLAB_IOC_QUERY, &arg) < 0)
		return -1;

	if (arg.abi_version != MMLAB_ABI_VERSION) {
		errno = EOPNOTSUPP;
		return -1;
	}

	if (ret_caps)
		*ret_caps = arg.caps;
	return 0;
}

int mmlab_stats(unsigned int mech, uint64_t *ret_values, size_t n_values)
{
	struct mmlab_stats arg = {
		.size = sizeof(arg),
		.mech = mech,
		.n_values = n_values > UINT32_MAX ? UINT32_MAX
						  : (__u32)n_values,
		.values = (uintptr_t)ret_values,
	};

	if (device_call(MMLAB_IOC_STATS, &arg) < 0)
		return -1;

	for (size_t i = arg.n_values; i < n_values; i++)
		ret_values[i] = 0;
	return (int)arg.n_values;
}
