/* faulty.c - see faulty.h. */
#include "faulty.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct faulty_file {
	struct ck_vfile file; /* first */
	struct ck_faulty *faulty;
	struct ck_vfile *inner;
	char *path; /* as it was opened */
};

static struct ck_faulty *faulty_of(const struct ck_vfs *v)
{
	return v->self;
}

static struct ck_faulty *of(struct ck_vfile *f)
{
	return ((struct faulty_file *)f)->faulty;
}

struct ck_vfile *ck_faulty_inner(struct ck_vfile *f)
{
	return ((struct faulty_file *)f)->inner;
}

static const char *path_of(struct ck_vfile *f)
{
	return ((struct faulty_file *)f)->path;
}

/* Counts a call of a kind; whether it is at fault. n: bytes that it is about, 1 where that is no
 * matter. One byte cannot be read in part, and what is about none cannot go wrong so. */
static bool at_fault(struct ck_faulty *f, unsigned kind, size_t n, const char *call,
		     const char *path)
{
	unsigned number;

	if (!(f->calls & kind) || f->healed || !f->nth)
		return false;
	if (f->how == CK_FAULT_SHORT && (n < 2 || !(kind & CK_CALL_PARTIAL)))
		return false;
	if (f->how == CK_FAULT_INTERRUPT && !(kind & CK_CALL_INTERRUPTED))
		return false;
	number = __atomic_add_fetch(&f->counted, 1, __ATOMIC_RELAXED);
	if (f->from_there_on ? number < f->nth : number != f->nth)
		return false;
	if (f->how == CK_FAULT_INTERRUPT && (number - f->nth) % 2)
		return false;
	if (__atomic_fetch_add(&f->hits, 1, __ATOMIC_RELAXED) == 0)
		snprintf(f->what, sizeof(f->what), "%s %s", call, path);
	return true;
}

static int answer(const struct ck_faulty *f)
{
	return f->how == CK_FAULT_INTERRUPT ? -EINTR : -f->errnum;
}

/* Whether the call is to be done before the error is answered. */
static bool is_late(const struct ck_faulty *f)
{
	return f->how == CK_FAULT_LATE;
}

static int faulty_open(const struct ck_vfs *v, const char *path, int flags, mode_t mode,
		       struct ck_vfile **ret)
{
	struct ck_faulty *f = faulty_of(v);
	bool bad = at_fault(f, flags & O_CREAT ? CK_CALL_CREATE : CK_CALL_OPEN, 1, "open", path);
	struct faulty_file *file;
	struct ck_vfile *inner;
	int r;

	if (bad && !is_late(f))
		return answer(f);
	r = f->inner->open(f->inner, path, flags, mode, &inner);
	if (r < 0)
		return r;
	if (bad) { /* made, yet not opened */
		inner->vfs->close(inner);
		return answer(f);
	}
	file = calloc(1, sizeof(*file));
	if (!file)
		abort();
	file->file.vfs = v;
	file->faulty = f;
	file->inner = inner;
	file->path = strdup(path);
	if (!file->path)
		abort();
	*ret = &file->file;
	return 0;
}

static void faulty_close(struct ck_vfile *f)
{
	struct ck_vfile *inner = ck_faulty_inner(f);

	inner->vfs->close(inner);
	free(((struct faulty_file *)f)->path);
	free(f);
}

static ssize_t faulty_pread(struct ck_vfile *f, void *p, size_t n, uint64_t off)
{
	struct ck_vfile *inner = ck_faulty_inner(f);

	if (at_fault(of(f), CK_CALL_READ, n, "pread", path_of(f))) {
		if (of(f)->how != CK_FAULT_SHORT)
			return answer(of(f));
		n = (n + 1) / 2;
	}
	return inner->vfs->pread(inner, p, n, off);
}

