/* session.c - see session.h. */
#include "session.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#ifndef RENAME_EXCHANGE
#define RENAME_EXCHANGE 2
#endif

static void *must(void *p)
{
	if (!p)
		abort();
	return p;
}

static void push(struct session *s, struct model *m)
{
	s->history = must(realloc(s->history, (s->n + 1) * sizeof(struct model *)));
	s->history[s->n++] = m;
}

bool session_begin(struct session *s, const struct script *script, const struct ck_vfs *vfs)
{
	struct model *m;
	bool absent;

	*s = (struct session){ .script = script };
	s->options = (struct ck_stage_options){
		.vfs = vfs,
		.prefix = SESSION_PREFIX,
		.save = script->save ? SESSION_SAVE : NULL,
		.journal = script->journal,
		.create = script->create,
		.how = script->how,
		.tree = { .sep = '/' },
		.holder = "a test",
		.file_mode = 0644,
		.dir_mode = 0755,
	};
	m = session_published(vfs, SESSION_PREFIX, &absent, s->why, sizeof(s->why));
	if (!m && !(absent && script->create))
		return false;
	s->why[0] = '\0';
	push(s, m ? m : model_new());
	if (script->create || script->save)
		s->expect.pub_old = s->expect.pub_new = SESSION_NONE;
	return true;
}

static int say(struct session *s, const char *what, int r, const struct ck_err *err)
{
	snprintf(s->why, sizeof(s->why), "%s: answered %d, %.400s", what, r, err->text);
	return r;
}

int session_open(struct session *s)
{
	struct ck_err err = CK_ERR_INIT;
	int r = ck_stage_open(&s->options, &s->stage, &err);

	return r < 0 ? say(s, "open", r, &err) : 0;
}

int session_close(struct session *s)
{
	struct ck_err err = CK_ERR_INIT;
	int r;

	if (s->handle) {
		ck_stage_file_flush(s->handle, NULL);
		ck_stage_file_release(s->handle);
		s->handle = NULL;
	}
	r = ck_stage_close(s->stage, &err);
	s->stage = NULL;
	return r < 0 ? say(s, "close", r, &err) : 0;
}

void session_end(struct session *s)
{
	if (s->stage)
		session_close(s);
	for (size_t i = 0; i < s->n; i++)
		model_free(s->history[i]);
	free(s->history);
	s->history = NULL;
}

/* --- calls on the tree ------------------------------------------------------------------------ */

/* The folder and file of a name; that of a scratch file is not a variable's. */
static int place(struct session *s, const char *name, bool make, uint64_t *dir, char **file,
		 struct ck_err *err)
{
	if (!model_is_scratch(name))
		return ck_stage_place(s->stage, ck_span(name, strlen(name)), make, dir, file, err);
	*dir = CK_STAGE_ROOT;
	*file = must(strdup(name));
	return 0;
}

static int find(struct session *s, const char *name, uint64_t *ino, struct ck_err *err)
{
	struct stat st;
	uint64_t dir;
	char *file;
	int r = place(s, name, false, &dir, &file, err);

	if (r < 0)
		return r;
	r = ck_stage_lookup(s->stage, dir, file, &st, err);
	if (r == 0)
		*ino = st.st_ino;
	free(file);
	return r;
}

static int write_pattern(struct ck_sfile *f, const struct step *step, struct ck_err *err)
{
	uint8_t *p = must(malloc(step->n + 1));
	size_t done = 0;
	int r = 0;

	for (size_t i = 0; i < step->n; i++)
		p[i] = model_byte(step->fill, i);
	while (r == 0 && done < step->n) {
		ssize_t k = ck_stage_file_write(f, p + done, step->n - done, step->off + done, err);

		if (k <= 0)
			r = k < 0 ? (int)k : -EIO;
		else
			done += (size_t)k;
	}
	free(p);
	return r;
}

/* A close(2) after writing: refused where the bytes do not fit what is known of the variable. */
static int flush(struct session *s, struct ck_sfile *f, const struct model_file *m, bool written,
		 struct ck_err *err)
{
	struct ck_err refused = CK_ERR_INIT;
	bool misfit = written && m && m->meta.known && model_is_unfinished(m);
	int r = ck_stage_file_flush(f, &refused);

