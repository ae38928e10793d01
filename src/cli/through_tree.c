/*
 * through_tree.c - the tree of a mounted checkpoint, by the variables' names (through.h).
 *
 * A folder of a name that is a variable's too is shown as NAME.d; that spelling means the folder
 * even where it is shown without, so no list of the variables is needed to find one.
 */
#include "cli/editor_private.h"

#include "core/names.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#define NAME_XATTR "user.ckptfuse.name"

static bool is_dir(const struct ck_buf *path)
{
	struct stat st;

	return !ck_buf_failed(path) && lstat(path->p, &st) == 0 && S_ISDIR(st.st_mode);
}

static bool is_file(const struct ck_buf *path)
{
	struct stat st;

	return !ck_buf_failed(path) && lstat(path->p, &st) == 0 && S_ISREG(st.st_mode);
}

static void cut(struct ck_buf *b, size_t n)
{
	if (b->p && n <= b->n) {
		b->n = n;
		b->p[n] = '\0';
	}
}

/* Appends the folder that a component is shown as. 0, or -ENOENT with what it would be called. */
static int find_folder(struct ck_span component, unsigned flags, struct ck_buf *path)
{
	size_t parent = path->n, plain;
	bool taken;

	ck_buf_char(path, '/');
	ck_name_encode(component, flags | CK_NAME_LAST, true, path);
	taken = is_file(path);
	cut(path, parent);
	ck_buf_char(path, '/');
	ck_name_encode(component, flags, true, path);
	plain = path->n;
	if (is_dir(path))
		return 0;
	ck_buf_str(path, ".d");
	if (is_dir(path))
		return 0;
	if (!taken)
		cut(path, plain);
	return -ENOENT;
}

static int make_folder(const struct ck_through *t, const char *path, struct ck_err *err)
{
	if (mkdir(path, 0777) == 0 || errno == EEXIST)
		return 0;
	return ck_through_fail(t, CK_PUBLISH, errno, path, "cannot be made", err);
}

/* A variable cannot be called as a folder is: that one is respelt with .d. */
static int make_way(const struct ck_through *t, const struct ck_buf *path, struct ck_err *err)
{
	struct ck_buf ck_auto_buf to = CK_BUF_INIT;

	if (!is_dir(path))
		return 0;
	ck_buf_printf(&to, "%s.d", path->p);
	if (ck_buf_failed(&to))
		return ck_fail_nomem(err, t->folder);
	if (rename(path->p, to.p) == 0)
		return 0;
	return ck_through_fail(t, CK_PUBLISH, errno, path->p, "cannot be renamed", err);
}

/* The path of a name, or of a scope. With make, folders on the way are made, not the last one. */
static int walk(const struct ck_through *t, struct ck_span name, bool scope, bool make,
		struct ck_buf *path, struct ck_err *err)
{
	unsigned flags = CK_NAME_ROOT;
	int r = 0;

	ck_buf_clear(path);
	ck_buf_str(path, t->folder);
	if (scope)
		name.n--;
	for (;;) {
		const uint8_t *end = name.n ? memchr(name.p, t->sep, name.n) : NULL;
		size_t n = end ? (size_t)(end - name.p) : name.n;

		if (!end && !scope)
			break;
		r = find_folder(ck_span(name.p, n), flags, path);
		if (ck_buf_failed(path))
			return ck_fail_nomem(err, t->folder);
		if (!end)
			return make ? 0 : r;
		if (r < 0 && make)
			r = make_folder(t, path->p, err);
		if (r < 0)
			return r;
		name.p += n + 1;
		name.n -= n + 1;
		flags = 0;
	}
	ck_buf_char(path, '/');
	ck_name_encode(name, flags | CK_NAME_LAST, true, path);
	if (ck_buf_failed(path))
		return ck_fail_nomem(err, t->folder);
	return make ? make_way(t, path, err) : 0;
}

/* The name that the mount says the file has. */
static int name_of(const char *path, struct ck_buf *out)
{
	char small[1024], *p = small;
	ssize_t n = lgetxattr(path, NAME_XATTR, small, sizeof(small));

	if (n < 0 && errno == ERANGE) {
		p = malloc(XATTR_SIZE_MAX);
		if (!p)
			return -ENOMEM;
		n = lgetxattr(path, NAME_XATTR, p, XATTR_SIZE_MAX);
	}
	if (n >= 0)
		ck_buf_add(out, p, (size_t)n);
	else
		n = -errno;
	if (p != small)
		free(p);
	return n < 0 ? (int)n : 0;
}

bool ck_through_is(const char *path, struct ck_span name)
{
	struct ck_buf ck_auto_buf is = CK_BUF_INIT;

	if (name_of(path, &is) < 0)
		return true;
	return ck_span_cmp(ck_span(is.p ? is.p : "", is.n), name) == 0;
}

static int refuse_part(const struct ck_through *t, struct ck_err *err)
{
	return ck_fail(err, CK_UNSUPPORTED, EOPNOTSUPP,
		       "%s: shows one folder of the checkpoint (subdir=), where names are not "
		       "found: work in the folder itself",
		       t->folder);
}

static bool ends_in_sep(const struct ck_through *t, struct ck_span name)
{
	return name.n && name.p[name.n - 1] == (uint8_t)t->sep;
}

int ck_through_find(const struct ck_through *t, struct ck_span name, bool scope,
		    struct ck_buf *path, struct ck_err *err)
{
	size_t n = t->raw_names ? name.n : ck_editor_bare(name);
	int r;

