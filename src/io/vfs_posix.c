/*
 * vfs_posix.c - the table of vfs.h over the operating system.
 *
 * Made for regular files: opened without blocking, so that a FIFO in the place of one does not
 * hang us, and never inherited by a program that is started.
 *
 * A sync is fsync(), never fdatasync(): extended attributes are written by it alone, and so is the
 * time of a write that leaves the size as it was, by which a file is known again after a power cut.
 * Where a file has grown both cost the same.
 */
#include "io/vfs.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

struct posix_file {
	struct ck_vfile file; /* first */
	int fd;
};

static struct posix_file *posix(struct ck_vfile *f)
{
	return (struct posix_file *)f;
}

static int answer(int r)
{
	return r < 0 ? -errno : 0;
}

static int posix_open(const struct ck_vfs *v, const char *path, int flags, mode_t mode,
		      struct ck_vfile **ret)
{
	struct posix_file *f = calloc(1, sizeof(*f));
	int r;

	if (!f)
		return -ENOMEM;
	f->file.vfs = v;
	f->fd = open(path, flags | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, mode);
	if (f->fd < 0) {
		r = -errno;
		free(f);
		return r;
	}
	*ret = &f->file;
	return 0;
}

static void posix_close(struct ck_vfile *f)
{
	close(posix(f)->fd);
	free(f);
}

static ssize_t posix_pread(struct ck_vfile *f, void *p, size_t n, uint64_t off)
{
	ssize_t got = pread(posix(f)->fd, p, n, (off_t)off);

	return got < 0 ? -errno : got;
}

static ssize_t posix_pwrite(struct ck_vfile *f, const void *p, size_t n, uint64_t off)
{
	ssize_t put;

	if (off > INT64_MAX)
		return -EFBIG;
	put = pwrite(posix(f)->fd, p, n, (off_t)off);
	return put < 0 ? -errno : put;
}

static int posix_truncate(struct ck_vfile *f, uint64_t size)
{
	if (size > INT64_MAX)
		return -EFBIG;
	return answer(ftruncate(posix(f)->fd, (off_t)size));
}

static int posix_sync(struct ck_vfile *f)
{
	return answer(fsync(posix(f)->fd));
}

/* What the disk has to say is asked by sync(). */
static void posix_start_sync(struct ck_vfile *f, uint64_t off, uint64_t n)
{
	if (off <= INT64_MAX && n <= INT64_MAX - off)
		sync_file_range(posix(f)->fd, (off_t)off, (off_t)n, SYNC_FILE_RANGE_WRITE);
}

static struct timespec as_timespec(struct statx_timestamp t)
{
	return (struct timespec){ .tv_sec = t.tv_sec, .tv_nsec = t.tv_nsec };
}

static int examine(int dirfd, const char *path, int flags, struct ck_vstat *ret)
{
	struct statx st;

	if (statx(dirfd, path, flags, STATX_BASIC_STATS | STATX_BTIME, &st) < 0)
		return -errno;
	*ret = (struct ck_vstat){
		.dev = makedev(st.stx_dev_major, st.stx_dev_minor),
		.ino = st.stx_ino,
		.size = st.stx_size,
		.nlink = st.stx_nlink,
		.mode = st.stx_mode,
		.uid = st.stx_uid,
		.gid = st.stx_gid,
		.mtime = as_timespec(st.stx_mtime),
		.ctime = as_timespec(st.stx_ctime),
	};
	if (st.stx_mask & STATX_BTIME)
		ret->btime = as_timespec(st.stx_btime);
	return 0;
}

static int posix_fstat(struct ck_vfile *f, struct ck_vstat *ret)
{
	return examine(posix(f)->fd, "", AT_EMPTY_PATH, ret);
}

static int posix_fd(struct ck_vfile *f)
{
	return posix(f)->fd;
}

static int posix_lock(struct ck_vfile *f)
{
	int r;

	do
		r = answer(flock(posix(f)->fd, LOCK_EX | LOCK_NB));
	while (r == -EINTR);
	return r;
}

static int posix_clone(struct ck_vfile *dst, uint64_t dst_off, struct ck_vfile *src,
		       uint64_t src_off, uint64_t n)
{
	struct file_clone_range range = {
		.src_fd = posix(src)->fd,
		.src_offset = src_off,
		.src_length = n,
		.dest_offset = dst_off,
	};

	if (ioctl(posix(dst)->fd, FICLONERANGE, &range) == 0)
		return 0;
	/* Kernels and file systems without it each have a word of their own. */
	return errno == ENOTTY || errno == ENOSYS || errno == ETXTBSY ? -EOPNOTSUPP : -errno;
}

