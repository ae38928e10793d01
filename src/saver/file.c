/*
 * file.c - open files: bytes of V and of scratch files, the text of V.json.
 *
 * A handle on a file that nobody has edited holds its variable alone. V.json is a text that the
 * handle owns: it is taken when the file is closed.
 */
#include "saver/stage_private.h"

#include "core/meta.h"
#include "core/read.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <stdlib.h>
#include <unistd.h>

#define PIECE (1u << 20)

static bool writes(int flags)
{
	return (flags & O_ACCMODE) != O_RDONLY || (flags & O_TRUNC);
}

static struct ck_sfile *new_file(struct ck_stage *s, uint64_t ino, enum ck_stage_kind kind,
				 int flags)
{
	struct ck_sfile *f = calloc(1, sizeof(*f));

	if (!f)
		return NULL;
	f->s = s;
	f->ino = ino;
	f->kind = kind;
	f->flags = flags;
	f->var = CK_NO_VAR;
	pthread_mutex_init(&f->lock, NULL);
	return f;
}

static void free_file(struct ck_sfile *f)
{
	ck_model_unref(f->model);
	ck_buf_done(&f->text);
	pthread_mutex_destroy(&f->lock);
	free(f);
}

/* The size is set by an open that truncates, and by setattr. */
static int truncate_node(struct ck_stage *s, struct ck_snode *n, uint64_t size,
			 struct ck_err *err)
{
	struct ck_buf ck_auto_buf path = CK_BUF_INIT;
	struct ck_record rec = { .type = CK_REC_TRUNCATE, .offset = size };
	int r = 0;

	if (size > INT64_MAX)
		return -EFBIG;
	if (n->now.content && n->now.content->size == size && (size || !n->now.content->homed))
		return 0;
	if (n->entry) {
		ck_snode_path(n, &path);
		if (ck_buf_failed(&path))
			return ck_fail_nomem(err, s->prefix);
		rec.path = ck_span(path.p, path.n);
		r = ck_slog_add(s, &rec, NULL, err);
	}
	if (r == 0)
		r = ck_content_resize(s, n, size, err);
	if (r == 0) {
		ck_state_write(s);
		ck_snode_touch(n);
		ck_state_written(s);
	}
	return r;
}

/* A file that nobody has edited, and that is only read. */
static int open_base(struct ck_stage *s, struct ck_sfile *f, uint64_t id, struct ck_err *err)
{
	int r;

	if (id >= ck_tree_nodes(s->tree) ||
	    (f->var = ck_tree_var(s->tree, (uint32_t)id)) == CK_NO_VAR)
		return -ESTALE;
	f->model = ck_model_ref(s->model);
	if (f->kind == CK_STAGE_JSON)
		return ck_base_json(s, (uint32_t)id, &f->text, err);
	r = ck_var_readable(f->model, f->var, err);
	return r;
}

static int open_node(struct ck_stage *s, struct ck_sfile *f, struct ck_snode *n,
		     struct ck_err *err)
{
	int r = 0;

	if (f->kind == CK_STAGE_JSON && !(f->flags & O_TRUNC)) {
		ck_json_text(s, n, &f->text);
		r = ck_buf_failed(&f->text) ? ck_fail_nomem(err, s->prefix) : 0;
	} else if (f->kind == CK_STAGE_DATA && (f->flags & O_TRUNC)) {
		r = truncate_node(s, n, 0, err);
	}
	if (r < 0)
		return r;
	f->node = n;
	n->nopen++;
	return 0;
}

