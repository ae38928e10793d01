/* rw_name.c - what makes, deletes and moves names in a writable mount (rw.h). */
#include "fuse/rw.h"

#include "fuse/rw_special.h"

#include <errno.h>
#include <fcntl.h>

/* An entry that the stage has counted a lookup of. */
static void reply_entry(fuse_req_t req, const struct stat *attr)
{
	struct fuse_entry_param e = { .ino = attr->st_ino, .attr = *attr };

	if (fuse_reply_entry(req, &e) < 0)
		ck_stage_forget(ck_rw_of(req)->stage, e.ino, 1);
}

static int refuse_kind(const char *kind, const char *name, struct ck_err *err)
{
	char quoted[CK_QUOTE_ROOM];

	ck_quote(quoted, sizeof(quoted), name, strlen(name));
	return ck_fail(err, CK_USAGE, EPERM, "%s: a checkpoint has no %s: it is folders and "
		       "regular files", quoted, kind);
}

void ck_rw_mknod(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode, dev_t dev)
{
	struct ck_mount *m = ck_mount_of(req);
	struct ck_err err = CK_ERR_INIT;
	struct ck_sfile *file;
	struct stat st;
	int r = ck_rw_special_refuse(parent, name, &err);

	(void)dev;
	if (r == 0 && !S_ISREG(mode))
		r = refuse_kind("devices, pipes or sockets", name, &err);
	if (r == 0)
		r = ck_stage_create(m->rw->stage, parent, name, O_EXCL,
				    mode & 07777 & ~(mode_t)m->opt->umask, &file, &st, &err);
	if (r < 0) {
		ck_reply_err(req, r, &err);
		return;
	}
	ck_stage_file_release(file);
	reply_entry(req, &st);
}

void ck_rw_mkdir(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode)
{
	struct ck_mount *m = ck_mount_of(req);
	struct ck_err err = CK_ERR_INIT;
	struct stat st;
	int r = ck_rw_special_refuse(parent, name, &err);

	if (r == 0)
		r = ck_stage_mkdir(m->rw->stage, parent, name,
				   mode & 07777 & ~(mode_t)m->opt->umask, &st, &err);
	if (r < 0)
		ck_reply_err(req, r, &err);
	else
		reply_entry(req, &st);
}

void ck_rw_unlink(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	struct ck_err err = CK_ERR_INIT;
	int r = ck_rw_special_refuse(parent, name, &err);

	if (r == 0)
		r = ck_stage_unlink(ck_rw_of(req)->stage, parent, name, &err);
	ck_reply_err(req, r, &err);
}

void ck_rw_rmdir(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	struct ck_err err = CK_ERR_INIT;
	int r = ck_rw_special_refuse(parent, name, &err);

	if (r == 0)
		r = ck_stage_rmdir(ck_rw_of(req)->stage, parent, name, &err);
	ck_reply_err(req, r, &err);
}

void ck_rw_rename(fuse_req_t req, fuse_ino_t parent, const char *name, fuse_ino_t newparent,
		  const char *newname, unsigned int flags)
{
	struct ck_err err = CK_ERR_INIT;
	int r = ck_rw_special_refuse(parent, name, &err);

	if (r == 0)
		r = ck_rw_special_refuse(newparent, newname, &err);
	if (r == 0)
		r = ck_stage_rename(ck_rw_of(req)->stage, parent, name, newparent, newname, flags,
				    &err);
	ck_reply_err(req, r, &err);
}

void ck_rw_symlink(fuse_req_t req, const char *target, fuse_ino_t parent, const char *name)
{
	struct ck_err err = CK_ERR_INIT;

	(void)target;
	(void)parent;
	ck_reply_err(req, refuse_kind("symlinks", name, &err), &err);
}

void ck_rw_link(fuse_req_t req, fuse_ino_t ino, fuse_ino_t newparent, const char *newname)
{
	struct ck_err err = CK_ERR_INIT;

	(void)ino;
	(void)newparent;
	ck_reply_err(req, refuse_kind("hard links", newname, &err), &err);
}