static ssize_t faulty_pwrite(struct ck_vfile *f, const void *p, size_t n, uint64_t off)
{
	struct ck_vfile *inner = ck_faulty_inner(f);
	enum ck_fault how = of(f)->how;

	if (at_fault(of(f), CK_CALL_WRITE, n, "pwrite", path_of(f))) {
		if (how == CK_FAULT_SHORT)
			return inner->vfs->pwrite(inner, p, (n + 1) / 2, off);
		if (how == CK_FAULT_LATE || how == CK_FAULT_HALF)
			inner->vfs->pwrite(inner, p, how == CK_FAULT_HALF ? n / 2 : n, off);
		return answer(of(f));
	}
	return inner->vfs->pwrite(inner, p, n, off);
}

static int faulty_truncate(struct ck_vfile *f, uint64_t size)
{
	struct ck_vfile *inner = ck_faulty_inner(f);
	bool bad = at_fault(of(f), CK_CALL_TRUNCATE, 1, "truncate", path_of(f));
	int r = bad && !is_late(of(f)) ? 0 : inner->vfs->truncate(inner, size);

	return bad ? answer(of(f)) : r;
}

static int faulty_sync(struct ck_vfile *f)
{
	struct ck_vfile *inner = ck_faulty_inner(f);

	if (!at_fault(of(f), CK_CALL_SYNC, 1, "sync", path_of(f)))
		return inner->vfs->sync(inner);
	if (of(f)->how == CK_FAULT_LATE)
		inner->vfs->sync(inner);
	else if (of(f)->how != CK_FAULT_INTERRUPT && of(f)->sync_failed)
		of(f)->sync_failed(inner);
	return answer(of(f));
}

static int faulty_fstat(struct ck_vfile *f, struct ck_vstat *ret)
{
	struct ck_vfile *inner = ck_faulty_inner(f);

	if (at_fault(of(f), CK_CALL_STAT, 1, "fstat", path_of(f)))
		return answer(of(f));
	return inner->vfs->fstat(inner, ret);
}

static int faulty_fd(struct ck_vfile *f)
{
	(void)f;
	return -1;
}

static int faulty_lock(struct ck_vfile *f)
{
	struct ck_vfile *inner = ck_faulty_inner(f);

	if (at_fault(of(f), CK_CALL_LOCK, 1, "lock", path_of(f)))
		return answer(of(f));
	return inner->vfs->lock(inner);
}

static int faulty_clone(struct ck_vfile *dst, uint64_t dst_off, struct ck_vfile *src,
			uint64_t src_off, uint64_t n)
{
	struct ck_vfile *to = ck_faulty_inner(dst), *from = ck_faulty_inner(src);
	bool bad = of(dst)->how != CK_FAULT_SHORT && at_fault(of(dst), CK_CALL_COPY, 1, "clone", path_of(dst));
	int r = bad && !is_late(of(dst)) ? 0 : to->vfs->clone(to, dst_off, from, src_off, n);

	return bad ? answer(of(dst)) : r;
}

static ssize_t faulty_copy(struct ck_vfile *dst, uint64_t dst_off, struct ck_vfile *src,
			   uint64_t src_off, size_t n)
{
	struct ck_vfile *to = ck_faulty_inner(dst), *from = ck_faulty_inner(src);
	enum ck_fault how = of(dst)->how;

	if (at_fault(of(dst), CK_CALL_COPY, n, "copy", path_of(dst))) {
		if (how == CK_FAULT_SHORT)
			return to->vfs->copy(to, dst_off, from, src_off, (n + 1) / 2);
		if (how == CK_FAULT_LATE || how == CK_FAULT_HALF)
			to->vfs->copy(to, dst_off, from, src_off,
				      how == CK_FAULT_HALF ? n / 2 : n);
		return answer(of(dst));
	}
	return to->vfs->copy(to, dst_off, from, src_off, n);
}

static int faulty_setxattr(struct ck_vfile *f, const char *name, const void *value, size_t n)
{
	struct ck_vfile *inner = ck_faulty_inner(f);
	bool bad = at_fault(of(f), CK_CALL_SETXATTR, 1, "setxattr", path_of(f));
	int r = bad && !is_late(of(f)) ? 0 : inner->vfs->setxattr(inner, name, value, n);

	return bad ? answer(of(f)) : r;
}

