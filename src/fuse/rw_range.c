/* rw_range.c - fallocate, lseek, copy_file_range of a writable mount (rw.h). */
#include "fuse/rw.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#define PIECE ((size_t)1 << 20)
#define AT_ONCE ((size_t)128 << 20) /* copied for one request; who wants more asks again */

void ck_rw_fallocate(fuse_req_t req, fuse_ino_t ino, int mode, off_t off, off_t len,
		     struct fuse_file_info *fi)
{
	struct ck_rw_file *f = ck_rw_file_of(fi);
	struct ck_err err = CK_ERR_INIT;
	int r = -EOPNOTSUPP;

	(void)ino;
	if (f->file)
		r = ck_stage_file_allocate(f->file, mode, (uint64_t)off, (uint64_t)len, &err);
	ck_reply_err(req, r, &err);
}

/* The kernel asks for data and holes only. */
void ck_rw_lseek(fuse_req_t req, fuse_ino_t ino, off_t off, int whence, struct fuse_file_info *fi)
{
	struct ck_rw_file *f = ck_rw_file_of(fi);
	int64_t at = -EINVAL;

	(void)ino;
	if (f->file && off < 0)
		at = -ENXIO;
	else if (f->file && (whence == SEEK_DATA || whence == SEEK_HOLE))
		at = ck_stage_file_seek(f->file, (uint64_t)off, whence);
	if (at < 0)
		fuse_reply_err(req, (int)-at);
	else
		fuse_reply_lseek(req, (off_t)at);
}

/* Bytes copied, or a negative errno where there were none. */
static ssize_t copy(struct ck_sfile *from, uint64_t from_off, struct ck_sfile *to, uint64_t to_off,
		    size_t n, char *buffer, struct ck_err *err)
{
	ssize_t done = 0;

	while ((size_t)done < n) {
		size_t want = n - (size_t)done < PIECE ? n - (size_t)done : PIECE;
		ssize_t got = ck_stage_file_read(from, buffer, want, from_off + (uint64_t)done,
						 err);

		if (got > 0)
			got = ck_stage_file_write(to, buffer, (size_t)got,
						  to_off + (uint64_t)done, err);
		if (got <= 0)
			return done ? done : got;
		done += got;
	}
	return done;
}

void ck_rw_copy_file_range(fuse_req_t req, fuse_ino_t from, off_t from_off,
			   struct fuse_file_info *from_fi, fuse_ino_t to, off_t to_off,
			   struct fuse_file_info *to_fi, size_t n, int flags)
{
	struct ck_rw_file *source = ck_rw_file_of(from_fi), *target = ck_rw_file_of(to_fi);
	struct ck_err err = CK_ERR_INIT;
	ssize_t done;
	char *buffer;

	(void)from;
	(void)to;
	(void)flags;
	/* The kernel reads and writes by itself then. */
	if (!source->cached || !target->cached) {
		fuse_reply_err(req, EOPNOTSUPP);
		return;
	}
	buffer = malloc(PIECE);
	if (!buffer) {
		fuse_reply_err(req, ENOMEM);
		return;
	}
	done = copy(source->file, (uint64_t)from_off, target->file, (uint64_t)to_off,
		    n < AT_ONCE ? n : AT_ONCE, buffer, &err);
	free(buffer);
	if (done < 0)
		ck_reply_err(req, (int)done, &err);
	else
		fuse_reply_write(req, (size_t)done);
}