static int open_edited(struct ck_stage *s, struct ck_sfile *f, uint64_t id, struct ck_err *err)
{
	struct ck_snode *n = ck_snode_by_id(s, id, false);
	struct ck_sentry *e;
	struct ck_buf ck_auto_buf name = CK_BUF_INIT;
	int r = 0;

	if (f->kind == CK_STAGE_GHOST) {
		e = ck_ghost_find(s, id);
		if (!e || e->ghost != id)
			return -ENOENT;
		if (!writes(f->flags)) { /* mv to another file system copies it */
			f->kind = CK_STAGE_JSON;
			return ck_ghost_json(s, e, &f->text, err);
		}
		ck_buf_printf(&name, "%s.json", e->name);
		if (ck_buf_failed(&name))
			return -ENOMEM;
		ck_state_write(s);
		r = ck_json_owner(s, e->dir, name.p, &n, err);
		ck_state_written(s);
		f->kind = CK_STAGE_JSON;
	} else if (!n) {
		if (id >= ck_tree_nodes(s->tree) ||
		    ck_tree_var(s->tree, (uint32_t)id) == CK_NO_VAR)
			return -ESTALE;
		r = ck_var_readable(s->model, ck_tree_var(s->tree, (uint32_t)id), err);
		if (r < 0)
			return r;
		ck_state_write(s);
		r = ck_snode_materialize(s, (uint32_t)id, false, &n, err);
		ck_state_written(s);
	}
	return r < 0 ? r : open_node(s, f, n, err);
}

int ck_stage_file_open(struct ck_stage *s, uint64_t ino, int flags, struct ck_sfile **ret,
		       struct ck_err *err)
{
	struct ck_sfile *f = new_file(s, ino, (enum ck_stage_kind)(ino & 7), flags);
	uint64_t id = ino >> 3;
	int r;

	if (!f)
		return ck_fail_nomem(err, s->prefix);
	if (f->kind == CK_STAGE_DIR || f->kind == CK_STAGE_ALIAS) {
		r = -EISDIR;
	} else if (writes(flags)) {
		r = ck_edit_begin(s, err);
		if (r == 0) {
			r = open_edited(s, f, id, err);
			if (r == 0 && !(flags & O_TRUNC)) { /* nothing has changed yet */
				pthread_mutex_unlock(&s->edit_lock);
			} else {
				ck_edit_end(s, r);
			}
		}
	} else {
		/* nopen counts under edit_lock elsewhere: here only what nobody has edited is
		 * opened without it. */
		pthread_rwlock_rdlock(&s->state_lock);
		r = ck_snode_by_id(s, id, false) || f->kind == CK_STAGE_GHOST ? 1 :
									open_base(s, f, id, err);
		pthread_rwlock_unlock(&s->state_lock);
		if (r > 0) {
			pthread_mutex_lock(&s->edit_lock);
			r = open_edited(s, f, id, err);
			pthread_mutex_unlock(&s->edit_lock);
		}
	}
	if (r < 0)
		free_file(f);
	else
		*ret = f;
	return r;
}

int ck_stage_create(struct ck_stage *s, uint64_t dir, const char *name, int flags, mode_t mode,
		    struct ck_sfile **ret, struct stat *attr, struct ck_err *err)
{
	enum ck_stage_kind kind = CK_STAGE_DATA;
	struct ck_snode *d, *n = NULL;
	struct ck_sfile *file = NULL;
	struct ck_found f;
	size_t len;
	int r = ck_edit_begin(s, err);

	if (r < 0)
		return r;
	ck_state_write(s);
	r = ck_dir_node(s, dir, &d, err);
	if (r == 0)
		r = ck_sfind(s, d, CK_NO_NODE, name, strlen(name), &f);
	if (r == 0 && f.kind != CK_STAGE_GHOST) {
		kind = f.kind;
		r = flags & O_EXCL ? -EEXIST :
		    kind == CK_STAGE_DIR || kind == CK_STAGE_ALIAS ? -EISDIR :
		    ck_found_node(s, &f, &n, err);
	} else if (r == 0 || r == -ENOENT) {
		kind = ck_is_json_name(name, &len) ? CK_STAGE_JSON : CK_STAGE_DATA;
		r = kind == CK_STAGE_JSON ? ck_json_owner(s, d, name, &n, err) :
					    ck_do_create(s, d, name, mode, &n, err);
		if (r == 0 && kind == CK_STAGE_JSON)
			flags |= O_TRUNC;
	}
	if (r == 0) {
		file = new_file(s, n->id << 3 | (uint64_t)kind, kind, flags | O_CREAT);
		r = file ? 0 : ck_fail_nomem(err, s->prefix);
	}
	if (r == 0)
		r = open_node(s, file, n, err);
	if (r == 0) {
		n->nlookup++;
		ck_snode_attr(s, n, kind, attr);
		*ret = file;
	} else if (file) {
		free_file(file);
	}
	ck_state_written(s);
	ck_edit_end(s, r);
	return r;
}

