/* editor_stage.c - a checkpoint that nobody else edits: through the saver (editor.h). */
#include "cli/editor_private.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

struct stage_editor {
	struct ck_editor e;
	struct ck_stage *stage;
	struct ck_sfile *file; /* of the variable that is being put, or NULL */
	uint64_t ino; /* file's, looked up once */
};

static struct stage_editor *of(struct ck_editor *e)
{
	return (struct stage_editor *)e;
}

/* --- looking --------------------------------------------------------------------------------- */

static int has(struct ck_editor *e, struct ck_span name, bool *ret, struct ck_err *err)
{
	bool scope = name.n && name.p[name.n - 1] == '/';
	struct ck_err why = CK_ERR_INIT;
	char *file = NULL;
	struct stat st;
	uint64_t dir;
	int r = ck_stage_place(of(e)->stage, name, false, &dir, &file, &why);

	if (r == 0)
		r = ck_stage_lookup(of(e)->stage, dir, file, &st, &why);
	free(file);
	if (r == -ENOENT || r == -EINVAL || r == -ENAMETOOLONG || r == -EIO) {
		*ret = r == -EIO; /* it is there, though damaged */
		return 0;
	}
	if (r < 0)
		return ck_fail(err, why.cls, why.errnum, "%s", why.text);
	*ret = scope ? S_ISDIR(st.st_mode) : S_ISREG(st.st_mode);
	ck_stage_forget(of(e)->stage, st.st_ino, 1);
	return 0;
}

static int add_name(void *list, const struct ck_stage_var *v)
{
	ck_namelist_add(list, v->name);
	return 0;
}

static int names(struct ck_editor *e, struct ck_namelist *ret, struct ck_err *err)
{
	struct ck_namelist l = { 0 };
	int r = ck_stage_each(of(e)->stage, add_name, &l, err);

	if (r == 0)
		r = ck_namelist_settle(&l, e->where, err);
	if (r < 0)
		ck_namelist_done(&l);
	else
		*ret = l;
	return r;
}

/* All of V.json. */
static int read_text(struct ck_stage *s, uint64_t ino, struct ck_buf *out, struct ck_err *err)
{
	char piece[16384];
	struct ck_sfile *f;
	ssize_t n;
	int r = ck_stage_file_open(s, ino, O_RDONLY, &f, err);

	if (r < 0)
		return r;
	do {
		n = ck_stage_file_read(f, piece, sizeof(piece), out->n, err);
		if (n > 0)
			ck_buf_add(out, piece, (size_t)n);
	} while (n > 0 && !ck_buf_failed(out));
	ck_stage_file_release(f);
	return n < 0 ? (int)n : ck_buf_failed(out) ? -ENOMEM : 0;
}

static int meta(struct ck_editor *e, struct ck_span name, struct ck_varmeta **ret,
		struct ck_err *err)
{
	struct ck_buf ck_auto_buf beside = CK_BUF_INIT, text = CK_BUF_INIT;
	struct ck_stage *s = of(e)->stage;
	struct ck_err why = CK_ERR_INIT;
	char *file = NULL;
	struct stat st;
	uint64_t dir;
	int r = ck_stage_place_var(s, name, false, &dir, &file, NULL);

	if (r == 0) {
		ck_buf_printf(&beside, "%s.json", file);
		r = ck_buf_failed(&beside) ? ck_fail_nomem(err, e->where) :
					     ck_stage_lookup(s, dir, beside.p, &st, &why);
		free(file);
	}
	if (r == -ENOENT || r == -EINVAL || r == -ENAMETOOLONG)
		return -ENOENT;
	if (r == 0) {
		r = read_text(s, st.st_ino, &text, &why);
		ck_stage_forget(s, st.st_ino, 1);
	}
	if (r == 0)
		r = ck_varmeta_parse(ck_span(text.p ? text.p : "", text.n), NULL, false, e->where,
				     ret, &why);
	if (r < 0 && why.cls != CK_OK)
		return ck_fail(err, why.cls, why.errnum, "%s", why.text);
	return r < 0 ? ck_fail(err, CK_MISSING, -r, "%s: %s", e->where, strerror(-r)) : 0;
}

