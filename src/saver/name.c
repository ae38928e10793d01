/*
 * name.c - from a path in the tree to the name of a variable, and which names may be.
 *
 * The name is made of what the components stand for (core/names.h), joined by the separator; a
 * folder's .d is not part of it. A cut spelling (%~) cannot be undone: there the opened tree knows,
 * or V.json has to say it.
 */
#include "saver/stage_private.h"

#include "core/names.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>

void ck_child_path(const struct ck_snode *dir, const char *name, struct ck_buf *out)
{
	size_t start = out->n;

	ck_snode_path(dir, out);
	if (out->n > start)
		ck_buf_char(out, '/');
	ck_buf_str(out, name);
}

/* Folders may lie deep: the names are collected from below and put in order. */
void ck_snode_path(const struct ck_snode *n, struct ck_buf *out)
{
	struct ck_buf ck_auto_buf chain = CK_BUF_INIT;
	const char *name;
	bool first = true;

	for (; n->entry; n = n->now.dir)
		ck_buf_add(&chain, &n->entry->name, sizeof(n->entry->name));
	out->failed |= chain.failed;
	for (size_t at = chain.n; at > 0; first = false) {
		at -= sizeof(name);
		memcpy(&name, chain.p + at, sizeof(name));
		ck_buf_str(out, first ? "" : "/");
		ck_buf_str(out, name);
	}
}

static unsigned flags_in(const struct ck_stage *s, const struct ck_snode *dir, bool is_dir)
{
	return (is_dir ? 0 : CK_NAME_LAST) | (!dir || dir == s->root ? CK_NAME_ROOT : 0);
}

/* Appends what a spelling in that folder stands for; of a cut one the opened tree may know. */
static bool decode(const struct ck_stage *s, const struct ck_snode *dir, const char *name,
		   struct ck_span spelling, bool is_dir, struct ck_buf *out)
{
	struct ck_span c;
	struct ck_entry te;
	uint64_t hash;

	switch (ck_name_decode(spelling, flags_in(s, dir, is_dir), out, &hash)) {
	case CK_NAME_PLAIN:
		return true;
	case CK_NAME_CUT:
		break;
	case CK_NAME_BAD:
		return false;
	}
	if (dir->base == CK_NO_NODE || ck_tree_find(s->tree, s->root_base, dir->base,
						    ck_span(name, strlen(name)), &te) < 0)
		return false;
	c = ck_tree_component(s->tree, te.node);
	ck_buf_add(out, c.p, c.n);
	return true;
}

static bool add_component(const struct ck_stage *s, const struct ck_snode *n, struct ck_buf *out)
{
	struct ck_span spelling = ck_span(n->entry->name, strlen(n->entry->name));

	if (n->component) {
		ck_buf_add(out, n->component, n->component_len);
		return true;
	}
	if (n->is_dir && spelling.n > 2 && memcmp(spelling.p + spelling.n - 2, ".d", 2) == 0)
		spelling.n -= 2;
	return decode(s, n->now.dir, n->entry->name, spelling, n->is_dir, out);
}

int ck_snode_keep_component(struct ck_stage *s, struct ck_snode *n)
{
	struct ck_buf ck_auto_buf c = CK_BUF_INIT;

	if (n->component || !n->entry || !strstr(n->entry->name, "%~"))
		return 0;
	if (!add_component(s, n, &c))
		return ck_buf_failed(&c) ? -ENOMEM : 0; /* V.json will have to say it */
	if (ck_buf_failed(&c))
		return -ENOMEM;
	n->component_len = c.n;
	n->component = c.p;
	c = (struct ck_buf)CK_BUF_INIT;
	return 0;
}

bool ck_scope_name(const struct ck_stage *s, const struct ck_snode *dir, struct ck_buf *out)
{
	struct ck_buf ck_auto_buf chain = CK_BUF_INIT;
	const struct ck_snode *n;
	bool ok = true;

	for (n = dir; n->entry; n = n->now.dir)
		ck_buf_add(&chain, &n, sizeof(n));
	ck_buf_add(out, s->root->pub_name.p, s->root->pub_name.n);
	for (size_t at = chain.n; at > 0;) {
		at -= sizeof(n);
		memcpy(&n, chain.p + at, sizeof(n));
		ok &= add_component(s, n, out);
		ck_buf_char(out, s->o.tree.sep);
	}
	out->failed |= chain.failed;
	return ok;
}

/* Whether the name leads to this very path: V.json's word for it is checked, not believed. */
static bool leads_here(const struct ck_stage *s, const struct ck_snode *n, struct ck_span name)
{
	struct ck_buf ck_auto_buf spelt = CK_BUF_INIT;
	size_t skip = s->root->pub_name.n;

	if (name.n < skip)
		return false;
	for (;;) {
		const char *is = n->entry->name;
		size_t at = name.n, len = strlen(is);

		while (at > skip && name.p[at - 1] != (uint8_t)s->o.tree.sep)
			at--;
		ck_buf_clear(&spelt);
		ck_name_encode(ck_span(name.p + at, name.n - at),
			       flags_in(s, n->now.dir, n->is_dir), true, &spelt);
		if (ck_buf_failed(&spelt))
			return false;
		if (n->is_dir && len == spelt.n + 2 && strcmp(is + spelt.n, ".d") == 0)
			len -= 2;
		if (spelt.n != len || memcmp(spelt.p, is, len) != 0)
			return false;
		n = n->now.dir;
		if (!n->entry)
			return at == skip;
		if (at == skip)
			return false;
		name.n = at - 1;
	}
}

