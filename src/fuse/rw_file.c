/*
 * rw_file.c - open, create, read, write, flush, fsync, release of a writable mount (rw.h).
 *
 * Bytes that are still the checkpoint's go from its mapped shard to the kernel, as they do when it
 * is mounted read-only; what is staged is read into a buffer.
 *
 * Appending: the kernel says at which byte it believes the end to be. The stage appends where the
 * end is, so the offset is of no account, but for pages that were changed through a mapping: those
 * belong where they were, whoever's handle the kernel happens to write them with.
 */
#include "fuse/rw.h"

#include "base/log.h"
#include "fuse/rw_special.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>

/* What is decided about a file's pages when it is opened. */
static void fill_info(struct ck_rw *rw, struct ck_rw_file *f, struct fuse_file_info *fi)
{
	f->direct = rw->direct_writes && (fi->flags & O_ACCMODE) == O_WRONLY;
	fi->fh = (uintptr_t)f;
	fi->direct_io = !f->cached || f->direct;
	fi->keep_cache = f->cached && ck_rw_opens_see(rw, f);
	fi->noflush = !f->writable && !(fi->flags & O_TRUNC);
}

static int stage_flags(int flags)
{
	return flags & (O_ACCMODE | O_TRUNC | O_APPEND);
}

void ck_rw_open(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	struct ck_rw *rw = ck_rw_of(req);
	struct ck_err err = CK_ERR_INIT;
	bool special = ck_rw_is_special(ino);
	struct ck_sfile *file = NULL;
	struct ck_rw_file *f;
	int r = 0;

	if (!special)
		r = ck_stage_file_open(rw->stage, ino, stage_flags(fi->flags), &file, &err);
	if (r < 0) {
		ck_reply_err(req, r, &err);
		return;
	}
	f = ck_rw_file_new(rw, ino, file, fi->flags, !special && ck_ino_kind(ino) == CK_INO_DATA);
	if (!f) {
		fuse_reply_err(req, ENOMEM);
		return;
	}
	fill_info(rw, f, fi);
	if (fuse_reply_open(req, fi) < 0)
		ck_rw_file_unref(rw, f);
}

void ck_rw_create(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode,
		  struct fuse_file_info *fi)
{
	struct ck_mount *m = ck_mount_of(req);
	struct ck_err err = CK_ERR_INIT;
	struct fuse_entry_param e = { 0 };
	struct ck_sfile *file;
	struct ck_rw_file *f;
	int r = ck_rw_special_refuse(parent, name, &err);

	if (r == 0)
		r = ck_stage_create(m->rw->stage, parent, name,
				    stage_flags(fi->flags) | (fi->flags & O_EXCL),
				    mode & 07777 & ~(mode_t)m->opt->umask, &file, &e.attr, &err);
	if (r < 0) {
		ck_reply_err(req, r, &err);
		return;
	}
	e.ino = e.attr.st_ino;
	f = ck_rw_file_new(m->rw, e.ino, file, fi->flags, ck_ino_kind(e.ino) == CK_INO_DATA);
	if (!f) {
		ck_stage_forget(m->rw->stage, e.ino, 1);
		fuse_reply_err(req, ENOMEM);
		return;
	}
	fill_info(m->rw, f, fi);
	if (fuse_reply_create(req, &e, fi) < 0) {
		ck_rw_file_unref(m->rw, f);
		ck_stage_forget(m->rw->stage, e.ino, 1);
	}
}

static void read_special(fuse_req_t req, struct ck_rw_file *f, uint64_t off, size_t n)
{
	ck_auto_buf struct ck_buf part = CK_BUF_INIT;
	int r = ck_rw_special_read(ck_mount_of(req), f, off, n, &part);

	if (r < 0)
		fuse_reply_err(req, -r);
	else
		fuse_reply_buf(req, part.p, part.n);
}

static void read_staged(fuse_req_t req, struct ck_rw_file *f, uint64_t off, size_t n)
{
	struct ck_err err = CK_ERR_INIT;
	char *copy = malloc(n);
	ssize_t got;

	if (!copy) {
		fuse_reply_err(req, ENOMEM);
		return;
	}
	got = ck_stage_file_read(f->file, copy, n, off, &err);
	if (got < 0)
		ck_reply_err(req, (int)got, &err);
	else
		fuse_reply_buf(req, copy, (size_t)got);
	free(copy);
}