static ssize_t posix_copy(struct ck_vfile *dst, uint64_t dst_off, struct ck_vfile *src,
			  uint64_t src_off, size_t n)
{
	off_t from = (off_t)src_off, to = (off_t)dst_off;
	ssize_t got;

	if (src_off > INT64_MAX || dst_off > INT64_MAX)
		return -EFBIG;
	got = copy_file_range(posix(src)->fd, &from, posix(dst)->fd, &to, n, 0);
	if (got >= 0)
		return got;
	switch (errno) {
	case ENOSYS: /* an old kernel, or a filter of system calls */
	case EPERM: /* likewise; or a server of a network file system that lacks it */
	case EXDEV:
	case EINVAL: /* overlapping ranges of one file too */
	case ETXTBSY: /* a swap file */
	case EOPNOTSUPP:
		return -EOPNOTSUPP;
	default:
		return -errno;
	}
}

static int posix_setxattr(struct ck_vfile *f, const char *name, const void *value, size_t n)
{
	return answer(fsetxattr(posix(f)->fd, name, value, n, 0));
}

static ssize_t posix_getxattr(struct ck_vfile *f, const char *name, void *value, size_t room)
{
	ssize_t n = fgetxattr(posix(f)->fd, name, value, room);

	return n < 0 ? -errno : n;
}

static int posix_stat(const struct ck_vfs *v, const char *path, struct ck_vstat *ret)
{
	(void)v;
	return examine(AT_FDCWD, path, 0, ret);
}

static int posix_lstat(const struct ck_vfs *v, const char *path, struct ck_vstat *ret)
{
	(void)v;
	return examine(AT_FDCWD, path, AT_SYMLINK_NOFOLLOW, ret);
}

static ssize_t posix_readlink(const struct ck_vfs *v, const char *path, char *p, size_t room)
{
	ssize_t n = readlink(path, p, room);

	(void)v;
	return n < 0 ? -errno : n;
}

static int posix_rename(const struct ck_vfs *v, const char *from, const char *to)
{
	(void)v;
	return answer(rename(from, to));
}

static int posix_link(const struct ck_vfs *v, const char *from, const char *to)
{
	(void)v;
	return answer(linkat(AT_FDCWD, from, AT_FDCWD, to, 0));
}

static int posix_symlink(const struct ck_vfs *v, const char *target, const char *path)
{
	(void)v;
	return answer(symlink(target, path));
}

static int posix_unlink(const struct ck_vfs *v, const char *path)
{
	(void)v;
	return answer(unlink(path));
}

/* The folder as the path spells it: "." for a bare name, "/" for what lies in the root. */
static char *folder_of(const char *path)
{
	const char *slash = strrchr(path, '/');

	if (!slash)
		return strdup(".");
	return strndup(path, slash == path ? 1 : (size_t)(slash - path));
}

static int posix_sync_dir(const struct ck_vfs *v, const char *path)
{
	char *folder = folder_of(path);
	int fd, r;

	(void)v;
	if (!folder)
		return -ENOMEM;
	fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	r = answer(fd);
	free(folder);
	if (r < 0)
		return r;
	do
		r = answer(fsync(fd));
	while (r == -EINTR);
	close(fd);
	/* A file system that has no such call: its names are as durable as they get. */
	return r == -EINVAL ? 0 : r;
}

const struct ck_vfs ck_vfs_posix = {
	.open = posix_open,
	.close = posix_close,
	.pread = posix_pread,
	.pwrite = posix_pwrite,
	.truncate = posix_truncate,
	.sync = posix_sync,
	.start_sync = posix_start_sync,
	.fstat = posix_fstat,
	.fd = posix_fd,
	.lock = posix_lock,
	.clone = posix_clone,
	.copy = posix_copy,
	.setxattr = posix_setxattr,
	.getxattr = posix_getxattr,
	.stat = posix_stat,
	.lstat = posix_lstat,
	.readlink = posix_readlink,
	.rename = posix_rename,
	.link = posix_link,
	.symlink = posix_symlink,
	.unlink = posix_unlink,
	.sync_dir = posix_sync_dir,
};
