/* rw_entry.c - names and attributes: lookup, forget, getattr, setattr (rw.h). */
#include "fuse/rw.h"

#include "fuse/rw_special.h"

#include <errno.h>

static int get_attr(struct ck_mount *m, fuse_ino_t ino, struct stat *ret, struct ck_err *err)
{
	int r;

	if (ck_rw_is_special(ino))
		return ck_rw_special_attr(m, ino, ret);
	r = ck_stage_getattr(m->rw->stage, ino, ret, err);
	if (r == 0 && ino == FUSE_ROOT_ID)
		ret->st_nlink++; /* .ckptfuse */
	return r;
}

/* 0: it is none of .ckptfuse's; 1: it is, or it would have to be one. */
static int find_special(struct ck_mount *m, fuse_ino_t parent, const char *name, int *result,
			struct stat *ret)
{
	unsigned number;

	if (parent == FUSE_ROOT_ID && strcmp(name, CK_SPECIAL_NAME) == 0) {
		*result = ck_rw_special_attr(m, ck_rw_special_ino(0), ret);
		return 1;
	}
	if (!ck_rw_is_special(parent))
		return 0;
	number = ck_rw_special_find(name);
	*result = number ? ck_rw_special_attr(m, ck_rw_special_ino(number), ret) : -ENOENT;
	return 1;
}

void ck_rw_lookup(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	struct ck_mount *m = ck_mount_of(req);
	struct ck_err err = CK_ERR_INIT;
	struct fuse_entry_param e = { 0 };
	int special, r;

	special = find_special(m, parent, name, &r, &e.attr);
	if (!special)
		r = ck_stage_lookup(m->rw->stage, parent, name, &e.attr, &err);
	if (r < 0) {
		ck_reply_err(req, r, &err);
		return;
	}
	e.ino = e.attr.st_ino;
	if (fuse_reply_entry(req, &e) < 0 && !special)
		ck_stage_forget(m->rw->stage, e.ino, 1);
}

static void forget(struct ck_rw *rw, fuse_ino_t ino, uint64_t nlookup)
{
	if (ino == FUSE_ROOT_ID || ck_rw_is_special(ino))
		return;
	ck_rw_opens_forget(rw, ino);
	ck_stage_forget(rw->stage, ino, nlookup);
}

void ck_rw_forget(fuse_req_t req, fuse_ino_t ino, uint64_t nlookup)
{
	forget(ck_rw_of(req), ino, nlookup);
	fuse_reply_none(req);
}

void ck_rw_forget_multi(fuse_req_t req, size_t count, struct fuse_forget_data *forgets)
{
	for (size_t i = 0; i < count; i++)
		forget(ck_rw_of(req), forgets[i].ino, forgets[i].nlookup);
	fuse_reply_none(req);
}

static void reply_attr(fuse_req_t req, fuse_ino_t ino)
{
	struct ck_err err = CK_ERR_INIT;
	struct stat st;
	int r = get_attr(ck_mount_of(req), ino, &st, &err);

	if (r < 0)
		ck_reply_err(req, r, &err);
	else
		fuse_reply_attr(req, &st, 0);
}

void ck_rw_getattr(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	(void)fi;
	reply_attr(req, ino);
}

/* The kernel's bits as the stage has them; what is not in here changes nothing that is kept. */
static unsigned stage_bits(int set)
{
	static const struct {
		int kernel;
		unsigned stage;
	} bits[] = {
		{ FUSE_SET_ATTR_MODE, CK_SET_MODE },
		{ FUSE_SET_ATTR_UID, CK_SET_UID },
		{ FUSE_SET_ATTR_GID, CK_SET_GID },
		{ FUSE_SET_ATTR_ATIME, CK_SET_ATIME },
		{ FUSE_SET_ATTR_MTIME, CK_SET_MTIME },
		{ FUSE_SET_ATTR_ATIME_NOW, CK_SET_ATIME_NOW },
		{ FUSE_SET_ATTR_MTIME_NOW, CK_SET_MTIME_NOW },
	};
	unsigned out = 0;

	for (size_t i = 0; i < sizeof(bits) / sizeof(bits[0]); i++)
		if (set & bits[i].kernel)
			out |= bits[i].stage;
	/* "Now" comes along with the time itself. */
	if (out & CK_SET_ATIME_NOW)
		out &= ~(unsigned)CK_SET_ATIME;
	if (out & CK_SET_MTIME_NOW)
		out &= ~(unsigned)CK_SET_MTIME;
	return out;
}

static int set_attr(struct ck_rw *rw, fuse_ino_t ino, const struct stat *attr, int set,
		    const struct fuse_file_info *fi, struct ck_err *err)
{
	struct ck_rw_file *f = fi ? ck_rw_file_of(fi) : NULL;
	unsigned bits = stage_bits(set);
	int r = 0;

	if (set & FUSE_SET_ATTR_SIZE) {
		if (f && f->file)
			r = ck_stage_file_truncate(f->file, (uint64_t)attr->st_size, err);
		else
			r = ck_stage_truncate(rw->stage, ino, (uint64_t)attr->st_size, err);
	}
	if (r == 0 && bits)
		r = ck_stage_setattr(rw->stage, ino, bits, attr, err);
	return r;
}

void ck_rw_setattr(fuse_req_t req, fuse_ino_t ino, struct stat *attr, int set,
		   struct fuse_file_info *fi)
{
	struct ck_err err = CK_ERR_INIT;
	int r = 0;

	/* Those of .ckptfuse take it and forget it, as they do with writes (rw_special.h). */
	if (!ck_rw_is_special(ino))
		r = set_attr(ck_rw_of(req), ino, attr, set, fi, &err);
	if (r < 0)
		ck_reply_err(req, r, &err);
	else
		reply_attr(req, ino);
}
