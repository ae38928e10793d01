/*
 * open.c - from SOURCE to a model (ck_open of ckpt.h).
 *
 * Files are opened here, and what is missing or not what it should be is explained here, since
 * formats see only the bytes they are given.
 */
#include "core/ckpt.h"

#include "core/pending.h"
#include "core/sniff.h"
#include "format/tf_bundle.h"
#include "util/buf.h"

#include <errno.h>
#include <inttypes.h>

/* A pointer that git-lfs left in the place of a file is never longer. */
#define LFS_POINTER_MAX 1024

static int is_pointer(struct ck_source *s, struct ck_err *err)
{
	if (ck_source_size(s) > LFS_POINTER_MAX || !ck_sniff_lfs(s))
		return 0;
	return ck_fail(err, CK_CORRUPT, EIO,
		       "%s: is a Git LFS pointer, its content was never downloaded: "
		       "run git lfs pull", ck_source_path(s));
}

/* Where a bundle's files are looked for, and what its journal lays over them. */
struct files {
	const struct ck_vfs *vfs;
	const char *prefix;
	const struct ck_pending *pending; /* COMMITTED, or NULL */
	struct ck_source *journal;
};

static int patch_shard(const struct files *f, uint32_t id, struct ck_source **s,
		       struct ck_err *err)
{
	const struct ck_source_patch *patches;
	struct ck_source *whole;
	size_t n;
	int r;

	patches = f->pending ? ck_pending_patches(f->pending, id, &n) : NULL;
	if (!patches)
		return 0;
	r = ck_source_patched(*s, f->journal, patches, n, &whole, err);
	ck_source_unref(*s);
	*s = r < 0 ? NULL : whole;
	return r;
}

static int open_shard(void *arg, uint32_t id, uint32_t num, struct ck_source **ret,
		      struct ck_err *err)
{
	const struct files *f = arg;
	struct ck_buf ck_auto_buf path = CK_BUF_INIT;
	struct ck_source *s;
	struct ck_vstat st;
	int r;

	ck_buf_printf(&path, "%s.data-%05" PRIu32 "-of-%05" PRIu32, f->prefix, id, num);
	if (ck_buf_failed(&path))
		return ck_fail_nomem(err, f->prefix);
	r = f->vfs->stat(f->vfs, path.p, &st);
	if (r == -ENOENT || r == -ENOTDIR)
		return ck_fail(err, CK_CORRUPT, ENOENT,
			       "%s: is missing, and variables lie in it: copy or download every data "
			       "file of the checkpoint (%" PRIu32 ")", path.p, num);
	r = ck_source_open_vfs(f->vfs, path.p, &s, err);
	if (r < 0)
		return r;
	r = is_pointer(s, err);
	if (r < 0)
		ck_source_unref(s);
	else
		r = patch_shard(f, id, &s, err);
	if (r == 0)
		*ret = s;
	return r;
}

static int load(const struct files *f, struct ck_source *index, unsigned flags,
		struct ck_model **ret, struct ck_err *err)
{
	struct ck_tf_shards shards = { .open = open_shard, .arg = (void *)(uintptr_t)f };
	struct ck_model *m = ck_model_new("tensorflow", f->prefix);
	struct ck_err why = CK_ERR_INIT;
	char words[CK_SNIFF_ROOM];
	enum ck_class cls;
	int r;

	if (!m)
		return ck_fail_nomem(err, f->prefix);
	r = ck_tf_bundle_load(m, index, &shards, flags & CK_OPEN_FORCE, &why);
	if (r < 0) {
		ck_model_unref(m);
		if (why.cls == CK_CORRUPT && !(flags & CK_OPEN_FORCE))
			return ck_fail(err, why.cls, why.errnum,
				       "%s (what is readable can be opened with force)", why.text);
		if (why.cls != CK_FOREIGN)
			return ck_fail(err, why.cls, why.errnum, "%s", why.text);
		r = is_pointer(index, err);
		if (r < 0)
			return r;
		cls = ck_sniff(index, words, sizeof(words));
		return ck_fail(err, cls == CK_CORRUPT ? cls : CK_FOREIGN, EINVAL,
			       "%s: looks like %s, where the index of a TensorFlow checkpoint was "
			       "expected", ck_source_path(index), words);
	}
	*ret = m;
	return 0;
}

static int open_index(const struct files *f, unsigned flags, struct ck_model **ret,
		      struct ck_err *err)
{
	struct ck_buf ck_auto_buf path = CK_BUF_INIT;
	struct ck_source *index;
	int r;

	if (f->pending && f->pending->index_path)
		ck_buf_str(&path, f->pending->index_path);
	else
		ck_buf_printf(&path, "%s.index", f->prefix);
	if (ck_buf_failed(&path))
		return ck_fail_nomem(err, f->prefix);
	r = ck_source_open_vfs(f->vfs, path.p, &index, err);
	if (r < 0)
		return r;
	r = load(f, index, flags, ret, err);
	ck_source_unref(index);
	return r;
}

#define TRIES 8 /* a publish may come to its end while we look */

/* *lost: the journal cannot be reached, so that nobody knows whether the files are half of a
 * publish (or a writer took it away just now: then it is so no more when asked again). */
static int open_through_journal(const struct ck_vfs *vfs, const char *prefix, unsigned flags,
				bool *again, struct ck_err *lost, struct ck_model **ret,
				struct ck_err *err)
{
	struct files f = { .vfs = vfs, .prefix = prefix };
	struct ck_pending p = { 0 };
	struct ck_err why = CK_ERR_INIT;
	int r = ck_pending_open(vfs, prefix, &p, &why);

	*again = false;
	*lost = (struct ck_err)CK_ERR_INIT;
	if (r < 0 && why.cls == CK_BUSY) {
		*again = true;
		*lost = why;
		return r;
	}
	/* What else is wrong with a journal is the affair of who wants to write, unless it is
	 * needed. */
	if (r < 0 || p.state != CK_PENDING_COMMITTED) {
		ck_pending_done(&p);
		return open_index(&f, flags, ret, err);
	}
	f.pending = &p;
	r = p.npatches ? ck_pending_journal(vfs, &p, &f.journal, &why) : 0;
	if (r == 0)
		r = open_index(&f, flags, ret, &why);
	ck_source_unref(f.journal);
	ck_pending_done(&p);
	if (r < 0) {
		*again = why.cls == CK_MISSING || why.cls == CK_BUSY || why.errnum == ENOENT;
		if (!*again)
			ck_fail(err, why.cls, why.errnum, "%s", why.text);
	}
	return r;
}

int ck_open_prefix(const struct ck_vfs *vfs, const char *prefix, unsigned flags,
		   struct ck_model **ret, struct ck_err *err)
{
	struct files f = { .vfs = vfs, .prefix = prefix };
	bool again = !(flags & CK_OPEN_RAW);
	struct ck_err lost = CK_ERR_INIT;
	int r = 0;

	for (int i = 0; i < TRIES && again; i++)
		r = open_through_journal(vfs, prefix, flags, &again, &lost, ret, err);
	if (again && lost.cls != CK_OK)
		return ck_fail(err, lost.cls, lost.errnum, "%s", lost.text);
	if (again || (flags & CK_OPEN_RAW))
		r = open_index(&f, flags, ret, err);
	return r;
}

int ck_open(const char *source, unsigned flags, struct ck_model **ret, struct ck_err *err)
{
	struct ck_location where = { 0 };
	int r = ck_locate(source, &where, err);

	if (r < 0)
		return r;
	r = ck_open_prefix(&ck_vfs_posix, where.prefix, flags, ret, err);
	ck_location_done(&where);
	return r;
}