	(void)s;
	if (misfit && r == 0)
		return ck_fail(err, CK_USAGE, EPROTO, "closing %s was not refused", m->name);
	if (misfit && r == -EINVAL)
		return 0;
	/* One that nothing is known of yet may be refused or not. */
	if (r == -EINVAL && m && !m->meta.known)
		return 0;
	if (r < 0)
		ck_fail(err, refused.cls, -r, "%s", refused.text);
	return r;
}

static int with_file(struct session *s, const struct step *step, const struct model *after,
		     struct ck_err *err)
{
	int flags = step->kind == STEP_SYNC ? O_RDONLY : O_RDWR;
	struct ck_sfile *f;
	uint64_t ino = 0;
	int r = find(s, step->name, &ino, err);

	if (r < 0)
		return r;
	if (step->kind == STEP_TRUNCATE) {
		r = ck_stage_truncate(s->stage, ino, step->n, err);
		ck_stage_forget(s->stage, ino, 1);
		return r;
	}
	if (step->trunc)
		flags |= O_TRUNC;
	r = ck_stage_file_open(s->stage, ino, flags, &f, err);
	ck_stage_forget(s->stage, ino, 1);
	if (r < 0)
		return r;
	if (step->kind == STEP_OPEN) {
		s->handle = f;
		s->handle_written = false;
		return 0;
	}
	if (step->kind == STEP_WRITE)
		r = write_pattern(f, step, err);
	else if (step->kind == STEP_ZERO)
		r = ck_stage_file_allocate(f, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, step->off,
					   step->n, err);
	else
		r = ck_stage_file_sync(f, err);
	if (r == 0)
		r = flush(s, f, model_find((struct model *)(uintptr_t)after, step->name),
			  step->kind == STEP_WRITE, err);
	ck_stage_file_release(f);
	return r;
}

static int create(struct session *s, const struct step *step, struct ck_err *err)
{
	struct stat st;
	uint64_t dir;
	char *file;
	int r = place(s, step->name, true, &dir, &file, err);

	if (r < 0)
		return r;
	r = ck_stage_create(s->stage, dir, file, O_RDWR | O_EXCL, 0644, &s->handle, &st, err);
	s->handle_written = false;
	if (r == 0)
		ck_stage_forget(s->stage, st.st_ino, 1);
	free(file);
	return r;
}

static int write_json(struct session *s, const struct step *step, const struct model_file *m,
		      struct ck_err *err)
{
	char text[300], json[300], *file;
	struct ck_sfile *f;
	struct stat st;
	uint64_t dir;
	size_t n;
	int r = place(s, step->name, false, &dir, &file, err);

	if (r < 0)
		return r;
	snprintf(json, sizeof(json), "%s.json", file);
	free(file);
	n = (size_t)snprintf(text, sizeof(text), "{\"dtype\": \"%s\", \"shape\": [", m->meta.dtype);
	for (unsigned i = 0; i < m->meta.rank; i++)
		n += (size_t)snprintf(text + n, sizeof(text) - n, "%s%llu", i ? ", " : "",
				      (unsigned long long)m->meta.shape[i]);
	n += (size_t)snprintf(text + n, sizeof(text) - n, "]}\n");
	r = ck_stage_create(s->stage, dir, json, O_WRONLY | O_TRUNC, 0644, &f, &st, err);
	if (r < 0)
		return r;
	ck_stage_forget(s->stage, st.st_ino, 1);
	if (ck_stage_file_write(f, text, n, 0, err) != (ssize_t)n)
		r = err->errnum ? -err->errnum : -EIO;
	if (r == 0)
		r = ck_stage_file_flush(f, err);
	ck_stage_file_release(f);
	return r;
}

