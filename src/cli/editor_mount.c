/* editor_mount.c - a checkpoint that a mount holds: through the files that it shows (editor.h). */
#include "cli/editor_private.h"

#include "core/ckpt.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

struct mount_editor {
	struct ck_editor e;
	struct ck_through t;
	int fd; /* of the variable that is being put, or -1 */
	struct ck_buf path; /* its file's */
};

static struct mount_editor *of(struct ck_editor *e)
{
	return (struct mount_editor *)e;
}

/* --- looking --------------------------------------------------------------------------------- */

static int has(struct ck_editor *e, struct ck_span name, bool *ret, struct ck_err *err)
{
	struct ck_buf ck_auto_buf path = CK_BUF_INIT;
	int r = ck_through_find(&of(e)->t, name, true, &path, err);

	if (r < 0 && r != -ENOENT)
		return r;
	*ret = r == 0;
	return 0;
}

static int names(struct ck_editor *e, struct ck_namelist *ret, struct ck_err *err)
{
	return ck_through_names(&of(e)->t, ret, err);
}

static int meta(struct ck_editor *e, struct ck_span name, struct ck_varmeta **ret,
		struct ck_err *err)
{
	return ck_through_meta(&of(e)->t, name, ret, err);
}

static json_t *status(struct ck_editor *e, struct ck_err *err)
{
	return ck_through_status(&of(e)->t, err);
}

/* --- editing --------------------------------------------------------------------------------- */

static int fail(struct ck_editor *e, int errnum, const char *path, const char *what,
		struct ck_err *err)
{
	return ck_through_fail(&of(e)->t, CK_PUBLISH, errnum, path, what, err);
}

static int write_fd(struct ck_editor *e, int fd, const char *path, const void *p, size_t n,
		    struct ck_err *err)
{
	const uint8_t *from = p;

	while (n) {
		ssize_t put = write(fd, from, n);

		if (put < 0 && errno == EINTR) {
			if (ck_editor_interrupted(err) < 0)
				return -EINTR;
			continue;
		}
		if (put < 0)
			return fail(e, errno, path, "cannot be written", err);
		from += put;
		n -= (size_t)put;
	}
	return 0;
}

static int write_at(struct ck_editor *e, const void *p, size_t n, uint64_t off, struct ck_err *err)
{
	(void)off; /* they come in order */
	return write_fd(e, of(e)->fd, of(e)->path.p, p, n, err);
}

static int open_file(struct ck_editor *e, const char *path, int *ret, struct ck_err *err)
{
	*ret = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0666);
	return *ret < 0 ? fail(e, errno, path, "cannot be opened", err) : 0;
}

/* The mount judges what was written when it is closed. */
static int close_file(struct ck_editor *e, int fd, const char *path, struct ck_err *err)
{
	return close(fd) < 0 ? fail(e, errno, path, "is not taken", err) : 0;
}

static int tell_at(struct ck_editor *e, struct ck_buf *path, const struct ck_buf *json,
		   struct ck_err *err)
{
	int fd, r, c;

	ck_buf_str(path, ".json");
	if (ck_buf_failed(path))
		return ck_fail_nomem(err, e->where);
	r = open_file(e, path->p, &fd, err);
	if (r < 0)
		return r;
	r = write_fd(e, fd, path->p, json->p, json->n, err);
	c = close_file(e, fd, path->p, err);
	return r < 0 ? r : c;
}

static int tell(struct ck_editor *e, struct ck_span name, const struct ck_buf *json,
		struct ck_err *err)
{
	struct mount_editor *m = of(e);
	int r = ck_through_place(&m->t, name, false, &m->path, err);

	return r < 0 ? r : tell_at(e, &m->path, json, err);
}

static int begin(struct ck_editor *e, struct ck_span name, bool over, struct ck_err *err)
{
	struct mount_editor *m = of(e);
	char quoted[CK_QUOTE_ROOM];
	int r = ck_through_place(&m->t, name, false, &m->path, err);

	(void)over; /* a mount publishes as it was told */
	if (r == 0)
		r = open_file(e, m->path.p, &m->fd, err);
	if (r < 0 || ck_through_is(m->path.p, name))
		return r;
	/* It was made just now, under a name that nobody has asked for. */
	unlink(m->path.p);
	return ck_fail(err, CK_UNSUPPORTED, EINVAL,
		       "%s: this mount has no path for variable %s: mount it without sep=, "
		       "raw_names and subdir=",
		       e->where, ck_quote(quoted, sizeof(quoted), name.p, name.n));
}

static int end(struct ck_editor *e, struct ck_err *err)
{
	int fd = of(e)->fd;

	of(e)->fd = -1;
	return close_file(e, fd, of(e)->path.p, err);
}

static void drop(struct ck_editor *e)
{
	if (of(e)->fd >= 0)
		close(of(e)->fd);
	of(e)->fd = -1;
}

static int find(struct ck_editor *e, struct ck_span name, bool scope, struct ck_buf *path,
		struct ck_err *err)
{
	char quoted[CK_QUOTE_ROOM];
	int r = ck_through_find(&of(e)->t, name, scope, path, err);

	if (r == -ENOENT)
		ck_fail(err, CK_USAGE, ENOENT, "%s: there is no variable %s any more", e->where,
			ck_quote(quoted, sizeof(quoted), name.p, name.n));
	return r;
}