/* --- bytes ----------------------------------------------------------------------------------- */

/* What the file is made of now: somebody may have edited it since this handle was opened on what
 * nobody had. Under state_lock. (Nodes of the opened tree stay for as long as the stage.) */
static struct ck_snode *node_of(const struct ck_sfile *f)
{
	return f->node ? f->node : ck_snode_by_id(f->s, f->ino >> 3, false);
}

static int judge(struct ck_sfile *f, struct ck_err *err)
{
	char quoted[CK_QUOTE_ROOM];
	struct ck_snode *n = f->node;
	uint64_t need;

	if (!ck_snode_is_var(n) || !n->now.meta || !n->now.content ||
	    !ck_varmeta_need(n->now.meta, &need) || need == n->now.content->size)
		return 0;
	return ck_fail(err, CK_USAGE, EINVAL,
		       "%s: has %llu bytes now, while its dtype and shape take %llu: it is kept, and "
		       "waits for that many, or for another .json",
		       ck_stage_quote(n, quoted, sizeof(quoted)),
		       (unsigned long long)n->now.content->size, (unsigned long long)need);
}

int ck_stage_file_flush(struct ck_sfile *f, struct ck_err *err)
{
	struct ck_stage *s = f->s;
	int r;

	if (f->kind == CK_STAGE_JSON)
		return f->text_dirty ? ck_json_flush(f, err) : 0;
	if (!f->wrote)
		return 0;
	pthread_mutex_lock(&s->edit_lock);
	r = ck_slog_extents(s, err); /* a dying daemon is no power cut */
	if (r == 0)
		r = judge(f, err);
	f->wrote = r < 0;
	pthread_mutex_unlock(&s->edit_lock);
	return r;
}

int ck_stage_file_release(struct ck_sfile *f)
{
	struct ck_stage *s = f->s;
	struct ck_snode *n = f->node;

	if (n) {
		pthread_mutex_lock(&s->edit_lock);
		ck_state_write(s);
		n->nopen--;
		if (n->now.content && !n->nopen && n->now.content->map && !n->now.content->homed)
			ck_content_settle(s, n->now.content);
		if (f->kind == CK_STAGE_JSON)
			ck_json_owner_done(s, n);
		else
			ck_snode_maybe_free(s, n);
		ck_state_written(s);
		pthread_mutex_unlock(&s->edit_lock);
	}
	free_file(f);
	return 0;
}

static ssize_t part(const char *p, uint64_t have, void *to, size_t n, uint64_t off)
{
	if (off >= have)
		return 0;
	if (n > have - off)
		n = (size_t)(have - off);
	memcpy(to, p + off, n);
	return (ssize_t)n;
}

ssize_t ck_stage_file_read(struct ck_sfile *f, void *p, size_t n, uint64_t off,
			   struct ck_err *err)
{
	struct ck_stage *s = f->s;
	struct ck_snode *node;
	uint64_t size = 0;
	ssize_t got;
	int r = 0;

	if (f->kind == CK_STAGE_JSON) {
		pthread_mutex_lock(&f->lock);
		got = part(f->text.p, f->text.n, p, n, off);
		pthread_mutex_unlock(&f->lock);
		return got;
	}
	pthread_rwlock_rdlock(&s->state_lock);
	node = node_of(f);
	if (node)
		size = node->now.content ? node->now.content->size : 0;
	else
		r = ck_var_size(f->model, f->var, &size, err);
	if (off >= size)
		n = 0;
	else if (n > size - off)
		n = (size_t)(size - off);
	if (r == 0 && n)
		r = node ? ck_content_read(s, node->now.content, off, p, n, err) :
			   ck_var_read(f->model, f->var, off, p, n, err);
	pthread_rwlock_unlock(&s->state_lock);
	return r < 0 ? r : (ssize_t)n;
}