static int change_name(struct session *s, const struct step *step, struct ck_err *err)
{
	unsigned flags = step->kind == STEP_EXCHANGE ? RENAME_EXCHANGE : 0;
	uint64_t from_dir, to_dir;
	char *from, *to;
	int r = place(s, step->name, false, &from_dir, &from, err);

	if (r < 0)
		return r;
	if (step->kind == STEP_UNLINK) {
		r = ck_stage_unlink(s->stage, from_dir, from, err);
	} else {
		r = place(s, step->to, true, &to_dir, &to, err);
		if (r == 0) {
			r = ck_stage_rename(s->stage, from_dir, from, to_dir, to, flags, err);
			free(to);
		}
	}
	free(from);
	return r;
}

static int perform(struct session *s, const struct step *step, struct model *after,
		   struct ck_err *err)
{
	struct ck_publish_report report = { 0 };
	struct ck_sfile *f = s->handle;
	int r = 0;

	switch (step->kind) {
	case STEP_CREATE:
		return create(s, step, err);
	case STEP_HWRITE:
		s->handle_written = true;
		return write_pattern(f, step, err);
	case STEP_CLOSE:
		for (size_t i = 0; i < after->nfiles; i++)
			if (after->files[i].id == s->history[s->n - 2]->handle)
				r = flush(s, f, &after->files[i], s->handle_written, err);
		s->handle = NULL;
		ck_stage_file_release(f);
		return r;
	case STEP_OPEN:
	case STEP_WRITE:
	case STEP_TRUNCATE:
	case STEP_ZERO:
		return with_file(s, step, after, err);
	case STEP_META:
		return write_json(s, step, model_find(after, step->name), err);
	case STEP_RENAME:
	case STEP_EXCHANGE:
	case STEP_UNLINK:
		return change_name(s, step, err);
	case STEP_SYNC:
		return step->name ? with_file(s, step, after, err) : ck_stage_sync(s->stage, err);
	case STEP_PUBLISH:
		r = ck_stage_publish(s->stage, CK_PUBLISH_EXPLICIT, &report, err);
		s->nothing = report.nothing;
		return r;
	case STEP_COMPACT:
		return ck_stage_compact(s->stage, &report, err);
	case STEP_DISCARD:
		return ck_stage_discard(s->stage, NULL, err);
	case STEP_REOPEN:
		r = session_close(s);
		return r < 0 ? r : session_open(s);
	}
	abort();
}

/* Whether the step's return promises that all before it is durable. */
static bool promises(const struct step *step, const struct model *before)
{
	if (step->kind == STEP_RENAME)
		return !model_is_scratch(step->to) &&
		       model_find((struct model *)(uintptr_t)before, step->to);
	return step->kind == STEP_SYNC || step->kind == STEP_PUBLISH ||
	       step->kind == STEP_COMPACT || step->kind == STEP_DISCARD;
}

int session_step(struct session *s, const struct step *step)
{
	static const struct model none = { 0 };
	struct expect *e = &s->expect;
	bool publishes = step->kind == STEP_PUBLISH || step->kind == STEP_COMPACT;
	size_t published = s->script->save ? 0 : e->pub_new;
	const struct model *before = session_now(s);
	struct model *after = model_copy(before);
	struct ck_err err = CK_ERR_INIT;
	char what[160];
	int want, r;

	want = model_apply(after, step, published == SESSION_NONE ? &none :
					s->history[published]);
	push(s, after); /* from here on a power cut may leave it */
	e->max = s->n - 1;
	e->step++;
	if (publishes && want == 0)
		e->pub_new = e->max;
	s->nothing = false;
	r = perform(s, step, after, &err);
	if (r != want) {
		step_text(step, what, sizeof(what));
		say(s, what, r, &err);
		return r < 0 ? r : 1;
	}
	if (publishes && r == 0 && s->nothing) {
		/* It says so, and no new checkpoint is made of no edits. */
		e->pub_new = e->pub_old;
		if (published == SESSION_NONE ? before->nfiles != 0 :
		    !model_equal(before, s->history[published], false, NULL, 0)) {
			snprintf(s->why, sizeof(s->why), "it says that nothing was to be published");
			return 1;
		}
	}
	if (publishes && r == 0)
		e->pub_old = e->pub_new;
	if (r == 0 && promises(step, before))
		e->min = e->max;
	return 0;
}
