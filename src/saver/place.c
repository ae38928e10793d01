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
	if (!s->o.tree.raw_names && name->n > sizeof(CK_TF2_SUFFIX) - 1 &&
	    memcmp(name->p + name->n - (sizeof(CK_TF2_SUFFIX) - 1), CK_TF2_SUFFIX,
		   sizeof(CK_TF2_SUFFIX) - 1) == 0)
		name->n -= sizeof(CK_TF2_SUFFIX) - 1;
	return 0;
}

static int place(struct ck_stage *s, struct ck_span name, bool scope, bool make, uint64_t *dir,
		 char **file, struct ck_err *err)
{
	struct ck_buf ck_auto_buf spelt = CK_BUF_INIT;
	uint64_t at = CK_STAGE_ROOT, sub = 0;
	uint8_t sep = (uint8_t)s->o.tree.sep;
	bool root = true;
	int r = below_root(s, &name, err);

	if (r < 0)
		return r;
	scope &= name.n && name.p[name.n - 1] == sep;
	name.n -= scope;
	for (;;) {
		const uint8_t *end = name.n ? memchr(name.p, sep, name.n) : NULL;

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
	if (scope && !ck_buf_failed(&spelt)) {
		/* As the folder is spelt now. */
		size_t plain = spelt.n;
		struct stat st;

		ck_buf_str(&spelt, ".d");
		r = ck_buf_failed(&spelt) ? -ENOMEM :
					    ck_stage_lookup(s, at, spelt.p, &st, NULL);
		if (r == 0)
			ck_stage_forget(s, st.st_ino, 1);
		if (r != 0 || (st.st_ino & 7) != CK_STAGE_DIR)
			spelt.p[spelt.n = plain] = '\0';
	}
	if (ck_buf_failed(&spelt))
		return ck_fail_nomem(err, s->prefix);
	r = make && !scope ? respell(s, at, spelt.p, err) : 0;
	if (r < 0)
		return r;
	*dir = at;
	*file = spelt.p;
	spelt = (struct ck_buf)CK_BUF_INIT;
	return 0;
}

int ck_stage_place(struct ck_stage *s, struct ck_span name, bool make, uint64_t *dir, char **file,
		   struct ck_err *err)
{
	return place(s, name, true, make, dir, file, err);
}

int ck_stage_place_var(struct ck_stage *s, struct ck_span name, bool make, uint64_t *dir,
		       char **file, struct ck_err *err)
{
	return place(s, name, false, make, dir, file, err);
}
