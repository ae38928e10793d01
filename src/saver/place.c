/*
 * place.c - where the variable of a name is shown, or would be (ck_stage_place).
 */
#include "saver/stage_private.h"

#include "core/names.h"

#include <errno.h>
#include <stdlib.h>

/* The folder of a scope's component: as it is spelt, or made. */
static int step(struct ck_stage *s, uint64_t dir, struct ck_span component, bool root, bool make,
		uint64_t *ret, struct ck_err *err)
{
	struct ck_buf ck_auto_buf name = CK_BUF_INIT;
	struct stat st;
	size_t plain;
	bool file;
	int r;

	ck_name_encode(component, root ? CK_NAME_ROOT : 0, true, &name);
	plain = name.n;
	ck_buf_str(&name, ".d");
	if (ck_buf_failed(&name))
		return ck_fail_nomem(err, s->prefix);
	r = ck_stage_lookup(s, dir, name.p, &st, NULL);
	if (r == 0) {
		ck_stage_forget(s, st.st_ino, 1);
		if (S_ISDIR(st.st_mode)) {
			/* By its first spelling, which listings have. */
			*ret = (st.st_ino & ~UINT64_C(7)) | CK_STAGE_DIR;
			return 0;
		}
	}
	name.p[plain] = '\0';
	r = ck_stage_lookup(s, dir, name.p, &st, NULL);
	if (r == 0)
		ck_stage_forget(s, st.st_ino, 1);
	if (r == 0 && S_ISDIR(st.st_mode)) {
		*ret = st.st_ino;
		return 0;
	}
	file = r == 0;
	if (!make)
		return -ENOENT;
	if (file)
		name.p[plain] = '.'; /* a variable has the name: its folder is x.d */
	r = ck_stage_mkdir(s, dir, name.p, s->o.dir_mode, &st, err);
	if (r == 0) {
		ck_stage_forget(s, st.st_ino, 1);
		*ret = st.st_ino;
	}
	return r;
}

/* A folder that has the very name that a variable is to get becomes x.d. */
static int respell(struct ck_stage *s, uint64_t dir, const char *name, struct ck_err *err)
{
	struct ck_buf ck_auto_buf other = CK_BUF_INIT;
	struct stat st;
	int r = ck_stage_lookup(s, dir, name, &st, NULL);

	if (r < 0)
		return 0;
	ck_stage_forget(s, st.st_ino, 1);
	if (!S_ISDIR(st.st_mode))
		return 0;
	ck_buf_printf(&other, "%s.d", name);
	if (ck_buf_failed(&other))
		return ck_fail_nomem(err, s->prefix);
	return ck_stage_rename(s, dir, name, dir, other.p, 0, err);
}

/* What of the name is below the folder that is shown as the root. */
static int below_root(struct ck_stage *s, struct ck_span *name, struct ck_err *err)
{
	char quoted[CK_QUOTE_ROOM];
	struct ck_span root = s->root->pub_name;

	if (name->n < root.n || (root.n && memcmp(name->p, root.p, root.n) != 0))
		return ck_fail(err, CK_USAGE, ENOENT, "%s: %s lies outside the folder that is shown",
			       s->prefix, ck_quote(quoted, sizeof(quoted), name->p, name->n));
	name->p += root.n;
	name->n -= root.n;
	return 0;
}

/* The folder as it is spelt now, in which *spelt is the plain spelling. */
static int spell_scope(struct ck_stage *s, uint64_t dir, struct ck_buf *spelt)
{
	size_t plain = spelt->n;
	struct stat st;
	int r;

	ck_buf_str(spelt, ".d");
	if (ck_buf_failed(spelt))
		return -ENOMEM;
	r = ck_stage_lookup(s, dir, spelt->p, &st, NULL);
	if (r == 0)
		ck_stage_forget(s, st.st_ino, 1);
	if (r != 0 || (st.st_ino & 7) != CK_STAGE_DIR)
		spelt->p[spelt->n = plain] = '\0';
	return 0;
}