const void *ck_stage_file_map(struct ck_sfile *f, uint64_t off, size_t n)
{
	const struct ck_content *c;
	struct ck_snode *node;
	const void *p = NULL;
	uint64_t size = 0;
	uint32_t var;

	if (f->kind == CK_STAGE_JSON)
		return NULL;
	pthread_rwlock_rdlock(&f->s->state_lock);
	node = node_of(f);
	c = node ? node->now.content : NULL;
	var = node ? CK_NO_VAR : f->var;
	/* Other models may go while the kernel takes the bytes. */
	if (c && !c->map && c->model == f->s->model) {
		var = c->var;
		size = c->size;
	} else if (!node && ck_var_size(f->model, f->var, &size, NULL) < 0) {
		var = CK_NO_VAR;
	}
	if (var != CK_NO_VAR && off <= size && n <= size - off)
		p = ck_var_map(f->s->model, var, off, n);
	pthread_rwlock_unlock(&f->s->state_lock);
	return p;
}

ssize_t ck_stage_file_write(struct ck_sfile *f, const void *p, size_t n, uint64_t off,
			    struct ck_err *err)
{
	struct ck_stage *s = f->s;
	int r;

	if ((f->flags & O_ACCMODE) == O_RDONLY && !(f->flags & O_CREAT))
		return -EBADF;
	if (f->kind == CK_STAGE_JSON)
		return ck_json_write(f, p, n, off, err);
	r = ck_edit_begin(s, err);
	if (r < 0)
		return r;
	if (f->flags & O_APPEND)
		off = f->node->now.content ? f->node->now.content->size : 0;
	r = ck_content_write(s, f->node, off, p, n, err);
	if (r == 0) {
		f->wrote = true;
		ck_state_write(s);
		ck_snode_touch(f->node);
		ck_state_written(s);
	}
	ck_edit_end(s, r);
	return r < 0 ? r : (ssize_t)n;
}

int ck_stage_file_truncate(struct ck_sfile *f, uint64_t size, struct ck_err *err)
{
	int r;

	if (f->kind == CK_STAGE_JSON) {
		pthread_mutex_lock(&f->lock);
		while (f->text.n < size && size <= CK_META_TEXT_MAX && !ck_buf_failed(&f->text))
			ck_buf_char(&f->text, ' ');
		if (size < f->text.n)
			f->text.n = (size_t)size;
		f->text_dirty = size > 0;
		pthread_mutex_unlock(&f->lock);
		return size > CK_META_TEXT_MAX ? -EFBIG : 0;
	}
	if (!f->node)
		return -EBADF;
	r = ck_edit_begin(f->s, err);
	if (r < 0)
		return r;
	/* Not counted as written: a close that has not written is not judged. */
	r = truncate_node(f->s, f->node, size, err);
	ck_edit_end(f->s, r);
	return r;
}

int ck_stage_truncate(struct ck_stage *s, uint64_t ino, uint64_t size, struct ck_err *err)
{
	struct ck_sfile *f;
	int r = ck_stage_file_open(s, ino, O_RDWR, &f, err);

	if (r < 0)
		return r;
	/* A V.json is only taken with what is written to it. */
	if (f->kind == CK_STAGE_DATA)
		r = ck_stage_file_truncate(f, size, err);
	ck_stage_file_release(f);
	return r;
}

static int write_zeros(struct ck_sfile *f, uint64_t off, uint64_t len, struct ck_err *err)
{
	uint8_t *zeros = calloc(1, len < PIECE ? (size_t)len : PIECE);
	int r = zeros ? 0 : ck_fail_nomem(err, f->s->prefix);

	while (len && r == 0) {
		size_t k = len < PIECE ? (size_t)len : PIECE;

		r = ck_content_write(f->s, f->node, off, zeros, k, err);
		off += k;
		len -= k;
	}
	free(zeros);
	return r;
}