static json_t *status(struct ck_editor *e, struct ck_err *err)
{
	struct ck_buf ck_auto_buf text = CK_BUF_INIT;
	json_t *j;

	ck_buf_str(&text, "{\n");
	ck_stage_status(of(e)->stage, &text);
	ck_buf_str(&text, "}\n");
	j = ck_buf_failed(&text) ? NULL : json_loadb(text.p, text.n, JSON_ALLOW_NUL, NULL);
	if (!j)
		ck_fail_nomem(err, e->where);
	return j;
}

/* --- editing --------------------------------------------------------------------------------- */

/* What the tree refuses as a file system does, with an errno and no words. */
static int explain(const struct ck_editor *e, struct ck_span name, int r, struct ck_err *err)
{
	char quoted[CK_QUOTE_ROOM];

	if (r >= 0)
		return r;
	return ck_fail(err, r == -EIO || r == -ENOSPC ? CK_PUBLISH : CK_USAGE, -r, "%s: %s: %s",
		       e->where, ck_quote(quoted, sizeof(quoted), name.p, name.n), strerror(-r));
}

static int close_file(struct stage_editor *s, bool judge, struct ck_err *err)
{
	int r = 0;

	if (!s->file)
		return 0;
	if (judge)
		r = ck_stage_file_flush(s->file, err);
	ck_stage_file_release(s->file);
	ck_stage_forget(s->stage, s->ino, 1);
	s->file = NULL;
	return r;
}

static int open_file(struct stage_editor *s, uint64_t dir, const char *name, int flags,
		     struct ck_err *err)
{
	struct stat st;
	int r = ck_stage_create(s->stage, dir, name, flags, 0666, &s->file, &st, err);

	if (r == 0)
		s->ino = st.st_ino;
	return r;
}

static int write_at(struct ck_editor *e, const void *p, size_t n, uint64_t off, struct ck_err *err)
{
	const uint8_t *from = p;

	while (n) {
		ssize_t put = ck_stage_file_write(of(e)->file, from, n, off, err);

		if (put < 0)
			return (int)put;
		if (put == 0)
			return ck_fail(err, CK_PUBLISH, EIO, "%s: nothing more can be written",
				       e->where);
		from += put;
		off += (uint64_t)put;
		n -= (size_t)put;
	}
	return 0;
}

static int tell_at(struct ck_editor *e, uint64_t dir, const char *file, const struct ck_buf *json,
		   struct ck_err *err)
{
	struct ck_buf ck_auto_buf beside = CK_BUF_INIT;
	int r;

	ck_buf_printf(&beside, "%s.json", file);
	r = ck_buf_failed(&beside) ? ck_fail_nomem(err, e->where) :
				     open_file(of(e), dir, beside.p, O_TRUNC, err);
	if (r == 0)
		r = write_at(e, json->p, json->n, 0, err);
	return r == 0 ? close_file(of(e), true, err) : r;
}

static int tell(struct ck_editor *e, struct ck_span name, const struct ck_buf *json,
		struct ck_err *err)
{
	char *file;
	uint64_t dir;
	int r = ck_stage_place_var(of(e)->stage, name, true, &dir, &file, err);

	if (r == 0) {
		r = tell_at(e, dir, file, json, err);
		free(file);
	}
	return explain(e, name, r, err);
}

static int begin(struct ck_editor *e, struct ck_span name, bool over, struct ck_err *err)
{
	char *file;
	uint64_t dir;
	int r = ck_stage_place_var(of(e)->stage, name, true, &dir, &file, err);

	if (r == 0) {
		r = open_file(of(e), dir, file, over ? 0 : O_TRUNC, err);
		free(file);
	}
	return explain(e, name, r, err);
}

static int end(struct ck_editor *e, struct ck_err *err)
{
	return close_file(of(e), true, err);
}

static void drop(struct ck_editor *e)
{
	close_file(of(e), false, NULL);
}