static void read_file(fuse_req_t req, struct ck_rw_file *f, uint64_t off, size_t n)
{
	uint64_t size = ck_stage_file_size(f->file);
	const void *mapped;

	n = off >= size ? 0 : size - off < n ? (size_t)(size - off) : n;
	if (n == 0) {
		fuse_reply_buf(req, NULL, 0);
		return;
	}
	mapped = ck_stage_file_map(f->file, off, n);
	if (!mapped)
		read_staged(req, f, off, n);
	else if (fuse_reply_buf(req, mapped, n) == -EFAULT)
		ck_log("%s: bytes cannot be read: a file of it was cut short or fails: copy or "
		       "download it again", ck_mount_of(req)->source);
}

void ck_rw_read(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off, struct fuse_file_info *fi)
{
	struct ck_rw *rw = ck_rw_of(req);
	struct ck_rw_file *f = ck_rw_file_of(fi);

	(void)ino;
	ck_rw_file_ref(f);
	if (f->file)
		read_file(req, f, (uint64_t)off, size);
	else
		read_special(req, f, (uint64_t)off, size);
	ck_rw_file_unref(rw, f);
}

/* The handle to write a page of a mapping with. */
static int find_plain(struct ck_rw *rw, struct ck_rw_file *f, struct ck_sfile **ret,
		      struct ck_err *err)
{
	int r = 0;

	if (!f->append) {
		*ret = f->file;
		return 0;
	}
	pthread_mutex_lock(&f->lock);
	if (!f->plain)
		r = ck_stage_file_open(rw->stage, f->ino, O_RDWR, &f->plain, err);
	if (r == 0)
		*ret = f->plain;
	pthread_mutex_unlock(&f->lock);
	return r;
}

void ck_rw_write(fuse_req_t req, fuse_ino_t ino, const char *p, size_t size, off_t off,
		 struct fuse_file_info *fi)
{
	struct ck_rw *rw = ck_rw_of(req);
	struct ck_rw_file *f = ck_rw_file_of(fi);
	struct ck_err err = CK_ERR_INIT;
	struct ck_sfile *to = f->file;
	ssize_t put = 0;

	if (!to) {
		ck_rw_special_write(req, ino, p, size);
		return;
	}
	if (fi->writepage)
		put = find_plain(rw, f, &to, &err);
	if (put == 0)
		put = ck_stage_file_write(to, p, size, (uint64_t)off, &err);
	/* O_SYNC, RWF_DSYNC: the kernel asks for that itself where it has pages. */
	if (put > 0 && f->direct && (fi->flags & O_DSYNC)) {
		int r = ck_stage_file_sync(to, &err);

		put = r < 0 ? r : put;
	}
	if (put < 0)
		ck_reply_err(req, (int)put, &err);
	else
		fuse_reply_write(req, (size_t)put);
}

void ck_rw_flush(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	struct ck_rw_file *f = ck_rw_file_of(fi);
	struct ck_err err = CK_ERR_INIT;
	int r = 0;

	(void)ino;
	if (f->file)
		r = ck_stage_file_flush(f->file, &err);
	ck_reply_err(req, r, &err);
}

void ck_rw_fsync(fuse_req_t req, fuse_ino_t ino, int datasync, struct fuse_file_info *fi)
{
	struct ck_rw_file *f = ck_rw_file_of(fi);
	struct ck_err err = CK_ERR_INIT;
	int r = 0;

	(void)ino;
	(void)datasync;
	if (f->file)
		r = ck_stage_file_sync(f->file, &err);
	ck_reply_err(req, r, &err);
}

void ck_rw_release(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	/* Pages that the kernel read while this handle wrote: not to be trusted twice. */
	if (ck_rw_file_of(fi)->direct)
		ck_rw_opens_forget(ck_rw_of(req), ino);
	ck_rw_file_unref(ck_rw_of(req), ck_rw_file_of(fi));
	fuse_reply_err(req, 0);
}