int ck_stage_file_allocate(struct ck_sfile *f, int mode, uint64_t off, uint64_t len,
			   struct ck_err *err)
{
	uint64_t size, end;
	int r;

	if (f->kind != CK_STAGE_DATA || (mode & ~(FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE |
						  FALLOC_FL_ZERO_RANGE)))
		return -EOPNOTSUPP;
	if (!f->node || (f->flags & O_ACCMODE) == O_RDONLY)
		return -EBADF;
	if (!len || !ck_add_u64(off, len, &end) || end > INT64_MAX)
		return len ? -EFBIG : -EINVAL;
	r = ck_edit_begin(f->s, err);
	if (r < 0)
		return r;
	size = f->node->now.content ? f->node->now.content->size : 0;
	if (mode & (FALLOC_FL_PUNCH_HOLE | FALLOC_FL_ZERO_RANGE)) {
		uint64_t to = end < size ? end : size;

		if (off < to)
			r = write_zeros(f, off, to - off, err);
		f->wrote |= r == 0 && off < to;
	}
	if (r == 0 && !(mode & FALLOC_FL_KEEP_SIZE) && end > size)
		r = truncate_node(f->s, f->node, end, err);
	ck_edit_end(f->s, r);
	return r;
}

int64_t ck_stage_file_seek(struct ck_sfile *f, uint64_t off, int whence)
{
	uint64_t size = ck_stage_file_size(f), at = off;
	struct ck_content *c;
	struct ck_snode *node;
	struct ck_ext e;

	if (off >= size)
		return -ENXIO;
	pthread_rwlock_rdlock(&f->s->state_lock);
	node = f->kind == CK_STAGE_DATA ? node_of(f) : NULL;
	c = node ? node->now.content : NULL;
	if (c && c->map) {
		while (ck_extmap_get(c->map, at, &e) &&
		       (e.kind == CK_EXT_ZERO) != (whence == SEEK_HOLE))
			at = e.off + e.len;
	} else if (whence == SEEK_HOLE) {
		at = size;
	}
	pthread_rwlock_unlock(&f->s->state_lock);
	if (at >= size)
		return whence == SEEK_HOLE ? (int64_t)size : -ENXIO;
	return (int64_t)at;
}

int ck_stage_file_sync(struct ck_sfile *f, struct ck_err *err)
{
	if (f->kind == CK_STAGE_JSON && f->text_dirty) {
		int r = ck_json_flush(f, err);

		if (r < 0)
			return r;
	}
	return ck_stage_sync(f->s, err);
}

uint64_t ck_stage_file_ino(const struct ck_sfile *f)
{
	return f->node ? f->node->id << 3 | (uint64_t)f->kind : f->ino;
}

uint64_t ck_stage_file_size(struct ck_sfile *f)
{
	struct ck_snode *node;
	uint64_t size = 0;

	if (f->kind == CK_STAGE_JSON)
		return f->text.n;
	pthread_rwlock_rdlock(&f->s->state_lock);
	node = node_of(f);
	if (node)
		size = node->now.content ? node->now.content->size : 0;
	else if (ck_var_size(f->model, f->var, &size, NULL) < 0)
		size = 0;
	pthread_rwlock_unlock(&f->s->state_lock);
	return size;
}

uint64_t ck_stage_file_version(struct ck_sfile *f)
{
	struct ck_snode *node;
	uint64_t version = 0;

	if (f->kind != CK_STAGE_DATA)
		return 0;
	pthread_rwlock_rdlock(&f->s->state_lock);
	node = node_of(f);
	if (node)
		version = __atomic_load_n(&node->version, __ATOMIC_RELAXED);
	pthread_rwlock_unlock(&f->s->state_lock);
	return version;
}