	scope &= ends_in_sep(t, name);
	if (t->part)
		return refuse_part(t, err);
	for (;;) {
		r = walk(t, ck_span(name.p, n), scope, false, path, err);
		if (r < 0 && r != -ENOENT)
			return r;
		if (r == 0 && scope)
			return 0;
		if (r == 0 && is_file(path) && ck_through_is(path->p, name))
			return 0;
		if (n == name.n)
			return -ENOENT;
		n = name.n;
	}
}

/* A new name is spelt without TF2's ending, which its V.json says; in full where the shorter path
 * is another variable's. */
int ck_through_place(const struct ck_through *t, struct ck_span name, bool scope,
		     struct ck_buf *path, struct ck_err *err)
{
	size_t n = t->raw_names ? name.n : ck_editor_bare(name);
	char quoted[CK_QUOTE_ROOM];
	int r = ck_through_find(t, name, scope, path, err);

	if (r != -ENOENT)
		return r;
	scope &= ends_in_sep(t, name);
	r = walk(t, ck_span(name.p, n), scope, true, path, err);
	if (r < 0 || scope || !is_file(path) || ck_through_is(path->p, name))
		return r;
	if (n != name.n)
		return walk(t, name, scope, true, path, err);
	ck_quote(quoted, sizeof(quoted), name.p, name.n);
	return ck_fail(err, CK_USAGE, EEXIST,
		       "%s: %s cannot be made beside the variable of that name and " CK_TF2_SUFFIX
		       ", which has its path: give the whole name, or rename that one first",
		       t->folder, quoted);
}

/* --- all of them ----------------------------------------------------------------------------- */

static bool ends_with(const char *s, const char *end)
{
	size_t n = strlen(s), k = strlen(end);

	return n > k && strcmp(s + n - k, end) == 0;
}

/* Names of a folder's entries, each ended by a NUL; read before any of them is looked at, so that
 * depth costs no descriptors. */
static int read_folder(const char *path, struct ck_buf *out)
{
	DIR *d = opendir(path);
	struct dirent *e;
	int r;

	if (!d)
		return -errno;
	for (;;) {
		errno = 0;
		e = readdir(d);
		if (!e)
			break;
		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
			continue;
		ck_buf_char(out, e->d_type == DT_DIR ? 'd' : 'f');
		ck_buf_add(out, e->d_name, strlen(e->d_name) + 1);
	}
	r = -errno;
	closedir(d);
	return r;
}

static int list(const struct ck_through *t, struct ck_buf *path, bool root,
		struct ck_namelist *ret, struct ck_err *err)
{
	struct ck_buf ck_auto_buf entries = CK_BUF_INIT, name = CK_BUF_INIT;
	size_t n = path->n, at = 0;
	int r = read_folder(path->p, &entries);

	if (r < 0)
		return ck_fail(err, CK_MISSING, -r, "%s: cannot be listed: %s", path->p,
			       strerror(-r));
	if (ck_buf_failed(&entries))
		return ck_fail_nomem(err, path->p);
	for (; at < entries.n && r == 0; at += strlen(entries.p + at) + 1) {
		bool folder = entries.p[at++] == 'd';
		const char *entry = entries.p + at;

		if ((root && strcmp(entry, ".ckptfuse") == 0) ||
		    (!folder && ends_with(entry, ".json")))
			continue;
		ck_buf_printf(path, "/%s", entry);
		if (ck_buf_failed(path))
			return ck_fail_nomem(err, t->folder);
		ck_buf_clear(&name);
		if (folder)
			r = list(t, path, false, ret, err);
		else if (name_of(path->p, &name) == 0) /* others are scratch files */
			ck_namelist_add(ret, ck_span(name.p ? name.p : "", name.n));
		cut(path, n);
	}
	return r;
}

int ck_through_names(const struct ck_through *t, struct ck_namelist *ret, struct ck_err *err)
{
	struct ck_buf ck_auto_buf path = CK_BUF_INIT;
	struct ck_namelist l = { 0 };
	int r;

	ck_buf_str(&path, t->folder);
	r = ck_buf_failed(&path) ? ck_fail_nomem(err, t->folder) : list(t, &path, true, &l, err);
	if (r == 0)
		r = ck_namelist_settle(&l, t->folder, err);
	if (r < 0)
		ck_namelist_done(&l);
	else
		*ret = l;
	return r;
}

int ck_through_meta(const struct ck_through *t, struct ck_span name, struct ck_varmeta **ret,
		    struct ck_err *err)
{
	struct ck_buf ck_auto_buf path = CK_BUF_INIT, text = CK_BUF_INIT;
	char piece[16384];
	ssize_t n;
	int r = ck_through_find(t, name, false, &path, err), fd;

	if (r < 0)
		return r;
	ck_buf_str(&path, ".json");
	if (ck_buf_failed(&path))
		return ck_fail_nomem(err, t->folder);
	fd = open(path.p, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return ck_through_fail(t, CK_MISSING, errno, path.p, "cannot be opened", err);
	while ((n = read(fd, piece, sizeof(piece))) > 0 && text.n <= CK_META_TEXT_MAX)
		ck_buf_add(&text, piece, (size_t)n);
	r = n < 0 ? -errno : 0;
	close(fd);
	if (r < 0)
		return ck_through_fail(t, CK_CORRUPT, -r, path.p, "cannot be read", err);
	if (ck_buf_failed(&text))
		return ck_fail_nomem(err, path.p);
	return ck_varmeta_parse(ck_span(text.p ? text.p : "", text.n), NULL, false, path.p, ret,
				err);
}
