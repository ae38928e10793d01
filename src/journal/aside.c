/*
 * aside.c - a journal that belongs to nothing here is kept, under another name (journal.h).
 *
 * Which name is free is looked up first, since a rename would silently replace what has it; whoever
 * sets journals aside holds the checkpoint's lock.
 */
#include "journal/private.h"

#include <errno.h>
#include <stdlib.h>

#define TRIES 10000

static int free_name(const struct ck_vfs *vfs, const char *path, struct ck_buf *ret,
		     struct ck_err *err)
{
	for (int i = 1; i <= TRIES; i++) {
		struct ck_vstat st;
		int r;

		ck_buf_clear(ret);
		ck_buf_printf(ret, i == 1 ? "%s.aside" : "%s.aside-%d", path, i);
		if (ck_buf_failed(ret))
			return ck_fail_nomem(err, path);
		r = vfs->lstat(vfs, ret->p, &st);
		if (r == -ENOENT)
			return 0;
		if (r < 0)
			return ck_journal_fail(ret->p, "examining", r, err);
	}
	return ck_fail(err, CK_PUBLISH, EEXIST,
		       "%s: cannot be set aside, there are %d journals set aside already: remove "
		       "those", path, TRIES);
}

int ck_journal_set_aside(const struct ck_vfs *vfs, const char *path, char **ret,
			 struct ck_err *err)
{
	struct ck_buf to = CK_BUF_INIT;
	int r = free_name(vfs, path, &to, err);

	if (r == 0) {
		r = vfs->rename(vfs, path, to.p);
		if (r == 0)
			r = vfs->sync_dir(vfs, path);
		if (r < 0)
			ck_journal_fail(path, "setting it aside", r, err);
	}
	if (r < 0)
		ck_buf_done(&to);
	else
		*ret = to.p;
	return r;
}