static ssize_t faulty_getxattr(struct ck_vfile *f, const char *name, void *value, size_t room)
{
	struct ck_vfile *inner = ck_faulty_inner(f);

	if (at_fault(of(f), CK_CALL_GETXATTR, 1, "getxattr", path_of(f)))
		return answer(of(f));
	return inner->vfs->getxattr(inner, name, value, room);
}

static int faulty_stat(const struct ck_vfs *v, const char *path, struct ck_vstat *ret)
{
	struct ck_faulty *f = faulty_of(v);

	if (at_fault(f, CK_CALL_STAT, 1, "stat", path))
		return answer(f);
	return f->inner->stat(f->inner, path, ret);
}

static int faulty_lstat(const struct ck_vfs *v, const char *path, struct ck_vstat *ret)
{
	struct ck_faulty *f = faulty_of(v);

	if (at_fault(f, CK_CALL_STAT, 1, "lstat", path))
		return answer(f);
	return f->inner->lstat(f->inner, path, ret);
}

static ssize_t faulty_readlink(const struct ck_vfs *v, const char *path, char *p, size_t room)
{
	struct ck_faulty *f = faulty_of(v);

	if (at_fault(f, CK_CALL_STAT, 1, "readlink", path))
		return answer(f);
	return f->inner->readlink(f->inner, path, p, room);
}

static int faulty_rename(const struct ck_vfs *v, const char *from, const char *to)
{
	struct ck_faulty *f = faulty_of(v);
	bool bad = at_fault(f, CK_CALL_RENAME, 1, "rename", from);
	int r = bad && !is_late(f) ? 0 : f->inner->rename(f->inner, from, to);

	return bad ? answer(f) : r;
}

static int faulty_link(const struct ck_vfs *v, const char *from, const char *to)
{
	struct ck_faulty *f = faulty_of(v);
	bool bad = at_fault(f, CK_CALL_LINK, 1, "link", from);
	int r = bad && !is_late(f) ? 0 : f->inner->link(f->inner, from, to);

	return bad ? answer(f) : r;
}

static int faulty_symlink(const struct ck_vfs *v, const char *target, const char *path)
{
	struct ck_faulty *f = faulty_of(v);
	bool bad = at_fault(f, CK_CALL_LINK, 1, "symlink", path);
	int r = bad && !is_late(f) ? 0 : f->inner->symlink(f->inner, target, path);

	return bad ? answer(f) : r;
}

static int faulty_unlink(const struct ck_vfs *v, const char *path)
{
	struct ck_faulty *f = faulty_of(v);
	bool bad = at_fault(f, CK_CALL_UNLINK, 1, "unlink", path);
	int r = bad && !is_late(f) ? 0 : f->inner->unlink(f->inner, path);

	return bad ? answer(f) : r;
}

static int faulty_sync_dir(const struct ck_vfs *v, const char *path)
{
	struct ck_faulty *f = faulty_of(v);
	bool bad = at_fault(f, CK_CALL_SYNC_DIR, 1, "sync_dir", path);
	int r = bad && !is_late(f) ? 0 : f->inner->sync_dir(f->inner, path);

	return bad ? answer(f) : r;
}

void ck_faulty_init(struct ck_faulty *f, const struct ck_vfs *inner)
{
	*f = (struct ck_faulty){
		.vfs = {
			.self = f,
			.open = faulty_open,
			.close = faulty_close,
			.pread = faulty_pread,
			.pwrite = faulty_pwrite,
			.truncate = faulty_truncate,
			.sync = faulty_sync,
			.fstat = faulty_fstat,
			.fd = faulty_fd,
			.lock = faulty_lock,
			.clone = faulty_clone,
			.copy = faulty_copy,
			.setxattr = faulty_setxattr,
			.getxattr = faulty_getxattr,
			.stat = faulty_stat,
			.lstat = faulty_lstat,
			.readlink = faulty_readlink,
			.rename = faulty_rename,
			.link = faulty_link,
			.symlink = faulty_symlink,
			.unlink = faulty_unlink,
			.sync_dir = faulty_sync_dir,
		},
		.inner = inner,
		.calls = CK_CALL_ANY,
		.errnum = EIO,
	};
}
