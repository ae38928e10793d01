/* session_view.c - the bundle a session begins with, and readers of what it leaves. */
#include "session.h"

#include "core/read.h"
#include "format/tf_bundle.h"
#include "format/tf_slicekey.h"
#include "util/crc32c.h"

#include "mkindex.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* --- bundles ---------------------------------------------------------------------------------- */

static void put_var(struct mkindex *t, const char *name, unsigned dtype, const uint64_t *shape,
		    unsigned rank, unsigned shard, uint64_t off, const uint8_t *p, size_t n)
{
	struct ck_buf value = CK_BUF_INIT;

	put_entry(&value, dtype, shape, rank, shard, off, n, ck_crc32c(p + off, n));
	mkindex_add(t, name, strlen(name), &value);
	ck_buf_done(&value);
}

/* A variable of [4, 6] floats in two slices of two rows, 48 bytes each from off on. */
static void put_sliced(struct mkindex *t, const char *name, uint64_t off, const uint8_t *p,
		       struct ck_buf *whole)
{
	static const uint64_t shape[] = { 4, 6 }, half[] = { 2, 6 };
	static struct ck_tf_slice s;
	struct ck_buf dim = CK_BUF_INIT, dims = CK_BUF_INIT;

	put_varint_field(whole, 1, 1);
	for (unsigned i = 0; i < 2; i++) {
		ck_buf_clear(&dim);
		put_varint_field(&dim, 1, shape[i]);
		put_bytes_field(&dims, 2, &dim);
	}
	put_bytes_field(whole, 2, &dims);
	for (int64_t i = 0; i < 2; i++) {
		struct ck_buf extent = CK_BUF_INIT, slice = CK_BUF_INIT, key = CK_BUF_INIT;
		struct ck_buf value = CK_BUF_INIT;
		uint64_t at = off + 48 * (uint64_t)i;

		s = (struct ck_tf_slice){ .rank = 2, .start = { 2 * i, 0 },
					  .length = { 2, CK_TF_FULL } };
		if (i)
			put_varint_field(&extent, 1, 2);
		put_varint_field(&extent, 2, 2);
		put_bytes_field(&slice, 1, &extent);
		ck_buf_clear(&extent);
		put_bytes_field(&slice, 1, &extent);
		put_bytes_field(whole, 7, &slice);
		ck_tf_slice_key(ck_span(name, strlen(name)), &s, &key);
		put_entry(&value, 1, half, 2, 0, at, 48, ck_crc32c(p + at, 48));
		mkindex_add(t, key.p, key.n, &value);
		ck_buf_done(&extent);
		ck_buf_done(&slice);
		ck_buf_done(&key);
		ck_buf_done(&value);
	}
	ck_buf_done(&dim);
	ck_buf_done(&dims);
}

/* A scalar string as it is stored: its length, a checksum of that, and itself. */
static void put_string(struct mkindex *t, const char *name, const char *text, uint64_t off,
		       uint8_t *p)
{
	struct ck_buf value = CK_BUF_INIT;
	uint32_t n = (uint32_t)strlen(text), crc;
	uint8_t length[4];

	ck_put_le32(length, n);
	p[off] = (uint8_t)n;
	crc = ck_crc32c(length, 4);
	ck_put_le32(p + off + 1, ck_crc32c_mask(crc));
	memcpy(p + off + 5, text, n);
	put_entry(&value, 7, NULL, 0, 1, off, n + 5, ck_crc32c_extend(crc, p + off + 1, n + 4));
	mkindex_add(t, name, strlen(name), &value);
	ck_buf_done(&value);
}

void session_bundle(struct ck_disk *d, const char *prefix, bool rich)
{
	static const uint64_t a[] = { 3, 4 }, w[] = { 5 }, big[] = { 400 };
	struct ck_buf header = CK_BUF_INIT, whole = CK_BUF_INIT;
	uint8_t one[164], two[1610];
	struct mkindex t;
	char path[200];

	for (size_t i = 0; i < sizeof(one); i++)
		one[i] = (uint8_t)(i + 1);
	for (size_t i = 0; i < sizeof(two); i++)
		two[i] = (uint8_t)(i * 11 + i / 256);
	mkindex_start(&t);
	put_header(&header, 2, false);
	mkindex_add(&t, "", 0, &header);
	if (rich)
		put_sliced(&t, "part", 68, one, &whole);
	put_var(&t, "a", 1, a, 2, 0, 0, one, 48);
	put_var(&t, "b/w", 3, w, 1, 0, 48, one, 20);
	put_var(&t, "big", 1, big, 1, 1, 0, two, 1600);
	if (rich) {
		mkindex_add(&t, "part", 4, &whole);
		put_string(&t, "s", "hello", 1600, two);
	}
	mkindex_end(&t);
	snprintf(path, sizeof(path), "%s.data-00000-of-00002", prefix);
	ck_disk_put(d, path, one, rich ? sizeof(one) : 68);
	snprintf(path, sizeof(path), "%s.data-00001-of-00002", prefix);
	ck_disk_put(d, path, two, rich ? sizeof(two) : 1600);
	snprintf(path, sizeof(path), "%s.index", prefix);
	ck_disk_put(d, path, t.file.p, t.file.n);
	mkindex_done(&t);
	ck_buf_done(&header);
	ck_buf_done(&whole);
}

