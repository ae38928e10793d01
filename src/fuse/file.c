/*
 * file.c - open, read, release (ops.h).
 *
 * The bytes of a variable go from the mapped shard to the kernel: no copy, no allocation, no lock.
 * Where a range is not one piece of a file (slices) or cannot be mapped, it is read into a buffer
 * of the request's size.
 */
#include "fuse/ops.h"

#include "base/log.h"
#include "core/meta.h"
#include "core/read.h"
#include "fuse/handle.h"
#include "fuse/reply.h"
#include "fuse/special.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>

/* verify=open: the checksum is computed when a variable is first opened; its result stays. Two
 * first opens at once may both compute it. */
static int check(struct ck_slot *s, uint32_t var, struct ck_err *err)
{
	uint8_t known = s->checked ? __atomic_load_n(&s->checked[var], __ATOMIC_RELAXED) :
				     CK_CHECKED_GOOD;
	int r;

	if (known == CK_CHECKED_GOOD)
		return 0;
	if (known == CK_CHECKED_BAD)
		return ck_fail(err, CK_CORRUPT, EIO,
			       "its checksum was found wrong when it was first opened");
	r = ck_var_verify(s->model, var, err);
	if (r == 0 || r == -EIO)
		__atomic_store_n(&s->checked[var], r == 0 ? CK_CHECKED_GOOD : CK_CHECKED_BAD,
				 __ATOMIC_RELAXED);
	return r;
}

static int open_data(struct ck_handle *h, struct ck_err *err)
{
	struct ck_model *m = h->slot->model;
	int r = ck_var_readable(m, h->var, err);

	if (r == 0)
		r = check(h->slot, h->var, err);
	if (r == 0)
		r = ck_var_size(m, h->var, &h->size, err);
	return r;
}

static int open_json(struct ck_handle *h, struct ck_err *err)
{
	int r = ck_meta_var(h->slot->model, h->var, true, &h->text, err);

	if (r == 0 && ck_buf_failed(&h->text))
		r = ck_fail_nomem(err, h->slot->model->path);
	return r;
}

void ck_op_open(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	struct ck_mount *m = ck_mount_of(req);
	struct ck_err err = CK_ERR_INIT;
	struct ck_handle *h;
	struct ck_node n;
	uint32_t var;
	bool live;
	int r;

	if ((fi->flags & O_ACCMODE) != O_RDONLY || (fi->flags & O_TRUNC)) {
		fuse_reply_err(req, EROFS);
		return;
	}
	r = ck_node_find(m, ino, &n);
	if (r < 0) {
		fuse_reply_err(req, -r);
		return;
	}
	var = ck_node_var(&n);
	if (n.aged || (var == CK_NO_VAR && !ck_node_is_special(&n))) {
		ck_node_done(m, &n);
		fuse_reply_err(req, ESTALE); /* has the kernel look the name up again */
		return;
	}
	live = ck_special_is_live(&n);
	h = ck_handle_new(&n);
	if (!h) {
		ck_node_done(m, &n);
		fuse_reply_err(req, ENOMEM);
		return;
	}
	h->var = var;
	if (var != CK_NO_VAR)
		r = h->kind == CK_INO_JSON ? open_json(h, &err) : open_data(h, &err);
	if (r < 0) {
		ck_reply_var_err(req, h->slot, var, r, &err);
		ck_handle_unref(m, h);
		return;
	}
	fi->fh = (uintptr_t)h;
	fi->direct_io = live;
	fi->keep_cache = !live;
	if (fuse_reply_open(req, fi) < 0)
		ck_handle_unref(m, h);
}

void ck_op_release(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	(void)ino;
	ck_handle_unref(ck_mount_of(req), ck_handle_of(fi));
	fuse_reply_err(req, 0);
}

/* What the kernel could not take from the mapping, it could not read from the file. */
static void log_lost(const struct ck_handle *h)
{
	const struct ck_model *m = h->slot->model;
	char name[CK_QUOTE_ROOM];
	struct ck_span n = ck_var_name(m, &m->vars[h->var]);

	ck_log("%s: variable %s cannot be read: its file was cut short or fails: "
	       "copy or download it again", m->path, ck_quote(name, sizeof(name), n.p, n.n));
}

static void read_data(fuse_req_t req, struct ck_handle *h, uint64_t off, size_t n)
{
	struct ck_err err = CK_ERR_INIT;
	const void *mapped;
	char *copy;
	int r;

	n = off >= h->size ? 0 : h->size - off < n ? (size_t)(h->size - off) : n;
	if (n == 0) {
		fuse_reply_buf(req, NULL, 0);
		return;
	}
	mapped = ck_var_map(h->slot->model, h->var, off, n);
	if (mapped) {
		if (fuse_reply_buf(req, mapped, n) == -EFAULT)
			log_lost(h);
		return;
	}
	copy = malloc(n);
	if (!copy) {
		fuse_reply_err(req, ENOMEM);
		return;
	}
	r = ck_var_read(h->slot->model, h->var, off, copy, n, &err);
	if (r < 0)
		ck_reply_var_err(req, h->slot, h->var, r, &err);
	else
		fuse_reply_buf(req, copy, n);
	free(copy);
}

void ck_op_read(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off, struct fuse_file_info *fi)
{
	struct ck_mount *m = ck_mount_of(req);
	struct ck_handle *h = ck_handle_of(fi);
	ck_auto_buf struct ck_buf part = CK_BUF_INIT;
	struct ck_err err = CK_ERR_INIT;
	uint64_t at = (uint64_t)off;
	int r;

	(void)ino;
	ck_handle_ref(h);
	if (h->var != CK_NO_VAR && h->kind == CK_INO_DATA) {
		read_data(req, h, at, size);
	} else if (h->var != CK_NO_VAR) {
		if (at >= h->text.n)
			fuse_reply_buf(req, NULL, 0);
		else
			fuse_reply_buf(req, h->text.p + at,
				       h->text.n - at < size ? h->text.n - at : size);
	} else {
		r = ck_special_read(m, h, at, size, &part, &err);
		if (r < 0)
			ck_reply_err(req, r, &err);
		else
			fuse_reply_buf(req, part.p, part.n);
	}
	ck_handle_unref(m, h);
}