static int spell(struct ck_stage *s, struct ck_span name, bool scope, bool make, uint64_t *dir,
		 char **file, struct ck_err *err)
{
	struct ck_buf ck_auto_buf spelt = CK_BUF_INIT;
	uint64_t at = CK_STAGE_ROOT, sub = 0;
	bool root = true;
	int r = 0;

	name.n -= scope;
	for (;;) {
		const uint8_t *end = name.n ? memchr(name.p, s->o.tree.sep, name.n) : NULL;

		if (!end)
			break;
		r = step(s, at, ck_span(name.p, (size_t)(end - name.p)), root, make, &sub, err);
		if (r < 0)
			return r;
		at = sub;
		root = false;
		name.n -= (size_t)(end + 1 - name.p);
		name.p = end + 1;
	}
	ck_name_encode(name, (scope ? 0 : CK_NAME_LAST) | (root ? CK_NAME_ROOT : 0), true, &spelt);
	if (scope && !ck_buf_failed(&spelt))
		r = spell_scope(s, at, &spelt);
	if (r < 0 || ck_buf_failed(&spelt))
		return ck_fail_nomem(err, s->prefix);
	r = make && !scope ? respell(s, at, spelt.p, err) : 0;
	if (r < 0)
		return r;
	*dir = at;
	*file = spelt.p;
	spelt = (struct ck_buf)CK_BUF_INIT;
	return 0;
}

/* --- TF2's suffix, which paths leave out where that does not collide ------------------------- */

enum whose { NOBODYS, OURS, ANOTHERS };

/* Whose path it is: that of the variable of this name, perhaps. */
static enum whose whose(struct ck_stage *s, uint64_t dir, const char *file, struct ck_span name)
{
	struct ck_buf ck_auto_buf json = CK_BUF_INIT, is = CK_BUF_INIT;
	enum whose ret = NOBODYS;
	struct ck_snode *node;
	struct ck_found f;
	uint32_t base;
	bool known;
	int r;

	ck_buf_printf(&json, "%s.json", file);
	pthread_rwlock_rdlock(&s->state_lock);
	r = ck_sfind_dir(s, dir, &node, &base);
	if (r == 0 && ck_sfind(s, node, base, file, strlen(file), &f) < 0)
		r = ck_buf_failed(&json) ? -ENOMEM :
					   ck_sfind(s, node, base, json.p, json.n, &f);
	if (r == 0 && (f.kind == CK_STAGE_DATA || f.kind == CK_STAGE_JSON)) {
		known = f.node ? ck_var_node_name(s, f.node, &is) : ck_base_name(s, f.base, &is);
		ret = !known || ck_span_cmp(ck_span(is.p ? is.p : "", is.n), name) == 0 ?
			      OURS : ANOTHERS;
	}
	pthread_rwlock_unlock(&s->state_lock);
	return ret;
}

static enum whose look(struct ck_stage *s, struct ck_span below, struct ck_span name)
{
	enum whose ret = NOBODYS;
	uint64_t dir;
	char *file;

	if (spell(s, below, false, false, &dir, &file, NULL) == 0) {
		ret = whose(s, dir, file, name);
		free(file);
	}
	return ret;
}

static int place_var(struct ck_stage *s, struct ck_span name, struct ck_span below, bool make,
		     uint64_t *dir, char **file, struct ck_err *err)
{
	const size_t suffix = sizeof(CK_TF2_SUFFIX) - 1;
	char quoted[CK_QUOTE_ROOM];
	struct ck_span bare = below;
	enum whose of_bare;

	if (s->o.tree.raw_names)
		return spell(s, below, false, make, dir, file, err);
	if (below.n > suffix &&
	    memcmp(below.p + below.n - suffix, CK_TF2_SUFFIX, suffix) == 0)
		bare.n -= suffix;
	of_bare = look(s, bare, name);
	if (of_bare != ANOTHERS && (of_bare == OURS || bare.n == below.n))
		return spell(s, bare, false, make, dir, file, err);
	if (bare.n < below.n)
		return spell(s, of_bare == NOBODYS && look(s, below, name) != OURS ? bare : below,
			     false, make, dir, file, err);
	if (!make)
		return -ENOENT;
	ck_quote(quoted, sizeof(quoted), name.p, name.n);
	return ck_fail(err, CK_USAGE, EEXIST, "%s: %s cannot be made beside the variable of that name "
		       "and " CK_TF2_SUFFIX ", which has its path: give the whole name, or rename "
		       "that one first", s->prefix, quoted);
}

int ck_stage_place(struct ck_stage *s, struct ck_span name, bool make, uint64_t *dir, char **file,
		   struct ck_err *err)
{
	struct ck_span below = name;
	int r = below_root(s, &below, err);

	if (r < 0)
		return r;
	if (below.n && below.p[below.n - 1] == (uint8_t)s->o.tree.sep)
		return spell(s, below, true, make, dir, file, err);
	return place_var(s, name, below, make, dir, file, err);
}

int ck_stage_place_var(struct ck_stage *s, struct ck_span name, bool make, uint64_t *dir,
		       char **file, struct ck_err *err)
{
	struct ck_span below = name;
	int r = below_root(s, &below, err);

	return r < 0 ? r : place_var(s, name, below, make, dir, file, err);
}