bool ck_var_node_name(const struct ck_stage *s, const struct ck_snode *n, struct ck_buf *out)
{
	size_t start = out->n;
	struct ck_span said;

	if (ck_scope_name(s, n->now.dir, out) && add_component(s, n, out)) {
		if (n->suffixed)
			ck_buf_str(out, CK_TF2_SUFFIX);
		return !ck_buf_failed(out);
	}
	out->n = start;
	if (!n->now.meta || !n->now.meta->name)
		return false;
	said = ck_span(n->now.meta->name, n->now.meta->name_len);
	ck_buf_add(out, said.p, said.n);
	if (n->suffixed && said.n > sizeof(CK_TF2_SUFFIX) - 1)
		said.n -= sizeof(CK_TF2_SUFFIX) - 1;
	return leads_here(s, n, said) && !ck_buf_failed(out);
}

bool ck_sentry_var_name(const struct ck_stage *s, const struct ck_sentry *e, struct ck_buf *out)
{
	if (!ck_scope_name(s, e->dir, out) ||
	    !decode(s, e->dir, e->name, ck_span(e->name, strlen(e->name)), false, out))
		return false;
	if (e->last_suffixed)
		ck_buf_str(out, CK_TF2_SUFFIX);
	return !ck_buf_failed(out);
}

int ck_name_check(const struct ck_stage *s, const struct ck_snode *dir, const char *name,
		  bool is_dir, struct ck_err *err)
{
	struct ck_buf ck_auto_buf c = CK_BUF_INIT;
	struct ck_span spelling = ck_span(name, strlen(name));
	char quoted[CK_QUOTE_ROOM];
	uint64_t hash;

	if (spelling.n > NAME_MAX)
		return -ENAMETOOLONG;
	if (!is_dir && ck_name_is_scratch(name))
		return 0;
	if (is_dir && spelling.n > 2 && memcmp(spelling.p + spelling.n - 2, ".d", 2) == 0)
		spelling.n -= 2;
	if (spelling.n > CK_SPELLING_MAX)
		return -ENAMETOOLONG;
	if (ck_name_decode(spelling, flags_in(s, dir, is_dir), &c, &hash) != CK_NAME_BAD)
		return 0;
	ck_quote(quoted, sizeof(quoted), name, strlen(name));
	return ck_fail(err, CK_USAGE, EINVAL,
		       "%s: no variable's name is spelt so: write %% as %%25, the dot of a last .json, "
		       ".npy, .txt or .d as %%2E", quoted);
}

bool ck_snode_is_var(const struct ck_snode *n)
{
	return !n->is_dir && n->entry && !ck_name_is_scratch(n->entry->name);
}

static bool differs(const struct ck_sstate *a, const struct ck_sstate *b)
{
	return a->dir != b->dir || !a->name || !b->name || strcmp(a->name, b->name) != 0 ||
	       a->content != b->content || a->meta != b->meta;
}

bool ck_snode_is_dirty(const struct ck_snode *n)
{
	if (!n->entry && !n->pub.dir)
		return false;
	return differs(&n->now, &n->pub);
}

bool ck_snode_unfinished(const struct ck_stage *s, const struct ck_snode *n, struct ck_buf *out)
{
	const struct ck_varmeta *m = n->now.meta;
	struct ck_buf ck_auto_buf name = CK_BUF_INIT;
	uint64_t need, has = n->now.content ? n->now.content->size : 0;

	if (n->now.content && n->now.content == n->pub.content && m == n->pub.meta &&
	    n->pub_name.p && ck_var_node_name(s, n, &name))
		return false; /* as it was published */
	ck_buf_clear(&name);
	if (!m || !m->has_dtype || !m->has_shape) {
		ck_buf_printf(out, "has no %s: write them to its .json, or copy its .json here",
			      m && m->has_dtype ? "shape" : m && m->has_shape ? "dtype" :
			      "dtype and shape");
		return true;
	}
	if (!ck_dtype_readable(m->dtype)) {
		ck_buf_str(out, "is of a dtype that cannot be written");
		return true;
	}
	if (!ck_var_node_name(s, n, &name)) {
		ck_buf_str(out, "has a path with a shortened name (%~): its .json has to say its "
			   "\"name\"");
		return true;
	}
	if (!ck_varmeta_need(m, &need)) {
		if (m->dtype != CK_DT_STRING || !m->rank)
			return !n->now.content &&
			       (ck_buf_str(out, "has no contents yet: write them"), true);
		ck_buf_str(out, "is a string tensor without lengths: its .json has to list the "
			   "\"lengths\" of its strings");
		return true;
	}
	if (!n->now.content) {
		ck_buf_printf(out, "waits for its %" PRIu64 " bytes", need);
		return true;
	}
	if (has == need)
		return false;
	ck_buf_printf(out, "has %" PRIu64 " bytes, while its dtype and shape take %" PRIu64
		      ": write that many, or change its .json", has, need);
	return true;
}

const char *ck_stage_quote(const struct ck_snode *n, char *buf, size_t room)
{
	struct ck_buf ck_auto_buf path = CK_BUF_INIT;

	if (n->entry)
		ck_snode_path(n, &path);
	else
		ck_buf_str(&path, n->pub.name ? n->pub.name : "(deleted)");
	return ck_quote(buf, room, path.p ? path.p : "", path.n);
}