/* A folder cannot be called as a variable is: it is spelt with .d. */
static int make_way(struct ck_editor *e, uint64_t dir, char **folder, struct ck_err *err)
{
	struct ck_buf other = CK_BUF_INIT;
	struct stat st;

	if (ck_stage_lookup(of(e)->stage, dir, *folder, &st, NULL) < 0)
		return 0;
	ck_stage_forget(of(e)->stage, st.st_ino, 1);
	if (!S_ISREG(st.st_mode))
		return 0;
	ck_buf_printf(&other, "%s.d", *folder);
	if (ck_buf_failed(&other)) {
		ck_buf_done(&other);
		return ck_fail_nomem(err, e->where);
	}
	free(*folder);
	*folder = other.p;
	return 0;
}

static int rename_it(struct ck_editor *e, struct ck_span from, struct ck_span to,
		     const struct ck_buf *json, struct ck_err *err)
{
	struct ck_stage *s = of(e)->stage;
	char *old = NULL, *new = NULL;
	uint64_t old_dir, new_dir;
	bool there = true;
	int r = ck_editor_same_bare(from, to) ? has(e, to, &there, err) : 0;

	if (r == 0 && !there) /* the path stays, V.json says it */
		return tell(e, from, json, err);
	if (r == 0)
		r = ck_stage_place(s, to, true, &new_dir, &new, err);
	if (r == 0 && to.p[to.n - 1] == '/')
		r = make_way(e, new_dir, &new, err);
	/* The old place last: making the new one may have respelt a folder on its way. */
	if (r == 0)
		r = ck_stage_place(s, from, false, &old_dir, &old, err);
	if (r == 0)
		r = ck_stage_rename(s, old_dir, old, new_dir, new, 0, err);
	if (r == 0 && json)
		r = tell_at(e, new_dir, new, json, err);
	free(old);
	free(new);
	return explain(e, from, r, err);
}

static int remove_it(struct ck_editor *e, struct ck_span name, struct ck_err *err)
{
	char *file = NULL;
	uint64_t dir;
	int r = ck_stage_place_var(of(e)->stage, name, false, &dir, &file, err);

	if (r == 0)
		r = ck_stage_unlink(of(e)->stage, dir, file, err);
	free(file);
	return explain(e, name, r, err);
}

/* --- the saver ------------------------------------------------------------------------------- */

/* Prepends the spelling under which a folder is shown. */
static int prepend(struct ck_stage *s, uint64_t dir, uint64_t parent, struct ck_buf *path,
		   struct ck_err *err)
{
	struct ck_buf longer = CK_BUF_INIT;
	struct ck_stage_names l;
	int r = ck_stage_list(s, parent, &l, err);

	if (r < 0)
		return r;
	r = -ESTALE;
	for (size_t i = 0; i < l.n && r < 0; i++) {
		if (l.v[i].ino != dir)
			continue;
		ck_buf_printf(&longer, "%s/%s", l.v[i].name, path->p);
		r = 0;
	}
	ck_stage_names_done(&l);
	ck_buf_done(path);
	*path = longer;
	return r;
}

/* The path of what is there. */
static int path_of(struct ck_editor *e, struct ck_span name, bool scope, struct ck_buf *path,
		   struct ck_err *err)
{
	struct ck_stage *s = of(e)->stage;
	char *file = NULL;
	uint64_t dir;
	int r = scope ? ck_stage_place(s, name, false, &dir, &file, err) :
			ck_stage_place_var(s, name, false, &dir, &file, err);

	if (r < 0)
		return r;
	ck_buf_str(path, file);
	free(file);
	for (; r == 0 && dir != CK_STAGE_ROOT; dir = ck_stage_parent(s, dir))
		r = prepend(s, dir, ck_stage_parent(s, dir), path, err);
	return r == 0 && ck_buf_failed(path) ? ck_fail_nomem(err, e->where) : r;
}

