/*
 * rw_xattr.c - extended attributes of a writable mount (rw.h). .ckptfuse has none.
 *
 * Before every write the kernel asks for the file's capabilities, which a write would take away. No
 * file here has any, so that the answer needs nobody's lock.
 */
#include "fuse/rw.h"

#include "fuse/rw_special.h"

#include <errno.h>
#include <stdlib.h>

#define ROOM_MAX 65536 /* bytes of an attribute or of a list of names: the kernel's own limit */

static bool has_none(fuse_ino_t ino, const char *name)
{
	return ck_rw_is_special(ino) || strcmp(name, "security.capability") == 0;
}

/* A size of 0 asks how much there is. */
static void reply_value(fuse_req_t req, ssize_t r, const void *p, size_t size,
			const struct ck_err *err)
{
	if (r < 0)
		ck_reply_err(req, (int)r, err);
	else if (size == 0)
		fuse_reply_xattr(req, (size_t)r);
	else
		fuse_reply_buf(req, p, (size_t)r);
}

void ck_rw_getxattr(fuse_req_t req, fuse_ino_t ino, const char *name, size_t size)
{
	struct ck_err err = CK_ERR_INIT;
	ssize_t r = -ENODATA;
	char *p = NULL;

	size = size > ROOM_MAX ? ROOM_MAX : size;
	if (!has_none(ino, name)) {
		p = size ? malloc(size) : NULL;
		r = size && !p ? -ENOMEM :
				 ck_stage_getxattr(ck_rw_of(req)->stage, ino, name, p, size, &err);
	}
	reply_value(req, r, p, size, &err);
	free(p);
}

void ck_rw_listxattr(fuse_req_t req, fuse_ino_t ino, size_t size)
{
	struct ck_err err = CK_ERR_INIT;
	char *p = NULL;
	ssize_t r = 0;

	size = size > ROOM_MAX ? ROOM_MAX : size;
	if (!ck_rw_is_special(ino)) {
		p = size ? malloc(size) : NULL;
		r = size && !p ? -ENOMEM :
				 ck_stage_listxattr(ck_rw_of(req)->stage, ino, p, size, &err);
	}
	reply_value(req, r, p, size, &err);
	free(p);
}

void ck_rw_setxattr(fuse_req_t req, fuse_ino_t ino, const char *name, const char *value,
		    size_t size, int flags)
{
	struct ck_err err = CK_ERR_INIT;
	int r = -EOPNOTSUPP;

	if (!has_none(ino, name))
		r = ck_stage_setxattr(ck_rw_of(req)->stage, ino, name, value, size, flags, &err);
	ck_reply_err(req, r, &err);
}

void ck_rw_removexattr(fuse_req_t req, fuse_ino_t ino, const char *name)
{
	struct ck_err err = CK_ERR_INIT;
	int r = -EOPNOTSUPP;

	if (!has_none(ino, name))
		r = ck_stage_removexattr(ck_rw_of(req)->stage, ino, name, &err);
	ck_reply_err(req, r, &err);
}