struct ck_disk *session_disk(const struct script *s)
{
	struct ck_disk *d = ck_disk_new();
	const struct ck_vfs *v = ck_disk_vfs(d);

	ck_disk_mkdir(d, "/d");
	ck_disk_mkdir(d, "/e");
	ck_disk_set_reflink(d, s->reflink);
	if (!s->create)
		session_bundle(d, SESSION_PREFIX, s->rich);
	if (s->linked)
		v->link(v, SESSION_PREFIX ".data-00001-of-00002", s->linked);
	if (s->symlinked) {
		v->rename(v, SESSION_PREFIX ".data-00001-of-00002", s->symlinked);
		v->symlink(v, s->symlinked, SESSION_PREFIX ".data-00001-of-00002");
	}
	ck_disk_settle(d);
	return d;
}

/* --- the published checkpoint ----------------------------------------------------------------- */

struct shards {
	const struct ck_vfs *vfs;
	const char *prefix;
};

static int open_shard(void *arg, uint32_t id, uint32_t num, struct ck_source **ret,
		      struct ck_err *err)
{
	const struct shards *s = arg;
	char path[300];

	snprintf(path, sizeof(path), "%s.data-%05" PRIu32 "-of-%05" PRIu32, s->prefix, id, num);
	return ck_source_open_vfs(s->vfs, path, ret, err);
}

static bool add_var(struct model *m, struct ck_model *ck, uint32_t i, struct ck_err *err)
{
	const struct ck_var *v = &ck->vars[i];
	struct ck_span span = ck_var_name(ck, v);
	struct model_meta meta = { .known = true, .rank = v->rank };
	struct model_file *f;
	char name[MODEL_NAME];
	uint64_t n;

	if (ck_var_size(ck, i, &n, err) < 0 || ck_var_verify(ck, i, err) < 0)
		return false;
	if (span.n >= sizeof(name) || v->rank > MODEL_RANK) {
		ck_fail(err, CK_FOREIGN, EINVAL, "a variable too large for the model");
		return false;
	}
	snprintf(name, sizeof(name), "%.*s", (int)span.n, (const char *)span.p);
	snprintf(meta.dtype, sizeof(meta.dtype), "%s", ck_dtype_info(v->dtype)->name);
	for (unsigned k = 0; k < v->rank; k++)
		meta.shape[k] = ck_var_shape(ck, v)[k];
	if (v->dtype == CK_DT_STRING && v->rank)
		meta.strings = n;
	f = model_add(m, name, &meta, n);
	return n == 0 || ck_var_read(ck, i, 0, f->p, n, err) == 0;
}

struct model *session_published(const struct ck_vfs *vfs, const char *prefix, bool *absent,
				char *why, size_t room)
{
	struct shards arg = { .vfs = vfs, .prefix = prefix };
	struct ck_tf_shards shards = { .open = open_shard, .arg = &arg };
	struct ck_err err = CK_ERR_INIT;
	struct ck_source *index = NULL;
	struct ck_model *ck = NULL;
	struct model *m = NULL;
	char path[300];
	bool ok;

	*absent = false;
	snprintf(path, sizeof(path), "%s.index", prefix);
	if (ck_source_open_vfs(vfs, path, &index, &err) == -ENOENT) {
		*absent = true;
		snprintf(why, room, "%s", err.text);
		return NULL;
	}
	ck = ck_model_new("tensorflow", prefix);
	ok = index && ck && ck_tf_bundle_load(ck, index, &shards, false, &err) == 0;
	if (ok) {
		m = model_new();
		for (uint32_t i = 0; ok && i < ck->nvars; i++)
			ok = add_var(m, ck, i, &err);
	}
	ck_model_unref(ck);
	ck_source_unref(index);
	if (ok)
		return m;
	snprintf(why, room, "published: %s", err.text);
	return model_free(m);
}

/* --- the staged tree -------------------------------------------------------------------------- */

struct view {
	struct ck_stage *stage;
	struct model *m;
	unsigned vars; /* files that are variables */
	unsigned each; /* of these, those that ck_stage_each() named */
	char *why;
	size_t room;
};