static int rename_it(struct ck_editor *e, struct ck_span from, struct ck_span to,
		     const struct ck_buf *json, struct ck_err *err)
{
	struct ck_buf ck_auto_buf old = CK_BUF_INIT, new = CK_BUF_INIT;
	bool there = true;
	int r = ck_editor_same_bare(from, to) ? has(e, to, &there, err) : 0;

	if (r == 0 && !there) /* the path stays, V.json says it */
		return tell(e, from, json, err);
	if (r == 0)
		r = ck_through_place(&of(e)->t, to, true, &new, err);
	/* The old place last: making the new one may have respelt a folder on its way. */
	if (r == 0)
		r = find(e, from, true, &old, err);
	if (r == 0 && rename(old.p, new.p) < 0)
		r = fail(e, errno, old.p, "cannot be renamed", err);
	return r == 0 && json ? tell_at(e, &new, json, err) : r;
}

static int remove_it(struct ck_editor *e, struct ck_span name, struct ck_err *err)
{
	struct ck_buf ck_auto_buf path = CK_BUF_INIT;
	int r = find(e, name, false, &path, err);

	if (r == 0 && unlink(path.p) < 0)
		r = fail(e, errno, path.p, "cannot be deleted", err);
	return r;
}

/* --- its saver ------------------------------------------------------------------------------- */

/* A line is a path; an empty one means all that is staged. */
static int discard(struct ck_editor *e, struct ck_span name, struct ck_err *err)
{
	const struct ck_through *t = &of(e)->t;
	struct ck_buf ck_auto_buf path = CK_BUF_INIT, text = CK_BUF_INIT;
	int r;

	if (!name.p)
		return ck_through_control(t, "discard", "\n", err);
	if (memchr(name.p, '\n', name.n))
		return ck_fail(err, CK_UNSUPPORTED, EINVAL,
			       "%s: a variable with a newline in its name cannot be discarded by "
			       "itself in a mount: discard all that is staged",
			       e->where);
	r = ck_through_find(t, name, false, &path, err);
	if (r == -ENOENT)
		r = ck_through_find(t, name, true, &path, err);
	if (r == 0) {
		ck_buf_printf(&text, "%s\n", path.p + strlen(t->folder));
		return ck_buf_failed(&text) ? ck_fail_nomem(err, e->where) :
					      ck_through_control(t, "discard", text.p, err);
	}
	/* Deleted: it comes back where it was. */
	for (int suffix = t->raw_names; suffix < 2 && r == -ENOENT; suffix++) {
		ck_buf_clear(&text);
		ck_editor_spell(name, t->sep, suffix, &text);
		ck_buf_char(&text, '\n');
		if (ck_buf_failed(&text))
			return ck_fail_nomem(err, e->where);
		r = ck_through_control(t, "discard", text.p, suffix ? err : NULL);
	}
	return r;
}

/* What was staged in the mount of the same variables before goes along: it is written over. */
static int abandon(struct ck_editor *e, struct ck_err *err)
{
	int r = 0;

	for (uint32_t i = 0; i < e->touched.n; i++) {
		int one = discard(e, ck_namelist_name(&e->touched, i), err);

		r = one < 0 && one != -ENOENT ? one : r;
	}
	return r;
}

static uint64_t number(const json_t *object, const char *member)
{
	json_int_t v = json_integer_value(json_object_get(object, member));

	return v > 0 ? (uint64_t)v : 0;
}

static int publish(struct ck_editor *e, struct ck_publish_report *ret, struct ck_err *err)
{
	struct ck_publish_report report = { .nothing = !e->dirty };
	const char *how;
	json_t *status, *last;
	int r = ck_through_control(&of(e)->t, "commit", "ckptctl\n", err);

	if (r < 0)
		return r;
	status = ck_through_status(&of(e)->t, NULL);
	last = json_object_get(status, "last_publish");
	how = json_string_value(json_object_get(last, "how"));
	report.variables = number(last, "variables");
	snprintf(report.how, sizeof(report.how), "%s", how ? how : "");
	json_decref(status);
	*ret = report;
	return 0;
}

static int compact(struct ck_editor *e, struct ck_publish_report *ret, struct ck_err *err)
{
	(void)ret;
	return ck_fail(err, CK_BUSY, EBUSY,
		       "%s: mounted, and a mount cannot be compacted: ckptctl umount %s first",
		       e->where, e->where);
}

static int close_it(struct ck_editor *e, struct ck_err *err)
{
	(void)err;
	drop(e);
	ck_through_done(&of(e)->t);
	ck_buf_done(&of(e)->path);
	ck_editor_free(e);
	return 0;
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

int ck_editor_open_mount(struct ck_through *t, struct ck_editor **ret, struct ck_err *err)
{
	struct mount_editor *m = calloc(1, sizeof(*m));
	struct ck_location at = { 0 };
	int r;

	if (!m) {
		r = ck_fail_nomem(err, t->folder);
		ck_through_done(t);
		return r;
	}
	m->t = *t;
	m->fd = -1;
	ck_locate(t->source, &at, NULL);
	r = ck_editor_init(&m->e, &ops, t->folder, at.prefix ? at.prefix : t->source, err);
	ck_location_done(&at);
	if (r < 0) {
		close_it(&m->e, NULL);
		return r;
	}
	m->e.mounted = true;
	m->e.dirty = json_array_size(json_object_get(m->t.status, "staged")) > 0;
	*ret = &m->e;
	return 0;
}
