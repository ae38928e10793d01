/*
 * open.c - from SOURCE to a model (ck_open of ckpt.h).
 *
 * Files are opened here, and what is missing or not what it should be is explained here, since
 * formats see only the bytes they are given.
 */
#include "core/ckpt.h"

#include "core/sniff.h"
#include "format/tf_bundle.h"
#include "util/buf.h"

#include <errno.h>
#include <inttypes.h>
#include <unistd.h>

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

static int open_shard(void *arg, uint32_t id, uint32_t num, struct ck_source **ret,
		      struct ck_err *err)
{
	const char *prefix = arg;
	struct ck_buf ck_auto_buf path = CK_BUF_INIT;
	struct ck_source *s;
	int r;

	ck_buf_printf(&path, "%s.data-%05" PRIu32 "-of-%05" PRIu32, prefix, id, num);
	if (ck_buf_failed(&path))
		return ck_fail_nomem(err, prefix);
	if (access(path.p, F_OK) < 0 && (errno == ENOENT || errno == ENOTDIR))
		return ck_fail(err, CK_CORRUPT, ENOENT,
			       "%s: is missing, and variables lie in it: copy or download every data "
			       "file of the checkpoint (%" PRIu32 ")", path.p, num);
	r = ck_source_open(path.p, &s, err);
	if (r < 0)
		return r;
	r = is_pointer(s, err);
	if (r < 0)
		ck_source_unref(s);
	else
		*ret = s;
	return r;
}

static int load(const char *prefix, struct ck_source *index, unsigned flags,
		struct ck_model **ret, struct ck_err *err)
{
	struct ck_tf_shards shards = { .open = open_shard, .arg = (void *)(uintptr_t)prefix };
	struct ck_model *m = ck_model_new("tensorflow", prefix);
	struct ck_err why = CK_ERR_INIT;
	char words[CK_SNIFF_ROOM];
	enum ck_class cls;
	int r;

	if (!m)
		return ck_fail_nomem(err, prefix);
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

int ck_open(const char *source, unsigned flags, struct ck_model **ret, struct ck_err *err)
{
	struct ck_location where = { 0 };
	struct ck_buf ck_auto_buf path = CK_BUF_INIT;
	struct ck_source *index = NULL;
	int r = ck_locate(source, &where, err);

	if (r < 0)
		return r;
	ck_buf_printf(&path, "%s.index", where.prefix);
	r = ck_buf_failed(&path) ? ck_fail_nomem(err, source) :
				   ck_source_open(path.p, &index, err);
	if (r == 0)
		r = load(where.prefix, index, flags, ret, err);
	ck_source_unref(index);
	ck_location_done(&where);
	return r;
}