static int discard(struct ck_editor *e, struct ck_span name, struct ck_err *err)
{
	struct ck_stage *s = of(e)->stage;
	struct ck_buf ck_auto_buf path = CK_BUF_INIT;
	struct ck_err why = CK_ERR_INIT;
	int r = -ENOENT;

	if (!name.p)
		return ck_stage_discard(s, NULL, err);
	for (int scope = 0; scope < 2 && r == -ENOENT; scope++) {
		why = (struct ck_err)CK_ERR_INIT;
		ck_buf_clear(&path);
		r = path_of(e, name, scope, &path, &why);
		if (r == 0)
			r = ck_stage_discard(s, path.p, &why);
	}
	/* Of what was deleted the folder may be gone as well. */
	for (int suffix = 0; suffix < 2 && r == -ENOENT; suffix++) {
		why = (struct ck_err)CK_ERR_INIT;
		ck_buf_clear(&path);
		ck_editor_spell(name, '/', suffix, &path);
		if (ck_buf_failed(&path))
			return ck_fail_nomem(err, e->where);
		r = ck_stage_discard(s, path.p, &why);
	}
	if (r < 0 && r != -ENOENT && why.cls != CK_OK)
		return ck_fail(err, why.cls, why.errnum, "%s", why.text);
	return explain(e, name, r, err);
}

static int abandon(struct ck_editor *e, struct ck_err *err)
{
	return ck_stage_abandon(of(e)->stage, err);
}

static int publish(struct ck_editor *e, struct ck_publish_report *ret, struct ck_err *err)
{
	return ck_stage_publish(of(e)->stage, CK_PUBLISH_EXPLICIT, ret, err);
}

static int compact(struct ck_editor *e, struct ck_publish_report *ret, struct ck_err *err)
{
	return ck_stage_compact(of(e)->stage, ret, err);
}

static int close_it(struct ck_editor *e, struct ck_err *err)
{
	int r;

	drop(e);
	r = ck_stage_close(of(e)->stage, err);
	ck_editor_free(e);
	return r;
}

static const struct ck_editor_ops ops = {
	.has = has,
	.names = names,
	.meta = meta,
	.tell = tell,
	.begin = begin,
	.write = write_at,
	.end = end,
	.drop = drop,
	.rename = rename_it,
	.remove = remove_it,
	.discard = discard,
	.abandon = abandon,
	.publish = publish,
	.status = status,
	.compact = compact,
	.close = close_it,
};

static void say_notice(const char *lines)
{
	while (*lines) {
		size_t n = strcspn(lines, "\n");

		ck_cli_say("%.*s", (int)n, lines);
		lines += n + (lines[n] == '\n');
	}
}

int ck_editor_open_stage(const struct ck_editor_options *o, const char *prefix, bool create,
			 struct ck_editor **ret, struct ck_err *err)
{
	struct stage_editor *s = calloc(1, sizeof(*s));
	struct ck_buf ck_auto_buf holder = CK_BUF_INIT;
	mode_t mask = umask(0);
	struct ck_stage_options so = {
		.vfs = &ck_vfs_posix,
		.prefix = prefix,
		.create = create,
		.look = o->read_only,
		.discard_lost = o->discard_lost,
		.transient = true,
		.tells_recovered = true,
		.how = o->how,
		.tree = { .sep = '/' },
		.uid = geteuid(),
		.gid = getegid(),
		.file_mode = 0666 & ~mask,
		.dir_mode = 0777 & ~mask,
		.progress = { .fn = ck_meter_call },
	};
	int r;

	umask(mask);
	if (!s)
		return ck_fail_nomem(err, prefix);
	r = ck_editor_init(&s->e, &ops, prefix, prefix, err);
	ck_buf_printf(&holder, "ckptctl %s", o->command);
	if (r == 0 && ck_buf_failed(&holder))
		r = ck_fail_nomem(err, prefix);
	so.holder = holder.p;
	so.progress.arg = &s->e.meter;
	if (r == 0)
		r = ck_stage_open(&so, &s->stage, err);
	if (r < 0) {
		ck_editor_free(&s->e);
		return r;
	}
	ck_meter_clear(&s->e.meter);
	s->e.is_new = create;
	s->e.in_place = o->how == CK_PUBLISH_INPLACE;
	s->e.dirty = ck_stage_dirty(s->stage, NULL);
	say_notice(ck_stage_notice(s->stage));
	*ret = &s->e;
	return 0;
}