static bool view_file(struct view *v, uint64_t dir, const char *file, const char *name)
{
	struct ck_err err = CK_ERR_INIT;
	struct ck_sfile *f = NULL;
	struct model_file *to;
	struct stat st;
	ssize_t got = 0;
	int r = ck_stage_lookup(v->stage, dir, file, &st, &err);

	if (r == 0) {
		r = ck_stage_file_open(v->stage, st.st_ino, O_RDONLY, &f, &err);
		if (r == 0) {
			to = model_add(v->m, name, NULL, (size_t)st.st_size);
			while (r == 0 && (size_t)got < to->n) {
				ssize_t k = ck_stage_file_read(f, to->p + got, to->n - (size_t)got,
							       (uint64_t)got, &err);

				if (k <= 0)
					r = k < 0 ? (int)k : -EIO;
				else
					got += k;
			}
			ck_stage_file_release(f);
		}
		ck_stage_forget(v->stage, st.st_ino, 1);
	}
	v->vars += !model_is_scratch(name);
	if (r < 0)
		snprintf(v->why, v->room, "reading %s: %d, %s", name, r, err.text);
	return r == 0;
}

static bool has_suffix(const char *s, const char *suffix)
{
	size_t n = strlen(s), k = strlen(suffix);

	return n > k && strcmp(s + n - k, suffix) == 0;
}

static bool view_folder(struct view *v, uint64_t dir, const char *prefix)
{
	struct ck_stage_names names = { 0 };
	struct ck_err err = CK_ERR_INIT;
	bool ok = ck_stage_list(v->stage, dir, &names, &err) == 0;

	if (!ok)
		snprintf(v->why, v->room, "listing %s: %s", prefix, err.text);
	for (size_t i = 0; ok && i < names.n; i++) {
		const char *file = names.v[i].name;
		char name[300];

		snprintf(name, sizeof(name), "%s%s", prefix, file);
		if (S_ISDIR(names.v[i].type)) {
			struct stat st;

			if (has_suffix(name, ".d"))
				name[strlen(name) - 2] = '\0';
			strcat(name, "/");
			ok = ck_stage_lookup(v->stage, dir, file, &st, &err) == 0;
			if (!ok)
				snprintf(v->why, v->room, "%s is listed: %s", name, err.text);
			ok = ok && view_folder(v, st.st_ino, name);
			if (ok)
				ck_stage_forget(v->stage, st.st_ino, 1);
		} else if (!has_suffix(file, ".json") || model_is_scratch(file)) {
			ok = view_file(v, dir, file, name);
		}
	}
	ck_stage_names_done(&names);
	return ok;
}

static int view_meta(void *arg, const struct ck_stage_var *var)
{
	struct view *v = arg;
	const struct ck_varmeta *meta = var->meta;
	struct model_file *f;
	char name[300];

	snprintf(name, sizeof(name), "%.*s", (int)var->name.n, (const char *)var->name.p);
	f = model_find(v->m, name);
	v->each++;
	if (!f) {
		snprintf(v->why, v->room, "%s is a variable, but there is no file", name);
		return -ENOENT;
	}
	if (meta && meta->has_dtype && meta->has_shape) {
		f->meta.known = true;
		snprintf(f->meta.dtype, sizeof(f->meta.dtype), "%s",
			 ck_dtype_info(meta->dtype)->name);
		f->meta.rank = meta->rank < MODEL_RANK ? meta->rank : MODEL_RANK;
		for (unsigned i = 0; i < f->meta.rank; i++)
			f->meta.shape[i] = meta->shape[i];
		if (meta->dtype == CK_DT_STRING && meta->rank)
			f->meta.strings = meta->lengths_sum;
	}
	if (var->nbytes != f->n || model_is_unfinished(f) != (var->unfinished != NULL)) {
		snprintf(v->why, v->room, "%s: %llu bytes and %zu; unfinished: %s", name,
			 (unsigned long long)var->nbytes, f->n,
			 var->unfinished ? var->unfinished : "no");
		return -EINVAL;
	}
	return 0;
}

struct model *session_view(struct ck_stage *stage, char *why, size_t room)
{
	struct view v = { .stage = stage, .m = model_new(), .why = why, .room = room };
	struct ck_err err = CK_ERR_INIT;
	bool ok = view_folder(&v, CK_STAGE_ROOT, "");

	if (ok) {
		*why = '\0';
		ok = ck_stage_each(stage, view_meta, &v, &err) == 0;
		if (!ok && !*why)
			snprintf(why, room, "listing variables: %s", err.text);
	}
	if (ok && v.each != v.vars) {
		snprintf(why, room, "%u files are variables, %u variables are told of", v.vars,
			 v.each);
		ok = false;
	}
	return ok ? v.m : model_free(v.m);
}
